package dnssd

import (
	"context"
	"errors"

	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

// What is missing of a player that a PTR record names.
var (
	errNoPlace   = errors.New("no SRV record says where it is")
	errNoAddress = errors.New("the host of its SRV record has no address, A or AAAA")
)

// Found is a player as a domain names it.
type Found struct {
	Label       string             // of the instance, DNS escapes included
	Observation record.Observation // unless Err
	Err         error              // why the service passes it over
}

// LookUp asks once for the players of a domain, as Start does again and again. conf is as
// Options.ResolvConf. With an error, what was found before it is there as well.
func LookUp(ctx context.Context, s Source, conf string) ([]Found, error) {
	a := newAsker(s, conf)
	names, _, err := a.instances(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Found, 0, len(names))
	for _, name := range names {
		raw, _, err := a.device(ctx, name)
		if err != nil {
			return out, err
		}
		f := Found{Label: label(name)}
		switch {
		case raw == nil:
			f.Err = errNoPlace
		case len(raw.Addresses) == 0:
			f.Err = errNoAddress
		default:
			f.Observation, f.Err = record.Parse(*raw, record.Network{})
		}
		out = append(out, f)
	}
	return out, nil
}

package ctlcmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func addressesCommand() *cobra.Command {
	c := command("addresses", "List where devices may be; take back an added address",
		"Shows what mDNS found and the addresses that were added by hand or by configuration. An address becomes a device when something has answered there.",
		`  tutti addresses
  tutti addresses remove ws://192.168.20.15:8928/sendspin`,
		cobra.NoArgs, func(r *run, _ []string) error {
			l, raw, err := get[apiSightings](r, "/api/v1/sightings")
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printAddresses(l) })
		})
	c.AddCommand(command("remove <url|key>", "Take back an address that was added by hand", "",
		"  tutti addresses remove ws://192.168.20.15:8928/sendspin", cobra.ExactArgs(1), removeAddress))
	return c
}

func (r *run) printAddresses(l apiSightings) error {
	if len(l.Sightings) == 0 {
		_, err := fmt.Fprintln(r.out, "no address is known: devices that dial in need none; 'tutti add' adds one, 'tutti doctor' checks mDNS")
		return err
	}
	t := newTable("URL", "VIA", "NAME", "SEEN")
	for _, s := range l.Sightings {
		seen := ago(s.LastSeen, time.Now())
		switch {
		case s.Present:
		case s.Via == "mdns":
			seen += " (gone from mDNS)"
		case s.Via == "dns-sd":
			seen += " (gone from DNS)"
		}
		t.add(s.URL, s.Via, dash(clip(s.Name)), seen)
	}
	return t.print(r.out)
}

func removeAddress(r *run, args []string) error {
	l, _, err := get[apiSightings](r, "/api/v1/sightings")
	if err != nil {
		return err
	}
	var all []candidate
	for _, s := range l.Sightings {
		all = append(all, candidate{id: s.Key, names: []string{s.URL}, keys: []string{s.Key}, says: s.URL + " (" + s.Key + ")"})
	}
	m, err := match("address", args[0], all, "'tutti addresses' lists them")
	if err != nil {
		return err
	}
	if _, err := r.api.do(r.ctx, http.MethodDelete, "/api/v1/sightings/"+url.PathEscape(m.id), nil); err != nil {
		return err
	}
	raw, _ := json.Marshal(map[string]string{"key": m.id})
	return r.done(raw, "removed %s", clean(m.names[0]))
}

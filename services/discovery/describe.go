package discovery

import (
	"context"
	"net/netip"

	"github.com/tutti-audio/tutti/services/discovery/internal/dnssd"
	"github.com/tutti-audio/tutti/services/discovery/internal/mdns"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

// The service types of mDNS: of devices that wait to be dialled, and of servers.
const (
	DeviceType = mdns.ClientType
	ServerType = mdns.ServerType
)

// Record is an mDNS record of a device or server as somebody else heard it.
type Record struct {
	Link      string         // the interface that it came in on
	Own       []netip.Prefix // that interface's own addresses with their networks
	Instance  string         // instance label; DNS escapes are undone
	Port      int
	Text      []string
	Addresses []netip.Addr
}

// Described is what the service makes of a Record.
type Described struct {
	Name      string       // fit to be shown
	Addresses []netip.Addr // those that the gateways would dial, best first
	URLs      []string     // one for each address
}

// Describe judges r as the service does with what it hears itself: its error says why
// the service would pass it over.
func Describe(r Record) (Described, error) {
	o, err := record.Parse(record.Raw{Instance: r.Instance, Port: r.Port, Text: r.Text, Addresses: r.Addresses, Interface: r.Link},
		record.Network{Interface: r.Link, Prefixes: r.Own})
	if err != nil {
		return Described{}, err
	}
	return Described{Name: o.Name, Addresses: o.Addresses, URLs: o.URLs()}, nil
}

// CleanName makes a name from the network fit to be shown.
func CleanName(s string) string { return record.CleanName(record.Unescape(s)) }

// DeviceURL checks the ws:// address of a device that a person gives, and writes it in
// one form, as Config.Static is.
func DeviceURL(s string) (string, error) { return record.ParseURL(s) }

// DomainPlayer is a player as a DNS server names it.
type DomainPlayer struct {
	Described       // of one that the service passes over the name alone
	Err       error // why the service passes it over
}

// LookUp asks once for the players of a domain, DOMAIN[@SERVER[:PORT]] as in Config.DNSSD, as
// the service does, which must not run for it. A question waits 3 s for each DNS server; ctx
// bounds all of them. With an error, what was found before it is there as well.
func LookUp(ctx context.Context, domain string) ([]DomainPlayer, error) {
	s, err := dnssd.ParseSource(domain)
	if err != nil {
		return nil, err
	}
	found, err := dnssd.LookUp(ctx, s, "")
	out := make([]DomainPlayer, 0, len(found))
	for _, f := range found {
		o := f.Observation
		p := DomainPlayer{Described{Name: o.Name, Addresses: o.Addresses}, f.Err}
		if f.Err != nil {
			p.Described = Described{Name: CleanName(f.Label)}
		} else {
			p.URLs = o.URLs()
		}
		out = append(out, p)
	}
	return out, err
}

package doctorcmd

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/tutti-audio/tutti/services/discovery"
)

// maxRecords bounds what strangers on the network can make us keep, of each kind.
const maxRecords = 1000

// records are the DNS records that were heard on one interface. Keys are lower case, since
// DNS names do not tell case apart.
type records struct {
	instances map[string]instance
	srv       map[string]*dns.SRV
	txt       map[string][]string
	addrs     map[string][]netip.Addr
}

// instance is a device or server that was named.
type instance struct {
	label string // as it was written
	kind  string // discovery.DeviceType or ServerType
}

func newRecords() records {
	return records{map[string]instance{}, map[string]*dns.SRV{}, map[string][]string{}, map[string][]netip.Addr{}}
}

func put[V any](m map[string]V, name string, v V) {
	name = strings.ToLower(name)
	if _, known := m[name]; known || len(m) < maxRecords {
		m[name] = v
	}
}

// take keeps what an answer says.
func (r records) take(m *dns.Msg) {
	for _, rr := range slices.Concat(m.Answer, m.Extra) {
		if rr.Header().Ttl == 0 {
			continue // a goodbye
		}
		switch rr := rr.(type) {
		case *dns.PTR:
			r.takeInstance(rr.Ptr)
		case *dns.SRV:
			r.takeInstance(rr.Hdr.Name) // who announces itself may leave the PTR out
			put(r.srv, rr.Hdr.Name, rr)
		case *dns.TXT:
			put(r.txt, rr.Hdr.Name, rr.Txt)
		case *dns.A:
			r.takeAddr(rr.Hdr.Name, rr.A)
		case *dns.AAAA:
			r.takeAddr(rr.Hdr.Name, rr.AAAA)
		}
	}
}

func (r records) takeInstance(name string) {
	for _, kind := range []string{discovery.DeviceType, discovery.ServerType} {
		end := "." + kind + ".local."
		if n := len(name) - len(end); n > 0 && strings.EqualFold(name[n:], end) {
			put(r.instances, name, instance{name[:n], kind})
		}
	}
}

func (r records) takeAddr(host string, ip []byte) {
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return
	}
	const most = 16 // of one host
	known := r.addrs[strings.ToLower(host)]
	if a = a.Unmap(); len(known) < most && !slices.Contains(known, a) {
		put(r.addrs, host, append(known, a))
	}
}

// missing are the questions that are left open: responders should add these records to
// their answer, and some do not.
func (r records) missing() (out []dns.Question) {
	ask := func(name string, kind uint16) {
		const most = 30 // fits one packet; the next round asks for the others
		if len(out) < most {
			out = append(out, dns.Question{Name: name, Qtype: kind, Qclass: dns.ClassINET})
		}
	}
	for name := range r.instances {
		srv := r.srv[name]
		if srv == nil {
			ask(name, dns.TypeSRV)
		} else if len(r.addrs[strings.ToLower(srv.Target)]) == 0 {
			ask(srv.Target, dns.TypeA)
		}
		if r.txt[name] == nil {
			ask(name, dns.TypeTXT)
		}
	}
	return out
}

// found is a device or server as it describes itself on one link.
type found struct {
	discovery.Described
	link string
	all  []netip.Addr // also those that nobody would dial
	err  error        // why discovery would pass it over
}

// list are the instances of one kind, by name.
func (r records) list(kind, link string, own []netip.Prefix) (out []found) {
	for name, i := range r.instances {
		if i.kind != kind {
			continue
		}
		rec := discovery.Record{Link: link, Own: own, Instance: i.label, Text: r.txt[name]}
		if srv := r.srv[name]; srv != nil {
			rec.Port = int(srv.Port)
			rec.Addresses = r.addrs[strings.ToLower(srv.Target)]
		}
		f := found{link: link, all: rec.Addresses}
		if f.Described, f.err = discovery.Describe(rec); f.err != nil {
			f.Name = discovery.CleanName(i.label)
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b found) int { return strings.Compare(a.Name, b.Name) })
	return out
}

package dnssd

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Bounds of what an answer can make us keep or do.
const (
	maxInstances = 500 // a domain; each is four questions
	maxText      = 32  // strings of a TXT record
	maxAddresses = 16
	maxAliases   = 8
)

// check refuses what is no answer to q. That a name does not exist is one.
func check(m *dns.Msg, q dns.Question) error {
	switch {
	case !m.Response || len(m.Question) != 1 || m.Question[0].Qtype != q.Qtype || m.Question[0].Qclass != q.Qclass || !same(m.Question[0].Name, q.Name):
		return fmt.Errorf("the answer is to another question")
	case m.Truncated:
		return fmt.Errorf("the answer is cut off")
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return fmt.Errorf("the server answers %s", dns.RcodeToString[m.Rcode])
	}
	return nil
}

func same(a, b string) bool { return dns.CanonicalName(a) == dns.CanonicalName(b) }

// of are the answer's records of one kind and owner.
func of[T dns.RR](m *dns.Msg, owner string) (out []T) {
	for _, rr := range m.Answer {
		if r, ok := rr.(T); ok && rr.Header().Class == dns.ClassINET && same(rr.Header().Name, owner) {
			out = append(out, r)
		}
	}
	return out
}

// lasts is the TTL of a record.
func lasts(rr dns.RR) time.Duration { return time.Duration(rr.Header().Ttl) * time.Second }

// absent is how long it holds that a name has no such record (RFC 2308).
func absent(m *dns.Msg, otherwise time.Duration) time.Duration {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(lasts(soa), time.Duration(soa.Minttl)*time.Second, otherwise)
		}
	}
	return otherwise
}

// instances are the names that a PTR answer gives: those of one label before the service
// itself, so that nobody is sent into another domain, or around in a circle.
func instances(m *dns.Msg, service string) (names []string, ttl time.Duration) {
	ttl = maxInterval
	seen := map[string]bool{}
	for _, p := range of[*dns.PTR](m, service) {
		name := dns.CanonicalName(p.Ptr)
		if seen[name] || len(names) == maxInstances || !dns.IsSubDomain(dns.CanonicalName(service), name) || dns.CountLabel(name) != dns.CountLabel(service)+1 {
			continue
		}
		seen[name] = true
		names, ttl = append(names, p.Ptr), min(ttl, lasts(p))
	}
	if len(names) == 0 {
		ttl = absent(m, nobodyInterval)
	}
	return names, ttl
}

// label is the first of a name, escapes included.
func label(name string) string {
	if i, end := dns.NextLabel(name, 0); !end && i > 1 {
		return name[:i-1]
	}
	return ""
}

// place is where an instance is: of several places the one with the lowest priority, the
// first of equals. host is "" when there is none.
func place(m *dns.Msg, name string) (host string, port int, ttl time.Duration) {
	var best *dns.SRV
	for _, s := range of[*dns.SRV](m, name) {
		if s.Target == "." || s.Port == 0 || best != nil && s.Priority >= best.Priority {
			continue
		}
		best = s
	}
	if best == nil {
		return "", 0, 0
	}
	return dns.Fqdn(best.Target), int(best.Port), lasts(best)
}

// text is the first TXT record. One that is not there says nothing.
func text(m *dns.Msg, name string) ([]string, time.Duration) {
	for _, t := range of[*dns.TXT](m, name) {
		return t.Txt[:min(len(t.Txt), maxText)], lasts(t)
	}
	return nil, maxInterval
}

// addresses are those of a host, over the aliases in the answer.
func addresses(m *dns.Msg, host string, kind uint16) (out []netip.Addr, ttl time.Duration) {
	ttl = maxInterval
	for range maxAliases {
		alias := of[*dns.CNAME](m, host)
		if len(alias) == 0 {
			break
		}
		host, ttl = alias[0].Target, min(ttl, lasts(alias[0]))
	}
	keep := func(rr dns.RR, ip net.IP) {
		if a, ok := netip.AddrFromSlice(ip); ok && len(out) < maxAddresses {
			out, ttl = append(out, a.Unmap()), min(ttl, lasts(rr))
		}
	}
	if kind == dns.TypeA {
		for _, r := range of[*dns.A](m, host) {
			keep(r, r.A)
		}
		return out, ttl
	}
	for _, r := range of[*dns.AAAA](m, host) {
		keep(r, r.AAAA)
	}
	return out, ttl
}

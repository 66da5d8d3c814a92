// Package mdns is grandcat/zeroconf as this service needs it: one browse and one
// advertisement per network interface, with an end that can be waited for.
//
// zeroconf reports a device once per browse and says nothing when it goes, so a
// browse is a round: the caller starts a new one now and then and takes a device
// that several rounds did not hear for absent.
package mdns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/grandcat/zeroconf"

	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

// Service types of the specification (section Establishing a Connection).
const (
	ClientType = "_sendspin._tcp"
	ServerType = "_sendspin-server._tcp"
)

const domain = "local."

// Link is a network interface as it was when it was looked at.
type Link struct {
	Name     string
	Index    int
	Prefixes []netip.Prefix // own addresses with their networks, sorted
}

// Same reports whether nothing changed that a browse or an advertisement depends on.
func (l Link) Same(o Link) bool {
	if l.Name != o.Name || l.Index != o.Index || len(l.Prefixes) != len(o.Prefixes) {
		return false
	}
	for i := range l.Prefixes {
		if l.Prefixes[i] != o.Prefixes[i] {
			return false
		}
	}
	return true
}

// Advert is what is said about one gateway on one link.
type Advert struct {
	Instance string // instance label; see Label
	Port     int
	Text     []string
}

// Net is the multicast network of this host, or a test's.
type Net interface {
	// Links lists the interfaces that can multicast now.
	Links() ([]Link, error)
	// Browse asks on link for clients and calls heard, from one goroutine, for each
	// record, once. stop ends the round and waits; heard must return when its
	// context ends.
	Browse(link Link, heard func(ctx context.Context, raw record.Raw)) (stop func(), err error)
	// Advertise announces a on link until stop, which takes it back.
	Advertise(link Link, a Advert) (stop func(), err error)
}

// Zeroconf is the real Net.
type Zeroconf struct{}

// Links implements Net: interfaces that are up, can multicast, are no loopback and
// have an address.
func (Zeroconf) Links() ([]Link, error) {
	ifis, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("mdns: list interfaces: %w", err)
	}
	var out []Link
	for _, ifi := range ifis {
		const want = net.FlagUp | net.FlagMulticast
		if ifi.Flags&want != want || ifi.Flags&net.FlagLoopback != 0 {
			continue
		}
		if l := (Link{Name: ifi.Name, Index: ifi.Index, Prefixes: prefixes(ifi)}); len(l.Prefixes) > 0 {
			out = append(out, l)
		}
	}
	return out, nil
}

// Browse implements Net.
func (Zeroconf) Browse(link Link, heard func(ctx context.Context, raw record.Raw)) (func(), error) {
	ifi, err := net.InterfaceByName(link.Name)
	if err != nil {
		return nil, fmt.Errorf("mdns: interface %s: %w", link.Name, err)
	}
	r, err := zeroconf.NewResolver(zeroconf.SelectIfaces([]net.Interface{*ifi}), zeroconf.SelectIPTraffic(traffic(link)))
	if err != nil {
		return nil, fmt.Errorf("mdns: listen on %s (is UDP port 5353 blocked?): %w", link.Name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	entries := make(chan *zeroconf.ServiceEntry)
	done := make(chan struct{})
	go func() { // until zeroconf, told by ctx, closes entries
		defer close(done)
		for e := range entries {
			heard(ctx, rawOf(e, link.Name))
		}
	}()
	if err := r.Browse(ctx, ClientType, domain, entries); err != nil {
		cancel()
		<-done
		return nil, fmt.Errorf("mdns: ask on %s: %w", link.Name, err)
	}
	return func() { cancel(); <-done }, nil
}

// Advertise implements Net.
func (Zeroconf) Advertise(link Link, a Advert) (func(), error) {
	ifi, err := net.InterfaceByName(link.Name)
	if err != nil {
		return nil, fmt.Errorf("mdns: interface %s: %w", link.Name, err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("mdns: host name: %w", err)
	}
	// As a proxy without addresses, zeroconf says those of the interface on which a
	// question came in. With Register it would say link's addresses on every
	// interface of the host, because Linux lets every socket hear all of them.
	s, err := zeroconf.RegisterProxy(a.Instance, ServerType, domain, a.Port, host, nil, a.Text, []net.Interface{*ifi})
	if err != nil {
		return nil, fmt.Errorf("mdns: advertise on %s: %w", link.Name, err)
	}
	return s.Shutdown, nil
}

// traffic asks only for the families that the link has: zeroconf gives up on both
// when one cannot be joined.
func traffic(link Link) zeroconf.IPType {
	var t zeroconf.IPType
	for _, p := range link.Prefixes {
		if p.Addr().Is4() {
			t |= zeroconf.IPv4
		} else {
			t |= zeroconf.IPv6
		}
	}
	return t
}

func rawOf(e *zeroconf.ServiceEntry, link string) record.Raw {
	raw := record.Raw{Instance: e.Instance, Port: e.Port, Text: e.Text, Interface: link}
	for _, ips := range [][]net.IP{e.AddrIPv4, e.AddrIPv6} {
		for _, ip := range ips {
			if a, ok := netip.AddrFromSlice(ip); ok {
				raw.Addresses = append(raw.Addresses, a.Unmap())
			}
		}
	}
	return raw
}

func prefixes(ifi net.Interface) []netip.Prefix {
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil // it went away while we looked
	}
	var out []netip.Prefix
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || p.Addr().IsLoopback() {
			continue
		}
		out = append(out, p)
	}
	sortPrefixes(out)
	return out
}

// Label makes a name fit for a DNS label that every responder and client handles:
// letters, digits and '-', at most 63 bytes. The name itself travels in the TXT
// record.
func Label(name, suffix string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	base := strings.Trim(b.String(), "-")
	if base == "" {
		base = "tutti"
	}
	if suffix != "" {
		suffix = "-" + suffix
	}
	const maxLabel = 63
	if n := maxLabel - len(suffix); len(base) > n {
		base = strings.TrimRight(base[:max(n, 0)], "-")
	}
	return base + suffix
}

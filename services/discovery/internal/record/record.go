// Package record turns what the network says about a device into an observation
// that the rest of the service can rely on. Everything in here is hostile until it
// has passed: names are bounded and cleaned, paths are checked, and addresses are
// limited to networks where a device of this house can be, because the gateway will
// connect to them.
package record

import (
	"net/netip"
	"sort"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
)

// DefaultPath is the recommended WebSocket path (spec: Server Initiated Connections).
const DefaultPath = "/sendspin"

// DefaultPort is the recommended port of a client that listens.
const DefaultPort = 8928

// maxAddresses bounds what one record can make us keep.
const maxAddresses = 8

// Ways by which the network tells of a device (Sighting.via).
const (
	ViaMDNS  = "mdns"
	ViaDNSSD = "dns-sd"
)

// Raw is a record of DNS-SD, by mDNS as it was heard on one interface.
type Raw struct {
	Instance  string // instance label, DNS escapes included
	Port      int
	Text      []string
	Addresses []netip.Addr // without zones
	Interface string
}

// Network is what this host knows of the interface: its own prefixes.
type Network struct {
	Interface string
	Prefixes  []netip.Prefix
}

// Observation is one device as one record describes it.
type Observation struct {
	Key       string // stable: of the instance name
	Name      string // clean; for people only
	Via       string // ViaMDNS or ViaDNSSD
	Interface string // "" when it came from a DNS server
	Path      string
	Port      uint16
	Addresses []netip.Addr // best first; link-local IPv6 with its zone
}

// URLs are the ws:// addresses, best first.
func (o Observation) URLs() []string {
	out := make([]string, len(o.Addresses))
	for i, a := range o.Addresses {
		out[i] = URL(a, o.Port, o.Path)
	}
	return out
}

// Parse checks a record. Its error, a *fault.Error with the code Invalid, says which
// part of it cannot be used.
func Parse(raw Raw, network Network) (Observation, error) {
	instance := Unescape(raw.Instance)
	if instance == "" || len(instance) > 255 {
		return Observation{}, fault.New(fault.Invalid, "the instance name has %d bytes", len(instance))
	}
	if raw.Port < 1 || raw.Port > 65535 {
		return Observation{}, fault.New(fault.Invalid, "port %d is none", raw.Port)
	}
	txt := Text(raw.Text)
	path := DefaultPath
	if p, ok := txt["path"]; ok {
		path = p
	}
	if err := CheckPath(path); err != nil {
		return Observation{}, err
	}
	addrs := usable(raw.Addresses, network)
	if len(addrs) == 0 {
		return Observation{}, fault.New(fault.Invalid, "none of %d addresses is one of this network", len(raw.Addresses))
	}
	name := CleanName(txt["name"])
	if name == "" {
		name = CleanName(instance)
	}
	if name == "" {
		name = "unnamed device"
	}
	return Observation{Key: InstanceKey(instance), Name: name, Via: ViaMDNS, Interface: network.Interface,
		Path: path, Port: uint16(raw.Port), Addresses: addrs}, nil
}

// Text reads the key=value strings of a TXT record. Keys are lower case; the first
// of equal keys counts (RFC 6763, section 6.4).
func Text(text []string) map[string]string {
	out := map[string]string{}
	for _, t := range text {
		k, v, _ := strings.Cut(t, "=")
		k = strings.ToLower(k)
		if _, dup := out[k]; k != "" && !dup {
			out[k] = v
		}
	}
	return out
}

// usable sorts out the addresses that cannot be a device of this house and orders
// the rest: IPv4, global IPv6, unique local, link-local with the zone.
func usable(addrs []netip.Addr, network Network) []netip.Addr {
	var out []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		if seen[a] || !near(a, network.Prefixes) {
			continue
		}
		seen[a] = true
		if a.Is6() && a.IsLinkLocalUnicast() {
			if network.Interface == "" {
				continue
			}
			a = a.WithZone(network.Interface)
		}
		out = append(out, a)
	}
	sort.SliceStable(out, func(i, j int) bool {
		if ri, rj := Rank(out[i]), Rank(out[j]); ri != rj {
			return ri < rj
		}
		return out[i].Less(out[j])
	})
	return out[:min(len(out), maxAddresses)]
}

// near reports whether a can be a device of this house: a private or link-local
// address, or one of the interface's own networks. A record must not be able to
// make the gateway connect to the internet or to this host's own loopback.
func near(a netip.Addr, own []netip.Prefix) bool {
	if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() {
		return false
	}
	for _, p := range own {
		if p.Contains(a) {
			return true
		}
	}
	return a.IsPrivate() || a.IsLinkLocalUnicast()
}

// Rank orders addresses by how likely they are to work: lower is better.
func Rank(a netip.Addr) int {
	switch {
	case a.Is4() && !a.IsLinkLocalUnicast():
		return 0
	case a.Is6() && !a.IsLinkLocalUnicast() && !a.IsPrivate():
		return 1
	case a.Is6() && a.IsPrivate():
		return 2
	case a.Is4():
		return 3
	}
	return 4
}

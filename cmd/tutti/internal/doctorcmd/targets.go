package doctorcmd

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/tutti-audio/tutti/services/discovery"
)

// target is an address of a device that is to be reached.
type target struct {
	name  string // of the device; of a given one its address
	url   string
	given bool // by --device
	link  string
}

// hostPort is the part of the address that TCP needs.
func (t target) hostPort() string {
	u, err := url.Parse(t.url)
	if err != nil {
		return t.url // every url was made by package discovery: never
	}
	return u.Host
}

// addr is the address, unless it is a DNS name.
func (t target) addr() (netip.Addr, bool) {
	u, err := url.Parse(t.url)
	if err != nil {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(u.Hostname())
	return a, err == nil
}

// givenDevices reads the values of --device: the server's ws:// addresses, or an address or
// name alone, with or without port.
func givenDevices(devices []string) (out []target, bad []Result) {
	for _, d := range devices {
		raw := strings.TrimSpace(d)
		if !strings.Contains(raw, "://") {
			if a, err := netip.ParseAddr(raw); err == nil && a.Is6() {
				raw = "[" + strings.Replace(raw, "%", "%25", 1) + "]"
			}
			raw = "ws://" + raw
		}
		u, err := discovery.DeviceURL(raw)
		if err != nil {
			bad = append(bad, Result{"device " + discovery.CleanName(d), Fail, err.Error(), "write ADDR, ADDR:PORT or ws://ADDR:PORT/PATH"})
			continue
		}
		out = append(out, target{name: strings.TrimSuffix(strings.TrimPrefix(u, "ws://"), "/sendspin"), url: u, given: true})
	}
	return out, bad
}

// seenDevices are the addresses of the devices that were heard, and what is wrong with those
// that the server would pass over.
func seenDevices(airs []airing) (out []target, passed []Result) {
	known := map[string]bool{}
	for _, a := range airs {
		for _, f := range a.heard.records.list(discovery.DeviceType, a.name, a.own) {
			if f.err != nil {
				passed = append(passed, Result{"speaker " + f.Name, Warn, fmt.Sprintf("heard on %s, and passed over by the server: %v%s", a.name, f.err, said(f)),
					"the speaker's own network settings are wrong, or its program is in a container without the host's network; 'tutti add ws://ADDR:8928/sendspin' names its address"})
				continue
			}
			for _, u := range f.URLs {
				if !known[u] {
					known[u] = true
					out = append(out, target{name: f.Name, url: u, link: a.name})
				}
			}
		}
	}
	return out, passed
}

func said(f found) string {
	if len(f.all) == 0 {
		return ""
	}
	words := make([]string, 0, len(f.all))
	for _, a := range f.all {
		words = append(words, a.String())
	}
	return " (it says " + some(words) + ")"
}

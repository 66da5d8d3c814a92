package doctorcmd

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// card is one network interface that is up, as far as devices are concerned.
type card struct {
	name string
	kind string // the kernel's word: "vlan", "bridge", "wlan", "wireguard", "macvlan"; "" for most others
	// peer: the interface is one end of a pair whose other end is elsewhere, as a container's.
	peer      bool
	loopback  bool
	multicast bool
	unplugged bool           // no cable, or no Wi-Fi to which it belongs
	addrs     []netip.Prefix // IPv4
}

// network is what the judgement needs to know of this machine.
type network struct {
	cards     []card
	container bool
}

// checkNetwork looks at which networks this machine is in: where devices can be, and which
// address they are told.
func checkNetwork(_ context.Context, s settings) []Result {
	n, err := lookAround()
	if err != nil {
		return []Result{{"network", Fail, err.Error(), adviceNoMulticast}}
	}
	return n.judge(s)
}

// lookAround asks the kernel for the interfaces that are up.
func lookAround() (network, error) {
	ifaces, err := net.Interfaces()
	if err != nil {
		return network{}, fmt.Errorf("the network interfaces cannot be listed: %w", err)
	}
	n := network{container: inContainer()}
	sys := os.DirFS("/sys/class/net")
	for _, i := range ifaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		c := card{name: i.Name, loopback: i.Flags&net.FlagLoopback != 0, multicast: i.Flags&net.FlagMulticast != 0,
			unplugged: i.Flags&net.FlagRunning == 0}
		c.kind, c.peer = describe(sys, i.Name)
		addrs, err := i.Addrs()
		if err != nil {
			continue // gone meanwhile
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
				c.addrs = append(c.addrs, p)
			}
		}
		n.cards = append(n.cards, c)
	}
	return n, nil
}

// describe asks the kernel what an interface is. An answer that is missing (other systems,
// a container without /sys) is none.
func describe(sys fs.FS, name string) (kind string, peer bool) {
	if b, err := fs.ReadFile(sys, name+"/uevent"); err == nil {
		for line := range bytes.Lines(b) {
			if v, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("DEVTYPE=")); ok {
				kind = string(v)
			}
		}
	}
	number := func(file string) int {
		b, err := fs.ReadFile(sys, name+"/"+file)
		if err != nil {
			return 0
		}
		v, _ := strconv.Atoi(strings.TrimSpace(string(b))) // 0: not told
		return v
	}
	index, link := number("ifindex"), number("iflink")
	return kind, kind == "" && index != 0 && link != 0 && index != link
}

func inContainer() bool {
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return true
	}
	for _, f := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(f); err == nil {
			return true
		}
	}
	return false
}

// virtual tells interfaces behind which are containers, guests or tunnels, but no speakers.
func (c card) virtual() bool {
	if c.kind == "wireguard" || !c.multicast {
		return true
	}
	for _, p := range []string{"docker", "br-", "veth", "cni", "flannel", "cali", "virbr", "lxc", "podman", "tailscale", "tun"} {
		if strings.HasPrefix(c.name, p) {
			return true
		}
	}
	return false
}

func (c card) String() string {
	words := make([]string, 0, len(c.addrs))
	for _, a := range c.addrs {
		words = append(words, a.String())
	}
	name := c.name
	if c.kind == "vlan" {
		name += " (VLAN)"
	}
	return strings.TrimSpace(name + " " + strings.Join(words, " "))
}

// speakers are the interfaces where devices may be.
func (n network) speakers() (out []card) {
	for _, c := range n.cards {
		if !c.loopback && !c.virtual() && len(c.addrs) > 0 {
			out = append(out, c)
		}
	}
	return out
}

func (n network) judge(s settings) []Result {
	const name = "network"
	lans := n.speakers()
	if len(lans) == 0 {
		return append([]Result{n.noNetwork(s)}, n.checkListen(s, lans)...)
	}
	if n.container && !slices.ContainsFunc(lans, func(c card) bool { return !c.peer }) {
		return append([]Result{{name, Warn, fmt.Sprintf("this container sees a container network only (%s): mDNS does not pass it, and devices cannot reach the address", join(lans)),
			"give the container the host's network (compose: network_mode: host, Kubernetes: hostNetwork: true), or publish port 8927, name devices with 'tutti add ws://HOST:8928/sendspin' and run with --mdns=false"}},
			n.checkListen(s, lans)...)
	}
	out := []Result{{name, OK, "devices can be in: " + join(lans), ""}}
	out = append(out, n.silent()...)
	out = append(out, overlaps(lans)...)
	return append(out, n.checkListen(s, lans)...)
}

// noNetwork is a failure where devices are to be found by mDNS; on one machine, players on
// itself do without.
func (n network) noNetwork(s settings) Result {
	level := Fail
	if !s.MDNS {
		level = Warn
	}
	var seen []card
	for _, c := range n.cards {
		if !c.loopback {
			seen = append(seen, c)
		}
	}
	if len(seen) == 0 {
		return Result{"network", level, "no network interface but loopback is up", "plug the cable in, or bring the interface up: ip link set dev NAME up"}
	}
	return Result{"network", level, "no interface with an IPv4 address where a device could be; there are only: " + join(seen),
		"give the interface to the speakers' network an address (DHCP or ip addr add); addresses of bridges for containers and of tunnels do not help"}
}

// silent finds interfaces that reach a network but take no part in it.
func (n network) silent() (out []Result) {
	for _, c := range n.cards {
		switch {
		case c.kind == "vlan" && len(c.addrs) == 0:
			out = append(out, Result{"network " + c.name, Warn, "this VLAN is up and has no address: devices in it are not found",
				"give it an address (DHCP or ip addr add), or name its devices with 'tutti add ws://HOST:8928/sendspin' and let the router pass ports 8927 and 8928 between the VLANs"})
		case !c.virtual() && !c.loopback && len(c.addrs) > 0 && !slices.ContainsFunc(c.addrs, func(p netip.Prefix) bool { return !p.Addr().IsLinkLocalUnicast() }):
			out = append(out, Result{"network " + c.name, Warn, "it gave itself the address " + c.addrs[0].Addr().String() + ": no DHCP server answered",
				"look at the cable, the switch port's VLAN and the DHCP server"})
		}
	}
	return out
}

// overlaps finds one network that is reached by two interfaces: answers leave by one of
// them, whichever was asked.
func overlaps(cards []card) (out []Result) {
	for i, a := range cards {
		for _, b := range cards[i+1:] {
			for _, pa := range a.addrs {
				for _, pb := range b.addrs {
					if pa.Overlaps(pb) {
						out = append(out, Result{"network " + b.name, Warn, fmt.Sprintf("%s and %s are both in %s: packets leave by one of them, and devices may be told the other's address", a.name, b.name, pa.Masked()),
							"use one of them (usually the cable: turn Wi-Fi off), or give them networks that do not overlap"})
					}
				}
			}
		}
	}
	return out
}

// checkListen looks at the address that devices are told: the one where --sendspin listens.
func (n network) checkListen(s settings, lans []card) []Result {
	const name = "address"
	host, port, err := net.SplitHostPort(s.Sendspin)
	if err != nil || host == "" {
		return nil // checkPorts says so; everywhere is right
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.IsUnspecified() {
		return nil
	}
	fix := fmt.Sprintf("listen on all addresses: --sendspin :%s", port)
	if len(lans) > 0 {
		fix += fmt.Sprintf(", or on %s alone: --sendspin %s", lans[0].name, net.JoinHostPort(lans[0].addrs[0].Addr().String(), port))
	}
	if addr.IsLoopback() {
		return []Result{{name, Warn, s.Sendspin + " is reached from this machine only: no device can connect or be told it", fix}}
	}
	for _, c := range n.cards {
		for _, p := range c.addrs {
			if p.Addr() == addr && c.virtual() {
				return []Result{{name, Warn, fmt.Sprintf("%s is the address of %s, where containers, guests or a tunnel are: devices cannot reach it", s.Sendspin, c.name), fix}}
			}
			if p.Addr() == addr {
				return []Result{{name, OK, fmt.Sprintf("devices are told %s, of %s", s.Sendspin, c.name), ""}}
			}
		}
	}
	return nil // no address of this machine: checkPorts says so
}

func join(cards []card) string {
	words := make([]string, 0, len(cards))
	for _, c := range cards {
		words = append(words, c.String())
	}
	return strings.Join(words, ", ")
}

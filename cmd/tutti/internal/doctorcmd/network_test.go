package doctorcmd

import (
	"net/netip"
	"testing"
	"testing/fstest"
)

func ether(name string, addrs ...string) card {
	c := card{name: name, multicast: true}
	for _, a := range addrs {
		c.addrs = append(c.addrs, netip.MustParsePrefix(a))
	}
	return c
}

func vlan(name string, addrs ...string) card {
	c := ether(name, addrs...)
	c.kind = "vlan"
	return c
}

func TestNetworkTroublesAreNamedWithTheirFix(t *testing.T) {
	lo := card{name: "lo", loopback: true, addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}
	docker := ether("docker0", "172.17.0.1/16")
	inside := ether("eth0", "172.17.0.2/16")
	inside.peer = true
	tunnel := ether("wg0", "10.9.0.1/24")
	tunnel.kind = "wireguard"
	lan := ether("eth0", "192.168.1.5/24")
	for name, c := range map[string]struct {
		n        network
		sendspin string
		check    string
		level    Level
		text     string
	}{
		"one network":              {network{cards: []card{lo, lan, docker}}, ":8927", "network", OK, "eth0 192.168.1.5/24"},
		"two VLANs":                {network{cards: []card{lo, lan, vlan("eth0.20", "10.0.20.5/24")}}, ":8927", "network", OK, "eth0.20 (VLAN) 10.0.20.5/24"},
		"a VLAN without address":   {network{cards: []card{lo, lan, vlan("eth0.20")}}, ":8927", "network eth0.20", Warn, "let the router pass ports 8927 and 8928"},
		"a container's bridge":     {network{cards: []card{lo, inside}, container: true}, ":8927", "network", Warn, "network_mode: host"},
		"host network":             {network{cards: []card{lo, lan, docker}, container: true}, ":8927", "network", OK, "eth0"},
		"only bridges and tunnels": {network{cards: []card{lo, docker, tunnel}}, ":8927", "network", Fail, "docker0 172.17.0.1/16, wg0"},
		"nothing":                  {network{cards: []card{lo}}, ":8927", "network", Fail, "ip link set"},
		"no DHCP":                  {network{cards: []card{lo, ether("eth0", "169.254.3.4/16")}}, ":8927", "network eth0", Warn, "DHCP"},
		"cable and Wi-Fi":          {network{cards: []card{lo, lan, ether("wlan0", "192.168.1.77/24")}}, ":8927", "network wlan0", Warn, "turn Wi-Fi off"},
		"loopback is told":         {network{cards: []card{lo, lan}}, "127.0.0.1:8927", "address", Warn, "--sendspin 192.168.1.5:8927"},
		"a bridge is told":         {network{cards: []card{lo, lan, docker}}, "172.17.0.1:8927", "address", Warn, "--sendspin :8927"},
		"the right one is told":    {network{cards: []card{lo, lan, docker}}, "192.168.1.5:8927", "address", OK, "of eth0"},
	} {
		t.Run(name, func(t *testing.T) {
			only(t, c.n.judge(settings{Sendspin: c.sendspin, MDNS: true}), c.check).want(t, c.level, c.text)
		})
	}
	only(t, network{cards: []card{lo}}.judge(settings{Sendspin: ":8927"}), "network").want(t, Warn, "ip link set") // no mDNS: players of this machine
	if r := (network{cards: []card{lo, lan, vlan("eth0.20", "10.0.20.5/24")}}).judge(settings{Sendspin: ":8927"}); len(r) != 1 {
		t.Errorf("nothing is wrong, but it says %+v", r)
	}
}

func TestTheKernelTellsWhatAnInterfaceIs(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	sys := fstest.MapFS{
		"eth0/uevent": file("INTERFACE=eth0\nIFINDEX=2\n"), "eth0/ifindex": file("2\n"), "eth0/iflink": file("2\n"),
		"eth0.20/uevent": file("DEVTYPE=vlan\nINTERFACE=eth0.20\n"), "eth0.20/ifindex": file("3\n"), "eth0.20/iflink": file("2\n"),
		"veth/uevent": file("INTERFACE=veth\n"), "veth/ifindex": file("12\n"), "veth/iflink": file("13\n"),
	}
	for name, want := range map[string]card{"eth0": {}, "eth0.20": {kind: "vlan"}, "veth": {peer: true}, "gone": {}} {
		if kind, peer := describe(sys, name); kind != want.kind || peer != want.peer {
			t.Errorf("%s: %q, peer %v; want %q, %v", name, kind, peer, want.kind, want.peer)
		}
	}
}

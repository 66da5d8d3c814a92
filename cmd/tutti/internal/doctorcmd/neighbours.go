package doctorcmd

import (
	"net/netip"
	"os"
	"strings"
)

// neighbour is one line of the kernel's table of who is on the links.
type neighbour struct {
	addr netip.Addr
	link string
	here bool // it has answered
}

// neighbours reads the kernel's table; where there is none (other systems), nobody is known.
func neighbours() []neighbour {
	b, err := os.ReadFile("/proc/net/arp")
	if err != nil {
		return nil
	}
	return parseNeighbours(string(b))
}

// parseNeighbours reads lines "IP address, HW type, Flags, HW address, Mask, Device".
func parseNeighbours(table string) (out []neighbour) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) != 6 {
			continue // the heading
		}
		if a, err := netip.ParseAddr(f[0]); err == nil {
			out = append(out, neighbour{addr: a, link: f[5], here: f[2] != "0x0"}) // 0x0: asked for, no answer
		}
	}
	return out
}

// knownOn are those who have answered on a link.
func knownOn(all []neighbour, link string) (out []netip.Addr) {
	for _, n := range all {
		if n.here && n.link == link {
			out = append(out, n.addr)
		}
	}
	return out
}

package bus

import (
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
)

// nearFirst orders the addresses of a cluster's nodes: those on this host come first, the
// others in random order, so that processes elsewhere spread. A node on the same host saves two
// ways over the network for each message, and the house clock their jitter.
func nearFirst(addrs string, local func(host string) bool) string {
	list := splitComma(addrs)
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	far := func(addr string) int {
		if !strings.Contains(addr, "://") {
			addr = "nats://" + addr
		}
		if u, err := url.Parse(addr); err == nil && local(u.Hostname()) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b string) int { return far(a) - far(b) })
	return strings.Join(list, ",")
}

// onThisHost tells whether a name or address is this host's, without asking a name server.
func onThisHost(host string) bool {
	ip := net.ParseIP(host)
	if ip == nil {
		return host == "localhost"
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip)
	})
}

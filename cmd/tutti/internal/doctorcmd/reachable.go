package doctorcmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// maxShown bounds how many speakers that are not reached get lines of their own.
const maxShown = 10

// judgeReach says which devices are reached, and why the others are not.
func (n network) judgeReach(all []attempt) []Result {
	var given, seen []attempt
	for _, a := range all {
		if a.given {
			given = append(given, a)
		} else {
			seen = append(seen, a)
		}
	}
	out := n.judgeSeen(seen)
	for _, a := range given {
		r := Result{Check: "device " + a.name, Level: OK, Found: "reached" + n.way(a) + ", and it takes a WebSocket (" + a.took.Round(time.Millisecond).String() + ")"}
		if !a.reached() {
			r.Level = Fail
			r.Found, r.Advice = n.why(a)
		}
		out = append(out, r)
	}
	return out
}

// judgeSeen sums up the devices that were heard by mDNS or named by a DNS server. One with several addresses is
// reached when one of them is.
func (n network) judgeSeen(seen []attempt) []Result {
	if len(seen) == 0 {
		return nil
	}
	well := map[string]bool{}
	for _, a := range seen {
		well[a.name] = well[a.name] || a.reached()
	}
	var reached []string
	shown := map[string]bool{}
	var out []Result
	for _, a := range seen {
		v6 := strings.HasPrefix(a.hostPort(), "[")
		switch {
		case a.reached() && !shown[a.name]:
			shown[a.name] = true
			reached = append(reached, fmt.Sprintf("%s (%s)", a.name, a.hostPort()))
		case !a.reached() && (!well[a.name] || !v6): // without a route for IPv6 the server uses IPv4
			r := Result{Check: "speaker " + a.name, Level: Warn}
			r.Found, r.Advice = n.why(a)
			if !anyTrue(well) {
				r.Level = Fail
			}
			out = append(out, r)
		}
	}
	if more := len(out) - maxShown; more > 0 {
		out = append(out[:maxShown], Result{"speakers", out[0].Level, fmt.Sprintf("%d more addresses are not reached", more), "as above"})
	}
	if len(reached) > 0 {
		out = append([]Result{{"speakers", OK, fmt.Sprintf("%d of %d found are reached and take a WebSocket: %s", len(reached), len(well), some(reached)), ""}}, out...)
	}
	return append(out, n.reflected(seen)...)
}

func anyTrue(m map[string]bool) bool {
	for _, v := range m {
		if v {
			return true
		}
	}
	return false
}

// linkOf is the interface in whose network an address is.
func (n network) linkOf(a netip.Addr) (card, bool) {
	for _, c := range n.cards {
		for _, p := range c.addrs {
			if p.Contains(a) {
				return c, true
			}
		}
	}
	return card{}, false
}

// reflected finds devices that were heard on a link and live elsewhere: multicast does not
// leave a network, so something carries it over.
func (n network) reflected(seen []attempt) (out []Result) {
	for _, c := range n.cards {
		var who []string
		reached := true
		for _, a := range seen {
			addr, ok := a.addr()
			if !ok || !addr.Is4() || a.link != c.name || slices.ContainsFunc(c.addrs, func(p netip.Prefix) bool { return p.Contains(addr) }) {
				continue
			}
			who = append(who, fmt.Sprintf("%s (%s)", a.name, a.hostPort()))
			reached = reached && a.reached()
		}
		if len(who) == 0 {
			continue
		}
		r := Result{Check: "VLAN " + c.name, Level: Warn,
			Found:  fmt.Sprintf("heard on %s with an address that is not in %s: %s; an mDNS reflector carries it over from another VLAN, or the network settings there are wrong", c.name, networksOf(c), some(who)),
			Advice: "let the router pass TCP from this machine to these addresses, and from there to this machine's 8927 for speakers that dial in; or give this machine an interface in that VLAN"}
		if reached {
			r.Level, r.Advice = OK, ""
			r.Found += "; all are reached"
		}
		out = append(out, r)
	}
	return out
}

// way tells through what a device is reached.
func (n network) way(a attempt) string {
	addr, ok := a.addr()
	if !ok || addr.IsLoopback() || addr.Is6() {
		return ""
	}
	if c, near := n.linkOf(addr); near {
		return " on " + c.name
	}
	return " through a router"
}

// why names the cause of an attempt that failed, and the fix.
func (n network) why(a attempt) (cause, fix string) {
	addr, isAddr := a.addr()
	at := a.hostPort()
	_, port, _ := net.SplitHostPort(at) // discovery gives every url a port
	from := "this machine"
	if a.from.IsValid() {
		from = a.from.String()
	}
	link, near := n.linkOf(addr)
	near = near || addr.IsLoopback() || addr.Is6() && addr.IsLinkLocalUnicast()
	var name *net.DNSError
	switch err := a.tcp; {
	case err == nil:
		return fmt.Sprintf("%s takes TCP, but no WebSocket: %s", at, upgradeErr(a.upgrade)),
			"another program listens there, or the path is another: name both, --device ws://ADDR:PORT/PATH (8928 and /sendspin are usual)"
	case errors.Is(err, errUntried):
		return at + " was not tried to the end: " + err.Error(), "name it alone: tutti doctor --mdns=false --device " + strings.TrimSuffix(at, ":8928")
	case errors.As(err, &name):
		return fmt.Sprintf("the name %s is not known here: %s", name.Name, name.Err),
			"write the IP address, or make the name known to this machine's DNS; names in .local need libnss-mdns"
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("%s refuses: the machine is there, and nothing listens at port %s", at, port),
			"start the player, or name its port (usually 8928; its settings or 'ss -ltn' there tell); a firewall that rejects looks the same"
	case errors.Is(err, syscall.ENETUNREACH):
		return fmt.Sprintf("there is no route to %s", addr),
			fmt.Sprintf("give this machine an interface in that network or VLAN, or a route: ip route add %s via ROUTER", around(addr))
	case errors.Is(err, os.ErrPermission):
		return fmt.Sprintf("this machine forbids the connection to %s", at), "let TCP " + port + " out of this machine's firewall (nft list ruleset)"
	case isAddr && near && (a.silent || errors.Is(err, syscall.EHOSTUNREACH)):
		return fmt.Sprintf("no machine on %s answers for %s", link.name, addr),
			lines("it is switched off, or has another address now: look into the router's list", fixIsolation, "the wrong VLAN: its port or SSID is in another one than "+link.String())
	case errors.Is(err, syscall.EHOSTUNREACH):
		return fmt.Sprintf("a router on the way says that %s cannot be reached", at),
			fmt.Sprintf("let the router and its firewall pass TCP from %s to %s, and see that the address is right", from, at)
	case timedOut(err) && near:
		return fmt.Sprintf("%s does not answer within %s, without a word", at, dialTime),
			lines(fmt.Sprintf("a firewall there drops it: let TCP %s from %s in", port, from), fixIsolation, "it is switched off, or has another address now")
	case timedOut(err):
		return fmt.Sprintf("%s does not answer within %s; it is in another network than %s, behind a router", at, dialTime, join(n.speakers())),
			lines(fmt.Sprintf("the router's firewall between the VLANs drops it: let TCP from %s to %s pass", from, at), "the router has no way there, or the way back is missing: traceroute "+addr.String(), "it is switched off, or has another address now")
	}
	return fmt.Sprintf("%s is not reached: %s", at, plainErr(a.tcp)), "look at the address, the speaker's power and its network"
}

func timedOut(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// upgradeErr is the last part of a chain of errors: "got 404".
func upgradeErr(err error) string {
	if timedOut(err) {
		return fmt.Sprintf("no answer within %s", dialTime)
	}
	s := err.Error()
	if i := strings.LastIndex(s, ": "); i >= 0 {
		s = s[i+2:]
	}
	return s
}

// around is the network that an address is probably in.
func around(a netip.Addr) string {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return a.String()
	}
	return p.String()
}

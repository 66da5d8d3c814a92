package doctorcmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/tutti-audio/tutti/services/discovery"
)

const adviceNoMulticast = "in a container use host networking; in a VM or over WiFi allow multicast; or name devices by address ('tutti add ws://host:8928/sendspin') and run with --mdns=false"

// airing is one interface and what was heard there.
type airing struct {
	card
	own   []netip.Prefix // its addresses of both families
	heard heard
	err   error // it could not listen
}

// checkDevices listens on each network interface for mDNS, asks the DNS servers of --dns-sd,
// and tries to reach the devices that were heard and those that are named.
func checkDevices(ctx context.Context, s settings, p progress) []Result {
	given, out := givenDevices(s.Devices)
	n, err := lookAround()
	if err != nil {
		return append(out, Result{"multicast", Fail, err.Error(), adviceNoMulticast})
	}
	var seen []target
	if !s.MDNS {
		out = append(out, Result{"multicast", OK, "not needed: mDNS is off", ""})
	} else {
		airs := listenAll(ctx, n, p)
		out = append(out, judgeMulticast(airs, n)...)
		out = append(out, judgeServers(airs, n, s)...)
		var passed []Result
		seen, passed = seenDevices(airs)
		out = append(out, passed...)
	}
	named, domains := askDomains(ctx, s.DNSSD, p)
	out = append(out, domains...)
	all := append(union(seen, named), given...)
	if len(all) > 0 {
		p.say("dialling devices, addresses: %d", len(all))
		defer p.end()
	}
	return append(out, n.judgeReach(reachAll(ctx, all))...)
}

// listenAll listens on all interfaces at once.
func listenAll(ctx context.Context, n network, p progress) []airing {
	cards := n.speakers()
	if len(cards) == 0 { // what is left is better than nothing: a tunnel, guests on a bridge
		for _, c := range n.cards {
			if c.multicast && !c.loopback && len(c.addrs) > 0 {
				cards = append(cards, c)
			}
		}
	}
	airs := make([]airing, 0, len(cards))
	names := make([]string, 0, len(cards))
	for _, c := range cards {
		if c.multicast {
			airs = append(airs, airing{card: c})
			names = append(names, c.name)
		}
	}
	if len(airs) > 0 {
		p.count(ctx, listenTime, "listening for speakers on "+strings.Join(names, ", "))
	}
	var wg sync.WaitGroup
	for i := range airs {
		wg.Go(func() { airs[i].listen(ctx, n) })
	}
	wg.Wait()
	p.end()
	return airs
}

func (a *airing) listen(ctx context.Context, n network) {
	iface, err := net.InterfaceByName(a.name)
	if err != nil {
		a.err = err
		return
	}
	addrs, err := iface.Addrs()
	if err != nil {
		a.err = err
		return
	}
	for _, addr := range addrs {
		if p, err := netip.ParsePrefix(addr.String()); err == nil {
			a.own = append(a.own, p)
		}
	}
	l := listener{iface: *iface, addr: a.addrs[0].Addr(), own: n.own(),
		neighbours: func() []netip.Addr { return knownOn(neighbours(), a.name) }}
	a.heard, a.err = l.run(ctx)
}

// own are this machine's IPv4 addresses.
func (n network) own() (out []netip.Addr) {
	for _, c := range n.cards {
		for _, p := range c.addrs {
			out = append(out, p.Addr())
		}
	}
	return out
}

// judgeMulticast says of each interface how mDNS is there.
func judgeMulticast(airs []airing, n network) []Result {
	if len(airs) == 0 {
		return []Result{{"multicast", Fail, "no network interface is up that has an IPv4 address and carries multicast", adviceNoMulticast}}
	}
	out := make([]Result, 0, len(airs))
	well := false
	for _, a := range airs {
		r := a.judge(n)
		well = well || r.Level == OK
		out = append(out, r)
	}
	for i, a := range airs {
		if !well && out[i].Level == Warn && a.broken() {
			out[i].Level = Fail // nowhere better
		}
	}
	return out
}

// broken tells that multicast does not pass for sure, apart from that nobody answers.
func (a airing) broken() bool {
	h := a.heard
	return len(h.responders) == 0 && (a.err != nil || a.unplugged || !h.echo || len(h.unicast)+len(h.direct) > 0)
}

func (a airing) judge(n network) Result {
	r := Result{Check: "multicast " + a.name, Level: Warn}
	h := a.heard
	switch {
	case a.err != nil:
		r.Found, r.Advice = plainErr(a.err), adviceJoin(a.err)
	case len(h.responders) > 0:
		r.Level = OK
		r.Found, r.Advice = a.audible()
	case a.unplugged:
		r.Found, r.Advice = "the interface has no link: no cable, a switch port that is off, or a Wi-Fi that it has not joined", "plug the cable in or join the Wi-Fi (ip link shows NO-CARRIER)"
	case h.sendErr != nil:
		r.Found, r.Advice = "a multicast packet cannot be sent: "+plainErr(h.sendErr), adviceNoMulticast
		if errors.Is(h.sendErr, syscall.ENETUNREACH) {
			r.Advice = "there is no route for multicast: ip route add 224.0.0.0/4 dev " + a.name
		}
	case !h.echo:
		r.Found, r.Advice = "its own multicast packet did not come back", "let UDP port 5353 pass this machine's firewall; "+adviceNoMulticast
	default:
		r.Found, r.Advice = a.silence(n)
	}
	return r
}

// audible describes an interface on which others answer.
func (a airing) audible() (found, advice string) {
	speakers := len(a.heard.records.list(discovery.DeviceType, a.name, a.own))
	found = fmt.Sprintf("heard %s, %s on %s", plural(len(a.heard.responders), "responder"), plural(speakers, "speaker"), a.card)
	if speakers == 0 {
		advice = "multicast passes. A speaker that is on and missing here is in another VLAN or SSID, behind Wi-Fi client isolation, or waits to dial in itself: 'tutti doctor --device ADDR' tries to reach it"
	}
	return found, advice
}

// adviceJoin is for an interface that cannot listen.
func adviceJoin(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program holds UDP port 5353 for itself (ss -ulpn 'sport = :5353'): stop it, or let it share the port"
	case errors.Is(err, os.ErrPermission):
		return "run as a user who may use multicast, or give the container the capability"
	}
	return adviceNoMulticast
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// plainErr drops the addresses that net repeats.
func plainErr(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return strings.Replace(err.Error(), op.Error(), strings.TrimPrefix(op.Err.Error(), "setsockopt: "), 1)
	}
	return strings.TrimPrefix(err.Error(), "setsockopt: ")
}

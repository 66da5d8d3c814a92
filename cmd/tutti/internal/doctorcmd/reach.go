package doctorcmd

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
)

const (
	// dialTime bounds one attempt; on a house's network an answer takes milliseconds.
	dialTime = 2 * time.Second
	// maxDials is how many attempts run at once.
	maxDials = 64
)

// errUntried is of targets that the time did not suffice for.
var errUntried = errors.New("the time of this check was over")

// attempt is how reaching a target went.
type attempt struct {
	target
	tcp     error // no connection
	upgrade error // a connection, but no WebSocket
	took    time.Duration
	from    netip.Addr // our own address, as far as known
	silent  bool       // nobody on the link has answered for the address
}

func (a attempt) reached() bool { return a.tcp == nil && a.upgrade == nil }

// reachAll tries all targets, maxDials at once, and keeps their order.
func reachAll(ctx context.Context, all []target) []attempt {
	out := make([]attempt, len(all))
	slots := make(chan struct{}, maxDials)
	var wg sync.WaitGroup
	for i, t := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			out[i] = reach(ctx, t)
		})
	}
	wg.Wait()
	return out
}

// reach opens a TCP connection, then a WebSocket, and says nothing on it: no session begins.
func reach(ctx context.Context, t target) attempt {
	a := attempt{target: t}
	begun := time.Now()
	a.tcp = dial(ctx, t.hostPort())
	a.took = time.Since(begun)
	if ctx.Err() != nil {
		a.tcp = errUntried
	}
	if a.tcp != nil {
		a.from = sourceOf(t)
		if addr, ok := t.addr(); ok {
			a.silent = unanswered(neighbours(), addr)
		}
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	ws, err := channel.Dial(ctx, t.url, channel.Options{})
	if err != nil {
		a.upgrade = err
		return a
	}
	_ = ws.CloseNow() // the look is over
	return a
}

func dial(ctx context.Context, hostPort string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", hostPort)
	if err != nil {
		return err
	}
	return c.Close()
}

// sourceOf is the address from which packets to t leave; connecting UDP sends nothing.
func sourceOf(t target) netip.Addr {
	addr, ok := t.addr()
	if !ok {
		return netip.Addr{}
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 9)))
	if err != nil {
		return netip.Addr{} // no route
	}
	defer c.Close()
	if u, isUDP := c.LocalAddr().(*net.UDPAddr); isUDP {
		return u.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// unanswered tells that the kernel has asked a link for addr and has no answer.
func unanswered(all []neighbour, addr netip.Addr) bool {
	asked := false
	for _, n := range all {
		if n.addr == addr && n.here {
			return false
		}
		asked = asked || n.addr == addr
	}
	return asked
}

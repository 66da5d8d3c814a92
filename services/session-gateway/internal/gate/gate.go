// Package gate limits connections that have not finished their opening
// handshake: in all, against a flood that would keep the CPU in handshakes and
// fill memory, and per address, so that one host cannot take all the places.
package gate

import (
	"errors"
	"net/netip"
	"sync"
)

// ErrFull and ErrAddressFull are the two refusals.
var (
	ErrFull        = errors.New("gate: too many handshakes at once")
	ErrAddressFull = errors.New("gate: too many handshakes at once from this address")
)

// Gate counts half-open connections. It is safe for concurrent use.
type Gate struct {
	total, perAddress int

	mu    sync.Mutex
	open  int
	by    map[netip.Addr]int
	freed func() // called with mu held after a place was given back; may be nil
}

// New returns a gate that admits total connections, perAddress of one address.
func New(total, perAddress int) *Gate {
	return &Gate{total: total, perAddress: perAddress, by: map[netip.Addr]int{}}
}

// Enter takes a place for a connection from remote ("host:port"). leave gives it
// back and may be called more than once.
func (g *Gate) Enter(remote string) (leave func(), err error) {
	addr := key(remote)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.roomFor(addr); err != nil {
		return nil, err
	}
	return g.take(addr), nil
}

// roomFor says whether one more of addr may enter; the caller holds mu.
func (g *Gate) roomFor(addr netip.Addr) error {
	switch {
	case g.open >= g.total:
		return ErrFull
	case g.by[addr] >= g.perAddress:
		return ErrAddressFull
	}
	return nil
}

// take takes a place; the caller holds mu.
func (g *Gate) take(addr netip.Addr) (leave func()) {
	g.open++
	g.by[addr]++
	return g.once(addr)
}

// once returns what gives a place of addr back.
func (g *Gate) once(addr netip.Addr) (leave func()) {
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.leave(addr)
	})
}

// leave gives a place back; the caller holds mu.
func (g *Gate) leave(addr netip.Addr) {
	g.open--
	if g.by[addr]--; g.by[addr] == 0 {
		delete(g.by, addr)
	}
	if g.freed != nil {
		g.freed()
	}
}

// Open is the number of half-open connections.
func (g *Gate) Open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// key is the address a limit is counted by: an IPv4 address, or the /64 that one
// host can choose its IPv6 addresses from. What does not parse shares one place.
func key(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}

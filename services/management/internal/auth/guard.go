package auth

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
)

// guardMailbox bounds the requests that wait for the guard; each takes
// microseconds, and a request that finds no room waits (Block).
const guardMailbox = 256

// Lookup finds the owner of a token by its hash.
type Lookup interface {
	Find(h Hash) (Principal, bool)
}

// Guard is the Authenticator of bearer tokens. It limits guessing per address.
type Guard struct {
	lookup Lookup
	ref    *actor.Ref[guardMsg]
}

var _ Authenticator = (*Guard)(nil)

// guardMsg asks whether a token may be looked at (reply set), or tells of a wrong one.
type guardMsg struct {
	addr  string
	hash  Hash
	reply chan<- verdict
}

type verdict struct {
	wait time.Duration
	ok   bool
}

// NewGuard spawns the guard's actor under sup.
func NewGuard(sup *actor.Supervisor, lookup Lookup, clock clockwork.Clock, log *slog.Logger) (*Guard, error) {
	ref, err := actor.Spawn(sup, actor.Options{Key: "auth-guard", Size: guardMailbox, Full: actor.Block, Clock: clock, Log: log},
		func(*actor.Ref[guardMsg]) actor.Handler[guardMsg] {
			return &guardActor{clock: clock, limits: limits{byAddr: map[string]*offender{}}}
		})
	if err != nil {
		return nil, fmt.Errorf("management: start auth guard: %w", err)
	}
	return &Guard{lookup: lookup, ref: ref}, nil
}

type guardActor struct {
	clock  clockwork.Clock
	limits limits
}

// Handle takes one message.
func (g *guardActor) Handle(_ context.Context, m guardMsg) error {
	now := g.clock.Now()
	if m.reply == nil {
		g.limits.failed(m.addr, m.hash, now)
		return nil
	}
	wait, ok := g.limits.allow(m.addr, m.hash, now)
	m.reply <- verdict{wait, ok}
	return nil
}

// Authenticate finds the owner of the request's bearer token. A wrong token is
// fault.Unauthorized, one too many fault.RateLimited with RetryAfter.
func (g *Guard) Authenticate(r *http.Request) (Principal, bool, error) {
	token, found := Bearer(r)
	if !found {
		return Principal{}, false, nil
	}
	var p Principal
	err := g.Check(r, HashOf(token), func() error {
		var ok bool
		if p, ok = g.lookup.Find(HashOf(token)); !ok {
			return fault.New(fault.Unauthorized,
				"the token is not known here: it was deleted, has expired, or belongs to another server")
		}
		return nil
	})
	return p, true, err
}

// Check runs find, which looks a secret with the hash h up, unless too many wrong ones came
// from the peer of r: that is fault.RateLimited with RetryAfter. What find answers with
// fault.Unauthorized is counted as wrong.
func (g *Guard) Check(r *http.Request, h Hash, find func() error) error {
	addr := Peer(r)
	v, err := actor.Ask(r.Context(), g.ref, func(reply chan<- verdict) guardMsg { return guardMsg{addr, h, reply} })
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the server is stopping or overloaded; try again")
	}
	if !v.ok {
		return fault.New(fault.RateLimited,
			"too many wrong tokens from %s; wait before the next try", addr).WithRetryAfter(v.wait)
	}
	if err = find(); fault.CodeOf(err) != fault.Unauthorized {
		return err
	}
	if serr := g.ref.Send(r.Context(), guardMsg{addr: addr, hash: h}); serr != nil {
		return fault.Wrap(fault.Unavailable, serr, "the server is stopping or overloaded; try again")
	}
	return err
}

// Peer is the address that guessing is counted by: the host without the port, and
// of IPv6 the /64, for one machine has all of that. Forwarding headers are not
// believed: anybody can send them.
func Peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.To4() != nil {
		return host
	}
	return ip.Mask(net.CIDRMask(64, 128)).String() + "/64"
}

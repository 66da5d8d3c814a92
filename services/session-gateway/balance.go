package gateway

import (
	"context"
	"time"

	"github.com/tutti-audio/tutti/platform/obs"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/dial"
)

// This file gives a gateway that came its share of the sessions that were there before.
// The dealing leaves sessions where they are, and those that play stay: to move one can be
// heard. One that rests is closed and dialled by the gateway that its device is dealt to,
// as in a drain; and only such a one, so that no more move than have to.

const (
	// balanceEvery is the time between two sessions that are sent away.
	balanceEvery = time.Second
	// balanceHold is how long none is sent away after one did not come back: the other
	// gateway may not reach what this one reaches.
	balanceHold = 10 * time.Minute
)

// balancer chooses which session moves. One goroutine uses it.
type balancer struct {
	after time.Duration
	since map[string]time.Time // when a client was first seen to be dealt elsewhere
}

// choose returns a client whose device has been dealt to another gateway for long enough,
// of those that may move; "" when there is none.
func (b *balancer) choose(now time.Time, strays []dial.Stray, may func(dial.Stray) bool) (clientID string) {
	since := make(map[string]time.Time, len(b.since))
	for _, x := range strays {
		at, ok := b.since[x.ClientID]
		if !ok {
			at = now
		}
		since[x.ClientID] = at
		if clientID == "" && now.Sub(at) >= b.after && may(x) {
			clientID = x.ClientID
		}
	}
	b.since = since
	return clientID
}

// balance sends resting sessions to the gateways that their devices are dealt to, one after
// the other, until ctx ends or the gateway drains.
func (s *Service) balance(ctx context.Context) {
	b := balancer{after: s.cfg.RebalanceAfter}
	for wait := balanceEvery; s.sleep(ctx, wait); {
		wait = balanceEvery
		s.mu.Lock()
		d := s.dialer
		s.mu.Unlock()
		if s.draining.Load() || d == nil {
			return
		}
		id := b.choose(s.d.Clock.Now(), d.Strays(), s.mayMove)
		sess := s.hub.Get(id)
		if id == "" || sess == nil {
			continue
		}
		s.log.Info("a resting session goes to the gateway that its device is dealt to", obs.KeyClient, id)
		s.m.Rebalanced.Inc()
		if t := s.sendAway(ctx, sess); !t.tells && ctx.Err() == nil {
			s.log.Warn("a device did not come back from the gateway that it is dealt to; does that one reach it? No more are sent away for a while",
				obs.KeyClient, id, "wait", balanceHold.String())
			wait = balanceHold
		}
	}
}

// mayMove tells whether this gateway has dialled the client, which rests, and another gateway
// takes it.
func (s *Service) mayMove(x dial.Stray) bool {
	sess := s.hub.Get(x.ClientID)
	if sess == nil || sess.URL() == "" || !sess.Rests() {
		return false
	}
	owner := s.peers.owner(x.Key)
	return owner != "" && owner != s.cfg.InstanceID
}

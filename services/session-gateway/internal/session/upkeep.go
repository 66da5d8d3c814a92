package session

import (
	"context"
	"time"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// seenEvery is after how many pings an otherwise quiet client's record is
// refreshed: last_seen_at, round trip, last clock exchange.
const seenEvery = 4

// changed writes presence, now or with what else changes soon.
func (b *brain) changed(now bool) {
	s := b.s
	p := s.record(b.m)
	if s.entry == nil {
		s.entry = s.d.Board.Open(p, s.order, func() {
			s.Close(machine.Close{Reason: machine.ReasonReplaced, Detail: "the client is connected to another gateway"})
		}, func() {
			s.spawn(func(ctx context.Context) { s.tell(ctx, denied{}) })
		})
	} else {
		s.entry.Set(p, now)
	}
	if b.streams() && !b.ticking {
		b.ticking = true
		b.statusTimer = b.later(s.d.StatusInterval(), statusTick{})
	}
}

// denied: another gateway has written that this session is over.
type denied struct{}

// status writes a streaming session's figures.
func (b *brain) status() {
	b.ticking = false
	if b.streams() {
		b.changed(false)
	}
}

// streams reports whether there are figures that change by themselves.
func (b *brain) streams() bool {
	return b.m.Streaming() != nil || b.m.ShowsVisual() || b.m.InputOpen() != nil
}

func (b *brain) ping() {
	b.pingTimer = b.later(b.s.d.PingInterval, pingTick{})
	if b.pinging {
		return
	}
	b.pinging = true
	b.s.spawn(b.s.ping)
}

func (b *brain) ponged(rtt time.Duration) {
	b.pinging = false
	first := b.s.rtt.Swap(max(rtt.Microseconds(), 1)) == 0
	if b.pings++; first || b.pings%seenEvery == 0 {
		b.changed(false)
	}
}

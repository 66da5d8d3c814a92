package client

import (
	"errors"
	"time"

	"github.com/tutti-audio/tutti/sendspin/clock"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const (
	// answerTimeout is how long an answer to client/time may take before the burst
	// goes on without it.
	answerTimeout = int64(2 * time.Second / time.Microsecond)
	// lostLimit is the number of unanswered client/time messages in a row after which
	// the server is taken for dead: a liveness check that costs nothing extra.
	lostLimit = 10
)

// timing keeps a connection's clock synchronized.
type timing struct {
	filter   clock.Filter
	maxErr   int64 // of the newest measurement
	burst    clock.Burst
	bursts   int   // that are complete
	next     int64 // start of the next burst
	answerBy int64 // for the message that is on its way
	lost     int   // unanswered messages in a row
}

// startGap returns the pause after a burst: the first ones follow each other quickly,
// so that a player is ready in a fraction of a second.
func (s *session) startGap() int64 {
	gaps := [...]time.Duration{100 * time.Millisecond, 400 * time.Millisecond, time.Second, 2 * time.Second}
	gap := s.core.cfg.SyncInterval
	if i := s.timing.bursts - 1; i < len(gaps) {
		gap = min(gap, gaps[i])
	}
	return gap.Microseconds()
}

// tickTiming starts bursts and gives up on answers.
func (s *session) tickTiming(now int64) {
	t := &s.timing
	if now >= t.answerBy {
		t.answerBy = never
		t.burst.Resend()
		if t.lost++; t.lost >= lostLimit {
			s.fail(errors.New("client: the server does not answer any more"))
			return
		}
		if !s.sendTime() {
			s.endBurst(now)
		}
	}
	if now >= t.next {
		t.next = never
		size := clock.BurstSize
		if len(s.roles) == 0 {
			size = 1 // only to see that the server is there
		}
		t.burst.Start(size)
		s.sendTime()
	}
}

// sendTime sends the next client/time of the burst, if there is one.
func (s *session) sendTime() bool {
	if s.phase == over || !s.timing.burst.Active() {
		return false
	}
	ctx, cancel := timeoutFor(writeTimeout)
	defer cancel()
	sent := false
	err := s.conn.WriteStamped(ctx, func(dst []byte) []byte {
		t1 := s.core.cfg.Now()
		sent = s.timing.burst.Next(t1)
		body, _ := s.core.codec.Encode(&wire.ClientTime{ClientTransmitted: t1}) // cannot fail
		return append(append(dst, wire.IDJSON), body...)
	})
	if err != nil {
		s.fail(err)
		return false
	}
	s.timing.answerBy = s.core.cfg.Now() + answerTimeout
	return sent
}

// serverTime takes an answer.
func (s *session) serverTime(m *wire.ServerTime, at int64) {
	ok, done := s.timing.burst.Answer(m.ClientTransmitted, m.ServerReceived, m.ServerTransmitted, at)
	if s.referee != nil {
		s.referee.serverTime(m, ok)
	}
	if !ok {
		return // the answer to a message that was given up
	}
	s.timing.answerBy, s.timing.lost = never, 0
	if done {
		s.endBurst(at)
		return
	}
	s.sendTime()
}

// endBurst feeds the filter and plans the next burst.
func (s *session) endBurst(now int64) {
	t := &s.timing
	t.bursts++
	t.next = now + s.startGap()
	best, ok := t.burst.Best()
	if !ok {
		return
	}
	t.filter.Update(best.Offset, best.MaxErr, best.At)
	t.maxErr = best.MaxErr
	s.shareFilter()
	if s.owes {
		s.report()
	}
}

// shareFilter makes the holder's filter the client's.
func (s *session) shareFilter() {
	t := &s.timing
	if s.core.holder != s {
		return
	}
	s.core.stats.filter.Store(&filterCopy{Filter: t.filter, maxErr: t.maxErr})
	s.core.emit(Synced{
		OffsetUS: t.filter.Offset(), DriftPPM: t.filter.Drift() * 1e6, StdDevUS: t.filter.StdDev(),
		MaxErrUS: t.maxErr, Ready: t.filter.Converged(),
	})
}

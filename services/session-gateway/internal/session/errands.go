package session

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
)

// Errands are what a session waits for: they run on goroutines of their own that
// end with the session, and tell the actor what came of them.

// spawn runs f until the session ends.
func (s *Session) spawn(f func(ctx context.Context)) {
	s.wg.Go(func() { f(s.ctx) })
}

// admit asks pairing what this live session may do, until it answers.
func (s *Session) admit(ctx context.Context, req *tuttiv1.AdmitRequest) (machine.Admission, bool) {
	const retryMin, retryMax = 250 * time.Millisecond, 5 * time.Second
	for wait := retryMin; ctx.Err() == nil; wait = min(2*wait, retryMax) {
		resp, err := s.d.Trust.Admit(ctx, req)
		if err == nil {
			return admission(resp), true
		}
		s.log.Warn("pairing does not say what the client may do; asking again", obs.KeyErr, err)
		s.pause(ctx, wait)
	}
	return machine.Admission{}, false
}

// pause waits on the session's clock, or for the end of ctx.
func (s *Session) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-s.d.Clock.After(d):
	}
}

// forward hands one client command to the stream service.
func (s *Session) forward(ctx context.Context, c *tuttiv1.ClientCommand) {
	ctx, cancel := clockwork.WithTimeout(ctx, s.d.Clock, forwardTimeout)
	defer cancel()
	var done tuttiv1.Empty
	c.CommandId = bus.NewTraceID() // known again by whoever carried it out
	err := s.d.Bus.RequestHedged(ctx, subject.StreamClientCommand, c, &done)
	switch fault.CodeOf(err) {
	case "":
	case fault.Conflict, fault.OutOfRange, fault.Invalid:
		// What was offered is not any more; the specification has it ignored.
		s.log.Debug("client command ignored", obs.KeyErr, err)
	default:
		s.log.Warn("client command failed", obs.KeyErr, err)
	}
}

// ping checks that the client still answers.
func (s *Session) ping(ctx context.Context) {
	ctx, cancel := clockwork.WithTimeout(ctx, s.d.Clock, s.d.PingTimeout)
	defer cancel()
	start := s.d.House.NowMicros()
	if err := s.o.Conn.Ping(ctx); err != nil {
		if s.ctx.Err() == nil {
			s.Close(machine.Close{Reason: machine.ReasonPingTimeout, Detail: "no answer to a ping in " + s.d.PingTimeout.String()})
		}
		return
	}
	s.tell(s.ctx, pong{time.Duration(s.d.House.NowMicros()-start) * time.Microsecond})
}

// keepAddress makes the session answer at its client's subject; while the bus is
// away it goes on trying in the background.
func (s *Session) keepAddress() {
	if err := s.takeAddress(); err != nil {
		s.wg.Go(func() { s.retryAddress(err) })
	}
}

func (s *Session) retryAddress(err error) {
	const retryMin, retryMax = 100 * time.Millisecond, 2 * time.Second
	for wait := retryMin; err != nil; wait = min(2*wait, retryMax) {
		s.log.Warn("session has no address on the bus yet", obs.KeyErr, err)
		select {
		case <-s.ctx.Done():
			return
		case <-s.d.Clock.After(wait):
		}
		err = s.takeAddress()
	}
}

func (s *Session) takeAddress() error {
	stop, err := s.d.Address(s.ClientID, s.handle)
	if err != nil {
		return err
	}
	s.addrMu.Lock()
	defer s.addrMu.Unlock()
	if s.addrGone {
		stop()
		return nil
	}
	s.stopAddr = stop
	return nil
}

// ReleaseAddress ends the answering, so that another session can take the subject.
func (s *Session) ReleaseAddress() {
	s.addrMu.Lock()
	stop := s.stopAddr
	s.stopAddr, s.addrGone = nil, true
	s.addrMu.Unlock()
	if stop != nil {
		stop()
	}
}

// highMark keeps the deepest control lane of all sessions.
type highMark struct{ n atomic.Int64 }

func (h *highMark) saw(depth int, m *metrics.Metrics) {
	for old := h.n.Load(); int64(depth) > old; old = h.n.Load() {
		if h.n.CompareAndSwap(old, int64(depth)) {
			m.OutboxHigh.Set(float64(depth))
			return
		}
	}
}

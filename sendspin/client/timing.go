package client

import (
	"errors"

	"github.com/tutti-audio/tutti/sendspin/clock"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const (
	// lostLimit is the number of unanswered client/time messages in a row after which the
	// server is taken for dead, whatever else it sends: a liveness check that costs nothing
	// extra.
	lostLimit = 10
	// quietLimit is how long, in µs, nothing at all may arrive of a server that streams or
	// takes a source's audio before it is asked for the time, and deafLimit how long nothing may
	// arrive before the connection is given up although the question is not answered. A host
	// that loses its network sends no FIN; a player has some seconds in its buffer to find
	// another gateway.
	quietLimit = 1_500_000
	deafLimit  = 3_500_000
)

// timing keeps a connection's clock synchronized.
type timing struct {
	clock.Sync
	filter *clock.Filter // that of the plan
}

func newTiming(interval int64) *timing {
	t := &timing{Sync: clock.NewSync(interval)}
	t.filter = t.Filter()
	return t
}

// works tells whether something is heard of the server all the time, or is of use to it.
func (s *session) works() bool {
	return s.phase == admitted && (s.stream.Load() != nil || s.capture.open != nil)
}

// quietDue is when the server has said nothing for too long, while it works.
func (s *session) quietDue() int64 {
	if !s.works() || s.timing.Asking() || s.timing.Due() == never {
		return never
	}
	return s.heard.Load() + quietLimit
}

// tickTiming starts bursts and gives up on answers.
func (s *session) tickTiming(now int64) {
	if now >= s.quietDue() {
		s.timing.Ask(now)
	}
	if now < s.timing.Due() {
		return
	}
	size := clock.BurstSize
	if len(s.roles) == 0 {
		size = 1 // only to see that the server is there
	}
	send, fed := s.timing.Tick(now, size)
	deaf := s.works() && s.timing.Lost() > 0 && now-s.heard.Load() >= deafLimit
	if deaf || s.timing.Lost() >= lostLimit {
		s.fail(errors.New("client: the server does not answer any more"))
		return
	}
	s.timed(send, fed)
}

// timed does what the plan asks for.
func (s *session) timed(send, fed bool) {
	if fed {
		s.shareFilter()
		if s.owes {
			s.report()
		}
	}
	if send {
		s.sendTime()
	}
}

// sendTime sends a client/time.
func (s *session) sendTime() {
	if s.phase == over {
		return
	}
	ctx, cancel := timeoutFor(writeTimeout)
	defer cancel()
	err := s.conn.WriteStamped(ctx, func(dst []byte) []byte {
		t1 := s.core.cfg.Now()
		s.timing.Sending(t1)
		body, _ := s.core.codec.Encode(&wire.ClientTime{ClientTransmitted: t1}) // cannot fail
		return append(append(dst, wire.IDJSON), body...)
	})
	if err != nil {
		s.fail(err)
	}
}

// serverTime takes an answer.
func (s *session) serverTime(m *wire.ServerTime, at int64) {
	ok, send, fed := s.timing.Answer(m.ClientTransmitted, m.ServerReceived, m.ServerTransmitted, at)
	if s.referee != nil {
		s.referee.serverTime(m, ok)
	}
	s.timed(send, fed) // neither for the answer to a message that was given up
}

// shareFilter makes the holder's filter the client's.
func (s *session) shareFilter() {
	if s.core.holder != s {
		return
	}
	f := s.timing.filter
	if s.core.carried == s.serverID {
		if !f.Converged() {
			return // what still sounds of the stream before goes by the former filter
		}
		s.core.carried = ""
	}
	s.core.stats.filter.Store(&filterCopy{Filter: *f, maxErr: s.timing.MaxErr()})
	s.core.emit(Synced{
		OffsetUS: f.Offset(), DriftPPM: f.Drift() * 1e6, StdDevUS: f.StdDev(),
		MaxErrUS: s.timing.MaxErr(), Ready: f.Converged(),
	})
}

// formerTiming is what the last connection that was synchronized knew of its server's clock.
type formerTiming struct {
	serverID string
	filter   clock.Filter
}

// keepTiming remembers the clock of a connection that ends.
func (k *core) keepTiming(s *session) {
	if s.timing.filter.Converged() {
		k.former = formerTiming{s.serverID, *s.timing.filter}
	}
}

// resumeTiming lends a new connection what is known of its server's clock: that of a
// connection which is dead and does not know it yet, or of the last one. A player whose
// gateway died then sounds after one burst, and not after the seconds in which a filter
// converges on a network with jitter.
func (k *core) resumeTiming(s *session) {
	for _, o := range k.sessions {
		if o.serverID == s.serverID && o.timing.filter.Converged() {
			s.timing.Resume(*o.timing.filter)
			return
		}
	}
	if k.former.serverID == s.serverID {
		s.timing.Resume(k.former.filter)
	}
}

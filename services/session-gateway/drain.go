package gateway

import (
	"context"
	"slices"
	"time"

	"github.com/tutti-audio/tutti/platform/obs"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/session"
)

// This file moves a gateway's sessions to the others before it stops.
//
// The specification has no message with which a server sends a client elsewhere: a
// session ends with its connection, and the next begins with a handshake. A device that
// was dialled is dialled by the gateway that it is dealt to as soon as its record says
// that it is not connected; one that dialled in comes back to an address that it knows,
// where this gateway no longer answers. In between a player sounds from its buffer.

const (
	// handoverPace is the least time between two sessions that are sent away.
	handoverPace = 4 * time.Millisecond
	// handoverPatience is how long a session counts as on its way. A device that does
	// not come back must not hold up the others.
	handoverPatience = 3 * time.Second
	// announceTime is how long it takes until nobody sends devices here any more: the
	// heartbeat reaches the other gateways and discovery, the readiness probe fails.
	announceTime = time.Second
)

// Drain hands this gateway's sessions over to the other gateways, as long as ctx allows,
// and returns when none is left. From the beginning on it takes no new ones, is not
// ready, and says in its heartbeat that it drains. Without another gateway that takes
// sessions it returns at once: nobody is helped by an early end. It is called once,
// before the end of Run's context, which ends what is left.
func (s *Service) Drain(ctx context.Context) error {
	if s.draining.Swap(true) {
		return nil
	}
	s.setState(errDraining)
	s.peers.own(s.full(), true)
	signal(s.beat)
	if len(s.peers.members()) == 0 {
		s.log.Info("no other gateway takes sessions: nothing is handed over", "sessions", s.hub.Len())
		return nil
	}
	began := s.d.Clock.Now()
	s.log.Info("handing sessions over", "sessions", s.hub.Len())
	if !s.sleep(ctx, announceTime) {
		return ctx.Err()
	}
	moved, err := s.handOver(ctx)
	s.log.Info("sessions are handed over", "sessions", moved, "left", s.hub.Len(), "took", s.d.Clock.Since(began).Round(time.Millisecond).String())
	return err
}

// handOver sends sessions away until none is left: those that play nothing first, then
// one after the other, never more at once than the window.
func (s *Service) handOver(ctx context.Context) (moved int, err error) {
	pace := newPace()
	returns := make(chan trip, paceMost) // has room for all that fly
	flying := 0
	land := func(t trip) { flying--; pace.took(t) }
	defer func() { // those on their way
		for flying > 0 {
			select {
			case t := <-returns:
				land(t)
			case <-ctx.Done():
				return
			}
		}
	}()
	sent := map[*session.Session]bool{}
	for ctx.Err() == nil {
		sessions := slices.DeleteFunc(s.hub.All(), func(sess *session.Session) bool { return sent[sess] })
		if len(sessions) == 0 && s.hub.Len() == 0 {
			return len(sent), nil
		}
		for _, sess := range idleFirst(sessions) {
			if len(s.peers.members()) == 0 {
				s.log.Warn("the other gateways are gone or full: the rest stays until the end", "sessions", s.hub.Len())
				return len(sent), nil
			}
			for flying >= pace.window {
				select {
				case t := <-returns:
					land(t)
				case <-ctx.Done():
					return len(sent), ctx.Err()
				}
			}
			if s.errands.run(func(ctx context.Context) { returns <- s.sendAway(ctx, sess) }) {
				flying++
			}
			sent[sess] = true
			if !s.sleep(ctx, handoverPace) {
				return len(sent), ctx.Err()
			}
		}
		// The last ones end, and openings that had begun before may become sessions.
		s.sleep(ctx, 10*handoverPace)
	}
	return len(sent), ctx.Err()
}

// idleFirst sorts those that play to the end.
func idleFirst(sessions []*session.Session) []*session.Session {
	var idle, playing []*session.Session
	for _, sess := range sessions {
		if sess.Plays() {
			playing = append(playing, sess)
		} else {
			idle = append(idle, sess)
		}
	}
	return append(idle, playing...)
}

// Bounds of the pace, in sessions on their way at once.
const (
	paceFirst = 4
	paceLeast = 2
	paceMost  = 64
)

// A trip shorter than tripQuick says that there is room for one more at once, one longer
// than tripSlow that there was one too many.
const (
	tripQuick = 400 * time.Millisecond
	tripSlow  = 800 * time.Millisecond
)

// pace is how many sessions are on their way to another gateway at once. Whoever takes them
// over sets it: as many more as make it no slower. With more than that, each device waits
// longer and none is sooner done, and a player's buffer is what waits.
type pace struct{ window int }

func newPace() pace { return pace{paceFirst} }

// trip is how long a device that was sent away took to come back.
type trip struct {
	took time.Duration
	// tells: it came back, and because a gateway dialled it; the others come when they like.
	tells bool
}

func (p *pace) took(t trip) {
	switch {
	case !t.tells:
	case t.took <= tripQuick:
		p.window = min(p.window+1, paceMost)
	case t.took > tripSlow:
		p.window = max(p.window-1, paceLeast)
	}
}

// sendAway closes one session and waits until its client is connected elsewhere, for a
// while.
func (s *Service) sendAway(ctx context.Context, sess *session.Session) (t trip) {
	began := s.d.Clock.Now()
	ch, stop := s.board.Follow(sess.ClientID)
	defer stop()
	sess.Close(machine.Close{Reason: machine.ReasonShutdown, Detail: "handed over to another gateway"})
	select {
	case <-sess.Done():
	case <-ctx.Done():
		return t
	}
	late := s.d.Clock.After(s.cfg.handover)
	for {
		if p, ok := s.board.Lookup(sess.ClientID); !ok || p.Connected && p.GatewayID != s.cfg.InstanceID {
			return trip{s.d.Clock.Since(began), ok && sess.URL() != ""}
		}
		select {
		case <-ch:
		case <-late:
			s.log.Info("a device did not come back yet", obs.KeyClient, sess.ClientID)
			return t
		case <-ctx.Done():
			return t
		}
	}
}

// sleep waits, and reports whether ctx lives on.
func (s *Service) sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-s.d.Clock.After(d):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

package session

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// This file is what a session tells pairing: reports on itself, rosters that were sent,
// and its end. It is told beside the session, which may be over.

type message = proto.Message

// The messages about unpairing and rosters.
type (
	unpairWritten   struct{}
	rosterWritten   struct{ seq uint64 }
	settingsChanged struct{}
)

const (
	// goodbyeTimeout is how long a client may take for its goodbye after server/unpair.
	goodbyeTimeout = 5 * time.Second
	// insistFor is how long pairing may be away before a report is given up, and
	// insistTimeout bounds one try.
	insistFor     = time.Minute
	insistTimeout = 3 * time.Second
)

// unpairWritten waits for the client's goodbye.
func (b *brain) unpairWritten() {
	b.unpaired = true
	b.s.log.Info("server/unpair is sent")
	b.closeTimer = b.later(goodbyeTimeout, forceClose{machine.Close{Reason: machine.ReasonTrust, Detail: "unpaired"}})
}

// SettingsChanged tells the session to look at the deployment's settings, where they
// matter to it. It waits for room in the actor's mailbox until ctx ends.
func (s *Session) SettingsChanged(ctx context.Context) {
	if machine.KeepsRosters(s.o.Hello) {
		s.tell(ctx, settingsChanged{})
	}
}

// newSettings gives the machine what it needs of the settings.
func (b *brain) newSettings(now int64) {
	settings := b.s.d.Settings()
	b.do(b.m.Roster(settings.GetRoster(), settings.GetRosterSeq(), now))
}

// report tells pairing what happened on this session.
func (s *Session) report(event tuttiv1.SessionEvent, rosterSeq uint64) {
	r := &tuttiv1.SessionReport{ClientId: s.ClientID, SessionId: s.ID, Event: event, RosterSeq: rosterSeq}
	select {
	case <-s.closing:
		r.Goodbye = s.cause.Goodbye
	default:
	}
	s.d.Errand(func(ctx context.Context) {
		s.insist(ctx, "report to pairing", subject.PairingReport, r, &tuttiv1.Empty{})
	})
}

// gone tells an attempt that it has no session any more.
func (s *Session) gone(ctx context.Context, attemptID string, g *tuttiv1.SessionGone) {
	g.SessionId = s.ID
	s.insist(ctx, "tell the attempt of its end", subject.Attempt(s.ClientID), &tuttiv1.AttemptRequest{
		AttemptId: attemptID, Message: &tuttiv1.AttemptRequest_Gone{Gone: g},
	}, &tuttiv1.PairingAttempt{})
}

// lastRelays hands an attempt what the client said before the session ended, in order,
// and then that it ended: a pair/abort says more than a closed connection.
func (s *Session) lastRelays(attemptID string, g *tuttiv1.SessionGone) {
	under, rest := s.brain.relaying, s.brain.relays
	s.d.Errand(func(ctx context.Context) {
		if under != nil {
			select {
			case <-under:
			case <-ctx.Done():
			}
		}
		for _, r := range rest {
			if r.attemptID == attemptID && s.relay(ctx, r) != nil {
				break
			}
		}
		s.gone(ctx, attemptID, g)
	})
}

// lastWords tells whoever waits for it that the session is over.
func (s *Session) lastWords() {
	b := s.brain
	if id := b.m.Attempt(); id != "" {
		detail := string(s.cause.Reason)
		if s.cause.Detail != "" {
			detail += ": " + s.cause.Detail
		}
		s.lastRelays(id, &tuttiv1.SessionGone{
			Goodbye: s.cause.Goodbye, Detail: detail, ProtocolError: s.cause.Reason == machine.ReasonProtocolError,
		})
	}
	if b.unpaired || s.cause.Goodbye == wire.GoodbyeUnpaired {
		s.report(tuttiv1.SessionEvent_SESSION_EVENT_UNPAIRED, 0)
	}
	if b.m.ReportsEnd() {
		s.report(tuttiv1.SessionEvent_SESSION_EVENT_ENDED, 0)
	}
}

// insist asks until it is answered, for a while.
func (s *Session) insist(ctx context.Context, what, subject string, req, resp message) {
	const retryMin, retryMax = 250 * time.Millisecond, 5 * time.Second
	until := s.d.Clock.Now().Add(insistFor)
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		err := s.request(ctx, insistTimeout, subject, req, resp)
		switch fault.CodeOf(err) {
		case fault.Unavailable, fault.Timeout, fault.Internal:
		default:
			if err != nil {
				s.log.Info("not wanted", "step", what, obs.KeyErr, err)
			}
			return
		}
		if ctx.Err() != nil || s.d.Clock.Now().After(until) {
			s.d.Metrics.ErrandsDropped.Inc()
			s.log.Warn("given up", "step", what, obs.KeyErr, err)
			return
		}
		s.pause(ctx, wait)
	}
}

// tellSoon puts a message in the actor's mailbox from within the actor, which must not
// wait for itself.
func (s *Session) tellSoon(in input) {
	s.spawn(func(ctx context.Context) { s.tell(ctx, in) })
}

package session

import (
	"context"
	"errors"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// handle answers a SessionCommand.
func (s *Session) handle(ctx context.Context, cmd *tuttiv1.SessionCommand) (*tuttiv1.SessionReply, error) {
	a, askErr := actor.Ask(ctx, s.ref, func(reply chan<- answer) input { return command{cmd, bus.TraceID(ctx), reply} })
	switch {
	case errors.Is(askErr, actor.ErrStopped):
		return nil, fault.New(fault.Unavailable, "session %s of client %s has just ended", s.ID, s.ClientID)
	case askErr != nil:
		return nil, askErr
	case a.err != nil:
		return nil, a.err
	}
	return &tuttiv1.SessionReply{SessionId: s.ID, Pairing: a.pairing, Stream: a.stream}, nil
}

// TrustChanged tells the session that pairing changed its mind. It fails when ctx
// ends before the session's actor has room for it; a session that is over anyway
// is no failure.
func (s *Session) TrustChanged(ctx context.Context, ev *tuttiv1.TrustChanged) error {
	if err := s.ref.Send(ctx, trustChanged{ev}); err != nil && !errors.Is(err, actor.ErrStopped) {
		return err
	}
	return nil
}

// Tuned tells the session to look at its client's tuning. It waits for room in the
// actor's mailbox until ctx ends.
func (s *Session) Tuned(ctx context.Context) { s.tell(ctx, tuned{}) }

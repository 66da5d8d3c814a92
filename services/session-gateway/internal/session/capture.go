package session

import (
	"time"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// This file is a session's part of the source role. Audio goes from the reader to the
// bus without the actor; what the actor decides about the stream, the reader waits for,
// so that everything happens in the order of the client's messages.

// The messages of the source role.
type (
	// clientStream is a clientMessage about the input stream; the reply is whether a
	// stream is open after it.
	clientStream struct {
		clientMessage
		reply chan<- bool
	}
	sourceTick struct{}
)

// deliver hands a message to the actor.
func (s *Session) deliver(in clientMessage, now int64) {
	switch msg := in.msg.(type) {
	case *wire.ClientStreamStart:
		if s.inputOpen(in) {
			s.intake.begin(&msg.Source, now)
		}
		return
	case *wire.ClientStreamEnd:
		if !s.inputOpen(in) {
			s.intake.end()
		}
		return
	case *wire.ClientState:
		if s.intake.available = msg.Available; !msg.Available {
			s.intake.end()
		}
	}
	s.tell(s.ctx, in)
}

// inputOpen has the actor handle a message about the input stream.
func (s *Session) inputOpen(in clientMessage) bool {
	open, err := actor.Ask(s.ctx, s.ref, func(reply chan<- bool) input { return clientStream{in, reply} })
	return err == nil && open
}

// sourceAudio passes a chunk on.
func (s *Session) sourceAudio(payload []byte, now int64) {
	if fault := s.intake.audio(payload, now); fault != "" {
		s.Close(machine.Close{Reason: machine.ReasonProtocolError, Detail: fault})
	}
}

// clientStream answers the reader. A stream that ended the session is not open.
func (b *brain) clientStream(in clientStream) {
	effects := b.m.Message(in.msg, in.err, in.handshake)
	b.do(effects)
	in.reply <- b.m.InputOpen() != nil && !machine.Closes(effects)
}

// watchSource arms the timer of users that do not repeat their wish.
func (b *brain) watchSource() {
	if b.sourceTimer != nil {
		b.sourceTimer()
		b.sourceTimer = nil
	}
	now := b.s.d.House.NowMicros()
	if at := b.m.SourceDeadline(now); at != 0 {
		b.sourceTimer = b.later(time.Duration(max(at-now, 1000))*time.Microsecond, sourceTick{})
	}
}

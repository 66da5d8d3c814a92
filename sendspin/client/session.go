package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/clock"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// phase is where a connection stands.
type phase int

const (
	awaitHello    phase = iota // server/hello comes next
	awaitActivate              // the first server/activate comes next
	provisional                // Serve: no admissible server/activate yet
	admitted                   // the client's one connection
	over                       // closing; nothing counts any more
)

// session is one connection. Its fields belong to the core, save for those that say
// otherwise.
type session struct {
	core     *core
	conn     *channel.Conn
	ack      chan struct{}
	serverID string
	// arbitrate is true for a connection that a server opened: admission applies.
	arbitrate bool

	phase      phase
	opened     int64 // client's clock
	activated  bool  // had a server/activate
	activities []string
	roles      []string
	abandoned  bool // pairing was refused: pairing messages are leftovers until the next activate

	timing   timing
	reported bool // an initial client/state was sent
	owes     bool // a client/state is due once the clock is synchronized

	stream atomic.Pointer[stream] // written by the core, read by the reader
	epoch  uint64

	metadata   scheduled[wire.Metadata]
	color      scheduled[wire.Color]
	controller *wire.ControllerState

	referee *referee // nil unless Strict

	goodbyeReason string
	cause         error
}

func newSession(k *core, conn *channel.Conn) *session {
	s := &session{core: k, conn: conn, ack: make(chan struct{}, 1), serverID: conn.Peer()}
	s.timing.filter = *clock.New()
	s.timing.next, s.timing.answerBy = never, never
	if k.cfg.Strict {
		s.referee = newReferee(s)
	}
	return s
}

// read is the connection's goroutine: it hands over what arrives until the
// connection is dead. Cancelling ctx does not cut it off, so that the core can say
// goodbye first.
func (s *session) read(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	k := s.core
	s.hand(input{s: s, kind: inOpened, at: k.cfg.Now()})
	for {
		id, payload, err := s.conn.Read(ctx)
		at := k.cfg.Now()
		if err != nil {
			s.hand(input{s: s, kind: inClosed, at: at, err: err})
			return
		}
		if id == wire.IDAudio && s.referee == nil && s.stream.Load() != nil {
			s.audio(payload, at)
			continue
		}
		s.hand(input{s: s, kind: inMessage, id: id, payload: payload, at: at})
	}
}

// hand gives an input to the core and waits until it is dealt with.
func (s *session) hand(in input) {
	s.core.inputs <- in // loop runs until all readers have returned
	<-s.ack
}

// outcome is for the goroutine of read, after it.
func (s *session) outcome() outcome {
	o := outcome{err: s.cause, goodbye: s.goodbyeReason, activated: s.activated}
	if s.goodbyeReason != "" {
		o.err = &GoodbyeError{Reason: s.goodbyeReason}
	}
	return o
}

// handle deals with one input.
func (s *session) handle(in input) {
	switch in.kind {
	case inOpened:
		s.open(in.at)
	case inClosed:
		s.gone(in.err)
	case inMessage:
		if s.phase == over {
			return
		}
		if in.id == wire.IDJSON {
			s.json(in.payload, in.at)
		} else {
			s.binary(in.id, in.payload, in.at)
		}
	}
}

func (s *session) open(at int64) {
	k := s.core
	s.opened = at
	k.sessions = append(k.sessions, s)
	k.stats.connections.Add(1)
	k.cfg.Log.Info("connected", "server_id", s.serverID, "category", string(s.conn.Matched()))
	if paired(s.conn.Matched()) {
		k.cfg.Store.used(s.serverID)
	}
	k.emit(Connected{ServerID: s.serverID, Paired: paired(s.conn.Matched()), Category: s.conn.Matched()})
	switch {
	case k.stopping:
		s.bye(wire.GoodbyeShutdown)
	case s.arbitrate && k.provisionals() > maxProvisional:
		s.bye(wire.GoodbyeConcurrentAttempt)
	}
}

// gone is the end of the connection.
func (s *session) gone(err error) {
	k := s.core
	if s.cause == nil {
		s.cause = err
	}
	s.phase = over
	k.sessions = slices.DeleteFunc(k.sessions, func(o *session) bool { return o == s })
	s.dismiss()
	k.cfg.Log.Info("disconnected", "server_id", s.serverID, "goodbye", s.goodbyeReason, "error", s.cause)
	k.emit(Disconnected{ServerID: s.serverID, Goodbye: s.goodbyeReason, Err: s.cause})
}

// dismiss takes the client's one place from the session.
func (s *session) dismiss() {
	k := s.core
	if k.holder != s {
		return
	}
	s.endStream()
	s.dropDisplays(s.roles)
	k.holder = nil
	k.stats.roles.Store(nil)
	k.stats.serverID.Store(nil)
	k.stats.filter.Store(nil)
}

// send encodes and writes a message. A failure ends the connection.
func (s *session) send(m wire.Message) {
	if s.phase == over {
		return
	}
	body, err := s.core.codec.Encode(m)
	if err != nil { // our own fault
		s.fail(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if err := s.conn.WriteJSON(ctx, body); err != nil {
		s.fail(fmt.Errorf("client: send %s: %w", m.Type(), err))
	}
}

// bye says goodbye and closes.
func (s *session) bye(reason string) {
	if s.phase == over {
		return
	}
	s.goodbyeReason = reason
	s.send(&wire.ClientGoodbye{Reason: reason})
	s.close(normalClosure)
}

// fail closes silently after a fault, as the specification asks for protocol errors.
func (s *session) fail(err error) {
	if s.phase == over {
		return
	}
	s.cause = err
	s.close(channel.CloseSilent)
}

// normalClosure is the status code of RFC 6455.
const normalClosure = 1000

// close closes the connection without waiting; the reader notices.
func (s *session) close(code int) {
	if s.phase == over {
		return
	}
	s.phase = over
	s.dismiss()
	s.core.closers.Go(func() { _ = s.conn.Close(code, "") })
}

// deadline is when tick next has something to do. Every deadline that has passed is
// moved or dropped by tick, or the core would spin.
func (s *session) deadline() int64 {
	if s.phase == over {
		return never
	}
	d := min(s.timing.next, s.timing.answerBy)
	if !s.activated {
		d = min(d, s.admitBy())
	}
	d = min(d, s.displayDeadline())
	if s.referee != nil {
		d = min(d, s.referee.deadline())
	}
	return d
}

// admitBy is when a connection without a server/activate is given up.
func (s *session) admitBy() int64 {
	return s.opened + s.core.cfg.HandshakeTimeout.Microseconds()
}

// tick does what is due.
func (s *session) tick(now int64) {
	if s.phase == over {
		return
	}
	if !s.activated && now >= s.admitBy() {
		s.fail(errors.New("client: the server sent no server/activate in time"))
		return
	}
	s.tickTiming(now)
	s.tickDisplays(now)
	if s.referee != nil && s.phase == admitted {
		s.referee.tick(now)
	}
}

// broken reports a violation, when somebody looks.
func (s *session) broken(rule, format string, args ...any) {
	if s.referee != nil {
		s.referee.report(rule, fmt.Sprintf(format, args...))
	}
}

// protocolError reports a violation that ends the connection.
func (s *session) protocolError(rule, format string, args ...any) {
	s.broken(rule, format, args...)
	s.fail(fmt.Errorf("client: protocol error: "+format, args...))
}

func timeoutFor(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

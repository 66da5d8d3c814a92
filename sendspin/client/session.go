package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// phase is where a connection stands.
type phase int

const (
	awaitHello    phase = iota // server/hello comes next
	awaitActivate              // the first server/activate comes next
	provisional                // Serve: no admissible server/activate yet
	admitted                   // the client's one connection, or the one beside it
	over                       // closing; nothing counts any more
)

// session is one connection. Its fields belong to the core, save for those that say
// otherwise.
type session struct {
	core       *core
	conn       *channel.Conn
	handshakes *handshakes
	ack        chan struct{}
	serverID   string
	number     uint64 // tells the client's connections apart
	// arbitrate is true for a connection that a server opened: admission applies.
	arbitrate bool

	heard atomic.Int64 // when something arrived last, client's clock; written by the reader

	phase      phase
	opened     int64 // client's clock
	activated  bool  // had a server/activate
	activities []string
	roles      []string

	// Of the last handshake whose first message is here. index counts the pairing
	// activations since then, flow is that of the last one.
	hash    [32]byte
	matched noise.Category
	pskID   string
	access  bool // unpaired access as the hello had it
	index   uint32
	flow    *pairing.ClientFlow
	attempt attempt

	timing   *timing
	reported bool // an initial client/state was sent
	owes     bool // a client/state is due once the clock is synchronized
	stale    bool // a client/state is due with the next activation: the client was not available before

	stream atomic.Pointer[stream] // written by the core, read by the reader
	epoch  uint64

	artwork artwork
	inputs  *wire.ServerSourceSupport // of server/hello
	capture capture

	metadata   scheduled[wire.Metadata]
	color      scheduled[wire.Color]
	controller *wire.ControllerState
	visual     *visualStream // nil without an active one
	group      *wire.GroupUpdate

	referee *referee // nil unless Strict

	goodbyeReason string
	cause         error
}

func newSession(k *core, conn *channel.Conn) *session {
	s := &session{core: k, conn: conn, ack: make(chan struct{}, 1), serverID: conn.Peer()}
	s.timing = newTiming(k.cfg.SyncInterval.Microseconds())
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
	s.heard.Store(k.cfg.Now())
	s.hand(input{s: s, kind: inOpened, at: s.heard.Load()})
	for {
		id, payload, err := s.conn.Read(ctx)
		at := k.cfg.Now()
		if err != nil {
			s.hand(input{s: s, kind: inClosed, at: at, err: err})
			return
		}
		s.heard.Store(at)
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
	s.takeKeys()
	k.numbered++
	s.number = k.numbered
	k.resumeTiming(s)
	k.sessions = append(k.sessions, s)
	k.stats.connections.Add(1)
	k.cfg.Log.Info("connected", "server_id", s.serverID, "category", string(s.matched))
	k.emit(Connected{ServerID: s.serverID, Paired: paired(s.matched), Category: s.matched})
	switch {
	case k.stopping:
		s.bye(wire.GoodbyeShutdown)
	case s.arbitrate && (k.provisionals() > maxProvisional || k.pairedSessions() >= k.cfg.Store.maxRecords()):
		s.bye(wire.GoodbyeConcurrentAttempt)
	}
}

// gone is the end of the connection.
func (s *session) gone(err error) {
	k := s.core
	if s.cause == nil {
		s.cause = err
	}
	if s.referee != nil && s.phase != over {
		s.referee.channelFault(err)
	}
	s.phase = over
	k.keepTiming(s)
	k.sessions = slices.DeleteFunc(k.sessions, func(o *session) bool { return o == s })
	s.dismiss()
	s.leavePairing()
	k.cfg.Log.Info("disconnected", "server_id", s.serverID, "goodbye", s.goodbyeReason, "error", s.cause)
	k.emit(Disconnected{ServerID: s.serverID, Goodbye: s.goodbyeReason, Err: s.cause})
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
	if s.referee != nil {
		s.referee.channelFault(err)
	}
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
	s.leavePairing()
	s.core.closers.Go(func() { _ = s.conn.Close(code, "") })
}

// deadline is when tick next has something to do. Every deadline that has passed is
// moved or dropped by tick, or the core would spin.
func (s *session) deadline() int64 {
	if s.phase == over {
		return never
	}
	d := min(s.timing.Due(), s.quietDue())
	if !s.activated {
		d = min(d, s.admitBy())
	}
	d = min(d, s.displayDeadline(), s.artworkDeadline(), s.attemptDeadline())
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
	s.tickArtwork(now)
	s.tickAttempt()
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

// Package session is one connection with one client: its opening handshake, and
// then three goroutines that share nothing but mailboxes.
//
//	reader  ── client/time ──────────────► writer (clock lane)
//	        ── everything else ─► actor ─► writer (control lane)
//	bus     ── SessionCommand ──► actor
//	                                       writer ◄── tape (audio)
//
// The actor decides (package machine); the writer is the only one that sends; the
// reader never waits for either longer than for a place in the actor's mailbox.
// A client that stops reading blocks its own writer until the write deadline of
// its socket closes it; a client that stops answering is found by the ping.
package session

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/wire"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/presence"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/reel"
)

// Bus is what a session needs of the bus.
type Bus interface {
	Request(ctx context.Context, subject string, req, resp proto.Message) error
	RequestHedged(ctx context.Context, subject string, req, resp proto.Message) error
	PublishBytes(subject string, data []byte) error
}

// Address makes a session answer at its client's subject until stop is called.
type Address func(clientID string, h func(context.Context, *tuttiv1.SessionCommand) (*tuttiv1.SessionReply, error)) (stop func(), err error)

// Deps are shared by all sessions of a gateway.
type Deps struct {
	GatewayID  string
	Bus        Bus
	Address    Address
	House      houseclock.Clock
	Clock      clockwork.Clock
	Log        *slog.Logger
	Tapes      *reel.Set
	Pictures   Pictures
	Trust      Trust
	Board      *presence.Board
	Codec      wire.Codec
	Metrics    *metrics.Metrics
	Supervisor *actor.Supervisor

	PingInterval, PingTimeout time.Duration
	// WriteDeadline is the connection's, for telling a stuck write from a broken one.
	WriteDeadline time.Duration
	// StatusInterval is how often a streaming session's figures go to presence: a
	// function, so that it can stretch as sessions become many.
	StatusInterval func() time.Duration
	// RekeyInterval is the time between rotations of a session's keys; 0: never.
	RekeyInterval time.Duration
	// SourceCodecs are those that server/hello lists.
	SourceCodecs []string
	// Settings are the deployment's, as they are now.
	Settings func() *tuttiv1.ServerSettings
	// Tuning is what the operator set for a client at this moment; nil: nothing.
	Tuning func(clientID string) *tuttiv1.ClientTuning
	// Errand runs f beside the sessions; what a session has to say after its end is
	// said there. f ends soon after its ctx. False: f is not run.
	Errand func(f func(ctx context.Context)) bool

	depth highMark
}

// Peer is how a connection came about.
type Peer struct {
	// Address is the peer's host:port.
	Address string
	// URL is what was dialled; "" for an inbound connection.
	URL string
	// Resumes: the client played a moment ago, on a gateway that is lost.
	Resumes bool
	// Welcome, if set, is called when the client gets its first roles.
	Welcome func()
}

// Ended is how a session ended.
type Ended struct {
	Cause machine.Close
	// Activities are those at the end.
	Activities []string
	Lived      time.Duration
}

// Session is one live connection.
type Session struct {
	ID       string
	ClientID string

	d      *Deps
	peer   Peer
	o      *Opened
	order  uint64 // among this gateway's sessions; see SetOrder
	log    *slog.Logger
	began  time.Time
	writer *writer
	intake intake
	brain  *brain
	ref    *actor.Ref[input]
	entry  *presence.Entry

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // goroutines that end with ctx

	rests     atomic.Bool // what the machine says
	closeOnce sync.Once
	closing   chan struct{}
	cause     machine.Close // valid once closing is closed

	addrMu   sync.Mutex
	stopAddr func() // nil before the address stands and after it fell
	addrGone bool   // released: it must not be taken again

	lastTime atomic.Int64 // wall clock µs of the last client/time
	rtt      atomic.Int64 // µs

	done  chan struct{}
	ended Ended
}

// SetOrder says which of two sessions of a client is the later one: the one with the
// higher number. The hub calls it before Run.
func (s *Session) SetOrder(n uint64) { s.order = n }

// New makes a session of an opened connection; Run must be called next. On an
// error, which only a stopping gateway causes, the connection is closed.
func New(d *Deps, o *Opened, peer Peer) (*Session, error) {
	s := &Session{
		ID: newID(), ClientID: o.Conn.Peer(), d: d, peer: peer, o: o,
		began: d.Clock.Now(), closing: make(chan struct{}), done: make(chan struct{}),
	}
	s.log = d.Log.With(obs.KeyClient, s.ClientID, obs.KeySession, s.ID, obs.KeyName, obs.Name(o.Hello.Name), obs.KeyAddr, peer.Address)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	capacity := 0
	if o.Hello.Player != nil {
		capacity = o.Hello.Player.BufferCapacity
	}
	s.intake = intake{
		publish: d.Bus.PublishBytes, subject: subject.Capture(s.ClientID), m: d.Metrics, session: uint64(d.House.NowMicros()),
	}
	s.writer = newWriter(o.Conn, capacity, d, s.tell)
	if slices.Contains(o.Hello.SupportedRoles, wire.RoleArtworkV1) {
		s.writer.showArtwork(d.Pictures, s.spawn)
	}
	if v := o.Hello.Visualizer; v != nil {
		s.writer.showVisual(v.BufferCapacity)
	}
	s.brain = newBrain(s)
	ref, err := actor.Spawn(d.Supervisor, actor.Options{
		Key: "session/" + s.ClientID, Size: mailbox, Full: actor.Block, Restart: actor.Never, Log: s.log,
	}, func(self *actor.Ref[input]) actor.Handler[input] {
		s.brain.self = self
		return s.brain
	})
	if err != nil {
		s.cancel()
		_ = o.Conn.CloseNow()
		return nil, err
	}
	s.ref = ref
	return s, nil
}

// mailbox is small: what fills it is the client, and it waits on its own socket.
const mailbox = 16

// newID is 96 random bits: unique over all gateways.
func newID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Done is closed when the session is over; Ended is valid from then on.
func (s *Session) Done() <-chan struct{} { return s.done }

// Plays reports whether the session has sent audio that still has to sound.
func (s *Session) Plays() bool { return s.writer.Status().bufferedUS > 0 }

// Rests reports whether the client takes part in nothing: its activities are empty, its group
// does not play, and what was sent to it has sounded.
func (s *Session) Rests() bool { return s.rests.Load() && !s.Plays() }

// Ended says how the session ended.
func (s *Session) Ended() Ended { return s.ended }

// URL is what was dialled, "" for an inbound connection.
func (s *Session) URL() string { return s.peer.URL }

// tell puts a message in the actor's mailbox. It waits while that is full: a
// client that talks faster than its actor works waits on its own socket.
func (s *Session) tell(ctx context.Context, in input) { _ = s.ref.Send(ctx, in) }

// Run runs the session until it is over and everything of it is stopped. Ending
// ctx closes the session.
func (s *Session) Run(ctx context.Context) {
	defer close(s.done)
	s.d.Metrics.Sessions.Inc()
	stop := context.AfterFunc(ctx, func() { s.Close(machine.Close{Reason: machine.ReasonShutdown}) })

	s.wg.Go(s.write)
	// The address stands before anybody can hear of the session.
	s.keepAddress()
	s.tell(s.ctx, began{})
	s.read()

	stop()
	<-s.closing
	s.ReleaseAddress()
	s.cancel()
	s.ref.Stop()
	<-s.ref.Done()
	s.wg.Wait()
	s.finish()
}

// finish writes the last presence record and the log line of the end.
func (s *Session) finish() {
	s.ended = Ended{Cause: s.cause, Activities: s.brain.lastActivities, Lived: s.d.Clock.Since(s.began)}
	s.d.Metrics.Sessions.Dec()
	s.d.Metrics.Closes.WithLabelValues(string(s.cause.Reason)).Inc()
	if s.cause.Reason == machine.ReasonWriteDeadline {
		s.d.Metrics.WriteStalls.Inc()
	}
	if s.entry != nil {
		p := s.record(s.brain.m)
		presence.End(p)
		p.LastGoodbye = s.cause.Goodbye
		if s.cause.Reason != machine.ReasonGoodbye {
			p.LastError = string(s.cause.Reason)
			if s.cause.Detail != "" {
				p.LastError += ": " + s.cause.Detail
			}
		}
		ctx, cancel := clockwork.WithTimeout(context.Background(), s.d.Clock, 3*time.Second)
		defer cancel()
		s.entry.Close(ctx, p)
	}
	s.lastWords()
	s.log.Info("session ended", obs.KeyReason, string(s.cause.Reason), "detail", s.cause.Detail,
		"lived", s.ended.Lived.Round(time.Millisecond).String())
}

// Close ends the session for a cause; the first one counts. It does not wait.
func (s *Session) Close(c machine.Close) {
	s.closeOnce.Do(func() {
		s.cause = c
		defer close(s.closing)
		s.wg.Go(func() {
			defer s.cancel()
			switch c.Reason {
			case machine.ReasonPeerClosed, machine.ReasonWriteDeadline, machine.ReasonPingTimeout:
				_ = s.o.Conn.CloseNow() // nobody listens
			case machine.ReasonGoodbye, machine.ReasonShutdown, machine.ReasonReplaced, machine.ReasonOperator, machine.ReasonTrust:
				_ = s.o.Conn.Close(closeNormal, "")
			default:
				_ = s.o.Conn.Close(channel.CloseSilent, "")
			}
		})
	})
}

// closeNormal is the code of RFC 6455 for a connection that has served its purpose.
const closeNormal = 1000

// read is the reader: it returns when the connection can no longer be read.
func (s *Session) read() {
	defer s.intake.end()
	for {
		id, payload, err := s.o.Conn.Read(s.ctx)
		if err != nil {
			s.settle()
			s.readFailed(err)
			return
		}
		received := s.d.House.NowMicros()
		switch id {
		case wire.IDJSON:
		case wire.IDSource:
			s.sourceAudio(payload, received)
			continue
		default:
			s.tell(s.ctx, clientBinary{id})
			continue
		}
		msg, err := s.d.Codec.DecodeFromClient(payload)
		if t, ok := msg.(*wire.ClientTime); ok && err == nil {
			s.writer.askTime(t.ClientTransmitted, received)
			s.lastTime.Store(s.d.Clock.Now().UnixMicro())
			continue
		}
		s.deliver(clientMessage{msg, err, s.o.Conn.Rehandshakes()}, received)
	}
}

// settle waits, as long as the session lives, until the actor has handled what was read:
// a client's goodbye says more than the end of its socket.
func (s *Session) settle() {
	ctx, cancel := clockwork.WithTimeout(s.ctx, s.d.Clock, causeTimeout)
	defer cancel()
	_, _ = actor.Ask(ctx, s.ref, func(reply chan<- struct{}) input { return settled{reply} })
}

// readFailed closes the session for a failed read. A socket that our own side
// closed says nothing: whoever closed it (a write past its deadline) knows why.
func (s *Session) readFailed(err error) {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) {
		s.awaitCause()
	}
	if category := s.writer.rekeying.Load(); category != nil {
		// The client's answer to Noise message 1 was to go, or nonsense.
		s.Close((&rekeyError{*category, err}).cause())
		return
	}
	s.Close(readCause(err))
}

// awaitCause waits until somebody else has said why the session ends, for a while.
func (s *Session) awaitCause() {
	select {
	case <-s.closing:
	case <-s.d.Clock.After(causeTimeout):
	}
}

// causeTimeout is how long the one who closed the socket may take to say why.
const causeTimeout = time.Second

// readCause sorts a failed read: the socket's end is the peer's doing, everything
// else is a message that no conformant peer sends.
func readCause(err error) machine.Close {
	var closed *channel.CloseError
	var network net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		// Only writes have a deadline; the connection tells its reader as well.
		return machine.Close{Reason: machine.ReasonWriteDeadline, Detail: "the client does not read what it is sent"}
	case errors.As(err, &closed):
		return machine.Close{Reason: machine.ReasonPeerClosed, Detail: closed.Error()}
	case errors.As(err, &network), isEOF(err), errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return machine.Close{Reason: machine.ReasonPeerClosed, Detail: err.Error()}
	}
	return machine.Close{Reason: machine.ReasonProtocolError, Detail: err.Error()}
}

// write runs the writer and sorts out how it ended.
func (s *Session) write() {
	err := s.writer.run(s.ctx)
	switch {
	case err == nil, s.ctx.Err() != nil:
	case errors.Is(err, errFinished):
		s.Close(s.writer.farewell())
	case errors.Is(err, errStalled):
		s.Close(machine.Close{Reason: machine.ReasonWriteDeadline, Detail: "the client does not read what it is sent"})
	default:
		var encode *wire.EncodeError
		var rekey *rekeyError
		switch {
		case errors.As(err, &rekey):
			s.Close(rekey.cause())
			return
		case errors.As(err, &encode):
			s.log.Error("message cannot be encoded", obs.KeyErr, err)
			s.Close(machine.Close{Reason: machine.ReasonInternal, Detail: err.Error()})
			return
		}
		s.Close(machine.Close{Reason: machine.ReasonPeerClosed, Detail: err.Error()})
	}
}

// record is the presence record of this moment.
func (s *Session) record(m *machine.Machine) *tuttiv1.ClientPresence {
	p := &tuttiv1.ClientPresence{
		GatewayId: s.d.GatewayID, Connected: true, Connection: "inbound", Address: s.peer.Address,
		Url: s.peer.URL, Dialect: string(s.d.Codec.Dialect()), Suite: string(s.o.Conn.Suite()),
		Stage: StageReady, RttUs: s.rtt.Load(),
		ConnectedAt: timestamppb.New(s.began), LastSeenAt: timestamppb.New(s.d.Clock.Now()),
	}
	if s.peer.URL != "" {
		p.Connection = "outbound"
	}
	if us := s.lastTime.Load(); us != 0 {
		p.LastTimeExchangeAt = timestamppb.New(time.UnixMicro(us))
	}
	m.Fill(p)
	st := s.writer.Status()
	display(p, m.ShowsArtwork(), st)
	displayVisual(p, st)
	if p.Source != nil {
		p.Source.Chunks, p.Source.Discarded = s.intake.chunks.Load(), s.intake.discarded.Load()
	}
	st.fill(p.Stream)
	return p
}

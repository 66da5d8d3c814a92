package session

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// input is a message to a session's actor.
type input any

// The messages of a session's actor.
type (
	began         struct{}
	clientMessage struct {
		msg       wire.Message
		err       error
		handshake uint64 // re-handshakes before it
	}
	clientBinary struct{ id byte }
	command      struct {
		cmd   *tuttiv1.SessionCommand
		reply chan<- answer
	}
	// answer is what a command is answered with.
	answer struct {
		pairing *tuttiv1.PairingSession
		stream  *tuttiv1.StreamStatus
		err     error
	}
	trustChanged struct{ ev *tuttiv1.TrustChanged }
	tuned        struct{} // the operator set something else for the client
	approvalOver struct{}
	admitted     struct {
		a         machine.Admission
		handshake uint64 // that the question was asked under
	}
	streamEnded struct{ gen uint64 }
	drained     struct{ gen uint64 }
	visualEnded struct{ gen uint64 }
	statusTick  struct{}
	pingTick    struct{}
	pong        struct{ rtt time.Duration }
	forwarded   struct{}
	settled     struct{ reply chan<- struct{} }
	overdueTick struct{}
	forceClose  struct{ machine.Close }
)

const (
	// flushTimeout is how long the last messages of an orderly end may take.
	flushTimeout = 2 * time.Second
	// maxForward bounds a client's commands that wait for their group.
	maxForward = 32
	// forwardTimeout bounds one of them.
	forwardTimeout = 5 * time.Second
	// seenEvery is after how many pings an otherwise quiet client's record is
	// refreshed: last_seen_at, round trip, last clock exchange.
	seenEvery = 4
	// grace is how long the stream service has to tell a client of its group and of
	// its roles' state before the session does.
	grace = time.Second
	// endsGrace is how much later than its end an approval that pairing has not ended
	// ends here: pairing looks every two seconds, and clocks differ a little.
	endsGrace = 3 * time.Second
)

// brain is the session's actor: it feeds the machine and carries out its effects.
type brain struct {
	s    *Session
	self *actor.Ref[input]
	m    *machine.Machine

	asking, askAgain bool // admission
	keyring               // the PSK of the next re-handshake
	rekeys           int  // re-handshakes in the control lane
	fetching         bool // the credential is being asked for
	relays           []relay
	relaying         chan struct{} // closed when the relay under way is through; nil: none
	unpaired         bool          // server/unpair was written
	forwards         []*tuttiv1.ClientCommand
	forwarding       bool
	pinging          bool
	pings            int
	ticking          bool
	lastActivities   []string

	pingTimer, statusTimer, closeTimer, overdueTimer, rekeyTimer, limitTimer, endsTimer, sourceTimer func()
}

func newBrain(s *Session) *brain {
	cfg := machine.Config{
		ClientID: s.ClientID, SessionID: s.ID, Hello: s.o.Hello,
		Category: string(s.o.Conn.Matched()), Mismatch: s.o.Conn.Mismatch(), SourceCodecs: s.d.SourceCodecs,
	}
	if s.o.Conn.Matched() == noise.Sentinel {
		cfg.KeyID = machine.SentinelKeyID()
	}
	return &brain{s: s, m: machine.New(cfg)}
}

// Handle implements actor.Handler.
func (b *brain) Handle(ctx context.Context, in input) error {
	s, now := b.s, b.s.d.House.NowMicros()
	switch in := in.(type) {
	case began:
		b.begin(now)
	case clientMessage:
		b.do(b.m.Message(in.msg, in.err, in.handshake))
	case clientStream:
		b.clientStream(in)
	case sourceTick:
		b.do(b.m.SourceTick(now))
	case clientBinary:
		b.do(b.m.Binary(in.id))
	case command:
		b.command(in, now)
	case trustChanged:
		b.do(b.m.TrustChanged(in.ev, now))
	case admitted:
		b.admitted(in, now)
	case streamEnded:
		b.do(b.m.StreamEnded(in.gen))
	case drained:
		b.do(b.m.Drained(in.gen))
	case visualEnded:
		b.do(b.m.VisualEnded(in.gen))
	case statusTick:
		b.status()
	case pingTick:
		b.ping()
	case pong:
		b.ponged(in.rtt)
	case forwarded:
		b.forwarding = false
		b.forwardNext()
	case overdueTick:
		b.do(b.m.Overdue(now))
	case tuned:
		b.do(b.m.Tune(s.d.Tuning(s.ClientID)))
	case forceClose:
		s.Close(in.Close)
	case settled:
		in.reply <- struct{}{}
	default:
		b.handleTrust(in, now)
	}
	return nil
}

// handleTrust is Handle for pairing, keys and what else trust brings.
func (b *brain) handleTrust(in input, now int64) {
	switch in := in.(type) {
	case rekeyTick:
		b.rotate()
	case credential:
		b.credential(in, now)
	case rekeyed:
		b.rekeyed(in)
	case relayed:
		b.relayed(in, now)
	case attemptLimit:
		b.do(b.m.AttemptLost(in.id, "the attempt took too long", now))
	case unpairWritten:
		b.unpairWritten()
	case rosterWritten:
		b.s.report(tuttiv1.SessionEvent_SESSION_EVENT_ROSTER, in.seq)
	case approvalOver:
		b.approvalOver(now)
	case settingsChanged:
		b.newSettings(now)
	}
}

// command carries out what another service asks.
func (b *brain) command(in command, now int64) {
	if isPairing(in.cmd) {
		b.pairing(in, now)
		return
	}
	if in.cmd.GetStreamQuery() != nil {
		in.reply <- answer{stream: b.s.record(b.m).GetStream()}
		return
	}
	effects, err := b.m.Command(in.cmd, now)
	b.do(effects)
	if err != nil {
		b.s.d.Metrics.CommandsDenied.Inc()
	}
	in.reply <- answer{err: err}
}

// begin sends the first server/activate, then makes the session known.
func (b *brain) begin(now int64) {
	s := b.s
	a := machine.Admission{State: tuttiv1.TrustState_TRUST_STATE_UNAPPROVED}
	if s.o.Admission != nil {
		a = *s.o.Admission
	}
	b.newSettings(now)
	b.do(b.m.Tune(s.d.Tuning(s.ClientID)))
	b.do(b.m.Admit(a, now))
	b.expect()
	b.endsAt(a.EndsAt)
	b.rekeyIn(jittered(s.d.RekeyInterval))
	if s.o.Admission == nil {
		b.ask()
	}
	b.pingTimer = b.later(s.d.PingInterval, pingTick{})
	s.log.Info("session ready", "suite", string(s.o.Conn.Suite()), "psk", string(s.o.Conn.Matched()),
		"mismatch", s.o.Conn.Mismatch(), obs.KeyURL, s.peer.URL)
}

// do carries out effects in their order.
func (b *brain) do(effects []machine.Effect) {
	for _, e := range effects {
		if !b.carryOut(e) {
			return
		}
	}
}

// carryOut carries out one effect; false: the session is over.
func (b *brain) carryOut(e machine.Effect) bool {
	switch e := e.(type) {
	case machine.Forward:
		b.forward(e.Command)
	case machine.Changed:
		b.changed(true)
	case machine.AskAdmission:
		b.ask()
	case machine.Ignored:
		b.s.d.Metrics.Ignored.WithLabelValues(e.Kind).Inc()
	case machine.Close:
		b.close(e)
	case machine.Relay:
		return b.relay(e)
	case machine.LimitAttempt:
		b.limit(e)
	case machine.AttemptGone:
		b.s.log.Warn("left pairing", "attempt", e.AttemptID, obs.KeyReason, e.Detail)
		b.s.d.Errand(func(ctx context.Context) { b.s.gone(ctx, e.AttemptID, &tuttiv1.SessionGone{Detail: e.Detail}) })
	case machine.Restore:
		b.fetch()
	case machine.Rekey:
		return b.rekey(e)
	case machine.Listen:
		b.s.intake.wanted.Store(e.Wanted)
	case machine.WatchSource:
		b.watchSource()
	case machine.Unpairing:
		return b.after(unpairWritten{})
	case machine.RosterSent:
		return b.after(rosterWritten{e.Seq})
	default:
		b.note(e)
		return b.push(e)
	}
	return true
}

// push puts an item in the control lane; false: it is full and the session over.
func (b *brain) push(o op) bool {
	if !b.s.writer.push(o) {
		b.s.Close(machine.Close{Reason: machine.ReasonOutboxFull})
		return false
	}
	b.high()
	return true
}

// after tells this actor in once everything before it was sent.
func (b *brain) after(in input) bool {
	return b.push(written{func(ctx context.Context) { b.s.tell(ctx, in) }})
}

// note logs the changes of state that an operator looks for.
func (b *brain) note(e machine.Effect) {
	switch e := e.(type) {
	case machine.Send:
		if a, ok := e.Msg.(*wire.ServerActivate); ok {
			b.activated(a)
		}
	case machine.StartStream:
		b.s.log.Info("stream start", obs.KeyGroup, e.GroupID, "rendition", e.Rendition, "epoch", e.Epoch)
	case machine.EndStream:
		b.s.log.Info("stream end", "at_us", e.At)
	case machine.StartArtwork:
		b.s.log.Info("artwork stream", "channels", e.String())
	case machine.EndArtwork:
		b.s.log.Info("artwork stream ends")
	}
}

// activated notes an activation that is sent, or about to be.
func (b *brain) activated(a *wire.ServerActivate) {
	b.s.log.Info("activated", "roles", a.ActiveRoles, "activities", a.Activities, "psk", b.m.Category())
	if len(a.ActiveRoles) > 0 && b.s.peer.Welcome != nil {
		b.s.peer.Welcome()
	}
	b.lastActivities = a.Activities
}

// high keeps the deepest control lane.
func (b *brain) high() { b.s.d.depth.saw(b.s.writer.depth(), b.s.d.Metrics) }

// close ends the session. What was said before an orderly end is sent first.
func (b *brain) close(c machine.Close) {
	s := b.s
	switch c.Reason {
	case machine.ReasonTrust, machine.ReasonOperator, machine.ReasonPairing:
		if s.writer.push(finish{c}) {
			b.closeTimer = b.later(flushTimeout, forceClose{c})
			return
		}
	}
	s.Close(c)
}

// later sends in to this actor after d, as long as the session lives.
func (b *brain) later(d time.Duration, in input) (cancel func()) {
	return actor.After(b.self, b.s.d.Clock, d, in)
}

// Start implements actor.Lifecycle.
func (b *brain) Start(context.Context) error { return nil }

// Close implements actor.Lifecycle. Timers would hold the session's memory. An end
// that the session did not ask for is a crash, and the session ends with it.
func (b *brain) Close(context.Context) {
	b.s.Close(machine.Close{Reason: machine.ReasonInternal, Detail: "the session's actor crashed"})
	for _, cancel := range []func(){b.pingTimer, b.statusTimer, b.closeTimer, b.overdueTimer, b.rekeyTimer, b.limitTimer, b.endsTimer, b.sourceTimer} {
		if cancel != nil {
			cancel()
		}
	}
}

// changed writes presence, now or with what else changes soon.
func (b *brain) changed(now bool) {
	s := b.s
	p := s.record(b.m)
	if s.entry == nil {
		s.entry = s.d.Board.Open(p, s.order, func() {
			s.Close(machine.Close{Reason: machine.ReasonReplaced, Detail: "the client is connected to another gateway"})
		})
	} else {
		s.entry.Set(p, now)
	}
	if b.streams() && !b.ticking {
		b.ticking = true
		b.statusTimer = b.later(s.d.StatusInterval(), statusTick{})
	}
}

// status writes a streaming session's figures.
func (b *brain) status() {
	b.ticking = false
	if b.streams() {
		b.changed(false)
	}
}

// streams reports whether there are figures that change by themselves.
func (b *brain) streams() bool {
	return b.m.Streaming() != nil || b.m.ShowsVisual() || b.m.InputOpen() != nil
}

// forward hands commands to the group in their order, one at a time.
func (b *brain) forward(c *tuttiv1.ClientCommand) {
	if len(b.forwards) >= maxForward {
		b.s.log.Warn("client command dropped: its group does not answer")
		return
	}
	b.forwards = append(b.forwards, c)
	b.forwardNext()
}

func (b *brain) forwardNext() {
	if b.forwarding || len(b.forwards) == 0 {
		return
	}
	c := b.forwards[0]
	b.forwards = b.forwards[1:]
	b.forwarding = true
	b.s.spawn(func(ctx context.Context) {
		b.s.forward(ctx, c)
		b.s.tell(ctx, forwarded{})
	})
}

func (b *brain) ping() {
	b.pingTimer = b.later(b.s.d.PingInterval, pingTick{})
	if b.pinging {
		return
	}
	b.pinging = true
	b.s.spawn(b.s.ping)
}

func (b *brain) ponged(rtt time.Duration) {
	b.pinging = false
	first := b.s.rtt.Swap(max(rtt.Microseconds(), 1)) == 0
	if b.pings++; first || b.pings%seenEvery == 0 {
		b.changed(false)
	}
}

// reply is the answer to a SessionCommand.
func (s *Session) handle(ctx context.Context, cmd *tuttiv1.SessionCommand) (*tuttiv1.SessionReply, error) {
	a, askErr := actor.Ask(ctx, s.ref, func(reply chan<- answer) input { return command{cmd, reply} })
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

// isEOF reports whether the peer's socket ended.
func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// hasPlayback reports whether 'playback' is among activities.
func hasPlayback(activities []string) bool { return slices.Contains(activities, wire.ActivityPlayback) }

// OnlyPairing reports whether a drop without goodbye is a session's end instead of
// a restart (specification, client/goodbye).
func (e Ended) OnlyPairing() bool { return len(e.Activities) > 0 && !hasPlayback(e.Activities) }

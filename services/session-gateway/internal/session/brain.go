package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tutti-audio/tutti/platform/actor"
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
		trace string // id of the request that it came with
		reply chan<- answer
	}
	// queried is a stream query whose figures are those of now.
	queried command
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
	purposeOver struct{} // nobody has begun the attempt that the client was dialled for
	forceClose  struct{ machine.Close }
)

const (
	// grace is how long the stream service has to tell a client of its group and of
	// its roles' state before the session does.
	grace = time.Second
	// endsGrace is how much later than its end an approval that pairing has not ended
	// ends here: pairing looks every two seconds, and clocks differ a little.
	endsGrace = 3 * time.Second
	// purposeWait is how long a session that was dialled for an attempt waits for it. A
	// client waits 30 s for the first activation (specification, Multiple servers).
	purposeWait = 10 * time.Second
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
	trace            string // id of the command that is being carried out; "": none is

	pingTimer, statusTimer, closeTimer, overdueTimer, rekeyTimer, limitTimer, endsTimer, sourceTimer func()
}

func newBrain(s *Session) *brain {
	before, _ := s.d.Board.Lookup(s.ClientID)
	cfg := machine.Config{
		ClientID: s.ClientID, SessionID: s.ID, Hello: s.o.Hello,
		Category: string(s.o.Conn.Matched()), Mismatch: s.o.Conn.Mismatch(), SourceCodecs: s.d.SourceCodecs,
		Resumes: s.peer.Resumes, Kept: before.Kept, Ordered: before.Ordered,
	}
	if s.o.Conn.Matched() == noise.Sentinel {
		cfg.KeyID = machine.SentinelKeyID()
	}
	if p := s.o.Pairing; p != nil {
		cfg.Mismatch, cfg.ForPairing, cfg.WasPaired = false, true, p.WasPaired
		if s.o.Conn.Matched() != noise.Sentinel {
			cfg.KeyID = p.KeyID
		}
	}
	return &brain{s: s, m: machine.New(cfg)}
}

// Handle implements actor.Handler.
func (b *brain) Handle(ctx context.Context, in input) error {
	s, now := b.s, b.s.d.House.NowMicros()
	defer func() { s.rests.Store(b.m.Rests()) }()
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
	case queried:
		stream := b.m.LastStream()
		s.writer.Status().fill(stream)
		in.reply <- answer{stream: stream}
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
	case purposeOver:
		b.do(b.m.Unclaimed())
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
	case denied:
		b.s.log.Warn("another gateway took this one for dead: the record is written again")
		b.changed(true)
	}
}

// command carries out what another service asks.
func (b *brain) command(in command, now int64) {
	if isPairing(in.cmd) {
		b.pairing(in, now)
		return
	}
	if in.cmd.GetStreamQuery() != nil {
		b.after(queried(in)) // the writer's figures are up to half a second old
		return
	}
	b.trace = in.trace
	effects, err := b.m.Command(in.cmd, now)
	b.do(effects)
	b.trace = ""
	b.traced(in, err)
	if err != nil {
		b.s.d.Metrics.CommandsDenied.Inc()
	}
	if errors.Is(err, machine.ErrFenced) {
		b.s.d.Metrics.Fenced.WithLabelValues("session").Inc()
	}
	in.reply <- answer{err: err}
}

// traced writes a line for what another service asked of this session, at debug: the end
// of an order's way through the house. The content is not in it.
func (b *brain) traced(in command, err error) {
	if !b.s.log.Enabled(context.Background(), slog.LevelDebug) {
		return // there may be thousands of sessions
	}
	args := []any{"command", kind(in.cmd), obs.KeyGroup, in.cmd.GetGroupId(), obs.KeyTrace, in.trace}
	if err != nil {
		args = append(args, obs.KeyErr, err)
	}
	b.s.log.Debug("session command", args...)
}

// kind is the name of a command as the schema has it; of a player's, what is set.
func kind(c *tuttiv1.SessionCommand) string {
	m := c.ProtoReflect()
	if p := c.GetPlayer(); p != nil {
		m = p.ProtoReflect()
	}
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName("command"))
	if f == nil {
		return ""
	}
	return string(f.Name())
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
	if s.o.Pairing != nil {
		b.later(purposeWait, purposeOver{}) // void when an attempt has begun
	} else {
		b.do(b.m.Admit(a, now))
		b.expect()
		b.endsAt(a.EndsAt)
		if s.o.Admission == nil {
			b.ask()
		}
	}
	b.rekeyIn(jittered(s.d.RekeyInterval))
	b.pingTimer = b.later(s.d.PingInterval, pingTick{})
	s.log.Info("session ready", "suite", string(s.o.Conn.Suite()), "psk", string(s.o.Conn.Matched()),
		"mismatch", s.o.Conn.Mismatch(), obs.KeyURL, s.peer.URL)
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

package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// flushTimeout is how long the last messages of an orderly end may take.
const flushTimeout = 2 * time.Second

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
		b.s.intake.listen(e.Wanted)
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
		b.log().Info("stream start", obs.KeyGroup, e.GroupID, "rendition", e.Rendition, "epoch", e.Epoch)
	case machine.EndStream:
		b.log().Info("stream end", "at_us", e.At)
	case machine.StartArtwork:
		b.log().Info("artwork stream", "channels", e.String())
	case machine.EndArtwork:
		b.log().Info("artwork stream ends")
	}
}

// log is the session's log, with the trace id of the command that is being carried out.
func (b *brain) log() *slog.Logger {
	if b.trace == "" {
		return b.s.log
	}
	return b.s.log.With(obs.KeyTrace, b.trace)
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

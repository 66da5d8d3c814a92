package session

import (
	"context"
	"time"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// This file is the actor's side of admission: asking pairing what the client may do,
// taking the answer, and watching over its end.

// admitted takes pairing's answer, unless the session was keyed anew meanwhile.
func (b *brain) admitted(in admitted, now int64) {
	b.asking = false
	stale := in.handshake != b.m.Handshakes()
	if !stale {
		b.newSettings(now) // what could not be told in time
		b.do(b.m.Admit(in.a, now))
		b.expect()
		b.endsAt(in.a.EndsAt)
	}
	if b.askAgain || stale && b.m.Attempt() == "" {
		b.askAgain = false
		b.ask()
	}
}

// expect gives the stream service its time to tell the client what it is owed.
func (b *brain) expect() {
	if b.overdueTimer != nil {
		b.overdueTimer()
	}
	b.overdueTimer = b.later(grace, overdueTick{})
}

// endsAt watches over the end of an approval. Pairing announces it; should that not be
// heard, the roles go all the same.
func (b *brain) endsAt(end time.Time) {
	if b.endsTimer != nil {
		b.endsTimer()
		b.endsTimer = nil
	}
	if !end.IsZero() {
		b.endsTimer = b.later(max(end.Sub(b.s.d.Clock.Now()), 0)+endsGrace, approvalOver{})
	}
}

// approvalOver takes the roles of an approval that has ended, and asks what holds now.
func (b *brain) approvalOver(now int64) {
	b.s.log.Warn("the approval has ended, and pairing did not say so; its roles go")
	b.do(b.m.Admit(machine.Admission{State: tuttiv1.TrustState_TRUST_STATE_UNAPPROVED}, now))
	b.ask()
}

// ask asks pairing again, one question at a time.
func (b *brain) ask() {
	if b.asking {
		b.askAgain = true
		return
	}
	b.asking = true
	handshake := b.m.Handshakes()
	req := admitRequest(b.s.o.Conn, b.s.o.Hello, b.s.peer.Address)
	req.Refresh, req.SessionId = true, b.s.ID
	// The machine knows of re-handshakes that are still in the control lane.
	req.PskCategory, req.CredentialMismatch = b.m.Category(), b.m.Mismatch()
	b.s.spawn(func(ctx context.Context) {
		if a, ok := b.s.admit(ctx, req); ok {
			b.s.tell(ctx, admitted{a, handshake})
		}
	})
}

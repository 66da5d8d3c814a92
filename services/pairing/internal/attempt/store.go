package attempt

import (
	"context"
	"fmt"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// verified: the device has proved itself. The record is stored before it hears so.
func (m *attempt) verified(ctx context.Context, psk noise.PSK) {
	m.psk = psk
	m.flowState = m.flow.State()
	sealed, err := m.a.Desk.SealRecord(m.req.ClientID, psk)
	if err != nil {
		m.leave(ctx, notStored(err))
		return
	}
	m.sealed = sealed
	m.show(ctx, func(v *pb.PairingAttempt) {
		v.State = stateVerifying
		m.expect(v, storeLimit)
	})
	m.store()
}

// store queues one try to store the record.
func (m *attempt) store() {
	if m.ended {
		return
	}
	var undo *desk.Undo
	p := desk.Pairing{ClientID: m.req.ClientID, Actor: m.req.Actor, Method: m.req.Method, Format: m.req.Format, Sealed: m.sealed}
	m.queue(&job{
		bound: storeBound, keep: true, void: true,
		run: func(ctx context.Context) (err error) {
			undo, err = m.a.Desk.Pair(ctx, p)
			return err
		},
		done: func(ctx context.Context, err error) {
			if undo != nil {
				m.undo = undo
			}
			m.stored(ctx, err)
		},
	})
}

// stored: the record is there, or this try failed.
func (m *attempt) stored(ctx context.Context, err error) {
	if m.ended {
		return // the undoing is queued
	}
	switch fault.CodeOf(err) {
	case "":
		m.apply(ctx, m.flow.Stored())
	case fault.Unavailable, fault.Timeout:
		m.log.Warn("the pairing is not stored yet, trying again", obs.KeyErr, err)
		m.cancelRetry = m.after(storeRetry, storeAgain{})
	default:
		m.leave(ctx, notStored(err))
	}
}

// queueUndo takes the record back that the device will never hear of.
func (m *attempt) queueUndo(why string) {
	m.queue(&job{
		bound: undoBound, keep: true,
		run: func(ctx context.Context) error { return m.takeBack(ctx, why) },
		done: func(_ context.Context, err error) {
			if err != nil {
				m.log.Error("the record of a pairing that failed could not be taken back; "+
					"the device will show a credential mismatch, pair it again", obs.KeyErr, err)
			}
			m.undo = nil
		},
	})
}

// queueLine puts an attempt that did not pair into the audit ledger: who looks for
// somebody that tries codes looks there.
func (m *attempt) queueLine(e ending) {
	kind := "client.pairing_failed"
	if e.state == stateCancelled {
		kind = "client.pairing_cancelled"
	}
	line := &pb.AuditAppendRequest{
		Actor: m.req.Actor, Kind: kind, ClientId: m.req.ClientID,
		Detail: fmt.Sprintf("by %s, round %d: %s", methodName(m.req.Method, m.req.Format), m.view.GetRound(), e.reason),
	}
	m.queue(&job{
		bound: storeBound, keep: true,
		run: func(ctx context.Context) error {
			_, err := m.a.Desk.AppendAudit(ctx, line)
			return err
		},
		done: func(_ context.Context, err error) {
			if err != nil {
				m.log.Warn("the end of a pairing attempt is not in the audit ledger", "kind", kind, obs.KeyErr, err)
			}
		},
	})
}

// takeBack tries until the store works. The actor does not touch undo while the job
// runs.
func (m *attempt) takeBack(ctx context.Context, why string) error {
	if m.undo == nil {
		return nil
	}
	for {
		err := m.a.Desk.UndoPair(ctx, m.undo, why)
		if code := fault.CodeOf(err); code != fault.Unavailable && code != fault.Timeout || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-m.a.Clock.After(storeRetry):
		}
	}
}

// succeeded: the record is stored. The session passes the acknowledgement on and goes
// over to the new key; whatever becomes of that, the client is paired.
func (m *attempt) succeeded(ctx context.Context, bodies [][]byte) {
	m.success = true
	m.flowState = m.flow.State()
	after, err := m.client.PairedNow(m.now())
	if err != nil {
		after = m.client // denied since: the gateway hears of that by itself
	}
	end := &pb.PairingEnd{
		AttemptId: m.view.GetAttemptId(), Bodies: bodies, Category: trust.CategoryLongTerm,
		State: pb.TrustState_TRUST_STATE_PAIRED,
	}
	m.show(ctx, func(v *pb.PairingAttempt) { m.expect(v, stepLimit) })
	psk := m.psk
	m.queue(&job{
		bound: endBound,
		run: func(ctx context.Context) (err error) {
			end.AllowedFamilies = m.allowed(ctx, after, trust.CategoryLongTerm)
			if end.SealedPsk, err = desk.SealTo(m.session.recipient, psk); err == nil {
				err = m.end(ctx, end)
			}
			// Even when time is up: who watches hears of the pairing before its end.
			m.a.Desk.Announce(context.WithoutCancel(ctx))
			return err
		},
		done: func(ctx context.Context, err error) { m.paired(ctx, err) },
	})
}

func (m *attempt) end(ctx context.Context, end *pb.PairingEnd) error {
	_, err := m.command(ctx, &pb.SessionCommand{Command: &pb.SessionCommand_PairingEnd{PairingEnd: end}})
	return err
}

// paired takes the good end down.
func (m *attempt) paired(ctx context.Context, err error) {
	m.ended = true
	m.stopTimers()
	detail := ""
	if err != nil {
		detail = "the pairing is stored, but the device was not switched to its new key: " +
			"it will be back with it, or it shows a credential mismatch and must be paired again"
		m.log.Warn("the device was not switched to its new key", obs.KeyErr, err)
	}
	m.a.Metrics.ended.WithLabelValues(m.req.Method, statePaired).Inc()
	m.log.Info("pairing attempt succeeded", "actor", m.req.Actor, "method", methodName(m.req.Method, m.req.Format),
		obs.KeyName, m.client.Name, "rounds", m.flow.Round(), "replaced_record", m.undo != nil && m.undo.Replaced(), obs.KeyDuration, m.took())
	m.undo = nil
	m.show(ctx, func(v *pb.PairingAttempt) {
		v.State, v.Detail, v.Message, v.ExpiresAt = statePaired, detail, "", nil
	})
}

// queueEnd makes the session leave pairing. One that was keyed by the client's record
// before goes back to it; when that cannot be had, the connection is closed, and the
// device comes back as what it was.
func (m *attempt) queueEnd(e ending) {
	end := &pb.PairingEnd{AttemptId: m.view.GetAttemptId(), Bodies: e.bodies, Close: e.close}
	category := trust.CategorySentinel // keys the session now
	if m.req.Method == wire.MethodPSK {
		category = trust.CategoryPairing
	}
	m.queue(&job{
		bound: endBound,
		run: func(ctx context.Context) error {
			if !end.Close {
				m.settle(ctx, end, category)
			}
			return m.end(ctx, end)
		},
		done: func(_ context.Context, err error) {
			if err != nil {
				m.log.Debug("the session did not leave pairing on our word; it does by itself", obs.KeyErr, err)
			}
		},
	})
}

// settle says what the session is once it has left pairing.
func (m *attempt) settle(ctx context.Context, end *pb.PairingEnd, category string) {
	c, err := m.a.Desk.Client(ctx, m.req.ClientID)
	if err == nil && m.session.category == trust.CategoryLongTerm {
		var cred *pb.CredentialResponse
		cred, err = m.a.Desk.Credential(ctx, &pb.CredentialRequest{ClientId: m.req.ClientID, RecipientKey: m.session.recipient})
		if err == nil && cred.GetCategory() == trust.CategoryLongTerm {
			category = trust.CategoryLongTerm
			end.Category, end.SealedPsk = category, cred.GetSealedPsk()
		}
	}
	if err != nil {
		end.Close = true
		return
	}
	end.AllowedFamilies = m.allowed(ctx, c, category)
	end.State = desk.StateOf(c)
}

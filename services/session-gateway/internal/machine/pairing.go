package machine

import (
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// An attempt to pair runs in the pairing service; this is the session's part of it:
// entering and leaving pairing, and which of the client's messages belong to it
// (docs/adr/0014). Whoever calls opens sealed PSKs and tells their psk_id only.

// maxAttempt bounds an attempt whatever it asks for: the one who would end it may be
// gone.
const maxAttempt = 30 * time.Minute

// keyState is what keys the session, as far as the rules of activations go. It runs
// ahead of the connection by the re-handshakes that the writer has not done yet.
type keyState struct {
	category string
	id       string // psk_id; "" when unknown
	mismatch bool   // the client could not use its long-term PSK
	// handshakes counts re-handshakes; index the pairing activations since the last,
	// before those between the one before and that.
	handshakes    uint64
	index, before uint32
}

// attempt is the attempt that runs now; the zero value is none.
type attempt struct {
	id      string
	pairing *wire.ActivatePairing
}

// Handshakes is how many re-handshakes were begun.
func (m *Machine) Handshakes() uint64 { return m.keys.handshakes }

// Category is the category of the PSK that keys the session.
func (m *Machine) Category() string { return m.keys.category }

// Mismatch reports that the client could not use its long-term PSK.
func (m *Machine) Mismatch() bool { return m.keys.mismatch }

// Attempt is the id of the attempt that runs; "" when none does.
func (m *Machine) Attempt() string { return m.attempt.id }

// Pairing handles the Pairing commands of the pairing service. keyID is the psk_id of
// the PSK that the command brings; "" when it brings none. An error means that nothing
// was done; it is a *fault.Error. now is house clock µs.
func (m *Machine) Pairing(c *tuttiv1.SessionCommand, keyID string, now int64) ([]Effect, error) {
	if err := m.addressed(c); err != nil {
		return nil, err
	}
	if !m.activated && !m.unclaimed {
		return nil, fault.New(fault.Unavailable, "the session of client %s is just beginning; ask again", m.cfg.ClientID)
	}
	switch k := c.GetCommand().(type) {
	case *tuttiv1.SessionCommand_PairingQuery:
		return nil, nil
	case *tuttiv1.SessionCommand_PairingBegin:
		return m.pairingBegin(k.PairingBegin, keyID, now)
	case *tuttiv1.SessionCommand_PairingSend:
		if err := m.inAttempt(k.PairingSend.GetAttemptId()); err != nil {
			return nil, err
		}
		return sends(k.PairingSend.GetBodies())
	case *tuttiv1.SessionCommand_PairingEnd:
		return m.pairingEnd(k.PairingEnd, keyID, now)
	}
	return nil, fault.New(fault.Invalid, "session command for client %s is no pairing command", m.cfg.ClientID)
}

// Describe is the session as an attempt sees it, without what the connection and the
// gateway add.
func (m *Machine) Describe() *tuttiv1.PairingSession {
	return &tuttiv1.PairingSession{
		Category: m.keys.category, PairingIndex: m.keys.index,
		PairMethods: pairMethods(m.cfg.Hello.PairMethods), UnpairedAccess: m.cfg.Hello.UnpairedAccess.Enabled,
	}
}

func (m *Machine) pairingBegin(b *tuttiv1.PairingBegin, keyID string, now int64) ([]Effect, error) {
	switch id := b.GetAttemptId(); {
	case id == "":
		return nil, fault.New(fault.Invalid, "pairing with client %s: the attempt has no id", m.cfg.ClientID)
	case id == m.attempt.id:
		return nil, nil // said again
	case m.attempt.id != "":
		return nil, m.conflict("attempt " + m.attempt.id + " to pair it is running")
	case m.leaving:
		return nil, m.conflict("it is being unpaired")
	}
	if err := m.permits(b, keyID); err != nil {
		return nil, err
	}
	rekey := b.GetCategory() != m.keys.category || keyID != m.keys.id
	if rekey && m.unclaimed {
		// Before the first server/activate there is no re-handshake.
		return nil, m.conflict("it did not accept the key that this attempt needs")
	}
	m.unclaimed = false
	if m.keys.category == longTerm {
		m.wasPaired = true
	}
	if rekey {
		m.keyed(b.GetCategory(), keyID)
	}
	m.trust, m.allowed = b.GetState(), b.GetAllowedFamilies()
	m.attempt = attempt{id: b.GetAttemptId(), pairing: &wire.ActivatePairing{Method: b.GetMethod(), Format: b.GetFormat()}}
	m.keys.index++
	limit := time.Duration(b.GetLimitMs()) * time.Millisecond
	if limit <= 0 || limit > maxAttempt {
		limit = maxAttempt
	}
	return append(m.transition(now, rekey), LimitAttempt{AttemptID: m.attempt.id, After: limit}), nil
}

// permits applies the rule that pairing_psk goes with the pairing PSK and with nothing
// else (specification, server/activate), and that the client must offer what is picked.
func (m *Machine) permits(b *tuttiv1.PairingBegin, keyID string) error {
	want := sentinel
	if b.GetMethod() == wire.MethodPSK {
		want = pairingPSK
	}
	switch {
	case b.GetCategory() != want || keyID == "":
		return fault.New(fault.Invalid, "pairing with client %s by %s needs a PSK of category %q", m.cfg.ClientID, b.GetMethod(), want)
	case !m.cfg.Hello.PairMethods.Offers(b.GetMethod(), b.GetFormat()):
		return m.conflict("it does not offer the pairing method " + b.GetMethod() + " " + b.GetFormat())
	}
	return nil
}

// Unclaimed ends a session that was dialled for an attempt which has not begun: what
// keys it is of no use for anything else.
func (m *Machine) Unclaimed() []Effect {
	if !m.unclaimed {
		return nil
	}
	return []Effect{Close{Reason: ReasonPairing, Detail: "the attempt to pair that it was dialled for did not begin"}}
}

func (m *Machine) inAttempt(id string) error {
	if id == "" || id != m.attempt.id {
		return m.conflict("attempt " + id + " is not running on its session")
	}
	return nil
}

func (m *Machine) pairingEnd(e *tuttiv1.PairingEnd, keyID string, now int64) ([]Effect, error) {
	if err := m.inAttempt(e.GetAttemptId()); err != nil {
		return nil, err
	}
	out, err := sends(e.GetBodies())
	if err != nil {
		return nil, err
	}
	if keyID != "" && e.GetCategory() != longTerm && e.GetCategory() != sentinel {
		return nil, fault.New(fault.Invalid, "the end of an attempt with client %s has a PSK of category %q, want %q", m.cfg.ClientID, e.GetCategory(), longTerm)
	}
	m.attempt = attempt{}
	if e.GetClose() {
		return append(out, Close{Reason: ReasonPairing, Detail: "the pairing attempt met a protocol error"}), nil
	}
	m.trust, m.allowed = e.GetState(), e.GetAllowedFamilies()
	rekey := keyID != "" && (e.GetCategory() == longTerm || keyID != m.keys.id)
	if rekey {
		m.keyed(e.GetCategory(), keyID)
	}
	return append(append(out, m.transition(now, rekey)...), m.left()...), nil
}

// left is what follows the end of an attempt: pairing is asked what holds now, and a
// session that had a long-term PSK before gets it back.
func (m *Machine) left() []Effect {
	if m.wasPaired {
		return []Effect{AskAdmission{}, Restore{}}
	}
	return []Effect{AskAdmission{}}
}

// sends decodes what an attempt wants to be sent: pairing messages of a server, and
// nothing else.
func sends(bodies [][]byte) ([]Effect, error) {
	var out []Effect
	for _, body := range bodies {
		msg, err := wire.Current().DecodeFromServer(body)
		if err != nil || !pairing.IsPairing(msg) {
			return nil, fault.New(fault.Invalid, "a body is not a pairing message of a server")
		}
		out = append(out, Send{msg})
	}
	return out, nil
}

// keyed notes that the session is keyed anew from here on.
func (m *Machine) keyed(category, keyID string) {
	m.keys.before, m.keys.index = m.keys.index, 0
	m.keys.handshakes++
	m.keys.category, m.keys.id = category, keyID
	if category == longTerm {
		m.keys.mismatch, m.wasPaired = false, false
	}
}

// AttemptLost leaves an attempt by itself: nobody takes its messages, or its time is
// over. It has no effect when another attempt runs. now is house clock µs.
func (m *Machine) AttemptLost(id, detail string, now int64) []Effect {
	if id == "" || id != m.attempt.id {
		return nil
	}
	m.attempt = attempt{}
	return append(append(m.transition(now, false), AttemptGone{AttemptID: id, Detail: detail}), m.left()...)
}

// admitBeside applies pairing's answer while an attempt runs. Its roles were settled
// when it began; what pairing adds waits for the end, where it is asked again, and an
// answer about the record says nothing of a session that was keyed for pairing on
// purpose. Only an approval that is gone counts at once. That needs a server/activate,
// which ends the attempt.
func (m *Machine) admitBeside(a Admission, now int64) []Effect {
	switch a.State {
	case tuttiv1.TrustState_TRUST_STATE_UNAPPROVED, tuttiv1.TrustState_TRUST_STATE_DENIED:
	default:
		return nil
	}
	state, families := m.trust, m.allowed
	m.trust, m.allowed = a.State, a.Families
	want := m.wantRoles()
	for _, role := range m.roles {
		family, _ := wire.ParseRole(role)
		if wire.ActiveFamily(want, family) == "" {
			return m.AttemptLost(m.attempt.id, "the approval was withdrawn while pairing", now)
		}
	}
	m.trust, m.allowed = state, families
	return nil
}

// Credential takes the client's credential, asked for because keys are to be rotated
// or because a lost attempt left the session with other keys than its own. now is house
// clock µs. Where it does not go with the session nothing happens.
func (m *Machine) Credential(category, keyID string, now int64) []Effect {
	switch {
	case !m.activated || m.leaving || m.attempt.id != "":
		return nil
	case category == m.keys.category:
		m.keyed(category, keyID)
		return []Effect{Rekey{Category: category, Activate: m.activation()}}
	case category == longTerm && m.wasPaired:
		m.keyed(category, keyID)
		m.allowed = nil // what was allowed was for other keys
		return append(m.transition(now, true), AskAdmission{})
	}
	return nil
}

// pairingMessage sorts a client's pairing message: for the attempt that runs, left over
// from one that is over, or out of place (specification, Entering and leaving pairing;
// Messages).
func (m *Machine) pairingMessage(msg wire.Message, handshake uint64) []Effect {
	index := m.keys.index
	switch {
	case handshake < m.keys.handshakes:
		index = m.keys.before // sent before the client had the new keys
	case m.attempt.id != "":
		return []Effect{Relay{AttemptID: m.attempt.id, Msg: msg}}
	}
	var told uint32
	switch msg := msg.(type) {
	case *wire.PairAbort:
		return nil // it ends what is over
	case *wire.ClientPairPending:
		told = msg.PairingIndex
	case *wire.ClientPairInit:
		told = msg.PairingIndex
	}
	switch {
	case index == 0:
		return protocolError(msg.Type() + " is out of sequence")
	case told > index:
		return protocolError(msg.Type() + " is of a pairing that never was")
	}
	return nil
}

// SentinelKeyID is the key id of sessions that are keyed with the Sentinel.
func SentinelKeyID() string { return noise.SentinelPSKID() }

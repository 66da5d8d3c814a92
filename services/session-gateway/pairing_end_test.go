package gateway

import (
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// silent makes a device that answers no activation for pairing by itself.
func silent(d *device) { d.pair.mute = true }

// waitLeft waits until the device was told of an attempt and then that pairing is over,
// and counts activations for pairing.
func waitLeft(d *device) (pairings int) {
	d.t.Helper()
	eventually(d.t, func() string {
		pairings = 0
		in := false
		for _, m := range d.messages() {
			if a, ok := m.(*wire.ServerActivate); ok {
				if in = a.Has(wire.ActivityPairing); in {
					pairings++
				}
			}
		}
		if in || pairings == 0 {
			return "the session is in pairing, or was not"
		}
		return ""
	})
	return pairings
}

func TestOneAttemptAtATime(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	d := newDevice(r, pairable(wire.MethodDynamicCode), silent).join(r)
	a := r.attempt(d, s, "a1")
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	if err := a.begin(wire.MethodDynamicCode, wire.FormatDigits); err != nil {
		t.Errorf("the same attempt said again: %v", err)
	}
	if a.begun.GetPairingIndex() != 1 {
		t.Errorf("said again it is index %d", a.begun.GetPairingIndex())
	}
	b := &attempt{r: r, d: d, seal: s, id: "a2", state: unapproved}
	if err := b.begin(wire.MethodDynamicCode, wire.FormatDigits); fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "a1") {
		t.Errorf("a second attempt: %v", err)
	}
	for what, begin := range map[string]*tuttiv1.PairingBegin{
		"a method that is not offered": {AttemptId: "x", Method: wire.MethodStaticCode, Category: "sn"},
		"a code over the pairing PSK":  {AttemptId: "x", Method: wire.MethodDynamicCode, Format: "digits", Category: "pr"},
		"a token without its PSK":      {AttemptId: "x", Method: wire.MethodPSK, Category: "pr"},
		"a PSK for another gateway":    {AttemptId: "x", Method: wire.MethodPSK, Category: "pr", SealedPsk: []byte("nonsense")},
	} {
		cancelAttempt(a)
		if _, err := a.ask(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_PairingBegin{PairingBegin: begin}}); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
	if n := waitLeft(d); n != 1 {
		t.Errorf("%d activations for pairing, want 1", n)
	}
	d.clean()
}

// What the device sends after the end of an attempt is dropped; what it cannot mean
// closes the connection.
func TestLeftoversOfAnAttempt(t *testing.T) {
	begin := func(t *testing.T) (*device, *attempt) {
		r := newRig(t)
		s := r.withSealing()
		d := newDevice(r, pairable(wire.MethodDynamicCode), silent).join(r)
		a := r.attempt(d, s, "a1")
		a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
		cancelAttempt(a)
		waitLeft(d)
		return d, a
	}
	t.Run("dropped", func(t *testing.T) {
		d, a := begin(t)
		d.send(&wire.ClientPairInit{PairingIndex: 1, Commit: make([]byte, 32)})
		d.send(&wire.ClientPairPending{PairingIndex: 1})
		d.send(&wire.ClientPairAuth{PAKEMsg2: make([]byte, 32)})
		d.send(&wire.PairAbort{Reason: wire.AbortAttemptTimeout})
		d.settle(a.r)
		if err := d.ended(); err != nil {
			t.Errorf("the session ended: %v", err)
		}
		if got := a.relayed(); len(got) != 0 {
			t.Errorf("leftovers were relayed: %v", got)
		}
	})
	for name, m := range map[string]wire.Message{
		"an index that never was": &wire.ClientPairInit{PairingIndex: 2, Commit: make([]byte, 32)},
		"pending for the same":    &wire.ClientPairPending{PairingIndex: 7},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := begin(t)
			d.send(m)
			d.waitEnd()
		})
	}
	t.Run("without any attempt", func(t *testing.T) {
		r := newRig(t)
		d := newDevice(r).join(r)
		d.send(&wire.PairAbort{Reason: wire.AbortUserCancelled})
		d.settle(r) // no effect
		d.send(&wire.ClientPairPending{PairingIndex: 0})
		d.waitEnd()
	})
}

// Reasons of another revision of the specification reach the attempt.
func TestAbortWithAnUnknownReasonIsRelayed(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	d := newDevice(r, pairable(wire.MethodDynamicCode), silent).join(r)
	a := r.attempt(d, s, "a1")
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	d.raw([]byte(`{"type":"pair/abort","payload":{"reason":"tired"}}`))
	eventually(t, func() string {
		if got := a.relayed(); !slices.Equal(got, []string{wire.TypePairAbort}) {
			return strings.Join(got, ", ")
		}
		return ""
	})
	waitLeft(d)
}

func TestMalformedPairingMessageClosesAndTheAttemptHears(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	d := newDevice(r, pairable(wire.MethodDynamicCode), silent).join(r)
	a := r.attempt(d, s, "a1")
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	d.raw([]byte(`{"type":"client/pair-init","payload":{"pairing_index":"one"}}`))
	d.waitEnd()
	if g := a.waitGone(); !g.GetProtocolError() || !strings.Contains(g.GetDetail(), "protocol_error") {
		t.Errorf("gone: %v", g)
	}
}

func TestAttemptIsLostWhenNobodyTakesItsMessages(t *testing.T) {
	for name, lose := range map[string]func(a *attempt){
		"nobody there": func(a *attempt) { a.stop() },
		"refused":      func(a *attempt) { a.refuse = fault.New(fault.Conflict, "no such attempt") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			s := r.withSealing()
			d := r.ready(pairable(wire.MethodDynamicCode))
			a := r.attempt(d, s, "a1")
			a.families, a.state = []string{"player", "metadata", "controller"}, approved
			d.mu.Lock()
			d.pair.mute = true
			d.mu.Unlock()
			a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
			lose(a)
			d.send(&wire.ClientPairInit{PairingIndex: 1, Commit: make([]byte, 32)})
			waitLeft(d)
			if last := waitLastActivation(d); len(last.ActiveRoles) != 3 {
				t.Errorf("roles %v", last.ActiveRoles)
			}
			d.settle(r)
			d.clean()
			// The next attempt is one of its own, and the index goes on.
			a.stop()
			next := r.attempt(d, s, "a2")
			d.mu.Lock()
			d.pair.mute = false
			d.mu.Unlock()
			next.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
			if next.begun.GetPairingIndex() != 2 {
				t.Errorf("index %d, want 2", next.begun.GetPairingIndex())
			}
			next.waitPaired()
		})
	}
}

// A paired device whose new attempt is lost gets its session back under its record.
func TestLostAttemptRestoresThePairedSession(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	d := newDevice(r, pairable(wire.MethodDynamicCode), silent)
	keyed(r, d, "lt")
	d.join(r)
	a := r.attempt(d, s, "a1")
	a.limitMS = 50
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	if g := a.waitGone(); !strings.Contains(g.GetDetail(), "too long") {
		t.Errorf("gone: %v", g)
	}
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetPskCategory() != "lt" || len(p.GetActiveRoles()) != 3 || p.GetTrust() != paired {
			return p.String()
		}
		return ""
	})
	eventually(t, func() string {
		if d.conn.Matched() != noise.LongTerm {
			return "the device is keyed " + string(d.conn.Matched())
		}
		return ""
	})
	d.settle(r)
	d.clean()
}

// What a device says before it closes the connection reaches the attempt, in order and
// before the news of the end.
func TestLastWordsOfADeviceReachTheAttempt(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	d := newDevice(r, pairable(wire.MethodDynamicCode), silent).join(r)
	a := r.attempt(d, s, "a1")
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	a.mu.Lock() // the attempt is slow
	d.send(&wire.ClientPairPending{PairingIndex: 1, Message: "wait"})
	d.send(&wire.ClientPairPending{PairingIndex: 1, Message: "wait more"})
	d.send(&wire.PairAbort{Reason: wire.AbortConcurrentAttempt})
	d.cancel()
	d.waitEnd()
	r.waitConnected(d, false)
	if len(a.gone) > 0 {
		t.Error("the end was told before the messages")
	}
	a.mu.Unlock()
	a.waitGone()
	want := []string{wire.TypeClientPairPending, wire.TypeClientPairPending, wire.TypePairAbort}
	if got := a.relayed(); !slices.Equal(got, want) {
		t.Errorf("relayed %v, want %v", got, want)
	}
}

func TestSessionThatEndsTellsItsAttempt(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	d := newDevice(r, pairable(wire.MethodDynamicCode), silent).join(r)
	a := r.attempt(d, s, "a1")
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	session := r.waitConnected(d, true).GetSessionId()
	d.send(&wire.ClientGoodbye{Reason: wire.GoodbyeShutdown})
	if g := a.waitGone(); g.GetGoodbye() != wire.GoodbyeShutdown || g.GetSessionId() != session || g.GetProtocolError() {
		t.Errorf("gone: %v", g)
	}
	// Another connection of the same device knows nothing of the attempt.
	d.waitEnd()
	d.join(r)
	waitType[*wire.ServerActivate](d, 3)
	b := &attempt{r: r, d: d, seal: s, id: "a1"}
	b.query() // until the address stands
	if _, err := b.ask(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_PairingSend{
		PairingSend: &tuttiv1.PairingSend{AttemptId: "a1"},
	}}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("the old attempt on the new session: %v", err)
	}
}

// The token of another device fails in the re-handshake: the session ends, and says why.
func TestWrongTokenEndsTheSession(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	d := newDevice(r, pairable("")).join(r)
	d.mu.Lock()
	own := d.pair.token
	d.mu.Unlock()
	a := r.attempt(d, s, "a1")
	before := a.query()
	other, _ := noise.GeneratePSK(nil)
	sealed, _ := seal(other.Bytes(), before.GetRecipientKey())
	_, err := a.ask(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_PairingBegin{PairingBegin: &tuttiv1.PairingBegin{
		AttemptId: "a1", Method: wire.MethodPSK, Category: "pr", SealedPsk: sealed, State: unapproved,
	}}})
	if err == nil {
		t.Error("the wrong token was accepted")
	}
	d.waitEnd()
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetConnected() || !strings.HasPrefix(p.GetLastError(), "rehandshake: the device did not accept the pairing token's secret") {
			return p.String()
		}
		return ""
	})
	if g := a.waitGone(); !strings.Contains(g.GetDetail(), "token") {
		t.Errorf("gone: %v", g)
	}
	a.stop()
	// It comes back and pairs with its own.
	d.mu.Lock()
	d.pair.token = own
	d.mu.Unlock()
	d.join(r)
	next := r.attempt(d, s, "a2")
	next.mustBegin(wire.MethodPSK, "")
	next.waitPaired()
	d.clean()
}

// An approval that is taken back while its device is being paired counts at once.
func TestRevocationEndsTheAttempt(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	d := r.ready(pairable(wire.MethodDynamicCode))
	begin := r.soon()
	r.recorder("g1", "a", 1, begin).write(5)
	r.mustCommand(d.id(), startCmd("g1", "a", 1, begin))
	d.waitChunks(5)
	d.mu.Lock()
	d.pair.mute = true
	d.mu.Unlock()
	a := r.attempt(d, s, "a1")
	a.families, a.state = []string{"player", "metadata", "controller"}, approved
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	// What else pairing may say meanwhile leaves the attempt alone.
	r.pairing.say(d.id(), "label", &tuttiv1.AdmitResponse{State: tuttiv1.TrustState_TRUST_STATE_CREDENTIAL_MISMATCH})
	asked := func() int {
		r.pairing.mu.Lock()
		defer r.pairing.mu.Unlock()
		return len(r.pairing.asked)
	}
	eventually(t, func() string {
		if asked() < 2 { // the opening, then the label
			return "pairing is not asked again"
		}
		return ""
	})
	r.pairing.say(d.id(), "paired", &tuttiv1.AdmitResponse{State: tuttiv1.TrustState_TRUST_STATE_CREDENTIAL_MISMATCH})
	a.query()
	d.settle(r)
	if last := waitLastActivation(d); !last.Has(wire.ActivityPairing) || len(last.ActiveRoles) != 3 {
		t.Fatalf("the attempt did not outlive other news: %v %v", last.Activities, last.ActiveRoles)
	}
	r.pairing.decide(d.id(), unapproved, "revoked", false)
	waitLeft(d)
	if last := waitLastActivation(d); len(last.ActiveRoles) != 0 || len(last.Activities) != 0 {
		t.Errorf("after the revocation: %v %v", last.Activities, last.ActiveRoles)
	}
	if g := a.waitGone(); !strings.Contains(g.GetDetail(), "withdrawn") {
		t.Errorf("gone: %v", g)
	}
	d.clean()
}

// A client that floods its attempt is cut off; the relays stay in order until then.
func TestTooManyPairingMessages(t *testing.T) {
	r := newRig(t)
	s := r.withSealing()
	d := newDevice(r, pairable(wire.MethodDynamicCode), silent).join(r)
	a := r.attempt(d, s, "a1")
	a.mustBegin(wire.MethodDynamicCode, wire.FormatDigits)
	a.mu.Lock() // the attempt is slow
	for range 40 {
		d.send(&wire.ClientPairPending{PairingIndex: 1, Message: "wait"})
	}
	d.waitEnd()
	a.mu.Unlock()
	a.waitGone()
}

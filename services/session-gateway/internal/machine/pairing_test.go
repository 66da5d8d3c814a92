package machine

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const (
	approved   = tuttiv1.TrustState_TRUST_STATE_APPROVED
	unapproved = tuttiv1.TrustState_TRUST_STATE_UNAPPROVED
	paired     = tuttiv1.TrustState_TRUST_STATE_PAIRED
	mismatch   = tuttiv1.TrustState_TRUST_STATE_CREDENTIAL_MISMATCH
	roles      = "[player@v1 metadata@v1 controller@v1]"
)

func pairable() *wire.ClientHello {
	h := hello()
	h.PairMethods = wire.PairMethods{
		PSK:         &wire.SecretMethod{},
		DynamicCode: &wire.DynamicMethod{OutChannels: []string{wire.OutDisplay}, Formats: []string{wire.FormatDigits}},
	}
	return h
}

// session is a machine that is keyed like that, with all roles and a stream.
func session(t *testing.T, category string) *Machine {
	t.Helper()
	cfg := Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: category}
	if category == sentinel {
		cfg.KeyID = SentinelKeyID()
	}
	m := New(cfg)
	a := all
	if category == longTerm {
		a.State = paired
	}
	m.Admit(a, 0)
	m.Message(state(true), nil, 0)
	run(t, m, "start", start("g", "r", 1), "activate [playback] "+roles+"; start g/r epoch 1; presence")
	return m
}

func beginCmd(id, method string, families ...string) *tuttiv1.SessionCommand {
	b := &tuttiv1.PairingBegin{AttemptId: id, Method: method, Category: sentinel, AllowedFamilies: families, State: unapproved, LimitMs: 1000}
	if method == wire.MethodPSK {
		b.Category = pairingPSK
	} else {
		b.Format = wire.FormatDigits
	}
	if len(families) > 0 {
		b.State = approved
	}
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_PairingBegin{PairingBegin: b}}
}

func endCmd(e *tuttiv1.PairingEnd) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_PairingEnd{PairingEnd: e}}
}

func pairingRun(t *testing.T, m *Machine, what string, c *tuttiv1.SessionCommand, key, want string) {
	t.Helper()
	effects, err := m.Pairing(c, key, 0)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	expect(t, what, effects, want)
}

func pairingRefuse(t *testing.T, m *Machine, what string, c *tuttiv1.SessionCommand, key string, code fault.Code) {
	t.Helper()
	effects, err := m.Pairing(c, key, 0)
	if fault.CodeOf(err) != code || len(effects) != 0 {
		t.Errorf("%s: got %v and %q, want %s", what, err, show(effects), code)
	}
}

// Specification, Entering and leaving pairing: beside playback, nothing of it changes.
func TestBeginBesidePlayback(t *testing.T) {
	m := session(t, sentinel)
	pairingRun(t, m, "begin", beginCmd("a", wire.MethodDynamicCode, all.Families...), SentinelKeyID(),
		"activate [playback pairing] "+roles+" dynamic_pairing_codedigits; presence; limit a 1s")
	if d := m.Describe(); d.GetPairingIndex() != 1 || d.GetCategory() != sentinel {
		t.Errorf("session %v", d)
	}
	// Every server/activate would end the attempt: activities wait for its end.
	run(t, m, "end of the stream", end("g", 0, false), "end at 0 drain false; presence")
	run(t, m, "a new one", start("g", "r", 2), "start g/r epoch 2; presence")
	run(t, m, "and its end", end("g", 0, false), "end at 0 drain false; presence")
	pairingRun(t, m, "cancelled", endCmd(&tuttiv1.PairingEnd{AttemptId: "a", State: approved, AllowedFamilies: all.Families}), "",
		"activate [] "+roles+"; presence; machine.AskAdmission")
}

// Specification, server/activate: stream/end goes before the re-handshake whose first
// activation removes the role.
func TestBeginOnAPairedSessionEndsItsStreamFirst(t *testing.T) {
	m := session(t, longTerm)
	pairingRun(t, m, "begin", beginCmd("a", wire.MethodPSK), "key",
		"end at 0 drain false; re-handshake pr [pairing] [] pairing_psk; group solo-c stopped; presence; limit a 1s")
	pairingRun(t, m, "success", endCmd(&tuttiv1.PairingEnd{
		AttemptId: "a", Category: longTerm, State: paired, AllowedFamilies: all.Families,
		Bodies: [][]byte{[]byte(`{"type":"server/pair-finalize","payload":{}}`)},
	}), "new", "server/pair-finalize; re-handshake lt [] "+roles+"; presence; machine.AskAdmission")
	if d := m.Describe(); d.GetPairingIndex() != 0 || d.GetCategory() != longTerm || m.Handshakes() != 2 {
		t.Errorf("session %v", d)
	}
}

// Without unpaired access there is no playback beside an attempt, whatever is allowed.
func TestRolesBesideAnAttemptNeedUnpairedAccess(t *testing.T) {
	m := session(t, longTerm)
	m.cfg.Hello.UnpairedAccess.Enabled = false
	pairingRun(t, m, "begin", beginCmd("a", wire.MethodDynamicCode, all.Families...), SentinelKeyID(),
		"end at 0 drain false; re-handshake sn [pairing] [] dynamic_pairing_codedigits; group solo-c stopped; presence; limit a 1s")
}

func TestAnAttemptOnAPairedSessionThatFailsRestoresIt(t *testing.T) {
	m := session(t, longTerm)
	if _, err := m.Pairing(beginCmd("a", wire.MethodDynamicCode), SentinelKeyID(), 0); err != nil {
		t.Fatal(err)
	}
	expect(t, "lost", m.AttemptLost("a", "x", 0), "activate [] []; presence; gone a; machine.AskAdmission; machine.Restore")
	expect(t, "said again", m.AttemptLost("a", "x", 0), "")
	expect(t, "answer about the record", m.Admit(Admission{State: mismatch, Families: all.Families}, 0), "presence")
	expect(t, "other keys than the record's", m.Admit(Admission{State: paired, Families: all.Families}, 0), "presence")
	expect(t, "the credential", m.Credential(longTerm, "key", 0), "re-handshake lt [] []; presence; machine.AskAdmission")
	expect(t, "admission", m.Admit(Admission{State: paired, Families: all.Families}, 0), "activate [] "+roles+"; presence")
}

func TestPairingIndexCountsSinceTheLastHandshake(t *testing.T) {
	m := session(t, sentinel)
	index := func(want uint32) {
		t.Helper()
		if got := m.Describe().GetPairingIndex(); got != want {
			t.Errorf("index %d, want %d", got, want)
		}
	}
	begin := func(id, method, key string) {
		t.Helper()
		if _, err := m.Pairing(beginCmd(id, method), key, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Pairing(endCmd(&tuttiv1.PairingEnd{AttemptId: id, State: unapproved}), "", 0); err != nil {
			t.Fatal(err)
		}
	}
	index(0)
	begin("a", wire.MethodDynamicCode, SentinelKeyID())
	begin("b", wire.MethodDynamicCode, SentinelKeyID())
	index(2)
	expect(t, "rotation", m.Credential(sentinel, SentinelKeyID(), 0), "re-handshake sn [] []")
	index(0)
	begin("c", wire.MethodDynamicCode, SentinelKeyID())
	index(1)
	begin("d", wire.MethodPSK, "one token")
	index(1)
	begin("e", wire.MethodPSK, "one token")
	index(2)
	begin("f", wire.MethodPSK, "another token")
	index(1)
}

func TestPairingCommandsThatAreRefused(t *testing.T) {
	m := New(Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: sentinel, KeyID: SentinelKeyID()})
	code := beginCmd("a", wire.MethodDynamicCode)
	pairingRefuse(t, m, "before the first activation", code, SentinelKeyID(), fault.Unavailable)
	m.Admit(Admission{State: unapproved}, 0)
	old := proto.Clone(code).(*tuttiv1.SessionCommand)
	old.SessionId = "other"
	pairingRefuse(t, m, "another session", old, SentinelKeyID(), fault.Conflict)
	pairingRefuse(t, m, "no id", beginCmd("", wire.MethodDynamicCode), SentinelKeyID(), fault.Invalid)
	pairingRefuse(t, m, "not offered", beginCmd("a", wire.MethodStaticCode), SentinelKeyID(), fault.Conflict)
	pairingRefuse(t, m, "a token without its PSK", beginCmd("a", wire.MethodPSK), "", fault.Invalid)
	wrong := beginCmd("a", wire.MethodPSK)
	wrong.GetPairingBegin().Category = sentinel
	pairingRefuse(t, m, "a token over the Sentinel", wrong, SentinelKeyID(), fault.Invalid)
	send := func(id, body string) *tuttiv1.SessionCommand {
		return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_PairingSend{
			PairingSend: &tuttiv1.PairingSend{AttemptId: id, Bodies: [][]byte{[]byte(body)}},
		}}
	}
	retry := `{"type":"server/pair-init","payload":{}}`
	pairingRefuse(t, m, "send without an attempt", send("", retry), "", fault.Conflict)
	if _, err := m.Pairing(code, SentinelKeyID(), 0); err != nil {
		t.Fatal(err)
	}
	pairingRun(t, m, "said again", code, SentinelKeyID(), "")
	pairingRefuse(t, m, "another attempt", beginCmd("b", wire.MethodDynamicCode), SentinelKeyID(), fault.Conflict)
	pairingRefuse(t, m, "send for another", send("b", retry), "", fault.Conflict)
	pairingRefuse(t, m, "end of another", endCmd(&tuttiv1.PairingEnd{AttemptId: "b"}), "", fault.Conflict)
	pairingRefuse(t, m, "no pairing message", send("a", `{"type":"server/unpair","payload":{}}`), "", fault.Invalid)
	pairingRefuse(t, m, "a client's message", send("a", `{"type":"client/pair-retry","payload":{}}`), "", fault.Invalid)
	pairingRefuse(t, m, "no message", send("a", `{`), "", fault.Invalid)
	pairingRefuse(t, m, "a PSK of no category", endCmd(&tuttiv1.PairingEnd{AttemptId: "a"}), "key", fault.Invalid)
	pairingRun(t, m, "send", send("a", retry), "", "server/pair-init")
	pairingRun(t, m, "protocol error", endCmd(&tuttiv1.PairingEnd{AttemptId: "a", Close: true}), "", "close pairing")
}

// Specification, Messages: what belongs to the attempt, what is left over, what closes.
func TestPairingMessagesOfTheClient(t *testing.T) {
	pending := func(index uint32) wire.Message { return &wire.ClientPairPending{PairingIndex: index} }
	auth := &wire.ClientPairAuth{}
	m := session(t, sentinel)
	expect(t, "abort out of the blue", m.Message(&wire.PairAbort{}, nil, 0), "")
	expect(t, "auth out of the blue", m.Message(auth, nil, 0), "close protocol_error")
	if _, err := m.Pairing(beginCmd("a", wire.MethodDynamicCode), SentinelKeyID(), 0); err != nil {
		t.Fatal(err)
	}
	expect(t, "in the attempt", m.Message(auth, nil, 0), "relay a client/pair-auth")
	expect(t, "index is the attempt's matter", m.Message(pending(9), nil, 0), "relay a client/pair-pending")
	expect(t, "malformed", m.Message(nil, &wire.FieldError{Message: "client/pair-init"}, 0), "close protocol_error")
	m.AttemptLost("a", "x", 0)
	for what, msg := range map[string]wire.Message{
		"auth": auth, "pending": pending(1), "older": pending(0), "abort": &wire.PairAbort{}, "finalize": &wire.ClientPairFinalize{},
	} {
		expect(t, "left over: "+what, m.Message(msg, nil, 0), "")
	}
	expect(t, "never was", m.Message(pending(2), nil, 0), "close protocol_error")
	// The next attempt has other keys; until the client has them its messages are old.
	if _, err := m.Pairing(beginCmd("b", wire.MethodPSK), "key", 0); err != nil {
		t.Fatal(err)
	}
	expect(t, "under the old keys", m.Message(auth, nil, 0), "")
	expect(t, "never was, under the old keys", m.Message(pending(2), nil, 0), "close protocol_error")
	expect(t, "under the new keys", m.Message(pending(1), nil, 1), "relay b client/pair-pending")
	expect(t, "other messages are as good as ever", m.Message(&wire.ClientGoodbye{Reason: "restart"}, nil, 0), "close goodbye")
}

// An attempt outlives every answer of pairing but the end of the approval.
func TestAdmissionWhileAnAttemptRuns(t *testing.T) {
	m := session(t, sentinel)
	if _, err := m.Pairing(beginCmd("a", wire.MethodDynamicCode, all.Families...), SentinelKeyID(), 0); err != nil {
		t.Fatal(err)
	}
	expect(t, "the record is stored", m.TrustChanged(&tuttiv1.TrustChanged{Kind: "paired"}, 0), "")
	expect(t, "other news", m.TrustChanged(&tuttiv1.TrustChanged{Kind: "label"}, 0), "machine.AskAdmission")
	expect(t, "mismatch", m.Admit(Admission{State: mismatch}, 0), "")
	expect(t, "paired", m.Admit(Admission{State: paired}, 0), "")
	expect(t, "unpair", m.Admit(Admission{State: paired, Unpair: true}, 0), "")
	expect(t, "more roles", m.Admit(Admission{State: approved, Families: append(all.Families, "source")}, 0), "")
	expect(t, "not approved, and nothing to lose", func() []Effect {
		n := New(Config{ClientID: "c", Hello: pairable(), Category: sentinel, KeyID: SentinelKeyID()})
		n.Admit(Admission{State: unapproved}, 0)
		if _, err := n.Pairing(beginCmd("a", wire.MethodDynamicCode), SentinelKeyID(), 0); err != nil {
			t.Fatal(err)
		}
		return n.Admit(Admission{State: unapproved}, 0)
	}(), "")
	expect(t, "revoked", m.Admit(Admission{State: unapproved}, 0),
		"end at 0 drain false; activate [] []; group solo-c stopped; presence; gone a; machine.AskAdmission")
}

func TestRotation(t *testing.T) {
	m := session(t, longTerm)
	expect(t, "same category", m.Credential(longTerm, "key", 0), "re-handshake lt [playback] "+roles)
	expect(t, "another category", m.Credential(sentinel, SentinelKeyID(), 0), "")
	if _, err := m.Pairing(beginCmd("a", wire.MethodPSK), "key", 0); err != nil {
		t.Fatal(err)
	}
	expect(t, "in an attempt", m.Credential(pairingPSK, "key", 0), "")
	n := New(Config{ClientID: "c", Hello: pairable(), Category: longTerm})
	expect(t, "before the first activation", n.Credential(longTerm, "key", 0), "")
	// The signal of the opening stays true: no record, no roles.
	o := New(Config{ClientID: "c", Hello: pairable(), Category: sentinel, KeyID: SentinelKeyID(), Mismatch: true})
	o.Admit(Admission{State: mismatch, Families: all.Families}, 0)
	expect(t, "a record that the client cannot use", o.Credential(longTerm, "key", 0), "")
	expect(t, "but its Sentinel keys rotate", o.Credential(sentinel, SentinelKeyID(), 0), "re-handshake sn [] []")
	if !o.Mismatch() {
		t.Error("the mismatch is forgotten")
	}
}

func TestUnpair(t *testing.T) {
	m := session(t, longTerm)
	unpair := Admission{State: unapproved, Unpair: true}
	expect(t, "live", m.Admit(unpair, 0),
		"end at 0 drain false; activate [] []; group solo-c stopped; presence; server/unpair; machine.Unpairing; presence")
	expect(t, "again", m.Admit(all, 0), "")
	refuse(t, m, "stream", start("g", "r", 1), fault.Conflict)
	pairingRefuse(t, m, "pairing", beginCmd("a", wire.MethodDynamicCode), SentinelKeyID(), fault.Conflict)
	expect(t, "rotation", m.Credential(longTerm, "key", 0), "")
	m = New(Config{ClientID: "c", Hello: pairable(), Category: longTerm})
	expect(t, "at its appearance", m.Admit(unpair, 0),
		"activate [] []; group solo-c stopped; presence; server/unpair; machine.Unpairing; presence")
	m = New(Config{ClientID: "c", Hello: pairable(), Category: sentinel})
	expect(t, "unpaired session", m.Admit(unpair, 0), "activate [] []; group solo-c stopped; presence")
	m = session(t, longTerm)
	expect(t, "forgotten", m.TrustChanged(&tuttiv1.TrustChanged{Kind: "forgotten", Disconnect: true}, 0),
		"end at 0 drain false; activate [] []; group solo-c stopped; presence; server/unpair; machine.Unpairing; presence")
	m = session(t, longTerm)
	expect(t, "blocked", m.TrustChanged(&tuttiv1.TrustChanged{Kind: "blocked", Disconnect: true}, 0), "close trust")
}

func TestEndpoint(t *testing.T) {
	m := New(Config{ClientID: "c", SessionID: "s", Hello: pairable(), Category: sentinel})
	a := all
	a.Endpoint = &tuttiv1.Endpoint{VolumeMax: proto.Int32(30), OutputDelayMs: proto.Int32(20)}
	expect(t, "nothing reported yet", m.Admit(a, 0), "activate [] "+roles+"; presence")
	report := func(volume int, commands ...string) []Effect {
		return m.Message(&wire.ClientState{Available: true, Player: &wire.PlayerState{
			OutputDelayMS: 20, Volume: &volume, SupportedCommands: commands,
		}}, nil, 0)
	}
	const reported = "presence; report delay 20000 available true"
	expect(t, "cannot be set", report(50), reported)
	expect(t, "can be set now", report(50, "volume", "set_output_delay"), reported+"; server/command")
	expect(t, "once", report(60, "volume", "set_output_delay"), reported)
	expect(t, "the same endpoint", m.Admit(a, 0), "")
	a.Endpoint = proto.Clone(a.Endpoint).(*tuttiv1.Endpoint)
	a.Endpoint.OutputDelayMs = proto.Int32(9000)
	expect(t, "another delay", m.Admit(a, 0), "server/command")
	a.Endpoint = proto.Clone(a.Endpoint).(*tuttiv1.Endpoint)
	a.Endpoint.VolumeMax = proto.Int32(20)
	expect(t, "other limits", m.Admit(a, 0), "presence; server/command")
	a.Endpoint = nil
	expect(t, "none", m.Admit(a, 0), "presence")
	if v := m.volume.clamp(90); v != 90 {
		t.Errorf("clamped to %d without limits", v)
	}
}

func TestRoster(t *testing.T) {
	h := pairable()
	h.SupportedRoles = append(h.SupportedRoles, rolePersonaV1)
	m := New(Config{ClientID: "c", SessionID: "s", Hello: h, Category: longTerm})
	a := Admission{State: paired}
	expect(t, "nothing to say", m.Admit(a, 0), "activate [] []; group solo-c stopped; presence")
	expect(t, "a roster", m.Roster("x", 1, 0), "activate [] [_tutti_persona@v1]; state; machine.RosterSent; presence")
	expect(t, "said again", m.Roster("x", 1, 0), "")
	expect(t, "the next", m.Roster("y", 2, 0), "state; machine.RosterSent")
	expect(t, "no longer paired", m.Admit(Admission{State: unapproved}, 0), "activate [] []; presence")
	expect(t, "withdrawn", m.Roster("", 0, 0), "")
}

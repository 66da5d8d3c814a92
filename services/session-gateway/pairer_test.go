package gateway

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// pairer is the device's side of pairing.
type pairer struct {
	token  noise.PSK // its pairing PSK
	static string    // its static code
	window pairing.Window
	rounds pairing.Rounds
	hold   bool // never goes on by itself
	mute   bool // does not answer an activation for pairing

	flow       *pairing.ClientFlow
	index      uint32
	handshakes uint64
	code       string // what it shows now
	types      []string
}

const staticCode = "12345678"

// pairable gives a device what its methods need; code is the method beside the token.
func pairable(code string) deviceOption {
	return func(d *device) {
		d.pair.token, _ = noise.GeneratePSK(nil)
		switch code {
		case wire.MethodDynamicCode:
			d.hello.PairMethods.DynamicCode = &wire.DynamicMethod{
				OutChannels: []string{wire.OutDisplay}, Formats: []string{wire.FormatDigits, wire.FormatQRCode},
			}
		case wire.MethodStaticCode:
			d.hello.PairMethods.StaticCode = &wire.SecretMethod{}
			d.pair.static = staticCode
			d.pair.window.Open(time.Now())
		}
	}
}

// judge checks an activation against the table of allowed activity sets; the caller
// holds mu.
func (d *device) judge(m *wire.ServerActivate) {
	matched, unpaired := d.conn.Matched(), d.hello.UnpairedAccess.Enabled
	if m.Has(wire.ActivityPairing) {
		if matched == noise.LongTerm {
			d.faultLocked("pairing on a connection with a long-term PSK")
		}
		if (m.Pairing.Method == wire.MethodPSK) != (matched == noise.Pairing) {
			d.faultLocked("method %s over a PSK of category %s", m.Pairing.Method, matched)
		}
	}
	if matched != noise.LongTerm && !unpaired && (len(m.ActiveRoles) > 0 || m.Has(wire.ActivityPlayback)) {
		d.faultLocked("roles %v and activities %v without unpaired access", m.ActiveRoles, m.Activities)
	}
}

// pairing is the reader's: it drives the device's flow.
func (d *device) pairing(m wire.Message) {
	d.mu.Lock()
	var effects []pairing.Effect
	p := &d.pair
	if n := d.conn.Rehandshakes(); n != p.handshakes {
		p.handshakes, p.index = n, 0
		p.flow = nil
	}
	if p.flow != nil {
		effects = p.flow.Receive(m)
	}
	if a, ok := m.(*wire.ServerActivate); ok && a.Has(wire.ActivityPairing) {
		p.index++
		flow, err := pairing.NewClientFlow(d.clientFlow(a))
		if err != nil {
			d.faultLocked("pairing: %v", err)
		} else if p.flow = flow; !p.mute {
			effects = append(effects, flow.Start(time.Now())...)
		}
	}
	if pairing.IsPairing(m) {
		p.types = append(p.types, m.Type())
	}
	var out []wire.Message
	for _, e := range effects {
		switch e := e.(type) {
		case pairing.Send:
			out = append(out, e.Message)
		case pairing.ShowCode:
			p.code = e.Code.Text()
		case pairing.Paired:
			d.psk = e.PSK
		case pairing.Close:
			if e.Err != nil {
				d.faultLocked("pairing: %v", e.Err)
			}
		}
	}
	d.mu.Unlock()
	for _, m := range out {
		d.send(m)
	}
}

func (d *device) clientFlow(a *wire.ServerActivate) pairing.ClientConfig {
	p := &d.pair
	cfg := pairing.ClientConfig{
		Session: pairing.Session{Hash: d.conn.HandshakeHash(), Suite: d.suite, Matched: d.conn.Matched(), Index: p.index},
		Method:  a.Pairing.Method, Format: a.Pairing.Format, Offers: d.hello.PairMethods,
		Rounds: &p.rounds, Window: &p.window, Hold: p.hold, HoldMessage: "press the button",
	}
	if p.static != "" {
		cfg.StaticCode, _ = pairing.ParseDigits(p.static, pairing.StaticLen)
	}
	return cfg
}

func (d *device) record() noise.PSK {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.psk
}

// sealer is the deployment's sealing key, with both halves.
type sealer struct{ pub, priv *[32]byte }

// withSettings writes the deployment's settings and waits until the gateway has them.
func (r *rig) withSettings(change func(*tuttiv1.ServerSettings)) {
	r.t.Helper()
	b, err := bus.OpenBucket[tuttiv1.ServerSettings](r.t.Context(), r.bus, subject.BucketSettings, bus.BucketOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	s := &tuttiv1.ServerSettings{Name: "Tutti", ServerId: r.pairing.key.Public().ID()}
	if cur, _, err := b.Get(r.t.Context(), subject.SettingsKey); err == nil {
		s = cur
	}
	change(s)
	if _, err := b.Put(r.t.Context(), subject.SettingsKey, s); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, func() string {
		have := r.svc.settings.Load()
		if !slices.Equal(have.GetSealingKey(), s.GetSealingKey()) || have.GetRosterSeq() != s.GetRosterSeq() {
			return "the gateway does not have the settings"
		}
		return ""
	})
}

func (r *rig) withSealing() *sealer {
	r.t.Helper()
	pub, priv, err := box.GenerateKey(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	r.withSettings(func(s *tuttiv1.ServerSettings) { s.SealingKey = pub[:] })
	return &sealer{pub, priv}
}

// attempt is the pairing service's side of one attempt, as docs/adr/0014 has it.
type attempt struct {
	r        *rig
	d        *device
	seal     *sealer
	id       string
	families []string // beside the attempt, and after one that fails
	state    tuttiv1.TrustState
	limitMS  int64
	// enter answers the question for the code; nil takes what the device shows.
	enter func(round uint32) string
	// refuse, when set, answers each relayed message with an error instead.
	refuse error

	mu      sync.Mutex
	flow    *pairing.ServerFlow
	begun   *tuttiv1.PairingSession
	relays  []string
	psk     noise.PSK
	outcome pairing.Outcome
	closed  error
	gone    []*tuttiv1.SessionGone
	ended   *tuttiv1.PairingSession
	failed  error
	stop    func()
}

// attempt puts an attempt at its address.
func (r *rig) attempt(d *device, s *sealer, id string) *attempt {
	r.t.Helper()
	a := &attempt{r: r, d: d, seal: s, id: id, state: unapproved}
	stop, err := bus.HandleExclusive(r.bus, subject.Attempt(d.id()), a.handle)
	if err != nil {
		r.t.Fatal(err)
	}
	a.stop = sync.OnceFunc(stop)
	r.t.Cleanup(a.stop)
	return a
}

func (a *attempt) ask(c *tuttiv1.SessionCommand) (*tuttiv1.PairingSession, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var reply tuttiv1.SessionReply
	err := a.r.bus.Request(ctx, subject.Session(a.d.id()), c, &reply)
	return reply.GetPairing(), err
}

func (a *attempt) query() *tuttiv1.PairingSession {
	a.r.t.Helper()
	var s *tuttiv1.PairingSession
	eventually(a.r.t, func() string {
		var err error
		if s, err = a.ask(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_PairingQuery{}}); err != nil {
			return err.Error()
		}
		return ""
	})
	return s
}

// begin enters pairing and makes the flow.
func (a *attempt) begin(method, format string) error {
	a.r.t.Helper()
	before := a.query()
	b := &tuttiv1.PairingBegin{
		AttemptId: a.id, Method: method, Format: format, Category: "sn",
		AllowedFamilies: a.families, State: a.state, LimitMs: a.limitMS,
	}
	if method == wire.MethodPSK {
		b.Category = "pr"
		b.SealedPsk, _ = seal(a.d.pair.token.Bytes(), before.GetRecipientKey())
	}
	a.mu.Lock() // relays wait for the flow
	defer a.mu.Unlock()
	s, err := a.ask(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_PairingBegin{PairingBegin: b}})
	if err != nil {
		return err
	}
	a.begun = s
	a.flow, err = pairing.NewServerFlow(pairing.ServerConfig{
		Session: pairing.Session{
			Hash: [32]byte(s.GetHandshakeHash()), Suite: noise.Suite(s.GetSuite()),
			Matched: noise.Category(s.GetCategory()), Index: s.GetPairingIndex(),
		},
		Method: method, Format: format, Offers: a.d.hello.PairMethods,
	})
	return err
}

func (a *attempt) mustBegin(method, format string) {
	a.r.t.Helper()
	if err := a.begin(method, format); err != nil {
		a.r.t.Fatalf("begin %s: %v", method, err)
	}
}

// handle takes what the gateway sends to the attempt.
func (a *attempt) handle(_ context.Context, req *tuttiv1.AttemptRequest) (*tuttiv1.PairingAttempt, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if gone := req.GetGone(); gone != nil {
		a.gone = append(a.gone, gone)
		return &tuttiv1.PairingAttempt{}, nil
	}
	if a.refuse != nil {
		return nil, a.refuse
	}
	body, ok := box.OpenAnonymous(nil, req.GetRelay().GetSealedBody(), a.seal.pub, a.seal.priv)
	if !ok {
		a.r.t.Error("a relayed message is not sealed to the deployment")
	}
	m, err := wire.Current().DecodeFromClient(body)
	if err != nil {
		a.r.t.Errorf("relayed message: %v", err)
		return &tuttiv1.PairingAttempt{}, nil
	}
	a.relays = append(a.relays, m.Type())
	a.obey(a.flow.Receive(m))
	return &tuttiv1.PairingAttempt{}, nil
}

// obey carries out effects; the caller holds mu.
func (a *attempt) obey(effects []pairing.Effect) {
	var bodies [][]byte
	flush := func() {
		if len(bodies) > 0 {
			a.note(a.ask(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_PairingSend{
				PairingSend: &tuttiv1.PairingSend{AttemptId: a.id, Bodies: bodies},
			}}))
		}
		bodies = nil
	}
	for _, e := range effects {
		switch e := e.(type) {
		case pairing.Send:
			body, err := wire.Current().Encode(e.Message)
			if err != nil {
				a.r.t.Error(err)
			}
			bodies = append(bodies, body)
		case pairing.AskCode:
			flush()
			more, err := a.flow.EnterCode(a.code(e.Round))
			if err != nil {
				a.r.t.Errorf("enter the code: %v", err)
			}
			a.obey(more)
		case pairing.Verified:
			a.psk = e.PSK
			a.obey(a.flow.Stored())
			return
		case pairing.Ended:
			a.outcome = e.Outcome
			a.end(bodies, false)
			bodies = nil
		case pairing.Close:
			a.closed = e.Err
			a.end(bodies, true)
			bodies = nil
		}
	}
	flush()
}

func (a *attempt) note(s *tuttiv1.PairingSession, err error) {
	if err != nil {
		a.failed = err
	}
}

// end ends the attempt at the gateway; the caller holds mu. After success the record
// and the admission are those of a paired device from before the re-handshake on.
func (a *attempt) end(bodies [][]byte, closes bool) {
	e := &tuttiv1.PairingEnd{AttemptId: a.id, Bodies: bodies, Close: closes, AllowedFamilies: a.families, State: a.state}
	if a.outcome == pairing.Success {
		p := a.r.pairing
		p.mu.Lock()
		p.psk[a.d.id()] = a.psk
		p.of[a.d.id()] = &tuttiv1.AdmitResponse{State: paired, AllowedFamilies: []string{"player", "metadata", "controller"}}
		p.mu.Unlock()
		e.Category = "lt"
		e.SealedPsk, _ = seal(a.psk.Bytes(), a.begun.GetRecipientKey())
		e.State, e.AllowedFamilies = paired, []string{"player", "metadata", "controller"}
	}
	s, err := a.ask(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_PairingEnd{PairingEnd: e}})
	a.note(s, err)
	a.ended = s
}

// code is what the operator enters.
func (a *attempt) code(round uint32) string {
	if a.enter != nil {
		return a.enter(round)
	}
	if a.d.pair.static != "" {
		return a.d.pair.static
	}
	return a.shown()
}

// shown waits for the code on the device's display.
func (a *attempt) shown() string {
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(time.Millisecond) {
		a.d.mu.Lock()
		code := a.d.pair.code
		a.d.mu.Unlock()
		if code != "" {
			return code
		}
	}
	a.r.t.Error("the device shows no code")
	return ""
}

// waitPaired waits for success and checks both ends.
func (a *attempt) waitPaired() {
	a.r.t.Helper()
	eventually(a.r.t, func() string {
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case a.closed != nil:
			return "closed: " + a.closed.Error()
		case a.failed != nil:
			return "a command failed: " + a.failed.Error()
		case a.outcome != pairing.Success || a.ended == nil:
			return "state " + a.flow.State().String()
		}
		return ""
	})
	if a.ended.GetCategory() != "lt" || a.ended.GetPairingIndex() != 0 {
		a.r.t.Errorf("after the end: category %q, index %d", a.ended.GetCategory(), a.ended.GetPairingIndex())
	}
	if got := a.d.record(); got.IsZero() || !got.Equal(a.psk) {
		a.r.t.Error("the device has another record than the server")
	}
	a.r.waitPresence(a.d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetPskCategory() != "lt" || p.GetCredentialMismatch() || p.GetTrust() != paired || len(p.GetActiveRoles()) != 3 || !p.GetConnected() {
			return p.String()
		}
		return ""
	})
}

func (a *attempt) waitGone() *tuttiv1.SessionGone {
	a.r.t.Helper()
	var out *tuttiv1.SessionGone
	eventually(a.r.t, func() string {
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.gone) == 0 {
			return "the attempt does not hear of the session's end"
		}
		out = a.gone[0]
		return ""
	})
	return out
}

func (a *attempt) relayed() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.relays)
}

const paired = tuttiv1.TrustState_TRUST_STATE_PAIRED

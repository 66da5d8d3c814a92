package independent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// pairing is the newest attempt with a client, as the API shows it.
type pairing struct {
	State, Method, Format, Message, Reason, Detail string
	Round                                          int
}

func pairingPath(id string) string { return "/api/v1/clients/" + id + "/pairing" }

// pair begins an attempt with a device that the server knows.
func (d *device) pair(s *harness.Server, body obj) {
	d.t.Helper()
	d.awaitKnown(s)
	s.Must(d.t, "POST", pairingPath(d.id), body, nil)
}

func (d *device) awaitKnown(s *harness.Server) {
	d.t.Helper()
	harness.Eventually(d.t, patience, d.o.name+" is connected", func() string {
		var c harness.Client
		if err := s.Do("GET", "/api/v1/clients/"+d.id, nil, &c); err != nil {
			return err.Error()
		}
		if !c.Connected {
			return "not connected"
		}
		return ""
	})
}

// attemptIs waits until the attempt is in one of the states.
func attemptIs(t testing.TB, s *harness.Server, id string, round int, states ...string) pairing {
	t.Helper()
	var p pairing
	harness.Eventually(t, patience, "attempt "+strings.Join(states, " or "), func() string {
		p = pairing{}
		if err := s.Do("GET", pairingPath(id), nil, &p); err != nil {
			return err.Error()
		}
		if !slices.Contains(states, p.State) || round > 0 && p.Round != round {
			return fmt.Sprintf("%+v", p)
		}
		return ""
	})
	return p
}

// enter types a code; the API may not be at the point yet.
func (d *device) enter(s *harness.Server, code string, round int) {
	d.t.Helper()
	attemptIs(d.t, s, d.id, round, "awaiting_code")
	s.Must(d.t, "POST", pairingPath(d.id)+"/code", obj{"code": code}, nil)
}

// code is the next one that the device emits.
func (d *device) code() string {
	d.t.Helper()
	select {
	case c := <-d.o.pair.shown:
		return c
	case <-d.done:
		d.t.Fatalf("%s: closed before a code is emitted: %v; %s", d.o.name, d.closedNow(), d.tail())
	case <-time.After(patience):
		d.t.Fatalf("%s: no code is emitted; %s", d.o.name, d.tail())
	}
	return ""
}

// pskToken is what is printed on the device.
func (d *device) pskToken() string { return token('0', slices.Concat(d.o.key.Public, d.o.vault.psk)) }

// way is one of the ways to pair.
type way struct {
	name string
	pair func() *pairer
	run  func(d *device, s *harness.Server)
}

func ways() []way {
	code := func(format string) func(*device, *harness.Server) {
		return func(d *device, s *harness.Server) {
			d.pair(s, obj{"method": "dynamic_pairing_code", "format": format})
			d.enter(s, d.code(), 1)
		}
	}
	return []way{
		{"pairing_psk", func() *pairer { return &pairer{} }, func(d *device, s *harness.Server) {
			d.pair(s, obj{"method": "pairing_psk", "token": d.pskToken()})
		}},
		{"digits", func() *pairer { return dynamic("digits", "qr_code") }, code("digits")},
		{"qr_code", func() *pairer { return dynamic("digits", "qr_code") }, code("qr_code")},
		{"static", func() *pairer { return static("90817263") }, func(d *device, s *harness.Server) {
			d.pair(s, obj{"method": "static_pairing_code", "code": "9081-7263"})
		}},
	}
}

// paired waits until both sides have the record and the session is keyed by it.
func (d *device) paired(s *harness.Server) {
	d.t.Helper()
	if p := attemptIs(d.t, s, d.id, 0, "paired", "failed", "cancelled"); p.State != "paired" {
		d.t.Fatalf("%s: %+v; %s", d.o.name, p, d.tail())
	}
	d.onRecord(s)
}

// onRecord waits until the session is keyed by the pairing record and has its roles.
func (d *device) onRecord(s *harness.Server) {
	d.t.Helper()
	harness.Eventually(d.t, patience, d.o.name+" paired on this session", func() string {
		d.mu.Lock()
		psk, roles, closed := d.ref.psk, d.ref.roles["player@v1"], d.closed
		d.mu.Unlock()
		if closed != nil {
			d.t.Fatalf("%s: %v; %s", d.o.name, closed, d.tail())
		}
		if psk != "lt" || !roles {
			return fmt.Sprintf("keyed by %s, player %v", psk, roles)
		}
		c, ok := s.ClientNamed(d.t, d.o.name)
		if !ok || c.Trust != "paired" || !c.Connected || !slices.Contains(c.ActiveRoles, "player@v1") {
			return fmt.Sprintf("the API shows %+v", c)
		}
		return ""
	})
	if d.o.vault.record(d.serverID) == nil {
		d.t.Errorf("%s: paired, and no record on the device", d.o.name)
	}
}

// keyed says what keys the session, and whether the server referenced a PSK that we
// do not have.
func (d *device) keyed() (category string, missed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ref.psk, d.ref.missed
}

// nothingKept checks that neither side has a record: the next connection is on the
// Sentinel without a fallback.
func (d *device) nothingKept(s *harness.Server) {
	d.t.Helper()
	if d.o.vault.record(d.serverID) != nil {
		d.t.Errorf("%s: the device has a record", d.o.name)
	}
	_ = d.w.c.Close()
	<-d.done
	o := d.o
	if o.pair.edit != nil {
		p := *o.pair
		p.edit = nil
		o.pair = &p
	}
	again := connect(d.t, s.Sendspin, o)
	if psk, missed := again.keyed(); psk != "sn" || missed {
		d.t.Errorf("%s: the server has a record (category %s, fallback %v)", d.o.name, psk, missed)
	}
	_ = again.w.c.Close()
}

// TestPairing pairs devices with a running server by every method, on both forms.
func TestPairing(t *testing.T) {
	for _, mode := range harness.Modes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := harness.StartServer(t, mode, harness.Options{})
			t.Run("all", func(t *testing.T) {
				testPairingMatrix(t, s)
				for name, test := range map[string]func(*testing.T, *harness.Server){
					"wrong then right":     testWrongThenRight,
					"round limit":          testRoundLimit,
					"static mismatch":      testStaticMismatch,
					"held back":            testHeldBack,
					"unpair":               testUnpair,
					"mismatch":             testMismatch,
					"superseded":           testSuperseded,
					"two operators":        testTwoOperators,
					"bad inputs":           testBadInputs,
					"no access":            testNoAccess,
					"enrolled":             testEnrolled,
					"removed stay removed": testRemoved,
				} {
					t.Run(name, func(t *testing.T) { t.Parallel(); test(t, s) })
				}
				testMisbehaviour(t, s)
				testAborts(t, s)
				testCancel(t, s)
				testPairingMiddle(t, s)
			})
		})
	}
}

// testPairingMatrix: each method and format, both suites, both directions of the
// connection, ending in a reconnect on the long-term PSK.
func testPairingMatrix(t *testing.T, s *harness.Server) {
	for _, way := range ways() {
		for _, suite := range []string{suiteChaCha, suiteAES} {
			for _, direction := range []string{"inbound", "outbound"} {
				t.Run(way.name+" "+suite+" "+direction, func(t *testing.T) {
					t.Parallel()
					o := options{suite: suite, pair: way.pair()}
					o.fill(t)
					meet := func() *device { return connect(t, s.Sendspin, o) }
					if direction == "outbound" {
						l := listen(t)
						s.Must(t, "POST", "/api/v1/clients", obj{"url": l.url}, nil)
						meet = func() *device { return greet(secure(t, l.next(t), o)) }
					}
					d := meet()
					d.sync(1)
					way.run(d, s)
					d.paired(s)
					d.sync(1)
					_ = d.w.c.Close()
					<-d.done
					again := meet()
					again.onRecord(s)
					again.sync(2)
				})
			}
		}
	}
}

// wrong is a code of the same form that is not the right one.
func wrong(code string) string {
	last := code[len(code)-1]
	return code[:len(code)-1] + string('0'+(last-'0'+1)%10)
}

func testWrongThenRight(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{pair: dynamic("digits")})
	d.pair(s, obj{"method": "dynamic_pairing_code", "format": "digits"})
	first := d.code()
	d.enter(s, wrong(first), 1)
	if again := d.code(); again != first {
		t.Errorf("the code changed between rounds: %s, then %s", first, again)
	}
	d.enter(s, first, 2)
	d.paired(s)
}

// testRoundLimit: the right code in the twentieth round pairs; twenty wrong ones end
// the attempt, and nothing is kept.
func testRoundLimit(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{pair: dynamic("digits")})
	for _, last := range []bool{false, true} {
		d.pair(s, obj{"method": "dynamic_pairing_code", "format": "digits"})
		for round := 1; round <= 20; round++ {
			code := d.code()
			if round < 20 || !last {
				code = wrong(code)
			}
			d.enter(s, code, round)
		}
		if !last {
			if p := attemptIs(t, s, d.id, 0, "failed"); p.Reason != "pairing_code_mismatch" || p.Detail == "" {
				t.Errorf("after twenty wrong codes: %+v", p)
			}
			if d.o.vault.record(d.serverID) != nil {
				t.Error("the device has a record after twenty wrong codes")
			}
			d.sync(1) // the connection stays
		}
	}
	d.paired(s)
}

func testStaticMismatch(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{pair: static("11112222")})
	d.pair(s, obj{"method": "static_pairing_code", "code": "11112223"})
	if p := attemptIs(t, s, d.id, 0, "failed"); p.Reason != "pairing_code_mismatch" {
		t.Errorf("a wrong static code: %+v", p)
	}
	d.sync(1)
	d.pair(s, obj{"method": "static_pairing_code", "code": "1111 2222"})
	d.paired(s)
}

// testHeldBack: what the device says is shown as plain text, at most 200 characters.
func testHeldBack(t *testing.T, s *harness.Server) {
	p := static("31415926")
	p.hold = "Press <b>the knob</b>\n\x1b[31m on the back. " + strings.Repeat("ü", 300)
	d := connect(t, s.Sendspin, options{pair: p})
	d.pair(s, obj{"method": "static_pairing_code", "code": "31415926"})
	got := attemptIs(t, s, d.id, 0, "pending")
	if n := len([]rune(got.Message)); n == 0 || n > 200 || strings.ContainsAny(got.Message, "\x1b\n") || !strings.Contains(got.Message, "on the back") {
		t.Errorf("pending shows %d characters: %q", n, got.Message)
	}
	d.release()
	d.paired(s)
}

// testUnpair: the device is told, and both records are gone.
func testUnpair(t *testing.T, s *harness.Server) {
	w := ways()[0]
	d := connect(t, s.Sendspin, options{pair: w.pair()})
	w.run(d, s)
	d.paired(s)
	s.Must(t, "POST", "/api/v1/clients/"+d.id+"/unpair", nil, nil)
	d.await("server/unpair", 0, isType("server/unpair"))
	d.awaitClosed("server/unpair")
	d.told(s)
	d.nothingKept(s)

	// Absent, it hears of it when it appears again.
	d = connect(t, s.Sendspin, d.o)
	w.run(d, s)
	d.paired(s)
	_ = d.w.c.Close()
	<-d.done
	s.Must(t, "POST", "/api/v1/clients/"+d.id+"/unpair", nil, nil)
	d = handshake(t, s.Sendspin, d.o)
	if psk, _ := d.keyed(); psk != "lt" {
		t.Errorf("an absent device that was unpaired meets category %s", psk)
	}
	d.await("server/hello", 0, isType("server/hello"))
	d.send("client/hello", d.o.hello())
	m, _ := d.await("server/activate", 0, isType("server/activate"))
	if roles, _ := m.payload["active_roles"].([]any); len(roles) != 0 {
		t.Errorf("an unpaired device got roles %v", roles)
	}
	d.await("server/unpair", 0, isType("server/unpair"))
	d.awaitClosed("server/unpair")
	d.told(s)
	d.nothingKept(s)
}

// told waits until the server knows that the device has dropped its record.
func (d *device) told(s *harness.Server) {
	d.t.Helper()
	harness.Eventually(d.t, patience, "unpaired", func() string {
		var c struct {
			Trust     string
			Unpairing bool
		}
		if err := s.Do("GET", "/api/v1/clients/"+d.id, nil, &c); err != nil || c.Unpairing || c.Trust != "unapproved" {
			return fmt.Sprintf("%+v, %v", c, err)
		}
		return ""
	})
}

// testMismatch: a device that lost its record gets no roles, the record is kept and
// the operator told; pairing again mends it.
func testMismatch(t *testing.T, s *harness.Server) {
	for _, w := range ways()[:2] {
		d := connect(t, s.Sendspin, options{pair: w.pair()})
		w.run(d, s)
		d.paired(s)
		_ = d.w.c.Close()
		<-d.done
		kept := d.o.vault.record(d.serverID)
		d.o.vault.forget()
		d = connect(t, s.Sendspin, d.o)
		if _, missed := d.keyed(); !missed {
			t.Error("no long-term PSK was referenced")
		}
		d.sync(2)
		awaitTrust(t, s, d.id, "credential_mismatch")
		if err := s.Do("POST", "/api/v1/clients/"+d.id+"/approve", obj{}, nil); status(err) != 409 {
			t.Errorf("approving a client with a credential mismatch: %v, want 409", err)
		}
		// The signal changed nothing: with its record back it is paired.
		_ = d.w.c.Close()
		<-d.done
		d.o.vault.keep(d.serverID, kept)
		d = connect(t, s.Sendspin, d.o)
		d.onRecord(s)
		_ = d.w.c.Close()
		<-d.done
		d.o.vault.forget()
		d = connect(t, s.Sendspin, d.o)
		awaitTrust(t, s, d.id, "credential_mismatch")
		w.run(d, s)
		d.paired(s)
	}
}

// awaitTrust waits until the API shows this trust and, where it allows none, no roles:
// the decision and what a session has are told by different services.
func awaitTrust(t testing.TB, s *harness.Server, id, want string) harness.Client {
	t.Helper()
	var c harness.Client
	harness.Eventually(t, patience, "trust "+want, func() string {
		c = harness.Client{}
		if err := s.Do("GET", "/api/v1/clients/"+id, nil, &c); err != nil {
			return err.Error()
		}
		if c.Trust != want {
			return "is " + c.Trust
		}
		if want != "paired" && want != "approved" && len(c.ActiveRoles) > 0 {
			return fmt.Sprintf("is %s with roles %v", c.Trust, c.ActiveRoles)
		}
		return ""
	})
	return c
}

func status(err error) int {
	var st *harness.Status
	if errors.As(err, &st) {
		return st.Code
	}
	return 0
}

// testSuperseded: after pairing again the old credential is of no use, and an
// approval from before pairing is gone.
func testSuperseded(t *testing.T, s *harness.Server) {
	w := ways()[0]
	d := connect(t, s.Sendspin, options{pair: w.pair()})
	d.approve(s)
	w.run(d, s)
	d.paired(s)
	old := d.o.vault.record(d.serverID)
	w.run(d, s) // on a session that is paired already
	harness.Eventually(t, patience, "another record", func() string {
		if r := d.o.vault.record(d.serverID); string(r) == string(old) {
			return "still the old one"
		}
		return ""
	})
	d.paired(s)
	_ = d.w.c.Close()
	<-d.done
	d.o.vault.keep(d.serverID, old)
	d = connect(t, s.Sendspin, d.o)
	if _, missed := d.keyed(); !missed {
		t.Error("the server still references the superseded PSK")
	}
	awaitTrust(t, s, d.id, "credential_mismatch")
	// The approval from before does not come back when the record goes.
	s.Must(t, "POST", "/api/v1/clients/"+d.id+"/unpair", nil, nil)
	_ = d.w.c.Close()
	<-d.done
	d.o.vault.forget()
	d = connect(t, s.Sendspin, d.o)
	d.sync(2)
	if c := d.known(s); c.Trust == "approved" || len(c.ActiveRoles) > 0 {
		t.Errorf("unpaired after an approval long ago: %s with %v", c.Trust, c.ActiveRoles)
	}
}

func (d *device) known(s *harness.Server) (c harness.Client) {
	d.t.Helper()
	s.Must(d.t, "GET", "/api/v1/clients/"+d.id, nil, &c)
	return c
}

func testTwoOperators(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{pair: dynamic("digits")})
	d.pair(s, obj{"method": "dynamic_pairing_code", "format": "digits"})
	code := d.code()
	err := s.Do("POST", pairingPath(d.id), obj{"method": "dynamic_pairing_code", "format": "digits"}, nil)
	if status(err) != 409 || !strings.Contains(err.Error(), "admin") {
		t.Errorf("a second attempt: %v, want a 409 that names who pairs already", err)
	}
	d.enter(s, code, 1)
	d.paired(s)
}

// testBadInputs: what an operator can get wrong is refused before the device hears of it.
func testBadInputs(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{pair: static("24682468")})
	other := connect(t, s.Sendspin, options{pair: &pairer{}})
	d.awaitKnown(s)
	_, mark := d.await("group/update after the first activation", 0, isType("group/update"))
	for _, body := range []obj{
		{"method": "pairing_psk", "token": other.pskToken()},
		{"method": "pairing_psk", "token": token('1', random(24))},
		{"method": "pairing_psk", "token": "SP:0AAAA"},
		{"method": "pairing_psk"},
		{"method": "static_pairing_code", "code": "1234567"},
		{"method": "static_pairing_code", "code": "12x45678"},
		{"method": "dynamic_pairing_code", "format": "digits"},
		{"method": "telepathy"},
	} {
		if st := status(s.Do("POST", pairingPath(d.id), body, nil)); st < 400 || st > 422 {
			t.Errorf("%v is answered with %d, want a refusal", body, st)
		}
	}
	d.sync(2)
	for _, m := range d.since(mark) {
		if m.typ != "server/time" {
			t.Errorf("the device got %s", m)
		}
	}
}

// testNoAccess: a device that admits no unpaired access gets no roles by approval,
// and all of them by pairing.
func testNoAccess(t *testing.T, s *harness.Server) {
	for _, w := range ways() {
		d := connect(t, s.Sendspin, options{pair: w.pair(), noAccess: true})
		w.run(d, s)
		d.paired(s)
	}
}

// testEnrolled: tokens wait for their devices.
func testEnrolled(t *testing.T, s *harness.Server) {
	o := options{pair: &pairer{}}
	o.fill(t)
	printed := token('0', slices.Concat(o.key.Public, o.vault.psk))
	s.Must(t, "POST", "/api/v1/pairing/tokens", obj{"tokens": []string{strings.ToLower(printed[3:])}}, nil)
	connect(t, s.Sendspin, o).onRecord(s)
}

// testRemoved: devices that were removed do not come back with the next pairing.
func testRemoved(t *testing.T, s *harness.Server) {
	w := ways()[0]
	var devices []*device
	for range 3 {
		d := connect(t, s.Sendspin, options{pair: w.pair()})
		w.run(d, s)
		d.paired(s)
		devices = append(devices, d)
	}
	for i, d := range devices {
		d.leave()
		if i == 0 {
			s.Must(t, "POST", "/api/v1/clients/"+d.id+"/unpair", nil, nil)
		} else {
			s.Must(t, "DELETE", "/api/v1/clients/"+d.id, nil, nil)
		}
	}
	first := connect(t, s.Sendspin, devices[2].o)
	w.run(first, s)
	first.paired(s)
	for _, d := range devices[:2] {
		again := knock(t, s, d.o)
		again.orClosed(isType("server/activate"))
		again.never()
		awaitTrust(t, s, d.id, "unapproved")
	}
}

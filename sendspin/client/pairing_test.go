package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/pairtoken"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const staticDigits = "12345678"

func code(t testing.TB, digits string) pairing.Code {
	t.Helper()
	c, err := pairing.ParseDigits(digits, len(digits))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t testing.TB) *noise.PrivateKey {
	t.Helper()
	key, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func withDynamic(c *Config) {
	c.Pairing.DynamicCode = &wire.DynamicMethod{OutChannels: []string{wire.OutDisplay}, Formats: []string{wire.FormatDigits, wire.FormatQRCode}}
}

func withStatic(t testing.TB) func(c *Config) {
	return func(c *Config) { c.Pairing.StaticCode = code(t, staticDigits) }
}

// dialling is a client that dials a server, over a real WebSocket.
type dialling struct {
	*recorder
	c     *Client
	house *house
}

func newDialling(t *testing.T, change func(*Config)) *dialling {
	t.Helper()
	d := &dialling{recorder: newRecorder(), house: newHouse(t)}
	cfg := d.config("dialler")
	cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 20*time.Millisecond
	change(&cfg)
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.c = c
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Dial(ctx, d.house.url) }()
	t.Cleanup(func() { cancel(); <-ended })
	return d
}

// credential is what a server references that holds the client's pairing token.
func tokenCredential(t *testing.T, c *Client) channel.Credential {
	t.Helper()
	psk, err := pairing.ParsePSKToken(c.PairingToken(), c.cfg.Store.Identity().Public())
	if err != nil {
		t.Fatal(err)
	}
	return channel.Credential{PSK: psk, Category: noise.Pairing}
}

// pair goes through an attempt until the session is paired.
func pair(t *testing.T, r *recorder, c *Client, srv *sendspintest.Server, hello *wire.ClientHello, method, format string) *sendspintest.Attempt {
	t.Helper()
	a := srv.Pair(hello, method, format, nil)
	switch method {
	case wire.MethodDynamicCode:
		a.AwaitQuestion(1)
		shown := waitFor[PairingCode](t, r)
		if got := fmt.Sprintf("%v %+v", shown, shown); strings.Contains(got, shown.Code.Text()) {
			t.Errorf("the event prints the code: %s", got)
		}
		a.Enter(shown.Code.Text())
	case wire.MethodStaticCode:
		a.AwaitHeld()
		waitFor[PairingHeld](t, r)
		if err := c.OpenPairingWindow(); err != nil {
			t.Fatal(err)
		}
		a.AwaitQuestion(1)
		a.Enter("1234-5678")
	}
	if e := a.AwaitEnd(); e.Outcome != pairing.Success {
		t.Fatalf("ended %+v", e)
	}
	if p := waitFor[Paired](t, r); p.ServerID == "" {
		t.Errorf("%+v", p)
	}
	if e := waitFor[PairingEnded](t, r); e.Outcome != pairing.Success || e.Method != method {
		t.Errorf("%+v", e)
	}
	a.Promote([]string{wire.ActivityPlayback}, wire.RolePlayerV1)
	if e := waitFor[Rekeyed](t, r); !e.Paired {
		t.Errorf("%+v", e)
	}
	if e := waitFor[Activated](t, r); len(e.Roles) != 1 {
		t.Errorf("%+v", e)
	}
	if s := sendspintest.Expect[*wire.ClientState](srv); s.Player == nil {
		t.Errorf("%+v", s)
	}
	return a
}

// Every method and format, in both directions, with both suites, from a client that
// lets nobody play unpaired to one that reconnects on the new PSK.
func TestPairingOverWebSockets(t *testing.T) {
	for _, suite := range []noise.Suite{noise.ChaChaPoly, noise.AESGCM} {
		for _, kind := range [][2]string{
			{wire.MethodPSK, ""}, {wire.MethodDynamicCode, wire.FormatDigits}, {wire.MethodDynamicCode, wire.FormatQRCode}, {wire.MethodStaticCode, ""},
		} {
			change := func(c *Config) {
				c.Suite, c.UnpairedAccess = suite, false
				if kind[0] == wire.MethodStaticCode {
					withStatic(t)(c)
				} else {
					withDynamic(c)
				}
			}
			key := newKey(t)
			check := func(t *testing.T, r *recorder, c *Client, connect func(channel.Credential) (*sendspintest.Server, *wire.ClientHello)) {
				var cred channel.Credential
				if kind[0] == wire.MethodPSK {
					cred = tokenCredential(t, c)
				}
				srv, hello := connect(cred)
				a := pair(t, r, c, srv, hello, kind[0], kind[1])
				srv.Close()
				srv, _ = connect(channel.Credential{PSK: a.PSK, Category: noise.LongTerm})
				if srv.Conn.Mismatch() || srv.Conn.Matched() != noise.LongTerm {
					t.Error("the client does not use its record")
				}
				srv.Activate([]string{wire.ActivityPlayback}, wire.RolePlayerV1)
				sendspintest.Expect[*wire.ClientState](srv)
				if rec := c.Store().Records(); len(rec) != 1 || rec[0].ServerID != key.Public().ID() || rec[0].PSKID != a.PSK.ID() {
					t.Errorf("records %+v", rec)
				}
				for _, v := range r.violations() {
					t.Errorf("violation: %s", v)
				}
			}
			name := fmt.Sprintf("%s %s %s", suite, kind[0], kind[1])
			t.Run(name+" server dials", func(t *testing.T) {
				l := newListening(t, change)
				check(t, l.recorder, l.c, func(cred channel.Credential) (*sendspintest.Server, *wire.ClientHello) {
					tr, err := channel.Dial(t.Context(), "ws://"+l.addr+"/sendspin", channel.Options{})
					if err != nil {
						t.Fatal(err)
					}
					srv := sendspintest.NewServer(t, tr, sendspintest.ServerOptions{Identity: key, Credential: cred})
					return srv, srv.Greet()
				})
			})
			t.Run(name+" client dials", func(t *testing.T) {
				d := newDialling(t, change)
				check(t, d.recorder, d.c, func(cred channel.Credential) (*sendspintest.Server, *wire.ClientHello) {
					srv := d.house.next(t, sendspintest.ServerOptions{Identity: key, Credential: cred})
					return srv, srv.Greet()
				})
			})
		}
	}
}

func TestOffersInTheHello(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) {
		c.Pairing = PairingConfig{StaticCode: code(t, staticDigits), PSKLocations: []string{wire.LocationDevice}, StaticCodeLocations: []string{wire.LocationLeaflet}}
	})
	m := r.srv.Greet().PairMethods
	if m.PSK == nil || len(m.PSK.Locations) != 1 || m.StaticCode == nil || m.StaticCode.Locations[0] != wire.LocationLeaflet || m.DynamicCode != nil {
		t.Errorf("%+v", m)
	}
	r = newRig(t, sendspintest.ServerOptions{}, withDynamic)
	if m := r.srv.Greet().PairMethods; m.PSK == nil || m.StaticCode != nil || m.DynamicCode == nil || len(m.DynamicCode.Formats) != 2 {
		t.Errorf("%+v", m)
	}
	if err := r.c.OpenPairingWindow(); !errors.Is(err, ErrNoStaticCode) {
		t.Errorf("a window without a static code: %v", err)
	}
}

func TestPairingConfigurationFaults(t *testing.T) {
	for name, p := range map[string]PairingConfig{
		"two codes":    {StaticCode: code(t, staticDigits), DynamicCode: &wire.DynamicMethod{OutChannels: []string{"display"}, Formats: []string{"digits"}}},
		"short code":   {StaticCode: code(t, "123456")},
		"no format":    {DynamicCode: &wire.DynamicMethod{OutChannels: []string{"display"}}},
		"no channel":   {DynamicCode: &wire.DynamicMethod{Formats: []string{"digits"}}},
		"long message": {HoldMessage: strings.Repeat("x", 201)},
	} {
		if _, err := New(Config{Name: "x", Roles: []string{wire.RoleControllerV1}, Pairing: p}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(Config{Name: "x", Roles: []string{wire.RoleControllerV1}, AcceptSuccessors: true}); err == nil {
		t.Error("successors without a verifier: no error")
	}
}

func TestPairingTokenIsTheClients(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, nil)
	tok, err := pairtoken.DecodePSK(r.c.PairingToken())
	if err != nil || tok.ClientKey != [32]byte(r.c.Store().Identity().Public()) {
		t.Errorf("%v %v", tok, err)
	}
	psk, _ := noise.NewPSK(tok.PSK[:])
	if !psk.Equal(r.c.Store().PairingPSK()) {
		t.Error("another pairing PSK")
	}
}

func TestWrongCodeThenRightCode(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, withDynamic)
	a := r.srv.Pair(r.srv.Greet(), wire.MethodDynamicCode, wire.FormatDigits, nil)
	a.AwaitQuestion(1)
	first := waitFor[PairingCode](t, r.recorder)
	a.Enter(wrong(first.Code.Text()))
	a.AwaitQuestion(2)
	second := waitFor[PairingCode](t, r.recorder)
	if second.Round != 2 || !second.Code.Equal(first.Code) {
		t.Errorf("round %d, the same code %v", second.Round, second.Code.Equal(first.Code))
	}
	if n := r.c.Store().rounds(); n != 2 {
		t.Errorf("%d rounds stored", n)
	}
	a.Enter(second.Code.Text())
	if e := a.AwaitEnd(); e.Outcome != pairing.Success {
		t.Errorf("%+v", e)
	}
	waitFor[Paired](t, r.recorder)
	if n := r.c.Store().rounds(); n != 0 {
		t.Errorf("%d rounds stored after success", n)
	}
	r.wantNoViolations(t)
}

// wrong is another code of the same kind.
func wrong(s string) string {
	d := []byte(s)
	d[0] = '0' + (d[0]-'0'+1)%10
	return string(d)
}

// Twenty rounds, also over a restart; then attempts are held back until the operator
// acts at the device.
func TestRoundLimitOutlivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id.json")
	open := func() func(*Config) {
		store, err := OpenStore(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return func(c *Config) { withDynamic(c); c.Store, c.Pairing.HoldMessage = store, "press the button" }
	}
	guess := func(r *rig, a *sendspintest.Attempt, rounds int) {
		t.Helper()
		for i := range rounds {
			a.AwaitQuestion(i + 1)
			a.Enter(wrong(waitFor[PairingCode](t, r.recorder).Code.Text()))
		}
	}
	r := newRig(t, sendspintest.ServerOptions{}, open())
	a := r.srv.Pair(r.srv.Greet(), wire.MethodDynamicCode, wire.FormatDigits, nil)
	guess(r, a, 12)
	a.AwaitQuestion(13)
	waitFor[PairingCode](t, r.recorder) // counts although nobody answers
	r.cancel()
	_ = r.end(t)

	r = newRig(t, sendspintest.ServerOptions{}, open())
	hello := r.srv.Greet()
	a = r.srv.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, nil)
	guess(r, a, 7)
	if e := a.AwaitEnd(); e.Reason != wire.AbortCodeMismatch {
		t.Errorf("after the last round: %+v", e)
	}
	if e := waitFor[PairingEnded](t, r.recorder); e.Outcome != pairing.AbortedHere || e.Reason != wire.AbortCodeMismatch {
		t.Errorf("%+v", e)
	}
	r.srv.Activate([]string{})
	a = r.srv.Pair(hello, wire.MethodDynamicCode, wire.FormatDigits, nil)
	if got := a.AwaitHeld(); got != "press the button" {
		t.Errorf("held with %q", got)
	}
	if e := waitFor[PairingHeld](t, r.recorder); e.Message != "press the button" {
		t.Errorf("%+v", e)
	}
	if err := r.c.ResetRounds(); err != nil {
		t.Fatal(err)
	}
	a.AwaitQuestion(1)
	a.Enter(waitFor[PairingCode](t, r.recorder).Code.Text())
	if e := a.AwaitEnd(); e.Outcome != pairing.Success {
		t.Errorf("%+v", e)
	}
	r.wantNoViolations(t)
}

// A code that cannot be counted is not shown: a restart would make it free.
func TestNoCodeWithoutTheCount(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	store, err := OpenStore(filepath.Join(dir, "id.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { withDynamic(c); c.Store = store })
	a := r.srv.Pair(r.srv.Greet(), wire.MethodDynamicCode, wire.FormatDigits, nil)
	removeAll(t, dir)
	if e := a.AwaitEnd(); e.Outcome != pairing.AbortedByPeer {
		t.Errorf("%+v", e)
	}
	waitFor[PairingEnded](t, r.recorder)
	for len(r.events) > 0 {
		if e, ok := (<-r.events).(PairingCode); ok {
			t.Errorf("%+v", e)
		}
	}
}

func TestRecordThatCannotBeStoredIsNoPairing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	store, err := OpenStore(filepath.Join(dir, "id.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { withStatic(t)(c); c.Store = store })
	a := r.srv.Pair(r.srv.Greet(), wire.MethodStaticCode, "", nil)
	a.AwaitHeld()
	if err := r.c.OpenPairingWindow(); err != nil {
		t.Fatal(err)
	}
	removeAll(t, dir)
	a.AwaitQuestion(1)
	a.Enter(staticDigits)
	a.AwaitEnd() // the server has its record
	if e := waitFor[PairingEnded](t, r.recorder); e.Outcome == pairing.Success || e.Err == nil {
		t.Errorf("%+v", e)
	}
	if err := r.end(t); err == nil || len(store.Records()) != 0 {
		t.Errorf("ended with %v, %d records", err, len(store.Records()))
	}
}

// Codes, tokens and keys are in no log line and in no event that somebody prints.
func TestSecretsArePrintedNowhere(t *testing.T) {
	var log bytes.Buffer
	var lock sync.Mutex
	var secrets []string
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) {
		withDynamic(c)
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		told := c.OnEvent
		c.OnEvent = func(e Event) {
			lock.Lock()
			defer lock.Unlock()
			fmt.Fprintf(&log, "%v %+v %#v\n", e, e, e)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("event", "e", e)
			if shown, ok := e.(PairingCode); ok {
				secrets = append(secrets, shown.Code.Text())
			}
			told(e)
		}
	})
	hello := r.srv.Greet()
	a := pair(t, r.recorder, r.c, r.srv, hello, wire.MethodDynamicCode, wire.FormatQRCode)
	r.srv.Rekey(tokenCredential(t, r.c), nil)
	b := pair(t, r.recorder, r.c, r.srv, hello, wire.MethodPSK, "")
	r.cancel()
	_ = r.end(t)
	lock.Lock()
	defer lock.Unlock()
	secrets = append(secrets, r.c.PairingToken()[4:])
	for _, psk := range []noise.PSK{a.PSK, b.PSK, r.c.Store().PairingPSK()} {
		secrets = append(secrets, base64.RawURLEncoding.EncodeToString(psk.Bytes()), fmt.Sprint(psk.Bytes()), fmt.Sprintf("%x", psk.Bytes()))
	}
	if !strings.Contains(log.String(), "pairing code is shown") || len(secrets) != 11 {
		t.Fatalf("%d secrets; log:\n%s", len(secrets), log.String())
	}
	for i, secret := range secrets {
		if strings.Contains(log.String(), secret) {
			t.Errorf("secret %d is printed", i)
		}
	}
}

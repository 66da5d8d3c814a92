package channel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Over a real WebSocket, dialled by either side, in both suites and all categories.
func TestOpenOverWebSocket(t *testing.T) {
	l := listen(t, Options{})
	for _, suite := range suites {
		for _, cat := range []noise.Category{noise.LongTerm, noise.Pairing, noise.Sentinel} {
			for _, serverDials := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/server dials %v", suite, cat, serverDials), func(t *testing.T) {
					p := newParties(t)
					p.client.Suite, p.cat = suite, cat
					if cat == noise.Sentinel {
						p.psk = noise.SentinelPSK()
					}
					p.client.Candidates = holding(p.psk, cat)
					st, ct := l.dial(t, Options{})
					if serverDials {
						st, ct = ct, st
					}
					s, c := p.open(t, st, ct)
					if s.Peer() != p.client.Identity.Public().ID() || c.Peer() != p.server.Identity.Public().ID() {
						t.Errorf("peers: %s, %s", s.Peer(), c.Peer())
					}
					if s.HandshakeHash() != c.HandshakeHash() || s.Matched() != cat || c.Matched() != cat || s.Suite() != suite {
						t.Errorf("state: %v %v %v", s.Matched(), c.Matched(), s.Suite())
					}
					if s.Mismatch() || c.Mismatch() {
						t.Error("mismatch signalled")
					}
					for _, size := range []int{0, 1, 100, 124, 125, 126, 3840, 19200, maxPayload - 1, maxPayload, maxPayload + 1, 200_000} {
						want := strings.Repeat("x", size)
						mustWrite(t, s, 4, want)
						expect(t, c, 4, want)
						mustWrite(t, c, 12, want)
						expect(t, s, 12, want)
					}
				})
			}
		}
	}
}

func TestMismatchSignal(t *testing.T) {
	other, _ := noise.GeneratePSK(nil)
	for name, lose := range map[string]func(*parties){
		"nothing held":   func(p *parties) { p.client.Candidates = nil },
		"another PSK":    func(p *parties) { p.client.Candidates = holding(other, noise.LongTerm) },
		"other category": func(p *parties) { p.client.Candidates = holding(p.psk, noise.Pairing) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newParties(t)
			lose(p)
			st, ct := newMemory()
			s, c := p.open(t, st, ct)
			if !s.Mismatch() || s.Matched() != noise.Sentinel || !c.Mismatch() || c.Matched() != noise.Sentinel {
				t.Fatalf("server %v %q, client %v %q", s.Mismatch(), s.Matched(), c.Mismatch(), c.Matched())
			}
			mustWrite(t, s, 0, "{}")
			expect(t, c, 0, "{}")
		})
	}
}

// rawClient speaks cleartext by hand.
type rawClient struct {
	t  testing.TB
	tr Transport
}

func (r rawClient) send(body string) {
	r.t.Helper()
	if err := r.tr.Write(ctxFor(r.t), true, []byte(body)); err != nil {
		r.t.Fatal(err)
	}
}

func (r rawClient) read() (body []byte, err error) {
	r.t.Helper()
	text, data, err := r.tr.Read(ctxFor(r.t))
	if err == nil && !text {
		r.t.Fatalf("got a binary message %x", data)
	}
	return bytes.Clone(data), err
}

// serve runs OpenServer on an accepted transport and returns where its result comes.
func serve(t testing.TB, tr Transport, cfg ServerConfig) <-chan opened {
	t.Helper()
	ctx := ctxFor(t)
	done := make(chan opened, 1)
	go func() {
		c, err := OpenServer(ctx, tr, cfg)
		done <- opened{c, err}
	}()
	return done
}

func TestInitFailuresAreAnswered(t *testing.T) {
	l := listen(t, Options{})
	p := newParties(t)
	id := p.client.Identity.Public().ID()
	for name, c := range map[string]struct{ body, reason string }{
		"not JSON":                          {"hello", wire.ErrorMalformed},
		"empty":                             {"", wire.ErrorMalformed},
		"not an object":                     {"[]", wire.ErrorMalformed},
		"another type":                      {`{"type":"client/hello","payload":{"version":2}}`, wire.ErrorMalformed},
		"payload missing":                   {`{"type":"client/init"}`, wire.ErrorMalformed},
		"version 2 wins over all":           {`{"type":"client/init","payload":{"version":2,"suite":"x","client_id":7}}`, wire.ErrorUnsupportedVersion},
		"version as string":                 {`{"type":"client/init","payload":{"version":"1","suite":"x","client_id":"x"}}`, wire.ErrorMalformed},
		"version missing":                   {`{"type":"client/init","payload":{"suite":"25519_AESGCM_SHA256","client_id":"` + id + `"}}`, wire.ErrorMalformed},
		"suite wins over client_id":         {`{"type":"client/init","payload":{"version":1,"suite":"x","client_id":7}}`, wire.ErrorUnsupportedSuite},
		"suite as number":                   {`{"type":"client/init","payload":{"version":1,"suite":7,"client_id":"` + id + `"}}`, wire.ErrorMalformed},
		"client_id too short":               {`{"type":"client/init","payload":{"version":1,"suite":"25519_AESGCM_SHA256","client_id":"abc"}}`, wire.ErrorMalformed},
		"client_id missing":                 {`{"type":"client/init","payload":{"version":1,"suite":"25519_AESGCM_SHA256"}}`, wire.ErrorMalformed},
		"keys are compared with their case": {`{"type":"client/init","payload":{"Version":1,"Suite":"25519_AESGCM_SHA256","Client_id":"` + id + `"}}`, wire.ErrorMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			st, ct := l.dial(t, Options{})
			done := serve(t, st, p.server)
			raw := rawClient{t, ct}
			raw.send(c.body)
			got, err := raw.read()
			want := `{"type":"server/error","payload":{"reason":"` + c.reason + `"}}`
			if err != nil || string(got) != want {
				t.Errorf("got %s (%v), want %s", got, err, want)
			}
			var closed *CloseError
			if got, err := raw.read(); !errors.As(err, &closed) || closed.Code != CloseInit || closed.Reason != "" {
				t.Errorf("then got %s, %v", got, err)
			}
			var init *wire.InitError
			if o := <-done; !errors.As(o.err, &init) || init.Reason != c.reason {
				t.Errorf("server: %v", o.err)
			}
			// A fresh client connects right after.
			st, ct = l.dial(t, Options{})
			p.open(t, st, ct)
		})
	}
}

func TestBinaryInitIsMalformed(t *testing.T) {
	p := newParties(t)
	st, ct := newMemory()
	done := serve(t, st, p.server)
	if err := ct.Write(ctxFor(t), false, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	var init *wire.InitError
	if o := <-done; !errors.As(o.err, &init) || init.Reason != wire.ErrorMalformed {
		t.Fatalf("got %v", o.err)
	}
}

// The prologue is what was on the wire, not what a parser makes of it.
func TestPrologueIsRawBytes(t *testing.T) {
	l := listen(t, Options{})
	p := newParties(t)
	st, ct := l.dial(t, Options{})
	done := serve(t, st, p.server)
	raw := rawClient{t, ct}
	init := " {\t\"x\" : [ 1, {\"type\":2} ],\n \"payload\" :{ \"later\":null, \"suite\":\"25519_ChaChaPoly\\u005fSHA256\" ,\"version\":1,\r\n" +
		" \"client_id\":\"" + p.client.Identity.Public().ID() + "\"} , \"type\": \"client\\/init\" }  \n"
	raw.send(init)
	reply, err := raw.read()
	if err != nil {
		t.Fatal(err)
	}
	msg1 := raw.readNoise()
	msg2, res, err := noise.Respond(noise.Config{
		Suite: noise.ChaChaPoly, Static: p.client.Identity, Peer: p.server.Identity.Public(),
		Prologue: []byte(init + string(reply)),
	}, func(id string, c noise.Category) (noise.PSK, bool, error) { return p.psk, true, nil }, msg1)
	if err != nil {
		t.Fatal(err)
	}
	raw.sendNoise(msg2)
	o := <-done
	if o.err != nil {
		t.Fatal(o.err)
	}
	if o.conn.HandshakeHash() != res.Hash {
		t.Error("hashes differ")
	}
}

func (r rawClient) readNoise() []byte {
	r.t.Helper()
	body, err := r.read()
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := codec.DecodeFromServer(body)
	if err != nil {
		r.t.Fatalf("%s: %v", body, err)
	}
	return m.(*wire.NoiseHandshake).Data
}

func (r rawClient) sendNoise(msg []byte) {
	r.t.Helper()
	body, err := codec.Encode(&wire.NoiseHandshake{Data: msg})
	if err != nil {
		r.t.Fatal(err)
	}
	r.send(string(body))
}

// server/init and Noise message 1 come without waiting for the client.
func TestServerSendsBothAtOnce(t *testing.T) {
	p := newParties(t)
	st, ct := newMemory()
	done := serve(t, st, p.server)
	raw := rawClient{t, ct}
	body, _ := codec.Encode(&wire.ClientInit{ClientID: p.client.Identity.Public().ID(), Version: 1, Suite: wire.SuiteAESGCM})
	raw.send(string(body))
	for _, want := range []string{wire.TypeServerInit, wire.TypeNoiseHandshake} {
		got, err := raw.read()
		var m struct{ Type string }
		if err != nil || json.Unmarshal(got, &m) != nil || m.Type != want {
			t.Fatalf("got %s, %v", got, err)
		}
	}
	_ = ct.CloseNow()
	<-done
}

// Whatever goes wrong after client/init, the server says nothing more.
func TestSilentFailures(t *testing.T) {
	for name, c := range map[string]struct {
		message2 func(genuine []byte) (text bool, body []byte)
		want     error
	}{
		"binary": {func(b []byte) (bool, []byte) { return false, b }, ErrUnexpected},
		"another message": {func([]byte) (bool, []byte) {
			return true, []byte(`{"type":"client/goodbye","payload":{"reason":"restart"}}`)
		}, ErrUnexpected},
		"not JSON": {func([]byte) (bool, []byte) { return true, []byte("{") }, nil},
		"no data":  {func([]byte) (bool, []byte) { return true, []byte(`{"type":"noise/handshake","payload":{}}`) }, nil},
		"not base64url": {func([]byte) (bool, []byte) {
			return true, []byte(`{"type":"noise/handshake","payload":{"data":"a+b/"}}`)
		}, nil},
		"short": {func([]byte) (bool, []byte) {
			return true, []byte(`{"type":"noise/handshake","payload":{"data":"AAAA"}}`)
		}, noise.ErrLength},
		"garbage": {func([]byte) (bool, []byte) {
			b, _ := codec.Encode(&wire.NoiseHandshake{Data: bytes.Repeat([]byte{9}, 50)})
			return true, b
		}, noise.ErrAuth},
	} {
		t.Run(name, func(t *testing.T) {
			p := newParties(t)
			st, ct := newMemory()
			ct.spoil = func(text bool, data []byte) (bool, []byte) {
				if bytes.Contains(data, []byte("noise/handshake")) {
					return c.message2(data)
				}
				return text, data
			}
			s, cl := p.tryOpen(t, st, ct)
			if s.err == nil || c.want != nil && !errors.Is(s.err, c.want) {
				t.Fatalf("server: got %v, want %v", s.err, c.want)
			}
			if !strings.Contains(s.err.Error(), "oise message 2") {
				t.Errorf("error does not name the step: %v", s.err)
			}
			if n := len(st.messages()); n != 2 {
				t.Errorf("server sent %d messages, want server/init and message 1", n)
			}
			if *st.code != CloseSilent {
				t.Errorf("close code %d, want %d", *st.code, CloseSilent)
			}
			if cl.conn != nil { // the client thought it was done
				_ = cl.conn.CloseNow()
			}
		})
	}
}

func TestTamperEveryByteOfHandshake(t *testing.T) {
	for _, spoiler := range []string{"client/init", "server/init", "message 1", "message 2"} {
		t.Run(spoiler, func(t *testing.T) {
			p := newParties(t)
			for i := 0; ; i++ {
				st, ct := newMemory()
				end, nth := st, map[string]int{"client/init": 0, "server/init": 0, "message 1": 1, "message 2": 1}[spoiler]
				if strings.HasPrefix(spoiler, "client") || spoiler == "message 2" {
					end = ct
				}
				n, done := 0, false
				end.spoil = func(text bool, data []byte) (bool, []byte) {
					if n == nth {
						if done = i >= len(data); !done {
							data[i] ^= 1
						}
					}
					n++
					return text, data
				}
				s, c := p.tryOpen(t, st, ct)
				if done {
					if s.err != nil || c.err != nil {
						t.Fatalf("untouched: %v, %v", s.err, c.err)
					}
					_, _ = s.conn.CloseNow(), c.conn.CloseNow()
					return
				}
				if s.err == nil {
					t.Fatalf("byte %d: the server opened the connection", i)
				}
				if c.conn != nil {
					_ = c.conn.CloseNow()
				}
			}
		})
	}
}

func TestClientRejectsServer(t *testing.T) {
	p := newParties(t)
	refused := errors.New("not this one")
	misbound := errors.New("record of another server")
	for name, c := range map[string]struct {
		spoil func(*parties, *memory)
		want  error
	}{
		"not allowed": {func(p *parties, _ *memory) { p.client.AllowServer = func(string) error { return refused } }, refused},
		"misbound": {func(p *parties, _ *memory) {
			p.client.Candidates = func(string, string, noise.Category) (noise.PSK, bool, error) {
				return noise.PSK{}, false, misbound
			}
		}, misbound},
		"version 2": {func(_ *parties, st *memory) {
			st.spoil = func(text bool, data []byte) (bool, []byte) {
				return text, bytes.Replace(data, []byte(`"version":1`), []byte(`"version":2`), 1)
			}
		}, nil},
		"binary": {func(_ *parties, st *memory) {
			st.spoil = func(_ bool, data []byte) (bool, []byte) { return false, data }
		}, ErrUnexpected},
		"another message": {func(_ *parties, st *memory) {
			st.spoil = func(bool, []byte) (bool, []byte) {
				return true, []byte(`{"type":"server/hello","payload":{"name":"x"}}`)
			}
		}, ErrUnexpected},
	} {
		t.Run(name, func(t *testing.T) {
			p := *p
			st, ct := newMemory()
			c.spoil(&p, st)
			s, cl := p.tryOpen(t, st, ct)
			if cl.err == nil || c.want != nil && !errors.Is(cl.err, c.want) {
				t.Fatalf("client: got %v, want %v", cl.err, c.want)
			}
			if s.err == nil {
				t.Error("server opened")
			}
			if n := len(ct.messages()); n != 1 {
				t.Errorf("client sent %d messages, want client/init alone", n)
			}
		})
	}
}

func TestClientLearnsRefusal(t *testing.T) {
	p := newParties(t)
	st, ct := newMemory()
	ct.spoil = func(bool, []byte) (bool, []byte) { return true, []byte("{}") }
	_, c := p.tryOpen(t, st, ct)
	var refused *RefusedError
	if !errors.As(c.err, &refused) || refused.Reason != wire.ErrorMalformed {
		t.Fatalf("got %v", c.err)
	}
}

func TestCredentialFailureIsSilent(t *testing.T) {
	p := newParties(t)
	unavailable := errors.New("no answer from pairing")
	p.server.Credential = func(context.Context, string) (Credential, error) { return Credential{}, unavailable }
	st, ct := newMemory()
	s, c := p.tryOpen(t, st, ct)
	if !errors.Is(s.err, unavailable) || c.err == nil || len(st.messages()) != 0 {
		t.Fatalf("server %v, client %v, sent %v", s.err, c.err, st.messages())
	}
}

// Every step has its own 30 seconds, and says what it waits for.
func TestTimeouts(t *testing.T) {
	p := newParties(t)
	init, _ := codec.Encode(&wire.ClientInit{ClientID: p.client.Identity.Public().ID(), Version: 1, Suite: wire.SuiteAESGCM})
	for stage, feed := range map[string]string{StageClientInit: "", StageMessage2: string(init)} {
		t.Run(stage, func(t *testing.T) {
			clock := clockwork.NewFakeClock()
			reached := make(chan struct{})
			var once sync.Once
			cfg := p.server
			cfg.Clock = clock
			cfg.Stage = func(s string) {
				if s == stage {
					once.Do(func() { close(reached) })
				}
			}
			st, ct := newMemory()
			done := serve(t, st, cfg)
			if feed != "" {
				rawClient{t, ct}.send(feed)
			}
			<-reached
			clock.Advance(DefaultTimeout - time.Millisecond)
			select {
			case o := <-done:
				t.Fatalf("too early: %v", o.err)
			default:
			}
			failed := make(chan error, 1)
			go func() { failed <- (<-done).err }()
			err := advanceUntil(t, clock, failed, context.DeadlineExceeded)
			if !strings.Contains(err.Error(), stage) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestClientTimeout(t *testing.T) {
	p := newParties(t)
	clock := clockwork.NewFakeClock()
	var stages []string
	p.client.Clock = clock
	p.client.Stage = func(s string) { stages = append(stages, s) }
	_, ct := newMemory()
	ctx := ctxFor(t)
	done := make(chan error, 1)
	go func() {
		_, err := OpenClient(ctx, ct, p.client)
		done <- err
	}()
	advanceUntil(t, clock, done, context.DeadlineExceeded)
	if len(stages) != 1 || stages[0] != StageServerInit {
		t.Errorf("stages: %v", stages)
	}
}

// advanceUntil moves the clock on until the operation ends with want.
func advanceUntil(t testing.TB, clock *clockwork.FakeClock, done <-chan error, want error) error {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		select {
		case err := <-done:
			if !errors.Is(err, want) {
				t.Fatalf("got %v, want %v", err, want)
			}
			return err
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("still waiting")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		_ = clock.BlockUntilContext(ctx, 1)
		cancel()
		clock.Advance(DefaultTimeout)
	}
}

// A clock that stands still, or in another century, does not disturb a real socket.
func TestFakeClockOverWebSocket(t *testing.T) {
	p := newParties(t)
	p.server.Clock, p.client.Clock = clockwork.NewFakeClock(), clockwork.NewFakeClock()
	st, ct := listen(t, Options{}).dial(t, Options{})
	s, c := p.open(t, st, ct)
	mustWrite(t, s, 0, "{}")
	expect(t, c, 0, "{}")
}

func TestStagesInOrder(t *testing.T) {
	p := newParties(t)
	var stages []string
	p.server.Stage = func(s string) { stages = append(stages, s) }
	st, ct := newMemory()
	p.open(t, st, ct)
	want := []string{StageClientInit, StageCredential, StageMessage2, StageOpen}
	if fmt.Sprint(stages) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", stages, want)
	}
}

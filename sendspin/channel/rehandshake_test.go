package channel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const activateBody = `{"type":"server/activate","payload":{"activities":[],"active_roles":[]}}`

func activate() ([]byte, error) { return []byte(activateBody), nil }

// reading keeps a goroutine in Read until the connection ends and returns what came.
func reading(t testing.TB, c *Conn) (messages <-chan string) {
	t.Helper()
	out := make(chan string, 4096)
	ctx := ctxFor(t)
	go func() {
		defer close(out)
		for {
			id, payload, err := c.Read(ctx)
			if err != nil {
				return
			}
			out <- fmt.Sprintf("%d:%s", id, payload)
		}
	}()
	return out
}

func TestRehandshake(t *testing.T) {
	for _, suite := range suites {
		t.Run(string(suite), func(t *testing.T) {
			p := newParties(t)
			p.client.Suite = suite
			newer, _ := noise.GeneratePSK(nil)
			p.client.Candidates = func(server, id string, cat noise.Category) (noise.PSK, bool, error) {
				if server != p.server.Identity.Public().ID() {
					return noise.PSK{}, false, errors.New("other server")
				}
				for _, psk := range []noise.PSK{p.psk, newer} {
					if psk.ID() == id && (cat == noise.LongTerm || cat == noise.Pairing) {
						return psk, true, nil
					}
				}
				return noise.PSK{}, false, nil
			}
			st, ct := listen(t, Options{}).dial(t, Options{})
			s, c := p.open(t, st, ct)
			fromClient, fromServer := reading(t, s), reading(t, c)
			seen := map[[32]byte]bool{s.HandshakeHash(): true}
			for i, cred := range []Credential{
				{PSK: newer, Category: noise.Pairing},
				{PSK: noise.SentinelPSK(), Category: noise.Sentinel},
				{PSK: newer, Category: noise.LongTerm},
			} {
				if err := s.Rehandshake(ctxFor(t), cred, func() ([]byte, error) {
					if s.Matched() != cred.Category {
						t.Errorf("activate is built under %q", s.Matched())
					}
					return activate()
				}); err != nil {
					t.Fatalf("re-handshake %d: %v", i, err)
				}
				if got := <-fromServer; got != "0:"+activateBody {
					t.Fatalf("client got %s first", got)
				}
				if s.HandshakeHash() != c.HandshakeHash() || seen[s.HandshakeHash()] || c.Matched() != cred.Category {
					t.Fatalf("after %d: hashes %x %x, client %q", i, s.HandshakeHash(), c.HandshakeHash(), c.Matched())
				}
				seen[s.HandshakeHash()] = true
				mustWrite(t, s, 4, "down")
				mustWrite(t, c, 12, "up")
				if d, u := <-fromServer, <-fromClient; d != "4:down" || u != "12:up" {
					t.Fatalf("got %q, %q", d, u)
				}
			}
			if s.Mismatch() || c.Mismatch() {
				t.Error("mismatch signalled")
			}
			_ = s.CloseNow()
			for range fromClient {
			}
			for range fromServer {
			}
		})
	}
}

// Traffic flows in both directions the whole time, fragments included; nothing is
// lost, doubled or out of order.
func TestRehandshakeUnderTraffic(t *testing.T) {
	p := newParties(t)
	st, ct := listen(t, Options{}).dial(t, Options{})
	s, c := p.open(t, st, ct)
	ctx := ctxFor(t)
	const messages, rounds = 400, 20
	stop := make(chan struct{})
	var wg sync.WaitGroup

	send := func(conn *Conn, n int) error {
		size := 8
		if n%50 == 49 {
			size = 150_000
		}
		body := make([]byte, size)
		binary.BigEndian.PutUint64(body, uint64(n))
		for {
			err := conn.WriteMessage(ctx, 200, body)
			if !errors.Is(err, ErrHeld) {
				return err
			}
			select { // a session's writer would be in Rehandshake itself
			case <-stop:
				return nil
			case <-time.After(100 * time.Microsecond):
			}
		}
	}
	receive := func(conn *Conn, done chan<- int) {
		defer wg.Done()
		next := 0
		for next < messages {
			id, payload, err := conn.Read(ctx)
			if err != nil {
				t.Errorf("read after %d messages: %v", next, err)
				break
			}
			if id != 200 {
				continue
			}
			if n := int(binary.BigEndian.Uint64(payload)); n != next {
				t.Errorf("got message %d, want %d", n, next)
				break
			}
			next++
		}
		done <- next
		for { // go on serving re-handshakes
			if _, _, err := conn.Read(ctx); err != nil {
				return
			}
		}
	}
	done := make(chan int, 2)
	for _, conn := range []*Conn{s, c} {
		wg.Add(2)
		go receive(conn, done)
		go func() {
			defer wg.Done()
			for n := range messages {
				if err := send(conn, n); err != nil {
					t.Errorf("write: %v", err)
					return
				}
			}
		}()
	}
	for range rounds {
		if err := s.Rehandshake(ctx, Credential{PSK: p.psk, Category: p.cat}, activate); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if n := <-done; n != messages {
			t.Errorf("got %d messages", n)
		}
	}
	close(stop)
	_ = s.CloseNow()
	wg.Wait()
}

// Old-key messages that were sent before message 1 arrived are still delivered, and
// no others are sent on either side in between.
func TestRehandshakeHoldsWriters(t *testing.T) {
	p := newParties(t)
	st, ct := newMemory()
	s, c := p.open(t, st, ct)
	fromClient := reading(t, s)
	done := make(chan error, 1)
	go func() {
		done <- s.Rehandshake(ctxFor(t), Credential{PSK: p.psk, Category: p.cat}, activate)
	}()
	waitFor(t, "message 1", func() bool { return s.pending.Load() != nil })
	if err := s.WriteJSON(ctxFor(t), []byte("{}")); !errors.Is(err, ErrHeld) {
		t.Errorf("server write in between: %v", err)
	}
	if err := s.Rehandshake(ctxFor(t), Credential{PSK: p.psk, Category: p.cat}, activate); !errors.Is(err, ErrHeld) {
		t.Errorf("second re-handshake in between: %v", err)
	}
	mustWrite(t, c, 0, "old key") // the client has not read message 1
	if got := <-fromClient; got != "0:old key" {
		t.Fatalf("got %s", got)
	}

	// The server's activate is kept back, so that the client stays in between.
	sent, deliver := st.divert()
	next := make(chan string, 1)
	go func() {
		_, payload, err := c.Read(ctxFor(t))
		next <- fmt.Sprintf("%s %v", payload, err)
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := c.WriteJSON(short, []byte("too early")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("client write in between: %v", err)
	}
	held := make(chan error, 1)
	go func() { held <- c.WriteJSON(ctxFor(t), []byte("new key")) }()
	deliver <- <-sent
	if got := <-next; got != activateBody+" <nil>" {
		t.Fatalf("client got %s", got)
	}
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if got := <-fromClient; got != "0:new key" {
		t.Fatalf("got %s", got)
	}
	_ = s.CloseNow()
	for range fromClient {
	}
}

// waitFor polls for a fact.
func waitFor(t testing.TB, what string, fact func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !fact(); {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
		time.Sleep(100 * time.Microsecond) // between polls of a fact
	}
}

func TestRehandshakeFailures(t *testing.T) {
	other, _ := noise.GeneratePSK(nil)
	for name, cred := range map[string]Credential{
		"PSK that the client lacks":     {PSK: other, Category: noise.LongTerm},
		"PSK under another category":    {Category: noise.Pairing}, // the shared one
		"no Sentinel in place of a PSK": {PSK: other, Category: noise.Pairing},
	} {
		t.Run(name, func(t *testing.T) {
			p := newParties(t)
			if cred.PSK.IsZero() {
				cred.PSK = p.psk
			}
			st, ct := newMemory()
			s, c := p.open(t, st, ct)
			fromClient := reading(t, s)
			done := make(chan error, 1)
			go func() { done <- s.Rehandshake(ctxFor(t), cred, activate) }()
			_, _, err := c.Read(ctxFor(t))
			deadAfter(t, c, ct, err, noise.ErrNoPSK)
			if err := <-done; err == nil || s.Err() == nil {
				t.Errorf("server: %v", err)
			}
			for range fromClient {
			}
		})
	}
}

func TestRehandshakeTampered(t *testing.T) {
	for _, who := range []string{"message 1", "message 2"} {
		t.Run(who, func(t *testing.T) {
			p := newParties(t)
			st, ct := newMemory()
			s, c := p.open(t, st, ct)
			// A well-sealed but wrong Noise message, as from a peer that errs.
			body, _ := codec.Encode(&wire.NoiseHandshake{Data: bytes.Repeat([]byte{9}, 50)})
			if who == "message 1" {
				mustWrite(t, s, 0, string(body))
				_, _, err := c.Read(ctxFor(t))
				deadAfter(t, c, ct, err, noise.ErrAuth)
				return
			}
			done := make(chan error, 1)
			go func() { done <- s.Rehandshake(ctxFor(t), Credential{PSK: p.psk, Category: p.cat}, activate) }()
			waitFor(t, "message 1", func() bool { return s.pending.Load() != nil })
			mustWrite(t, c, 0, string(body))
			_, _, err := s.Read(ctxFor(t))
			deadAfter(t, s, st, err, noise.ErrAuth)
			if err := <-done; !errors.Is(err, noise.ErrAuth) {
				t.Errorf("re-handshake: %v", err)
			}
		})
	}
}

func TestUnexpectedHandshakeMessages(t *testing.T) {
	genuine, _ := codec.Encode(&wire.NoiseHandshake{Data: make([]byte, 50)})
	for name, body := range map[string]string{
		"unsolicited message 2": string(genuine),
		"escaped type":          `{"type":"noise\/handshake","payload":{"data":"AAAA"}}`,
		"escaped more":          `{"payload":{"data":"AAAA"},"type":"n\u006fise/handshake"}`,
	} {
		t.Run(name, func(t *testing.T) {
			p := newParties(t)
			st, ct := newMemory()
			s, c := p.open(t, st, ct)
			mustWrite(t, c, 0, body)
			_, _, err := s.Read(ctxFor(t))
			deadAfter(t, s, st, err, ErrUnexpected)
		})
	}
	t.Run("malformed", func(t *testing.T) {
		p := newParties(t)
		st, ct := newMemory()
		s, c := p.open(t, st, ct)
		mustWrite(t, c, 0, `{"type":"noise/handshake","payload":{"data":7}}`)
		var field *wire.FieldError
		if _, _, err := s.Read(ctxFor(t)); !errors.As(err, &field) || s.Err() == nil {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("only mentioned", func(t *testing.T) {
		p := newParties(t)
		st, ct := newMemory()
		s, c := p.open(t, st, ct)
		for _, body := range []string{`{"type":"client/x","payload":{"a":"noise/handshake \\"}}`, "{ noise/handshake"} {
			mustWrite(t, c, 0, body)
			expect(t, s, 0, body)
		}
	})
}

// The first message under the new keys must be server/activate.
func TestOnlyActivateMayFollow(t *testing.T) {
	for name, first := range map[string]func(s *Conn) error{
		"other JSON": func(s *Conn) error {
			return s.writeMessage(context.Background(), 0, []byte(`{"type":"group/update","payload":{}}`))
		},
		"audio":    func(s *Conn) error { return s.writeMessage(context.Background(), 4, make([]byte, 20)) },
		"not JSON": func(s *Conn) error { return s.writeMessage(context.Background(), 0, []byte("server/activate")) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newParties(t)
			st, ct := newMemory()
			s, c := p.open(t, st, ct)
			fromClient := reading(t, s)
			wrong := errors.New("sent something else instead")
			done := make(chan error, 1)
			go func() {
				done <- s.Rehandshake(ctxFor(t), Credential{PSK: p.psk, Category: p.cat}, func() ([]byte, error) {
					s.wmu.Lock()
					defer s.wmu.Unlock()
					s.send = s.recv // the reader has switched and is idle
					if err := first(s); err != nil {
						t.Error(err)
					}
					return nil, wrong
				})
			}()
			_, _, err := c.Read(ctxFor(t))
			deadAfter(t, c, ct, err, ErrUnexpected)
			if err := <-done; err == nil {
				t.Error("re-handshake succeeded")
			}
			for range fromClient {
			}
		})
	}
}

func TestRehandshakeTimeout(t *testing.T) {
	p := newParties(t)
	clock := clockwork.NewFakeClock()
	p.server.Clock = clock
	st, ct := newMemory()
	s, _ := p.open(t, st, ct)
	done := make(chan error, 1)
	go func() {
		done <- s.Rehandshake(context.Background(), Credential{PSK: p.psk, Category: p.cat}, activate)
	}()
	advanceUntil(t, clock, done, context.DeadlineExceeded)
	if err := s.WriteJSON(ctxFor(t), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection lives: %v", err)
	}
}

func TestRehandshakeMisuse(t *testing.T) {
	p := newParties(t)
	st, ct := newMemory()
	s, c := p.open(t, st, ct)
	if err := c.Rehandshake(ctxFor(t), Credential{PSK: p.psk, Category: p.cat}, activate); err == nil {
		t.Error("a client started one")
	}
	if err := s.Rehandshake(ctxFor(t), Credential{PSK: p.psk, Category: noise.Sentinel}, activate); err == nil || s.Err() != nil {
		t.Errorf("bad credential: %v, connection %v", err, s.Err())
	}
	ended, cancel := context.WithCancel(ctxFor(t))
	cancel()
	if err := s.Rehandshake(ended, Credential{PSK: p.psk, Category: p.cat}, activate); !errors.Is(err, context.Canceled) || s.Err() == nil {
		t.Errorf("ended context: %v, connection %v", err, s.Err())
	}
}

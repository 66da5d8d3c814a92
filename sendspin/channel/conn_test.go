package channel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// deadAfter checks that a connection which failed with want stays dead both ways and
// closed its transport silently.
func deadAfter(t *testing.T, c *Conn, tr *memory, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	if _, _, err := c.Read(ctxFor(t)); !errors.Is(err, want) {
		t.Errorf("second read: %v", err)
	}
	if err := c.WriteJSON(ctxFor(t), []byte("{}")); !errors.Is(err, want) {
		t.Errorf("write: %v", err)
	}
	select {
	case <-c.Done():
	default:
		t.Error("Done is open")
	}
	if *tr.code != CloseSilent {
		t.Errorf("close code %d", *tr.code)
	}
	for _, m := range tr.messages() {
		if m.text && !bytes.Contains(m.data, []byte("noise/handshake")) && !bytes.Contains(m.data, []byte("/init")) {
			t.Errorf("said %s", m.data)
		}
	}
}

func TestTransportViolations(t *testing.T) {
	hello := []byte(`{"type":"client/time","payload":{"client_transmitted":1}}`)
	for name, c := range map[string]struct {
		spoil func(n int, text bool, data []byte) (bool, []byte)
		want  error
	}{
		"cleartext":       {func(_ int, _ bool, _ []byte) (bool, []byte) { return true, hello }, ErrCleartext},
		"ciphertext text": {func(_ int, _ bool, b []byte) (bool, []byte) { return true, b }, ErrCleartext},
		"truncated":       {func(_ int, text bool, b []byte) (bool, []byte) { return text, b[:len(b)-1] }, noise.ErrAuth},
		"extended":        {func(_ int, text bool, b []byte) (bool, []byte) { return text, append(b, 0) }, noise.ErrAuth},
		"tag only":        {func(_ int, text bool, b []byte) (bool, []byte) { return text, b[:16] }, noise.ErrAuth},
		"empty":           {func(_ int, text bool, _ []byte) (bool, []byte) { return text, nil }, noise.ErrLength},
		"oversize":        {func(_ int, text bool, _ []byte) (bool, []byte) { return text, make([]byte, 65536) }, noise.ErrLength},
		"zero plaintext":  {nil, ErrEmpty},
	} {
		t.Run(name, func(t *testing.T) {
			p := newParties(t)
			st, ct := newMemory()
			s, cl := p.open(t, st, ct)
			if c.spoil == nil {
				empty, err := cl.send.Seal(nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				c.spoil = func(int, bool, []byte) (bool, []byte) { return false, empty }
			}
			ct.spoil = func(text bool, b []byte) (bool, []byte) { return c.spoil(0, text, b) }
			if err := cl.WriteJSON(ctxFor(t), hello); err != nil {
				t.Fatal(err)
			}
			_, _, err := s.Read(ctxFor(t))
			deadAfter(t, s, st, err, c.want)
		})
	}
}

func TestTamperEveryByteOfTransport(t *testing.T) {
	for _, suite := range suites {
		for i := 0; ; i++ {
			p := newParties(t)
			p.client.Suite = suite
			st, ct := newMemory()
			s, c := p.open(t, st, ct)
			done := false
			st.spoil = func(text bool, b []byte) (bool, []byte) {
				if done = i == len(b); !done {
					b[i] ^= 0x10
				}
				return text, b
			}
			mustWrite(t, s, 0, `{"type":"x","payload":{}}`)
			if done {
				expect(t, c, 0, `{"type":"x","payload":{}}`)
				break
			}
			_, _, err := c.Read(ctxFor(t))
			deadAfter(t, c, ct, err, noise.ErrAuth)
		}
	}
}

func TestReplayAndReorder(t *testing.T) {
	for name, deliver := range map[string]func([]memMsg) []memMsg{
		"replay":  func(m []memMsg) []memMsg { return []memMsg{m[0], m[0]} },
		"reorder": func(m []memMsg) []memMsg { return []memMsg{m[0], m[2], m[1]} },
		"loss":    func(m []memMsg) []memMsg { return []memMsg{m[0], m[2]} },
	} {
		t.Run(name, func(t *testing.T) {
			p := newParties(t)
			st, ct := newMemory()
			s, c := p.open(t, st, ct)
			var sent []memMsg
			for i := range 3 {
				sealed, err := s.send.Seal(nil, []byte{4, byte(i)})
				if err != nil {
					t.Fatal(err)
				}
				sent = append(sent, memMsg{false, sealed})
			}
			for _, m := range deliver(sent) {
				st.out <- memMsg{m.text, bytes.Clone(m.data)}
			}
			expect(t, c, 4, "\x00")
			_, _, err := c.Read(ctxFor(t))
			deadAfter(t, c, ct, err, noise.ErrAuth)
		})
	}
}

func TestFragmentViolationsCloseTheConnection(t *testing.T) {
	p := newParties(t)
	st, ct := newMemory()
	s, c := p.open(t, st, ct)
	for _, plain := range [][]byte{{1, flagFirst, 8, 'x'}, {0, '{', '}'}} {
		if err := s.WritePlain(ctxFor(t), plain); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := c.Read(ctxFor(t))
	deadAfter(t, c, ct, err, ErrFragmentInterrupted)
}

func TestMessageLimit(t *testing.T) {
	p := newParties(t)
	p.server.MaxMessage = 100_000
	st, ct := newMemory()
	s, c := p.open(t, st, ct)
	want := strings.Repeat("y", 100_000)
	mustWrite(t, c, 12, want)
	expect(t, s, 12, want)
	mustWrite(t, c, 12, want+"!")
	_, _, err := s.Read(ctxFor(t))
	deadAfter(t, s, st, err, ErrTooLarge)
}

func TestImplementsDropsFragments(t *testing.T) {
	p := newParties(t)
	p.client.Implements = func(id byte) bool { return id < 8 }
	p.client.MaxMessage = 1000
	st, ct := newMemory()
	s, c := p.open(t, st, ct)
	mustWrite(t, s, 8, strings.Repeat("z", 200_000))
	mustWrite(t, s, 0, "{}")
	expect(t, c, 0, "{}")
}

func TestWriteVariants(t *testing.T) {
	p := newParties(t)
	st, ct := listen(t, Options{}).dial(t, Options{})
	s, c := p.open(t, st, ct)
	ctx := ctxFor(t)

	plain := append([]byte{4}, bytes.Repeat([]byte("ab"), 9600)...)
	before := bytes.Clone(plain)
	if err := s.WritePlain(ctx, plain); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(plain, before) {
		t.Error("plain changed")
	}
	expect(t, c, 4, string(before[1:]))

	body := bytes.Repeat([]byte("cd"), 9600)
	if err := s.WriteChunk(ctx, wire.AudioHeaderLen, func(h []byte) { wire.PutAudioHeader(h, 77, 88) }, body); err != nil {
		t.Fatal(err)
	}
	id, got, err := c.Read(ctx)
	if err != nil || id != 4 || binary.BigEndian.Uint64(got) != 77 || !bytes.Equal(got[12:], body) {
		t.Fatalf("chunk: %d, %d bytes, %v", id, len(got), err)
	}

	for _, size := range []int{1, 2017, 2018, 2019, 5000, 100_000} { // around what fits and beyond one message
		if err := s.WriteStamped(ctx, func(dst []byte) []byte { return append(append(dst, 0), strings.Repeat("s", size)...) }); err != nil {
			t.Fatal(err)
		}
		expect(t, c, 0, strings.Repeat("s", size))
	}

	for name, err := range map[string]error{
		"empty plain":        s.WritePlain(ctx, nil),
		"empty stamped":      s.WriteStamped(ctx, func(dst []byte) []byte { return dst }),
		"long plain":         s.WritePlain(ctx, make([]byte, noise.MaxPlaintext+1)),
		"long chunk":         s.WriteChunk(ctx, 13, func([]byte) {}, make([]byte, noise.MaxPlaintext)),
		"chunk without head": s.WriteChunk(ctx, 0, func([]byte) {}, nil),
	} {
		if !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	mustWrite(t, s, 0, "{}") // refusals cost nothing
	expect(t, c, 0, "{}")

	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.WritePlain(done, plain); !errors.Is(err, context.Canceled) || s.Err() != nil {
		t.Errorf("ended context: %v, connection %v", err, s.Err())
	}
	mustWrite(t, s, 0, "{}")
	expect(t, c, 0, "{}")
}

func TestCloseReachesThePeer(t *testing.T) {
	p := newParties(t)
	st, ct := listen(t, Options{}).dial(t, Options{})
	s, c := p.open(t, st, ct)
	mustWrite(t, s, 0, "{}")
	closed := make(chan error, 1)
	go func() { closed <- s.Close(1000, "bye") }()
	expect(t, c, 0, "{}")
	var ce *CloseError
	if _, _, err := c.Read(ctxFor(t)); !errors.As(err, &ce) || ce.Code != 1000 || ce.Reason != "bye" {
		t.Fatalf("got %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if err := s.WriteJSON(ctxFor(t), []byte("{}")); !errors.Is(err, ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if _, _, err := s.Read(ctxFor(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if err := s.Close(1000, ""); err != nil {
		t.Errorf("second close: %v", err)
	}
	if err := c.CloseNow(); err != nil {
		t.Errorf("close now: %v", err)
	}
}

func TestSilentCloseOverWebSocket(t *testing.T) {
	p := newParties(t)
	st, ct := listen(t, Options{}).dial(t, Options{})
	s, c := p.open(t, st, ct)
	done := make(chan error, 1)
	go func() {
		_, _, err := s.Read(ctxFor(t))
		done <- err
	}()
	if err := ct.Write(ctxFor(t), true, []byte(`{"type":"client/goodbye","payload":{"reason":"restart"}}`)); err != nil {
		t.Fatal(err)
	}
	var ce *CloseError
	if _, _, err := c.Read(ctxFor(t)); !errors.As(err, &ce) || ce.Code != CloseSilent || ce.Reason != "" {
		t.Errorf("peer sees %v", err)
	}
	if err := <-done; !errors.Is(err, ErrCleartext) {
		t.Errorf("got %v", err)
	}
}

func TestPing(t *testing.T) {
	p := newParties(t)
	st, ct := listen(t, Options{}).dial(t, Options{})
	s, c := p.open(t, st, ct)
	ctx, cancel := context.WithCancel(ctxFor(t))
	done := make(chan struct{}, 2)
	for _, conn := range []*Conn{s, c} {
		go func() {
			_, _, _ = conn.Read(ctx)
			done <- struct{}{}
		}()
	}
	if err := s.Ping(ctx); err != nil {
		t.Errorf("server: %v", err)
	}
	if err := c.Ping(ctx); err != nil {
		t.Errorf("client: %v", err)
	}
	cancel()
	<-done
	<-done
}

// A peer that stops reading costs its own connection, after the write timeout.
func TestWriteDeadline(t *testing.T) {
	p := newParties(t)
	l := listen(t, Options{WriteTimeout: 300 * time.Millisecond})
	st, ct := l.dial(t, Options{})
	sock := st.(*webSocket).sock
	limit := sock.timeout
	sock.timeout = time.Minute // the handshake is not what must be quick
	s, _ := p.open(t, st, ct)
	sock.timeout = limit
	plain := make([]byte, 60_000)
	var err error
	for range 10_000 {
		if err = s.WritePlain(ctxFor(t), plain); err != nil {
			break
		}
	}
	if err == nil || s.Err() == nil {
		t.Fatalf("600 MB went into a socket that nobody reads: %v", err)
	}
	if _, _, rerr := s.Read(ctxFor(t)); !errors.Is(rerr, s.Err()) {
		t.Errorf("read: %v, want %v", rerr, s.Err())
	}
}

// drain reads a transport's socket raw, so that only the writing side is measured.
func drain(t testing.TB, tr Transport) {
	t.Helper()
	conn := tr.(*webSocket).sock.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<18)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
}

func TestWritePlainDoesNotAllocate(t *testing.T) {
	for _, suite := range suites {
		for _, serverDials := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/server dials %v", suite, serverDials), func(t *testing.T) {
				p := newParties(t)
				p.client.Suite = suite
				st, ct := listen(t, Options{}).dial(t, Options{})
				if serverDials {
					st, ct = ct, st
				}
				s, _ := p.open(t, st, ct)
				drain(t, ct)
				ctx, plain := ctxFor(t), make([]byte, 19201)
				check := func(what string, f func() error) {
					t.Helper()
					runtime.GC()
					if n := testing.AllocsPerRun(100, func() {
						if err := f(); err != nil {
							t.Fatal(err)
						}
					}); n != 0 {
						t.Errorf("%s: %v allocations, want 0", what, n)
					}
				}
				check("WritePlain", func() error { return s.WritePlain(ctx, plain) })
				check("WriteChunk", func() error {
					return s.WriteChunk(ctx, 13, func(h []byte) { wire.PutAudioHeader(h, 1, 2) }, plain)
				})
				check("WriteStamped", func() error {
					return s.WriteStamped(ctx, func(dst []byte) []byte { return append(dst, plain[:100]...) })
				})
			})
		}
	}
}

// Each message is one write call of exactly the frame's size.
func TestOneWritePerMessage(t *testing.T) {
	p := newParties(t)
	l := listen(t, Options{})
	st, ct := l.dial(t, Options{})
	s, c := p.open(t, st, ct)
	cc := l.writes.conns[0]
	cc.mu.Lock()
	cc.writes = nil
	cc.mu.Unlock()
	var want []int
	for _, size := range []int{1, 100, 3840, 19200, noise.MaxPlaintext} {
		if err := s.WritePlain(ctxFor(t), append([]byte{4}, make([]byte, size-1)...)); err != nil {
			t.Fatal(err)
		}
		header := 4
		if size+16 < 126 {
			header = 2
		}
		want = append(want, header+size+16)
		if _, got, err := c.Read(ctxFor(t)); err != nil || len(got) != size-1 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if fmt.Sprint(cc.writes) != fmt.Sprint(want) {
		t.Errorf("writes %v, want %v", cc.writes, want)
	}
}

package channel

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// writeTold tells when the first write has come to a connection.
type writeTold struct {
	net.Conn
	once    sync.Once
	written chan struct{}
}

func (c *writeTold) Write(p []byte) (int, error) {
	c.once.Do(func() { close(c.written) })
	return c.Conn.Write(p)
}

// blockedSocket is a socket with a data frame stuck in a write; unblock lets it go
// and returns everything that was written.
func blockedSocket(t *testing.T) (s *socket, stuck <-chan error, unblock func() []byte) {
	t.Helper()
	a, b := net.Pipe()
	told := &writeTold{Conn: a, written: make(chan struct{})}
	s = &socket{Conn: told, timeout: time.Minute}
	s.framed.Store(true)
	done := make(chan error, 1)
	go func() { done <- s.writeData(context.Background(), []byte{0x82, 2, 'h', 'i'}) }()
	<-told.written // holding the lock is not enough: a close frame may still turn it back then
	return s, done, func() []byte {
		_ = b.SetReadDeadline(time.Now().Add(time.Minute))
		var all []byte
		buf := make([]byte, 64)
		for !bytes.HasSuffix(all, []byte("end")) {
			n, err := b.Read(buf)
			if err != nil {
				t.Fatalf("after %q: %v", all, err)
			}
			all = append(all, buf[:n]...)
		}
		_, _ = a.Close(), b.Close()
		return all
	}
}

func TestControlFramesDoNotWait(t *testing.T) {
	s, stuck, unblock := blockedSocket(t)
	for _, frame := range []string{"\x89\x01a", "\x8a\x03end"} {
		if n, err := s.Write([]byte(frame)); n != len(frame) || err != nil { // would hang here
			t.Fatalf("got %d, %v", n, err)
		}
	}
	if got, want := string(unblock()), "\x82\x02hi\x89\x01a\x8a\x03end"; got != want {
		t.Errorf("on the wire: %q, want %q", got, want)
	}
	if err := <-stuck; err != nil {
		t.Error(err)
	}
}

func TestNoDataAfterCloseFrame(t *testing.T) {
	s, stuck, unblock := blockedSocket(t)
	if _, err := s.Write([]byte("\x88\x03end")); err != nil {
		t.Fatal(err)
	}
	if got, want := string(unblock()), "\x82\x02hi\x88\x03end"; got != want {
		t.Errorf("on the wire: %q, want %q", got, want)
	}
	<-stuck
	if err := s.writeData(context.Background(), []byte{0x82, 0}); !errors.Is(err, errCloseSent) {
		t.Errorf("data after close: %v", err)
	}
}

// A close frame that is queued while a data frame holds the lock goes out, also when the
// data frame is turned back because of it.
func TestCloseFrameIsNotLeftBehind(t *testing.T) {
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	s := &socket{Conn: a, timeout: time.Minute}
	s.framed.Store(true)
	s.mu.Lock() // as the data frame does
	if _, err := s.Write([]byte("\x88\x00")); err != nil {
		t.Fatal(err)
	}
	s.mu.Unlock()
	turned := make(chan error, 1)
	go func() { turned <- s.writeData(context.Background(), []byte{0x82, 0}) }()
	_ = b.SetReadDeadline(time.Now().Add(time.Minute))
	got := make([]byte, 2)
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "\x88\x00" {
		t.Errorf("on the wire: %q, %v; want the close frame", got, err)
	}
	if err := <-turned; !errors.Is(err, errCloseSent) {
		t.Errorf("the data frame: %v", err)
	}
}

func TestControlQueueIsBounded(t *testing.T) {
	s, stuck, _ := blockedSocket(t)
	var err error
	for i := 0; err == nil; i++ {
		if _, err = s.Write([]byte("\x8a\x00")); i > maxQueuedControl {
			t.Fatal("no end to the queue")
		}
	}
	if !errors.Is(err, errPingFlood) {
		t.Errorf("got %v", err)
	}
	_ = s.Close()
	if err := <-stuck; err == nil {
		t.Error("write survived the close")
	}
	if err := s.writeData(context.Background(), []byte{0x82, 0}); !errors.Is(err, errBroken) {
		t.Errorf("after a failed write: %v", err)
	}
}

func TestLibraryMayNotWriteData(t *testing.T) {
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	s := &socket{Conn: a, timeout: time.Minute}
	s.framed.Store(true)
	for _, frame := range []string{"", "\x82\x00", "\x81\x00", "\x00\x00"} {
		if _, err := s.Write([]byte(frame)); err == nil {
			t.Errorf("%q passed", frame)
		}
	}
}

func TestSocketReadsWhatHTTPHadRead(t *testing.T) {
	a, b := net.Pipe()
	s := &socket{Conn: a, pre: []byte("early")}
	go func() { _, _ = b.Write([]byte(" late")); _ = b.Close() }()
	got, err := io.ReadAll(bufio.NewReader(s))
	if err != nil || string(got) != "early late" {
		t.Errorf("got %q, %v", got, err)
	}
	_ = a.Close()
}

func TestReadLimit(t *testing.T) {
	l := listen(t, Options{ReadLimit: 100})
	st, ct := l.dial(t, Options{})
	ctx := ctxFor(t)
	if err := ct.Write(ctx, true, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if _, data, err := st.Read(ctx); err != nil || len(data) != 100 {
		t.Fatalf("at the limit: %d bytes, %v", len(data), err)
	}
	if err := ct.Write(ctx, true, make([]byte, 101)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := st.Read(ctx); err == nil {
		t.Fatal("above the limit: passed")
	}
	var ce *CloseError
	if _, _, err := ct.Read(ctx); !errors.As(err, &ce) || ce.Code != 1009 {
		t.Errorf("peer sees %v", err)
	}
	if err := ct.Write(ctx, true, make([]byte, 65536)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("own limit: %v", err)
	}
}

// A message may come in many WebSocket frames, with a ping in between.
func TestWebSocketFragmentation(t *testing.T) {
	l := listen(t, Options{})
	st, ct := l.dial(t, Options{})
	raw := ct.(*webSocket).sock.Conn
	for _, frame := range []string{
		"\x01\x82\x00\x00\x00\x00ab", "\x89\x80\x00\x00\x00\x00", "\x00\x80\x00\x00\x00\x00", "\x80\x81\x00\x00\x00\x00c",
	} {
		if _, err := raw.Write([]byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	if text, data, err := st.Read(ctxFor(t)); !text || string(data) != "abc" || err != nil {
		t.Errorf("got %v %q %v", text, data, err)
	}
}

func TestDialFailures(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/", http.StatusFound)
		default:
			http.Error(w, strings.Repeat("no ", 10000), http.StatusNotFound)
		}
	}))
	defer srv.Close()
	url := "ws" + strings.TrimPrefix(srv.URL, "http")
	for _, u := range []string{url, url + "/redirect", "ws://127.0.0.1:1/", "gopher://x/"} {
		if tr, err := Dial(ctxFor(t), u, Options{}); err == nil {
			t.Errorf("%s: connected", u)
			_ = tr.CloseNow()
		}
	}
}

// The context of Dial ends with the call; the connection does not.
func TestDialContextBoundsOpeningOnly(t *testing.T) {
	l := listen(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	d, err := Dial(ctx, l.url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.CloseNow() }()
	cancel()
	a := <-l.accepted
	defer func() { _ = a.CloseNow() }()
	for range 3 {
		if err := a.Write(ctxFor(t), true, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, data, err := d.Read(ctxFor(t)); err != nil || string(data) != "x" {
			t.Fatalf("got %q, %v", data, err)
		}
	}
}

func TestAcceptRefusesPlainRequests(t *testing.T) {
	rec := httptest.NewRecorder()
	if _, err := Accept(rec, httptest.NewRequest(http.MethodGet, "/sendspin", nil), Options{}); err == nil || rec.Code != http.StatusUpgradeRequired {
		t.Errorf("got %v, status %d", err, rec.Code)
	}
}

func TestMask(t *testing.T) {
	key := []byte{1, 2, 3, 4}
	for n := range 40 {
		b := make([]byte, n)
		mask(b, key)
		for i := range b {
			if b[i] != key[i%4] {
				t.Fatalf("length %d: byte %d is %d", n, i, b[i])
			}
		}
	}
}

package channel

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

var suites = []noise.Suite{noise.ChaChaPoly, noise.AESGCM}

// ctxFor bounds a test that would hang.
func ctxFor(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// parties are a server and a client that share a PSK.
type parties struct {
	server ServerConfig
	client ClientConfig
	psk    noise.PSK
	cat    noise.Category // of psk on both sides
}

func newParties(t testing.TB) *parties {
	t.Helper()
	sk, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ck, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	psk, err := noise.GeneratePSK(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &parties{psk: psk, cat: noise.LongTerm}
	p.server = ServerConfig{
		Identity:   sk,
		Credential: func(context.Context, string) (Credential, error) { return Credential{PSK: p.psk, Category: p.cat}, nil },
	}
	p.client = ClientConfig{
		Identity:   ck,
		Suite:      noise.AESGCM,
		Candidates: holding(psk, noise.LongTerm),
	}
	return p
}

// holding is a client that holds one PSK.
func holding(psk noise.PSK, cat noise.Category) func(string, string, noise.Category) (noise.PSK, bool, error) {
	return func(_, id string, c noise.Category) (noise.PSK, bool, error) {
		return psk, c == cat && id == psk.ID(), nil
	}
}

type opened struct {
	conn *Conn
	err  error
}

// open runs both ends over the transports.
func (p *parties) open(t testing.TB, st, ct Transport) (server, client *Conn) {
	t.Helper()
	s, c := p.tryOpen(t, st, ct)
	if s.err != nil || c.err != nil {
		t.Fatalf("open: server %v, client %v", s.err, c.err)
	}
	t.Cleanup(func() { _, _ = s.conn.CloseNow(), c.conn.CloseNow() })
	return s.conn, c.conn
}

func (p *parties) tryOpen(t testing.TB, st, ct Transport) (server, client opened) {
	t.Helper()
	ctx := ctxFor(t)
	done := make(chan opened, 1)
	go func() {
		conn, err := OpenServer(ctx, st, p.server)
		done <- opened{conn, err}
	}()
	conn, err := OpenClient(ctx, ct, p.client)
	return <-done, opened{conn, err}
}

// memory is one end of an in-memory transport.
type memory struct {
	in, out chan memMsg
	spoil   func(text bool, data []byte) (bool, []byte) // of what this end sends
	closed  chan struct{}
	peer    *memory
	once    *sync.Once
	code    *int // of the first Close on either end

	mu   sync.Mutex
	sent []memMsg
}

type memMsg struct {
	text bool
	data []byte
}

func newMemory() (a, b *memory) {
	ab, ba := make(chan memMsg, 1024), make(chan memMsg, 1024)
	closed, once, code := make(chan struct{}), new(sync.Once), new(int)
	a = &memory{in: ba, out: ab, closed: closed, once: once, code: code}
	b = &memory{in: ab, out: ba, closed: closed, once: once, code: code}
	a.peer, b.peer = b, a
	return a, b
}

func (m *memory) Read(ctx context.Context) (bool, []byte, error) {
	select {
	case msg := <-m.in: // what was sent before the close still arrives
		return msg.text, msg.data, nil
	default:
	}
	select {
	case msg := <-m.in:
		return msg.text, msg.data, nil
	case <-m.closed:
	case <-ctx.Done():
		_ = m.CloseNow()
		return false, nil, ctx.Err()
	}
	select {
	case msg := <-m.in: // sent between the first look and the close
		return msg.text, msg.data, nil
	default:
		return false, nil, net.ErrClosed
	}
}

func (m *memory) Write(_ context.Context, text bool, data []byte) error {
	data = bytes.Clone(data)
	if m.spoil != nil {
		text, data = m.spoil(text, data)
	}
	m.mu.Lock()
	m.sent = append(m.sent, memMsg{text, bytes.Clone(data)})
	out := m.out
	m.mu.Unlock()
	select {
	case <-m.closed:
		return net.ErrClosed
	default:
	}
	select {
	case out <- memMsg{text, data}:
		return nil
	case <-m.closed:
		return net.ErrClosed
	}
}

// divert makes this end send to a new channel and returns both: the new one and the
// one that the peer reads.
func (m *memory) divert() (sent <-chan memMsg, deliver chan<- memMsg) {
	m.mu.Lock()
	defer m.mu.Unlock()
	diverted, old := make(chan memMsg, 8), m.out
	m.out = diverted
	return diverted, old
}

// messages is what this end has sent.
func (m *memory) messages() []memMsg {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]memMsg(nil), m.sent...)
}

func (m *memory) Ping(context.Context) error { return nil }

func (m *memory) Close(code int, _ string) error {
	m.once.Do(func() { *m.code = code; close(m.closed) })
	return nil
}

func (m *memory) CloseNow() error { return m.Close(-1, "") }

// listener serves WebSockets and hands out the accepted transports.
type listener struct {
	url      string
	accepted chan Transport
	writes   *countingListener
}

func listen(t testing.TB, o Options) *listener {
	t.Helper()
	l := &listener{accepted: make(chan Transport, 64)}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr, err := Accept(w, r, o)
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		l.accepted <- tr
	}))
	l.writes = &countingListener{Listener: srv.Listener}
	srv.Listener = l.writes
	srv.Start()
	t.Cleanup(srv.Close)
	l.url = "ws" + strings.TrimPrefix(srv.URL, "http")
	return l
}

// dial returns both ends of a new WebSocket.
func (l *listener) dial(t testing.TB, o Options) (accepted, dialled Transport) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d, err := Dial(ctx, l.url, o)
	if err != nil {
		t.Fatal(err)
	}
	a := <-l.accepted
	t.Cleanup(func() { _, _ = a.CloseNow(), d.CloseNow() })
	return a, d
}

// countingListener counts the write calls on its connections.
type countingListener struct {
	net.Listener
	mu    sync.Mutex
	conns []*countingConn
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	cc := &countingConn{Conn: c}
	l.mu.Lock()
	l.conns = append(l.conns, cc)
	l.mu.Unlock()
	return cc, nil
}

type countingConn struct {
	net.Conn
	mu     sync.Mutex
	writes []int // sizes
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes = append(c.writes, len(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// expect reads one message and compares it.
func expect(t testing.TB, c *Conn, id byte, want string) {
	t.Helper()
	gotID, got, err := c.Read(ctxFor(t))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if gotID != id || string(got) != want {
		t.Fatalf("got id %d %.80q (%d bytes), want id %d %.80q (%d bytes)", gotID, got, len(got), id, want, len(want))
	}
}

func mustWrite(t testing.TB, c *Conn, id byte, payload string) {
	t.Helper()
	if err := c.WriteMessage(ctxFor(t), id, []byte(payload)); err != nil {
		t.Fatalf("write: %v", err)
	}
}

package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// house is a server that clients dial. Every connection comes out of transports.
type house struct {
	url        string
	transports chan channel.Transport
}

func newHouse(t *testing.T) *house {
	h := &house{transports: make(chan channel.Transport, 16)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr, err := channel.Accept(w, r, channel.Options{})
		if err == nil {
			h.transports <- tr
		}
	}))
	t.Cleanup(srv.Close)
	h.url = "ws" + strings.TrimPrefix(srv.URL, "http") + "/sendspin"
	return h
}

func (h *house) next(t *testing.T, o sendspintest.ServerOptions) *sendspintest.Server {
	t.Helper()
	select {
	case tr := <-h.transports:
		return sendspintest.NewServer(t, tr, o)
	case <-time.After(patience):
		t.Fatal("the client does not connect")
	}
	return nil
}

func TestDialConnectsAgain(t *testing.T) {
	h := newHouse(t)
	rec := newRecorder()
	cfg := rec.config("dialler")
	cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 20*time.Millisecond
	cfg.Suite = noise.AESGCM
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Dial(ctx, h.url) }()

	(<-h.transports).CloseNow() // dies in the handshake
	srv := h.next(t, sendspintest.ServerOptions{})
	srv.Greet()
	srv.Close() // dies later
	srv = h.next(t, sendspintest.ServerOptions{})
	srv.Greet()
	srv.Activate([]string{"playback"}, wire.RolePlayerV1)
	sendspintest.Expect[*wire.ClientState](srv)
	if err := c.Goodbye(wire.GoodbyeRestart); err != nil {
		t.Fatal(err)
	}
	sendspintest.Expect[*wire.ClientGoodbye](srv)
	srv = h.next(t, sendspintest.ServerOptions{}) // comes back after a restart
	srv.Greet()
	if err := c.Goodbye(wire.GoodbyeUserRequest); err != nil {
		t.Fatal(err)
	}
	var bye *GoodbyeError
	if err := <-ended; !errors.As(err, &bye) || bye.Reason != wire.GoodbyeUserRequest {
		t.Errorf("Dial ended with %v", err)
	}
	if n := c.Stats().Connections; n != 3 {
		t.Errorf("%d connections", n)
	}

	// It can be used again, and ends with its context.
	go func() { ended <- c.Dial(ctx, h.url) }()
	srv = h.next(t, sendspintest.ServerOptions{})
	srv.Greet()
	cancel()
	if g := sendspintest.Expect[*wire.ClientGoodbye](srv); g.Reason != wire.GoodbyeShutdown {
		t.Errorf("%+v", g)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Dial ended with %v", err)
	}
}

func TestConnectIsOneConnection(t *testing.T) {
	rec := newRecorder()
	c, err := New(rec.config("once"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "ws://" + ln.Addr().String() + "/sendspin"
	ln.Close()
	if err := c.Connect(t.Context(), url); err == nil || !strings.Contains(err.Error(), url) {
		t.Errorf("nobody listens: %v", err)
	}
}

// Who dials in vain is told so: nothing else would say it.
func TestDialTellsThatItTriesAgain(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "ws://" + ln.Addr().String() + "/sendspin"
	ln.Close()
	told := make(chan Retrying, 16)
	cfg := newRecorder().config("in vain")
	cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 2*time.Millisecond
	cfg.OnEvent = func(e Event) {
		if r, ok := e.(Retrying); ok {
			select {
			case told <- r:
			default: // two are enough
			}
		}
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Dial(ctx, url) }()
	for range 2 {
		if r := <-told; r.URL != url || r.Err == nil || r.In <= 0 {
			t.Errorf("told %+v", r)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Dial ended with %v", err)
	}
}

func TestRefusedInit(t *testing.T) {
	a, b := sendspintest.Pipe()
	rec := newRecorder()
	c, err := New(rec.config("refused"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(context.Background(), a) }()
	if _, _, err := b.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Write(t.Context(), true, []byte(`{"type":"server/error","payload":{"reason":"unsupported_suite"}}`)); err != nil {
		t.Fatal(err)
	}
	if reason, ok := IsRefused(<-ended); !ok || reason != wire.ErrorUnsupportedSuite {
		t.Errorf("%q %v", reason, ok)
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{min: time.Second, max: 10 * time.Second}
	for _, most := range []time.Duration{1, 2, 4, 8, 10, 10} {
		got := b.next()
		if got > most*time.Second || got < most*time.Second/2 {
			t.Errorf("pause %v, want %v to %v", got, most*time.Second/2, most*time.Second)
		}
	}
	b.reset()
	if got := b.next(); got > time.Second {
		t.Errorf("after reset %v", got)
	}
}

// listening is a client that servers connect to.
type listening struct {
	*recorder
	c    *Client
	addr string
}

func newListening(t *testing.T, change func(*Config)) *listening {
	t.Helper()
	l := &listening{recorder: newRecorder()}
	cfg := l.config("listener")
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.c, l.addr = c, ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Serve(ctx, ln); !errors.Is(err, context.Canceled) {
			t.Errorf("Serve ended with %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return l
}

// server connects a new server to the client.
func (l *listening) server(t *testing.T) (*sendspintest.Server, string) {
	t.Helper()
	key, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return l.serverWith(t, key), key.Public().ID()
}

func (l *listening) serverWith(t *testing.T, key *noise.PrivateKey) *sendspintest.Server {
	t.Helper()
	tr, err := channel.Dial(t.Context(), "ws://"+l.addr+"/sendspin", channel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := sendspintest.NewServer(t, tr, sendspintest.ServerOptions{Identity: key})
	srv.Greet()
	return srv
}

func wantGoodbye(t *testing.T, srv *sendspintest.Server, reason string) {
	t.Helper()
	for {
		switch m := srv.Next().(type) {
		case *wire.ClientGoodbye:
			if m.Reason != reason {
				t.Errorf("goodbye %s, want %s", m.Reason, reason)
			}
			return
		case *wire.ClientState:
		default:
			t.Fatalf("got %+v, want client/goodbye %s", m, reason)
		}
	}
}

func TestAdmissionOfSeveralServers(t *testing.T) {
	l := newListening(t, nil)
	playback := []string{"playback"}

	first, _ := l.server(t)
	first.Activate(playback, wire.RolePlayerV1)
	sendspintest.Expect[*wire.ClientState](first)
	waitFor[Activated](t, l.recorder)

	idle, _ := l.server(t) // lower: refused
	idle.Activate(nil)
	wantGoodbye(t, idle, wire.GoodbyeConcurrentAttempt)

	second, secondID := l.server(t) // equal: takes over
	second.Activate(playback, wire.RolePlayerV1)
	wantGoodbye(t, first, wire.GoodbyeAnotherServer)
	sendspintest.Expect[*wire.ClientState](second)
	if l.c.Stats().ServerID != secondID || l.c.Store().LastPlayback() != secondID {
		t.Error("the second server is not the admitted one")
	}

	provisional, _ := l.server(t) // connected, says nothing: disturbs nobody
	second.SendRaw([]byte(`{"type":"group/update","payload":{"playback_state":"playing","group_id":"g","group_name":""}}`))
	waitFor[GroupChanged](t, l.recorder)

	second.Activate([]string{}, wire.RolePlayerV1) // drops playback, stays admitted
	waitFor[Activated](t, l.recorder)
	provisional.Activate([]string{}, wire.RolePlayerV1) // both empty, and it is not the last-playback server
	wantGoodbye(t, provisional, wire.GoodbyeConcurrentAttempt)
	second.Activate([]string{}, wire.RolePlayerV1)
	waitFor[Activated](t, l.recorder)
}

func TestLastPlaybackServerReclaims(t *testing.T) {
	key, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := NewStore(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.setLastPlayback(key.Public().ID()); err != nil {
		t.Fatal(err)
	}
	l := newListening(t, func(c *Config) { c.Store = store })
	other, _ := l.server(t)
	other.Activate(nil)
	waitFor[Activated](t, l.recorder)
	last := l.serverWith(t, key)
	last.Activate(nil)
	wantGoodbye(t, other, wire.GoodbyeAnotherServer)
	waitFor[Activated](t, l.recorder)
}

func TestInadmissibleActivationDoesNotDisplace(t *testing.T) {
	l := newListening(t, func(c *Config) { c.UnpairedAccess = false })
	holder, id := l.server(t)
	holder.Activate(nil)
	waitFor[Activated](t, l.recorder)
	greedy, _ := l.server(t)
	greedy.Activate([]string{"playback"}, wire.RolePlayerV1)
	wantGoodbye(t, greedy, wire.GoodbyePairingRequired)
	if got := l.c.Stats().ServerID; got != id {
		t.Errorf("admitted server %q", got)
	}
}

func TestProvisionalConnectionsEnd(t *testing.T) {
	clock := clockwork.NewFakeClock()
	const limit = 20 * time.Second
	l := newListening(t, func(c *Config) { c.Clock, c.HandshakeTimeout = clock, limit })
	srv, _ := l.server(t) // the clock stands: the handshake may take its time
	e, passed := passUntil[Disconnected](t, l.recorder, clock, limit/2)
	if e.Err == nil || !strings.Contains(e.Err.Error(), "no server/activate in time") || passed < limit {
		t.Errorf("ended with %v after %v", e.Err, passed)
	}
	if err := srv.WaitClosed(); err == nil {
		t.Error("no error")
	}
}

func TestProvisionalConnectionsAreCapped(t *testing.T) {
	l := newListening(t, nil)
	for range maxProvisional {
		l.server(t)
	}
	tr, err := channel.Dial(t.Context(), "ws://"+l.addr+"/sendspin", channel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := sendspintest.NewServer(t, tr, sendspintest.ServerOptions{})
	wantGoodbye(t, srv, wire.GoodbyeConcurrentAttempt)
}

func TestServeAnswersOnlyItsPath(t *testing.T) {
	l := newListening(t, nil)
	if _, err := channel.Dial(t.Context(), "ws://"+l.addr+"/other", channel.Options{}); err == nil {
		t.Error("another path was upgraded")
	}
}

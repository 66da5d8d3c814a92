package management_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// fakeGateway upgrades every connection and sends back what it gets.
type fakeGateway struct {
	*httptest.Server
	seen chan *http.Request
	live atomic.Int32
}

func newFakeGateway(t *testing.T) *fakeGateway {
	g := &fakeGateway{seen: make(chan *http.Request, 100)}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.seen <- r
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		g.live.Add(1)
		defer g.live.Add(-1)
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, rw)
	}))
	t.Cleanup(g.Close)
	return g
}

// announce puts the gateway into the bucket of instances until the end of the test, as
// gateways do: who is silent for 15 s is not listed any more.
func (g *fakeGateway) announce(t *testing.T, w *world) {
	t.Helper()
	u, _ := url.Parse(g.URL)
	var port uint32
	if _, err := fmt.Sscan(u.Port(), &port); err != nil {
		t.Fatal(err)
	}
	b, err := bus.OpenBucket[pb.Instance](t.Context(), w.bus, subject.BucketInstances, bus.BucketOptions{TTL: 15 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	v := &pb.Instance{
		Service: "session-gateway", InstanceId: "g1", StartedAt: timestamppb.Now(), BootId: houseclock.BootID(),
		SendspinPort: port, SendspinPath: "/devices", Addresses: []string{"192.0.2.1"},
	}
	put := func(ctx context.Context) error {
		_, err := b.Put(ctx, subject.InstanceKey(v.GetService(), v.GetInstanceId()), v)
		return err
	}
	if err := put(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var beats sync.WaitGroup
	beats.Go(func() {
		tick := time.NewTicker(3 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = put(ctx) // the next one tries again
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); beats.Wait() })
}

// upgrade asks for /sendspin and returns the connection, or the refusal's status and body.
func (w *world) upgrade(header http.Header) (net.Conn, *bufio.Reader, int, string) {
	w.t.Helper()
	u, _ := url.Parse(w.url)
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", u.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "GET /sendspin HTTP/1.1\r\nHost: %s\r\n", u.Host)
	_ = header.Write(&b)
	if _, err := io.WriteString(conn, b.String()+"\r\n"); err != nil {
		w.t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, &http.Request{Method: "GET"})
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return conn, r, resp.StatusCode, ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return nil, nil, resp.StatusCode, string(body)
}

// asPage are the headers of a page of this server, whose reader is signed in.
func (w *world) asPage() http.Header {
	return http.Header{
		"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"x"},
		"Origin": {w.url}, "Authorization": {"Bearer " + adminToken}, "Cookie": {"a=secret"},
	}
}

func (w *world) speaker(g *fakeGateway) (net.Conn, *bufio.Reader) {
	w.t.Helper()
	var conn net.Conn
	var r *bufio.Reader
	eventually(w.t, func() error {
		c, br, status, body := w.upgrade(w.asPage())
		if c == nil {
			return fmt.Errorf("status %d: %s", status, body)
		}
		conn, r = c, br
		return nil
	})
	if _, err := io.WriteString(conn, "ping\n"); err != nil {
		w.t.Fatal(err)
	}
	if line, err := r.ReadString('\n'); err != nil || line != "ping\n" {
		w.t.Fatalf("got %q, %v", line, err)
	}
	return conn, r
}

func TestABrowserReachesAGateway(t *testing.T) {
	w := newWorld(t)
	g := newFakeGateway(t)
	g.announce(t, w)
	conn, _ := w.speaker(g)
	req := <-g.seen
	if req.URL.Path != "/devices" || req.Header.Get("Sec-Websocket-Key") != "x" {
		t.Errorf("the gateway was asked for %s with %v", req.URL.Path, req.Header)
	}
	for _, h := range []string{"Cookie", "Authorization", "Origin"} {
		if v := req.Header.Get(h); v != "" {
			t.Errorf("%s went on to the gateway: %q", h, v)
		}
	}
	conn.Close()
	eventually(t, func() error {
		if n := g.live.Load(); n != 0 {
			return fmt.Errorf("%d connections to the gateway are left", n)
		}
		return nil
	})
}

func TestNobodyElseReachesAGateway(t *testing.T) {
	w := newWorld(t)
	g := newFakeGateway(t)
	g.announce(t, w)
	w.speaker(g)
	for len(g.seen) > 0 {
		<-g.seen
	}
	for name, c := range map[string]struct {
		header, value string
		status        int
	}{
		"a foreign page":                   {"Origin", "https://evil.example", http.StatusForbidden},
		"a foreign page on this host":      {"Origin", "http://127.0.0.1:1", http.StatusForbidden},
		"a sandboxed page":                 {"Origin", "null", http.StatusForbidden},
		"no page":                          {"Origin", "", http.StatusForbidden},
		"a name that ends like this host":  {"Origin", strings.Replace(w.url, "//", "//evil.", 1), http.StatusForbidden},
		"a file":                           {"Origin", strings.Replace(w.url, "http:", "file:", 1), http.StatusForbidden},
		"nobody signed in":                 {"Authorization", "", http.StatusUnauthorized},
		"a wrong token":                    {"Authorization", "Bearer wrong", http.StatusUnauthorized},
		"no WebSocket":                     {"Upgrade", "h2c", http.StatusBadRequest},
		"a page that asks without upgrade": {"Connection", "keep-alive", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			h := w.asPage()
			h.Set(c.header, c.value)
			if c.value == "" {
				h.Del(c.header)
			}
			conn, _, status, body := w.upgrade(h)
			if conn != nil || status != c.status || !strings.Contains(body, `"detail"`) {
				t.Errorf("status %d, want %d: %s", status, c.status, body)
			}
		})
	}
	if len(g.seen) > 0 {
		t.Error("the gateway was asked")
	}
}

func TestASpeakerWithoutAGatewayIsRefused(t *testing.T) {
	w := newWorld(t)
	conn, _, status, body := w.upgrade(w.asPage())
	if conn != nil || status != http.StatusServiceUnavailable || !strings.Contains(body, "session-gateway") {
		t.Errorf("status %d: %s", status, body)
	}
}

func TestSpeakersEndWithTheService(t *testing.T) {
	w := newWorld(t)
	g := newFakeGateway(t)
	g.announce(t, w)
	_, r := w.speaker(g)
	begun := time.Now()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > limit/2 {
		t.Errorf("the service took %s to stop", took)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the connection lives on")
	}
}

// TestASpeakerNeedsARole: who is signed in and may see nothing is no speaker either; a role
// in one zone is enough, and when it is taken away the connection ends.
func TestASpeakerNeedsARole(t *testing.T) {
	z := newZones(t)
	g := newFakeGateway(t)
	g.announce(t, z.world)
	z.speaker(g)
	z.admin.do("POST", "/api/v1/users", map[string]any{"name": "Nora", "role": "none", "password": goodPassword}).want(http.StatusCreated)
	as := func(b *browser) http.Header {
		h := z.asPage()
		h.Del("Authorization")
		h.Set("Cookie", b.cookie)
		return h
	}
	nora := z.signIn("Nora", goodPassword)
	asked := len(g.seen)
	if conn, _, status, body := z.upgrade(as(nora)); conn != nil || status != http.StatusForbidden || !strings.Contains(body, "viewer") {
		t.Errorf("without a role: status %d: %s", status, body)
	}
	if len(g.seen) != asked {
		t.Error("the gateway was asked")
	}
	eventually(t, func() error { // a gateway that does not answer in time is passed over
		conn, _, status, body := z.upgrade(as(z.anna))
		if conn == nil && status != http.StatusServiceUnavailable {
			t.Fatalf("with a role in one zone: status %d: %s", status, body)
		}
		if conn == nil {
			return fmt.Errorf("with a role in one zone: status %d: %s", status, body)
		}
		return nil
	})
	z.admin.do("PATCH", "/api/v1/users/"+z.anna.session.User.UserID, `{"zones":[]}`).want(http.StatusOK)
	if conn, _, status, _ := z.upgrade(as(z.anna)); conn != nil || status != http.StatusForbidden {
		t.Errorf("after the role was taken away: status %d", status)
	}
}

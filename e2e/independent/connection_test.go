package independent

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// testGoodbye: every reason ends with the server's disconnect, before and after roles.
func testGoodbye(t *testing.T, s *harness.Server) {
	for _, reason := range []string{"another_server", "shutdown", "restart", "user_request", "unauthorized", "pairing_required", "concurrent_attempt", "unpaired"} {
		d := connect(t, s.Sendspin, options{})
		d.send("client/goodbye", obj{"reason": reason})
		d.awaitClosed("client/goodbye " + reason)
	}
	d := ready(t, s, options{})
	d.send("client/goodbye", obj{"reason": "user_request"})
	d.awaitClosed("client/goodbye")
	harness.Eventually(t, patience, "shown as disconnected", func() string {
		if c, _ := s.ClientNamed(t, d.o.name); c.Connected {
			return "connected"
		}
		return ""
	})
}

// listener is a device that waits for servers, as one that advertises
// _sendspin._tcp does.
type listener struct {
	url   string
	conns chan *ws
}

func listen(t testing.TB) *listener {
	l := &listener{conns: make(chan *ws, 16)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/odd/path" || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.Header.Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("the server asks for %s %s %v", r.Method, r.URL, r.Header)
			http.NotFound(w, r)
			return
		}
		c, err := acceptWS(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		l.conns <- c
	}))
	t.Cleanup(srv.Close)
	l.url = "ws" + strings.TrimPrefix(srv.URL, "http") + "/odd/path"
	return l
}

func (l *listener) next(t testing.TB) *ws {
	t.Helper()
	select {
	case w := <-l.conns:
		t.Cleanup(func() { _ = w.c.Close() })
		return w
	case <-time.After(patience):
		t.Fatal("the server does not dial")
		return nil
	}
}

// testDialled: a server that dials is the Noise initiator all the same; it comes
// back after a lost connection and after restart, and not after another_server.
func testDialled(t *testing.T, s *harness.Server, _ library) {
	l := listen(t)
	s.Must(t, "POST", "/api/v1/clients", obj{"url": l.url}, nil)
	o := options{}
	o.fill(t)
	meet := func() *device {
		d := secure(t, l.next(t), o)
		d.await("server/hello", 0, isType("server/hello"))
		d.send("client/hello", d.o.hello())
		d.await("server/activate", 0, isType("server/activate"))
		return d
	}
	d := meet()
	d.sync(2)
	d.approve(s)
	d.sync(4)
	d.state(true)
	var solo string
	harness.Eventually(t, patience, "it has a group", func() string {
		if c, _ := s.ClientNamed(t, o.name); c.GroupID != "" {
			solo = c.GroupID
			return ""
		}
		return "none yet"
	})
	play(t, s, solo, "long.flac")
	sane(t, "dialled", d.awaitAudio(1, 0.5))
	_ = d.w.c.Close() // lost

	d = meet()
	d.sync(2)
	d.send("client/goodbye", obj{"reason": "restart"})
	d.awaitClosed("restart")

	d = meet()
	d.sync(2)
	d.send("client/goodbye", obj{"reason": "another_server"})
	d.awaitClosed("another_server")
	select {
	case w := <-l.conns:
		_ = w.c.Close()
		t.Error("the server dials again after another_server")
	case <-time.After(3 * time.Second):
	}
}

// testHalfOpen: connections that never say anything keep nobody out: not the
// sessions that live, and no new one once they are gone.
func testHalfOpen(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{})
	u, err := url.Parse(s.Sendspin)
	check(t, err)
	var open []net.Conn
	for i := range 40 {
		c, err := net.Dial("tcp", u.Host)
		check(t, err)
		open = append(open, c)
		if i%2 == 0 {
			_, _ = c.Write([]byte("GET " + u.Path + " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"))
		}
	}
	d.sync(4)
	for _, c := range open {
		_ = c.Close()
	}
	harness.Eventually(t, patience, "a fresh device connects", func() string {
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = c.Close() }()
		_, _ = c.Write([]byte("GET " + u.Path + " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"))
		_ = c.SetReadDeadline(time.Now().Add(patience))
		b := make([]byte, 12)
		if _, err := c.Read(b); err != nil || string(b) != "HTTP/1.1 101" {
			return string(b)
		}
		return ""
	})
	connect(t, s.Sendspin, options{}).sync(1)
}

// testImpostors: whoever knows a client's id, which is public, but not its key
// can neither end its session nor keep it from coming back.
func testImpostors(t *testing.T, s *harness.Server, _ library) {
	d := ready(t, s, options{})
	play(t, s, group(t, s, "Impostors", d), "long.flac")
	d.awaitAudio(1, 0.2)
	for i := range 6 {
		w := dialWS(t, s.Sendspin)
		check(t, w.text(clientInit(d.id, suiteChaCha)))
		judgeJSON(t, w.mustText(t), "server/init")
		judgeJSON(t, w.mustText(t), "noise/handshake")
		if i%2 == 0 { // the others stay silent
			check(t, w.text(handshakeJSON(make([]byte, 50))))
			w.mustClose(t)
		}
	}
	mark := d.mark()
	d.sync(2)
	d.await("more audio", mark, isAudio)
	again := connect(t, s.Sendspin, d.o)
	again.sync(1)
	again.state(true)
	again.awaitAudio(1, 0.2)
}

// testManyAtOnce: of many connections of one client at the same time one lives.
func testManyAtOnce(t *testing.T, s *harness.Server, _ library) {
	o := options{}
	o.fill(t)
	devices := make(chan *device, 6)
	for range cap(devices) {
		go func() {
			d := handshake(t, s.Sendspin, o)
			d.send("client/hello", d.o.hello())
			devices <- d
		}()
	}
	var all []*device
	for range cap(devices) {
		all = append(all, <-devices)
	}
	harness.Eventually(t, patience, "one connection", func() string {
		alive := 0
		for _, d := range all {
			if d.closedNow() == nil {
				alive++
			}
		}
		if alive != 1 {
			return fmt.Sprint(alive, " are alive")
		}
		return ""
	})
	for _, d := range all {
		if d.closedNow() == nil {
			// It replaced the others before it was told anything: nothing may be asked until then.
			d.await("server/activate", 0, isType("server/activate"))
			d.sync(2)
			d.approve(s)
		}
	}
}

// testServerPings: the server looks after idle connections.
func testServerPings(t *testing.T, s *harness.Server, _ library) {
	d := connect(t, s.Sendspin, options{})
	harness.Eventually(t, 3*patience, "a ping of the server", func() string {
		if d.w.pings.Load() == 0 {
			return "none"
		}
		return ""
	})
	d.sync(1)
}

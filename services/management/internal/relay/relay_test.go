package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a relay between a fake gateway, which sends back what it gets, and a page.
type bench struct {
	t     *testing.T
	relay *Relay
	front *httptest.Server
	clock *clockwork.FakeClock
	err   chan error // answers of Authenticate after the first ones; empty: nil
	given chan error // what it answered of those
}

func newBench(t *testing.T, most int) *bench {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, rw)
	}))
	u, _ := url.Parse(gateway.URL)
	port, _ := strconv.Atoi(u.Port())
	streams, end := context.WithCancel(t.Context())
	b := &bench{t: t, clock: clockwork.NewFakeClock(), err: make(chan error, 10), given: make(chan error, 10)}
	b.relay = New(Config{
		Gateways: func() []readmodel.Gateway {
			return []readmodel.Gateway{{BootID: "b", Port: uint16(port), Path: "/x"}}
		},
		BootID: "b",
		Authenticate: func(*http.Request) error {
			select {
			case err := <-b.err:
				b.given <- err
				return err
			default:
				return nil
			}
		},
		Refuse: func(w http.ResponseWriter, err error) {
			w.WriteHeader(map[fault.Code]int{fault.Unavailable: 503, fault.Unauthorized: 401}[fault.CodeOf(err)])
		},
		Streams: streams, Clock: b.clock, Log: slog.New(slog.DiscardHandler), Max: most,
	})
	b.front = httptest.NewServer(b.relay)
	t.Cleanup(func() {
		end()
		b.relay.Wait()
		b.front.Close()
		gateway.Close()
	})
	return b
}

// open returns the status, and a connection when it is 101.
func (b *bench) open() (net.Conn, int) {
	b.t.Helper()
	u, _ := url.Parse(b.front.URL)
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+u.Host+"\r\nOrigin: "+b.front.URL+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	head := make([]byte, 12)
	if _, err := io.ReadFull(conn, head); err != nil {
		b.t.Fatal(err)
	}
	status, _ := strconv.Atoi(strings.Fields(string(head))[1])
	return conn, status
}

func TestConnectionsAreBounded(t *testing.T) {
	b := newBench(t, 2)
	first, _ := b.open()
	if _, status := b.open(); status != 101 {
		t.Fatalf("second: %d", status)
	}
	if _, status := b.open(); status != 503 {
		t.Fatalf("third: %d, want 503", status)
	}
	first.Close()
	for deadline := time.Now().Add(30 * time.Second); ; {
		if _, status := b.open(); status == 101 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a place that was left is not taken again")
		}
		time.Sleep(10 * time.Millisecond) // the pace of a poll: the end of a connection shows nowhere else
	}
}

func TestAConnectionEndsWithItsSession(t *testing.T) {
	b := newBench(t, 2)
	conn, status := b.open()
	if status != 101 {
		t.Fatal(status)
	}
	if err := b.clock.BlockUntilContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	b.err <- fault.New(fault.Unavailable, "the bus is away")
	b.clock.Advance(recheckEvery) // which is no reason
	if err := b.clock.BlockUntilContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.given:
	case <-time.After(30 * time.Second):
		t.Fatal("the session was not looked at again")
	}
	b.err <- fault.New(fault.Unauthorized, "signed out")
	b.clock.Advance(recheckEvery)
	rest, err := io.ReadAll(conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the connection lives on; it said %q", rest)
	}
}

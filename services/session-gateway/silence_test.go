package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/channel"
)

const waitsForHello = "waiting for client/hello"

// impatient makes a gateway give up after a second of silence in a handshake.
func impatient(c *Config, _ *Deps) { c.HandshakeTimeout = time.Second }

// mute secures the connection, says nothing more and reads until the server closes. It
// reports whether it came as far as server/hello: a slow machine may miss an earlier step's
// time.
func (d *device) mute(ctx context.Context, t channel.Transport) (greeted bool) {
	conn, err := channel.OpenClient(ctx, t, d.clientConfig())
	if err != nil {
		return false
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return greeted
		}
		greeted = true
	}
}

// A device that dials in, is secured and never says client/hello is closed. It is unknown, so
// that no line of the board is its own: the log and the figure by stage show where it stopped.
func TestASecuredDeviceThatDialsInAndNeverSaysHelloIsClosed(t *testing.T) {
	var log notes
	r := newRig(t, impatient, func(_ *Config, d *Deps) { d.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d := newDevice(r)
	for greeted := false; !greeted; {
		greeted = d.mute(ctx, rawDial(r))
		if ctx.Err() != nil {
			t.Fatal("a secured device that says nothing is not closed")
		}
	}
	eventually(t, func() string {
		n := testutil.ToFloat64(r.svc.m.HandshakeStops.WithLabelValues(waitsForHello))
		if said := log.line("handshake failed", waitsForHello, d.id()); n < 1 || said == "" {
			return fmt.Sprintf("%v handshakes stopped %s, the log says %q", n, waitsForHello, said)
		}
		return ""
	})
	if p := r.presence(d.id()); p != nil {
		t.Errorf("a stranger has a line of the board: %v", p)
	}
	eventually(t, func() string {
		if n := r.svc.gate.Open(); n != 0 {
			return fmt.Sprintf("%d places of handshakes are still taken", n)
		}
		return ""
	})
	r.stop()
}

// One that is dialled is closed, too, and the board says where it stopped.
func TestASecuredDeviceThatIsDialledAndNeverSaysHelloIsClosed(t *testing.T) {
	r := newRig(t)
	r.stop()
	r.start(dialling(t, r.bus, "gw-1"), impatient, func(_ *Config, d *Deps) { d.Registerer = nil })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d := newDevice(r)
	closed := make(chan struct{})
	once := sync.OnceFunc(func() { close(closed) })
	url := d.serve(func(t channel.Transport) {
		if d.mute(ctx, t) && ctx.Err() == nil {
			once()
		}
	})
	r.sight(&tuttiv1.Sighting{Key: "static/x", Url: url, Present: true})
	select {
	case <-closed:
	case <-ctx.Done():
		t.Fatal("a secured device that says nothing is not closed")
	}
	p := r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetStage() != waitsForHello || p.GetLastError() == "" {
			return p.String()
		}
		return ""
	})
	if p.GetConnected() || p.GetUrl() != url || !strings.Contains(p.GetLastError(), "deadline") {
		t.Errorf("presence: %v", p)
	}
	if n := testutil.ToFloat64(r.svc.m.HandshakeStops.WithLabelValues(waitsForHello)); n < 1 {
		t.Errorf("%v handshakes stopped %s", n, waitsForHello)
	}
	cancel()
}

// notes is a log that a test reads.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, string(p))
	return len(p), nil
}

// line is the first with all these words; "" when there is none.
func (n *notes) line(words ...string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
next:
	for _, l := range n.lines {
		for _, w := range words {
			if !strings.Contains(l, w) {
				continue next
			}
		}
		return l
	}
	return ""
}

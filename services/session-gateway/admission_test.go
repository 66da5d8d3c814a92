package gateway

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
)

// knock asks for a WebSocket as a device does, without one.
func (r *rig) knock() *http.Response {
	r.t.Helper()
	resp, err := http.Get("http" + r.url()[len("ws"):])
	if err != nil {
		r.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// A gateway that is full refuses who dials in, with a time to come back, and leaves
// sightings to others; nobody who is there is sent away.
func TestFullGatewaySaysSoAndSightingsGoElsewhere(t *testing.T) {
	small := func(c *Config, _ *Deps) { c.MaxSessions = 2 }
	s := newShards(t, 1, small)
	guests := []*device{newDevice(s.rig).join(s.gws[0]), newDevice(s.rig).join(s.gws[0])}
	resp := s.gws[0].knock()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a full gateway answers %s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
	if n := testutil.ToFloat64(s.gws[0].svc.m.Admission.WithLabelValues(metrics.AdmitFull)); n != 1 {
		t.Errorf("%v refusals counted, want 1", n)
	}
	eventually(t, func() string { // its own view; the others have it from the heartbeat
		if n := len(s.gws[0].svc.peers.members()); n != 0 {
			return "the full gateway takes sightings"
		}
		return ""
	})
	big := s.join()
	eventually(t, func() string {
		if m := big.svc.peers.members(); len(m) != 1 || m[0].ID != "gw-2" {
			return fmt.Sprintf("the other gateway counts on %v", m)
		}
		return ""
	})
	for d, id := range s.owners(s.fleet(8)) {
		if id != "gw-2" || d.openings() != 1 {
			t.Errorf("a device is on %s after %d dials", id, d.openings())
		}
	}
	for _, g := range guests {
		if err := g.ended(); err != nil {
			t.Errorf("a session of the full gateway ended: %v", err)
		}
	}
	// One leaves: there is room again, for devices that dial in and for its share.
	_ = guests[0].conn.CloseNow()
	s.knowEachOther()
	newDevice(s.rig).join(s.gws[0]).clean()
	guests[1].clean()
}

// When all are full nobody dials, and whoever has room first does.
func TestSightingsWaitForRoom(t *testing.T) {
	s := newShards(t, 1, func(c *Config, _ *Deps) { c.MaxSessions = 1 })
	first := newDevice(s.rig).join(s.gws[0])
	eventually(t, func() string {
		if len(s.gws[0].svc.peers.members()) != 0 {
			return "the full gateway takes sightings"
		}
		return ""
	})
	d := newDevice(s.rig)
	s.sight(&tuttiv1.Sighting{Key: "static/late", Url: d.listen(), Present: true, Appearances: 1})
	_ = first.conn.CloseNow()
	s.waitConnected(d, true)
	if n := d.openings(); n != 1 {
		t.Errorf("%d dials, want one when there was room", n)
	}
}

// Connections beyond the handshakes at once wait for their turn, and are served.
func TestInboundConnectionsWaitForTheirTurn(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) {
		c.MaxHalfOpen, c.MaxHalfOpenPerAddress = 2, 2
		c.HandshakeTimeout, c.QueueWait = patience, patience
	})
	idle := []channel.Transport{rawDial(r), rawDial(r)} // they hold both places
	d := newDevice(r)
	joined := make(chan error, 1)
	go func() { joined <- d.dialIn(r) }()
	eventually(t, func() string {
		if n := r.svc.queue.Waiting(); n != 1 {
			return fmt.Sprintf("%d connections wait", n)
		}
		return ""
	})
	_ = idle[0].CloseNow()
	if err := <-joined; err != nil {
		t.Fatalf("connect: %v", err)
	}
	waitType[*wire.ServerActivate](d, 1)
	if n := testutil.ToFloat64(r.svc.m.Admission.WithLabelValues(metrics.AdmitQueued)); n < 1 {
		t.Errorf("%v connections waited, want at least one", n)
	}
	_ = idle[1].CloseNow()
	d.clean()
}

func TestWaitingHasAnEnd(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) {
		c.MaxHalfOpen, c.MaxHalfOpenPerAddress = 1, 1
		c.QueueWait = 100 * time.Millisecond
	})
	idle := rawDial(r)
	resp := r.knock()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("after the wait: %s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
	if n := testutil.ToFloat64(r.svc.m.Admission.WithLabelValues(metrics.AdmitTimeout)); n != 1 {
		t.Errorf("%v counted, want 1", n)
	}
	_ = idle.CloseNow()
}

package gateway

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
)

// drain drains a gateway within a time that only a defect exceeds.
func (s *shards) drain(g *rig) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := g.svc.Drain(ctx); err != nil {
		s.t.Errorf("Drain: %v", err)
	}
}

// Every session is on the other gateway when Drain returns, each device was dialled once
// more and no more, and the sessions of the other gateway were left alone.
func TestDrainHandsSessionsOver(t *testing.T) {
	s := newShards(t, 2)
	devices := s.fleet(12)
	before := s.owners(devices)
	g := s.gws[0]
	s.drain(g)
	if n := g.svc.hub.Len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	if err := g.svc.Ready(); err == nil {
		t.Error("a gateway that drains is ready")
	}
	for d, id := range s.owners(devices) {
		want := 1
		if before[d] == "gw-1" {
			want = 2
		}
		if id != "gw-2" || d.openings() != want {
			t.Errorf("a device that was on %s is on %s, dialled %d times, want %d", before[d], id, d.openings(), want)
		}
		d.clean()
	}
	// Its part in the deployment is over, and it dials nobody.
	if n := g.svc.dialer.Len(); n != 0 {
		t.Errorf("%d sightings are dealt to it", n)
	}
	late := newDevice(s.rig)
	s.sight(&tuttiv1.Sighting{Key: "static/late", Url: late.listen(), Present: true, Appearances: 1})
	if p := s.waitConnected(late, true); p.GetGatewayId() != "gw-2" {
		t.Errorf("a new device is on %s", p.GetGatewayId())
	}
}

// Devices that dial in are sent away with a time to come back, and find the other one.
func TestDrainSendsThoseThatDialInAway(t *testing.T) {
	s := newShards(t, 2)
	d := newDevice(s.rig).join(s.gws[0])
	s.waitConnected(d, true)
	drained := make(chan struct{})
	go func() { defer close(drained); s.drain(s.gws[0]) }()
	d.waitEnd()
	resp := s.gws[0].knock()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the gateway that drains answers %s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
	if n := testutil.ToFloat64(s.gws[0].svc.m.Admission.WithLabelValues(metrics.AdmitDraining)); n != 1 {
		t.Errorf("%v refusals counted, want 1", n)
	}
	d.join(s.gws[1])
	select {
	case <-drained:
	case <-time.After(patience):
		t.Fatal("Drain does not return")
	}
	if p := s.waitConnected(d, true); p.GetGatewayId() != "gw-2" {
		t.Errorf("presence: %v", p)
	}
	d.clean()
}

func TestDrainWithoutAnotherGatewayEndsAtOnceAndEndsNoSession(t *testing.T) {
	s := newShards(t, 1)
	d := newDevice(s.rig).join(s.gws[0])
	s.drain(s.gws[0])
	s.drain(s.gws[0]) // twice is once
	if err := d.ended(); err != nil {
		t.Errorf("the session ended: %v", err)
	}
	d.clean()
}

func TestDrainHasAnEnd(t *testing.T) {
	s := newShards(t, 2)
	for range 3 {
		newDevice(s.rig).join(s.gws[0]) // they do not come back
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.gws[0].svc.Drain(ctx); err == nil {
		t.Error("no error, although sessions are left")
	}
}

// A player hears of its stream on the new gateway, with timestamps that lie ahead of
// what it has played and behind what it had buffered: the buffer bridges the hand-over.
func TestPlayerIsHandedOverWhileItPlays(t *testing.T) {
	s := newShards(t, 2)
	// Its lead is what the first chunk of the new session has to be sent in.
	d := newDevice(s.rig, func(d *device) { d.hello.Player.BufferCapacity, d.player.RequiredLeadMS = 1<<20, 1500 })
	s.sight(&tuttiv1.Sighting{Key: "static/player", Url: d.listen(), Present: true, Appearances: 1})
	first := s.waitConnected(d, true)
	begin := s.house.NowMicros() + 2_000_000 // it plays when it is handed over
	rec := s.recorder("g1", "r1", 1, begin)
	rec.write(250) // 25 s
	s.waitPlayer(d)
	s.mustCommand(d.id(), startCmd("g1", "r1", 1, begin))
	d.waitChunks(120) // 12 s: more than the hand-over takes

	held := d.lastChunk()
	from := s.house.NowMicros()
	drained := make(chan struct{})
	go func() { defer close(drained); s.drain(s.by(first.GetGatewayId())) }()
	// The stream service begins again as soon as the new session can play.
	s.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetSessionId() == first.GetSessionId() || !p.GetConnected() || p.GetPlayer() == nil {
			return "not on another gateway: " + p.String()
		}
		return ""
	})
	held = d.lastChunk()
	n := d.countChunks()
	s.mustCommand(d.id(), startCmd("g1", "r1", 1, s.house.NowMicros()))
	fresh := d.waitChunks(n + 1)[n]
	waitType[*wire.StreamStart](d, 2)
	<-drained
	if fresh.ts > held.ts+chunkUS {
		t.Errorf("the buffer ended at %d, the new stream begins at %d: %d µs of silence", held.ts+chunkUS, fresh.ts, fresh.ts-held.ts-chunkUS)
	}
	if fresh.lead <= 0 { // its own send_ahead: when this process got to read it says nothing
		t.Errorf("the first chunk after the hand-over was sent for %d, no later than that", fresh.ts)
	}
	t.Logf("from the order to drain to the first chunk of the new session: %d ms; %d ms of the buffer were left",
		(fresh.at-from)/1000, (held.ts+chunkUS-fresh.at)/1000)
	d.clean()
}

func (d *device) countChunks() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.chunks)
}

func (d *device) lastChunk() got {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.chunks) == 0 {
		d.t.Fatal(fmt.Errorf("no chunk was received"))
	}
	return d.chunks[len(d.chunks)-1]
}

// The pace of a drain finds what the others can take: with too many on their way at once
// each trip takes longer.
func TestThePaceOfADrainSettles(t *testing.T) {
	for _, tc := range []struct {
		name        string
		room        int // sessions at once that take 0.2 s; with more, each takes longer
		least, most int
	}{{"a small machine", 3, paceLeast, 12}, {"a large one", 200, paceMost, paceMost}} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPace()
			for range 500 {
				took := 200 * time.Millisecond * time.Duration(max(p.window, tc.room)) / time.Duration(tc.room)
				p.took(trip{took, true})
				p.took(trip{3 * time.Second, false})
			}
			if p.window < tc.least || p.window > tc.most {
				t.Errorf("%d at once, want %d to %d", p.window, tc.least, tc.most)
			}
		})
	}
}

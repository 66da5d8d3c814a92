package gateway

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// deaf is a transport whose device stops reading its socket when told to.
type deaf struct {
	channel.Transport
	stop atomic.Bool
}

func (d *deaf) Read(ctx context.Context) (bool, []byte, error) {
	if d.stop.Load() {
		<-ctx.Done()
		return false, nil, ctx.Err()
	}
	return d.Transport.Read(ctx)
}

// joinDeaf joins over a transport that can go deaf.
func (d *device) joinDeaf(r *rig) *deaf {
	d.t.Helper()
	w := &deaf{Transport: rawDial(r)}
	if err := d.open(w); err != nil {
		d.t.Fatal(err)
	}
	r.waitPlayer(d)
	return w
}

// TestClientThatStopsReadingIsClosedAlone: the write deadline ends it; its
// neighbour's chunks never lose their lead.
func TestClientThatStopsReadingIsClosedAlone(t *testing.T) {
	// A neighbour on a slow machine is held up for a second, too, and is well all the same.
	r := newRig(t, func(c *Config, _ *Deps) { c.WriteDeadline = 3 * time.Second })
	roomy := func(d *device) { d.hello.Player.BufferCapacity = 16 << 20 }
	well := r.ready(roomy)
	sick := newDevice(r, roomy)
	w := sick.joinDeaf(r)

	begin := r.house.NowMicros() + 15_000_000 // the commands may take long on a busy machine
	rec := r.recorder("g1", "big", 1, begin)
	rec.size = 60_000
	rec.write(80)
	r.mustCommand(sick.id(), startCmd("g1", "big", 1, begin))
	sick.waitChunks(1)
	w.stop.Store(true)
	r.mustCommand(well.id(), startCmd("g1", "big", 1, begin))

	p := r.waitPresence(sick.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetConnected() {
			return "the client that does not read is connected"
		}
		return ""
	})
	if want := "write_deadline"; p.GetLastError()[:len(want)] != want {
		t.Errorf("last_error %q", p.GetLastError())
	}
	if n := testutil.ToFloat64(r.svc.m.WriteStalls); n != 1 {
		t.Errorf("%v write stalls counted, want 1", n)
	}
	for i, c := range well.waitChunks(80) {
		if c.lead < 200_000 {
			t.Errorf("chunk %d left with %d µs to go: less than min_buffer", i, c.lead)
		}
	}
	q := r.waitPresence(well.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetStream().GetChunksSent() < 80 {
			return p.GetStream().String()
		}
		return ""
	})
	if s := q.GetStream(); s.GetChunksLate() != 0 || s.GetMinLeadMs() < 200 {
		t.Errorf("neighbour's figures: %v", s)
	}
	well.clean()
}

// TestSilentPeerIsFoundByPing: nothing is written, nothing is read, the ping ends it.
func TestSilentPeerIsFoundByPing(t *testing.T) {
	// The timeout is for both: the device that answers may be slow to do so.
	r := newRig(t, func(c *Config, _ *Deps) { c.PingInterval, c.PingTimeout = 100*time.Millisecond, 5*time.Second })
	d := r.ready()
	p := r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetRttUs() == 0 {
			return "no round trip"
		}
		return ""
	})
	if p.GetRttUs() > 5_000_000 {
		t.Errorf("round trip %d µs", p.GetRttUs())
	}
	sick := newDevice(r)
	w := sick.joinDeaf(r)
	w.stop.Store(true)
	sick.send(&wire.ClientTime{}) // its answer is the last thing it hears
	q := r.waitPresence(sick.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetConnected() {
			return "the silent client is connected"
		}
		return ""
	})
	if want := "ping_timeout"; len(q.GetLastError()) < len(want) || q.GetLastError()[:len(want)] != want {
		t.Errorf("last_error %q", q.GetLastError())
	}
	if p := r.presence(d.id()); !p.GetConnected() {
		t.Errorf("the answering client was closed: %v", p)
	}
}

// TestSessionsSurviveTheBus: the bus goes away in the middle of a stream; what is
// in memory plays on, and afterwards everything answers again.
func TestSessionsSurviveTheBus(t *testing.T) {
	srv := bustest.StartServer(t)
	r := newRigOn(t, bustest.Connect(t, srv))
	// It holds enough for a machine that stands still for a while.
	d := r.ready(func(d *device) { d.hello.Player.BufferCapacity = 30 * (chunkLen + wire.AudioHeaderLen) })
	// A player with room for everything shares the ring: when it has all chunks, the
	// ring has them.
	full := r.ready()
	begin := r.shortly()
	r.recorder("g1", "a", 1, begin).write(40)
	r.mustCommand(d.id(), startCmd("g1", "a", 1, begin))
	r.mustCommand(full.id(), startCmd("g1", "a", 1, begin))
	d.waitChunks(6)
	full.waitChunks(40)
	srv.Stop()
	chunks := d.waitChunks(40) // the player holds 30: the rest comes out of the ring
	d.settle(r)                // clock replies need no bus
	for i, c := range chunks {
		if c.ts != begin+int64(i)*chunkUS {
			t.Fatalf("chunk %d at %d", i, c.ts)
		}
	}
	srv.Start()
	eventually(t, func() string { // with what can be said twice, as an answer may be lost
		if err := r.command(d.id(), groupCmd("g1", wire.PlaybackStopped)); err != nil {
			return fmt.Sprintf("command after the outage: %v", err)
		}
		return ""
	})
	r.mustCommand(d.id(), endCmd("g1", 0))
	d.waitFor("stream/end", func(m wire.Message) bool { return m.Type() == wire.TypeStreamEnd })
	d.clean()
}

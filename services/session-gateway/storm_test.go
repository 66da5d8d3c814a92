package gateway

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
)

// A house comes back after a power cut: all its devices dial in at once. All are let in,
// with no more handshakes at once than there are places, and who plays meanwhile hears
// nothing of it.
func TestPowerCutOfAHouse(t *testing.T) {
	const house, places = 200, 16
	r := newRig(t, func(c *Config, _ *Deps) {
		c.MaxHalfOpen, c.MaxHalfOpenPerAddress = places, places
		c.QueueWait = patience
	})
	plays := r.ready(func(d *device) { d.hello.Player.BufferCapacity = 1 << 20 })
	begin := r.soon()
	rec := r.recorder("g1", "r1", 1, begin)
	rec.write(600) // a minute
	r.mustCommand(plays.id(), startCmd("g1", "r1", 1, begin))
	plays.waitChunks(1)

	devices := make([]*device, house)
	for i := range devices {
		devices[i] = newDevice(r)
	}
	most, watched := 0, make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(watched)
		for ctx.Err() == nil {
			most = max(most, r.svc.gate.Open())
			time.Sleep(100 * time.Microsecond)
		}
	}()
	began := time.Now()
	var wg sync.WaitGroup
	for _, d := range devices {
		wg.Go(func() {
			if err := d.dialIn(r); err != nil {
				t.Errorf("a device was not let in: %v", err)
			}
		})
	}
	wg.Wait()
	eventually(t, func() string {
		if n := r.svc.hub.Len(); n != house+1 {
			return fmt.Sprintf("%d sessions", n)
		}
		return ""
	})
	took := time.Since(began)
	cancel()
	<-watched
	if most > places {
		t.Errorf("%d handshakes at once, want %d at most", most, places)
	}
	if n := testutil.ToFloat64(r.svc.m.Admission.WithLabelValues(metrics.AdmitQueued)); n == 0 {
		t.Error("nobody waited: this was no storm")
	}
	for _, why := range []string{metrics.AdmitBusy, metrics.AdmitTimeout, metrics.AdmitFull} {
		if n := testutil.ToFloat64(r.svc.m.Admission.WithLabelValues(why)); n != 0 {
			t.Errorf("%v devices were refused: %s", n, why)
		}
	}
	least := int64(1) << 60
	for _, c := range plays.audioSoFar() {
		least = min(least, c.ts-c.at)
	}
	if least <= 0 {
		t.Errorf("a chunk came %d µs late while the house came back", -least)
	}
	plays.clean()
	t.Logf("%d devices were let in within %v, %d handshakes at once; the least lead of the player beside them was %d ms", house, took.Round(time.Millisecond), most, least/1000)
}

// The devices of a house that are dialled are all back after a power cut, each on one
// gateway, dialled once more.
func TestPowerCutOfDevicesThatAreDialled(t *testing.T) {
	s := newShards(t, 2)
	devices := s.fleet(60)
	s.owners(devices)
	before := map[*device]string{}
	for _, d := range devices {
		before[d] = s.presence(d.id()).GetSessionId()
	}
	for _, d := range devices {
		_ = d.conn.CloseNow()
	}
	for _, d := range devices {
		eventually(t, func() string {
			if p := s.presence(d.id()); !p.GetConnected() || p.GetSessionId() == before[d] {
				return "not back: " + p.String()
			}
			return ""
		})
		if n := d.openings(); n != 2 {
			t.Errorf("a device was dialled %d times, want twice", n)
		}
	}
	if n := len(s.gws[0].svc.handshakes) + len(s.gws[1].svc.handshakes); n != 0 {
		t.Errorf("%d places for handshakes are still taken", n)
	}
}

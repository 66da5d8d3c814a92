package gateway

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
)

// A house comes back after a power cut: all its devices dial in at once. All are let in,
// with no more handshakes at once than there are places, and who plays meanwhile hears
// nothing of it.
func TestPowerCutOfAHouse(t *testing.T) {
	const house, places = 500, 16
	r := newRig(t, func(c *Config, _ *Deps) {
		c.MaxHalfOpen, c.MaxHalfOpenPerAddress = places, places
		c.QueueWait, c.asking = 10*time.Minute, patience // a slow machine refuses nobody
	})
	plays := r.ready(func(d *device) { d.hello.Player.BufferCapacity = 100 * (chunkLen + wire.AudioHeaderLen) })
	begin := r.soon()
	rec := r.recorder("g1", "r1", 1, begin)
	rec.write(600) // a minute, of which the player holds ten seconds
	r.mustCommand(plays.id(), startCmd("g1", "r1", 1, begin))
	plays.waitChunks(90) // its buffer is as good as full when the storm begins

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
	began, had := time.Now(), len(plays.audioSoFar())
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
	chunks := plays.audioSoFar()
	for _, c := range chunks {
		least = min(least, c.ts-c.at)
	}
	if least <= 0 {
		t.Errorf("a chunk came %d µs late while the house came back", -least)
	}
	plays.clean()
	t.Logf("%d devices were let in within %v, %d handshakes at once; the player beside them got %d chunks meanwhile, its least lead was %d ms", house, took.Round(time.Millisecond), most, len(chunks)-had, least/1000)
}

// The devices of a house that are dialled are all back after a power cut, each on one
// gateway, dialled once more.
func TestPowerCutOfDevicesThatAreDialled(t *testing.T) {
	const house = 500
	s := newShards(t, 2)
	devices := s.fleet(house)
	before := map[*device]string{}
	s.allBack(devices, before)
	for _, d := range devices {
		p, _ := s.svc.board.Lookup(d.id())
		before[d] = p.SessionID
	}
	began := time.Now()
	for _, d := range devices {
		_ = d.conn.CloseNow()
	}
	s.allBack(devices, before)
	took := time.Since(began)
	var failed int
	// A session may be known before the dial that brought it about has given its places back.
	eventually(t, func() string {
		sessions, taken := 0, 0
		failed = 0
		for _, g := range s.gws {
			sessions += g.svc.hub.Len()
			taken += len(g.svc.handshakes) + len(g.svc.connecting)
			for _, why := range []string{metrics.ResultInit, metrics.ResultTimeout, metrics.ResultCredential, metrics.ResultFailed, metrics.ResultDuplicate, metrics.ResultDial} {
				failed += int(testutil.ToFloat64(g.svc.m.Handshakes.WithLabelValues(why)))
			}
		}
		again := -2 * house
		for _, d := range devices {
			again += d.openings()
		}
		switch {
		case sessions != house:
			return fmt.Sprintf("%d sessions of %d devices", sessions, house)
		case taken != 0:
			return fmt.Sprintf("%d places for connections and handshakes are still taken", taken)
		case again > failed: // a dial that fails, as on a starved machine, is tried again; nothing else is dialled more often
			return fmt.Sprintf("%d dials too many, of which gateways saw %d fail", again, failed)
		}
		return ""
	})
	for _, d := range devices {
		if d.openings() < 2 {
			t.Errorf("a device was dialled %d times", d.openings())
		}
	}
	t.Logf("%d devices were back within %v; %d dials failed", house, took.Round(time.Millisecond), failed)
}

// stuck is a device's end of a connection on which it hears the first message of an opening,
// and says no more.
type stuck struct {
	channel.Transport
	begun *atomic.Int64
}

func (s stuck) Read(ctx context.Context) (bool, []byte, error) {
	_, _, err := s.Transport.Read(ctx)
	if err == nil {
		s.begun.Add(1)
		<-ctx.Done()
		err = ctx.Err()
	}
	return false, nil, err
}

// No more handshakes with devices that are dialled run at once than there are places; one that
// is slow gives its place to the next after its turn, on the gateway's clock.
func TestDialledDevicesTakeTurnsWithTheirHandshakes(t *testing.T) {
	const house, places = 12, 4
	clock := newRunningClock(t)
	s := newShards(t, 1, func(c *Config, d *Deps) { c.handshakes, d.Clock = places, clock })
	t.Cleanup(clock.run)
	clock.stop()
	var there, begun atomic.Int64
	for i := range house {
		d := newDevice(s.rig)
		url := d.serve(func(c channel.Transport) {
			there.Add(1)
			_ = d.open(stuck{c, &begun})
		})
		s.sight(&tuttiv1.Sighting{Key: fmt.Sprintf("static/%d", i), Url: url, Present: true, Appearances: 1})
	}
	for turn := int64(1); turn <= house/places; turn++ {
		eventually(t, func() string {
			if there.Load() != house || begun.Load() < turn*places {
				return fmt.Sprintf("%d connections, %d handshakes begun in turn %d", there.Load(), begun.Load(), turn)
			}
			return ""
		})
		if n := begun.Load(); n != turn*places {
			t.Fatalf("%d handshakes are begun in turn %d, want %d: %d at once", n, turn, turn*places, places)
		}
		clock.Advance(handshakeTurn)
	}
}

// allBack waits until every device is connected, with another session than before; it is
// patient as long as some come back.
func (s *shards) allBack(devices []*device, before map[*device]string) {
	s.t.Helper()
	missing := len(devices)
	for last := time.Now(); missing > 0; time.Sleep(10 * time.Millisecond) {
		now := 0
		for _, d := range devices {
			if p, _ := s.svc.board.Lookup(d.id()); !p.Connected || p.SessionID == before[d] {
				now++
			}
		}
		if now < missing {
			last = time.Now()
		}
		if missing = now; time.Since(last) > patience {
			s.t.Fatalf("%d of %d devices do not come back", missing, len(devices))
		}
	}
}

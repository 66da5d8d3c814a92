package readmodel

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/actor"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/feed"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = time.Minute

func newProjection(t *testing.T) (*Projection, *clockwork.FakeClock) {
	t.Helper()
	clock, log := clockwork.NewFakeClock(), slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	sup := actor.NewSupervisor(ctx, actor.SupervisorOptions{Name: "test", Log: log, Clock: clock})
	t.Cleanup(func() { sup.Stop(); cancel() })
	p, err := New(sup, Options{Clock: clock, Log: log, Feed: feed.New(1024), Server: func(*Snapshot) model.Server { return model.Server{} }})
	if err != nil {
		t.Fatal(err)
	}
	return p, clock
}

func (p *Projection) tell(t *testing.T, ms ...message) {
	t.Helper()
	for _, m := range ms {
		if err := p.ref.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *Projection) load(t *testing.T) {
	t.Helper()
	for range bucketCount {
		p.tell(t, loadedMsg{})
	}
	select {
	case <-p.Ready():
	case <-time.After(limit):
		t.Fatal("not ready")
	}
}

// settled returns when the actor has taken all that it was told.
func (p *Projection) settled(t *testing.T) {
	t.Helper()
	done := make(chan struct{})
	p.tell(t, awaitMsg{ctx: t.Context(), cond: func(*Snapshot) bool { return true }, done: done})
	<-done
}

// until advances the clock until a fact shows.
func until(t *testing.T, clock *clockwork.FakeClock, step time.Duration, fact func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for err := fact(); err != nil; err = fact() {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %s: %v", limit, err)
		}
		clock.Advance(step)
		time.Sleep(time.Millisecond) // the pace of a poll, no synchronisation
	}
}

func TestNothingIsShownBeforeAllBucketsAreRead(t *testing.T) {
	p, _ := newProjection(t)
	p.tell(t, trustMsg{"c", &pb.TrustRecord{}}, loadedMsg{})
	p.tell(t, presenceMsg{"c", &pb.ClientPresence{Connected: true}})
	if n := len(p.Snapshot().Clients); n != 0 {
		t.Errorf("%d clients of half a picture", n)
	}
	p.load(t)
	if c := p.Snapshot().Client("c"); c == nil || !c.Connected {
		t.Errorf("client = %+v", c)
	}
	if b := p.o.Feed.Read(0); len(b.Events) != 0 {
		t.Errorf("the first load made %d events", len(b.Events))
	}
}

func TestAwaitShowsTheEffect(t *testing.T) {
	p, clock := newProjection(t)
	p.load(t)
	done := make(chan bool, 1)
	go func() {
		done <- p.Await(t.Context(), func(s *Snapshot) bool { return s.Client("c") != nil })
	}()
	p.tell(t, trustMsg{"c", &pb.TrustRecord{}})
	until(t, clock, flushDelay, func() error {
		select {
		case ok := <-done:
			if !ok {
				t.Error("Await = false")
			}
			return nil
		default:
			return fmt.Errorf("still waiting")
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p.Await(ctx, func(*Snapshot) bool { return false }) {
		t.Error("Await of what never comes = true")
	}
}

func TestManyTelemetryUpdatesMakeBoundedEvents(t *testing.T) {
	p, clock := newProjection(t)
	const clients = 3 * telemetryBatch
	put := func(ms int64) {
		for i := range clients {
			id := fmt.Sprintf("c%04d", i)
			p.tell(t, presenceMsg{id, &pb.ClientPresence{Connected: true, SupportedRoles: []string{"player@v1"}, Stream: &pb.StreamStatus{BufferedMs: ms}}})
		}
	}
	put(1)
	p.load(t)
	put(2)
	p.settled(t)
	clock.Advance(flushDelay)
	seen := map[string]int{}
	cursor := uint64(0)
	for len(seen) < clients {
		// The timer stands when the batch before is in the feed: each second has one.
		if err := clock.BlockUntilContext(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		clock.Advance(telemetryEvery)
		var b feed.Batch
		until(t, clock, 0, func() error {
			if b = p.o.Feed.Read(cursor); len(b.Events) == 0 {
				return fmt.Errorf("%d of %d clients were told of", len(seen), clients)
			}
			return nil
		})
		cursor = b.Cursor
		if len(b.Events) > telemetryBatch {
			t.Fatalf("%d events at once", len(b.Events))
		}
		for _, e := range b.Events {
			var c model.Client
			if err := json.Unmarshal(e.Body(), &c); err != nil {
				t.Fatal(err)
			}
			seen[c.ClientID]++
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was told %d times", id, n)
		}
	}
}

func TestACrashCostsOneMessage(t *testing.T) {
	p, clock := newProjection(t)
	p.tell(t, trustMsg{"c", &pb.TrustRecord{Label: "L"}})
	p.load(t)
	p.tell(t, awaitMsg{ctx: t.Context(), cond: func(*Snapshot) bool { panic("boom") }, done: make(chan struct{})})
	p.tell(t, presenceMsg{"c", &pb.ClientPresence{Connected: true}})
	until(t, clock, time.Second, func() error {
		if c := p.Snapshot().Client("c"); c == nil || !c.Connected || c.Label != "L" {
			return fmt.Errorf("client = %+v", c)
		}
		return nil
	})
}

func BenchmarkPresenceUpdate(b *testing.B) {
	s := newState()
	snap := &Snapshot{}
	const clients = 4000
	one := func(i int, ms int64) {
		s.putPresence(fmt.Sprintf("c%04d", i%clients), &pb.ClientPresence{Connected: true, SupportedRoles: []string{"player@v1"}, Stream: &pb.StreamStatus{BufferedMs: ms}})
	}
	for i := range clients {
		one(i, 0)
	}
	now := time.Unix(0, 0)
	snap, _ = s.flush(snap, now)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		one(i, int64(i))
		if i%80 == 0 { // 4,000 players at one report a second, flushed each 20 ms
			snap, _ = s.flush(snap, now)
		}
	}
}

package health

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

// fakeModel is a read model that a test writes.
type fakeModel struct {
	clock *clockwork.FakeClock
	ready chan struct{}

	mu        sync.Mutex
	snap      *readmodel.Snapshot
	published int
}

func (f *fakeModel) set(clients ...*model.Client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snap = &readmodel.Snapshot{Clients: clients, Groups: []*pb.Group{lobby("a")}}
}

func (f *fakeModel) Snapshot() *readmodel.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snap
}
func (f *fakeModel) Now() readmodel.Now     { return readmodel.Now{Wall: f.clock.Now()} }
func (f *fakeModel) Ready() <-chan struct{} { return f.ready }

func (f *fakeModel) Publish(_ context.Context, kind string, v any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := v.(*model.Health); ok && kind == readmodel.EventHealthUpdated {
		f.published++
	}
}

func (f *fakeModel) news() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.published
}

// tick moves the clock until the monitor has judged once more. It moves only while the
// monitor's timer stands: one that is busy would miss samples.
func tick(t *testing.T, f *fakeModel, m *Monitor) *Report {
	t.Helper()
	was := m.Report().At
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for m.Report().At.Equal(was) {
		if f.clock.BlockUntilContext(ctx, 1) != nil || ctx.Err() != nil {
			t.Fatal("it does not judge")
		}
		f.clock.Advance(FineStep / 4)
		time.Sleep(time.Millisecond) // the pace of a poll, no synchronisation
	}
	return m.Report()
}

func TestTheMonitorTellsNewsAlone(t *testing.T) {
	clock := clockwork.NewFakeClockAt(base)
	f := &fakeModel{clock: clock, ready: make(chan struct{})}
	f.set(speaker("a"))
	asked := make(chan struct{}, 100)
	sup := actor.NewSupervisor(t.Context(), actor.SupervisorOptions{Name: "test", Log: slog.New(slog.DiscardHandler), Clock: clock})
	t.Cleanup(sup.Stop)
	m, err := New(sup, Options{Model: f, Clock: clock, Local: time.UTC, Log: slog.New(slog.DiscardHandler),
		Library: func(context.Context) (*model.LibraryStatus, error) {
			asked <- struct{}{}
			return &model.LibraryStatus{State: "ready"}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if r := m.Report(); r.Clients == nil || r.Services == nil || r.Findings == nil || r.Series("a") != nil {
		t.Errorf("the first report is %+v", r.Health)
	}
	close(f.ready)
	r := tick(t, f, m)
	if len(r.Clients) != 1 || r.Clients[0].Quality != model.QualityGood || r.Series("a") == nil {
		t.Fatalf("report %+v", r.Health)
	}
	select {
	case <-asked:
	case <-time.After(30 * time.Second):
		t.Error("nobody asks about the library")
	}
	// Services are missing here, and that is found within a minute. Then all stays as it is.
	for range 12 {
		tick(t, f, m)
	}
	said := f.news()
	moving := speaker("a")
	moving.Player.BufferedMS, moving.Sync = 19_000, &model.Sync{RTTUS: 3000, LastTimeExchangeAt: clock.Now()}
	f.set(moving)
	for range 3 {
		r = tick(t, f, m)
	}
	if got := *r.Clients[0].BufferedMS; got != 19_000 {
		t.Errorf("buffer %d", got)
	}
	if f.news() != said {
		t.Error("numbers that move are told as news")
	}
	gone := speaker("a")
	gone.Connected = false
	f.set(gone)
	if r = tick(t, f, m); r.Clients[0].Quality != model.QualityOffline || r.Clients[0].BufferedMS != nil {
		t.Errorf("report %+v", r.Clients)
	}
	tick(t, f, m) // the report is published before its event
	if f.news() == said {
		t.Error("another quality is no news")
	}
}

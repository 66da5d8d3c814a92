package group

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
)

// oneRecord is a store with one group.
type oneRecord struct {
	mu  sync.Mutex
	rec *tuttiv1.Group
	rev uint64
}

func (s *oneRecord) Get(context.Context, string) (*tuttiv1.Group, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return proto.CloneOf(s.rec), s.rev, nil
}

func (s *oneRecord) Update(_ context.Context, _ string, g *tuttiv1.Group, rev uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rev != s.rev {
		return 0, fault.New(fault.Conflict, "written meanwhile")
	}
	s.rec, s.rev = proto.CloneOf(g), s.rev+1
	return s.rev, nil
}

func (s *oneRecord) Delete(context.Context, string) error { return nil }

type tenure uint64

func (t tenure) Fence() uint64 { return uint64(t) }
func (t tenure) Valid() bool   { return true }

// A group that is given away while it waits for its tapes, because their stream has no leader
// for the moment, leaves its record as it found it: whoever follows carries on from the tapes.
func TestAGroupThatIsGivenAwayBeforeItHasReadItsTapesKeepsItsPlace(t *testing.T) {
	rec := &tuttiv1.Group{GroupId: "g", Name: "Hall", PlaybackState: statePlaying, Epoch: 7,
		Queue:      []*tuttiv1.QueueItem{{Id: "i", Uri: "a.wav"}},
		Renditions: []*tuttiv1.Rendition{{RenditionId: "pcm", Format: &tuttiv1.AudioFormat{SampleRate: 48000, Channels: 2, BitDepth: 16}}},
		Timeline: &tuttiv1.Timeline{Epoch: 7, Segments: []*tuttiv1.TimelineSegment{{StartDen: 1, SampleRate: 48000, Channels: 2, BitDepth: 16,
			Marks: []*tuttiv1.TimelineMark{{ItemId: "i"}}}}}}
	store := &oneRecord{rec: proto.CloneOf(rec), rev: 1}
	reading, begun := make(chan struct{}), time.Now()
	d := Deps{InstanceID: "s", Store: store, House: realHouse{}, Clock: clockwork.NewFakeClock(), Log: slog.New(slog.DiscardHandler),
		Metrics: NewMetrics(prometheus.NewRegistry()), Hub: presence.NewHub(), Resume: true,
		LastChunk: func(ctx context.Context, _, _ string) ([]byte, error) {
			if end, ok := ctx.Deadline(); !ok || end.Sub(begun) < tapePatience {
				t.Errorf("the tapes are waited for until %v (%v), which an election of NATS may outlast", end, ok)
			}
			close(reading)
			<-ctx.Done()
			return nil, ctx.Err()
		}}
	g := New(d, "g", tenure(9), &mood{}, func() { t.Error("it is said to be ready") })(nil).(*Group)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-reading; cancel() }()
	if err := g.Start(ctx); err == nil {
		t.Error("it starts although it was given away")
	}
	closing, done := context.WithTimeout(context.Background(), time.Minute)
	defer done()
	g.Close(closing)
	want := proto.CloneOf(rec)
	want.Fence, want.InstanceId = 9, "s"
	if !proto.Equal(store.rec, want) {
		t.Errorf("the record was\n%v\nand is\n%v", want, store.rec)
	}
}

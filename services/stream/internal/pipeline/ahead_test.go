package pipeline

import (
	"fmt"
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/proto/tape"
)

// leastAhead is the gauge of the shortest tape, in seconds; ok is false when there is no
// such series.
func leastAhead(t *testing.T, r *prometheus.Registry) (s float64, ok bool) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Error(err)
	}
	for _, f := range families {
		if f.GetName() != "tutti_stream_tape_least_ahead_seconds" {
			continue
		}
		if m := f.GetMetric(); len(m) != 1 || len(m[0].GetLabel()) != 0 {
			t.Errorf("the gauge has %d series %v, want one without labels", len(m), m)
		}
		return f.GetMetric()[0].GetGauge().GetValue(), true
	}
	return 0, false
}

// gauges waits until the gauge says so many seconds, give or take a chunk; NaN: nothing.
func (b *bench) gauges(want float64) {
	b.t.Helper()
	b.until(func(map[string][]tape.Chunk, []Event) string {
		s, ok := leastAhead(b.t, b.reg)
		if ok == math.IsNaN(want) || ok && math.Abs(s-want) > 0.11 {
			return fmt.Sprintf("the shortest tape is %v s ahead (there: %v), want %v", s, ok, want)
		}
		return ""
	})
}

var nothing = math.NaN()

// TestLeastAheadIsThatOfNow: of the tape that ends first, and of the moment in which
// somebody asks, also while a pipeline hangs in the middle of a chunk.
func TestLeastAheadIsThatOfNow(t *testing.T) {
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: noise(44100*60, 1)}},
		Config{Renditions: formats("pcm:44100:16:2", "pcm:44100:24:2"), AheadMS: 10_000}, "a")
	b.started()
	if s, ok := leastAhead(t, b.reg); ok {
		t.Errorf("before the first sample sounds: %v s, want nothing", s)
	}
	b.house.set(50_500_000) // T0
	b.until(func(tapes map[string][]tape.Chunk, _ []Event) string {
		if c := tapes[rend44]; c[len(c)-1].TimestampUS < 58_000_000 {
			return "the ramp is not made yet"
		}
		return ""
	})
	b.house.set(55_000_000)
	b.gauges(10)
	told := make(chan float64, 1)
	b.whilePublishing(func() {
		b.house.set(60_000_000) // a bus that takes a chunk only after seconds
		s, _ := leastAhead(t, b.reg)
		told <- s
	})
	b.house.set(56_000_000)
	if s := <-told; s < 4.9 || s > 6 {
		t.Errorf("while a chunk is on its way for 4 s: %v s ahead, want 5 to 6", s)
	}
	b.gauges(10)
	b.stop()
	b.gauges(nothing)
}

// TestLeastAheadLeavesOutWhatIsShortByDesign: the end of the last title, and live sources.
func TestLeastAheadLeavesOutWhatIsShortByDesign(t *testing.T) {
	t.Run("end", func(t *testing.T) {
		b := start(t, map[string]*reel{"a": {rate: 44100, samples: noise(44100*3, 1)}},
			Config{Renditions: formats("pcm:44100:16:2"), AheadMS: 10_000}, "a")
		b.until(func(_ map[string][]tape.Chunk, events []Event) string {
			if len(find[NeedNext](events)) == 0 {
				return "it is not read to its end"
			}
			return ""
		})
		b.stop()
		// Half a second of it has sounded.
		if b.p.measure(51_000_000); b.p.reach.Load() != 0 {
			t.Errorf("the tape counts up to %d, although all that is to come is on it", b.p.reach.Load())
		}
		b.p.none.Store(false) // as long as a title may follow, it must come in time
		if b.p.measure(51_000_000); b.p.reach.Load() != 53_500_000 {
			t.Errorf("the tape counts up to %d, want %d", b.p.reach.Load(), 53_500_000)
		}
	})
	t.Run("live", func(t *testing.T) {
		l := &line{samples: noise(44100*2, 1), tokens: make(chan struct{}, 200)}
		b := l.start(t)
		l.play(b, 40, 7)
		b.house.set(50_500_000) // 200 ms after T0
		l.play(b, 20, 11)
		if s, ok := leastAhead(t, b.reg); ok {
			t.Errorf("of a live source: %v s, want nothing", s)
		}
	})
}

// TestLeastAheadIsOfAllGroups: of two that play, the one that is nearer to running dry.
func TestLeastAheadIsOfAllGroups(t *testing.T) {
	s := newShortest()
	r := prometheus.NewRegistry()
	r.MustRegister(s)
	h := &house{now: 1_000_000}
	var a, b, silent reach
	for _, x := range []*reach{&a, &b, &silent} {
		defer s.follow(x, h)()
	}
	if v, ok := leastAhead(t, r); ok {
		t.Errorf("nothing plays: %v", v)
	}
	a.Store(9_000_000)
	b.Store(3_500_000)
	if v, ok := leastAhead(t, r); !ok || v != 2.5 {
		t.Errorf("%v s, %v; want 2.5", v, ok)
	}
	h.set(4_000_000) // late is less than nothing
	if v, ok := leastAhead(t, r); !ok || v != -0.5 {
		t.Errorf("%v s, %v; want -0.5", v, ok)
	}
	b.Store(0)
	if v, ok := leastAhead(t, r); !ok || v != 5 {
		t.Errorf("%v s, %v; want 5", v, ok)
	}
}

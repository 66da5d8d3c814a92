package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/proto/tape"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a house clock that a test drives. The pipeline's timers run on the real
// clock, so that it looks again by itself.
type house struct {
	mu  sync.Mutex
	now int64
}

func (h *house) NowMicros() int64 { h.mu.Lock(); defer h.mu.Unlock(); return h.now }
func (h *house) set(us int64)     { h.mu.Lock(); defer h.mu.Unlock(); h.now = max(h.now, us) }

// reel is a source with given samples.
type reel struct {
	rate    int
	samples []int32
	at      int
	failAt  int           // frame of a decode error, 0 none
	block   chan struct{} // when set, Read waits for it after the first block
	panics  bool
	tags    source.Tags
	unknown bool // its length
	fixed   bool // cannot seek
	endless bool
}

func (r *reel) Info() source.Info {
	i := source.Info{SampleRate: r.rate, Channels: 2, BitDepth: 16, Frames: int64(len(r.samples) / 2), Seekable: !r.fixed, Tags: r.tags}
	if i.Tags.Title == "" {
		i.Tags.Title = "from the tags"
	}
	if r.unknown || r.endless {
		i.Frames = 0
	}
	return i
}

func (r *reel) Read(dst []int32) (int, error) {
	if r.panics {
		panic("broken")
	}
	if r.block != nil && r.at > 0 {
		<-r.block
	}
	if r.failAt > 0 && r.at >= 2*r.failAt {
		return 0, errors.New("crc mismatch")
	}
	if r.endless && r.at >= len(r.samples) {
		r.at = 0
	}
	if r.at >= len(r.samples) {
		return 0, io.EOF
	}
	n := copy(dst, r.samples[r.at:])
	r.at += n
	return n / 2, nil
}
func (r *reel) SeekFrame(f int64) error { r.at = int(min(2*f, int64(len(r.samples)))); return nil }
func (r *reel) Close() error            { return nil }

func noise(frames int, seed uint64) []int32 {
	rng := rand.New(rand.NewPCG(seed, 9))
	out := make([]int32, 2*frames)
	for i := range out {
		out[i] = int32(rng.IntN(65536) - 32768)
	}
	return out
}

// bench runs one pipeline and keeps what it says.
type bench struct {
	t     *testing.T
	house *house
	reg   *prometheus.Registry // of the pipeline's metrics
	p     *Pipeline
	stop  func()

	mu     sync.Mutex
	tapes  map[string][]tape.Chunk
	events []Event
	next   []playback.Item // successors, handed on NeedNext
	once   func()          // called while the next chunk is published
}

// whilePublishing calls f from the pipeline's own goroutine, with the next chunk.
func (b *bench) whilePublishing(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.once = f
}

func (b *bench) snapshot() (map[string][]tape.Chunk, []Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	tapes := map[string][]tape.Chunk{}
	for id, c := range b.tapes {
		tapes[id] = slices.Clone(c)
	}
	return tapes, slices.Clone(b.events)
}

func start(t *testing.T, library map[string]*reel, cfg Config, queue ...string) *bench {
	t.Helper()
	return startWith(t, func(_ context.Context, uri string) (source.Source, error) {
		r, ok := library[uri]
		if !ok {
			return nil, fmt.Errorf("%s: no such file", uri)
		}
		c := *r
		return &c, nil
	}, cfg, queue...)
}

type tapes = map[string][]tape.Chunk

func startWith(t *testing.T, open func(context.Context, string) (source.Source, error), cfg Config, queue ...string) *bench {
	t.Helper()
	b := &bench{t: t, house: &house{now: 50_000_000}, reg: prometheus.NewRegistry(), tapes: map[string][]tape.Chunk{}}
	cfg.House, cfg.Clock, cfg.Log = b.house, clockwork.NewRealClock(), slog.New(slog.DiscardHandler)
	cfg.Metrics = NewMetrics(b.reg)
	cfg.EpochID = 5
	if cfg.ChunkMS == 0 {
		cfg.ChunkMS = 100
	}
	if cfg.AheadMS == 0 {
		cfg.AheadMS = 30_000
	}
	if cfg.LeadUS == 0 {
		cfg.LeadUS = 500_000
	}
	cfg.Open = open
	cfg.Publish = func(_ context.Context, id string, data []byte) error {
		c, err := tape.Parse(data)
		if err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.tapes[id] = append(b.tapes[id], c)
		if b.once != nil {
			b.once()
			b.once = nil
		}
		return nil
	}
	cfg.Events = func(_ context.Context, e Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, e)
		if _, ok := e.(NeedNext); ok && len(b.next) > 0 {
			b.p.Hand(b.next[0])
			b.next = b.next[1:]
		} else if ok {
			b.p.None()
		}
	}
	for _, uri := range queue {
		b.next = append(b.next, playback.Item{ID: "id-" + uri, URI: uri})
	}
	if cfg.Resume == nil {
		cfg.First = Start{Item: b.next[0], MS: cfg.First.MS}
		b.next = b.next[1:]
	}
	b.p = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.p.Run(ctx) }()
	b.stop = func() { cancel(); <-done }
	t.Cleanup(b.stop)
	return b
}

// until polls for a fact, with the reason why it does not hold yet.
func (b *bench) until(what func(tapes map[string][]tape.Chunk, events []Event) string) {
	b.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		reason := what(b.snapshot())
		if reason == "" {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatal(reason)
		}
		time.Sleep(time.Millisecond)
	}
}

// started waits until three seconds are on the tape: a house clock that jumps before
// that makes the source look too slow.
func (b *bench) started() {
	b.t.Helper()
	b.until(func(tapes map[string][]tape.Chunk, _ []Event) string {
		if n := len(tapes[rend44]); n < 30 {
			return fmt.Sprintf("%d chunks on the tape", n)
		}
		return ""
	})
}

func find[E Event](events []Event) (out []E) {
	for _, e := range events {
		if e, ok := e.(E); ok {
			out = append(out, e)
		}
	}
	return out
}

func drained(_ map[string][]tape.Chunk, events []Event) string {
	if len(find[Drained](events)) == 0 {
		return fmt.Sprintf("not drained: %d events", len(events))
	}
	return ""
}

func formats(s ...string) (out []rendition.Spec) {
	for _, x := range s {
		f, err := pcm.ParseFormat(x)
		if err != nil {
			panic(err)
		}
		out = append(out, rendition.Spec{Format: f})
	}
	return out
}

// audio unpacks the pcm chunks and checks that they follow each other.
func audio(t *testing.T, chunks []tape.Chunk, rate int, t0 int64) (out []int32) {
	t.Helper()
	j := timeline.FrameAt(t0, chunks[0].TimestampUS, rate)
	for i, c := range chunks {
		if want := timeline.FrameTime(t0, j, rate); c.TimestampUS != want {
			t.Fatalf("chunk %d at %d, want %d: a gap of %d µs", i, c.TimestampUS, want, c.TimestampUS-want)
		}
		j += int64(c.Frames)
		out, _ = pcm.Unpack(out, c.Data, 16)
	}
	return out
}

const rend44 = "pcm-44100-2-16"

func TestTwoItemsToTheirEnd(t *testing.T) {
	a, c := noise(44100+7, 1), noise(22050, 2)
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: a}, "c": {rate: 44100, samples: c}},
		Config{Renditions: formats("pcm:44100:16:2", "flac:48000:24:2")}, "a", "c")
	b.until(func(_ map[string][]tape.Chunk, events []Event) string {
		if len(find[NeedNext](events)) < 2 {
			return "the items were not read"
		}
		return ""
	})
	if _, events := b.snapshot(); len(find[Drained](events)) != 0 {
		t.Error("drained long before the end")
	}
	b.house.set(50_600_000)
	b.until(drained)
	tapes, events := b.snapshot()
	t0 := find[Started](events)[0].T0
	if t0 != 50_000_000+500_000 {
		t.Errorf("T0 = %d", t0)
	}
	if got := audio(t, tapes[rend44], 44100, t0); !slices.Equal(got, slices.Concat(a, c)) {
		t.Errorf("the tape's %d samples are not the sources' %d", len(got), len(a)+len(c))
	}
	begun := find[Begun](events)
	if len(begun) != 2 || begun[0].StartUS != t0 || begun[1].StartUS != timeline.FrameTime(t0, 44107, 44100) {
		t.Errorf("begun: %+v", begun)
	}
	if begun[0].Item.Title != "from the tags" || begun[0].Item.DurationMS != 1000 {
		t.Errorf("item without tags: %+v", begun[0].Item)
	}
	if end := find[Drained](events)[0].EndUS; end != timeline.FrameTime(t0, 44107+22050, 44100) {
		t.Errorf("end at %d", end)
	}
	last := tapes["flac-48000-2-24"][len(tapes["flac-48000-2-24"])-1]
	if last.Flags&tape.FlagLast == 0 {
		t.Error("the last chunk is not flagged")
	}
}

func TestTapeIsPacedByTheHouseClock(t *testing.T) {
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: noise(44100*60, 1)}},
		Config{Renditions: formats("pcm:44100:16:2"), AheadMS: 10_000}, "a")
	ahead := func(us int64) {
		b.t.Helper()
		b.until(func(tapes map[string][]tape.Chunk, _ []Event) string {
			c := tapes[rend44]
			if len(c) == 0 {
				return "nothing on the tape"
			}
			if got := c[len(c)-1].TimestampUS; got != b.house.NowMicros()+us {
				return fmt.Sprintf("tape ends %d µs ahead, want %d", got-b.house.NowMicros(), us)
			}
			return ""
		})
	}
	ahead(4_400_000) // the ramp: 4 s, and the lead until T0
	b.house.set(50_100_000)
	ahead(5_100_000) // 4 s + 8 times 100 ms + 400 ms until T0, on the chunk grid
	b.house.set(52_000_000)
	ahead(9_900_000 + 0)
	b.house.set(55_000_000)
	ahead(9_900_000)
}

func TestSeekStartsAtTheFrame(t *testing.T) {
	a := noise(44100*2, 1)
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: a}}, Config{Renditions: formats("pcm:44100:16:2"), First: Start{MS: 1500}}, "a")
	b.until(drained)
	tapes, events := b.snapshot()
	if got := audio(t, tapes[rend44], 44100, find[Started](events)[0].T0); !slices.Equal(got, a[2*66150:]) {
		t.Errorf("%d samples are not the last half second", len(got))
	}
	if e := find[Begun](events)[0]; e.MediaMS != 1500 {
		t.Errorf("begun at %d ms", e.MediaMS)
	}
}

func TestBrokenItemsAreSkipped(t *testing.T) {
	good := noise(44100, 1)
	b := start(t, map[string]*reel{
		"panics": {rate: 44100, panics: true}, "empty": {rate: 44100}, "half": {rate: 44100, samples: noise(44100, 3), failAt: 4410},
		"good": {rate: 44100, samples: good}, "odd": {rate: 4000, samples: good},
	}, Config{Renditions: formats("pcm:44100:16:2")}, "missing", "panics", "empty", "odd", "half", "good")
	b.until(drained)
	tapes, events := b.snapshot()
	got := audio(t, tapes[rend44], 44100, find[Started](events)[0].T0)
	if !slices.Equal(got, slices.Concat(noise(44100, 3)[:2*4410], good)) {
		t.Errorf("%d samples are not the half title and the good one", len(got))
	}
	var names []string
	for _, f := range find[Failed](events) {
		names = append(names, fmt.Sprint(f.Item.URI, f.Partial))
	}
	if want := []string{"missingfalse", "panicsfalse", "emptyfalse", "oddfalse", "halftrue"}; !slices.Equal(names, want) {
		t.Errorf("failed: %v, want %v", names, want)
	}
}

func TestNothingPlayableDrainsAtOnce(t *testing.T) {
	b := start(t, nil, Config{Renditions: formats("pcm:44100:16:2")}, "missing")
	b.until(drained)
}

func TestStalledSourceGivesUp(t *testing.T) {
	gate := make(chan struct{})
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: noise(44100, 1), block: gate}}, Config{Renditions: formats("pcm:44100:16:2")}, "a")
	b.until(func(tapes map[string][]tape.Chunk, _ []Event) string {
		if len(tapes[rend44]) != 1 {
			return "the first block is not on the tape"
		}
		return ""
	})
	b.house.set(50_000_000 + 510_000)
	b.until(func(_ map[string][]tape.Chunk, events []Event) string {
		if s := find[Stalled](events); len(s) != 1 || s[0] != (Stalled{ItemID: "id-a", MS: 100}) {
			return fmt.Sprintf("stalled: %v", s)
		}
		return ""
	})
	close(gate)
}

func TestLateFormatsJoinAndLeave(t *testing.T) {
	a := noise(44100*60, 1)
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: a}}, Config{Renditions: formats("flac:44100:16:2"), AheadMS: 20_000}, "a")
	has := func(id string, beyond int64) {
		t.Helper()
		b.until(func(tapes map[string][]tape.Chunk, _ []Event) string {
			if c := tapes[id]; len(c) == 0 || c[len(c)-1].TimestampUS < beyond {
				return fmt.Sprintf("%s has %d chunks, none at %d", id, len(c), beyond)
			}
			return ""
		})
	}
	has("flac-44100-2-16", 54_000_000)
	b.house.set(53_210_000)
	has("flac-44100-2-16", 70_000_000)
	b.p.SetRenditions(formats("flac:44100:16:2", "pcm:44100:16:2"))
	has(rend44, 70_000_000)
	tapes, events := b.snapshot()
	t0 := find[Started](events)[0].T0
	first := tapes[rend44][0].TimestampUS
	if first > 53_210_000+100_000 || first < 53_210_000-100_000 {
		t.Errorf("the late rendition begins %d µs from now", first-53_210_000)
	}
	got := audio(t, tapes[rend44], 44100, t0)
	at := 2 * timeline.FrameAt(t0, first, 44100)
	if !slices.Equal(got, a[at:at+int64(len(got))]) {
		t.Error("the late rendition is not the source")
	}
	// It leaves and comes back: nothing is written twice, nothing is missing.
	b.p.SetRenditions(formats("flac:44100:16:2"))
	b.house.set(56_000_000)
	has("flac-44100-2-16", 75_000_000)
	b.p.SetRenditions(formats("flac:44100:16:2", "pcm:44100:16:2"))
	has(rend44, 75_000_000)
	tapes, _ = b.snapshot()
	audio(t, tapes[rend44], 44100, t0)
}

func TestHandWhileWaitingForTheEnd(t *testing.T) {
	a, c := noise(44100*5, 1), noise(44100, 2)
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: a}, "c": {rate: 44100, samples: c}}, Config{Renditions: formats("pcm:44100:16:2")}, "a")
	b.started()
	b.house.set(51_000_000)
	b.until(func(_ map[string][]tape.Chunk, events []Event) string {
		if len(find[NeedNext](events)) == 0 {
			return "no successor asked for"
		}
		return ""
	})
	b.p.Hand(playback.Item{ID: "id-c", URI: "c"})
	b.until(func(_ map[string][]tape.Chunk, events []Event) string {
		if len(find[NeedNext](events)) < 2 {
			return "the successor was not read"
		}
		return ""
	})
	b.house.set(55_000_000)
	b.until(drained)
	tapes, events := b.snapshot()
	if got := audio(t, tapes[rend44], 44100, find[Started](events)[0].T0); !slices.Equal(got, slices.Concat(a, c)) {
		t.Errorf("%d samples, want both titles without a gap", len(got))
	}
}

// TestResumeContinuesTheTape ends a pipeline in the middle and lets another one carry
// on from what the tapes and the checkpoint say.
func TestResumeContinuesTheTape(t *testing.T) {
	a, c := noise(44100*3, 1), noise(44100*60, 2)
	library := map[string]*reel{"a": {rate: 44100, samples: a}, "c": {rate: 44100, samples: c}}
	both := formats("pcm:44100:16:2", "pcm:48000:24:2")
	one := start(t, library, Config{Renditions: both, AheadMS: 10_000}, "a", "c")
	one.started()
	one.house.set(50_600_000)
	one.until(func(tapes map[string][]tape.Chunk, events []Event) string {
		if n := len(tapes[rend44]); n < 40 {
			return fmt.Sprintf("%d chunks", n)
		}
		return ""
	})
	one.stop()
	tapes, events := one.snapshot()
	checkpoint := find[Begun](events)[1]
	t0 := find[Started](events)[0].T0
	next := map[string]int64{}
	for id, chunks := range tapes {
		f := map[string]int{rend44: 44100, "pcm-48000-2-24": 48000}[id]
		// The last instance may have lost chunks of one tape.
		chunks = chunks[:len(chunks)-map[string]int{rend44: 0, "pcm-48000-2-24": 3}[id]]
		last := chunks[len(chunks)-1]
		next[id] = timeline.FrameAt(t0, last.TimestampUS, f) + int64(last.Frames)
		tapes[id] = chunks
	}
	epoch := timeline.Restore(5, t0, checkpoint.First, checkpoint.Segments)
	r, first, err := Plan(epoch, next, map[string]int{rend44: 44100, "pcm-48000-2-24": 48000})
	if err != nil {
		t.Fatal(err)
	}
	if first.ItemID != "id-c" {
		t.Fatalf("resumes in %s", first.ItemID)
	}
	two := start(t, library, Config{Renditions: both, AheadMS: 10_000, Resume: r,
		First: Start{Item: playback.Item{ID: "id-c", URI: "c"}, Frame: first.MediaFrame, Exact: true}})
	two.house.set(52_000_000)
	two.until(func(tapes map[string][]tape.Chunk, _ []Event) string {
		if len(tapes[rend44]) < 5 || len(tapes["pcm-48000-2-24"]) < 5 {
			return "not carried on"
		}
		return ""
	})
	two.stop()
	after, _ := two.snapshot()
	got := audio(t, append(tapes[rend44], after[rend44]...), 44100, t0)
	if want := slices.Concat(a, c)[:len(got)]; !slices.Equal(got, want) {
		t.Error("the tape is not the sources across the take-over")
	}
	audio(t, append(tapes["pcm-48000-2-24"], after["pcm-48000-2-24"]...), 48000, t0)
}

package visual

import (
	"encoding/binary"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tutti-audio/tutti/proto/tape"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/reel"
)

const t0 = 5_000_000_000

var allTypes = []string{wire.VisualBeat, wire.VisualLoudness, wire.VisualFPeak, wire.VisualPeak, wire.VisualSpectrum}

func asked(rate int, types ...string) *wire.VisualizerState {
	return &wire.VisualizerState{Types: types, RateMax: rate, Spectrum: &wire.Spectrum{Bins: 4, Scale: "mel", FMin: 40, FMax: 16_000}}
}

func tapeOf(epoch uint64) *tuttiv1.VisualStart {
	return &tuttiv1.VisualStart{RenditionId: "visual-4-mel-40-16000", Epoch: epoch, NotBeforeUs: t0, FrameRate: 60, Beats: true, Downbeats: true,
		Spectrum: &tuttiv1.SpectrumConfig{Bins: 4, Scale: "mel", FMin: 40, FMax: 16_000}}
}

// chunk is 100 ms of a tape: six periodic frames of each type, a beat and a peak.
func chunk(t testing.TB, epoch uint64, from int64, n int) *reel.Chunk {
	t.Helper()
	var data []byte
	for i := range 6 {
		k := uint32(6*n + i)
		offset := uint32(int64(k)*1_000_000/60 - int64(n)*100_000)
		for _, f := range []tape.VisualFrame{
			{Code: wire.IDLoudness, Index: k, Body: []byte{1, 2}}, {Code: wire.IDFPeak, Index: k, Body: []byte{1, 2, 3, 4}}, {Code: wire.IDSpectrum, Index: k, Body: make([]byte, 8)},
		} {
			f.OffsetUS = offset
			data = tape.AppendVisual(data, &f)
		}
		if i == 3 {
			data = tape.AppendVisual(data, &tape.VisualFrame{Code: wire.IDBeat, OffsetUS: offset, Body: []byte{1}})
			data = tape.AppendVisual(data, &tape.VisualFrame{Code: wire.IDPeak, OffsetUS: offset + 7, Body: []byte{200}})
		}
	}
	c, err := reel.Parse(tape.Append(nil, &tape.Chunk{Epoch: epoch, TimestampUS: from + int64(n)*100_000, DurationUS: 100_000, Data: data}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// take sends all that may go at now.
func take(l *Lane, now int64) (out []wire.VisualFrame, until int64) {
	for {
		m, until := l.Next(nil, now)
		if m == nil {
			return out, until
		}
		bins := (len(m) - 9) / 2
		f, err := wire.ParseVisual(m[0], m[1:], bins)
		if err != nil {
			panic(err)
		}
		out = append(out, f)
	}
}

func TestDerive(t *testing.T) {
	for rate, want := range map[int][2]int{1: {60, 1}, 7: {9, 7}, 8: {8, 8}, 10: {6, 10}, 25: {3, 20}, 30: {2, 30}, 59: {2, 30}, 60: {1, 60}, 1 << 40: {1, 60}} {
		c := Derive(asked(rate, wire.VisualLoudness), tapeOf(1))
		if int(c.Every) != want[0] || c.Stream.RateMax != want[1] {
			t.Errorf("rate_max %d: every %d, announced %d, want %v", rate, c.Every, c.Stream.RateMax, want)
		}
	}
	all := Derive(asked(60, allTypes...), tapeOf(1)).Stream
	if !slices.Equal(all.Types, allTypes) || all.TracksDownbeats == nil || !*all.TracksDownbeats || *all.Spectrum != *asked(1).Spectrum {
		t.Errorf("%+v", all)
	}
	plain := tapeOf(1)
	plain.Spectrum, plain.Beats = nil, false
	if c := Derive(asked(60, allTypes...), plain).Stream; !slices.Equal(c.Types, []string{"loudness", "f_peak", "peak"}) || c.TracksDownbeats != nil || c.Spectrum != nil {
		t.Errorf("a tape without spectrum and beats: %+v", c)
	}
	other := tapeOf(1)
	other.Spectrum.Bins = 5
	if c := Derive(asked(60, allTypes...), other).Stream; c.Spectrum != nil || slices.Contains(c.Types, "spectrum") {
		t.Errorf("another spectrum than was asked for: %+v", c)
	}
	if c := Derive(asked(60), tapeOf(1)).Stream; c.Types == nil || len(c.Types) != 0 || c.TracksDownbeats != nil {
		t.Errorf("nothing asked for: %+v", c)
	}
	if c := Derive(asked(60, "peak", "peak"), tapeOf(1)).Stream; len(c.Types) != 1 {
		t.Errorf("a type twice: %+v", c)
	}
}

func TestEveryNthFrameOfTheTypes(t *testing.T) {
	ring := reel.NewRing(reel.Limits{})
	for n := range 10 {
		ring.Append(chunk(t, 1, t0, n), t0-1_000_000)
	}
	l := New(1 << 20)
	l.Begin(Start{Config: Derive(asked(20, "loudness", "beat"), tapeOf(1)), Ring: ring, Epoch: 1, NotBefore: t0}, t0-500_000)
	got, _ := take(l, t0-500_000)
	loud, beats := 0, 0
	for _, f := range got {
		switch f.ID {
		case wire.IDLoudness:
			if f.Timestamp != t0+int64(loud)*50_000 || f.Value != 0x102 {
				t.Errorf("frame %d is %+v", loud, f)
			}
			loud++
		case wire.IDBeat:
			if !f.Downbeat {
				t.Error("the flag is lost")
			}
			beats++
		default:
			t.Errorf("%+v", f)
		}
	}
	if loud != 20 || beats != 10 {
		t.Errorf("%d frames of loudness and %d beats in a second, want 20 and 10", loud, beats)
	}
}

func TestDownbeatsThatAreNotTrackedAreNotTold(t *testing.T) {
	ring := reel.NewRing(reel.Limits{})
	ring.Append(chunk(t, 1, t0, 0), t0-1_000_000)
	tape := tapeOf(1)
	tape.Downbeats = false
	l := New(1 << 20)
	l.Begin(Start{Config: Derive(asked(60, "beat"), tape), Ring: ring, Epoch: 1}, t0-100_000)
	if got, _ := take(l, t0-100_000); len(got) != 1 || got[0].Downbeat {
		t.Errorf("%+v", got)
	}
}

func TestLateFramesAreDropped(t *testing.T) {
	ring := reel.NewRing(reel.Limits{PastUS: 10_000_000, Bytes: 1 << 20})
	for n := range 10 {
		ring.Append(chunk(t, 1, t0, n), t0)
	}
	l := New(1 << 20)
	l.Begin(Start{Config: Derive(asked(60, "loudness"), tapeOf(1)), Ring: ring, Epoch: 1, NotBefore: t0}, t0-100_000)
	got, _ := take(l, t0+480_000)
	if sent, dropped := l.Counts(); sent != 31 || dropped != 29 || got[0].Timestamp != t0+483_333 {
		t.Errorf("%d sent, %d dropped, the first at %d", sent, dropped, got[0].Timestamp-t0)
	}
	late := New(1 << 20) // who comes late has lost nothing
	late.Begin(Start{Config: Derive(asked(60, "loudness"), tapeOf(1)), Ring: ring, Epoch: 1, NotBefore: t0}, t0+480_000)
	got, _ = take(late, t0+480_000)
	if sent, dropped := late.Counts(); sent != 31 || dropped != 0 || got[0].Timestamp != t0+483_333 {
		t.Errorf("a late joiner: %d sent, %d dropped", sent, dropped)
	}
}

func TestFramesGoALeadAhead(t *testing.T) {
	ring := reel.NewRing(reel.Limits{})
	for n := range 50 {
		ring.Append(chunk(t, 1, t0, n), t0-1_000_000)
	}
	l := New(1 << 20)
	l.Begin(Start{Config: Derive(asked(60, "loudness"), tapeOf(1)), Ring: ring, Epoch: 1, NotBefore: t0}, t0)
	got, until := take(l, t0)
	if last := got[len(got)-1].Timestamp - t0; last < 1_450_000 || last > 1_500_000 {
		t.Errorf("%d µs ahead", last)
	}
	if until <= t0 || until > t0+150_000 {
		t.Errorf("looks again in %d µs", until-t0)
	}
	if again, _ := take(l, until); len(again) < 6 {
		t.Errorf("%d frames then", len(again))
	}
}

// TestSmallBufferIsKeptFull follows a display whose buffer holds a few frames.
func TestSmallBufferIsKeptFull(t *testing.T) {
	const capacity = 100 // 9 loudness frames
	ring := reel.NewRing(reel.Limits{})
	for n := range 50 {
		ring.Append(chunk(t, 1, t0, n), t0-1_000_000)
	}
	l := New(capacity)
	l.Begin(Start{Config: Derive(asked(60, "loudness"), tapeOf(1)), Ring: ring, Epoch: 1, NotBefore: t0}, t0-100_000)
	var all []wire.VisualFrame
	for now := int64(t0 - 100_000); now < t0+2_000_000; {
		got, until := take(l, now)
		all = append(all, got...)
		if until <= now {
			t.Fatalf("looks again %d µs after now", until-now)
		}
		now = until
	}
	for i, f := range all {
		if f.Timestamp != t0+int64(i)*1_000_000/60 {
			t.Fatalf("frame %d is at %d", i, f.Timestamp-t0)
		}
	}
	if _, dropped := l.Counts(); dropped != 0 || len(all) < 120 {
		t.Errorf("%d frames, %d dropped", len(all), dropped)
	}
	tiny := New(10)
	tiny.Begin(Start{Config: Derive(asked(60, "loudness", "peak"), tapeOf(1)), Ring: ring, Epoch: 1, NotBefore: t0}, t0)
	if got, _ := take(tiny, t0); len(got) != 1 || got[0].ID != wire.IDPeak {
		t.Errorf("a buffer of one peak gets %+v", got)
	}
}

func TestAnotherTapeInPlace(t *testing.T) {
	a, b := reel.NewRing(reel.Limits{}), reel.NewRing(reel.Limits{})
	for n := range 20 {
		a.Append(chunk(t, 1, t0, n), t0)
		b.Append(chunk(t, 1, t0, n), t0)
	}
	l := New(1 << 20)
	l.Begin(Start{Config: Derive(asked(60, "loudness"), tapeOf(1)), Ring: a, Epoch: 1, NotBefore: t0}, t0)
	first, _ := take(l, t0)
	l.Begin(Start{Config: Derive(asked(60, "loudness", "spectrum"), tapeOf(1)), Ring: b, Epoch: 1, NotBefore: t0}, t0)
	second, _ := take(l, t0+500_000)
	last := first[len(first)-1].Timestamp
	for _, f := range second {
		if f.Timestamp < last || f.Timestamp == last && f.ID == wire.IDLoudness {
			t.Fatalf("%+v after %d", f, last)
		}
		last = f.Timestamp
	}
	if len(second) < 30 {
		t.Errorf("%d frames of the second tape", len(second))
	}
}

func TestBrokenTape(t *testing.T) {
	ring := reel.NewRing(reel.Limits{})
	data := tape.AppendVisual(nil, &tape.VisualFrame{Code: 21, Body: []byte{1}})
	data = tape.AppendVisual(data, &tape.VisualFrame{Code: wire.IDLoudness, Body: []byte{1}})
	data = tape.AppendVisual(data, &tape.VisualFrame{Code: wire.IDPeak, OffsetUS: 5, Body: []byte{9}})
	c, err := reel.Parse(tape.Append(nil, &tape.Chunk{Epoch: 1, TimestampUS: t0, DurationUS: 100_000, Data: append(data, 16, 0)}))
	if err != nil {
		t.Fatal(err)
	}
	ring.Append(c, t0)
	l := New(1 << 20)
	l.Begin(Start{Config: Derive(asked(60, allTypes...), tapeOf(1)), Ring: ring, Epoch: 1}, t0-10_000)
	if got, _ := take(l, t0-10_000); len(got) != 1 || got[0].ID != wire.IDPeak {
		t.Errorf("%+v", got)
	}
}

// display is a visualizer that holds its server to the specification, on the server's own
// clock.
type display struct {
	t        *rapid.T
	capacity int
	active   bool
	config   wire.VisualizerStream
	last     int64
	held     []held
	byType   map[byte][]int64
}

func (d *display) clear() { d.last, d.held, d.byType = 0, nil, map[byte][]int64{} }

func (d *display) start(c wire.VisualizerStream) {
	if !d.active {
		d.clear()
	}
	d.active, d.config, d.byType = true, c, map[byte][]int64{}
}

func (d *display) take(m []byte, now int64) {
	if !d.active {
		d.t.Fatal("a frame outside of a stream")
	}
	bins := 0
	if d.config.Spectrum != nil {
		bins = d.config.Spectrum.Bins
	}
	if _, err := wire.ParseVisual(m[0], m[1:], bins); err != nil {
		d.t.Fatal(err)
	}
	name := map[byte]string{16: "loudness", 17: "beat", 18: "f_peak", 19: "spectrum", 20: "peak"}[m[0]]
	if !slices.Contains(d.config.Types, name) {
		d.t.Fatalf("type %s is not announced", name)
	}
	ts := int64(binary.BigEndian.Uint64(m[1:]))
	if ts < d.last {
		d.t.Fatal("time goes back")
	}
	if d.last = ts; ts <= now {
		d.t.Fatal("a stale frame")
	}
	size := len(m)
	for _, h := range d.held {
		if h.at > now {
			size += h.size
		}
	}
	if size > d.capacity {
		d.t.Fatalf("%d bytes outstanding, buffer_capacity %d", size, d.capacity)
	}
	d.held = append(d.held, held{ts, len(m)})
	if name == "beat" || name == "peak" {
		return
	}
	d.byType[m[0]] = append(d.byType[m[0]], ts)
	if n := len(d.byType[m[0]]); n > d.config.RateMax && ts-d.byType[m[0]][n-1-d.config.RateMax] < 1_000_000-2 {
		d.t.Fatalf("more than %d frames of %s a second", d.config.RateMax, name)
	}
}

// TestNoRuleIsBroken does what sessions, groups and clients may do, in any order.
func TestNoRuleIsBroken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.SampledFrom([]int{0, 9, 17, 60, 400, 5000, 1 << 20}).Draw(t, "capacity")
		l, d := New(capacity), &display{t: t, capacity: capacity}
		d.clear()
		now, epoch, base := int64(t0), uint64(1), int64(t0)
		rings := []*reel.Ring{reel.NewRing(reel.Limits{}), reel.NewRing(reel.Limits{})}
		written := []int{0, 0}
		which := 0
		begin := func(t *rapid.T) {
			n := rapid.IntRange(0, 5).Draw(t, "types")
			state := asked(rapid.IntRange(1, 90).Draw(t, "rate"), rapid.Permutation(allTypes).Draw(t, "order")[:n]...)
			c := Derive(state, tapeOf(epoch))
			if !l.Active() || !l.Config().Same(c) {
				d.start(c.Stream)
			}
			which = rapid.IntRange(0, 1).Draw(t, "tape")
			l.Begin(Start{Config: c, Ring: rings[which], Epoch: epoch, NotBefore: base}, now)
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": begin,
			"time":  func(t *rapid.T) { now += rapid.Int64Range(0, 400_000).Draw(t, "µs") },
			"tape": func(t *rapid.T) {
				i := rapid.IntRange(0, 1).Draw(t, "ring")
				for range rapid.IntRange(1, 20).Draw(t, "chunks") {
					rings[i].Append(chunk(&testing.T{}, epoch, base, written[i]), now)
					written[i]++
				}
				if rapid.Bool().Draw(t, "another instance repeats") {
					written[i] = max(written[i]-3, 0)
				}
			},
			"send": func(t *rapid.T) {
				for {
					m, until := l.Next(nil, now)
					if m == nil {
						if until != 0 && until <= now {
							t.Fatalf("look again %d µs ago", now-until)
						}
						return
					}
					d.take(m, now)
				}
			},
			"jump": func(t *rapid.T) {
				epoch, base, written = epoch+1, now+rapid.Int64Range(0, 2_000_000).Draw(t, "lead"), []int{0, 0}
				if l.Active() {
					l.Clear()
					d.clear()
					begin(t)
				}
			},
			"end": func(*rapid.T) {
				l.End()
				d.clear()
				d.active = false
			},
		})
	})
}

func TestEndedLaneIsEmpty(t *testing.T) {
	l := New(5)
	l.Begin(Start{Config: Config{Every: 1}, Ring: reel.NewRing(reel.Limits{}), Epoch: 1}, 0)
	l.End()
	if l.Active() || !reflect.DeepEqual(l.Config(), Config{}) {
		t.Errorf("%+v", l)
	}
	if m, until := l.Next(nil, 1); m != nil || until != 0 {
		t.Errorf("%v, %d", m, until)
	}
}

func BenchmarkNext(b *testing.B) {
	ring := reel.NewRing(reel.Limits{PastUS: 1 << 60, Bytes: 1 << 30})
	for n := range 600 {
		ring.Append(chunk(b, 1, t0, n), t0)
	}
	l, buf, now := New(1<<20), []byte(nil), int64(t0)
	l.Begin(Start{Config: Derive(asked(60, allTypes...), tapeOf(1)), Ring: ring, Epoch: 1}, now)
	b.ReportAllocs()
	for range b.N {
		m, _ := l.Next(buf[:0], now)
		if m == nil {
			now += 50_000
			if now > t0+58_000_000 {
				now = t0
				l.End()
				l.Begin(Start{Config: Derive(asked(60, allTypes...), tapeOf(1)), Ring: ring, Epoch: 1}, now)
			}
			continue
		}
		buf = m
	}
}

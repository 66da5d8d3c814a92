package pipeline

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/audio/analysis"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/proto/tape"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

var mel8 = &analysis.Spectrum{Bins: 8, Scale: analysis.ScaleMel, FMin: 40, FMax: 16_000}

const mel8ID = "visual-8-mel-40-16000"

// ticks is seconds of stereo with a click every half second from 0.25 s on.
func ticks(rate int, seconds float64) []int32 {
	out := make([]int32, 2*int(seconds*float64(rate)))
	for at := rate / 4; at < len(out)/2; at += rate / 2 {
		for i := range min(rate/200, len(out)/2-at) {
			out[2*(at+i)] = int32(20_000 - i%40*1000)
			out[2*(at+i)+1] = out[2*(at+i)]
		}
	}
	return out
}

// frame is a frame of a visual tape.
type frame struct {
	code  uint8
	us    int64 // after T0
	index uint32
	body  []byte
}

// visuals reads a visual tape and checks its order.
func visuals(t *testing.T, chunks []tape.Chunk, t0 int64) (out []frame) {
	t.Helper()
	last := int64(-1)
	for i, c := range chunks {
		if c.Epoch != 5 || c.DurationUS != chunks[0].DurationUS || (c.TimestampUS-t0)%int64(c.DurationUS) != 0 {
			t.Fatalf("chunk %d: %+v", i, c)
		}
		for rest := c.Data; len(rest) > 0; {
			var f tape.VisualFrame
			var err error
			if f, rest, err = tape.NextVisual(rest); err != nil {
				t.Fatal(err)
			}
			us := c.TimestampUS + int64(f.OffsetUS) - t0
			if us < last || f.OffsetUS >= c.DurationUS {
				t.Fatalf("chunk %d: a frame at %d µs after one at %d", i, us, last)
			}
			last = us
			out = append(out, frame{f.Code, us, f.Index, f.Body})
		}
	}
	return out
}

func only(frames []frame, code uint8) []frame {
	return slices.DeleteFunc(slices.Clone(frames), func(f frame) bool { return f.code != code })
}

// wantGrid checks that periodic frames of a code have every number from..to-1, each at
// its place.
func wantGrid(t *testing.T, frames []frame, code uint8, from, to int) {
	t.Helper()
	got := only(frames, code)
	if len(got) != to-from {
		t.Errorf("code %d: %d frames, want numbers %d to %d", code, len(got), from, to-1)
	}
	for i, f := range got {
		if k := int64(from + i); int64(f.index) != k || f.us != k*1_000_000/60 {
			t.Fatalf("code %d: frame %d is number %d at %d µs", code, k, f.index, f.us)
		}
	}
}

// play moves the house clock on to end, in steps, as the tapes follow.
func (b *bench) play(t0, end int64, tapes ...string) {
	b.t.Helper()
	for now := t0; now < end; now += 200_000 {
		b.house.set(now)
		b.until(func(all map[string][]tape.Chunk, _ []Event) string {
			for _, id := range tapes {
				c := all[id]
				if len(c) == 0 || c[len(c)-1].TimestampUS < min(now+500_000, end-100_000) && c[len(c)-1].Flags&tape.FlagLast == 0 {
					return fmt.Sprintf("at %d ms: tape %s has %d chunks", (now-t0)/1000, id, len(c))
				}
			}
			return ""
		})
	}
}

// value is a gauge or counter of the bench's metrics.
func (b *bench) value(name string) float64 {
	families, _ := b.p.cfg.Metrics.registry(b.t).Gather()
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return -1
}

// registry gathers the analysis' metrics anew.
func (m *Metrics) registry(t *testing.T) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(m.analysers, m.heard)
	return r
}

func TestVisualTapesOfOneAnalysis(t *testing.T) {
	const seconds = 9
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: ticks(44100, seconds)}},
		Config{Renditions: formats("pcm:44100:16:2"), Visual: []Visual{{ID: "visual"}, {ID: mel8ID, Spectrum: mel8}}}, "a")
	b.started()
	t0 := int64(50_500_000)
	b.play(t0, t0+seconds*timeline.Micro, "visual", mel8ID)
	all, _ := b.snapshot()
	plain, full := visuals(t, all["visual"], t0), visuals(t, all[mel8ID], t0)
	for _, code := range []uint8{16, 18} {
		wantGrid(t, plain, code, 0, 60*seconds)
		wantGrid(t, full, code, 0, 60*seconds)
	}
	wantGrid(t, full, 19, 0, 60*seconds)
	if len(only(plain, 19)) > 0 || len(only(full, 19)[0].body) != 16 {
		t.Error("the spectra are not where they belong")
	}
	clicks := only(full, 20)
	if len(clicks) != 2*seconds {
		t.Errorf("%d peaks, want %d", len(clicks), 2*seconds)
	}
	for i, f := range clicks { // to the millisecond
		if d := f.us - int64(250_000+500_000*i); d < -1000 || d > 1000 {
			t.Errorf("peak %d is %d µs off", i, d)
		}
	}
	for i, f := range only(full, 17) {
		if d := f.us % 500_000; d < 230_000 || d > 270_000 || f.body[0] > 1 {
			t.Errorf("beat %d is at %d µs, flags %d", i, f.us, f.body[0])
		}
	}
	if n := len(only(full, 17)); n < 2*seconds-3 {
		t.Errorf("%d beats", n)
	}
	if last := all[mel8ID][len(all[mel8ID])-1]; last.Flags&tape.FlagLast == 0 {
		t.Error("the last chunk is not marked")
	}
	if n, s := b.value("tutti_stream_analysers"), b.value("tutti_stream_analysed_seconds_total"); n != 1 || s < seconds-0.01 || s > seconds+0.01 {
		t.Errorf("%v analyses heard %v s of %d", n, s, seconds)
	}
}

// TestVisualGridOverRates joins items of two rates: the grid and the places of the peaks
// go on.
func TestVisualGridOverRates(t *testing.T) {
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: ticks(44100, 4)}, "c": {rate: 48000, samples: ticks(48000, 4)}},
		Config{Renditions: formats("pcm:44100:16:2"), Visual: []Visual{{ID: "visual"}}}, "a", "c")
	b.started()
	t0 := int64(50_500_000)
	b.play(t0, t0+8*timeline.Micro, "visual")
	all, _ := b.snapshot()
	frames := visuals(t, all["visual"], t0)
	wantGrid(t, frames, 16, 0, 8*60)
	for i, f := range only(frames, 20) {
		if d := f.us - int64(250_000+500_000*i); d < -1000 || d > 1000 {
			t.Errorf("peak %d is %d µs off", i, d)
		}
	}
}

// TestVisualTapeWantedLate begins in the middle, changes its spectrum and comes back: no
// frame comes twice on a tape, and none is missing while it is wanted.
func TestVisualTapeWantedLate(t *testing.T) {
	b := start(t, map[string]*reel{"a": {rate: 48000, samples: ticks(48000, 20)}}, Config{Renditions: formats("pcm:44100:16:2")}, "a")
	b.started()
	t0 := int64(50_500_000)
	for now := t0; now < t0+4*timeline.Micro; now += 200_000 {
		b.house.set(now)
		b.until(func(all map[string][]tape.Chunk, _ []Event) string {
			if c := all[rend44]; c[len(c)-1].TimestampUS < now+timeline.Micro {
				return "the audio tape is behind"
			}
			return ""
		})
	}
	if n := b.value("tutti_stream_analysers"); n != 0 {
		t.Errorf("%v analyses, nobody looks", n)
	}
	b.p.SetVisual([]Visual{{ID: "visual"}})
	b.play(t0+4*timeline.Micro, t0+8*timeline.Micro, "visual")
	b.p.SetVisual([]Visual{{ID: "visual"}, {ID: mel8ID, Spectrum: mel8}})
	b.play(t0+8*timeline.Micro, t0+12*timeline.Micro, "visual", mel8ID)
	b.p.SetVisual([]Visual{{ID: mel8ID, Spectrum: mel8}})
	b.play(t0+12*timeline.Micro, t0+14*timeline.Micro, mel8ID)
	b.p.SetVisual(nil)
	b.until(func(map[string][]tape.Chunk, []Event) string {
		if n := b.value("tutti_stream_analysers"); n != 0 {
			return fmt.Sprintf("%v analyses, nobody looks any more", n)
		}
		return ""
	})
	all, _ := b.snapshot()
	plain, full := only(visuals(t, all["visual"], t0), 16), visuals(t, all[mel8ID], t0)
	first, last := int(plain[0].index), int(plain[len(plain)-1].index)
	if first < 3*60 || first > 5*60 || last < 12*60 {
		t.Errorf("the first tape has frames %d to %d", first, last)
	}
	wantGrid(t, plain, 16, first, last+1)
	spectra := only(full, 19)
	first, last = int(spectra[0].index), int(spectra[len(spectra)-1].index)
	if first < 7*60 || first > 9*60 || last < 14*60 {
		t.Errorf("the second tape has frames %d to %d", first, last)
	}
	wantGrid(t, spectra, 19, first, last+1)
	if beats := only(full, 17); len(beats) < 8 || beats[0].us > 10*timeline.Micro {
		t.Errorf("beats %v: the past was not heard for the tempo", beats)
	}
}

// TestVisualTapeCarriedOn takes over from another instance: the tape goes on where it
// ended.
func TestVisualTapeCarriedOn(t *testing.T) {
	t0 := int64(50_000_000)
	e := timeline.New(5, t0)
	e.Begin("id-a", timeline.Format{SampleRate: 44100, Channels: 2, BitDepth: 16}, 0, 0)
	next := map[string]int64{rend44: 441_000, "visual": 3_050_000}
	resume, first, err := Plan(e, next, map[string]int{rend44: 44100, "visual": 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	b := start(t, map[string]*reel{"a": {rate: 44100, samples: ticks(44100, 14)}}, Config{
		Renditions: formats("pcm:44100:16:2"), Visual: []Visual{{ID: "visual"}}, Resume: resume,
		First: Start{Item: playback.Item{ID: "id-a", URI: "a"}, Frame: first.MediaFrame, Exact: true},
	})
	b.play(t0+1_000_000, t0+10*timeline.Micro, "visual")
	all, _ := b.snapshot()
	frames := visuals(t, all["visual"], t0)
	from := int(only(frames, 16)[0].index)
	if from != 31*6 { // the chunk after the one that was cut off
		t.Errorf("goes on with frame %d", from)
	}
	got := only(frames, 16)
	wantGrid(t, got, 16, from, from+len(got))
	if len(got) < 6*60 {
		t.Errorf("%d frames", len(got))
	}
}

func TestVisualValues(t *testing.T) {
	v := visualTape{Visual: Visual{ID: "x", Spectrum: mel8}, spectrum: 1}
	v.add(&analysis.Event{Kind: analysis.Periodic, Index: 7, Loudness: 0x1234, Freq: 440, Amp: 0x5678, Bins: [][]byte{{1}, {2, 3}}}, 9)
	v.add(&analysis.Event{Kind: analysis.Beat, Downbeat: true}, 10)
	v.add(&analysis.Event{Kind: analysis.Beat}, 11)
	v.add(&analysis.Event{Kind: analysis.Peak, Strength: 77}, 12)
	var got []frame
	for rest := v.data; len(rest) > 0; {
		f, r, err := tape.NextVisual(rest)
		if err != nil {
			t.Fatal(err)
		}
		rest = r
		got = append(got, frame{f.Code, int64(f.OffsetUS), f.Index, f.Body})
	}
	want := []frame{{16, 9, 7, []byte{0x12, 0x34}}, {18, 9, 7, binary.BigEndian.AppendUint16([]byte{1, 0xb8}, 0x5678)}, {19, 9, 7, []byte{2, 3}},
		{17, 10, 0, []byte{1}}, {17, 11, 0, []byte{0}}, {20, 12, 0, []byte{77}}}
	if !slices.EqualFunc(got, want, func(a, b frame) bool {
		return a.code == b.code && a.us == b.us && a.index == b.index && slices.Equal(a.body, b.body)
	}) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestLiveVisualTape: what a live source's display sees is on the tape 150 ms after it
// was captured, in short chunks.
func TestLiveVisualTape(t *testing.T) {
	const seconds = 4
	l := &line{samples: ticks(44100, seconds+1), tokens: make(chan struct{}, 400)}
	b := startWith(t, func(context.Context, string) (source.Source, error) { return l, nil },
		Config{Renditions: formats("pcm:44100:16:2"), LiveLeadUS: 300_000, Visual: []Visual{{ID: "visual"}}}, "line")
	t.Cleanup(func() { close(l.tokens) }) // before the pipeline is waited for
	t0 := int64(50_300_000)
	for heard := int64(0); heard < seconds*timeline.Micro; {
		for range 5 { // 100 ms
			l.tokens <- struct{}{}
		}
		heard += 100_000
		b.until(func(all map[string][]tape.Chunk, events []Event) string {
			c := all["visual"]
			if len(find[Started](events)) == 0 {
				return "not started"
			}
			if len(c) == 0 && heard > 200_000 || len(c) > 0 && c[len(c)-1].TimestampUS-t0+20_000 < heard-150_000 {
				return fmt.Sprintf("%d ms were heard, %d chunks are on the tape", heard/1000, len(c))
			}
			return ""
		})
		b.house.set(t0 - 300_000 + heard)
	}
	all, _ := b.snapshot()
	if d := all["visual"][0].DurationUS; d != 20_000 {
		t.Errorf("chunks of %d µs", d)
	}
	frames := visuals(t, all["visual"], t0)
	wantGrid(t, frames, 16, 0, len(only(frames, 16)))
	beats := only(frames, 17)
	if len(beats) == 0 {
		t.Error("no beats in steady clicks")
	}
	for i, f := range beats {
		if d := f.us % 500_000; d < 180_000 || d > 320_000 {
			t.Errorf("beat %d is at %d µs", i, f.us)
		}
	}
}

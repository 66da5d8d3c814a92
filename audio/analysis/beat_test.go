package analysis

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/audio/synth"
)

// settleAfter is when a piece has been heard long enough to ask for beats and bars.
const settleAfter = 4

func TestBeatsOfClicks(t *testing.T) {
	for _, bpm := range []float64{60, 84, 120, 150, 180} {
		p := clicks(bpm, 14)
		f := listen(t, p.ints(), 3000)
		if got := fMeasure(f.beats, p.beats, 0, p.seconds()); got < 0.9 {
			t.Errorf("%v bpm: F %.3f, beats %v", bpm, got, f.beats)
		}
		for _, at := range f.beats[:len(p.beats)] { // not only within 70 ms
			i, _ := slices.BinarySearch(p.beats, at-0.001)
			if i == len(p.beats) || p.beats[i]-at > 0.001 {
				t.Errorf("%v bpm: a beat at %.4f s", bpm, at)
			}
		}
	}
}

func TestBeatsAndBarsOfMusic(t *testing.T) {
	for _, c := range []struct {
		bpm   float64
		metre int
		swing float64
	}{{72, 4, 0}, {92, 4, 0.16}, {120, 4, 0}, {150, 4, 0.08}, {100, 3, 0}, {140, 3, 0}} {
		t.Run(fmt.Sprintf("%v bpm %d-4 swing %v", c.bpm, c.metre, c.swing), func(t *testing.T) {
			p := combo(c.bpm, 20, c.metre, c.swing)
			f := listen(t, p.ints(), 3000)
			if got := fMeasure(f.beats, p.beats, 0, p.seconds()); got < 0.9 {
				t.Errorf("beats: F %.3f", got)
			}
			if got := fMeasure(f.downbeats, p.downbeats, settleAfter, p.seconds()); got < 0.8 {
				t.Errorf("bars: F %.3f: %v", got, f.downbeats)
			}
		})
	}
}

// TestBeatsOfTheDemo hears the pieces of package synth while their drums play.
func TestBeatsOfTheDemo(t *testing.T) {
	for name, bpm := range map[string]float64{"morning": 96, "corridor": 72, "together": 118} {
		bar := 240 / bpm
		player, err := synth.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var samples []int32
		buf := make([]int32, 2*4410)
		for float64(len(samples))/2/testRate < 16*bar {
			n, err := player.Read(buf)
			if errors.Is(err, io.EOF) {
				break
			}
			for _, v := range buf[:2*n] {
				samples = append(samples, v<<8)
			}
		}
		f := listen(t, samples, 3000)
		var beats, downbeats []float64
		for i := range 64 {
			beats = append(beats, float64(i)*60/bpm)
			if i%4 == 0 {
				downbeats = append(downbeats, float64(i)*60/bpm)
			}
		}
		from, to := 5*bar, 15.5*bar
		if got := fMeasure(f.beats, beats, from, to); got < 0.9 {
			t.Errorf("%s: beats F %.3f", name, got)
		}
		if got := fMeasure(f.downbeats, downbeats, from, to); got < 0.8 {
			t.Errorf("%s: bars F %.3f", name, got)
		}
	}
}

func TestTempoChange(t *testing.T) {
	p, second := combo(90, 30, 4, 0), combo(128, 16, 4, 0)
	p.samples = append(p.samples[:14*testRate], second.samples...)
	p.beats = slices.DeleteFunc(p.beats, func(at float64) bool { return at >= 14 })
	for _, b := range second.beats {
		p.beats = append(p.beats, b+14)
	}
	f := listen(t, p.ints(), 3000)
	if got := fMeasure(f.beats, p.beats, 0, 12); got < 0.9 {
		t.Errorf("before: F %.3f", got)
	}
	if got := fMeasure(f.beats, p.beats, 19, 30); got < 0.9 {
		t.Errorf("5 s after: F %.3f", got)
	}
}

func TestNoBeatsWithoutMusic(t *testing.T) {
	for name, p := range map[string]*piece{"silence": noise(12, 0), "quiet noise": noise(12, 0.001), "noise": noise(12, 0.5)} {
		for _, look := range []int{0, 3000} {
			if f := listen(t, p.ints(), look); len(f.beats) > 0 {
				t.Errorf("%s, look-ahead %d ms: beats at %v", name, look, f.beats)
			}
		}
	}
}

// TestBeatsEndWithTheMusic plays 10 s of music and then silence.
func TestBeatsEndWithTheMusic(t *testing.T) {
	p := combo(120, 10, 4, 0)
	p.samples = append(p.samples, make([]float64, 10*testRate)...)
	f := listen(t, p.ints(), 3000)
	for _, at := range f.beats {
		if at > 13 {
			t.Errorf("a beat at %.2f s, the music ended at 10", at)
		}
	}
	if got := fMeasure(f.beats, p.beats, 0, 9); got < 0.9 {
		t.Errorf("F %.3f", got)
	}
}

func TestBeatsWithoutLookAhead(t *testing.T) {
	p := combo(110, 18, 4, 0)
	f := listen(t, p.ints(), 0)
	if got := fMeasure(f.beats, p.beats, settleAfter, p.seconds()-1); got < 0.9 {
		t.Errorf("F %.3f", got)
	}
}

// TestPiecesMakeNoDifference feeds the same music whole, in random pieces, and after a
// Reset.
func TestPiecesMakeNoDifference(t *testing.T) {
	samples := combo(126, 9, 4, 0.05).ints()
	cfg := Config{SampleRate: testRate, Channels: 2, BitDepth: 24, LookAheadMS: 1500, Spectra: []Spectrum{{12, ScaleMel, 40, 12_000}}}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	run := func(piece func() int) (out []Event) {
		keep := func(e *Event) {
			c := *e
			c.Bins = nil
			for _, b := range e.Bins {
				c.Bins = append(c.Bins, slices.Clone(b))
			}
			out = append(out, c)
		}
		for rest := samples; len(rest) > 0; {
			n := min(2*piece(), len(rest))
			a.Write(rest[:n])
			rest = rest[n:]
			a.Events(a.Ready(), keep)
		}
		a.Finish()
		a.Events(9_000_000, keep)
		a.Reset(0)
		return out
	}
	whole := run(func() int { return len(samples) })
	parts := run(func() int { return 1 + rng.IntN(9000) })
	small := run(func() int { return 700 })
	if len(whole) < 9*60 || !reflect.DeepEqual(whole, parts) || !reflect.DeepEqual(whole, small) {
		t.Errorf("%d events whole, %d in parts, %d in small ones, or they differ", len(whole), len(parts), len(small))
	}
}

// TestResetGoesOnTheGrid starts in the middle: frames keep their numbers and times.
func TestResetGoesOnTheGrid(t *testing.T) {
	a, _ := New(Config{SampleRate: 48_000, Channels: 1, BitDepth: 24})
	a.Reset(100_001)
	samples := make([]int32, 48_000)
	samples[24_000] = 1 << 22
	a.Write(samples)
	a.Finish()
	first := true
	a.Events(4_000_000, func(e *Event) {
		switch {
		case e.Kind == Peak && abs(e.US-124_001*1_000_000/48_000) > 100:
			t.Errorf("peak at %d µs", e.US)
		case e.Kind == Periodic && first:
			first = false
			if e.Index != 126 || e.US != 2_100_000 { // 800 × 126 = 100800
				t.Errorf("the first frame is %d at %d µs", e.Index, e.US)
			}
		}
	})
}

// BenchmarkSecond analyses one second of stereo: what a group with displays costs.
func BenchmarkSecond(b *testing.B) {
	samples := combo(120, 10, 4, 0).ints()
	for _, live := range []bool{false, true} {
		b.Run(fmt.Sprint("live=", live), func(b *testing.B) {
			cfg := Config{SampleRate: testRate, Channels: 2, BitDepth: 24, LookAheadMS: 3000, Spectra: []Spectrum{{32, ScaleMel, 40, 16_000}}}
			if live {
				cfg.LookAheadMS = 0
			}
			a, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := range b.N {
				for j := range 25 { // 40 ms
					at := (i%9*25 + j) * 2 * testRate / 25
					a.Write(samples[at : at+2*testRate/25])
					if live {
						a.Decide(a.Heard())
					}
					a.Events(a.Ready(), func(*Event) {})
				}
			}
		})
	}
}

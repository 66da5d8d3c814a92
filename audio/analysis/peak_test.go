package analysis

import (
	"math"
	"testing"
)

// TestAClickIsPlacedToTheSample is the promise of one millisecond, kept with a margin, at
// any place of a click in the grid of steps.
func TestAClickIsPlacedToTheSample(t *testing.T) {
	for _, rate := range []int{44_100, 48_000, 96_000, 22_050} {
		samples := make([]int32, 3*rate)
		var want []int64
		for i := range 9 {
			at := rate/4 + i*rate*3/10 + i*37
			samples[at] = 1 << 22
			want = append(want, int64(at)*1_000_000/int64(rate))
		}
		a, err := New(Config{SampleRate: rate, Channels: 1, BitDepth: 24})
		if err != nil {
			t.Fatal(err)
		}
		a.Write(samples)
		a.Finish()
		var got []int64
		a.Events(3_000_000, func(e *Event) {
			if e.Kind == Peak {
				got = append(got, e.US)
			}
		})
		if len(got) != len(want) {
			t.Fatalf("%d Hz: %d peaks at %v, want %d", rate, len(got), got, len(want))
		}
		for i := range want {
			if abs(got[i]-want[i]) > 100 {
				t.Errorf("%d Hz: a click at %d µs has its peak at %d", rate, want[i], got[i])
			}
		}
	}
}

func TestPeaksOfDrums(t *testing.T) {
	p := combo(100, 12, 4, 0)
	f := listen(t, p.ints(), 3000)
	for _, b := range p.beats { // a hit on each beat, to 5 ms
		hit := false
		for _, at := range f.peaks {
			hit = hit || math.Abs(at-b) < 0.005
		}
		if !hit && b < p.seconds()-0.3 {
			t.Errorf("no peak at the beat at %.3f s", b)
		}
	}
	for i := 1; i < len(f.peaks); i++ {
		if f.peaks[i]-f.peaks[i-1] < 0.03 {
			t.Errorf("peaks at %.3f and %.3f s", f.peaks[i-1], f.peaks[i])
		}
	}
}

func TestSteadySoundsHaveNoPeaks(t *testing.T) {
	for name, p := range map[string]*piece{"silence": noise(6, 0), "noise": noise(6, 0.3)} {
		peaks := listen(t, p.ints(), 0).peaks
		for _, at := range peaks {
			if at > 0.2 && at < 5.9 { // it begins and ends
				t.Errorf("%s: peak at %.2f s", name, at)
			}
		}
	}
}

func TestStrengthFollowsTheHit(t *testing.T) {
	p := newPiece(3)
	for i, gain := range []float64{0.02, 0.1, 0.8} {
		p.click(0.5+0.8*float64(i), gain)
	}
	a, _ := New(Config{SampleRate: testRate, Channels: 2, BitDepth: 24})
	a.Write(p.ints())
	a.Finish()
	var got []uint8
	a.Events(3e6, func(e *Event) {
		if e.Kind == Peak {
			got = append(got, e.Strength)
		}
	})
	if len(got) != 3 || got[0] >= got[1] || got[1] >= got[2] || got[0] == 0 || got[2] < 150 {
		t.Errorf("strengths %v", got)
	}
}

package analysis

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
)

// sine is interleaved at 24 bits; gains are by channel.
func sine(rate int, hz, seconds float64, gains ...float64) []int32 {
	out := make([]int32, 0, int(seconds*float64(rate))*len(gains))
	for i := range int(seconds * float64(rate)) {
		v := math.Sin(2 * math.Pi * hz * float64(i) / float64(rate))
		for _, g := range gains {
			out = append(out, int32(math.Round(v*g*(1<<23-1))))
		}
	}
	return out
}

// frames analyses samples and returns the periodic frames.
func frames(t *testing.T, cfg Config, samples []int32) []Event {
	t.Helper()
	cfg.BitDepth = 24
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a.Write(samples)
	a.Finish()
	var out []Event
	a.Events(int64(len(samples)/cfg.Channels)*micro/int64(cfg.SampleRate), func(e *Event) {
		if e.Kind != Periodic {
			return
		}
		kept := *e
		kept.Bins = nil
		for _, b := range e.Bins {
			kept.Bins = append(kept.Bins, slices.Clone(b))
		}
		out = append(out, kept)
	})
	return out
}

// dB of a level.
func dB(v uint16) float64 { return float64(v)/65535*60 - 60 }

func TestLoudnessAndDominantFrequency(t *testing.T) {
	for _, c := range []struct {
		rate  int
		hz    float64
		gains []float64
		want  float64 // dB
	}{
		{44_100, 1000, []float64{1, 1}, 0},
		{48_000, 1000, []float64{1, -1}, 0}, // opposite phase
		{48_000, 1000, []float64{1, 0}, -3.01},
		{44_100, 1000, []float64{0.1}, -20},
		{44_100, 440, []float64{1, 1}, 20 * math.Log10(AWeight(440))},
		{96_000, 4000, []float64{0.5, 0.5}, -6.02 + 20*math.Log10(AWeight(4000))},
		{22_050, 100, []float64{1}, 20 * math.Log10(AWeight(100))},
		{8_000, 1000, []float64{0.5, 0.5, 0.5}, -6.02},
		{192_000, 12_345, []float64{0.25, 0.25, 0.25, 0.25, 0.25, 0.25}, -12.04 + 20*math.Log10(AWeight(12_345))},
	} {
		f := frames(t, Config{SampleRate: c.rate, Channels: len(c.gains)}, sine(c.rate, c.hz, 0.5, c.gains...))
		e := f[15] // at 250 ms
		if got := dB(e.Loudness); math.Abs(got-c.want) > 0.1 {
			t.Errorf("%d Hz, sine of %v Hz %v: loudness %.2f dB, want %.2f", c.rate, c.hz, c.gains, got, c.want)
		}
		if math.Abs(float64(e.Freq)-c.hz) > max(1, c.hz/2000) {
			t.Errorf("%d Hz, sine of %v Hz: dominant is %d Hz", c.rate, c.hz, e.Freq)
		}
		if got := dB(e.Amp); math.Abs(got-c.want) > 0.5 {
			t.Errorf("%d Hz, sine of %v Hz %v: amplitude %.2f dB, want %.2f", c.rate, c.hz, c.gains, got, c.want)
		}
	}
}

func TestSilenceHasNoDominantFrequency(t *testing.T) {
	for name, samples := range map[string][]int32{
		"silence": make([]int32, 44_100), "under -60 dB": sine(44_100, 1000, 1, 0.0009), "DC": slices.Repeat([]int32{1 << 20}, 44_100),
	} {
		for i, e := range frames(t, Config{SampleRate: 44_100, Channels: 1}, samples)[6:50] { // a step of DC at the start is a sound
			if e.Freq != 0 || e.Amp != 0 || e.Loudness != 0 {
				t.Errorf("%s, frame %d: %+v", name, i, e)
				break
			}
		}
	}
}

// TestFramesAreCentred puts a short tone around a known moment: the loudest frame is the
// one that stands there, and the frames on both sides are alike.
func TestFramesAreCentred(t *testing.T) {
	const k = 30
	samples := make([]int32, 48_000)
	tone := sine(48_000, 1000, 0.01, 1)
	copy(samples[k*800-len(tone)/2:], tone)
	f := frames(t, Config{SampleRate: 48_000, Channels: 1}, samples)
	for i, e := range f {
		if e.Index != int64(i) || e.US != int64(i)*1_000_000/60 {
			t.Fatalf("frame %d is number %d at %d µs", i, e.Index, e.US)
		}
		if e.Loudness > f[k].Loudness {
			t.Errorf("frame %d is louder than the one at the tone", i)
		}
	}
	if a, b := dB(f[k-1].Loudness), dB(f[k+1].Loudness); math.Abs(a-b) > 0.2 {
		t.Errorf("before %.2f dB, after %.2f dB", a, b)
	}
}

func TestSpectrumBins(t *testing.T) {
	bin := func(e Event, s, i int) float64 { return dB(binary.BigEndian.Uint16(e.Bins[s][2*i:])) }
	spectra := []Spectrum{
		{Bins: 32, Scale: ScaleMel, FMin: 40, FMax: 16_000}, {Bins: 64, Scale: ScaleLog, FMin: 20, FMax: 20_000},
		{Bins: 10, Scale: ScaleLin, FMin: 0, FMax: 20_000}, {Bins: 256, Scale: ScaleLog, FMin: 0, FMax: 200}, {Bins: 4, Scale: ScaleLin, FMin: 22_000, FMax: 40_000},
	}
	for _, hz := range []float64{60, 150, 1000, 5555} {
		e := frames(t, Config{SampleRate: 44_100, Channels: 2, Spectra: spectra}, sine(44_100, hz, 0.4, 1, 1))[12]
		for s, sp := range spectra {
			top := 0
			for i := range sp.Bins {
				if bin(e, s, i) > bin(e, s, top) {
					top = i
				}
			}
			if hz < float64(sp.FMin) || hz > float64(sp.FMax) {
				continue
			}
			// A sine lies in the bin of its frequency, or in the next one when the edge is
			// nearer than the transform can tell.
			if d := 11.0; hz < sp.edge(top)-d || hz > sp.edge(top+1)+d {
				t.Errorf("%v Hz in %+v: bin %d, %.0f to %.0f Hz", hz, sp, top, sp.edge(top), sp.edge(top+1))
			}
			if want := 20 * math.Log10(AWeight(hz)); math.Abs(bin(e, s, top)-want) > 1.6 {
				t.Errorf("%v Hz in %+v: %.1f dB, want %.1f", hz, sp, bin(e, s, top), want)
			}
		}
		if bin(e, 4, 3) != -60 {
			t.Error("something is above half the sample rate")
		}
	}
}

func TestScalesAreTheSpecifications(t *testing.T) {
	mel := Spectrum{Bins: 2, Scale: ScaleMel, FMin: 0, FMax: 8000}
	// HTK: 8000 Hz is 2840.02 mel; half of it is 1767.8 Hz.
	if got := mel.edge(1); math.Abs(got-1767.8) > 0.1 {
		t.Errorf("mel: the middle is %.1f Hz", got)
	}
	if got := (Spectrum{Bins: 3, Scale: ScaleLog, FMin: 20, FMax: 20_000}).edge(1); math.Abs(got-200) > 1e-6 {
		t.Errorf("log: a third is %v Hz", got)
	}
	if got := (Spectrum{Bins: 4, Scale: ScaleLin, FMin: 100, FMax: 500}).edge(1); math.Abs(got-200) > 1e-6 {
		t.Errorf("lin: a quarter is %v Hz", got)
	}
	for _, bad := range []Spectrum{{}, {MaxBins + 1, ScaleMel, 0, 1}, {1, "bark", 0, 1}, {1, ScaleMel, 5, 5}, {1, ScaleMel, -1, 5}, {1, ScaleLin, 6, 5}} {
		if bad.Check() == nil {
			t.Errorf("%+v passes", bad)
		}
		if _, err := New(Config{SampleRate: 44_100, Channels: 1, BitDepth: 16, Spectra: []Spectrum{bad}}); err == nil {
			t.Errorf("%+v is analysed", bad)
		}
	}
	for _, bad := range []Config{{SampleRate: 7999, Channels: 1, BitDepth: 16}, {SampleRate: 8000, BitDepth: 16}, {SampleRate: 8000, Channels: 9, BitDepth: 16}, {SampleRate: 8000, Channels: 1}, {SampleRate: 8000, Channels: 1, BitDepth: 16, LookAheadMS: -1}} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

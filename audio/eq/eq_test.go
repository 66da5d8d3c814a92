package eq

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func set(limiter bool, ceiling float64, bands ...Band) Settings {
	s := Settings{Count: len(bands), Limiter: limiter, CeilingDB: ceiling}
	copy(s.Bands[:], bands)
	return s
}

func mustNew(t testing.TB, s Settings, rate, channels, bits int) *Processor {
	t.Helper()
	p, err := New(s, rate, channels, bits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// prototype is the Cookbook's analogue transfer function H(s) of a band, at s.
func prototype(b Band, s complex128) complex128 {
	a := complex(math.Pow(10, b.GainDB/40), 0)
	q, root := complex(b.Q, 0), complex(math.Sqrt(real(a)), 0)
	switch b.Kind {
	case Peak:
		return (s*s + s*a/q + 1) / (s*s + s/(a*q) + 1)
	case LowShelf:
		return a * (s*s + s*root/q + a) / (a*s*s + s*root/q + 1)
	case HighShelf:
		return a * (a*s*s + s*root/q + 1) / (s*s + s*root/q + a)
	case LowPass:
		return 1 / (s*s + s/q + 1)
	}
	return s * s / (s*s + s/q + 1) // high pass
}

// TestResponseIsTheAnalyticOne measures impulse responses and compares them, in amplitude
// and phase, with the analogue prototypes under the bilinear transform.
func TestResponseIsTheAnalyticOne(t *testing.T) {
	bands := []Band{
		{Peak, 1000, -6, 1}, {Peak, 60, 12, 4}, {Peak, 9000, 3, 0.5}, {LowShelf, 120, 6, 0.707}, {LowShelf, 300, -9, 0.9},
		{HighShelf, 6000, 5, 0.707}, {HighShelf, 3000, -12, 1.2}, {LowPass, 5000, 0, 0.707}, {HighPass, 80, 0, 0.707}, {HighPass, 30, 0, 2},
	}
	cases := [][]Band{bands}
	for _, b := range bands {
		cases = append(cases, []Band{b})
	}
	for _, rate := range []int{44100, 48000, 96000} {
		for _, c := range cases {
			const length = 1 << 15
			p := mustNew(t, set(false, 0, c...), rate, 1, 32)
			x := make([]int32, length)
			const impulse = 1 << 27
			x[0] = impulse
			h := p.Process(nil, x)
			for _, f := range []float64{20, 45, 60, 100, 300, 1000, 2500, 5000, 9000, 15000, 20000} {
				want := complex(1, 0)
				for _, b := range c {
					tan := math.Tan(math.Pi*f/float64(rate)) / math.Tan(math.Pi*b.Frequency/float64(rate))
					want *= prototype(b, complex(0, tan))
				}
				var got complex128
				for i, v := range h {
					got += complex(float64(v)/impulse, 0) * cmplx.Exp(complex(0, -2*math.Pi*f*float64(i)/float64(rate)))
				}
				if cmplx.Abs(got-want) > 2e-4*(1+cmplx.Abs(want)) {
					t.Errorf("%d Hz, %v: response at %g Hz is %.5f, want %.5f", rate, c, f, got, want)
				}
			}
		}
	}
}

// TestDesignAgreesWithItsResponse ties coefficients and response together for bands that
// ring too long for an impulse, and shows the cases at the edge of the rate.
func TestDesignAgreesWithItsResponse(t *testing.T) {
	b := Band{Peak, 10, 24, 20}
	c, ok := design(b, 192000)
	if got := 20 * math.Log10(cmplx.Abs(c.response(10, 192000))); !ok || math.Abs(got-24) > 1e-6 {
		t.Errorf("peak of 24 dB has %.7f dB at its centre", got)
	}
	for _, kind := range []Kind{Peak, HighShelf, LowPass} {
		if _, ok := design(Band{kind, 20_000, 6, 1}, 16_000); ok {
			t.Errorf("%s above half the rate is not left out", kind)
		}
	}
	if c, ok := design(Band{LowShelf, 20_000, 6, 1}, 16_000); !ok || math.Abs(20*math.Log10(c.b0)-6) > 1e-9 {
		t.Errorf("a low shelf above half the rate is %+v, want a plain gain", c)
	}
	if c, ok := design(Band{HighPass, 20_000, 0, 1}, 16_000); !ok || cmplx.Abs(c.response(100, 16_000)) > 1e-3 {
		t.Error("a high pass above half the rate lets 100 Hz through")
	}
}

func noise(frames, channels, bits int, level float64, seed uint64) []int32 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]int32, frames*channels)
	for i := range out {
		out[i] = int32(level * (2*r.Float64() - 1) * float64(int64(1)<<(bits-1)-1))
	}
	return out
}

// bursts is quiet noise with sudden full-scale attacks.
func bursts(frames, channels, bits int, seed uint64) []int32 {
	r := rand.New(rand.NewPCG(seed, 2))
	x := noise(frames, channels, bits, 0.2, seed)
	full := int32(int64(1)<<(bits-1) - 1)
	for i := 0; i < frames; i += 1 + r.IntN(3000) {
		for j := i; j < min(i+1+r.IntN(300), frames); j++ {
			x[j*channels+r.IntN(channels)] = full - full*2*int32(r.IntN(2))
		}
	}
	return x
}

func TestLimiterHoldsTheCeiling(t *testing.T) {
	for _, ceiling := range []float64{0, -1, -6, -24} {
		for _, rate := range []int{8000, 44100, 96000} {
			for seed := range uint64(4) {
				s := set(true, ceiling, Band{Peak, 800, 18, 0.8})
				s.PreampDB = 12
				p := mustNew(t, s, rate, 2, 24)
				out := p.Flush(p.Process(nil, bursts(20_000, 2, 24, seed)))
				most := int32(math.Floor(math.Pow(10, ceiling/20) * (1 << 23)))
				loudest := int32(0)
				for i, v := range out {
					if v > most || v < -most {
						t.Fatalf("%g dB at %d Hz: sample %d is %d, the ceiling %d", ceiling, rate, i, v, most)
					}
					loudest = max(loudest, v, -v)
				}
				if float64(loudest) < 0.9*float64(most) {
					t.Errorf("%g dB at %d Hz: the loudest sample is %d of %d: the limiter takes too much", ceiling, rate, loudest, most)
				}
			}
		}
	}
}

// TestLimiterTurnsTheGainDownWithoutAStep: the gain is never above what a frame needs,
// changes by little from frame to frame, and comes back.
func TestLimiterTurnsTheGainDownWithoutAStep(t *testing.T) {
	const rate = 48000
	l := newLimiter(-6, rate)
	r := rand.New(rand.NewPCG(3, 3))
	peaks := make([]float64, rate)
	for i := range peaks {
		peaks[i] = 0.1
		if i > 1000 && i < rate/2 && r.IntN(400) == 0 {
			peaks[i] = 0.5 + r.Float64()
		}
	}
	before := 1.0
	for i := range len(peaks) + l.n {
		peak := 0.0
		if i < len(peaks) {
			peak = peaks[i]
		}
		gain := l.next(peak)
		if i < l.n {
			continue
		}
		if at := peaks[i-l.n]; at*gain > l.ceiling*(1+1e-12) {
			t.Fatalf("frame %d: %.4f at gain %.4f is above %.4f", i-l.n, at, gain, l.ceiling)
		}
		if step := math.Abs(gain - before); step > 2.0/float64(l.n) {
			t.Fatalf("frame %d: the gain jumps by %.4f", i-l.n, step)
		}
		before = gain
	}
	if before < 0.99 {
		t.Errorf("half a second after the last peak the gain is %.3f", before)
	}
}

// TestNothingMoves: what need not be changed comes out as it was, at its place, however
// long the limiter looks ahead.
func TestNothingMoves(t *testing.T) {
	x := noise(10_000, 2, 24, 0.8, 7)
	for name, s := range map[string]Settings{
		"flat bands":    set(false, 0, Band{Peak, 1000, 0, 1}, Band{LowShelf, 100, 0, 1}),
		"quiet limiter": set(true, -0.5),
		"both":          set(true, 0, Band{HighShelf, 5000, 0, 1}),
	} {
		p := mustNew(t, s, 44100, 2, 24)
		got := p.Process(nil, x)
		if held := (len(x) - len(got)) / 2; held != p.Delay() {
			t.Errorf("%s: %d frames are held back, Delay says %d", name, held, p.Delay())
		}
		if got = p.Flush(got); !slices.Equal(got, x) {
			t.Errorf("%s: the samples changed or moved", name)
		}
	}
}

// TestCutsMakeNoDifference: state goes on from chunk to chunk, and starts anew after Flush.
func TestCutsMakeNoDifference(t *testing.T) {
	s := set(true, -3, Band{LowShelf, 150, 9, 0.7}, Band{Peak, 2500, -8, 3}, Band{HighPass, 40, 0, 0.7})
	s.PreampDB = 4
	for _, channels := range []int{1, 2} {
		x := bursts(30_000, channels, 24, 5)
		p := mustNew(t, s, 48000, channels, 24)
		whole := p.Flush(p.Process(nil, x))
		if len(whole) != len(x) {
			t.Fatalf("%d samples came out of %d", len(whole), len(x))
		}
		r := rand.New(rand.NewPCG(9, 9))
		var got []int32
		for rest := x; len(rest) > 0; {
			n := min(len(rest), r.IntN(700)*channels)
			got = p.Process(got, rest[:n])
			rest = rest[n:]
		}
		if got = p.Flush(got); !slices.Equal(got, whole) {
			t.Errorf("%d channels: in pieces the output is another", channels)
		}
	}
	short := mustNew(t, set(true, 0), 48000, 1, 24)
	if got := short.Flush(short.Process(nil, []int32{1, 2, 3})); !slices.Equal(got, []int32{1, 2, 3}) {
		t.Errorf("three frames come out as %v", got)
	}
}

func TestWithoutLimiterItClips(t *testing.T) {
	s := Settings{PreampDB: 12}
	p := mustNew(t, s, 48000, 1, 16)
	if got := p.Process(nil, []int32{30_000, -30_000, 100}); got[0] != 32767 || got[1] != -32768 || got[2] != 398 {
		t.Errorf("12 dB of 30000, -30000, 100 give %v", got)
	}
}

func TestBoundsAndNormalForm(t *testing.T) {
	ok := Band{Peak, 1000, 3, 1}
	for want, s := range map[string]Settings{
		"band 2: kind":      set(false, 0, ok, Band{"notch", 1000, 3, 1}),
		"band 1: frequency": set(false, 0, Band{Peak, math.NaN(), 3, 1}),
		"band 1: gain":      set(false, 0, Band{LowShelf, 100, 25, 1}),
		"band 1: q":         set(false, 0, Band{LowPass, 100, 0, 0}),
		"preamp":            {PreampDB: 13},
		"limiter":           set(true, 1),
		"11 bands":          {Count: 11},
	} {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
		if _, err := New(s, 48000, 2, 24); err == nil {
			t.Errorf("%s: a processor was made", want)
		}
	}
	a := set(false, -3, Band{Peak, 500, 0, 1}, ok, Band{LowPass, 9000, 7, 1})
	b := set(false, 0, ok, Band{LowPass, 9000, 0, 1})
	if a.Normal() != b.Normal() || a.Hash() != b.Hash() || len(a.Hash()) != 8 {
		t.Errorf("%+v and %+v sound equal, %s and %s", a, b, a.Hash(), b.Hash())
	}
	if c := set(true, 0, ok); c.Hash() == set(false, 0, ok).Hash() || c.Hash() == set(true, -1, ok).Hash() {
		t.Error("different settings have one hash")
	}
	if !(Settings{}).Off() || !set(false, -2, Band{Peak, 9, 0, 9}).Off() || set(true, 0).Off() {
		t.Error("off is not what changes nothing")
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	p := mustNew(t, set(true, -1, Band{Peak, 1000, 6, 1}), 48000, 2, 24)
	x, out := noise(4800, 2, 24, 1, 1), make([]int32, 0, 20_000)
	p.Process(out, x)
	if n := testing.AllocsPerRun(20, func() { p.Process(out, x) }); n != 0 {
		t.Errorf("%v allocations per chunk", n)
	}
}

// BenchmarkTenBands processes 100 ms of stereo at 48 kHz per round, with the limiter and
// without.
func BenchmarkTenBands(b *testing.B) {
	for name, limiter := range map[string]bool{"bands": false, "bands+limiter": true} {
		b.Run(name, func(b *testing.B) {
			s := Settings{Count: MaxBands, Limiter: limiter, CeilingDB: -1}
			for i := range s.Bands {
				s.Bands[i] = Band{Peak, 40 * math.Pow(1.8, float64(i)), 3, 1}
			}
			p := mustNew(b, s, 48000, 2, 24)
			x, out := noise(4800, 2, 24, 0.5, 1), make([]int32, 0, 20_000)
			b.ReportAllocs()
			for b.Loop() {
				p.Process(out, x)
			}
			b.ReportMetric(100e6*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "x-realtime")
		})
	}
}

package asrc

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// sine is n frames of one channel at freq Hz of rate Hz, 90 % of full scale of bits.
func sine(n, rate int, freq float64, bits int) []int32 {
	out := make([]int32, n)
	a := 0.9 * math.Ldexp(1, bits-1)
	for i := range out {
		out[i] = int32(math.Round(a * math.Sin(2*math.Pi*freq*float64(i)/float64(rate))))
	}
	return out
}

// residual is what is left of x after the best sine of w radians per sample and the
// constant part are taken off, relative to the sine, in dB.
func residual(x []int32, w float64) float64 {
	// Normal equations for a·sin + b·cos + c.
	var m [3][4]float64
	for i, v := range x {
		s, c := math.Sincos(w * float64(i))
		row := [4]float64{s, c, 1, float64(v)}
		for j := range 3 {
			for k := range 4 {
				m[j][k] += row[j] * row[k]
			}
		}
	}
	for j := range 3 {
		for k := range 3 {
			if k != j {
				f := m[k][j] / m[j][j]
				for l := j; l < 4; l++ {
					m[k][l] -= f * m[j][l]
				}
			}
		}
	}
	a, b, d := m[0][3]/m[0][0], m[1][3]/m[1][1], m[2][3]/m[2][2]
	var noise float64
	for i, v := range x {
		s, c := math.Sincos(w * float64(i))
		e := float64(v) - a*s - b*c - d
		noise += e * e
	}
	return 10 * math.Log10(noise/float64(len(x))/((a*a+b*b)/2))
}

// frequency finds the frequency of a sine near w by narrowing down the residual.
func frequency(x []int32, w float64) float64 {
	step := w * 1e-4
	for range 35 {
		l, c, r := residual(x, w-step), residual(x, w), residual(x, w+step)
		switch {
		case l < c && l < r:
			w -= step
		case r < c:
			w += step
		default:
			step /= 2
		}
	}
	return w
}

func TestOneKilohertzAt24Bits(t *testing.T) {
	for _, c := range []struct {
		in, out int
		dev     float64
	}{{48000, 48000, 0}, {48000, 48000, 200e-6}, {44100, 48000, -137e-6}, {48000, 44100, 1000e-6}, {96000, 48000, 55e-6}, {44100, 44100, -1000e-6}, {8000, 48000, 3e-6}} {
		t.Run(fmt.Sprintf("%d to %d at %.0f ppm", c.in, c.out, c.dev*1e6), func(t *testing.T) {
			r, err := NewResampler(c.in, c.out, 1, 24, 24)
			if err != nil {
				t.Fatal(err)
			}
			r.SetDeviation(c.dev)
			out := r.Process(nil, sine(c.in*2, c.in, 1000, 24))
			out = out[c.out : c.out+c.out/2] // the ratio has settled
			w := 2 * math.Pi * 1000 / float64(c.out) * (1 + c.dev)
			if got := residual(out, frequency(out, w)); got > -100 {
				t.Errorf("THD+N %.1f dB, want below -100 dB", got)
			}
		})
	}
}

func TestDeviationIsTheRatio(t *testing.T) {
	r, _ := NewResampler(48000, 48000, 1, 24, 24)
	r.SetDeviation(200e-6)
	out := r.Process(nil, sine(48000*2, 48000, 1000, 24))[48000:]
	w := 2 * math.Pi * 1000 / 48000.0
	if got := frequency(out, w)/w - 1; math.Abs(got-200e-6) > 1e-6 {
		t.Errorf("pitch is %.2f ppm higher, want 200", got*1e6)
	}
}

// How the input is cut never changes the output.
func TestCutsDoNotMatter(t *testing.T) {
	in := make([]int32, 2*20_000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range in {
		in[i] = int32(rng.IntN(65536) - 32768)
	}
	whole, _ := NewResampler(44100, 48000, 2, 16, 24)
	parts, _ := NewResampler(44100, 48000, 2, 16, 24)
	want := whole.Process(nil, in)
	var got []int32
	for len(in) > 0 {
		n := min(2*(1+rng.IntN(700)), len(in))
		got = parts.Process(got, in[:n])
		in = in[n:]
	}
	if !slices.Equal(got, want) {
		t.Error("the output depends on the cuts")
	}
}

// A ratio that changes as fast as the aligner lets it leaves no click: the second
// difference of a sine stays that of a sine.
func TestChangeOfRatioIsSmooth(t *testing.T) {
	r, _ := NewResampler(48000, 48000, 1, 24, 24)
	in := sine(48000*4, 48000, 1000, 24)
	var out []int32
	for i := range 200 {
		r.SetDeviation(float64(i) * maxSlew * 0.02)
		out = r.Process(out, in[i*960:(i+1)*960])
	}
	w := 2 * math.Pi * 1000 / 48000.0
	most := 0.9 * math.Ldexp(1, 23) * w * w * 1.01
	for i := 1000; i+1 < len(out); i++ {
		if d := math.Abs(float64(out[i+1]) - 2*float64(out[i]) + float64(out[i-1])); d > most {
			t.Fatalf("frame %d: a kink of %.0f, a sine has at most %.0f", i, d, most)
		}
	}
}

func TestDepthsAndClipping(t *testing.T) {
	r, _ := NewResampler(48000, 48000, 1, 16, 24)
	out := r.Process(nil, slices.Repeat([]int32{1000}, 4000))
	if got := out[2000]; got != 256_000 {
		t.Errorf("1000 of 16 bit is %d of 24, want 256000", got)
	}
	r, _ = NewResampler(48000, 48000, 1, 16, 16)
	square := make([]int32, 4000)
	for i := range square {
		square[i] = 32767 - 65535*int32(i/50%2)
	}
	for i, v := range r.Process(nil, square) {
		if v > 32767 || v < -32768 {
			t.Fatalf("frame %d is %d", i, v)
		}
	}
}

func TestBadParameters(t *testing.T) {
	for _, c := range [][5]int{{7999, 48000, 2, 16, 24}, {48000, 200_000, 2, 16, 24}, {48000, 48000, 0, 16, 24}, {48000, 48000, 9, 16, 24}, {48000, 48000, 2, 4, 24}, {48000, 48000, 2, 16, 33}} {
		if _, err := NewResampler(c[0], c[1], c[2], c[3], c[4]); err == nil {
			t.Errorf("%v is accepted", c)
		}
	}
}

func BenchmarkProcess(b *testing.B) {
	r, _ := NewResampler(48000, 48000, 2, 16, 24)
	r.SetDeviation(100e-6)
	in, out := make([]int32, 2*960), make([]int32, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		out = r.Process(out[:0], in)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/20_000*100, "%cpu-of-realtime")
}

package resample

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"
)

var rates = []int{8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000}

// response is the exact transfer function of the polyphase kernel at freq (Hz): its
// Fourier transform as a filter at rate inRate*phases.
func response(b *bank, inRate int, freq float64) float64 {
	var sum complex128
	for p := range b.phases {
		for i := range 2 * b.half {
			t := float64(i-(b.half-1)) - float64(p)/float64(b.phases)
			sum += complex(b.table[p*2*b.half+i], 0) * cmplx.Exp(complex(0, -2*math.Pi*freq*t/float64(inRate)))
		}
	}
	return cmplx.Abs(sum) / float64(b.phases)
}

func db(v float64) float64 { return 20 * math.Log10(v+1e-30) }

func TestFilterResponse(t *testing.T) {
	pairs := [][2]int{{44100, 48000}, {48000, 44100}, {44100, 96000}, {96000, 44100}, {96000, 48000}, {192000, 44100}, {22050, 48000}, {47999, 48000}}
	for _, p := range pairs {
		t.Run(fmt.Sprint(p[0], "to", p[1]), func(t *testing.T) {
			up, _ := Ratio(p[0], p[1])
			b := newBank(p[0], p[1], int(up))
			if b.phases > 200 {
				// The response is the same continuous kernel: a coarser table measures it.
				b = newBank(p[0], p[1], 200)
			}
			nyquist := float64(min(p[0], p[1])) / 2
			ripple, reject := 0.0, -300.0
			for i := range 30 {
				ripple = max(ripple, math.Abs(db(response(b, p[0], nyquist*passEdge*float64(i)/29))))
			}
			for i := range 100 {
				f := nyquist * (1 + float64(i*i)/1000)
				if f < float64(p[0])*float64(b.phases)/2 {
					reject = max(reject, db(response(b, p[0], f)))
				}
			}
			t.Logf("taps %d, phases %d: ripple %.6f dB to %.0f Hz, stop band %.1f dB from %.0f Hz", 2*b.half, b.phases, ripple, nyquist*passEdge, reject, nyquist)
			if ripple > 0.001 {
				t.Errorf("pass-band ripple %.5f dB, want at most 0.001", ripple)
			}
			if reject > -110 {
				t.Errorf("stop-band rejection %.1f dB, want at least 110", -reject)
			}
		})
	}
}

// tone makes frames of a sine at freq, amplitude amp of 24-bit full scale.
func tone(freq float64, rate, frames int, amp float64) []int32 {
	out := make([]int32, frames)
	for i := range out {
		out[i] = int32(math.Round(amp * 8388607 * math.Sin(2*math.Pi*freq*float64(i)/float64(rate))))
	}
	return out
}

func run(t testing.TB, in []int32, inRate, outRate, channels int) []int32 {
	r, err := New(inRate, outRate, channels, 24)
	if err != nil {
		t.Fatal(err)
	}
	return r.Flush(r.Process(nil, in))
}

// TestResidualOfTones converts tones through the whole band, as signals, and looks at
// everything that is not the tone itself.
func TestResidualOfTones(t *testing.T) {
	for _, p := range [][2]int{{44100, 48000}, {48000, 44100}, {96000, 44100}, {44100, 44099}} {
		worst, worstAt := -300.0, 0.0
		for _, share := range []float64{0.01, 0.1, 0.3, 0.5, 0.7, 0.85, 0.9} {
			freq := share * float64(min(p[0], p[1])) / 2
			out := run(t, tone(freq, p[0], p[0]/5, 0.5), p[0], p[1], 1)
			mid := out[2000 : len(out)-2000]
			if res := residual(mid, 2000, freq, p[1]); res > worst {
				worst, worstAt = res, freq
			}
		}
		t.Logf("%v: worst residual %.1f dB below the tone at %.0f Hz", p, -worst, worstAt)
		if worst > -110 {
			t.Errorf("%v: residual of a %.0f Hz tone is %.1f dB, want below -110", p, worstAt, worst)
		}
	}
}

// residual compares x with the ideal tone at the exact output times (so that delay and
// gain errors count too) and gives the error's power relative to the tone.
func residual(x []int32, offset int, freq float64, rate int) float64 {
	var e, s float64
	for i, v := range x {
		ideal := 0.5 * 8388607 * math.Sin(2*math.Pi*freq*float64(i+offset)/float64(rate))
		e += (float64(v) - ideal) * (float64(v) - ideal)
		s += ideal * ideal
	}
	return 10 * math.Log10(e/s)
}

func TestOutOfBandIsRejected(t *testing.T) {
	// 30 kHz has no place at 44.1 kHz: what is left of it would be an alias.
	out := run(t, tone(30000, 96000, 96000, 0.9), 96000, 44100, 1)
	var peak int32
	for _, v := range out[2000 : len(out)-2000] {
		peak = max(peak, v, -v)
	}
	if got := db(float64(peak) / (0.9 * 8388607)); got > -110 {
		t.Errorf("alias of 30 kHz is at %.1f dB, want below -110", got)
	}
}

func TestFrameCountIsExact(t *testing.T) {
	for _, in := range rates {
		for _, out := range rates {
			r, err := New(in, out, 2, 24)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{0, 1, 7, 441} {
				got := len(r.Flush(r.Process(nil, make([]int32, 2*n)))) / 2
				want := (int64(n)*int64(out) + int64(in) - 1) / int64(in)
				if int64(got) != want || OutputFrames(int64(n), in, out) != want {
					t.Fatalf("%d frames %d->%d: got %d, OutputFrames %d, want %d", n, in, out, got, OutputFrames(int64(n), in, out), want)
				}
			}
		}
	}
}

func TestConstantStaysConstantAndAligned(t *testing.T) {
	in := make([]int32, 4000)
	for i := range in {
		in[i] = 1 << 20
	}
	out := run(t, in, 44100, 48000, 1)
	for i := 300; i < len(out)-300; i++ {
		if out[i] != 1<<20 {
			t.Fatalf("sample %d is %d, want %d", i, out[i], 1<<20)
		}
	}
	// A lone impulse at input frame 147*k comes out with its peak at 160*k exactly.
	in = make([]int32, 2000)
	in[147*5] = 8000000
	out = run(t, in, 44100, 48000, 1)
	if peak := slices.Index(out, slices.Max(out)); peak != 160*5 {
		t.Fatalf("impulse peaks at output frame %d, want %d", peak, 160*5)
	}
	for d := range 50 {
		if out[800-d] != out[800+d] {
			t.Fatalf("impulse response is not symmetric at distance %d: %d, %d", d, out[800-d], out[800+d])
		}
	}
}

func TestSplitsGiveTheSameOutput(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		in, out := rates[rng.IntN(len(rates))], rates[rng.IntN(len(rates))]
		ch := 1 + rng.IntN(3)
		x := make([]int32, ch*(500+rng.IntN(20000)))
		for i := range x {
			x[i] = rng.Int32N(1<<24) - 1<<23
		}
		want := run(t, x, in, out, ch)
		r, err := New(in, out, ch, 24)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time after a Flush, on used buffers
			var got []int32
			for rest := x; len(rest) > 0; {
				n := min(len(rest), ch*rng.IntN(3000))
				got = r.Process(got, rest[:n])
				rest = rest[n:]
			}
			got = r.Flush(got)
			if !slices.Equal(got, want) {
				t.Fatalf("%d->%d, %d channels: split output differs", in, out, ch)
			}
		}
	}
}

func TestClipsAtFullScale(t *testing.T) {
	in := make([]int32, 2000)
	for i := range in {
		in[i] = 8388607
		if i/20%2 == 0 {
			in[i] = -8388608
		}
	}
	for i, v := range run(t, in, 44100, 48000, 1) {
		if v > 8388607 || v < -8388608 {
			t.Fatalf("sample %d is %d: outside 24 bits", i, v)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range [][4]int{{0, 48000, 2, 16}, {44100, 400000, 2, 16}, {44100, 48000, 0, 16}, {44100, 48000, 9, 16}, {44100, 48000, 2, 4}} {
		if _, err := New(c[0], c[1], c[2], c[3]); err == nil {
			t.Errorf("New%v: want an error", c)
		}
	}
}

func BenchmarkStereo(b *testing.B) {
	for _, p := range [][2]int{{44100, 48000}, {48000, 44100}, {96000, 48000}, {44100, 96000}} {
		b.Run(fmt.Sprint(p[0], "to", p[1]), func(b *testing.B) {
			x := make([]int32, p[0]/10*2)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range x {
				x[i] = rng.Int32N(1<<24) - 1<<23
			}
			r, err := New(p[0], p[1], 2, 24)
			if err != nil {
				b.Fatal(err)
			}
			var out []int32
			b.ReportAllocs()
			for b.Loop() {
				out = r.Process(out[:0], x)
			}
			b.ReportMetric(0.1*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
		})
	}
}

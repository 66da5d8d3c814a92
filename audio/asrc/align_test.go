package asrc

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// rig is a source with a crystal of its own, and an aligner that hears it.
type rig struct {
	t       *testing.T
	a       *Aligner
	rng     *rand.Rand
	rate    int
	frames  int                          // of a chunk
	ppm     func(second float64) float64 // how much faster than nominal the crystal is
	stamp   func() float64               // error of a timestamp, µs
	delay   func() float64               // from capture of the chunk's end to its arrival, µs
	lose    func(chunk int) bool         // the chunk never comes
	samples func(n int) []int32

	now     float64 // true time of the next chunk's first frame, µs
	skew    float64 // added to timestamps
	played  int     // frames captured
	results []Result
	devs    []float64
	worst   float64 // error of the output, µs
	settled float64 // the same after a minute
	out     []int32
	keep    bool
}

func newRig(t *testing.T, rate int, dry bool) *rig {
	t.Helper()
	a, err := NewAligner(Config{InRate: rate, InDepth: 16, OutRate: rate, OutDepth: 24, Channels: 1})
	if err != nil {
		t.Fatal(err)
	}
	a.r.dry = dry
	r := &rig{t: t, a: a, rng: rand.New(rand.NewPCG(7, uint64(rate))), rate: rate, frames: rate / 50, now: 5e9,
		ppm: func(float64) float64 { return 0 }, lose: func(int) bool { return false }}
	r.stamp = func() float64 { return r.rng.NormFloat64() * 700 }
	r.delay = func() float64 { return 2000 + r.rng.Float64()*8000 }
	silence := make([]int32, r.frames)
	r.samples = func(n int) []int32 { return silence[:n] }
	return r
}

const startUS = 5e9

// run lets the source play for some seconds of true time.
func (r *rig) run(seconds float64) {
	r.t.Helper()
	end := r.now + seconds*1e6
	for chunk := 0; r.now < end; chunk++ {
		r.chunk(r.lose(chunk))
	}
}

// chunk captures one chunk and delivers it, unless it is lost.
func (r *rig) chunk(lost bool) {
	period := 1e6 / (float64(r.rate) * (1 + r.ppm((r.now-startUS)/1e6)*1e-6))
	first := r.now
	r.now += float64(r.frames) * period
	data := r.samples(r.frames)
	r.played += r.frames
	if lost {
		return
	}
	before := r.a.dev
	res := r.a.Push(nil, int64(first+r.skew+r.stamp()), int64(r.now+r.delay()), data)
	if r.keep {
		r.out = append(r.out, res.Samples...)
	}
	res.Samples = nil
	r.results = append(r.results, res)
	r.devs = append(r.devs, r.a.dev-before)
	// Where the next output's audio was captured indeed, and where it should have been.
	i, frac := r.a.r.Position()
	truth := r.now - (float64(r.a.in-i)-frac)*period + r.skew
	place := float64(r.a.base) + float64(r.a.out)*1e6/float64(r.rate)
	e := math.Abs(truth - place)
	r.worst = max(r.worst, e)
	if r.now > startUS+60e6 {
		r.settled = max(r.settled, e)
	}
}

// want checks the output's place in time.
func (r *rig) want(worst, settled float64) {
	r.t.Helper()
	if r.worst > worst || r.settled > settled {
		r.t.Errorf("the output is up to %.0f µs off, %.0f after a minute; want at most %.0f and %.0f", r.worst, r.settled, worst, settled)
	}
	period := float64(r.frames) / float64(r.rate)
	for i, d := range r.devs {
		if math.Abs(d)/period > 1000e-6 {
			r.t.Fatalf("chunk %d: the pitch changes by %.0f ppm per second, 1000 are inaudible", i, d/period*1e6)
		}
	}
}

// holes is the silence that was put in, and the steps of the anchor.
func (r *rig) holes() (n int, us, steps int64) {
	for _, res := range r.results {
		if res.HoleUS > 0 {
			n++
		}
		us += res.HoleUS
		steps += res.StepUS
	}
	return n, us, steps
}

// continuous checks that output frames follow each other.
func (r *rig) continuous() {
	r.t.Helper()
	for i := 1; i < len(r.results); i++ {
		if r.results[i].Frame < r.results[i-1].Frame {
			r.t.Fatalf("result %d goes back", i)
		}
	}
}

// An hour with a crystal that is 200 ppm off: 5,760 frames of 8 kHz are too many or too
// few at the end, and none of them is missing.
func TestAnHourOf200PPM(t *testing.T) {
	for name, c := range map[string]struct{ ppm, seconds float64 }{"fast": {200, 3600}, "slow": {-200, 900}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 8000, true)
			r.ppm = func(float64) float64 { return c.ppm }
			r.run(c.seconds)
			r.want(4000, 500)
			if n, us, steps := r.holes(); n != 0 || steps != 0 {
				t.Errorf("%d holes of %d µs, anchor moved by %d", n, us, steps)
			}
			if got := -r.a.Drift() * 1e6; math.Abs(got-c.ppm) > 5 {
				t.Errorf("drift is estimated as %.1f ppm, it is %.0f", got, c.ppm)
			}
			want := int(c.seconds) * 8000
			if d := int(r.a.out) - want; d > 300 || d < -300 {
				t.Errorf("%d frames came out, want %d", r.a.out, want)
			}
		})
	}
}

// Minutes of a real tone: the pitch is right, does not move audibly, and nothing drops
// out.
func TestToneOverMinutes(t *testing.T) {
	r := newRig(t, 8000, false)
	r.ppm = func(float64) float64 { return 200 }
	const freq = 440.0
	at := 0
	r.samples = func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(20000 * math.Sin(2*math.Pi*freq/8000*float64(at+i)))
		}
		at += n
		return out
	}
	r.keep = true
	r.run(200)
	r.want(4000, 1500)
	nominal := 2 * math.Pi * freq / 8000
	last := 0.0
	for s := 1; s+1 < 200; s += 23 {
		x := r.out[s*8000 : (s+1)*8000]
		w := frequency(x, nominal)
		// A ratio that still moves is no pure sine, so the first ones are left out.
		if level := residual(x, w); s > 10 && level > -60 {
			t.Errorf("second %d: noise at %.0f dB", s, level)
		}
		pitch := (w/nominal - 1) * 1e6
		if math.Abs(pitch-last) > 1000 && s > 1 {
			t.Errorf("second %d: the pitch moves from %.0f to %.0f ppm", s, last, pitch)
		}
		// The source plays 200 ppm high; on the house clock its tone is that high, too.
		if s > 60 && math.Abs(pitch-200) > 60 {
			t.Errorf("second %d: the tone is %.0f ppm high, want 200", s, pitch)
		}
		last = pitch
	}
	const full = 20000 * 256 / math.Sqrt2
	for i := 800; i+800 <= len(r.out); i += 800 { // a tenth of a second is 44 periods
		var sum float64
		for _, v := range r.out[i : i+800] {
			sum += float64(v) * float64(v)
		}
		if level := math.Sqrt(sum/800) / full; math.Abs(level-1) > 0.01 {
			t.Fatalf("at %.1f s the level is %.3f", float64(i)/8000, level)
		}
	}
}

func TestWanderingCrystal(t *testing.T) {
	r := newRig(t, 8000, true)
	r.ppm = func(s float64) float64 { return 50 + 40*math.Sin(2*math.Pi*s/600) }
	r.run(1800)
	r.want(4000, 1500)
}

// Of chunks that are lost, silence of their exact length is put in.
func TestLostChunksBecomeSilence(t *testing.T) {
	r := newRig(t, 8000, true)
	r.ppm = func(float64) float64 { return -120 }
	lost, runs, missing := 0, 0, false
	r.lose = func(chunk int) bool {
		was := missing
		missing = chunk > 0 && r.rng.Float64() < 0.05
		if missing {
			lost++
		} else if was {
			runs++
		}
		return missing
	}
	r.run(600)
	n, us, steps := r.holes()
	if missing { // the last ones are not missed yet
		lost--
	}
	if n != runs || us != int64(lost)*20_000 || steps != 0 {
		t.Errorf("%d holes of %d µs for %d lost chunks in %d runs; anchor moved by %d", n, us, lost, runs, steps)
	}
	r.want(4000, 1000)
	r.continuous()
}

// A clock that steps moves the anchor; the audio goes on.
func TestStepOfTheTimestamps(t *testing.T) {
	for name, step := range map[string]float64{"forward": 3e6, "back": -5e6, "a little back": -60_000} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 8000, true)
			r.run(20)
			before := r.results[len(r.results)-1]
			r.skew = step
			r.chunk(false)
			after := r.results[len(r.results)-1]
			if after.HoleUS != 0 || math.Abs(float64(after.StepUS)-step) > 4000 {
				t.Errorf("%+v, want a step of %.0f", after, step)
			}
			if d := float64(after.CaptureUS-before.CaptureUS) - 20_000 - step; math.Abs(d) > 4000 {
				t.Errorf("captures go on %.0f µs off", d)
			}
			r.worst = 0
			r.run(20)
			r.want(4000, 4000)
			if n, us, _ := r.holes(); n != 0 {
				t.Errorf("%d holes of %d µs", n, us)
			}
		})
	}
}

// A stall of a second: what was not sent is silence, what came late is there.
func TestStallOfASecond(t *testing.T) {
	t.Run("the backlog is dropped", func(t *testing.T) {
		r := newRig(t, 8000, true)
		r.run(10)
		for range 50 {
			r.chunk(true)
		}
		r.run(10)
		if n, us, steps := r.holes(); n != 1 || us != 1_000_000 || steps != 0 {
			t.Errorf("%d holes of %d µs, anchor moved by %d", n, us, steps)
		}
		r.want(4000, 4000)
	})
	t.Run("the backlog comes in a burst", func(t *testing.T) {
		r := newRig(t, 8000, true)
		r.run(10)
		normal, until := r.delay, r.now+1e6
		r.delay = func() float64 { return max(until-r.now, 0) + normal() }
		r.run(10)
		if n, us, steps := r.holes(); n != 0 || steps != 0 {
			t.Errorf("%d holes of %d µs, anchor moved by %d", n, us, steps)
		}
		r.want(4000, 4000)
	})
	t.Run("half of it comes", func(t *testing.T) {
		r := newRig(t, 8000, true)
		r.run(10)
		normal, until := r.delay, r.now+1e6
		r.delay = func() float64 { return max(until-r.now, 0) + normal() }
		for range 15 {
			r.chunk(false)
		}
		for range 35 {
			r.chunk(true)
		}
		r.run(10)
		if n, us, steps := r.holes(); n != 1 || us != 700_000 || steps != 0 {
			t.Errorf("%d holes of %d µs, anchor moved by %d", n, us, steps)
		}
		r.want(4000, 4000)
	})
}

// Timestamps that jitter by more than half a chunk are no holes.
func TestRoughTimestamps(t *testing.T) {
	r := newRig(t, 8000, true)
	r.ppm = func(float64) float64 { return 80 }
	r.stamp = func() float64 { return (r.rng.Float64()*2 - 1) * 12_000 }
	r.run(600)
	if n, us, steps := r.holes(); n != 0 || steps != 0 {
		t.Errorf("%d holes of %d µs, anchor moved by %d", n, us, steps)
	}
	r.want(15_000, 5000)
}

// A crystal that is further off than can be followed is brought back with cuts: the
// latency stays bounded.
func TestImpossibleCrystal(t *testing.T) {
	for name, ppm := range map[string]float64{"fast": 6000, "slow": -6000} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 8000, true)
			r.ppm = func(float64) float64 { return ppm }
			r.run(300)
			if r.worst > 80_000 {
				t.Errorf("the output is %.0f µs off", r.worst)
			}
		})
	}
}

// Another format goes on behind the first one, with the silence that lies between.
func TestReformat(t *testing.T) {
	r := newRig(t, 8000, true)
	r.run(5)
	if err := r.a.Reformat(16000, 24); err != nil {
		t.Fatal(err)
	}
	r.a.r.dry = true
	end := r.a.captured(r.a.out)
	res := r.a.Push(nil, end+250_000, end+270_000, make([]int32, 320))
	if res.HoleUS != 250_000 || res.StepUS != 0 || len(res.Samples) < 2000+60 || len(res.Samples) > 2000+160 {
		t.Errorf("hole %d, step %d, %d frames", res.HoleUS, res.StepUS, len(res.Samples))
	}
	if err := r.a.Reformat(1, 16); err == nil {
		t.Error("1 Hz is accepted")
	}
}

func TestSilenceIsSilent(t *testing.T) {
	r := newRig(t, 8000, false)
	loud := slices.Repeat([]int32{10_000}, r.frames)
	r.samples = func(n int) []int32 { return loud[:n] }
	r.keep = true
	r.run(5)
	for range 20 {
		r.chunk(true)
	}
	r.run(1)
	zeros := 0
	for _, v := range r.out {
		if v == 0 {
			zeros++
		}
	}
	// 400 ms but for the kernel's reach at both ends.
	if zeros < 3200-200 || zeros > 3200 {
		t.Errorf("%d frames are silent, want 3200 less the kernel", zeros)
	}
}

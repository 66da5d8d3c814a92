package timeline

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

var rates = []int{8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000}

// exact is j/rate seconds after t0 in µs, rounded down, by rational arithmetic.
func exact(t0, j int64, rate int) int64 {
	r := new(big.Int).Mul(big.NewInt(j), big.NewInt(Micro))
	return t0 + new(big.Int).Div(r, big.NewInt(int64(rate))).Int64()
}

func TestFrameTimeIsExactOverADay(t *testing.T) {
	const t0 = 1_234_567_891
	for chunk := int64(0); chunk < 24*3600*10; chunk++ { // every 100 ms chunk of 24 h of 44.1 kHz
		j := chunk * 4410
		if got, want := FrameTime(t0, j, 44100), int64(t0)+chunk*100_000; got != want {
			t.Fatalf("chunk %d at %d, want %d", chunk, got, want)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		rate := rates[rng.IntN(len(rates))]
		j := rng.Int64N(int64(rate) * 86400 * 365)
		if got, want := FrameTime(t0, j, rate), exact(t0, j, rate); got != want {
			t.Fatalf("FrameTime(%d, %d) = %d, want %d", j, rate, got, want)
		}
		if back := FrameAt(t0, FrameTime(t0, j, rate), rate); back != j {
			t.Fatalf("FrameAt(FrameTime(%d)) = %d at %d Hz", j, back, rate)
		}
	}
}

// TestSegmentsCarryFractions joins random items of random rates for the length of
// days and compares every start with rational arithmetic.
func TestSegmentsCarryFractions(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		e, sum := New(1, 1000), new(big.Rat)
		prev, frames := Format{}, int64(0)
		for item := range 300 {
			f := Format{rates[rng.IntN(len(rates))], 2, 16}
			before := frames
			if item > 0 && f != prev {
				sum.Add(sum, big.NewRat(frames, int64(prev.SampleRate)))
				frames = 0
			}
			seg, at, us := e.Begin("x", f, 0, before)
			if at != frames {
				t.Fatalf("item begins at frame %d, want %d", at, frames)
			}
			want := new(big.Rat).Add(sum, big.NewRat(frames, int64(f.SampleRate)))
			wantUS := new(big.Rat).Mul(want, big.NewRat(Micro, 1))
			if floor := new(big.Int).Div(wantUS.Num(), wantUS.Denom()).Int64(); us != 1000+floor {
				t.Fatalf("item %d at %d µs, want %d", item, us, 1000+floor)
			}
			s := e.Segment(seg)
			if got := big.NewRat(s.Start.Num, s.Start.Den); got.Cmp(sum) != 0 {
				t.Fatalf("segment %d starts at %v, want %v", seg, got, sum)
			}
			for _, r := range rates {
				// Within one sample of the exact start, never before it.
				diff := new(big.Rat).Sub(big.NewRat(s.StartFrame(r), int64(r)), sum)
				if diff.Sign() < 0 || diff.Cmp(big.NewRat(1, int64(r))) >= 0 {
					t.Fatalf("segment %d off its start by %v s at %d Hz", seg, diff, r)
				}
			}
			prev = f
			frames += 1 + rng.Int64N(int64(f.SampleRate)*600)
			if rng.IntN(4) == 0 {
				e.Forget(us)
			}
		}
	}
}

// TestAllottedFramesFitTheResampler checks the bound that renditions rely on: between
// two starts there is room for as many frames as a resampler gives, or one fewer.
func TestAllottedFramesFitTheResampler(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 50_000 {
		in, out := rates[rng.IntN(len(rates))], rates[rng.IntN(len(rates))]
		start := Zero().Add(rng.Int64N(1e9), rates[rng.IntN(len(rates))])
		n := rng.Int64N(1e8)
		room := start.Add(n, in).Ceil(int64(out)) - start.Ceil(int64(out))
		gives := -((-n * int64(out)) / int64(in)) // ceil
		if (n*int64(out))%int64(in) != 0 {
			gives = n*int64(out)/int64(in) + 1
		}
		if room != gives && room != gives-1 {
			t.Fatalf("%d frames %d→%d: room for %d, resampler gives %d", n, in, out, room, gives)
		}
		if in == out && room != n {
			t.Fatalf("%d frames at one rate get room for %d", n, room)
		}
	}
}

func TestContrivedRatesNeverOverflow(t *testing.T) {
	o := Zero()
	rng := rand.New(rand.NewPCG(9, 10))
	want := new(big.Rat)
	for range 2000 {
		rate := 8000 + rng.IntN(184001)
		n := rng.Int64N(int64(rate) * 3600)
		o = o.Add(n, rate)
		want.Add(want, big.NewRat(n, int64(rate)))
	}
	got := big.NewRat(o.Num, o.Den)
	diff, _ := new(big.Rat).Sub(got, want).Float64()
	if diff < 0 || diff > 2000*2e-6 {
		t.Fatalf("off by %v s after 2000 contrived items", diff)
	}
}

func TestItemAndRestore(t *testing.T) {
	cd, dat := Format{44100, 2, 16}, Format{48000, 2, 24}
	e := New(7, 5_000_000)
	e.Begin("a", cd, 441, 0)    // a, from 10 ms
	e.Begin("b", cd, 0, 44100)  // 1 s later, same segment
	e.Begin("c", dat, 0, 88201) // b has 44101 frames, then another rate
	seg, at, _ := e.Begin("d", dat, 0, 96000)
	if seg != 1 || at != 96000 {
		t.Fatalf("d in segment %d at %d", seg, at)
	}
	check := func(e *Epoch) {
		t.Helper()
		for _, c := range []struct {
			j    int64
			rate int
			id   string
			ms   int64
		}{{1, 44100, "a", 10}, {4410, 44100, "a", 110}, {44100, 44100, "a", 1010}, {44101, 44100, "b", 0}, {88200, 44100, "b", 1000}, {88201, 44100, "b", 1000},
			{88202, 44100, "c", 0}, {96002 + 48, 48000, "c", 1}, {96002 + 96000, 48000, "c", 2000}, {96002 + 96048, 48000, "d", 1}} {
			if id, ms := e.ItemEnd(c.j, c.rate); id != c.id || ms != c.ms {
				t.Errorf("ItemEnd(%d, %d) = %s %d, want %s %d", c.j, c.rate, id, ms, c.id, c.ms)
			}
		}
	}
	check(e)
	r := Restore(7, 5_000_000, e.First(), e.Segments())
	check(r)
	if r.Segment(0).Frames != 88201 || r.Segment(1).Frames != -1 {
		t.Errorf("restored lengths %d, %d", r.Segment(0).Frames, r.Segment(1).Frames)
	}
	e.Forget(e.SourceTime(1, 10))
	e.Close(96001)
	e.Truncate(1, Mark{Frame: 0, ItemID: "c"})
	if s := e.Segment(1); len(s.Marks) != 1 || s.Frames != -1 {
		t.Errorf("Truncate left %d marks, %d frames", len(s.Marks), s.Frames)
	}
	if e.First() != 1 || e.Segment(0) != nil || e.Segment(1) == nil {
		t.Errorf("Forget kept segment %d", e.First())
	}
}

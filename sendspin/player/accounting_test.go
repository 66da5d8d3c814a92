package player

import (
	"math"
	"math/rand/v2"
	"testing"
)

// naive is the specification's text taken literally: every chunk since the last
// reset, completion times computed anew each time.
type naive struct {
	delay  int64
	chunks []struct {
		end  int64
		size int
	}
}

func (n *naive) count(now int64) (bytes int, last int64, next int64) {
	next = math.MaxInt64
	for _, c := range n.chunks {
		if done := c.end - n.delay; done > now {
			bytes += c.size
			last = max(last, done-now)
			next = min(next, done)
		}
	}
	return bytes, last, next
}

func TestAccountingEqualsTheDefinition(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		capacity := 1 + r.IntN(200_000)
		a, n := New(capacity), &naive{}
		now := r.Int64N(1 << 40)
		stamp := now
		for step := range 3000 {
			switch k := r.IntN(100); {
			case k < 55: // a chunk; sometimes out of order, sometimes already late
				dur, size := r.Int64N(150_000), 13+r.IntN(20_000)
				at := stamp
				if seed%3 == 0 && r.IntN(10) == 0 {
					at = now - 200_000 + r.Int64N(10_000_000)
				} else {
					stamp += dur
				}
				a.Sent(at, dur, size, now)
				n.chunks = append(n.chunks, struct {
					end  int64
					size int
				}{at + dur, size})
			case k < 90:
				now += r.Int64N(400_000)
				stamp = max(stamp, now-100_000)
			case k < 97:
				ms := r.Int64N(6500) - 500
				a.SetOutputDelay(ms*1000, now)
				n.delay = min(max(ms, 0), 5000) * 1000
			case k < 98:
				a.Reset()
				n.chunks = nil
			}
			bytes, last, next := n.count(now)
			if got := a.Count(now); got != bytes {
				t.Fatalf("seed %d step %d: Count %d, want %d", seed, step, got, bytes)
			}
			if got := a.Buffered(now); got != last {
				t.Fatalf("seed %d step %d: Buffered %d, want %d", seed, step, got, last)
			}
			at, ok := a.NextRelease(now)
			if ok != (bytes > 0) || ok && at != next {
				t.Fatalf("seed %d step %d: NextRelease %d %v, want %d", seed, step, at, ok, next)
			}
			size := r.IntN(capacity + 10)
			if got, want := a.CanSend(size, now), size+bytes <= capacity; got != want {
				t.Fatalf("seed %d step %d: CanSend(%d) %v with %d of %d", seed, step, size, got, bytes, capacity)
			}
		}
	}
}

func TestChunkCountsUntilItsCompletionTime(t *testing.T) {
	a := New(1000)
	a.Sent(1_000_000, 100_000, 600, 0)
	if a.CanSend(401, 1_099_999) {
		t.Error("a chunk in its last microsecond no longer counts")
	}
	if !a.CanSend(400, 1_099_999) {
		t.Error("a chunk that fills the capacity exactly is refused")
	}
	if got := a.Count(1_100_000); got != 0 {
		t.Errorf("%d bytes at the completion time, want 0", got)
	}
}

func TestSmallerDelayBringsChunksBack(t *testing.T) {
	a := New(1000)
	a.SetOutputDelay(5_000_000, 0)
	a.Sent(5_000_000, 1_000_000, 700, 0)
	if got := a.Count(1_000_000); got != 0 {
		t.Fatalf("%d bytes after completion with the long delay, want 0", got)
	}
	a.SetOutputDelay(0, 1_000_000)
	if got := a.Count(1_000_000); got != 700 {
		t.Fatalf("%d bytes after the delay fell, want 700", got)
	}
	a.SetOutputDelay(5_000_000, 6_500_000)
	a.SetOutputDelay(0, 6_500_000)
	if got := a.Count(6_500_000); got != 0 {
		t.Fatalf("%d bytes of a chunk that is complete with any delay, want 0", got)
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	a := New(math.MaxInt)
	a.SetOutputDelay(5_000_000, 0)
	for i := range int64(100_000) { // 100 ms chunks, sent 1 s ahead
		now := i * 100_000
		a.Sent(now+1_000_000, 100_000, 4000, now)
	}
	if got := a.tail - a.front; got > 64 {
		t.Errorf("%d chunks are kept, want those of at most 6 s", got)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	a := New(1 << 20)
	var now int64
	allocs := testing.AllocsPerRun(10_000, func() {
		now += 20_000
		if a.CanSend(3853, now) {
			a.Sent(now+3_000_000, 20_000, 3853, now)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per chunk, want 0", allocs)
	}
}

func TestVolumeAmplitude(t *testing.T) {
	for v, want := range map[int]float64{0: 0, 1: 0.001, 25: 0.125, 50: 0.3535533905932738, 64: 0.512, 100: 1, -3: 0, 250: 1} {
		if got := VolumeAmplitude(v); math.Abs(got-want) > 1e-12 {
			t.Errorf("VolumeAmplitude(%d) = %v, want %v", v, got, want)
		}
	}
	for v := range 100 {
		if VolumeAmplitude(v) >= VolumeAmplitude(v+1) {
			t.Errorf("the curve does not rise at %d", v)
		}
	}
}

func BenchmarkAccounting(b *testing.B) {
	a := New(1 << 20)
	var now int64
	for b.Loop() {
		now += 20_000
		if a.CanSend(3853, now) {
			a.Sent(now+3_000_000, 20_000, 3853, now)
		}
	}
}

package render

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/clock"
)

// mapping is a translator with an exact offset and drift.
type mapping struct {
	offset int64
	drift  float64
}

func (m mapping) ClientTime(server int64) int64 {
	return server - m.offset + int64(math.Round(float64(server)*m.drift))
}

// counting returns frames numbered from n, in every channel. Numbers start above 0,
// which is silence.
func counting(n, frames, channels int) []int32 {
	out := make([]int32, frames*channels)
	for i := range out {
		out[i] = int32(n + i/channels)
	}
	return out
}

func newRenderer(t testing.TB, rate, channels int) *Renderer {
	t.Helper()
	r, err := New(Config{SampleRate: rate, Channels: channels})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPlaysAtTheTimestamp(t *testing.T) {
	const rate = 48000
	r := newRenderer(t, rate, 2)
	m := mapping{offset: 5_000_000}
	if err := r.Push(6_000_000, counting(1, 960, 2)); err != nil {
		t.Fatal(err)
	}
	if err := r.Push(6_020_000, counting(961, 960, 2)); err != nil {
		t.Fatal(err)
	}
	dst := make([]int32, 2*(480+1920))
	r.Read(dst, 990_000, m) // 10 ms before the first frame is due at 1 s
	for i := range 480 {
		if dst[2*i] != 0 {
			t.Fatalf("frame %d of the lead is %d, want silence", i, dst[2*i])
		}
	}
	for i := range 1920 {
		if got := dst[2*(480+i)]; got != int32(1+i) || dst[2*(480+i)+1] != got {
			t.Fatalf("frame %d is %d", i, got)
		}
	}
	if s := r.Stats(); s.Snaps != 1 || s.Dropped+s.Repeated+s.Late+s.Underruns != 0 || s.Frames != 1920 || r.Queued() != 0 {
		t.Errorf("%+v", s)
	}
}

func TestLateStartDropsThePrefix(t *testing.T) {
	r := newRenderer(t, 1000, 1) // one frame is one millisecond
	for i := range 3 {
		if err := r.Push(int64(i)*10_000, counting(1+10*i, 10, 1)); err != nil {
			t.Fatal(err)
		}
	}
	dst := make([]int32, 5)
	r.Read(dst, 13_000, mapping{})
	if dst[0] != 14 {
		t.Errorf("the first frame is %d, want number 14", dst[0])
	}
	if s := r.Stats(); s.Late != 13 || s.Snaps != 1 {
		t.Errorf("%+v", s)
	}
}

func TestUnderrunAndRecovery(t *testing.T) {
	r := newRenderer(t, 1000, 1)
	push := func(at, first int) {
		t.Helper()
		if err := r.Push(int64(at)*1000, counting(first, 10, 1)); err != nil {
			t.Fatal(err)
		}
	}
	push(0, 1)
	dst := make([]int32, 20)
	r.Read(dst, 0, mapping{})
	if dst[9] != 10 || dst[10] != 0 {
		t.Errorf("%v", dst)
	}
	push(20, 21)
	push(30, 31)
	r.Read(dst, 25_000, mapping{}) // five frames late
	if dst[0] != 26 || dst[14] != 40 || dst[15] != 0 {
		t.Errorf("%v", dst)
	}
	if s := r.Stats(); s.Underruns != 2 || s.Late != 5 || s.Snaps != 2 {
		t.Errorf("%+v", s)
	}
}

func TestGapBecomesSilence(t *testing.T) {
	r := newRenderer(t, 1000, 1)
	for _, at := range []int64{0, 15_000} {
		if err := r.Push(at, counting(int(at/1000)+1, 10, 1)); err != nil {
			t.Fatal(err)
		}
	}
	dst := make([]int32, 25)
	r.Read(dst, 0, mapping{})
	for i, v := range dst {
		if want := int32(i + 1); v != want && (i < 10 || i >= 15) || i >= 10 && i < 15 && v != 0 {
			t.Fatalf("frame %d is %d: %v", i, v, dst)
		}
	}
}

func TestClearAndDelay(t *testing.T) {
	r := newRenderer(t, 1000, 1)
	if err := r.Push(0, counting(1, 100, 1)); err != nil {
		t.Fatal(err)
	}
	dst := make([]int32, 10)
	r.Read(dst, 0, mapping{})
	r.Clear()
	r.Read(dst, 10_000, mapping{})
	if dst[0] != 0 || r.Queued() != 0 {
		t.Errorf("%v after Clear", dst)
	}
	r.SetOutputDelay(30_000)
	if err := r.Push(100_000, counting(1, 100, 1)); err != nil {
		t.Fatal(err)
	}
	r.Read(dst, 65_000, mapping{}) // due at 70 ms
	if dst[4] != 0 || dst[5] != 1 {
		t.Errorf("%v with an output delay", dst)
	}
}

func TestQueueIsBounded(t *testing.T) {
	r, err := New(Config{SampleRate: 1000, Channels: 1, MaxFrames: 25})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Push(0, make([]int32, 20)); err != nil {
		t.Fatal(err)
	}
	if err := r.Push(20_000, make([]int32, 6)); err != ErrFull {
		t.Errorf("%v", err)
	}
	if _, err := New(Config{SampleRate: 0, Channels: 1}); err == nil {
		t.Error("no sample rate, no error")
	}
}

// device simulates a sound device whose crystal is off: it asks for buffers and knows
// when each will be heard.
type device struct {
	rate   float64 // true frames per second
	frames int64   // put out so far
	start  int64
}

func (d *device) at() int64 { return d.start + int64(float64(d.frames)/d.rate*1e6) }

// checkOutput follows the frame numbers: everything is in order, what is missing or
// twice is a soft correction, and the speed stays within bounds.
func checkOutput(t *testing.T, out []int32, rate, step int) (dropped, repeated int) {
	t.Helper()
	window := rate * 150 / 1000
	var corrections []int // frames moved at each output position
	last := int32(0)
	for i, v := range out {
		move := 0
		if last != 0 {
			switch d := int(v - last); {
			case d == 1:
			case d == 0:
				move, repeated = 1, repeated+1
			case d > 1 && d <= 1+step:
				move, dropped = d-1, dropped+d-1
			default:
				t.Fatalf("output frame %d: number %d after %d", i, v, last)
			}
		}
		corrections = append(corrections, move)
		last = v
	}
	sum := 0
	for i, m := range corrections {
		sum += m
		if i >= window {
			sum -= corrections[i-window]
		}
		if float64(sum) > 0.005*float64(window) {
			t.Fatalf("%d frames are corrected within 150 ms at output frame %d", sum, i)
		}
	}
	return dropped, repeated
}

func TestFollowsDriftWithinTheRules(t *testing.T) {
	for seed := range uint64(10) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		rate := []int{44100, 48000, 96000}[rnd.IntN(3)]
		step := max(1, int(math.Round(21e-6*float64(rate))))
		r := newRenderer(t, rate, 1)
		drift := (rnd.Float64()*2 - 1) * 200e-6 // client's clock against the server's
		crystal := (rnd.Float64()*2 - 1) * 200e-6
		m := mapping{offset: 1_000_000, drift: drift}
		dev := &device{rate: float64(rate) * (1 + crystal), start: 500_000}
		chunkFrames := rate * (15 + rnd.IntN(136)) / 1000

		var out []int32
		pushed := 0
		buf := make([]int32, 512)
		for dev.frames < int64(20*rate) {
			for r.Queued() < rate {
				stamp := 2_000_000 + int64(pushed)*1_000_000/int64(rate)
				if err := r.Push(stamp, counting(1+pushed, chunkFrames, 1)); err != nil {
					t.Fatal(err)
				}
				pushed += chunkFrames
			}
			r.Read(buf, dev.at(), m)
			dev.frames += int64(len(buf))
			for _, v := range buf {
				if v != 0 {
					out = append(out, v)
				}
			}
			if s := r.Stats(); s.Snaps > 1 || abs(s.MaxErrorUS) > 1000 {
				t.Fatalf("seed %d: %+v", seed, s)
			}
		}
		dropped, repeated := checkOutput(t, out, rate, step)
		s := r.Stats()
		if uint64(dropped) != s.Dropped || uint64(repeated) != s.Repeated {
			t.Errorf("seed %d: output shows %d dropped and %d repeated, stats %+v", seed, dropped, repeated, s)
		}
		if abs(s.ErrorUS) > 500 {
			t.Errorf("seed %d: error %d µs at the end", seed, s.ErrorUS)
		}
		want := (drift + crystal) * 20 * float64(rate) // frames to be repeated, about
		if got := float64(repeated - dropped); math.Abs(got-want) > 40+0.1*math.Abs(want) {
			t.Errorf("seed %d: %v frames corrected, want about %v", seed, got, want)
		}
	}
}

// TestWithTheTimeFilter runs the renderer on a filter that is fed over a jittery
// network while it plays.
func TestWithTheTimeFilter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	const rate, drift = 48000, 80e-6
	client := func(server int64) int64 { return server + 7_000_000 + int64(float64(server)*drift) }
	f := clock.New()
	server := int64(10_000_000)
	measure := func() {
		up, down := 200+rnd.ExpFloat64()*300, 200+rnd.ExpFloat64()*300
		z, e := clock.Exchange(client(server), server+int64(up), server+int64(up), client(server+int64(up+down)))
		f.Update(z, e, client(server+int64(up+down)))
	}
	for range 5 {
		measure()
		server += 500_000
	}
	r := newRenderer(t, rate, 2)
	dev := &device{rate: rate, start: client(server)}
	first := server + 300_000
	pushed := 0
	buf := make([]int32, 2*480)
	for range 6000 { // 60 s
		for r.Queued() < rate/2 {
			if err := r.Push(first+int64(pushed)*1_000_000/rate, counting(1+pushed, 4800, 2)); err != nil {
				t.Fatal(err)
			}
			pushed += 4800
		}
		r.Read(buf, dev.at(), f)
		dev.frames += 480
		server += 10_000
		if dev.frames%(10*rate) == 0 {
			measure()
		}
	}
	s := r.Stats()
	if abs(s.ErrorUS) > 1000 || s.Underruns != 0 || s.Snaps > 3 {
		t.Errorf("%+v", s)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	r := newRenderer(t, 48000, 2)
	samples := counting(1, 960, 2)
	buf := make([]int32, 2*960)
	var at int64
	push := func() {
		if err := r.Push(at+20_000, samples); err != nil {
			t.Fatal(err)
		}
		r.Read(buf, at, mapping{})
		at += 20_000
	}
	for range 200 {
		push()
	}
	if n := testing.AllocsPerRun(1000, push); n > 0 {
		t.Errorf("%v allocations per chunk", n)
	}
}

func FuzzRender(f *testing.F) {
	f.Add([]byte{1, 50, 2, 10, 3, 200, 1, 0, 2, 255}, int64(5))
	f.Fuzz(func(t *testing.T, script []byte, offset int64) {
		offset %= 1 << 40
		r := newRenderer(t, 48000, 2)
		var at, stamp int64
		for i := 0; i+1 < len(script); i += 2 {
			n := int64(script[i+1])
			switch script[i] % 5 {
			case 0:
				_ = r.Push(stamp, make([]int32, 2*n*4))
				stamp += n * 4 * 1_000_000 / 48000
			case 1:
				r.Read(make([]int32, 2*n), at, mapping{offset: offset})
				at += n * 1_000_000 / 48000
			case 2:
				at += n * 1000
			case 3:
				stamp += (n - 100) * 1000
			case 4:
				r.SetOutputDelay(n * 1000)
				if n == 0 {
					r.Clear()
				}
			}
			if r.Queued() < 0 {
				t.Fatal("negative queue")
			}
		}
	})
}

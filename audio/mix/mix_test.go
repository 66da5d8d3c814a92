package mix

import (
	"math"
	"slices"
	"testing"
)

func TestScale(t *testing.T) {
	in := []int32{0, 1, -1, 1000, -1000, 32767, -32768}
	same := slices.Clone(in)
	Scale(same, 1, 16)
	if !slices.Equal(same, in) {
		t.Errorf("factor 1 changed %v to %v", in, same)
	}
	half := slices.Clone(in)
	Scale(half, 0.5, 16)
	if want := []int32{0, 1, -1, 500, -500, 16384, -16384}; !slices.Equal(half, want) {
		t.Errorf("half: %v, want %v", half, want)
	}
	if got := DB(-6.0206); math.Abs(got-0.5) > 1e-5 {
		t.Errorf("-6.02 dB is %f", got)
	}
}

// TestSumsBendAndNeverWrap checks the curve above the knee: growing, symmetrical, and
// inside the range however large the sum.
func TestSumsBendAndNeverWrap(t *testing.T) {
	const top = 1 << 23
	last := int32(-1)
	for v := 0.0; v < 4*top; v += top / 500 {
		got := fit(v, top)
		if got < last || got > top-1 {
			t.Fatalf("fit(%g) = %d after %d", v, got, last)
		}
		if v < knee*top && got != int32(math.Round(v)) {
			t.Fatalf("fit(%g) = %d below the knee", v, got)
		}
		if neg := fit(-v, top); neg != -got && neg != -got-1 {
			t.Fatalf("fit(%g) = %d, fit(%g) = %d", v, got, -v, neg)
		}
		last = got
	}
}

// TestFadeKeepsThePower mixes two tones of different pitch, whose powers add up, and
// measures the power in short windows.
func TestFadeKeepsThePower(t *testing.T) {
	const frames, rate, amp = 48000, 48000.0, 2_000_000.0
	tone := func(hz float64) []int32 {
		out := make([]int32, 2*frames)
		for i := range frames {
			v := int32(amp * math.Sin(2*math.Pi*hz*float64(i)/rate))
			out[2*i], out[2*i+1] = v, v
		}
		return out
	}
	a, b := tone(440), tone(1250)
	f := Fade{Length: frames, Channels: 2, Depth: 24}
	for i := 0; i < len(b); i += 2000 { // in pieces, as a feed does it
		f.Mix(b[i:i+2000], a[i:i+2000])
	}
	if f.Left() != 0 {
		t.Errorf("%d frames left", f.Left())
	}
	for i := 0; i < len(b); i += 4800 {
		var sum float64
		for _, v := range b[i : i+4800] {
			sum += float64(v) * float64(v)
		}
		if db := 10 * math.Log10(sum/4800/(amp*amp/2)); math.Abs(db) > 0.3 {
			t.Errorf("at %d the power is off by %.2f dB", i/2, db)
		}
	}
	if b[len(b)-1] == 0 && b[len(b)-3] == 0 {
		t.Error("what comes is silent at the end")
	}
}

func TestFadeOutRunsDryIntoSilence(t *testing.T) {
	in := make([]int32, 20)
	f := Fade{Length: 10, Channels: 2, Depth: 24}
	f.Mix(in, []int32{1000, 1000, 1000, 1000})
	for i, v := range in {
		if (v != 0) != (i < 4) {
			t.Fatalf("sample %d is %d", i, v)
		}
	}
}

func TestDuckGoesDownStaysAndComesUp(t *testing.T) {
	const ramp, length, floor = 100, 500, 0.125
	music := make([]int32, 1000)
	for i := range music {
		music[i] = 1 << 20
	}
	d := Duck{Floor: floor, Ramp: ramp, Length: length, Channels: 1, Depth: 24}
	for i := 0; i < len(music); i += 50 {
		after, n := d.Clip(50)
		clip := slices.Repeat([]int32{4000}, int(n))
		d.Mix(music[i:i+50], clip, after)
		if want := i+50 >= 2*ramp+length; d.Over() != want {
			t.Fatalf("over after %d frames: %v", i+50, d.Over())
		}
	}
	if music[0] != 1<<20 || music[ramp+length+ramp] != 1<<20 || music[999] != 1<<20 {
		t.Errorf("the music is %d, ..., %d outside", music[0], music[999])
	}
	for i := ramp; i < ramp+length; i++ {
		if music[i] != 1<<17+4000 {
			t.Fatalf("under the clip, frame %d is %d", i, music[i])
		}
	}
	for i := 1; i < ramp; i++ {
		if music[i] > music[i-1] || music[ramp+length+i] < music[ramp+length+i-1] {
			t.Fatalf("the ramps are not monotonous at %d", i)
		}
	}
}

func BenchmarkDuck(b *testing.B) {
	music, clip := make([]int32, 9600), make([]int32, 9600)
	b.ReportAllocs()
	for b.Loop() {
		d := Duck{Floor: 0.1, Ramp: 0, Length: 4800, Channels: 2, Depth: 24}
		d.Mix(music, clip, 0)
	}
}

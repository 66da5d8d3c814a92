package convert_test

import (
	"math"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/audio/convert"
	"github.com/tutti-audio/tutti/audio/pcm"
)

func format(t testing.TB, s string) pcm.Format {
	f, err := pcm.ParseFormat("pcm:" + s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func sine(frames int, f pcm.Format) []int32 {
	out := make([]int32, 0, frames*f.Channels)
	full := float64(int64(1)<<(f.BitDepth-1) - 1)
	for i := range frames {
		for range f.Channels {
			out = append(out, int32(math.Round(0.5*full*math.Sin(2*math.Pi*1000*float64(i)/float64(f.SampleRate)))))
		}
	}
	return out
}

func TestWhatNeedsNoRoundingIsExact(t *testing.T) {
	for _, c := range []struct {
		in, out string
		gain    int32
		repeat  int
	}{{"44100:16:2", "44100:16:2", 1, 1}, {"44100:16:2", "44100:24:2", 256, 1}, {"44100:16:1", "44100:16:2", 1, 2}, {"48000:24:1", "48000:32:2", 256, 2}} {
		in, out := format(t, c.in), format(t, c.out)
		cv, err := convert.New(in, out)
		if err != nil {
			t.Fatal(err)
		}
		x := sine(1000, in)
		var want []int32
		for _, v := range x {
			for range c.repeat {
				want = append(want, v*c.gain)
			}
		}
		if got := cv.Flush(cv.Process(nil, x)); !slices.Equal(got, want) {
			t.Errorf("%s to %s is not exact", c.in, c.out)
		}
	}
}

func TestConvertedToneIsWhereItWas(t *testing.T) {
	for _, c := range []struct {
		in, out string
		floor   float64 // dB of what is not the tone: of 16 bits, mostly their quantisation
	}{
		{"44100:16:2", "48000:24:2", -85}, {"48000:24:2", "44100:16:2", -84}, {"96000:24:1", "48000:24:2", -110},
		{"44100:16:1", "48000:16:2", -84}, {"48000:24:6", "44100:24:2", -110}, {"44100:16:2", "44100:16:1", -84},
	} {
		in, out := format(t, c.in), format(t, c.out)
		cv, err := convert.New(in, out)
		if err != nil {
			t.Fatal(err)
		}
		x := sine(in.SampleRate/2, in)
		got := slices.Clone(cv.Flush(cv.Process(nil, x)))
		if n := cv.OutputFrames(int64(in.SampleRate / 2)); int64(len(got)) != n*int64(out.Channels) {
			t.Errorf("%s to %s: %d samples, want %d frames", c.in, c.out, len(got), n)
		}
		want := sine(len(got)/out.Channels, out)
		var sig, diff float64
		for i := 1000; i < len(got)-1000; i++ {
			// Multi-channel folds are scaled; here all channels carry the same.
			d := float64(got[i]) - float64(want[i])
			sig += float64(want[i]) * float64(want[i])
			diff += d * d
		}
		if in.Channels > 2 {
			continue // its gain differs: see pcm.MapChannels
		}
		if db := 10 * math.Log10(diff/sig); db > c.floor {
			t.Errorf("%s to %s: error %.1f dB, want below %.0f", c.in, c.out, db, c.floor)
		}
		// Split and after a reset: the same, but for the dither's noise.
		cv.Reset()
		var again []int32
		for part := range slices.Chunk(x, in.Channels*777) {
			again = cv.Process(again, part)
		}
		again = cv.Flush(again)
		if len(again) != len(got) {
			t.Fatalf("%s to %s: split gives %d samples, want %d", c.in, c.out, len(again), len(got))
		}
		for i := range got {
			if d := again[i] - got[i]; d > 4 || d < -4 {
				t.Fatalf("%s to %s: split differs by %d", c.in, c.out, d)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	ok := format(t, "44100:16:2")
	for _, f := range []pcm.Format{{}, {SampleRate: 44100, Channels: 5, BitDepth: 16}, {SampleRate: 44100, Channels: 2, BitDepth: 20}} {
		if _, err := convert.New(ok, f); err == nil {
			t.Errorf("to %+v: want an error", f)
		}
	}
}

func BenchmarkConvert(b *testing.B) {
	in, out := format(b, "44100:16:2"), format(b, "48000:24:2")
	cv, err := convert.New(in, out)
	if err != nil {
		b.Fatal(err)
	}
	x := sine(4410, in)
	var buf []int32
	b.ReportAllocs()
	for b.Loop() {
		buf = cv.Process(buf[:0], x)
	}
	b.ReportMetric(0.1*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
}

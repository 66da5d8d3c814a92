package pcm

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestParseFormat(t *testing.T) {
	f, err := ParseFormat(" flac:48000:24:2 ")
	if err != nil || f != (Format{"flac", 48000, 2, 24}) || f.String() != "flac:48000:24:2" || f.BytesPerFrame() != 6 {
		t.Errorf("got %v, %v", f, err)
	}
	if _, err := ParseFormat("opus:48000:0:2"); err != nil {
		t.Errorf("opus has no depth: %v", err)
	}
	for in, want := range map[string]string{
		"": "want codec:rate", "pcm:44100:16": "want codec:rate", "mp3:44100:16:2": "codec", "pcm:x:16:2": "sample rate", "pcm:1:16:2": "sample rate",
		"pcm:44100:20:2": "bit depth", "flac:44100:32:2": "bit depth", "pcm:44100:16:0": "channels", "pcm:44100:16:9": "channels", "pcm:500000:16:2": "sample rate",
	} {
		if _, err := ParseFormat(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
}

func TestDurationsDoNotDrift(t *testing.T) {
	f := Format{"pcm", 44100, 2, 16}
	day := int64(86400)
	if got := f.DurationUS(day * 44100); got != day*1_000_000 {
		t.Errorf("a day lasts %d us", got)
	}
	if got := f.DurationUS(math.MaxInt64 / 2_000_000); got <= 0 {
		t.Errorf("overflow: %d", got)
	}
	if f.FramesIn(100_000) != 4410 || f.DurationUS(4410) != 100_000 || f.DurationUS(1) != 22 {
		t.Error("100 ms are 4410 frames")
	}
}

func TestPackIsLittleEndian(t *testing.T) {
	for depth, want := range map[int][]byte{
		16: {1, 0, 0xFF, 0xFF, 0x00, 0x80, 0xFF, 0x7F},
		24: {1, 0, 0, 0xFF, 0xFF, 0xFF, 0, 0, 0x80, 0xFF, 0xFF, 0x7F},
		32: {1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0x80, 0xFF, 0xFF, 0xFF, 0x7F},
	} {
		x := []int32{1, -1, -1 << (depth - 1), 1<<(depth-1) - 1}
		if got := Pack([]byte{9}, x, depth); !bytes.Equal(got[1:], want) {
			t.Errorf("%d bits: % x, want % x", depth, got[1:], want)
		}
		if got, err := Unpack([]int32{7}, want, depth); err != nil || !slices.Equal(got[1:], x) {
			t.Errorf("%d bits: %v, %v", depth, got, err)
		}
		if out, err := Unpack([]int32{7}, want[1:], depth); err == nil || len(out) != 1 {
			t.Errorf("%d bits: an odd length must fail", depth)
		}
	}
	if _, err := Unpack(nil, nil, 20); err == nil {
		t.Error("20 bits: want an error")
	}
	buf := make([]byte, 0, 1000)
	if n := testing.AllocsPerRun(10, func() { buf = Pack(buf[:0], []int32{1, 2, 3}, 24) }); n > 0 {
		t.Errorf("Pack into a large enough slice allocates %v times", n)
	}
}

func TestDepthUpIsExactAndDownReturns(t *testing.T) {
	x := []int32{0, 1, -1, 32767, -32768, 12345}
	y := slices.Clone(x)
	NewDepth(16, 24, Dither).Convert(y)
	for i := range x {
		if y[i] != x[i]*256 {
			t.Fatalf("%d became %d", x[i], y[i])
		}
	}
	NewDepth(24, 16, Round).Convert(y)
	if !slices.Equal(x, y) {
		t.Errorf("up and down gives %v, want %v", y, x)
	}
	y = []int32{127, 128, -128, -129, 8388607, -8388608}
	NewDepth(24, 16, Round).Convert(y)
	if want := []int32{0, 1, 0, -1, 32767, -32768}; !slices.Equal(y, want) {
		t.Errorf("rounding gives %v, want %v", y, want)
	}
	same := []int32{1, 2}
	NewDepth(16, 16, Dither).Convert(same)
	if same[0] != 1 || same[1] != 2 {
		t.Error("equal depths must not touch samples")
	}
}

// Dither makes the error independent of the signal: its mean is zero whatever the
// level, and its power that of TPDF plus rounding, a quarter of an LSB squared.
func TestDitherStatistics(t *testing.T) {
	for _, level := range []int32{0, 40, 100, 128, 200, -77} {
		x := make([]int32, 200_000)
		for i := range x {
			x[i] = level
		}
		NewDepth(24, 16, Dither).Convert(x)
		var sum, power float64
		for _, v := range x {
			e := float64(v) - float64(level)/256
			sum += e
			power += e * e
		}
		mean, power := sum/float64(len(x)), power/float64(len(x))
		if math.Abs(mean) > 0.01 || math.Abs(power-0.25) > 0.01 {
			t.Errorf("level %d: mean error %.4f, power %.4f; want 0 and 0.25", level, mean, power)
		}
	}
	a, b := []int32{100, 100, 100, 100, 100}, []int32{100, 100, 100, 100, 100}
	NewDepth(24, 16, Dither).Convert(a)
	d := NewDepth(24, 16, Dither)
	d.Convert(b[:2])
	d.Convert(b[2:])
	if !slices.Equal(a, b) {
		t.Error("equal input must give equal output however it is split")
	}
	loud := []int32{8388607, -8388608, 8388607, -8388608}
	NewDepth(24, 16, Dither).Convert(loud)
	for _, v := range loud {
		if v > 32767 || v < -32768 {
			t.Errorf("dither leaves 16 bits: %d", v)
		}
	}
}

func TestChannels(t *testing.T) {
	for _, c := range []struct {
		in, out int
		x, want []int32
	}{
		{1, 1, []int32{1, 2}, []int32{1, 2}},
		{1, 2, []int32{1, -2}, []int32{1, 1, -2, -2}},
		{1, 3, []int32{5}, []int32{5, 5, 5}},
		{2, 1, []int32{10, 20, -1, -2, math.MaxInt32, math.MaxInt32}, []int32{15, -1, math.MaxInt32}},
		{2, 2, []int32{1, 2}, []int32{1, 2}},
		{4, 2, []int32{1000, 0, 0, 0}, []int32{586, 0}},
		{6, 2, []int32{0, 0, 1000, 9999, 0, 0}, []int32{293, 293}},
		{6, 1, []int32{1000, 1000, 1000, 0, 1000, 1000}, []int32{1000}},
	} {
		got, err := MapChannels(nil, c.x, c.in, c.out)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%d to %d of %v: %v, %v; want %v", c.in, c.out, c.x, got, err, c.want)
		}
	}
	for n := 3; n <= MaxChannels; n++ { // everything at full scale at once must not clip
		x := make([]int32, n)
		for i := range x {
			x[i] = -32768
		}
		got, err := MapChannels(nil, x, n, 2)
		if err != nil || got[0] < -32768 || got[1] < -32768 || got[0] != got[1] {
			t.Errorf("%d channels: %v, %v", n, got, err)
		}
	}
	for _, c := range [][2]int{{2, 3}, {6, 4}, {0, 2}, {9, 2}, {2, 0}} {
		if _, err := MapChannels(nil, nil, c[0], c[1]); err == nil || CanMap(c[0], c[1]) {
			t.Errorf("%v: want an error", c)
		}
	}
}

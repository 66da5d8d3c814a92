package flacenc

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mewkiz/flac"

	"github.com/tutti-audio/tutti/audio/pcm"
)

// shapes are signals that exercise different ways of writing a subframe.
var shapes = map[string]func(rng *rand.Rand, i int, full float64) float64{
	"silence":    func(*rand.Rand, int, float64) float64 { return 0 },
	"full scale": func(_ *rand.Rand, i int, full float64) float64 { return full - float64(i%2)*(2*full+1) },
	"square":     func(_ *rand.Rand, i int, full float64) float64 { return full - float64(i/50%2)*(2*full+1) },
	"noise":      func(r *rand.Rand, _ int, full float64) float64 { return (2*r.Float64() - 1) * full },
	"quiet":      func(r *rand.Rand, _ int, _ float64) float64 { return float64(r.IntN(3) - 1) },
	"sine":       func(_ *rand.Rand, i int, full float64) float64 { return full * 0.9 * math.Sin(float64(i)*0.03) },
	"two sines": func(_ *rand.Rand, i int, full float64) float64 {
		return full * 0.4 * (math.Sin(float64(i)*0.031) + math.Sin(float64(i)*1.7))
	},
	"steps":    func(_ *rand.Rand, i int, full float64) float64 { return math.Trunc(float64(i/300%9-4) / 4 * full) },
	"wasted":   func(r *rand.Rand, _ int, full float64) float64 { return math.Trunc((2*r.Float64()-1)*full/256) * 256 },
	"impulses": func(r *rand.Rand, i int, full float64) float64 { return full * float64(max(0, 1-i%701)) },
	"bursts": func(r *rand.Rand, i int, full float64) float64 {
		return (2*r.Float64() - 1) * full * float64(i/512%2) * 0.3
	},
}

func signal(shape string, frames, channels, depth int, seed uint64) []int32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	full := float64(int(1)<<(depth-1) - 1)
	out := make([]int32, 0, frames*channels)
	for i := range frames {
		for c := range channels {
			v := shapes[shape](rng, i+c*13, full)
			out = append(out, int32(max(v, -full-1)))
		}
	}
	return out
}

func encodeAll(t testing.TB, x []int32, rate, channels, depth, block int) []byte {
	e, err := New(rate, channels, depth, block)
	if err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum(pcm.Pack(nil, x, depth))
	out := e.StreamInfo(Info{Frames: int64(len(x) / channels), MD5: sum, Last: true})
	for len(x) > 0 {
		n := min(len(x), block*channels)
		if out, err = e.Encode(out, x[:n]); err != nil {
			t.Fatal(err)
		}
		x = x[n:]
	}
	return out
}

func decodeAll(data []byte) ([]int32, error) {
	s, err := flac.New(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var out []int32
	for {
		f, err := s.ParseNext()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range f.Subframes[0].Samples {
			for _, sub := range f.Subframes {
				out = append(out, sub.Samples[i])
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	bin, lookErr := exec.LookPath("flac")
	if lookErr != nil {
		t.Log("no flac binary: only the Go decoder checks")
	}
	dir := t.TempDir()
	for name := range shapes {
		for _, depth := range []int{16, 24} {
			for _, channels := range []int{1, 2, 6} {
				for _, block := range []int{16, 882, 4410, 4608} {
					x := signal(name, 9000, channels, depth, 7)
					data := encodeAll(t, x, 44100, channels, depth, block)
					got, err := decodeAll(data)
					if err != nil || !slices.Equal(got, x) {
						t.Fatalf("%s, %d bits, %d channels, block %d: decoded differently (%v)", name, depth, channels, block, err)
					}
					if lookErr == nil && block != 16 {
						path := filepath.Join(dir, "a.flac")
						if err := os.WriteFile(path, data, 0o600); err != nil {
							t.Fatal(err)
						}
						if out, err := exec.Command(bin, "-t", "-s", "-w", path).CombinedOutput(); err != nil {
							t.Fatalf("%s, %d bits, %d channels, block %d: flac -t: %v: %s", name, depth, channels, block, err, out)
						}
					}
				}
			}
		}
	}
}

func TestEveryBlockSizeAndRate(t *testing.T) {
	for n := 1; n <= 700; n++ {
		x := signal("two sines", n, 2, 16, uint64(n))
		if got, err := decodeAll(encodeAll(t, x, 48000, 2, 16, max(n, 16))); err != nil || !slices.Equal(got, x) {
			t.Fatalf("block of %d: %v", n, err)
		}
	}
	for _, n := range []int{1152, 2304, 4096, 8192, 16384, 32768, 65535} {
		x := signal("sine", n, 1, 16, 1)
		if got, err := decodeAll(encodeAll(t, x, 48000, 1, 16, n)); err != nil || !slices.Equal(got, x) {
			t.Fatalf("block of %d: %v", n, err)
		}
	}
	for _, rate := range []int{8000, 11025, 16000, 22050, 24000, 32000, 37800, 44056, 44100, 48000, 50000, 64000, 88200, 96000, 176400, 192000, 123457} {
		x := signal("sine", 1000, 2, 24, 1)
		if got, err := decodeAll(encodeAll(t, x, rate, 2, 24, 500)); err != nil || !slices.Equal(got, x) {
			t.Fatalf("rate %d: %v", rate, err)
		}
	}
}

func TestFrameNumbersStayReadable(t *testing.T) {
	e, err := New(44100, 1, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []uint64{0, 127, 128, 2047, 2048, 65535, 65536, 1<<21 - 1, 1 << 21, 1<<26 - 1, 1 << 26, 1<<31 - 1} {
		e.number = n
		data, err := e.Encode(e.StreamInfo(Info{Last: true}), make([]int32, 16))
		if err != nil {
			t.Fatal(err)
		}
		s, err := flac.New(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		f, err := s.ParseNext()
		if err != nil || f.Num != n {
			t.Fatalf("frame %d reads as %v (%v)", n, f, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, c := range [][4]int{{0, 2, 16, 100}, {44100, 0, 16, 100}, {44100, 9, 16, 100}, {44100, 2, 8, 100}, {44100, 2, 16, 15}, {44100, 2, 16, 65536}} {
		if _, err := New(c[0], c[1], c[2], c[3]); err == nil {
			t.Errorf("New%v: want an error", c)
		}
	}
	e, err := New(44100, 2, 16, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range [][]int32{{}, {1}, make([]int32, 202), {32768, 0}, {0, -32769}} {
		if _, err := e.Encode(nil, x); err == nil {
			t.Errorf("Encode of %d samples: want an error", len(x))
		}
	}
	if _, err := e.Encode(nil, []int32{32767, -32768}); err != nil {
		t.Errorf("after refusals: %v", err)
	}
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	e, err := New(44100, 2, 16, 4410)
	if err != nil {
		t.Fatal(err)
	}
	x := signal("two sines", 4410, 2, 16, 1)
	buf := make([]byte, 0, 1<<16)
	if n := testing.AllocsPerRun(20, func() { buf, _ = e.Encode(buf[:0], x) }); n > 0 {
		t.Errorf("%v allocations a frame, want none", n)
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint8(3), true, uint16(16))
	f.Add(bytes.Repeat([]byte{255, 127, 0, 128}, 100), uint8(1), false, uint16(64))
	f.Fuzz(func(t *testing.T, raw []byte, ch uint8, deep bool, block uint16) {
		channels, depth := int(ch%4)+1, 16
		if deep {
			depth = 24
		}
		var x []int32
		for i := 0; i+3 <= len(raw); i += 3 {
			v := int32(raw[i])<<8 | int32(raw[i+1])<<16 | int32(raw[i+2])<<24
			x = append(x, v>>(32-depth))
		}
		x = x[:len(x)/channels*channels]
		data := encodeAll(t, x, 48000, channels, depth, max(16, int(block%5000)))
		got, err := decodeAll(data)
		if err != nil || !slices.Equal(got, x) {
			t.Fatalf("decoded differently: %v", err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	for _, depth := range []int{16, 24} {
		b.Run(fmt.Sprint("stereo", depth), func(b *testing.B) {
			e, err := New(44100, 2, depth, 4410)
			if err != nil {
				b.Fatal(err)
			}
			x := signal("two sines", 4410, 2, depth, 1)
			rng := rand.New(rand.NewPCG(3, 4))
			for i := range x {
				x[i] = x[i]/2 + rng.Int32N(1<<(depth-10))
			}
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				if buf, err = e.Encode(buf[:0], x); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(0.1*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
		})
	}
}

package flacdec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mewkiz/flac"

	"github.com/tutti-audio/tutti/audio/internal/flacenc"
)

// signal has quiet, tonal and noisy stretches.
func signal(frames, channels, depth int) []int32 {
	rng := rand.New(rand.NewPCG(1, uint64(depth)))
	full := float64(int(1)<<(depth-1) - 1)
	var out []int32
	for i := range frames {
		for c := range channels {
			v := 0.5 * math.Sin(float64(i)*0.02+float64(c))
			switch i / 3000 % 4 {
			case 1:
				v = 0
			case 2:
				v = 2*rng.Float64() - 1
			case 3:
				v *= 0.01
			}
			out = append(out, int32(v*full))
		}
	}
	return out
}

// frames cuts the audio out of a FLAC file and reads its STREAMINFO.
func frames(t testing.TB, file []byte) (Stream, []byte) {
	t.Helper()
	b := file[4:]
	var s Stream
	for {
		n := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		if b[0]&0x7F == 0 {
			v := binary.BigEndian.Uint64(b[4+10:])
			s = Stream{Rate: int(v >> 44), Channels: int(v>>41&7) + 1, Depth: int(v>>36&31) + 1}
		}
		last := b[0]&0x80 != 0
		if b = b[4+n:]; last {
			return s, b
		}
	}
}

func decode(s Stream, b []byte) ([]int32, error) {
	d, err := New(s)
	if err != nil {
		return nil, err
	}
	var out []int32
	for len(b) > 0 {
		h, err := ParseHeader(b)
		if err != nil {
			return out, err
		}
		var n int
		if out, n, err = d.Frame(out, b, h); err != nil {
			return out, err
		}
		b = b[n:]
	}
	return out, nil
}

func TestOwnEncoder(t *testing.T) {
	for _, depth := range []int{16, 24} {
		for _, ch := range []int{1, 2, 3, 8} {
			x := signal(20000, ch, depth)
			e, err := flacenc.New(44100, ch, depth, 4410)
			if err != nil {
				t.Fatal(err)
			}
			file := e.StreamInfo(flacenc.Info{Last: true})
			for part := range slices.Chunk(x, 4410*ch) {
				if file, err = e.Encode(file, part); err != nil {
					t.Fatal(err)
				}
			}
			s, b := frames(t, file)
			if got, err := decode(s, b); err != nil || !slices.Equal(got, x) {
				t.Errorf("%d bits, %d channels: %v", depth, ch, err)
			}
		}
	}
}

// The reference encoder, with everything that it can be made to do.
func TestReferenceEncoder(t *testing.T) {
	bin, err := exec.LookPath("flac")
	if err != nil {
		t.Skip("the flac binary is not installed: the other tests have to do")
	}
	dir := t.TempDir()
	raw, out := filepath.Join(dir, "x.raw"), filepath.Join(dir, "x.flac")
	for _, depth := range []int{8, 16, 24} {
		for _, ch := range []int{1, 2} {
			x := signal(13000, ch, depth)
			var b []byte
			for _, v := range x {
				for i := range depth / 8 {
					b = append(b, byte(v>>(8*i)))
				}
			}
			if err := os.WriteFile(raw, b, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, opts := range []string{"-2", "-0", "-3", "-5", "-8", "-8 -e -p", "-l 32 --lax -b 16384", "-b 16 --lax", "-r 0,15 --lax -b 32768", "-q 15 -l 12", "-l 0", "-b 4410", "--disable-constant-subframes --disable-fixed-subframes", "--disable-fixed-subframes -l 1"} {
				args := append(strings.Fields(opts), "-f", "-s", "--force-raw-format", "--endian=little", "--sign=signed", "-o", out,
					fmt.Sprint("--channels=", ch), fmt.Sprint("--bps=", depth), "--sample-rate=44100", raw)
				if msg, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
					t.Fatalf("flac %v: %v: %s", args, err, msg)
				}
				file, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				s, b := frames(t, file)
				if got, err := decode(s, b); err != nil || !slices.Equal(got, x) {
					t.Errorf("%d bits, %d channels, %s: %d samples, %v", depth, ch, opts, len(got), err)
				}
			}
		}
	}
}

func sample(t testing.TB) (Stream, []byte) {
	e, err := flacenc.New(48000, 2, 16, 576)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Encode(nil, signal(576, 2, 16))
	if err != nil {
		t.Fatal(err)
	}
	return Stream{Rate: 48000, Channels: 2, Depth: 16}, b
}

func TestEveryCutIsShortAndEveryFlipIsFound(t *testing.T) {
	s, b := sample(t)
	for n := range b {
		if _, err := decode(s, b[:n]); n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d of %d: %v", n, len(b), err)
		}
	}
	for i := range b {
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			if _, err := decode(s, c); err == nil {
				t.Fatalf("bit %d of byte %d flipped and not found", bit, i)
			}
		}
	}
}

func TestFormatsMustFit(t *testing.T) {
	s, b := sample(t)
	for _, o := range []Stream{{44100, 2, 16}, {48000, 1, 16}, {48000, 2, 24}} {
		if _, err := decode(o, b); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, o := range []Stream{{48000, 0, 16}, {48000, 9, 16}, {48000, 2, 32}, {48000, 2, 3}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v: want an error", o)
		}
	}
	d, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	h, err := ParseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int32, 0, 2000)
	if n := testing.AllocsPerRun(10, func() { out, _, err = d.Frame(out[:0], b, h) }); n > 0 || err != nil {
		t.Errorf("%v allocations a frame, %v", n, err)
	}
}

// Whatever mewkiz/flac decodes, this package decodes to the same, and the other way
// round, but for what either leaves out.
func FuzzAgainstMewkiz(f *testing.F) {
	s, b := sample(f)
	f.Add(b)
	f.Add(b[:100])
	info := []byte("fLaC\x80\x00\x00\x22\x02\x40\x02\x40\x00\x00\x00\x00\x00\x00\x0b\xb8\x02\xf0")
	info = append(info, make([]byte, 42-len(info))...)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		// Checksums would stop nearly every mutation: make them right.
		h, err := ParseHeader(b)
		if errors.Is(err, ErrCRC) {
			b = bytes.Clone(b)
			for n := 4; n < min(len(b), 20); n++ {
				b[n] = crc8(b[:n])
				if h, err = ParseHeader(b); err == nil {
					break
				}
			}
		}
		if err != nil || h.Fits(s) != nil {
			return
		}
		got, err := decode(s, b)
		st, err2 := flac.New(bytes.NewReader(append(bytes.Clone(info), b...)))
		if err2 != nil {
			t.Fatal(err2)
		}
		if err != nil {
			return
		}
		var want []int32
		for range 1 << 16 {
			fr, err := st.ParseNext()
			if err != nil {
				break
			}
			for i := range fr.Subframes[0].Samples {
				for _, sub := range fr.Subframes {
					want = append(want, sub.Samples[i])
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d samples, mewkiz has %d", len(got), len(want))
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	e, err := flacenc.New(44100, 2, 16, 4410)
	if err != nil {
		b.Fatal(err)
	}
	x := signal(4410, 2, 16)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range x {
		x[i] = x[i]/2 + rng.Int32N(200)
	}
	data, err := e.Encode(nil, x)
	if err != nil {
		b.Fatal(err)
	}
	d, err := New(Stream{44100, 2, 16})
	if err != nil {
		b.Fatal(err)
	}
	h, err := ParseHeader(data)
	if err != nil {
		b.Fatal(err)
	}
	var out []int32
	b.ReportAllocs()
	for b.Loop() {
		if out, _, err = d.Frame(out[:0], data, h); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(0.1*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
}

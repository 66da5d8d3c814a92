package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/audio/synth"
)

// MusicFile writes seconds of synthesised 44.1 kHz/16-bit music as dir/name
// (FLAC, or WAV by its ending) and returns its samples, which are not to be changed:
// each piece of music is made once for all tests.
func MusicFile(t testing.TB, dir, name string, seconds float64, seed int64) []int32 {
	t.Helper()
	m := music(piece{filepath.Ext(name), seconds, seed})
	m.once.Do(func() { m.make(t) })
	if m.file == nil {
		t.Fatal("the music could not be made for another test")
	}
	if err := os.WriteFile(filepath.Join(dir, name), m.file, 0o600); err != nil {
		t.Fatal(err)
	}
	return m.samples
}

// piece says what a piece of music is made from.
type piece struct {
	ext     string
	seconds float64
	seed    int64
}

// made is one piece of music.
type made struct {
	piece
	once    sync.Once
	file    []byte
	samples []int32
}

var shelf struct {
	sync.Mutex
	pieces map[piece]*made
}

func music(p piece) *made {
	shelf.Lock()
	defer shelf.Unlock()
	if shelf.pieces == nil {
		shelf.pieces = map[piece]*made{}
	}
	if shelf.pieces[p] == nil {
		shelf.pieces[p] = &made{piece: p}
	}
	return shelf.pieces[p]
}

func (m *made) make(t testing.TB) {
	t.Helper()
	dir, name := t.TempDir(), "music"+m.ext
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	gen := synth.GenerateFLAC
	if m.ext == ".wav" {
		gen = synth.GenerateWAV
	}
	if err := errors.Join(gen(f, m.seconds, m.seed), f.Close()); err != nil {
		t.Fatal(err)
	}
	m.samples = ReadSamples(t, dir, name)
	if m.file, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// ReadSamples decodes a whole file, independently of any player.
func ReadSamples(t testing.TB, dir, name string) []int32 {
	t.Helper()
	src, err := source.Open(context.Background(), name, source.Options{MusicDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	var out []int32
	buf := make([]int32, 8192*src.Info().Channels)
	for {
		n, err := src.Read(buf)
		out = append(out, buf[:n*src.Info().Channels]...)
		if err != nil || n == 0 {
			return out
		}
	}
}

// Joined puts spans of one stream together and checks that each begins where
// the one before ends: within a µs of exact sample arithmetic from the first.
func Joined(spans []Span, rate, channels int) (t0 int64, samples []int32, err error) {
	if len(spans) == 0 {
		return 0, nil, fmt.Errorf("no audio")
	}
	t0 = spans[0].TimestampUS
	frames := int64(0)
	for i, s := range spans {
		want := t0 + frames*1_000_000/int64(rate)
		if d := s.TimestampUS - want; d < -1 || d > 1 {
			return 0, nil, fmt.Errorf("chunk %d of %d is at %d µs, exact arithmetic says %d: off by %d µs", i, len(spans), s.TimestampUS, want, d)
		}
		frames += int64(s.Frames)
		samples = append(samples, s.Samples...)
	}
	return t0, samples, nil
}

// FirstDifference compares got with the beginning of want; -1 when equal.
func FirstDifference(got, want []int32) int {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return i
		}
	}
	return -1
}

// BestLag is the shift, in samples of a, at which the left channels of a (at
// rateA) and b (at rateB) agree best, searched within ±8 samples around equal
// start. b is read by linear interpolation, so compare music, not noise.
func BestLag(a []int32, rateA int, b []int32, rateB int) int {
	best, bestLag := 0.0, 0
	for lag := -8; lag <= 8; lag++ {
		if sum := correlation(a, rateA, b, rateB, lag); lag == -8 || sum > best {
			best, bestLag = sum, lag
		}
	}
	return bestLag
}

func correlation(a []int32, rateA int, b []int32, rateB, lag int) float64 {
	sum := 0.0
	for i := 16; i < min(len(a)/2, 4*rateA)-16; i++ {
		x := float64(i) * float64(rateB) / float64(rateA)
		k := int(x)
		if 2*k+2 >= len(b) {
			break
		}
		frac := x - float64(k)
		v := float64(b[2*k])*(1-frac) + float64(b[2*k+2])*frac
		sum += float64(a[2*(i+lag)]) * v
	}
	return sum
}

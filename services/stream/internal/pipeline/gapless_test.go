package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/audio/convert"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/audio/wav"
)

// mp3Frames is what was encoded into the MP3 files of audio/source: 2.5 s at 44.1 kHz.
// The streams themselves hold more: LAME's delay and padding.
const mp3Frames = 110_250

// album is a music folder of real files with awkward lengths.
type album struct {
	t   *testing.T
	dir string
}

func newAlbum(t *testing.T) *album {
	t.Helper()
	a := &album{t: t, dir: t.TempDir()}
	for _, name := range []string{"stereo-cbr.mp3", "mono-vbr.mp3"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "audio", "source", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(a.dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// flac encodes frames of noise with Debian's flac, which is not ours.
func (a *album) flac(name string, rate, frames int, seed uint64) []int32 {
	a.t.Helper()
	samples := noise(frames, seed)
	var b bytes.Buffer
	w, err := wav.NewWriter(&b, pcm.Format{Codec: pcm.CodecPCM, SampleRate: rate, Channels: 2, BitDepth: 16})
	if err != nil {
		a.t.Fatal(err)
	}
	if err := w.Write(samples); err != nil {
		a.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		a.t.Fatal(err)
	}
	c := exec.Command("flac", "--silent", "--totally-silent", "-o", filepath.Join(a.dir, name), "-")
	c.Stdin = &b
	if out, err := c.CombinedOutput(); err != nil {
		a.t.Fatalf("flac: %v: %s: install Debian's package flac", err, out)
	}
	return samples
}

func (a *album) open(ctx context.Context, uri string) (source.Source, error) {
	return source.Open(ctx, uri, source.Options{MusicDir: a.dir})
}

// decoded is a file as package source reads it alone.
func (a *album) decoded(name string) (samples []int32, info source.Info) {
	a.t.Helper()
	src, err := a.open(a.t.Context(), name)
	if err != nil {
		a.t.Fatal(err)
	}
	defer src.Close() //nolint:errcheck // read only
	buf := make([]int32, 4096*src.Info().Channels)
	for {
		n, err := src.Read(buf)
		samples = append(samples, buf[:n*src.Info().Channels]...)
		if err != nil {
			return samples, src.Info()
		}
	}
}

// played is what a queue of files becomes on the tape of one format.
func (a *album) played(t *testing.T, format string, queue ...string) []int32 {
	t.Helper()
	b := startWith(t, a.open, Config{Renditions: formats(format)}, queue...)
	for read := range len(queue) {
		b.until(func(_ tapes, events []Event) string {
			if n := len(find[NeedNext](events)); n <= read {
				return fmt.Sprintf("%d of %d files read", n, len(queue))
			}
			return ""
		})
		b.house.set(50_700_000) // the tape may run further ahead then
	}
	b.until(func(all tapes, events []Event) string {
		for _, chunks := range all { // towards the end, never past what is made
			b.house.set(chunks[len(chunks)-1].TimestampUS - 1_500_000)
		}
		return drained(all, events)
	})
	all, events := b.snapshot()
	f := formats(format)[0]
	for _, chunks := range all {
		return audio(t, chunks, f.Format.SampleRate, find[Started](events)[0].T0)
	}
	return nil
}

// TestJoinsAreGaplessToTheSample plays real files in a row and compares what players
// are sent with the files' own samples: none too many, none missing.
func TestJoinsAreGaplessToTheSample(t *testing.T) {
	a := newAlbum(t)
	one, two := a.flac("one.flac", 44100, 44100+1234, 1), a.flac("two.flac", 44100, 30_001, 2)
	a.flac("dat.flac", 48000, 48_000+777, 3)
	mp3, info := a.decoded("stereo-cbr.mp3")
	if len(mp3) != 2*mp3Frames || info.SampleRate != 44100 {
		t.Fatalf("the MP3 file alone has %d frames, %d were encoded", len(mp3)/2, mp3Frames)
	}
	for name, c := range map[string]struct {
		queue []string
		want  []int32
	}{
		"flac to flac":         {[]string{"one.flac", "two.flac"}, slices.Concat(one, two)},
		"mp3 to mp3":           {[]string{"stereo-cbr.mp3", "stereo-cbr.mp3"}, slices.Concat(mp3, mp3)},
		"mp3 to flac and back": {[]string{"stereo-cbr.mp3", "one.flac", "stereo-cbr.mp3"}, slices.Concat(mp3, one, mp3)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := a.played(t, "pcm:44100:16:2", c.queue...); !slices.Equal(got, c.want) {
				t.Errorf("%d samples, want %d; they differ from %d on", len(got), len(c.want), differ(got, c.want))
			}
		})
	}
	t.Run("44.1 to 48 kHz", func(t *testing.T) { a.acrossRates(t) })
	t.Run("mono mp3 to stereo flac", func(t *testing.T) {
		mono, _ := a.decoded("mono-vbr.mp3")
		if len(mono) != mp3Frames {
			t.Fatalf("the mono MP3 file alone has %d frames, %d were encoded", len(mono), mp3Frames)
		}
		var want []int32
		for _, v := range mono {
			want = append(want, v, v)
		}
		want = append(want, one...)
		if got := a.played(t, "pcm:44100:16:2", "mono-vbr.mp3", "one.flac"); !slices.Equal(got, want) {
			t.Errorf("%d samples, want %d; they differ from %d on", len(got), len(want), differ(got, want))
		}
	})
}

// acrossRates joins files of two rates: each file's samples are those of the file
// resampled alone, and the second begins on the first grid point not before its time.
func (a *album) acrossRates(t *testing.T) {
	t.Helper()
	one, _ := a.decoded("one.flac")
	dat, _ := a.decoded("dat.flac")
	pcmOf := func(rate, depth int) pcm.Format {
		return pcm.Format{Codec: pcm.CodecPCM, SampleRate: rate, Channels: 2, BitDepth: depth}
	}
	conv, err := convert.New(pcmOf(44100, 16), pcmOf(48000, 16))
	if err != nil {
		t.Fatal(err)
	}
	first := conv.Flush(conv.Process(nil, one))
	frames := int64(len(one) / 2)
	room := (frames*48000 + 44099) / 44100 // grid points before the end of the first
	first = first[:2*room]
	got := a.played(t, "pcm:48000:16:2", "one.flac", "dat.flac")
	if want := slices.Concat(first, dat); !slices.Equal(got, want) {
		t.Errorf("%d samples, want %d; they differ from %d on (the join is at %d)", len(got), len(want), differ(got, want), len(first))
	}
}

func differ(a, b []int32) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

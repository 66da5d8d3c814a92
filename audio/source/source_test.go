package source_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/audio/synth"
)

// generated is the same music as FLAC and as WAV, made once.
var generated = sync.OnceValues(func() (fl, wv []byte) {
	var f, w bytes.Buffer
	if err := errors.Join(synth.GenerateFLAC(&f, 2.5, 5), synth.GenerateWAV(&w, 2.5, 5)); err != nil {
		panic(err)
	}
	return f.Bytes(), w.Bytes()
})

// musicDir makes a music folder with every kind of file.
func musicDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	fl, wv := generated()
	write(t, filepath.Join(dir, "a.flac"), fl)
	write(t, filepath.Join(dir, "b.wav"), wv)
	names, err := filepath.Glob("testdata/*.mp3")
	if err != nil || len(names) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, filepath.Base(n)), b)
	}
	return dir
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, uri, dir string) source.Source {
	t.Helper()
	s, err := source.Open(t.Context(), uri, source.Options{MusicDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func readAll(t testing.TB, s source.Source) []int32 {
	t.Helper()
	var out []int32
	ch := s.Info().Channels
	buf := make([]int32, 1000*ch)
	for {
		n, err := s.Read(buf)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, buf[:n*ch]...)
	}
}

// readSome reads frames frames.
func readSome(t testing.TB, s source.Source, frames int) []int32 {
	t.Helper()
	ch := s.Info().Channels
	buf := make([]int32, frames*ch)
	for got := 0; got < len(buf); {
		n, err := s.Read(buf[got:])
		if err != nil {
			t.Fatalf("after %d of %d frames: %v", got/ch, frames, err)
		}
		got += n * ch
	}
	return buf
}

// original is what the fixtures were made from.
func original(t testing.TB, dir string) []int32 { return readAll(t, open(t, "b.wav", dir)) }

func TestFilesGiveTheirSamples(t *testing.T) {
	dir := musicDir(t)
	want := original(t, dir)
	s := open(t, "a.flac", dir)
	i := s.Info()
	if got := readAll(t, s); !slices.Equal(got, want) || i.Frames != 110250 || i.Codec != "flac" || i.BitDepth != 16 || i.Channels != 2 || i.SampleRate != 44100 {
		t.Errorf("flac: %d samples, %+v", len(got), i)
	}
	if i.Tags.Title != "Test Music 5" || i.Tags.Artist != "Tutti" || i.Tags.Album != "Generated" || i.Tags.DurationMS != 2500 {
		t.Errorf("flac tags: %+v", i.Tags)
	}
	if n, err := s.Read(make([]int32, 100)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

// MP3 is lossy: what must hold is the length to the sample, and that the music is where
// it was (no encoder delay, nothing lost), which a high correlation shows.
func TestMP3IsGaplessAndAligned(t *testing.T) {
	dir := musicDir(t)
	orig := original(t, dir)
	for _, c := range []struct {
		name                   string
		rate, channels, frames int
		snr                    float64
		shift                  int
	}{
		{"stereo-cbr.mp3", 44100, 2, 110250, 15, 0},
		{"mono-vbr.mp3", 44100, 1, 110250, 10, 0},
		{"mpeg2.mp3", 22050, 2, 55125, 12, 0},
		{"notag.mp3", 32000, 2, 0, 0, 0},
	} {
		s := open(t, c.name, dir)
		i := s.Info()
		got := readAll(t, s)
		if i.SampleRate != c.rate || i.Channels != c.channels || len(got)/c.channels != int(i.Frames) || !i.Seekable {
			t.Errorf("%s: %+v, %d frames read", c.name, i, len(got)/c.channels)
		}
		if c.frames > 0 && int(i.Frames) != c.frames {
			t.Errorf("%s: %d frames, want %d", c.name, i.Frames, c.frames)
		}
		if c.frames > 0 {
			if snr := compare(got, orig, c.channels, 44100/c.rate); snr < c.snr {
				t.Errorf("%s: %.1f dB beside the original, want at least %.0f", c.name, snr, c.snr)
			} else {
				t.Logf("%s: %.1f dB beside the original", c.name, snr)
			}
		}
	}
	if tags := open(t, "stereo-cbr.mp3", dir).Info().Tags; tags != (source.Tags{Title: "Garden Path", Artist: "Tutti", Album: "Test Tones", Year: 2026, Track: 3, DurationMS: 2500}) {
		t.Errorf("ID3v2: %+v", tags)
	}
	if tags := open(t, "mono-vbr.mp3", dir).Info().Tags; tags.Title != "Mono Path" || tags.Artist != "Tutti" {
		t.Errorf("ID3v1: %+v", tags)
	}
}

// compare is the signal-to-difference ratio in dB of x and the original, downmixed to
// x's channels and picked at every step-th frame.
func compare(x, orig []int32, channels, step int) float64 {
	var sig, diff float64
	for i := range len(x) / channels {
		for c := range channels {
			want := float64(orig[2*i*step+c])
			if channels == 1 {
				want = (want + float64(orig[2*i*step+1])) / 2
			}
			d := float64(x[i*channels+c]) - want
			sig += want * want
			diff += d * d
		}
	}
	return 10 * math.Log10(sig/diff)
}

func TestSeekIsExactEverywhere(t *testing.T) {
	dir := musicDir(t)
	var long bytes.Buffer
	if err := synth.GenerateFLAC(&long, 8, 9); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "long.flac"), long.Bytes())
	rng := rand.New(rand.NewPCG(5, 6))
	for _, name := range []string{"a.flac", "long.flac", "b.wav", "stereo-cbr.mp3", "mono-vbr.mp3", "mpeg2.mp3", "notag.mp3"} {
		s := open(t, name, dir)
		all := readAll(t, s)
		ch := int64(s.Info().Channels)
		frames := int64(len(all)) / ch
		seeks := 25
		if strings.HasSuffix(name, ".mp3") {
			seeks = 8 // slow under the race detector
		}
		for i := range seeks {
			f := rng.Int64N(frames)
			if i == 0 {
				f = frames - 1
			}
			if err := s.SeekFrame(f); err != nil {
				t.Fatalf("%s: seek to %d: %v", name, f, err)
			}
			buf := readSome(t, s, int(min(2000, frames-f)))
			if !slices.Equal(buf, all[f*ch:f*ch+int64(len(buf))]) {
				t.Fatalf("%s: other samples after seek to %d of %d", name, f, frames)
			}
		}
		if err := s.SeekFrame(frames + 10); err != nil {
			t.Errorf("%s: seek beyond the end: %v", name, err)
		}
		if n, err := s.Read(make([]int32, 10)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%s: read beyond the end: %d, %v", name, n, err)
		}
		if err := s.SeekFrame(-5); err != nil {
			t.Errorf("%s: seek before the beginning: %v", name, err)
		}
		if got := readSome(t, s, 5000); !slices.Equal(got, all[:5000*ch]) {
			t.Errorf("%s: from the beginning again: other samples", name)
		}
	}
}

func TestDamageIsSurvivedOrNamed(t *testing.T) {
	dir := musicDir(t)
	good, err := os.ReadFile(filepath.Join(dir, "stereo-cbr.mp3"))
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(good)
	for i := 20000; i < 21000; i++ {
		broken[i] = byte(i * 7)
	}
	write(t, filepath.Join(dir, "broken.mp3"), broken)
	if got := readAll(t, open(t, "broken.mp3", dir)); len(got)/2 < 100000 {
		t.Errorf("damaged MP3: %d frames, want nearly all", len(got)/2)
	}
	write(t, filepath.Join(dir, "cut.mp3"), good[:len(good)/2])
	if got := readAll(t, open(t, "cut.mp3", dir)); len(got)/2 < 50000 {
		t.Errorf("cut MP3: %d frames", len(got)/2)
	}
	fl, err := os.ReadFile(filepath.Join(dir, "a.flac"))
	if err != nil {
		t.Fatal(err)
	}
	fl[len(fl)/2] ^= 0x55
	write(t, filepath.Join(dir, "broken.flac"), fl)
	s := open(t, "broken.flac", dir)
	buf := make([]int32, 1000)
	for err = nil; err == nil; {
		_, err = s.Read(buf)
	}
	if !strings.Contains(err.Error(), "broken.flac: broken FLAC frame at 1.") {
		t.Errorf("damaged FLAC: %v", err)
	}
}

func TestPathsStayInside(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "music")
	var wv bytes.Buffer
	if err := synth.GenerateWAV(&wv, 0.1, 5); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(outer, "secret.wav"), wv.Bytes())
	write(t, filepath.Join(dir, "in", "my song.wav"), wv.Bytes())
	for link, to := range map[string]string{"out.wav": "../secret.wav", "abs.wav": filepath.Join(outer, "secret.wav"), "up": "..", "ok.wav": "in/my song.wav"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, uri := range []string{"in/my song.wav", "ok.wav", "file:in/my%20song.wav", "file://" + dir + "/in/my%20song.wav", "file:" + dir + "/in/my song.wav", "in/../ok.wav"} {
		if got := readAll(t, open(t, uri, dir)); len(got) != 2*4410 {
			t.Errorf("%s: %d samples", uri, len(got))
		}
	}
	for _, uri := range []string{
		"../secret.wav", "in/../../secret.wav", "/etc/passwd", "out.wav", "abs.wav", "up/secret.wav",
		"file:../secret.wav", "file:%2e%2e/secret.wav", "file://" + outer + "/secret.wav",
	} {
		_, err := source.Open(t.Context(), uri, source.Options{MusicDir: dir})
		if !errors.Is(err, source.ErrOutside) || strings.Contains(err.Error(), "RIFF") {
			t.Errorf("%s: got %v, want ErrOutside", uri, err)
		}
	}
	if _, err := source.Open(t.Context(), "nothing.mp3", source.Options{MusicDir: dir}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestErrorsSayWhatAndWhatNext(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Birdsong.mp3"), []byte("<!DOCTYPE html><html>Not Found</html>"))
	write(t, filepath.Join(dir, "empty.flac"), nil)
	write(t, filepath.Join(dir, "short.flac"), []byte("fLaC\x00\x00"))
	write(t, filepath.Join(dir, "x.wav"), bytes.Repeat([]byte("garbage "), 100_000))
	write(t, filepath.Join(dir, "x.ogg"), []byte("OggS............................"))
	write(t, filepath.Join(dir, "layer2.mp3"), bytes.Repeat([]byte{0xFF, 0xFD, 0x80, 0x04}, 500))
	for uri, want := range map[string]string{
		"Birdsong.mp3":         `Birdsong.mp3: not an MP3 stream: not a stream of a known audio format: no MP3 frame found, it begins with "<!DOCTYPE html><": convert it or remove it`,
		"empty.flac":           "empty.flac: the file is empty",
		"short.flac":           "short.flac: its FLAC metadata is cut off",
		"x.wav":                "x.wav: not a WAV stream: ",
		"x.ogg":                "x.ogg: it is Ogg, which needs ffmpeg: ffmpeg is not installed: install Debian's package ffmpeg",
		"layer2.mp3":           "of a kind that is not supported",
		"":                     "empty address",
		"pipe:/tmp/x":          "make the named pipe with mkfifo",
		"pipe:x":               "absolute path",
		"pipe:/dev/null":       "a path of the system",
		"ftp://h/x":            "cannot be opened here",
		"noise:brown":          "choose noise:white or noise:pink",
		"sweep:20":             "give two frequencies",
		"tcp://h":              "want tcp://host:port",
		"tcp://h:1?format=mp3": "write encoding:rate:channels",
		"tcp-listen:4953":      "want address:port",
		"tone:0":               "1 to 20000 Hz",
		"tone:x":               "1 to 20000 Hz",
		"synth:x":              "choose one of morning",
		"http:///x":            "not a usable address",
		"file://h/x":           "only files of this machine",
		".":                    "a folder, not a file",
	} {
		if _, err := source.Open(t.Context(), uri, source.Options{MusicDir: dir, Tool: noFFmpeg}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", uri, err, want)
		}
	}
	if _, err := source.Open(t.Context(), "a.mp3", source.Options{}); err == nil || !strings.Contains(err.Error(), "--music DIR") {
		t.Errorf("no folder: %v", err)
	}
}

func TestToneAndSynth(t *testing.T) {
	s := open(t, "tone:440", "")
	i := s.Info()
	if i.SampleRate != 48000 || i.Channels != 2 || i.BitDepth != 24 || i.Frames != 0 || !i.Seekable {
		t.Errorf("%+v", i)
	}
	buf := make([]int32, 96000)
	if n, err := s.Read(buf); n != 48000 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	crossings, peak := 0, int32(0)
	for f := 1; f < 48000; f++ {
		if buf[2*f] != buf[2*f+1] {
			t.Fatal("channels differ")
		}
		if buf[2*f-2] < 0 && buf[2*f] >= 0 {
			crossings++
		}
		peak = max(peak, buf[2*f])
	}
	if crossings < 439 || crossings > 440 || peak < 2097000 || peak > 2097152 {
		t.Errorf("%d rising crossings a second, peak %d", crossings, peak)
	}
	// A day later the phase is what it was, to the bit.
	later := make([]int32, 2000)
	if err := s.SeekFrame(86400 * 48000); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(later); err != nil || !slices.Equal(later, buf[:2000]) {
		t.Error("the tone drifts")
	}
	m := open(t, "synth:morning", "")
	if i := m.Info(); i.Frames < 60*44100 || i.Tags.Artist != "Tutti" || i.Tags.Title == "" {
		t.Errorf("%+v", i)
	}
	if n, err := m.Read(buf[:2000]); n != 1000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestListAndScan(t *testing.T) {
	dir := musicDir(t)
	one, err := os.ReadFile(filepath.Join(dir, "b.wav"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "Zed", "deep", "z.wav"), one)
	write(t, filepath.Join(dir, "alpha", "broken.mp3"), []byte("nothing"))
	write(t, filepath.Join(dir, ".hidden", "h.wav"), one)
	write(t, filepath.Join(dir, "cover.jpg"), []byte("jpg"))
	if err := errors.Join(os.Symlink("/etc", filepath.Join(dir, "etc")), os.Symlink("..", filepath.Join(dir, "Zed", "back"))); err != nil {
		t.Fatal(err)
	}
	list, err := source.List(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Path)
	}
	if want := []string{"alpha", "Zed", "a.flac", "b.wav", "mono-vbr.mp3", "mpeg2.mp3", "notag.mp3", "stereo-cbr.mp3"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if e := list[7]; e.Info.Tags.Title != "Garden Path" || e.Info.Tags.DurationMS != 2500 || e.Size == 0 {
		t.Errorf("%+v", e)
	}
	sub, err := source.List(t.Context(), dir, "alpha")
	if err != nil || len(sub) != 1 || !strings.Contains(sub[0].Err, "not an MP3 stream") || sub[0].Path != "alpha/broken.mp3" {
		t.Errorf("%+v, %v", sub, err)
	}
	for _, p := range []string{"..", "../..", "etc", "/etc"} {
		if _, err := source.List(t.Context(), dir, p); err == nil {
			t.Errorf("List %q: want an error", p)
		}
	}
	if _, err := source.List(t.Context(), dir, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
	var seen []string
	err = source.Scan(t.Context(), dir, func(e source.Entry) error {
		seen = append(seen, e.Path)
		if len(seen) > 500 {
			return errors.New("enough")
		}
		return nil
	})
	if !slices.Contains(seen, "Zed/deep/z.wav") || err != nil && err.Error() != "enough" {
		t.Errorf("%v: %v", err, seen)
	}
	stop := errors.New("stop")
	if err := source.Scan(t.Context(), dir, func(source.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped scan: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := source.Scan(ctx, dir, func(source.Entry) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled scan: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	var fl, wv bytes.Buffer
	if err := errors.Join(synth.GenerateFLAC(&fl, 0.05, 5), synth.GenerateWAV(&wv, 0.05, 5)); err != nil {
		f.Fatal(err)
	}
	seeds := [][]byte{fl.Bytes(), wv.Bytes()}
	for _, n := range []string{"stereo-cbr.mp3", "mpeg2.mp3"} {
		b, err := os.ReadFile(filepath.Join("testdata", n))
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, b)
	}
	for _, b := range seeds {
		f.Add(b[:min(len(b), 3000)], int64(100))
	}
	dir := f.TempDir()
	path := filepath.Join(dir, "fuzz")
	f.Fuzz(func(t *testing.T, data []byte, seek int64) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := source.Open(t.Context(), "fuzz", source.Options{MusicDir: dir})
		if err != nil {
			return
		}
		defer func() { _ = s.Close() }()
		buf := make([]int32, 8*512)
		for range 50 {
			n, err := s.Read(buf)
			if err != nil {
				break
			}
			if n <= 0 || n*s.Info().Channels > len(buf) {
				t.Fatalf("Read gives %d frames", n)
			}
		}
		if s.SeekFrame(seek) == nil {
			_, _ = s.Read(buf)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	dir := musicDir(b)
	for _, name := range []string{"a.flac", "stereo-cbr.mp3", "b.wav"} {
		b.Run(name, func(b *testing.B) {
			s := open(b, name, dir)
			buf := make([]int32, 8820)
			frames := 0
			for b.Loop() {
				n, err := s.Read(buf)
				if err != nil {
					err = s.SeekFrame(0)
				}
				if err != nil {
					b.Fatal(err)
				}
				frames += n
			}
			b.ReportMetric(float64(frames)/44100/b.Elapsed().Seconds(), "x-realtime")
		})
	}
}

package source_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/audio/ffmpeg"
	"github.com/tutti-audio/tutti/audio/source"
)

func noFFmpeg() (ffmpeg.Tool, error) {
	return ffmpeg.Tool{}, fmt.Errorf("%w: install Debian's package ffmpeg", ffmpeg.ErrMissing)
}

// encode makes a file of a chord of changing pitch, which no two places of sound alike.
func encode(t testing.TB, path string, args ...string) {
	t.Helper()
	if _, err := ffmpeg.Find(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	a := []string{"-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi",
		"-i", "aevalsrc='0.3*sin(2*PI*(200*t+40*t*t))|0.3*sin(2*PI*(300*t+55*t*t))':s=44100:d=6"}
	a = append(append(a, args...), path)
	if out, err := exec.Command("ffmpeg", a...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, out)
	}
}

// formats are what people have, with what a listing must say of them. frames is the exact
// length where the container knows it.
var formats = []struct {
	name, codec string
	args        []string
	rate        int
	frames      int64
	exact       bool // a seek gives the very samples
}{
	{"song.m4a", "aac", []string{"-c:a", "aac", "-aac_pns", "0", "-b:a", "192k"}, 44100, 264600, true},
	{"late.m4a", "aac", []string{"-c:a", "aac", "-aac_pns", "0", "-movflags", "+faststart"}, 44100, 264600, true},
	{"lossless.m4a", "alac", []string{"-c:a", "alac"}, 44100, 264600, true},
	{"song.ogg", "vorbis", []string{"-c:a", "libvorbis", "-q:a", "5"}, 44100, 264600, true},
	{"song.opus", "opus", []string{"-c:a", "libopus", "-b:a", "128k"}, 48000, 288000, false},
	{"song.wma", "wmav2", []string{"-c:a", "wmav2", "-b:a", "128k"}, 44100, 0, false},
	{"song.aiff", "pcm_s16be", []string{"-c:a", "pcm_s16be", "-write_id3v2", "1"}, 44100, 264600, true},
	{"deep.wv", "wavpack", []string{"-c:a", "wavpack", "-sample_fmt", "s32p"}, 44100, 264600, true},
	{"float.wav", "pcm_f32le", []string{"-c:a", "pcm_f32le"}, 44100, 264600, true},
	{"layer2.mp2", "mp2", []string{"-c:a", "mp2"}, 44100, 0, false},
	{"raw.aac", "aac", []string{"-c:a", "aac", "-aac_pns", "0", "-f", "adts"}, 44100, 0, false},
}

var meta = []string{"-metadata", "title=Öl", "-metadata", "artist=Ärger", "-metadata", "album=Übung", "-metadata", "track=3/9", "-metadata", "date=1999"}

func TestFFmpegFormatsPlayAndSeek(t *testing.T) {
	dir := t.TempDir()
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			encode(t, filepath.Join(dir, f.name), append(append([]string{}, f.args...), meta...)...)
			s := open(t, f.name, dir)
			i := s.Info()
			if i.SampleRate != f.rate || i.Channels != 2 || i.Codec != f.codec || !i.Seekable {
				t.Fatalf("info %+v", i)
			}
			if d := i.Tags.DurationMS; d < 5900 || d > 6200 {
				t.Errorf("duration %d ms", d)
			}
			all := samples(t, s)
			if n := int64(len(all) / 2); f.frames > 0 && n != f.frames {
				t.Errorf("%d frames, want %d", n, f.frames)
			}
			if f.name == "late.m4a" || f.codec == "alac" || f.codec == "vorbis" {
				if i.Tags.Title != "Öl" || i.Tags.Artist != "Ärger" || i.Tags.Track != 3 || i.Tags.Year != 1999 {
					t.Errorf("tags %+v", i.Tags)
				}
			}
			for _, at := range []int64{0, 1, 22050, 99_999, 200_001, int64(len(all)/2) - 10} {
				if err := s.SeekFrame(at); err != nil {
					t.Fatal(err)
				}
				got := make([]int32, 2*min(4000, int64(len(all)/2)-at))
				n, err := fill(s, got)
				if err != nil || n != len(got)/2 {
					t.Fatalf("seek to %d: %d frames, %v", at, n, err)
				}
				if d := distance(got, all[2*at:2*at+int64(len(got))]); f.exact && d != 0 || d > 0.02 {
					t.Errorf("seek to %d: differs by %.4f of its level", at, d)
				}
			}
		})
	}
}

// fill fills dst, or reads to the end.
func fill(s source.Source, dst []int32) (frames int, err error) {
	ch := s.Info().Channels
	for frames*ch < len(dst) {
		n, err := s.Read(dst[frames*ch:])
		frames += n
		if err != nil {
			return frames, err
		}
	}
	return frames, nil
}

// distance is the level of the difference in parts of the level of want.
func distance(got, want []int32) float64 {
	var d, w float64
	for i := range got {
		d += math.Pow(float64(got[i]-want[i]), 2)
		w += math.Pow(float64(want[i]), 2)
	}
	return math.Sqrt(d / max(w, 1))
}

func samples(t testing.TB, s source.Source) []int32 {
	t.Helper()
	var out []int32
	buf := make([]int32, 2*4096)
	for {
		n, err := s.Read(buf)
		out = append(out, buf[:2*n]...)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestLosslessThroughFFmpegIsBitExact(t *testing.T) {
	dir := t.TempDir()
	encode(t, filepath.Join(dir, "a.flac"), "-c:a", "flac", "-sample_fmt", "s16")
	want := samples(t, open(t, "a.flac", dir))
	for name, codec := range map[string]string{"b.m4a": "alac", "c.aiff": "pcm_s16be", "d.wv": "wavpack", "e.oga": "flac"} {
		if out, err := exec.Command("ffmpeg", "-loglevel", "error", "-i", filepath.Join(dir, "a.flac"), "-c:a", codec, filepath.Join(dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		s := open(t, name, dir)
		if i := s.Info(); i.BitDepth != 16 || i.Frames != int64(len(want)/2) {
			t.Errorf("%s: %+v", name, i)
		}
		got := samples(t, s)
		if len(got) != len(want) || distance(got, want) != 0 {
			t.Errorf("%s: %d samples, want %d, distance %g", name, len(got), len(want), distance(got[:min(len(got), len(want))], want[:min(len(got), len(want))]))
		}
	}
}

// The name says nothing: content does.
func TestCodecByContent(t *testing.T) {
	dir := t.TempDir()
	encode(t, filepath.Join(dir, "x.m4a"), "-c:a", "aac")
	if err := os.Rename(filepath.Join(dir, "x.m4a"), filepath.Join(dir, "x.mp3")); err != nil {
		t.Fatal(err)
	}
	if i := open(t, "x.mp3", dir).Info(); i.Codec != "aac" {
		t.Errorf("%+v", i)
	}
}

func TestMissingFFmpegSaysWhatToInstall(t *testing.T) {
	dir := t.TempDir()
	encode(t, filepath.Join(dir, "song.m4a"), "-c:a", "aac")
	encode(t, filepath.Join(dir, "song.opus"), "-c:a", "libopus")
	for name, codec := range map[string]string{"song.m4a": "AAC", "song.opus": "Opus"} {
		_, err := source.Open(t.Context(), name, source.Options{MusicDir: dir, Tool: noFFmpeg})
		want := name + ": it is " + codec + ", which needs ffmpeg: ffmpeg is not installed: install Debian's package ffmpeg"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if d := source.Decoders(source.Options{Tool: noFFmpeg}); strings.Join(d, " ") != "flac mp3 wav" {
		t.Errorf("decoders %v", d)
	}
}

// A medium must not lead ffmpeg to another file or address.
func TestMediaCannotReachOtherFiles(t *testing.T) {
	dir := t.TempDir()
	encode(t, filepath.Join(dir, "secret.wav"))
	reached := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer srv.Close()
	abs := filepath.Join(dir, "secret.wav")
	for name, content := range map[string]string{
		"a.m4a":  "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://" + abs + "\n#EXT-X-ENDLIST\n",
		"b.ogg":  "ffconcat version 1.0\nfile '" + abs + "'\n",
		"c.opus": "#EXTM3U\n#EXTINF:10,\n" + srv.URL + "/x\n",
		"d.m4a":  "<?xml version=\"1.0\"?><MPD><Period><AdaptationSet><Representation><BaseURL>" + srv.URL + "</BaseURL></Representation></AdaptationSet></Period></MPD>",
	} {
		write(t, filepath.Join(dir, name), []byte(content))
		if s, err := source.Open(t.Context(), name, source.Options{MusicDir: dir}); err == nil {
			t.Errorf("%s opens as %+v", name, s.Info())
			_ = s.Close()
		}
	}
	if reached {
		t.Error("an address inside a medium was asked for")
	}
}

func TestFFmpegPlaysOverHTTP(t *testing.T) {
	dir := t.TempDir()
	encode(t, filepath.Join(dir, "song.m4a"), "-c:a", "aac", "-aac_pns", "0") // its moov comes last
	want := samples(t, open(t, "song.m4a", dir))
	srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer srv.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // knows no ranges
		b, _ := os.ReadFile(filepath.Join(dir, "song.m4a"))
		_, _ = w.Write(b)
	}))
	defer plain.Close()
	for _, base := range []string{srv.URL, plain.URL} {
		s := open(t, base+"/song.m4a", "")
		if got := samples(t, s); len(got) != len(want) || distance(got, want) != 0 {
			t.Errorf("%s: %d samples, want %d", base, len(got), len(want))
		}
		if err := s.SeekFrame(200_000); err != nil {
			t.Fatal(err)
		}
		got := make([]int32, 2000)
		if _, err := fill(s, got); err != nil || distance(got, want[400_000:402_000]) != 0 {
			t.Errorf("seek over HTTP: %v", err)
		}
	}
}

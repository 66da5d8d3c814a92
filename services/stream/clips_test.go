package stream

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/audio/ffmpeg"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
)

// sent stores a clip as management does, and returns its address.
func (r *rig) sent(name string, data []byte) string {
	r.t.Helper()
	o, err := r.bus.EnsureObjects(r.t.Context(), bus.ObjectsConfig{Name: subject.StoreClips, TTL: time.Hour, MaxBytes: 64 << 20})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := o.Put(r.t.Context(), name, data); err != nil {
		r.t.Fatal(err)
	}
	return subject.ClipScheme + name
}

func (r *rig) bytes(name string) []byte {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.music, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// TestAClipThatWasSentInIsAnnounced: its very samples arrive, and it cannot be played as
// music.
func TestAClipThatWasSentInIsAnnounced(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	want := r.file("clip.wav", 1, 3)
	uri := r.sent("abc", r.bytes("clip.wav"))
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(announce(g, "one", uri))
	s := a.begun(0)
	if got := r.epoch(g, s, len(want)); !slices.Equal(got, want) {
		t.Errorf("%d samples are not the clip's %d", len(got), len(want))
	}
	r.announced(g, "one", "done")
	r.received(g, "one", a, "played")
	if c := r.code(play(g, uri)); c != fault.OutOfRange {
		t.Errorf("played as music: %v", c)
	}
	if c := r.code(enqueue(g, uri)); c != fault.OutOfRange {
		t.Errorf("added to the queue: %v", c)
	}
}

// TestWhatABrowserRecordsIsAnnounced: WebM with Opus and MP4 with AAC, without a length in
// their heads, as a recorder writes them.
func TestWhatABrowserRecordsIsAnnounced(t *testing.T) {
	t.Parallel()
	if _, err := ffmpeg.Find(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	r := embedded(t)
	a := r.device("a", "pcm:48000:16:2")
	g := r.make("House", a)
	for name, args := range map[string][]string{
		"webm": {"-c:a", "libopus", "-live", "1", "-f", "webm", "pipe:1"},
		"mp4":  {"-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "pipe:1"},
	} {
		var out, errs bytes.Buffer
		cmd := exec.Command("ffmpeg", append([]string{"-loglevel", "error", "-f", "lavfi", "-i", "sine=frequency=1000:duration=1:sample_rate=48000"}, args...)...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("ffmpeg: %v: %s", err, errs.String())
		}
		r.command(announce(g, name, r.sent(name, out.Bytes())))
		r.announced(g, name, "done")
		if p := r.received(g, name, a, "played"); p.GetSentMs() < 850 {
			t.Errorf("%s: %v", name, p)
		}
		// The tone is in what was sent: its power at 1 kHz, of the left channel.
		s := a.begun(0)
		got := r.epoch(g, s, 2*36000)
		var re, im, power float64
		for i := 4800; i < 36000; i++ {
			x, w := float64(got[2*i]), 2*math.Pi*1000*float64(i)/48000
			re, im, power = re+x*math.Cos(w), im+x*math.Sin(w), power+x*x
		}
		n := float64(36000 - 4800)
		if tone := 2 * (re*re + im*im) / n; power == 0 || tone < 0.95*power {
			t.Errorf("%s: %.0f of %.0f is the tone", name, tone, power)
		}
	}
}

// TestAClipThatCannotBeAnnouncedSaysWhy: what is no audio, and what is not there any more.
func TestAClipThatCannotBeAnnouncedSaysWhy(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(announce(g, "early", "clip:never")) // before the store is there
	for id, uri := range map[string]string{"gone": "clip:gone", "noise": r.sent("noise", bytes.Repeat([]byte{1, 2, 3, 4}, 4096)), "cut": r.sent("cut", []byte("RIFF"))} {
		r.command(announce(g, id, uri))
	}
	for id, want := range map[string]string{"early": "send it again", "gone": "send it again", "noise": "the clip: not a stream of a known audio format", "cut": "the clip: "} {
		x := r.announced(g, id, "failed")
		if !strings.Contains(x.GetError(), want) || strings.Contains(x.GetError(), "remove it") {
			t.Errorf("%s: %q", id, x.GetError())
		}
	}
	a.silent()
}

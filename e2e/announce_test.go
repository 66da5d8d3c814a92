package e2e

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// An announcement by the command line sounds over quieter music, which goes on afterwards
// where it would have been; the command tells what the speaker received. On an idle group
// the clip plays, sample by sample, and nothing else.
func TestAnAnnouncementOverMusicAndOnAnIdleGroup(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		song := harness.MusicFile(t, music, "long.flac", 60, 5)
		bell := harness.MusicFile(t, music, "bell.wav", 3, 9)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		busy := harness.NewDevice(t, "Busy", harness.PCM44, harness.DeviceOptions{})
		idle := harness.NewDevice(t, "Idle", harness.FLAC44, harness.DeviceOptions{})
		busy.Connect(t, s.Sendspin)
		idle.Connect(t, s.Sendspin)
		hall, quiet := group(t, s, "Hall", approve(t, s, "Busy")), group(t, s, "Quiet", approve(t, s, "Idle"))
		s.Must(t, "POST", "/api/v1/groups/"+hall+"/play", map[string]any{"uri": "long.flac"}, nil)
		waitFrames(t, busy, 2*44100)
		t0 := beginning(t, busy, song)

		out, err := s.CLI("announce", "Hall", "bell.wav", "--duck", "20", "--also", "Quiet")
		if err != nil {
			t.Fatalf("tutti announce: %v\n%s", err, out)
		}
		if !strings.Contains(out, "Busy") || !strings.Contains(out, "Idle") || strings.Count(out, "played") < 2 {
			t.Errorf("the command does not tell what both speakers received:\n%s", out)
		}
		checkIdleAnnouncement(t, s, quiet, idle, bell)
		checkDucked(t, busy, t0, song)
		if g := s.Group(t, hall); g.PlaybackState != "playing" || g.NowPlaying == nil {
			t.Errorf("the music does not go on: %+v", g)
		}
	})
}

// checkIdleAnnouncement checks that a device heard the clip, whole and alone.
func checkIdleAnnouncement(t *testing.T, s *harness.Server, g string, d *harness.Device, clip []int32) {
	t.Helper()
	waitEnded(t, d)
	_, got, err := harness.Joined(d.Spans(), 44100, 2)
	if err != nil {
		t.Fatal(err)
	}
	if i := harness.FirstDifference(got, clip); i >= 0 || len(got) != len(clip) {
		t.Errorf("the idle speaker got %d samples, the clip has %d; the first difference is at %d", len(got), len(clip), i)
	}
	harness.Eventually(t, patience, "the idle group is what it was", func() string { // the speaker hears of the end first
		if v := s.Group(t, g); v.PlaybackState != "stopped" || v.QueueLength != 0 || v.NowPlaying != nil {
			return fmt.Sprintf("%+v", v)
		}
		return ""
	})
}

// checkDucked checks that the music was quieter for a while and came back at its place.
func checkDucked(t *testing.T, d *harness.Device, t0 int64, song []int32) {
	t.Helper()
	harness.Eventually(t, patience, "the music is back at its place", func() string {
		mixed := false
		for _, sp := range d.Spans() {
			off, ok := nearest(sp, t0, song)
			switch {
			case !ok:
				mixed = true
			case mixed && off >= 0:
				t.Logf("the music waited %.0f ms for the clip to begin", float64(off)/44.1)
				return ""
			case mixed:
				return fmt.Sprintf("it came back %d frames ahead of its place", -off)
			}
		}
		return fmt.Sprintf("mixed: %v", mixed)
	})
}

// nearest tells how many frames later than its place on the timeline a span has the song,
// within the dither of processing; ok is false when it is not the song's around there. The
// clip begins at once, with a new beginning of the timeline, for whose lead the music waits.
func nearest(sp harness.Span, t0 int64, song []int32) (frames int, ok bool) {
	place := int(math.Round(float64(sp.TimestampUS-t0) * 44100 / 1e6))
	for off := -4410; off < 5*44100; off++ {
		at := place - off
		if at >= 0 && 2*at+len(sp.Samples) <= len(song) && alike(sp.Samples, song[2*at:]) {
			return off, true
		}
	}
	return 0, false
}

func alike(a, b []int32) bool {
	for i, v := range a {
		if d := v - b[i]; d > 3 || d < -3 {
			return false
		}
	}
	return true
}

package stream

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/audio/convert"
	"github.com/tutti-audio/tutti/audio/pcm"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// complete waits until the tape of a stream holds at least n samples.
func (r *rig) complete(group string, s *tuttiv1.StreamStart, n int) []int32 {
	r.t.Helper()
	var got []int32
	until(r.t, func() string {
		if got, _ = r.hears(group, s); len(got) < n {
			return fmt.Sprintf("%s holds %d samples of %d", s.GetRenditionId(), len(got), n)
		}
		return ""
	})
	return got
}

// TestFileReachesAllFormatsBitExact plays a file to the end on three players.
func TestFileReachesAllFormatsBitExact(t *testing.T) {
	r := embedded(t)
	want := r.file("music.flac", 2.5, 1)
	a, b, c := r.device("a", "pcm:44100:16:2"), r.device("b", "flac:44100:16:2"), r.device("c", "flac:48000:24:2")
	g := r.make("House", a, b, c)
	r.command(play(g, "music.flac"))
	sa, sb, sc := a.playing(0), b.playing(0), c.playing(0)
	if sa.GetNotBeforeUs() != sb.GetNotBeforeUs() || sa.GetNotBeforeUs() != sc.GetNotBeforeUs() || sa.GetEpoch() != sc.GetEpoch() {
		t.Errorf("the players start apart: %v, %v, %v", sa, sb, sc)
	}
	if got := r.complete(g, sa, len(want)); !slices.Equal(got, want) {
		t.Error("pcm is not the file")
	}
	if got := r.complete(g, sb, len(want)); !slices.Equal(got, want) {
		t.Error("flac is not the file")
	}
	conv, err := convert.New(pcm.Format{Codec: "pcm", SampleRate: 44100, Channels: 2, BitDepth: 16}, pcm.Format{Codec: "pcm", SampleRate: 48000, Channels: 2, BitDepth: 24})
	if err != nil {
		t.Fatal(err)
	}
	resampled := conv.Flush(conv.Process(nil, want))
	if got := r.complete(g, sc, len(resampled)); !slices.Equal(got, resampled) {
		t.Error("the resampled rendition is not the file, aligned")
	}
	a.silent()
	b.silent()
	c.silent()
	until(t, func() string {
		if x := r.get(g); x.GetPlaybackState() != "stopped" || x.GetPositionMs() != 0 || x.GetPaused() {
			return fmt.Sprintf("after the end: %s at %d ms", x.GetPlaybackState(), x.GetPositionMs())
		}
		return ""
	})
	a.mu.Lock()
	last := a.commands[slices.IndexFunc(a.commands, func(c *tuttiv1.SessionCommand) bool { return c.GetStreamEnd() != nil })].GetStreamEnd()
	a.mu.Unlock()
	if end := sa.GetNotBeforeUs() + 2_500_000; last.GetAtUs() != end {
		t.Errorf("stream/end is set for %d, the music ends at %d", last.GetAtUs(), end)
	}
}

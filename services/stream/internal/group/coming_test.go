package group

import (
	"testing"

	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// timed is a group whose run has items a and b at fixed moments.
func timed() *Group {
	g := &Group{s: playback.New()}
	items := []playback.Item{{ID: "a", URI: "a", Title: "A", DurationMS: 60_000}, {ID: "b", URI: "b", Title: "B"}}
	g.s, _, _ = playback.Handle(g.s, playback.Env{}, playback.PlayItems{Items: items})
	g.s, _, _ = playback.Handle(g.s, playback.Env{}, playback.NeedNext{})
	g.run = &run{marks: []mark{{items[0], 1_000_000, 0}, {items[1], 61_000_000, 0}}}
	return g
}

func TestComingIsWhatTheEarWillMeet(t *testing.T) {
	g := timed()
	next := func(now int64) string {
		it, at, ok := g.coming(now)
		if !ok {
			return ""
		}
		return it.ID + " in " + string(rune('0'+(at-now)/1_000_000%10))
	}
	if got := next(0); got != "a in 1" {
		t.Errorf("before the start: %q", got)
	}
	g.run.heard = true
	if got := next(60_000_000); got != "b in 1" {
		t.Errorf("while a sounds: %q", got)
	}
	if got := next(61_000_000); got != "" {
		t.Errorf("at its moment b is still coming: %q", got)
	}
	g.s, _, _ = playback.Handle(g.s, playback.Env{}, playback.Remove{ID: "b"})
	if got := next(60_000_000); got != "" {
		t.Errorf("b was removed and is coming: %q", got)
	}
}

// TestTitlesAreScheduledAtMostTwentySecondsAhead looks at the schedule as time goes by.
func TestTitlesAreScheduledAtMostTwentySecondsAhead(t *testing.T) {
	g := timed()
	g.run.heard = true
	for now := int64(1_000_000); now < 61_000_000; now += 250_000 {
		m := g.comingMetadata(now)
		ahead := 61_000_000 - now
		switch {
		case m != nil && ahead > 20_000_000:
			t.Fatalf("scheduled %d µs ahead", ahead)
		case m == nil && ahead <= 19_000_000:
			t.Fatalf("not scheduled %d µs ahead", ahead)
		case m != nil && (m.GetTimestampUs() != 61_000_000 || m.GetTitle() != "B" || m.GetProgress().GetPlaybackSpeed() != 1000 || m.GetProgress().GetTrackProgressMs() != 0):
			t.Fatalf("scheduled %v", m)
		}
	}
}

func TestMetadataSaysWhatTheTransportDoes(t *testing.T) {
	a := playback.Item{ID: "a", Title: "A", Artist: "X", Album: "L", AlbumArtist: "Y", Year: 1999, Track: 3, DurationMS: 60_000}
	playing := metadata(metaKey{playback.Playing, a, 5_000_000, 1500}, 9_000_000)
	if p := playing.GetProgress(); playing.GetTimestampUs() != 5_000_000 || p.GetTrackProgressMs() != 1500 || p.GetTrackDurationMs() != 60_000 || p.GetPlaybackSpeed() != 1000 {
		t.Errorf("playing: %v", playing)
	}
	if playing.GetTitle() != "A" || playing.GetArtist() != "X" || playing.GetAlbum() != "L" || playing.GetAlbumArtist() != "Y" || playing.GetYear() != 1999 || playing.GetTrack() != 3 {
		t.Errorf("fields: %v", playing)
	}
	for _, mode := range []playback.Mode{playback.Paused, playback.Stopped} {
		m := metadata(metaKey{mode, a, 0, 1500}, 9_000_000)
		if p := m.GetProgress(); m.GetTimestampUs() != 9_000_000 || p.GetTrackProgressMs() != 1500 || p.GetPlaybackSpeed() != 0 {
			t.Errorf("mode %d: %v", mode, m)
		}
	}
	if m := metadata(metaKey{}, 7); m.Progress != nil || m.Title != nil || m.GetTimestampUs() != 7 {
		t.Errorf("nothing loaded: %v", m)
	}
	stream := playback.Item{ID: "r", URI: "http://h/radio"}
	if m := metadata(metaKey{playback.Playing, stream, 5, 0}, 9); m.GetProgress().GetTrackDurationMs() != 0 || m.GetTitle() != "radio" {
		t.Errorf("a stream: %v", m)
	}
}

// TestARadioTitleIsScheduled: a title that a stream announces is timed to the ear.
func TestARadioTitleIsScheduled(t *testing.T) {
	g := timed()
	g.run.marks = g.run.marks[:1]
	g.run.heard = true
	g.retitle(pipeline.Titled{ItemID: "a", Title: "News\n", Artist: "Voice", AtUS: 31_000_000})
	g.retitle(pipeline.Titled{ItemID: "other", Title: "not of this"})
	m := g.comingMetadata(30_000_000)
	if m.GetTitle() != "News" || m.GetArtist() != "Voice" || m.GetTimestampUs() != 31_000_000 || m.GetProgress().GetTrackProgressMs() != 30_000 {
		t.Errorf("scheduled %v", m)
	}
	if g.s.Queue[0].Title != "A" {
		t.Error("the queue lost the source's own name")
	}
}

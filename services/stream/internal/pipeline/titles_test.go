package pipeline

import (
	"context"
	"io"
	"testing"

	"github.com/tutti-audio/tutti/audio/source"
)

// announcer is a station that says a title at given frames.
type announcer struct {
	source.Source
	read, frames int64
	titles       []source.Title
}

func (a *announcer) Info() source.Info {
	return source.Info{SampleRate: 48000, Channels: 2, BitDepth: 16, Live: true}
}

func (a *announcer) Read(dst []int32) (int, error) {
	n := min(int64(len(dst)/2), 2400, a.frames-a.read)
	if n <= 0 {
		return 0, io.EOF
	}
	clear(dst[:2*n])
	a.read += n
	return int(n), nil
}

func (a *announcer) NextTitle() (source.Title, bool) {
	if len(a.titles) == 0 || a.titles[0].Frame > a.read {
		return source.Title{}, false
	}
	t := a.titles[0]
	a.titles = a.titles[1:]
	return t, true
}

func (a *announcer) Close() error { return nil }

// A title of a station is reported for the moment at which its audio sounds.
func TestTitlesOfAStationAreTimedToTheirAudio(t *testing.T) {
	src := &announcer{frames: 48000 * 5, titles: []source.Title{{Frame: 0, Title: "One"}, {Frame: 48000, Title: "Two", Artist: "X"}, {Frame: 100_001, Title: "Three"}}}
	b := startWith(t, func(context.Context, string) (source.Source, error) { return src, nil }, Config{Renditions: formats("pcm:48000:16:2"), LiveLeadUS: 10_000_000}, "radio") // no stall of the machine is one of the station
	var got []Titled
	var t0 int64
	b.until(func(_ tapes, events []Event) string {
		if got = find[Titled](events); len(got) < 3 {
			return "titles are missing"
		}
		t0 = find[Started](events)[0].T0
		return ""
	})
	for i, want := range []Titled{{Title: "One"}, {Title: "Two", Artist: "X", AtUS: 1_000_000}, {Title: "Three", AtUS: 100_001 * 1_000_000 / 48000}} {
		if d := got[i].AtUS - t0 - want.AtUS; got[i].Title != want.Title || got[i].Artist != want.Artist || got[i].ItemID == "" || d < -50 || d > 50 {
			t.Errorf("title %d: %+v, %d µs from where it should be", i, got[i], d)
		}
	}
}

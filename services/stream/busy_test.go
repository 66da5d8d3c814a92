package stream

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/proto/subject"
)

// TestAShortClipReachesASpeakerThatWasBusy: the tape holds all of a short clip before a
// session that has other commands to take, such as those behind the end of a stream, hears
// of it. It plays the clip all the same.
func TestAShortClipReachesASpeakerThatWasBusy(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	clip := r.file("clip.wav", 1.01, 3) // its last chunk is a part of one: it is made when nothing follows
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.groupOf(a)
	free := make(chan struct{})
	a.mu.Lock()
	a.hang = free
	a.mu.Unlock()
	r.command(announce(g, "one", "clip.wav"))
	until(t, func() string {
		if n := r.frames(g, "pcm-44100-2-16"); n < len(clip)/2 {
			return fmt.Sprintf("%d frames on the tape", n)
		}
		return ""
	})
	for range 10 {
		r.get(g) // and the group knows: what it has heard of by now, it has acted upon
	}
	close(free)
	s := a.begun(0)
	if got := r.epoch(g, s, len(clip)); !slices.Equal(got, clip) {
		t.Errorf("%d samples are not the clip's %d", len(got), len(clip))
	}
	r.announced(g, "one", "done")
	r.received(g, "one", a, "played")
	a.silent()
	if got := a.kinds(); !slices.Equal(got[max(len(got)-4, 0):], []string{"group:playing", "start:pcm-44100-2-16", "end", "group:stopped"}) {
		t.Errorf("told %v", got)
	}
}

// frames is how much a tape holds, of all epochs.
func (r *rig) frames(group, rendition string) (n int) {
	r.tapes.mu.Lock()
	defer r.tapes.mu.Unlock()
	for _, c := range r.tapes.chunks[subject.Tape(group, rendition)] {
		n += int(c.Frames)
	}
	return n
}

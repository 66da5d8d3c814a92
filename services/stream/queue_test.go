package stream

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

func edit(group string, c *tuttiv1.GroupCommand) *tuttiv1.GroupCommand {
	c.GroupId = group
	return c
}

func remove(group, item string) *tuttiv1.GroupCommand {
	return edit(group, &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_RemoveItem{RemoveItem: item}})
}

func move(group, item string, index int32) *tuttiv1.GroupCommand {
	return edit(group, &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_MoveItem{MoveItem: &tuttiv1.MoveItem{ItemId: item, Index: index}}})
}

func jump(group, item string) *tuttiv1.GroupCommand {
	return edit(group, &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Jump{Jump: item}})
}

func queued(g *tuttiv1.Group) (out []string) {
	for i, it := range g.GetQueue() {
		mark := ""
		if i == int(g.GetQueueIndex()) {
			mark = ">"
		}
		out = append(out, mark+it.GetUri())
	}
	return out
}

// sounded waits until a title was audible. A short one may be over before a slow machine
// looks at what sounds now, but it is remembered.
func (r *rig) sounded(group, uri string) *tuttiv1.Group {
	r.t.Helper()
	var g *tuttiv1.Group
	until(r.t, func() string {
		g = r.get(group)
		if !slices.ContainsFunc(g.GetHistory(), func(h *tuttiv1.HistoryItem) bool { return h.GetItem().GetUri() == uri }) {
			return fmt.Sprintf("%s has not sounded: %v", uri, g.GetHistory())
		}
		return ""
	})
	return g
}

// epoch decodes what a tape holds of an epoch, from its beginning.
func (r *rig) epoch(group string, s *tuttiv1.StreamStart, n int) []int32 {
	r.t.Helper()
	var out []int32
	until(r.t, func() string {
		dec, err := decode.New(rendition.FromProto(s.GetFormat()), s.GetCodecHeader())
		if err != nil {
			r.t.Fatal(err)
		}
		out = out[:0]
		for _, c := range r.tapes.of(group, s.GetRenditionId(), s.GetEpoch()) {
			if out, err = dec.Decode(out, c.Data); err != nil {
				r.t.Fatal(err)
			}
		}
		if len(out) < n {
			return fmt.Sprintf("%d samples of %d", len(out), n)
		}
		return ""
	})
	return out
}

func TestQueueIsEdited(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	for _, n := range []string{"a.wav", "b.wav", "c.wav", "d.wav"} {
		r.file(n, 2, 1)
	}
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "a.wav", "b.wav"))
	next := enqueue(g, "c.wav")
	next.GetEnqueue().At = "next"
	r.command(next)
	first := enqueue(g, "d.wav")
	first.GetEnqueue().Index = proto.Int32(0)
	x := r.command(first)
	if got := queued(x); !slices.Equal(got, []string{"d.wav", ">a.wav", "c.wav", "b.wav"}) {
		t.Errorf("queue after adding: %v", got)
	}
	id := func(uri string) string {
		i := slices.IndexFunc(x.GetQueue(), func(it *tuttiv1.QueueItem) bool { return it.GetUri() == uri })
		return x.GetQueue()[i].GetId()
	}
	r.command(move(g, id("b.wav"), 0))
	if got := queued(r.command(remove(g, id("a.wav")))); !slices.Equal(got, []string{"b.wav", "d.wav", ">c.wav"}) {
		t.Errorf("queue after moving and removing: %v", got)
	}
	r.command(jump(g, id("d.wav")))
	a.playing(0)
	r.sounded(g, "d.wav")
	for _, bad := range []*tuttiv1.GroupCommand{remove(g, "nothing"), jump(g, "nothing"), move(g, "nothing", 0)} {
		if c := r.code(bad); c != fault.NotFound {
			t.Errorf("%v: %v", bad.GetCommand(), c)
		}
	}
	if c := r.code(move(g, id("b.wav"), 9)); c != fault.OutOfRange {
		t.Errorf("move to nowhere: %v", c)
	}
}

// TestAChangeBehindWhatSoundsWaitsForTheJoin changes the successor when its audio is on
// the tape and with the players already.
func TestAChangeBehindWhatSoundsWaitsForTheJoin(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	one, two, three := r.file("one.wav", 20, 1), r.file("two.wav", 3, 2), r.file("three.wav", 3, 3)
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "one.wav", "two.wav"))
	r.command(play(g, ""))
	s := a.playing(0)
	if got := r.complete(g, s, len(one)+len(two)); !slices.Equal(got, slices.Concat(one, two)) {
		t.Fatal("the tape does not hold both titles")
	}
	x := r.audible(g, "one.wav")
	// In this order there is never nothing that follows, however slow the two commands are.
	r.command(enqueue(g, "three.wav"))
	r.command(remove(g, x.GetQueue()[1].GetId()))
	join := s.GetNotBeforeUs() + 20_000_000
	s2 := a.playing(s.GetEpoch())
	a.mu.Lock()
	at := a.at[len(a.at)-1]
	for i, c := range a.commands {
		if c.GetStreamClear() != nil {
			at = a.at[i]
		}
	}
	a.mu.Unlock()
	if early := join - at; early > 60_000 {
		t.Errorf("the title that sounded lost its last %d ms", early/1000)
	}
	if s2.GetNotBeforeUs() < join {
		t.Errorf("the changed successor may sound %d ms before the title's end", (join-s2.GetNotBeforeUs())/1000)
	}
	if got := r.epoch(g, s2, len(three)); !slices.Equal(got, three) {
		t.Error("what follows is not the changed successor from its beginning")
	}
	r.sounded(g, "three.wav")
	a.silent()
	a.told("group:stopped", "group:stopped", "group:playing", "start:pcm-44100-2-16", "clear", "end", "group:stopped")
}

func TestAChangeTakenBackCostsNothing(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	one, two := r.file("one.wav", 20, 1), r.file("two.wav", 2, 2)
	r.file("three.wav", 2, 3)
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "one.wav", "two.wav", "three.wav"))
	r.command(play(g, ""))
	s := a.playing(0)
	r.complete(g, s, len(one)+len(two))
	x := r.audible(g, "one.wav")
	r.command(move(g, x.GetQueue()[2].GetId(), 1))
	r.command(move(g, x.GetQueue()[2].GetId(), 2))
	r.sounded(g, "three.wav")
	a.silent()
	a.told("group:stopped", "group:stopped", "group:playing", "start:pcm-44100-2-16", "end", "group:stopped")
}

func TestScheduledTitleIsCancelledByAChange(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	one, two := r.file("one.wav", 20, 1), r.file("two.wav", 2, 2)
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "one.wav", "two.wav"))
	r.command(play(g, ""))
	s := a.playing(0)
	r.complete(g, s, len(one)+len(two))
	r.audible(g, "one.wav")
	join := s.GetNotBeforeUs() + 20_000_000
	pending := func(want int64) {
		t.Helper()
		until(t, func() string {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.advance()
			if got := a.coming.GetTimestampUs(); got != want {
				return fmt.Sprintf("scheduled for %d, want %d", got, want)
			}
			return ""
		})
	}
	pending(join)
	r.command(simple(g, "clear"))
	pending(0)
	if _, _, m, _ := a.now(); m.GetProgress().GetPlaybackSpeed() != 1000 {
		t.Errorf("after the cancel it shows %v", m)
	}
	a.silent()
	until(t, func() string {
		if _, _, m, _ := a.now(); m.GetProgress().GetPlaybackSpeed() != 0 {
			return fmt.Sprintf("at the end it shows %v", m)
		}
		return ""
	})
}

func TestHistorySurvivesAndCounts(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRig(t)
	stop := r.service(r.bus, "one")
	r.file("one.wav", 2, 1)
	r.file("two.wav", 30, 2)
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "one.wav", "two.wav"))
	r.command(play(g, ""))
	r.audible(g, "two.wav")
	r.command(simple(g, "pause"))
	stop()
	r.service(r.bus, "two")
	h := r.get(g).GetHistory()
	if len(h) != 2 || h[0].GetItem().GetUri() != "two.wav" || h[1].GetItem().GetUri() != "one.wav" || h[1].GetPlayedAt() == nil {
		t.Fatalf("history: %v", h)
	}
	if ms := h[1].GetPlayedMs(); ms < 1900 || ms > 2100 {
		t.Errorf("two seconds sounded for %d ms", ms)
	}
	// Play without an address goes on with it, as the same entry; after the queue was
	// emptied, too.
	r.command(play(g, ""))
	r.audible(g, "two.wav")
	r.command(simple(g, "stop"))
	r.command(simple(g, "clear"))
	until(t, func() string {
		if _, _, _, c := a.now(); !slices.Contains(c.GetSupportedCommands(), "play") {
			return "a controller is not offered 'play'"
		}
		return ""
	})
	r.command(play(g, ""))
	x := r.audible(g, "two.wav")
	if h := x.GetHistory(); len(h) < 2 || h[0].GetItem().GetUri() != "two.wav" || len(h) > 3 {
		t.Errorf("history at the end: %v", h)
	}
}

func settings(group string, s *tuttiv1.GroupSettings) *tuttiv1.GroupCommand {
	return edit(group, &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Settings{Settings: s}})
}

func TestCrossfadeAndNormalizationAreSettings(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("one.wav", 4, 1)
	r.file("two.wav", 20, 2)
	a := r.device("a", "pcm:44100:24:2")
	g := r.make("House", a)
	for _, bad := range []*tuttiv1.GroupSettings{{CrossfadeMs: proto.Int64(15_001)}, {CrossfadeMs: proto.Int64(-1)}, {Normalization: proto.String("loud")}} {
		if c := r.code(settings(g, bad)); c != fault.OutOfRange {
			t.Errorf("%v: %v", bad, c)
		}
	}
	x := r.command(settings(g, &tuttiv1.GroupSettings{CrossfadeMs: proto.Int64(1000), Normalization: proto.String("track")}))
	if x.GetCrossfadeMs() != 1000 || x.GetNormalization() != "track" {
		t.Errorf("settings: %v, %q", x.GetCrossfadeMs(), x.GetNormalization())
	}
	if x = r.command(settings(g, &tuttiv1.GroupSettings{Normalization: proto.String("off")})); x.GetCrossfadeMs() != 1000 || x.GetNormalization() != "off" {
		t.Errorf("settings: %v, %q", x.GetCrossfadeMs(), x.GetNormalization())
	}
	r.command(enqueue(g, "one.wav", "two.wav"))
	r.command(play(g, ""))
	s := a.playing(0)
	// The second title sounds a second before the first one's end, and is told for then.
	r.audible(g, "two.wav")
	until(t, func() string {
		_, _, m, _ := a.now()
		if got, want := m.GetTimestampUs(), s.GetNotBeforeUs()+3_000_000; m.GetTitle() != "two.wav" || got != want {
			return fmt.Sprintf("it shows %q from %d, want two.wav from %d", m.GetTitle(), got, want)
		}
		return ""
	})
	// A seek begins anew; it does not fade.
	r.command(seek(g, 1000))
	a.playing(s.GetEpoch())
}

package stream

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

func announce(group, id, uri string) *tuttiv1.GroupCommand {
	return edit(group, &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Announce{Announce: &tuttiv1.Announce{AnnouncementId: id, Uri: uri}}})
}

func cancelAnnouncement(group, id string) *tuttiv1.GroupCommand {
	return edit(group, &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_CancelAnnouncement{CancelAnnouncement: id}})
}

// announced waits until an announcement is in a state.
func (r *rig) announced(group, id, state string) *tuttiv1.Announcement {
	r.t.Helper()
	var out *tuttiv1.Announcement
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		for _, a := range r.get(group).GetAnnouncements() {
			if a.GetAnnouncementId() == id {
				out = a
			}
		}
		if out.GetState() == state {
			return out
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("announcement %s is %v, want %s", id, out, state)
		}
	}
}

// received waits until an announcement says this of a speaker: reports may come late.
func (r *rig) received(group, id string, d *device, state string) *tuttiv1.AnnouncementPlayer {
	r.t.Helper()
	var p *tuttiv1.AnnouncementPlayer
	until(r.t, func() string {
		for _, a := range r.get(group).GetAnnouncements() {
			for _, x := range a.GetPlayers() {
				if a.GetAnnouncementId() == id && x.GetClientId() == d.id {
					p = x
				}
			}
		}
		if p.GetState() != state {
			return fmt.Sprintf("%s received %v, want %s", d.id, p, state)
		}
		return ""
	})
	return p
}

// begun waits for the start or clear of an epoch other than `not`. Of a clip, the end is
// told soon after.
func (d *device) begun(not uint64) *tuttiv1.StreamStart {
	d.r.t.Helper()
	var s *tuttiv1.StreamStart
	until(d.r.t, func() string {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, c := range d.commands {
			if k := c.GetStreamStart(); k != nil && k.GetEpoch() != not {
				s = k
			}
		}
		if s == nil {
			return "no stream was started"
		}
		return ""
	})
	return s
}

// TestAnnouncementOnAnIdleGroupStartsNothingElse: it plays the clip, stops, and the queue
// with its position and history is what it was.
func TestAnnouncementOnAnIdleGroupStartsNothingElse(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	clip := r.file("clip.wav", 1, 3)
	r.file("music.wav", 10, 1)
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "music.wav"))
	was := r.get(g)
	r.command(announce(g, "one", "clip.wav"))
	s := a.begun(0)
	if got := r.epoch(g, s, len(clip)); !slices.Equal(got, clip) {
		t.Errorf("%d samples are not the clip's %d", len(got), len(clip))
	}
	x := r.announced(g, "one", "done")
	if p := r.received(g, "one", a, "played"); p.GetSentMs() < 850 || p.GetSentMs() > 1000 {
		t.Errorf("it was sent %d ms of 1000", p.GetSentMs())
	}
	if x.GetDurationMs() != 1000 || x.GetStartedAt() == nil || x.GetEndedAt() == nil || x.GetError() != "" {
		t.Errorf("announcement: %v", x)
	}
	a.silent()
	a.told("group:stopped", "group:stopped", "group:playing", "start:pcm-44100-2-16", "end", "group:stopped")
	is := r.get(g)
	if is.GetPlaybackState() != "stopped" || is.GetPaused() || !slices.Equal(queued(is), queued(was)) || is.GetPositionMs() != 0 || len(is.GetHistory()) != 0 {
		t.Errorf("afterwards: %v", is)
	}
	// A paused group stays where it was paused; so does one without a queue.
	r.command(play(g, ""))
	a.playing(s.GetEpoch())
	r.audible(g, "music.wav")
	paused := r.command(simple(g, "pause"))
	a.silent()
	r.command(announce(g, "two", "clip.wav"))
	r.announced(g, "two", "done")
	a.silent()
	if is = r.get(g); !is.GetPaused() || is.GetPositionMs() != paused.GetPositionMs() || len(is.GetHistory()) != 1 {
		t.Errorf("paused at %d ms; afterwards %v at %d ms, %d titles heard", paused.GetPositionMs(), is.GetPaused(), is.GetPositionMs(), len(is.GetHistory()))
	}
	r.command(simple(g, "clear"))
	r.command(announce(g, "three", "clip.wav"))
	r.announced(g, "three", "done")
	if is = r.get(g); len(is.GetQueue()) != 0 || is.GetPlaybackState() != "stopped" {
		t.Errorf("an empty group plays %v", is)
	}
}

func TestAnnouncementOverMusicDucksAndRestores(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	music, clip := r.file("music.wav", 30, 1), r.file("clip.wav", 1, 3)
	a := r.device("a", "pcm:44100:24:2")
	g := r.make("House", a)
	r.command(play(g, "music.wav"))
	s := a.playing(0)
	r.audible(g, "music.wav")
	c := announce(g, "one", "clip.wav")
	c.GetAnnounce().DuckDb = proto.Int32(60)
	r.command(c)
	s2 := a.playing(s.GetEpoch())
	until(t, func() string { // the new epoch's audio is there
		if n := len(r.tapes.of(g, s2.GetRenditionId(), s2.GetEpoch())); n < 20 {
			return fmt.Sprintf("%d chunks", n)
		}
		return ""
	})
	first := r.tapes.of(g, s2.GetRenditionId(), s2.GetEpoch())[0]
	from := 2 * (44100 * (first.MediaEndMS - int64(first.DurationUS)/1000) / 1000)
	got := r.epoch(g, s2, 2*44100*3)
	// Where the music is in the new epoch, to the frame: after the ramps it is itself again.
	const after = 2 * (44100 + 2*8820)
	for off := int64(-200); ; off += 2 {
		if off > 200 {
			t.Fatal("after the clip the music is not what it was")
		}
		i := from + off + after
		if i >= 0 && shiftedEqual(got[after:after+44100], music[i:i+44100]) {
			from += off
			break
		}
	}
	// Under the clip the music is a thousandth of itself.
	for i := range 2 * 44100 {
		want := float64(clip[i])*256 + float64(music[from+2*8820+int64(i)])*256/1000
		if d := math.Abs(float64(got[2*8820+i]) - want); d > 1 && math.Abs(want) < 0.7*(1<<23) {
			t.Fatalf("sample %d of the clip is %d, want %.0f", i, got[2*8820+i], want)
		}
	}
	r.announced(g, "one", "done")
	r.received(g, "one", a, "played")
	x := r.audible(g, "music.wav")
	if x.GetPlaybackState() != "playing" || x.GetAnnouncement().GetState() != "done" {
		t.Errorf("afterwards: %v", x)
	}
	a.told("group:stopped", "group:stopped", "group:playing", "start:pcm-44100-2-24", "clear")
}

// shiftedEqual compares 24 bit samples with 16 bit ones.
func shiftedEqual(a, b []int32) bool {
	for i := range a {
		if a[i] != b[i]<<8 {
			return false
		}
	}
	return true
}

// obeys makes a device carry out volume commands.
func (d *device) obeys(commands int) int {
	d.r.t.Helper()
	var last *tuttiv1.PlayerCommand
	until(d.r.t, func() string {
		d.mu.Lock()
		defer d.mu.Unlock()
		n := 0
		for _, c := range d.commands {
			if p := c.GetPlayer(); p != nil {
				n++
				last = p
			}
		}
		if n < commands {
			return fmt.Sprintf("%s was sent %d player commands, want %d", d.id, n, commands)
		}
		return ""
	})
	v := last.GetVolume()
	d.change(func(p *tuttiv1.ClientPresence) { p.Player.Volume = &v })
	return int(v)
}

// TestAnnouncementVolumeIsHonouredAndRestored, inside limits, and only where nobody
// changed it meanwhile; who is muted stays muted.
func TestAnnouncementVolumeIsHonouredAndRestored(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("clip.wav", 6, 3) // long enough for a hand on one of them meanwhile
	a, b, c := r.device("a", "pcm:44100:16:2"), r.device("b", "pcm:44100:16:2"), r.device("c", "pcm:44100:16:2")
	b.change(func(p *tuttiv1.ClientPresence) { p.Limits = &tuttiv1.VolumeLimits{Max: 60} })
	c.change(func(p *tuttiv1.ClientPresence) { p.Player.Muted = proto.Bool(true) })
	g := r.make("House", a, b, c)
	cmd := announce(g, "one", "clip.wav")
	cmd.GetAnnounce().Volume = proto.Int32(80)
	r.command(cmd)
	if va, vb, vc := a.obeys(1), b.obeys(1), c.obeys(1); va != 80 || vb != 60 || vc != 80 {
		t.Errorf("volumes %d, %d (at most 60), %d", va, vb, vc)
	}
	b.change(func(p *tuttiv1.ClientPresence) { p.Player.Volume = proto.Int32(33) }) // by hand
	r.announced(g, "one", "done")
	if va, vc := a.obeys(2), c.obeys(2); va != 50 || vc != 50 {
		t.Errorf("restored to %d and %d", va, vc)
	}
	until(t, func() string { // all restored: nothing is owed any more
		for _, p := range r.get(g).GetAnnouncement().GetPlayers() {
			if p.VolumeBefore != nil {
				return fmt.Sprintf("still to be restored: %v", p)
			}
		}
		return ""
	})
	for _, d := range []*device{a, b, c} {
		n := 0
		d.mu.Lock()
		for _, k := range d.commands {
			if p := k.GetPlayer(); p != nil {
				n++
				if _, mutes := p.GetCommand().(*tuttiv1.PlayerCommand_Mute); mutes {
					t.Errorf("%s was (un)muted", d.id)
				}
			}
		}
		d.mu.Unlock()
		if want := map[string]int{a.id: 2, b.id: 1, c.id: 2}[d.id]; n != want {
			t.Errorf("%s was sent %d commands, want %d", d.id, n, want)
		}
	}
	if p := r.received(g, "one", c, "played"); p.GetReason() != "it is muted" {
		t.Errorf("a muted speaker: %v", p)
	}
}

func TestSpeakersThatMissedItSayWhy(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("clip.wav", 1.5, 3)
	a, away, busy, deaf := r.device("a", "pcm:44100:16:2"), r.device("away", "pcm:44100:16:2"), r.device("busy", "pcm:44100:16:2"), r.device("deaf", "pcm:44100:16:2")
	g := r.make("House", a, away, busy, deaf)
	away.disconnect()
	busy.change(func(p *tuttiv1.ClientPresence) { p.Available = proto.Bool(false) })
	deaf.deaf = true
	until(t, func() string { // it moves to a group of its own, as the specification asks
		if n := len(r.get(g).GetMembers()); n != 3 {
			return fmt.Sprintf("%d members", n)
		}
		return ""
	})
	r.command(announce(g, "one", "clip.wav"))
	r.announced(g, "one", "done")
	r.received(g, "one", a, "played")
	if p := r.received(g, "one", away, "missed"); p.GetReason() != "it is not connected" {
		t.Errorf("away: %v", p)
	}
	if p := r.received(g, "one", deaf, "missed"); !strings.Contains(p.GetReason(), "did not take the stream") {
		t.Errorf("deaf: %v", p)
	}
}

// TestAHangingClipBlocksNothing: what cannot be read is given up, can be cancelled, and
// gives way to what is more urgent.
func TestAHangingClipBlocksNothing(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("clip.wav", 0.5, 3)
	gate := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-gate:
		case <-req.Context().Done():
		}
	}))
	t.Cleanup(hangs.Close)
	t.Cleanup(func() { close(gate) })
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(announce(g, "hangs", hangs.URL))
	r.announced(g, "hangs", "queued")
	urgent := announce(g, "urgent", "clip.wav")
	urgent.GetAnnounce().Priority = 5
	r.command(urgent)
	if x := r.announced(g, "hangs", "cancelled"); !strings.Contains(x.GetError(), "more urgent") {
		t.Errorf("interrupted: %v", x)
	}
	r.announced(g, "urgent", "done")
	r.command(announce(g, "again", hangs.URL))
	r.command(announce(g, "behind", "clip.wav"))
	r.command(cancelAnnouncement(g, "again"))
	r.announced(g, "again", "cancelled")
	r.announced(g, "behind", "done")
	// And by itself.
	r.command(announce(g, "alone", hangs.URL))
	r.command(announce(g, "last", "clip.wav"))
	if x := r.announced(g, "alone", "failed"); x.GetError() == "" {
		t.Errorf("failed without a reason: %v", x)
	}
	r.announced(g, "last", "done")
	a.silent()
}

func TestAnnouncementsWaitInOrderAndWithinABound(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("long.wav", 30, 3)
	r.file("clip.wav", 0.5, 3)
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(announce(g, "now", "long.wav"))
	r.announced(g, "now", "playing")
	for i := range 16 {
		r.command(announce(g, fmt.Sprint("w", i), "clip.wav"))
	}
	r.command(announce(g, "w3", "clip.wav")) // the same again is no other one
	if c := r.code(announce(g, "too many", "clip.wav")); c != fault.Conflict {
		t.Errorf("one too many: %v", c)
	}
	for i := range 16 {
		if i != 7 {
			r.command(cancelAnnouncement(g, fmt.Sprint("w", i)))
		}
	}
	r.command(cancelAnnouncement(g, "now"))
	r.announced(g, "now", "cancelled")
	r.announced(g, "w7", "done")
	if c := r.code(cancelAnnouncement(g, "never")); c != fault.NotFound {
		t.Errorf("cancel of an unknown one: %v", c)
	}
	for _, bad := range []*tuttiv1.Announce{{AnnouncementId: "x"}, {AnnouncementId: "x", Uri: "a", Text: "b"}, {AnnouncementId: "x", Uri: "a", Volume: proto.Int32(101)},
		{AnnouncementId: "x", Uri: "a", DuckDb: proto.Int32(61)}, {AnnouncementId: "x", Text: strings.Repeat("a", 2001)}} {
		if c := r.code(edit(g, &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Announce{Announce: bad}})); c != fault.OutOfRange {
			t.Errorf("%v: %v", bad, c)
		}
	}
	a.silent()
}

// TestAnAnnouncementIsNeverInProgressAfterARestart: a new holder of the group ends it,
// puts the volume back, and takes the next one at once.
func TestAnAnnouncementIsNeverInProgressAfterARestart(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRig(t)
	stop := r.service(r.bus, "one")
	r.file("long.wav", 30, 3)
	r.file("clip.wav", 0.5, 3)
	r.file("music.wav", 3, 1)
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "music.wav"))
	loud := announce(g, "one", "long.wav")
	loud.GetAnnounce().Volume = proto.Int32(70)
	r.command(loud)
	r.announced(g, "one", "playing")
	if v := a.obeys(1); v != 70 {
		t.Errorf("volume %d", v)
	}
	stop()
	r.service(r.bus, "two")
	if x := r.announced(g, "one", "failed"); !strings.Contains(x.GetError(), "has ended") {
		t.Errorf("afterwards: %v", x)
	}
	if v := a.obeys(2); v != 50 {
		t.Errorf("volume %d after the restart, want 50", v)
	}
	r.command(announce(g, "two", "clip.wav"))
	r.announced(g, "two", "done")
	if x := r.get(g); x.GetPlaybackState() != "stopped" || len(x.GetHistory()) != 0 {
		t.Errorf("it started music: %v", x)
	}
}

// TestAnnouncingToOneMemberChangesNoGroup: after an announcement the group is what it was,
// with its id, name and members, and its members' controllers show it with its commands; so
// it is when it was announced in a group of one beside it.
func TestAnnouncingToOneMemberChangesNoGroup(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("clip.wav", 0.5, 3)
	r.file("one.wav", 3, 1)
	r.file("two.wav", 3, 2)
	a, b, solo := r.device("a", "pcm:44100:16:2"), r.device("b", "pcm:44100:16:2"), r.device("solo", "pcm:44100:16:2")
	g := r.make("House", a, b)
	alone := r.groupOf(solo)
	r.command(enqueue(g, "one.wav", "two.wav"))
	// Commands that come and go with the group, its queue and its members.
	offered := []string{"play", "next", "volume", "mute", "switch"}
	for _, d := range []*device{a, b} {
		for _, c := range offered {
			d.offers(c, true)
		}
	}
	_, _, _, controlled := a.now()
	before, beside := r.get(g), r.get(alone)
	for _, of := range []string{g, alone} {
		r.command(announce(of, "at "+of, "clip.wav"))
		r.announced(of, "at "+of, "done")
		for _, d := range []*device{a, b, solo} {
			d.silent()
		}
		for want, is := range map[*tuttiv1.Group]*tuttiv1.Group{before: r.get(g), beside: r.get(alone)} {
			if is.GetGroupId() != want.GetGroupId() || is.GetName() != want.GetName() || is.GetSolo() != want.GetSolo() || !slices.Equal(is.GetMembers(), want.GetMembers()) {
				t.Errorf("after an announcement in %s a group is %v, was %v", of, is, want)
			}
		}
		for d, want := range map[*device]string{a: g, b: g, solo: alone} {
			if is := r.groupOf(d); is != want {
				t.Errorf("after an announcement in %s, %s is told of group %s, not %s", of, d.id, is, want)
			}
		}
		for _, d := range []*device{a, b} {
			d.controls(func(c *tuttiv1.ControllerState) bool { return proto.Equal(c, controlled) })
		}
	}
}

// TestTransportWhileAnnouncing: what is announced goes on whatever happens to the music.
func TestTransportWhileAnnouncing(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("one.wav", 20, 1)
	r.file("two.wav", 20, 2)
	r.file("clip.wav", 8, 3)
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "one.wav", "two.wav"))
	r.command(play(g, ""))
	s := a.playing(0)
	r.audible(g, "one.wav")
	r.command(announce(g, "one", "clip.wav"))
	r.announced(g, "one", "playing")
	s = a.playing(s.GetEpoch())
	r.command(simple(g, "next"))
	s = a.playing(s.GetEpoch())
	r.command(simple(g, "pause"))
	s = a.playing(s.GetEpoch()) // the clip alone
	if x := r.get(g); !x.GetPaused() || x.GetAnnouncement().GetState() != "playing" {
		t.Errorf("paused while announcing: %v", x)
	}
	r.command(play(g, ""))
	a.playing(s.GetEpoch())
	x := r.announced(g, "one", "done")
	if took := x.GetEndedAt().AsTime().Sub(x.GetStartedAt().AsTime()); took < 8*time.Second {
		t.Errorf("the clip of 8 s was over after %v", took)
	}
	r.audible(g, "two.wav")
	if slices.Contains(a.kinds(), "end") {
		t.Errorf("the stream ended in between: %v", a.kinds())
	}
	r.command(simple(g, "stop"))
	a.silent()
}

func TestTextIsAnnounced(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(edit(g, &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Announce{Announce: &tuttiv1.Announce{AnnouncementId: "one", Text: "Dinner is ready", Language: "en"}}}))
	a.begun(0)
	x := r.announced(g, "one", "done")
	if x.GetText() != "Dinner is ready" || x.GetUri() != "text:" || x.GetDurationMs() < 300 {
		t.Errorf("announcement: %v (the tests need Debian's package espeak-ng)", x)
	}
	ask[tuttiv1.Empty](r, subject.StreamDeleteGroup, &tuttiv1.GroupRequest{GroupId: g})
}

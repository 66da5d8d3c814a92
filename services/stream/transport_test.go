package stream

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

func simple(group, what string) *tuttiv1.GroupCommand {
	c, e := &tuttiv1.GroupCommand{GroupId: group}, &tuttiv1.Empty{}
	switch what {
	case "pause":
		c.Command = &tuttiv1.GroupCommand_Pause{Pause: e}
	case "stop":
		c.Command = &tuttiv1.GroupCommand_Stop{Stop: e}
	case "next":
		c.Command = &tuttiv1.GroupCommand_Next{Next: e}
	case "previous":
		c.Command = &tuttiv1.GroupCommand_Previous{Previous: e}
	case "clear":
		c.Command = &tuttiv1.GroupCommand_ClearQueue{ClearQueue: e}
	}
	return c
}

func enqueue(group string, uris ...string) *tuttiv1.GroupCommand {
	return &tuttiv1.GroupCommand{GroupId: group, Command: &tuttiv1.GroupCommand_Enqueue{Enqueue: &tuttiv1.Enqueue{Uris: uris}}}
}

func seek(group string, ms int64) *tuttiv1.GroupCommand {
	return &tuttiv1.GroupCommand{GroupId: group, Command: &tuttiv1.GroupCommand_SeekMs{SeekMs: ms}}
}

// audible waits until the record says that an item sounds.
func (r *rig) audible(group, title string) *tuttiv1.Group {
	r.t.Helper()
	var g *tuttiv1.Group
	until(r.t, func() string {
		g = r.get(group)
		if n := g.GetNowPlaying(); n.GetSpeed() == 0 || title != "" && g.GetSource() != title {
			return fmt.Sprintf("now playing: %v of %s", n, g.GetSource())
		}
		return ""
	})
	return g
}

func TestTransport(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	one, two := r.file("one.wav", 30, 1), r.file("two.flac", 20, 2) // a slow machine pauses late
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "one.wav", "two.flac"))
	r.command(play(g, ""))
	s := a.playing(0)
	if got := r.complete(g, s, 44100); !slices.Equal(got[:44100], one[:44100]) {
		t.Error("play does not begin with the first title")
	}
	r.audible(g, "one.wav")

	// Pause is an end; the position stays where the ear was.
	paused := r.command(simple(g, "pause"))
	a.silent()
	at := paused.GetPositionMs()
	heard := (houseclock.MonotonicMicros() - s.GetNotBeforeUs()) / 1000
	if !paused.GetPaused() || paused.GetPlaybackState() != "stopped" || at > heard {
		t.Errorf("paused: %v at %d ms, heard at most %d ms", paused.GetPaused(), at, heard)
	}
	until(t, func() string {
		_, info, meta, _ := a.now()
		if info.GetPlaybackState() != "stopped" || meta.GetProgress().GetPlaybackSpeed() != 0 || meta.GetProgress().GetTrackProgressMs() != at {
			return fmt.Sprintf("while paused: %v, %v", info, meta)
		}
		return ""
	})
	// Resume is a new stream from there.
	r.command(play(g, ""))
	s2 := a.playing(s.GetEpoch())
	from := 2 * timeline.Scale(at, 44100, 1000)
	if got := r.complete(g, s2, 44100); !slices.Equal(got[:44100], one[from:from+44100]) {
		t.Errorf("resume does not go on at %d ms", at)
	}
	// A seek clears and begins exactly at the frame.
	r.command(seek(g, 4_321))
	s3 := a.playing(s2.GetEpoch())
	from = 2 * timeline.Scale(4_321, 44100, 1000)
	if got := r.complete(g, s3, 44100); !slices.Equal(got[:44100], one[from:from+44100]) {
		t.Error("seek does not begin at its frame")
	}
	// A jump clears, too.
	r.command(simple(g, "next"))
	s4 := a.playing(s3.GetEpoch())
	if got := r.complete(g, s4, 44100); !slices.Equal(got[:44100], two[:44100]) {
		t.Error("next does not begin the second title")
	}
	r.audible(g, "two.flac")
	if c := r.code(simple(g, "next")); c != fault.Conflict {
		t.Errorf("next at the end of the queue: %v", c)
	}
	r.command(simple(g, "previous"))
	a.playing(s4.GetEpoch())
	stopped := r.command(simple(g, "stop"))
	a.silent()
	if stopped.GetPositionMs() != 0 || stopped.GetPaused() {
		t.Errorf("stopped at %d ms", stopped.GetPositionMs())
	}
	want := []string{"group:stopped", "group:stopped", "group:playing", "start:pcm-44100-2-16", "end", "group:stopped", "group:playing", "start:pcm-44100-2-16", "clear", "clear", "clear", "end", "group:stopped"}
	a.told(want...)
}

func TestTracksFollowWithoutGapOrStreamCommands(t *testing.T) {
	r := embedded(t)
	one, two := r.file("one.flac", 4.7, 1), r.file("two.flac", 4.3, 2) // long enough to be seen
	a := r.device("a", "flac:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "one.flac", "two.flac"))
	r.command(play(g, ""))
	s := a.playing(0)
	if x := r.audible(g, "one.flac"); x.GetQueueIndex() != 0 {
		t.Errorf("the first title sounds as number %d of the queue", x.GetQueueIndex())
	}
	// To decode both takes a while, and the second may be over then.
	if got := r.complete(g, s, len(one)+len(two)); !slices.Equal(got, slices.Concat(one, two)) {
		t.Error("the two titles are not joined to the sample")
	}
	x := r.sounded(g, "two.flac")
	a.silent()
	h, q := x.GetHistory(), x.GetQueue()
	if len(h) != 2 || h[0].GetItem().GetId() != q[1].GetId() || h[1].GetItem().GetId() != q[0].GetId() {
		t.Errorf("of %v were heard %v", q, h)
	}
	if i := x.GetQueueIndex(); i != 1 && x.GetPlaybackState() == "playing" { // the queue goes back to its beginning at the end
		t.Errorf("the second title sounds as number %d of the queue", i)
	}
	a.told("group:stopped", "group:stopped", "group:playing", "start:flac-44100-2-16", "end", "group:stopped")
	// Each title's metadata was scheduled for the moment when it became audible, once.
	a.mu.Lock()
	defer a.mu.Unlock()
	var starts []int64
	for i, c := range a.commands {
		m := c.GetState().GetMetadata()
		if m.GetProgress().GetPlaybackSpeed() == 1000 {
			starts = append(starts, m.GetTimestampUs())
			if m.GetTimestampUs() < a.at[i] {
				t.Errorf("metadata came %d µs after its time", a.at[i]-m.GetTimestampUs())
			}
		}
	}
	if want := []int64{s.GetNotBeforeUs(), s.GetNotBeforeUs() + 4_700_000}; !slices.Equal(starts, want) {
		t.Errorf("titles begin at %v, want %v", starts, want)
	}
}

func TestLateJoinerIsAlignedAndUnnoticed(t *testing.T) {
	r := embedded(t)
	want := r.file("music.flac", 20, 1)
	a, b := r.device("a", "flac:44100:16:2"), r.device("b", "pcm:44100:16:2")
	r.groupOf(b)
	g := r.make("House", a)
	r.command(play(g, "music.flac"))
	sa := a.playing(0)
	r.audible(g, "")
	// noticed is what the other member was told, beside the volume that it is asked for below.
	noticed := func() []string {
		return slices.DeleteFunc(a.kinds(), func(k string) bool { return k == "player" })
	}
	before, asked := noticed(), houseclock.MonotonicMicros()
	ask[tuttiv1.GroupReply](r, subject.StreamAddMember, &tuttiv1.GroupMemberRequest{GroupId: g, ClientId: b.id})
	// What the group does next tells how busy the machine is.
	r.command(setVolume(g, 21))
	until(t, func() string {
		if !slices.Contains(a.asked(), "v21") {
			return "the other member was not told its volume"
		}
		return ""
	})
	lag := houseclock.MonotonicMicros() - asked
	sb := b.playing(0)
	if sb.GetEpoch() != sa.GetEpoch() || sb.GetNotBeforeUs() != sa.GetNotBeforeUs() {
		t.Errorf("the joiner is on another timeline: %v", sb)
	}
	var got []int32
	var from int64
	until(t, func() string {
		if got, from = r.hears(g, sb); len(got) < 88200 {
			return "the joiner's tape is empty"
		}
		return ""
	})
	if !slices.Equal(got, want[2*from:2*from+int64(len(got))]) {
		t.Error("the joiner's samples are not those of the others' time")
	}
	// Its tape begins with what sounded when it was made, not where the others' tape ends.
	begin, came := timeline.FrameTime(sb.GetNotBeforeUs(), from, 44100), r.tapes.begun(g, sb.GetRenditionId())
	if begin > came+500_000 {
		t.Errorf("the joiner's tape begins %d ms after it was made", (begin-came)/1000)
	}
	// And it is made at once: the joiner does not wait for a next title, or a next chance.
	if begin > asked+3_000_000+lag {
		t.Errorf("the joiner's tape begins %d ms after it was asked to join, when a command took %d ms", (begin-asked)/1000, lag/1000)
	}
	// It leaves: an end for it alone.
	ask[tuttiv1.GroupReply](r, subject.StreamRemoveMember, &tuttiv1.GroupMemberRequest{GroupId: g, ClientId: b.id})
	b.silent()
	until(t, func() string {
		if _, info, _, _ := b.now(); info.GetGroupId() == g {
			return "it is still told of the old group"
		}
		return ""
	})
	// And it can come back.
	ask[tuttiv1.GroupReply](r, subject.StreamAddMember, &tuttiv1.GroupMemberRequest{GroupId: g, ClientId: b.id})
	if again := b.playing(0); again.GetEpoch() != sa.GetEpoch() {
		t.Error("a member that came back is on another timeline")
	}
	if after := noticed(); !slices.Equal(before, after) {
		t.Errorf("the other member noticed: %v", after[len(before):])
	}
}

func TestAbsentMemberComesBackIntoTheMusic(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 20, 1)
	a, b := r.device("a", "flac:44100:16:2"), r.device("b", "flac:44100:16:2")
	g := r.make("House", a, b)
	r.command(play(g, "music.flac"))
	sa := a.playing(0)
	b.playing(0)
	b.disconnect()
	until(t, func() string {
		if x := r.get(g); len(x.GetMembers()) != 2 || x.GetPlaybackState() != "playing" || len(x.GetRenditions()[0].GetClients()) != 1 {
			return fmt.Sprintf("while it is away: %v", x)
		}
		return ""
	})
	before := a.kinds()
	b.reconnect("2")
	if sb := b.playing(0); sb.GetEpoch() != sa.GetEpoch() {
		t.Error("it came back on another timeline")
	}
	if got := b.kinds(); got[0] != "group:playing" {
		t.Errorf("the first it hears is %v", got)
	}
	if after := a.kinds(); !slices.Equal(before, after) {
		t.Errorf("the other member noticed: %v", after[len(before):])
	}
	// All gone: the music goes on for whoever returns.
	a.disconnect()
	b.disconnect()
	until(t, func() string {
		if x := r.get(g); x.GetPlaybackState() != "playing" || len(x.GetRenditions()) != 0 {
			return fmt.Sprintf("nobody is there: %v", x.GetRenditions())
		}
		return ""
	})
	a.reconnect("3")
	if s := a.playing(0); s.GetEpoch() != sa.GetEpoch() {
		t.Error("a lone returner is on another timeline")
	}
}

// TestDeadSessionDelaysNobody lets one session never answer.
func TestDeadSessionDelaysNobody(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 20, 1)
	dead, ok := r.device("dead", "flac:44100:16:2"), r.device("ok", "flac:44100:16:2")
	g := r.make("House", dead, ok)
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	dead.mu.Lock()
	dead.hang = hang
	dead.mu.Unlock()
	r.command(play(g, "music.flac"))
	s := ok.playing(0)
	ok.mu.Lock()
	defer ok.mu.Unlock()
	for i, c := range ok.commands {
		if c.GetStreamStart() != nil && ok.at[i] > s.GetNotBeforeUs() {
			t.Error("stream/start came after the first sample's time")
		}
	}
}

func TestPreferenceChangesTheFormatInPlace(t *testing.T) {
	r := embedded(t)
	want := r.file("music.flac", 20, 1)
	a := r.device("a", "flac:44100:16:2", "pcm:44100:16:2")
	g := r.make("House", a)
	r.command(play(g, "music.flac"))
	s := a.playing(0)
	r.audible(g, "")
	a.change(func(p *tuttiv1.ClientPresence) { p.Player.Format = fmtOf("pcm:44100:16:2") })
	until(t, func() string {
		if x, _, _, _ := a.now(); x.GetRenditionId() != "pcm-44100-2-16" {
			return "still " + x.GetRenditionId()
		}
		return ""
	})
	s2, _, _, _ := a.now()
	if s2.GetEpoch() != s.GetEpoch() {
		t.Error("the change began a new epoch")
	}
	var got []int32
	var from int64
	until(t, func() string {
		if got, from = r.hears(g, s2); len(got) < 88200 {
			return "the new rendition's tape is empty"
		}
		return ""
	})
	// It begins at what sounded when it was made, which is before it can be read, and not where
	// the old one's tape ends.
	if at := timeline.FrameTime(s.GetNotBeforeUs(), from, 44100) - houseclock.MonotonicMicros(); at > 0 {
		t.Errorf("the new rendition begins %d µs from now", at)
	}
	if !slices.Equal(got, want[2*from:2*from+int64(len(got))]) {
		t.Error("the new rendition does not continue the timeline")
	}
	if kinds := a.kinds(); slices.Contains(kinds, "end") || slices.Contains(kinds, "clear") {
		t.Errorf("told %v", kinds)
	}
}

func TestVolumeAndMute(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	a, b, c := r.device("a", "pcm:44100:16:2"), r.device("b", "pcm:44100:16:2"), r.device("c", "pcm:44100:16:2")
	a.change(func(p *tuttiv1.ClientPresence) { p.Player.Volume = proto.Int32(20) })
	b.change(func(p *tuttiv1.ClientPresence) { p.Player.Volume = proto.Int32(60) })
	c.change(func(p *tuttiv1.ClientPresence) { p.Player.SupportedCommands = nil; p.Player.Volume = proto.Int32(100) })
	g := r.make("House", a, b, c)
	until(t, func() string {
		if v := r.get(g).GetVolume(); v != 40 {
			return fmt.Sprintf("volume %d, want the average of those that can be set", v)
		}
		return ""
	})
	r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Volume{Volume: 60}})
	r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Mute{Mute: true}})
	level := func(d *device) (v int32, muted bool) {
		d.mu.Lock()
		defer d.mu.Unlock()
		v = -1
		for _, c := range d.commands {
			if k, ok := c.GetPlayer().GetCommand().(*tuttiv1.PlayerCommand_Volume); ok {
				v = k.Volume
			}
			muted = muted || c.GetPlayer().GetMute()
		}
		return v, muted
	}
	until(t, func() string {
		va, ma := level(a)
		vb, mb := level(b)
		if va != 40 || vb != 80 || !ma || !mb {
			return fmt.Sprintf("a %d %v, b %d %v", va, ma, vb, mb)
		}
		return ""
	})
	if v, m := level(c); v != -1 || m {
		t.Error("a player that takes no commands got one")
	}
	a.change(func(p *tuttiv1.ClientPresence) { p.Player.SupportedCommands = nil })
	b.change(func(p *tuttiv1.ClientPresence) { p.Player.SupportedCommands = nil })
	until(t, func() string {
		_, _, _, control := a.now()
		if control.GetVolume() != 100 || slices.Contains(control.GetSupportedCommands(), "volume") {
			return fmt.Sprintf("controller state: %v", control)
		}
		return ""
	})
	if c := r.code(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Volume{Volume: 60}}); c != fault.Conflict {
		t.Errorf("volume without anybody who takes it: %v", c)
	}
}

func TestControllerCommands(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 20, 1)
	a := r.device("a", "flac:44100:16:2")
	g := r.make("House", a)
	send := func(c *tuttiv1.ControllerCommand) fault.Code {
		return fault.CodeOf(try(r, subject.StreamClientCommand, &tuttiv1.ClientCommand{ClientId: a.id, SessionId: "1",
			Command: &tuttiv1.ClientCommand_Controller{Controller: c}}, &tuttiv1.Empty{}))
	}
	if c := send(&tuttiv1.ControllerCommand{Command: "play"}); c != fault.Conflict {
		t.Errorf("play with an empty queue: %v", c)
	}
	r.command(enqueue(g, "music.flac"))
	if c := send(&tuttiv1.ControllerCommand{Command: "play"}); c != "" {
		t.Fatalf("play: %v", c)
	}
	a.playing(0)
	r.audible(g, "")
	until(t, func() string {
		_, _, _, control := a.now()
		if control.GetSeekMaxMs() != 20_000 || !slices.Contains(control.GetSupportedCommands(), "pause") || slices.Contains(control.GetSupportedCommands(), "play") {
			return fmt.Sprintf("controller state: %v", control)
		}
		return ""
	})
	for _, c := range []struct {
		name string
		c    *tuttiv1.ControllerCommand
		want fault.Code
	}{
		{"seek outside", &tuttiv1.ControllerCommand{Command: "seek", PositionMs: proto.Int64(20_001)}, fault.OutOfRange},
		{"seek without a place", &tuttiv1.ControllerCommand{Command: "seek"}, fault.Invalid},
		{"next without a next", &tuttiv1.ControllerCommand{Command: "next"}, fault.Conflict},
		{"play while playing", &tuttiv1.ControllerCommand{Command: "play"}, fault.Conflict},
		{"unknown", &tuttiv1.ControllerCommand{Command: "dance"}, fault.Invalid},
		{"repeat", &tuttiv1.ControllerCommand{Command: "repeat_all"}, ""},
		{"volume", &tuttiv1.ControllerCommand{Command: "volume", Volume: proto.Int32(30)}, ""},
		{"pause", &tuttiv1.ControllerCommand{Command: "pause"}, ""},
	} {
		if got := send(c.c); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestErrorsNameTheNextStep(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	good := r.file("good.flac", 2, 1)
	if err := os.WriteFile(filepath.Join(r.music, "bad.flac"), []byte("this is no music at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := r.device("a", "pcm:44100:16:2")
	g := r.make("House", a)
	for name, c := range map[string]struct {
		c    *tuttiv1.GroupCommand
		want fault.Code
	}{
		"play an empty queue": {play(g, ""), fault.Conflict},
		"play nothing there":  {play(g, "missing.flac"), fault.NotFound},
		"play what is broken": {play(g, "bad.flac"), fault.OutOfRange},
		"leave the folder":    {play(g, "../../etc/passwd"), fault.Forbidden},
		"another scheme":      {enqueue(g, "ftp://x/y"), fault.OutOfRange},
		"enqueue nothing":     {enqueue(g), fault.OutOfRange},
		"no such group":       {play("g-nothere", ""), fault.NotFound},
		"no valid group":      {play("a.b*", ""), fault.NotFound},
		"loud":                {&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Volume{Volume: 101}}, fault.OutOfRange},
		"nothing":             {&tuttiv1.GroupCommand{GroupId: g}, fault.Invalid},
		"members by the door": {&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Membership{Membership: &tuttiv1.Membership{Delete: true}}}, fault.Forbidden},
	} {
		if got := r.code(c.c); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	r.command(enqueue(g, "bad.flac", "good.flac"))
	r.command(play(g, ""))
	s := a.playing(0)
	if got := r.complete(g, s, len(good)); !slices.Equal(got, good) {
		t.Error("the good title does not follow the broken one")
	}
	if e := r.get(g).GetLastError(); !(len(e) > 40) {
		t.Errorf("last error: %q", e)
	} else {
		t.Log(e)
	}
}

func TestMissingMusicFolder(t *testing.T) {
	t.Parallel()
	r := embedded(t, func(c *Config) { c.MusicDir = filepath.Join(c.MusicDir, "gone") })
	a := r.device("a", "pcm:44100:16:2")
	g := r.groupOf(a)
	err := try(r, subject.StreamCommand, play(g, "x.flac"), &tuttiv1.GroupReply{})
	if fault.CodeOf(err) != fault.NotFound {
		t.Errorf("play: %v", err)
	}
	t.Log(err)
	if err := try(r, subject.StreamLibrary, &tuttiv1.LibraryRequest{}, &tuttiv1.LibraryResponse{}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("library: %v", err)
	}
	// What needs no folder still plays.
	r.command(play(g, "tone:440"))
	a.playing(0)
}

func TestLibraryAndClock(t *testing.T) {
	t.Parallel()
	r := embedded(t, func(c *Config) { c.Demo = true })
	if err := os.Mkdir(filepath.Join(r.music, "Blue"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.file("Blue/one.flac", 1, 1)
	r.file("Blue/two.wav", 1, 2)
	root := ask[tuttiv1.LibraryResponse](r, subject.StreamLibrary, &tuttiv1.LibraryRequest{})
	i := slices.IndexFunc(root.GetEntries(), func(e *tuttiv1.LibraryEntry) bool { return e.GetFolder() && e.GetPath() == "Blue" })
	if i < 0 || len(root.GetEntries()) < 2 {
		t.Fatalf("root: %v", root)
	}
	blue := ask[tuttiv1.LibraryResponse](r, subject.StreamLibrary, &tuttiv1.LibraryRequest{Path: "Blue"}).GetEntries()
	if len(blue) != 2 || blue[0].GetPath() != "Blue/one.flac" || blue[0].GetDurationMs() != 1000 || blue[0].GetSampleRate() != 44100 {
		t.Errorf("Blue: %v", blue)
	}
	a := r.device("a", "pcm:44100:16:2")
	g := r.command(play(r.groupOf(a), "Blue")) // a folder plays as a whole
	if len(g.GetQueue()) != 2 {
		t.Errorf("queue: %v", g.GetQueue())
	}
	if c := ask[tuttiv1.ClockResponse](r, subject.StreamClock, &tuttiv1.ClockRequest{}); c.GetNowUs() == 0 || c.GetLeader() != "test" {
		t.Errorf("clock: %v", c)
	}
}

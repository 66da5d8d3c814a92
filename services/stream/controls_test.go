package stream

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// offers waits until a controller is offered this command, or not any more.
func (d *device) offers(command string, yes bool) {
	d.r.t.Helper()
	d.controls(func(c *tuttiv1.ControllerState) bool {
		return c != nil && slices.Contains(c.GetSupportedCommands(), command) == yes
	})
}

// control sends a controller's command and says how it was answered.
func (r *rig) control(d *device, c *tuttiv1.ControllerCommand) fault.Code {
	return fault.CodeOf(r.client(d, &tuttiv1.ClientCommand{Command: &tuttiv1.ClientCommand_Controller{Controller: c}}))
}

// begunAt is where in its medium the present epoch of a group begins, in ms: what was
// asked for, however slow the machine is.
func begunAt(x *tuttiv1.Group) (ms int64, ok bool) {
	segments := x.GetTimeline().GetSegments()
	if len(segments) == 0 || x.GetTimeline().GetFirstSegment() != 0 {
		return 0, false
	}
	return segments[0].GetMarks()[0].GetMediaFrame() * 1000 / int64(segments[0].GetSampleRate()), true
}

// 'play' goes on with what was played last, over the end of the server and of the client.
func TestPlayResumesOverRestarts(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{"paused": "pause", "stopped": "stop"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, bustest.Embedded(t))
			wait := func(c *Config) { c.ResumePlayback = false }
			stop := r.service(r.bus, "one", wait)
			r.file("one.flac", 20, 1)
			r.file("two.flac", 20, 2)
			a := r.device("a", "pcm:44100:16:2")
			g := r.groupOf(a)
			r.command(enqueue(g, "one.flac", "two.flac"))
			r.press(a, "play")
			first := a.playing(0)
			r.press(a, "next")
			s := a.playing(first.GetEpoch())
			r.audible(g, "two.flac")
			a.offers("seek", true)
			if c := r.control(a, &tuttiv1.ControllerCommand{Command: "seek", PositionMs: proto.Int64(7000)}); c != "" {
				t.Fatalf("seek: %s", c)
			}
			a.playing(s.GetEpoch())
			r.audible(g, "two.flac")
			r.press(a, end)
			a.silent()
			a.disconnect()
			stop()
			r.service(r.bus, "two", wait)
			a.reconnect("2")
			a.offers("play", true)
			if x := r.get(g); x.GetPlaybackState() != "stopped" {
				t.Errorf("it plays by itself: %v", x)
			}
			r.press(a, "play")
			a.playing(0)
			at, ok := begunAt(r.audible(g, "two.flac"))
			if !ok || (at < 7000) != (end == "stop") || end == "stop" && at != 0 {
				t.Errorf("resumed at %d ms", at)
			}
		})
	}
}

// Every command of the controller role does in the group what it says, and what is not
// offered is refused without any effect.
func TestControllerCommandsInTheGroup(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("one.flac", 30, 1)
	r.file("two.flac", 30, 2)
	a := r.device("a", "pcm:44100:16:2")
	wall := r.wall("wall", "controller@v1")
	g := r.make("House", a, wall)
	r.command(enqueue(g, "one.flac", "two.flac"))
	wall.in(g, "stopped")
	sees := func(what string, ok func(x *tuttiv1.Group) bool) {
		t.Helper()
		until(t, func() string {
			if x := r.get(g); !ok(x) {
				return fmt.Sprintf("%s: %v", what, x)
			}
			return ""
		})
	}
	title := func(i int32) func(x *tuttiv1.Group) bool {
		return func(x *tuttiv1.Group) bool { return x.GetQueueIndex() == i && x.GetPlaybackState() == "playing" }
	}
	begins := func(at int64) func(x *tuttiv1.Group) bool {
		return func(x *tuttiv1.Group) bool { ms, ok := begunAt(x); return ok && ms == at }
	}
	for _, step := range []struct {
		c    *tuttiv1.ControllerCommand
		want func(x *tuttiv1.Group) bool
	}{
		{&tuttiv1.ControllerCommand{Command: "play"}, title(0)},
		{&tuttiv1.ControllerCommand{Command: "next"}, title(1)},
		{&tuttiv1.ControllerCommand{Command: "previous"}, title(0)},
		{&tuttiv1.ControllerCommand{Command: "repeat_one"}, func(x *tuttiv1.Group) bool { return x.GetRepeat() == "one" }},
		{&tuttiv1.ControllerCommand{Command: "repeat_all"}, func(x *tuttiv1.Group) bool { return x.GetRepeat() == "all" }},
		{&tuttiv1.ControllerCommand{Command: "repeat_off"}, func(x *tuttiv1.Group) bool { return x.GetRepeat() == "off" }},
		{&tuttiv1.ControllerCommand{Command: "shuffle"}, func(x *tuttiv1.Group) bool { return x.GetShuffle() }},
		{&tuttiv1.ControllerCommand{Command: "unshuffle"}, func(x *tuttiv1.Group) bool { return !x.GetShuffle() }},
		{&tuttiv1.ControllerCommand{Command: "seek", PositionMs: proto.Int64(12_000)}, begins(12_000)},
		{&tuttiv1.ControllerCommand{Command: "seek_relative", OffsetMs: proto.Int64(-60_000)}, begins(0)},
		{&tuttiv1.ControllerCommand{Command: "volume", Volume: proto.Int32(30)}, func(x *tuttiv1.Group) bool {
			if !slices.Contains(a.asked(), "v30") {
				return false
			}
			a.change(at(30)) // what was asked for counts for a moment, then what is reported
			return x.GetVolume() == 30
		}},
		{&tuttiv1.ControllerCommand{Command: "mute", Mute: proto.Bool(true)}, func(*tuttiv1.Group) bool { return slices.Contains(a.asked(), "m1") }},
		{&tuttiv1.ControllerCommand{Command: "pause"}, func(x *tuttiv1.Group) bool { return x.GetPaused() }},
		{&tuttiv1.ControllerCommand{Command: "stop"}, func(x *tuttiv1.Group) bool { return !x.GetPaused() && x.GetPositionMs() == 0 }},
	} {
		wall.offers(step.c.GetCommand(), true)
		if code := r.control(wall, step.c); code != "" {
			t.Fatalf("%s: %s", step.c.GetCommand(), code)
		}
		sees(step.c.GetCommand(), step.want)
	}
	// seek_max_ms is there exactly when seek is.
	r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_ClearQueue{ClearQueue: &tuttiv1.Empty{}}})
	wall.offers("seek", false)
	before := r.get(g)
	for _, c := range []string{"pause", "stop", "next", "previous", "seek", "seek_relative"} {
		wall.offers(c, false)
		if code := r.control(wall, &tuttiv1.ControllerCommand{Command: c, PositionMs: proto.Int64(0), OffsetMs: proto.Int64(0)}); code != fault.Conflict {
			t.Errorf("%s, which is not offered: %q", c, code)
		}
	}
	if after := r.get(g); after.GetPlaybackState() != before.GetPlaybackState() || after.GetEpoch() != before.GetEpoch() {
		t.Errorf("a refused command had an effect: %v", after)
	}
	wall.mu.Lock()
	defer wall.mu.Unlock()
	for _, c := range wall.commands {
		if k := c.GetState().GetController(); k != nil && (k.SeekMaxMs != nil) != slices.Contains(k.GetSupportedCommands(), "seek") {
			t.Errorf("seek_max_ms and seek disagree: %v", k)
		}
	}
}

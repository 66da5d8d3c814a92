package stream

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// asked lists the player commands that a session was sent, in short: v30, m1, m0.
func (d *device) asked() (out []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.commands {
		switch k := c.GetPlayer().GetCommand().(type) {
		case *tuttiv1.PlayerCommand_Volume:
			out = append(out, fmt.Sprint("v", k.Volume))
		case *tuttiv1.PlayerCommand_Mute:
			out = append(out, map[bool]string{true: "m1", false: "m0"}[k.Mute])
		}
	}
	return out
}

// at is a volume that a player reports.
func at(v int32) func(p *tuttiv1.ClientPresence) {
	return func(p *tuttiv1.ClientPresence) { p.Player.Volume = proto.Int32(v) }
}

func setVolume(g string, v int32) *tuttiv1.GroupCommand {
	return &tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Volume{Volume: v}}
}

func setMute(g string, on bool) *tuttiv1.GroupCommand {
	return &tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Mute{Mute: on}}
}

// controls waits until a controller's state is as what says.
func (d *device) controls(what func(c *tuttiv1.ControllerState) bool) {
	d.r.t.Helper()
	until(d.r.t, func() string {
		if _, _, _, c := d.now(); !what(c) {
			return fmt.Sprintf("controller state: %v", c)
		}
		return ""
	})
}

// A group's volume makes one command for each player that takes it, none
// for others, holds to each one's limits, and clears no mute.
func TestGroupVolumeInsideLimits(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	a, b := r.device("a", "pcm:44100:16:2"), r.device("b", "pcm:44100:16:2")
	knob, loud := r.device("knob", "pcm:44100:16:2"), r.device("loud", "pcm:44100:16:2")
	a.change(func(p *tuttiv1.ClientPresence) {
		p.Player.Volume, p.Limits = proto.Int32(30), &tuttiv1.VolumeLimits{Min: 10, Max: 40}
	})
	b.change(func(p *tuttiv1.ClientPresence) { p.Player.Volume, p.Player.Muted = proto.Int32(50), proto.Bool(true) })
	knob.change(func(p *tuttiv1.ClientPresence) {
		p.Player.Volume, p.Player.SupportedCommands = proto.Int32(90), []string{"mute"}
	})
	loud.change(func(p *tuttiv1.ClientPresence) { p.Player.Volume, p.Player.SupportedCommands = nil, nil })
	g := r.make("House", a, b, knob, loud)
	until(t, func() string {
		if x := r.get(g); x.GetVolume() != 40 || x.GetVolumeMin() != 5 || x.GetVolumeMax() != 70 || x.GetMuted() {
			return fmt.Sprintf("group: %v", x)
		}
		return ""
	})
	r.command(setVolume(g, 60)) // a by 10 to its limit, b by the rest
	sent := func(d *device, want ...string) {
		t.Helper()
		until(t, func() string {
			if got := d.asked(); !slices.Equal(got, want) {
				return fmt.Sprintf("%s was asked for %v, want %v", d.id[:4], got, want)
			}
			return ""
		})
	}
	sent(a, "v40")
	sent(b, "v80")
	a.change(at(40))
	b.change(at(80))
	until(t, func() string { // what was asked for does not count any more where the machine is slow
		if x := r.get(g); x.GetVolume() != 60 {
			return fmt.Sprintf("volume %d", x.GetVolume())
		}
		return ""
	})
	// Above what the limits allow: everyone at the maximum. The players that are there
	// already are told, too: one command each.
	r.command(setVolume(g, 100))
	sent(a, "v40", "v40")
	sent(b, "v80", "v100")
	b.change(at(100))
	a.controls(func(c *tuttiv1.ControllerState) bool { return c.GetVolume() == 70 })
	r.command(setMute(g, true))
	sent(a, "v40", "v40", "m1")
	sent(b, "v80", "v100", "m1")
	sent(knob, "m1")
	sent(loud)
	if c := r.code(setVolume(g, 101)); c != fault.OutOfRange {
		t.Errorf("101: %v", c)
	}
}

// A player that gains or loses a command changes what its group's controllers see at once.
func TestVolumeSupportComesAndGoes(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	a, b := r.device("a", "pcm:44100:16:2"), r.device("b", "pcm:44100:16:2")
	wall := r.wall("wall", "controller@v1")
	takes := func(d *device, volume int32, muted bool, commands ...string) {
		d.change(func(p *tuttiv1.ClientPresence) {
			p.Player.Volume, p.Player.Muted, p.Player.SupportedCommands = proto.Int32(volume), proto.Bool(muted), commands
		})
	}
	takes(a, 20, true, "volume", "mute")
	takes(b, 60, false, "volume", "mute")
	r.make("House", a, b, wall)
	sees := func(what string, volume int32, muted bool, commands ...string) {
		t.Helper()
		wall.controls(func(c *tuttiv1.ControllerState) bool {
			for _, k := range []string{"volume", "mute"} {
				if slices.Contains(c.GetSupportedCommands(), k) != slices.Contains(commands, k) {
					return false
				}
			}
			return c.GetVolume() == volume && c.GetMuted() == muted
		})
		t.Log(what)
	}
	sees("both", 40, false, "volume", "mute")
	takes(b, 60, false, "mute")
	sees("b has a knob", 20, false, "volume", "mute")
	takes(b, 60, false)
	sees("b has nothing to be set", 20, true, "volume", "mute")
	takes(a, 20, true, "mute")
	sees("nobody takes a volume", 100, true, "mute")
	takes(a, 20, true)
	sees("nobody takes anything", 100, false)
	takes(b, 70, true, "volume", "mute")
	sees("b gains both", 70, true, "volume", "mute")
	b.disconnect()
	sees("b is away", 100, false)
	for _, d := range []*device{a, b} {
		if got := d.asked(); len(got) > 0 {
			t.Errorf("%s was asked for %v", d.id, got)
		}
	}
}

// TestNothingJumpsLoud holds the rule that a group never sets a volume that nobody asked
// for, whatever happens to it and its members.
func TestNothingJumpsLoud(t *testing.T) {
	t.Parallel()
	r := newRig(t, bustest.Embedded(t))
	stop := r.service(r.bus, "one")
	r.file("music.flac", 60, 1)
	a, b, c := r.device("a", "flac:44100:16:2"), r.device("b", "flac:44100:16:2"), r.device("c", "flac:44100:16:2")
	for _, d := range []*device{a, b, c} {
		d.change(at(20))
	}
	g := r.make("House", a, b)
	r.command(play(g, "music.flac"))
	a.playing(0)
	b.playing(0)
	volume := func(group string, want int32) {
		t.Helper()
		until(t, func() string {
			if v := r.get(group).GetVolume(); v != want {
				return fmt.Sprintf("volume %d, want %d", v, want)
			}
			return ""
		})
	}
	var heard []string
	hear := func(d *device) { heard = append(heard, d.asked()...) }
	volume(g, 20)

	b.disconnect() // a power cut; it comes back at full volume, and stays there until asked
	hear(b)
	b.reconnect("2")
	b.change(at(100))
	volume(g, 60)
	ask[tuttiv1.GroupReply](r, subject.StreamAddMember, &tuttiv1.GroupMemberRequest{GroupId: g, ClientId: c.id})
	c.playing(0)
	volume(g, 47)
	c.change(func(p *tuttiv1.ClientPresence) { p.Player.SupportedCommands = nil })
	volume(g, 60)
	c.change(func(p *tuttiv1.ClientPresence) {
		p.Player.SupportedCommands = []string{"volume", "mute"}
		p.Player.Volume = proto.Int32(80)
	})
	volume(g, 67)
	r.leave(c)
	c.silent()
	r.press(c, "switch")
	c.playing(0)
	r.command(setMute(g, true))
	r.command(setMute(g, false))
	h := r.make("Other", a, c) // regrouping
	r.command(play(h, "music.flac"))
	a.playing(0)
	c.playing(0)
	r.command(&tuttiv1.GroupCommand{GroupId: h, Command: &tuttiv1.GroupCommand_Pause{Pause: &tuttiv1.Empty{}}})
	r.command(play(h, ""))
	a.playing(0)

	stop() // the server starts again
	r.service(r.bus, "two")
	for _, d := range []*device{a, b, c} { // a network reset
		d.disconnect()
		hear(d)
		d.reconnect("9")
	}
	volume(h, 50)
	a.playing(0)
	c.playing(0)
	// One that is asked for, to know that everything before it would have been seen.
	r.command(setVolume(h, 30))
	until(t, func() string {
		if len(a.asked()) == 0 || len(c.asked()) == 0 {
			return "no volume yet"
		}
		return ""
	})
	for _, d := range []*device{a, b, c} {
		hear(d)
	}
	heard = slices.DeleteFunc(heard, func(s string) bool { return s[0] == 'm' })
	slices.Sort(heard)
	if want := []string{"v0", "v60"}; !slices.Equal(heard, want) {
		t.Errorf("volumes that were set: %v, want %v", heard, want)
	}
}

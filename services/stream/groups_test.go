package stream

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// wall connects a client without the player role.
func (r *rig) wall(name string, roles ...string) *device {
	r.t.Helper()
	d := &device{r: r, id: (name + "-0123456789012345678901234567890123456789012")[:43]}
	d.p = &tuttiv1.ClientPresence{ClientId: d.id, Name: name, SessionId: "1", Connected: true, Stage: "ready",
		ActiveRoles: roles, Available: proto.Bool(true)}
	d.serve()
	d.publish()
	return d
}

// client has a client ask something of its group.
func (r *rig) client(d *device, c *tuttiv1.ClientCommand) error {
	c.ClientId, c.SessionId = d.id, d.p.GetSessionId()
	return try(r, subject.StreamClientCommand, c, &tuttiv1.Empty{})
}

func (r *rig) press(d *device, command string) {
	r.t.Helper()
	if err := r.client(d, &tuttiv1.ClientCommand{Command: &tuttiv1.ClientCommand_Controller{Controller: &tuttiv1.ControllerCommand{Command: command}}}); err != nil {
		r.t.Fatalf("%s: %v", command, err)
	}
}

func (r *rig) leave(d *device) {
	r.t.Helper()
	if err := r.client(d, &tuttiv1.ClientCommand{Command: &tuttiv1.ClientCommand_Leave{Leave: &tuttiv1.Empty{}}}); err != nil {
		r.t.Fatal(err)
	}
}

// in waits until the client was told that it is in a group, in a playback state.
func (d *device) in(group, state string) {
	d.r.t.Helper()
	until(d.r.t, func() string {
		if _, g, _, _ := d.now(); g.GetGroupId() != group || g.GetPlaybackState() != state {
			return fmt.Sprintf("%s was told %v, want %s %s", d.id, g, group, state)
		}
		return ""
	})
}

// A controller or a display that reconnects takes part again, and nobody notices.
func TestControllersAndDisplaysComeBackUnnoticed(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 20, 1)
	a := r.device("a", "flac:44100:16:2")
	wall, screen := r.wall("wall", "controller@v1"), r.wall("screen", "metadata@v1")
	g := r.make("House", a, wall, screen)
	r.command(play(g, "music.flac"))
	a.playing(0)
	r.audible(g, "")
	wall.in(g, "playing")
	screen.in(g, "playing")
	quiet(t, a)
	before := a.kinds()
	for _, d := range []*device{wall, screen} {
		d.disconnect()
		d.reconnect("2")
		d.in(g, "playing")
		until(t, func() string {
			_, _, meta, control := d.now()
			if meta.GetTitle() == "" || !slices.Contains(control.GetSupportedCommands(), "pause") {
				return fmt.Sprintf("%s knows %v, %v", d.id, meta, control)
			}
			return ""
		})
		if got := d.kinds(); len(got) != 1 {
			t.Errorf("%s was told %v", d.id, got)
		}
	}
	if after := a.kinds(); !slices.Equal(before, after) {
		t.Errorf("the player noticed: %v", after[len(before):])
	}
	if got := len(r.get(g).GetMembers()); got != 3 {
		t.Errorf("%d members", got)
	}
}

// quiet waits until a client has been told everything that its group has to say now.
func quiet(t *testing.T, d *device) {
	t.Helper()
	until(t, func() string {
		if _, _, meta, _ := d.now(); meta.GetProgress().GetPlaybackSpeed() == 0 {
			return "no title is audible"
		}
		return ""
	})
}

func TestSwitchIntoASoloGroupThatPlays(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 30, 1)
	a, b := r.device("a", "flac:44100:16:2"), r.device("b", "flac:44100:16:2")
	wall := r.wall("wall", "controller@v1")
	g := r.groupOf(a)
	own, walls := r.groupOf(b), r.groupOf(wall)
	r.command(play(g, "music.flac"))
	sa := a.playing(0)
	r.audible(g, "")
	quiet(t, a)
	before := a.kinds()
	r.press(wall, "switch")
	wall.in(g, "playing")
	r.press(b, "switch")
	b.in(g, "playing")
	if sb := b.playing(0); sb.GetEpoch() != sa.GetEpoch() {
		t.Error("the guest is on another timeline")
	}
	if after := a.kinds(); !slices.Equal(before, after) {
		t.Errorf("the first member noticed: %v", after[len(before):])
	}
	// The first leaves; the guests' music goes on, and their group has a new name.
	told := b.kinds()
	r.leave(a)
	a.silent()
	until(t, func() string {
		if _, x, _, _ := a.now(); x.GetGroupId() == g || x.GetPlaybackState() != "stopped" || x.GetName() != "a" {
			return fmt.Sprintf("a is in %v", x)
		}
		return ""
	})
	until(t, func() string {
		if x := r.get(g); len(x.GetMembers()) != 2 || x.GetPlaybackState() != "playing" || x.GetName() == "a" {
			return fmt.Sprintf("the guests' group: %v", x)
		}
		return ""
	})
	until(t, func() string {
		if got := b.kinds(); !slices.Equal(got, append(slices.Clone(told), "group:playing")) { // its name
			return fmt.Sprintf("the guest was told %v, then %v", told, got)
		}
		return ""
	})
	// Back to where it was, since it has not moved meanwhile.
	r.press(a, "switch")
	a.in(g, "playing")
	a.playing(0)
	// A guest goes on to its own group.
	r.press(b, "switch")
	b.silent()
	b.in(own, "stopped")
	if own == walls {
		t.Fatal("two clients had one solo group")
	}
}

// Leave, and going back, over the end of the server.
func TestPreviousGroupSurvivesARestart(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(r *rig, d *device){
		"client/leave":     func(r *rig, d *device) { r.leave(d) },
		"available: false": func(_ *rig, d *device) { d.change(func(p *tuttiv1.ClientPresence) { p.Available = proto.Bool(false) }) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, bustest.Embedded(t))
			stop := r.service(r.bus, "one")
			r.file("music.flac", 30, 1)
			a, b := r.device("a", "flac:44100:16:2"), r.device("b", "flac:44100:16:2")
			g := r.make("House", a, b)
			r.command(play(g, "music.flac"))
			a.playing(0)
			b.playing(0)
			away(r, a)
			a.silent()
			until(t, func() string {
				if _, x, _, _ := a.now(); x.GetGroupId() == g || x.GetPlaybackState() != "stopped" {
					return fmt.Sprintf("a is in %v", x)
				}
				return ""
			})
			kinds := a.kinds()
			if i := slices.Index(kinds, "end"); i < 0 || i+1 >= len(kinds) || kinds[i+1] != "group:stopped" {
				t.Errorf("told %v, want stream/end before the news of the group", kinds)
			}
			if s := b.playing(0); s == nil {
				t.Error("the other member stopped")
			}
			a.change(func(p *tuttiv1.ClientPresence) { p.Available = proto.Bool(true) })
			stop()
			r.service(r.bus, "two")
			solo := r.groupOf(a)
			until(t, func() string {
				if x := r.get(solo); x.GetPreviousGroupId() != g || x.GetPreviousClientId() != a.id {
					return fmt.Sprintf("the solo group: %v", x)
				}
				return ""
			})
			// It does not go back by itself.
			if members := r.get(g).GetMembers(); slices.Contains(members, a.id) {
				t.Error("it went back by itself")
			}
			r.press(a, "switch")
			until(t, func() string {
				if members := r.get(g).GetMembers(); !slices.Contains(members, a.id) {
					return fmt.Sprintf("members %v", members)
				}
				return ""
			})
			a.playing(0)
		})
	}
}

// Taken over by something else, alone: the music stops, and does not start again by
// itself, not even when the server was interrupted meanwhile.
func TestUnavailableAloneStops(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 30, 1)
	a := r.device("a", "flac:44100:16:2")
	g := r.groupOf(a)
	r.command(play(g, "music.flac"))
	a.playing(0)
	r.audible(g, "")
	quiet(t, a)
	before := len(a.kinds())
	a.change(func(p *tuttiv1.ClientPresence) { p.Available = proto.Bool(false) })
	a.silent()
	a.in(g, "stopped")
	a.change(func(p *tuttiv1.ClientPresence) { p.Available = proto.Bool(true) })
	if x := r.get(g); x.GetPlaybackState() != "stopped" {
		t.Errorf("after it became available: %v", x)
	}
	// Unavailable while nothing plays: nothing to say.
	a.change(func(p *tuttiv1.ClientPresence) { p.Available, p.Player.Volume = proto.Bool(false), proto.Int32(33) })
	until(t, func() string {
		if v := r.get(g).GetVolume(); v != 33 {
			return fmt.Sprintf("volume %d", v)
		}
		return ""
	})
	if got, want := a.kinds()[before:], []string{"end", "group:stopped"}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// A group shows for whom all wait, and who gets nothing and why.
func TestGroupShowsWhoIsWaitedForAndWhoIsSilent(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 20, 1)
	a, slow := r.device("a", "flac:44100:16:2"), r.device("slow", "flac:44100:16:2")
	odd, mute := r.device("odd", "pcm:44100:16:8"), r.device("mute", "flac:44100:16:2")
	wall := r.wall("wall", "controller@v1")
	slow.change(func(p *tuttiv1.ClientPresence) { p.Player.RequiredLeadTimeMs, p.Player.OutputDelayMs = 900, 100 })
	mute.change(func(p *tuttiv1.ClientPresence) { p.ActiveRoles = []string{"controller@v1"} })
	g := r.make("House", a, slow, odd, mute, wall)
	if x := r.get(g); x.GetLeadClient() != "" || x.GetSendAheadMs() != 0 {
		t.Errorf("while nothing plays: %v", x)
	}
	r.command(play(g, "music.flac"))
	a.playing(0)
	until(t, func() string {
		x := r.get(g)
		if x.GetLeadClient() != slow.id || x.GetSendAheadMs() < 1000+margin {
			return fmt.Sprintf("lead of %s, %d ms", x.GetLeadClient(), x.GetSendAheadMs())
		}
		want := map[string]string{odd.id: "it lists no format that this server can produce", mute.id: "its player role is not active"}
		if got := x.GetSilent(); !maps.Equal(got, want) {
			return fmt.Sprintf("silent: %v", got)
		}
		return ""
	})
}

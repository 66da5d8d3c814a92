package independent

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// obey makes a device carry out the volume and mute commands it gets, as a
// player does, and returns how many it got since mark.
func (d *device) obey(mark int) (commands []obj) {
	for _, m := range d.since(mark) {
		if c := sub(m.payload, "player"); m.typ == "server/command" && c != nil {
			commands = append(commands, c)
			d.state(true, func(p obj) {
				if v, ok := c["volume"]; ok {
					p["volume"] = int(num(v))
				}
				if v, ok := c["mute"]; ok {
					p["muted"] = v
				}
			})
		}
	}
	return commands
}

// testVolume: the group algorithm on three players that can be set, beside one
// that only reports its volume.
func testVolume(t *testing.T, s *harness.Server, _ library) {
	a, b, c := ready(t, s, options{volume: 10}), ready(t, s, options{volume: 50}), ready(t, s, options{volume: 90})
	fixed := ready(t, s, options{volume: 7, commands: []string{}})
	group(t, s, "Volume", a, b, c, fixed)
	all := []*device{a, b, c}
	for i, step := range []struct {
		volume, before int
		want           [3]int
	}{
		{80, 50, [3]int{50, 90, 100}}, // 40, 80, 120: 20 are lost, 10 more for each of the others
		{20, 80, [3]int{0, 25, 35}},   // -10, 30, 40: 10 more each to take away... see below
		{100, 20, [3]int{100, 100, 100}},
		{0, 100, [3]int{0, 0, 0}},
	} {
		want := spread(i, all, step.volume)
		mark := []int{a.mark(), b.mark(), c.mark()}
		fixedMark := fixed.mark()
		a.awaitVolume(step.before)
		a.command("volume", "volume", step.volume)
		for k, d := range all {
			m, _ := d.await(fmt.Sprintf("volume command of step %d", i), mark[k], isType("server/command"))
			if got := int(num(sub(m.payload, "player")["volume"])); got != want[k] {
				t.Errorf("step %d: player %d is told %d, want %d", i, k, got, want[k])
			}
		}
		for k, d := range all {
			d.sync(1)
			if got := d.obey(mark[k]); len(got) != 1 {
				t.Errorf("step %d: player %d got %v, want a single command", i, k, got)
			}
		}
		a.awaitVolume(step.volume)
		for _, d := range all {
			d.heardVolume(s)
		}
		for _, m := range fixed.since(fixedMark) {
			if m.typ == "server/command" {
				t.Errorf("step %d: the player without volume got %s", i, m)
			}
		}
	}
	// Mute is the group's only when all that can be muted are.
	mark := a.mark()
	b.state(true, func(p obj) { p["muted"] = true })
	b.sync(2)
	a.command("mute", "mute", true)
	for _, d := range all {
		m, _ := d.await("mute command", 0, func(m msg) bool { return sub(m.payload, "player")["command"] == "mute" })
		if sub(m.payload, "player")["mute"] != true {
			t.Errorf("mute: %s", m)
		}
		d.state(true, func(p obj) { p["muted"] = true })
	}
	a.await("group muted", mark, func(m msg) bool { return sub(m.payload, "controller")["muted"] == true })
	mark = a.mark()
	c.state(true, func(p obj) { p["muted"] = false })
	a.await("group not muted", mark, func(m msg) bool { return sub(m.payload, "controller")["muted"] == false })
	// Volume leaves mute alone.
	mark = a.mark()
	a.command("volume", "volume", 30)
	m, _ := a.await("volume command", mark, isType("server/command"))
	if sub(m.payload, "player")["command"] != "volume" {
		t.Errorf("volume: %s", m)
	}
	// What players report counts in the end, whatever they were told.
	sum := 0
	for i, d := range all {
		v := 40 + 10*i
		d.state(true, func(p obj) { p["volume"] = v })
		sum += v
	}
	a.awaitVolume(sum / len(all))
	// Who can no longer be set is no longer counted, and the commands follow.
	mark = a.mark()
	for _, d := range all {
		d.state(true, func(p obj) { p["supported_commands"] = []string{"set_output_delay"} })
	}
	m, _ = a.await("controller without volume", mark, func(m msg) bool {
		l, _ := sub(m.payload, "controller")["supported_commands"].([]any)
		return l != nil && !contains(l, "volume") && !contains(l, "mute")
	})
	if ctl := sub(m.payload, "controller"); num(ctl["volume"]) != 100 || ctl["muted"] != false {
		t.Errorf("no player supports volume: %s", m)
	}
}

func contains(l []any, s string) bool {
	for _, v := range l {
		if v == s {
			return true
		}
	}
	return false
}

func (d *device) awaitVolume(want int) {
	d.t.Helper()
	harness.Eventually(d.t, patience, fmt.Sprint("group volume ", want), func() string {
		last := int64(-1)
		for _, m := range d.since(0) {
			if c := sub(m.payload, "controller"); c != nil {
				last = num(c["volume"])
			}
		}
		if last != int64(want) {
			return fmt.Sprint("is ", last)
		}
		return ""
	})
}

// heardVolume waits until the server shows the volume that the player has reported. The
// group's may be what was asked for, which it holds for true for two seconds.
func (d *device) heardVolume(s *harness.Server) {
	d.t.Helper()
	harness.Eventually(d.t, patience, d.o.name+" is heard", func() string {
		c := d.known(s)
		if c.Player == nil || c.Player.Volume == nil || *c.Player.Volume != d.player["volume"] {
			return fmt.Sprintf("%+v", c.Player)
		}
		return ""
	})
}

// spread is the algorithm of "Setting group volume", step by step.
func spread(_ int, players []*device, requested int) (out [3]int) {
	v := [3]float64{}
	sum := 0.0
	for i, p := range players {
		v[i] = float64(p.player["volume"].(int))
		sum += v[i]
	}
	delta := float64(requested) - sum/3
	done := [3]bool{}
	for range 3 {
		lost, free := 0.0, 0
		for i := range v {
			if done[i] {
				continue
			}
			proposed := v[i] + delta
			v[i] = min(max(proposed, 0), 100)
			if v[i] != proposed {
				lost += proposed - v[i]
				done[i] = true
			} else {
				free++
			}
		}
		if lost == 0 || free == 0 {
			break
		}
		delta = lost / float64(free)
	}
	for i := range v {
		out[i] = int(v[i] + 0.5)
	}
	return out
}

// testController: every command of the table does what it says or, when it is
// not offered, nothing; a client without the role commands nothing.
func testController(t *testing.T, s *harness.Server, music library) {
	d := ready(t, s, options{})
	mere := ready(t, s, options{roles: []string{"player@v1"}})
	g := group(t, s, "Controller", d, mere)
	modes := func(what, value string, command string) {
		t.Helper()
		mark := d.mark()
		d.command(command)
		d.await(what, mark, func(m msg) bool {
			c := sub(m.payload, "controller")
			return c != nil && fmt.Sprint(c[what]) == value
		})
	}
	modes("repeat", "one", "repeat_one")
	modes("repeat", "all", "repeat_all")
	modes("repeat", "off", "repeat_off")
	modes("shuffle", "true", "shuffle")
	modes("shuffle", "false", "unshuffle")

	// Nothing to play: none of these is offered, all are ignored.
	mark := d.mark()
	for _, c := range []string{"pause", "stop", "next", "previous", "teleport", ""} {
		d.command(c)
	}
	d.command("seek", "position_ms", 0)
	d.command("seek_relative", "offset_ms", 5)
	for _, c := range []string{"seek", "seek_relative", "volume"} {
		d.command(c) // without the argument
	}
	d.command("seek", "position_ms", json.Number("100000000000000000000"))
	mere.command("repeat_all")
	mere.sync(2)
	d.sync(2)
	d.quiet(s, g, mark, "stream/start", "stream/end", "server/command")
	for _, m := range d.since(mark) {
		if sub(m.payload, "controller")["repeat"] == "all" {
			t.Errorf("a client without the controller role set %s", m)
		}
	}
	if len(mere.since(0)) == 0 || mere.closedNow() != nil {
		t.Error("the player was closed for an object of an inactive role")
	}

	// What plays, or follows, is long: at the end of a queue nothing is offered any more.
	s.Must(t, "POST", "/api/v1/groups/"+g+"/queue", obj{"uris": []string{"long.flac", "short.flac", "long.flac"}}, nil)
	d.offers("play")
	d.command("play")
	d.awaitAudio(1, 0.5)
	d.offers("next")
	mark = d.mark()
	d.command("next")
	d.await("stream/clear", mark, isType("stream/clear"))
	exact(t, "next", d.awaitAudio(2, 0.5), music.files["short.flac"], 0)
	d.offers("previous")
	mark = d.mark()
	d.command("previous")
	d.await("stream/clear", mark, isType("stream/clear"))
	d.awaitAudio(3, 0.5)

	// A renamed group is told to its members.
	mark = d.mark()
	s.Must(t, "PATCH", "/api/v1/groups/"+g, obj{"name": "Küche 🎵"}, nil)
	d.await("group/update with the new name", mark, func(m msg) bool {
		return m.typ == "group/update" && m.payload["group_name"] == "Küche 🎵" && m.payload["playback_state"] == "playing"
	})
}

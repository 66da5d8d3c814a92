package stream

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// calls hears what clients are to be dialled.
type calls struct {
	mu  sync.Mutex
	all []*tuttiv1.DialRequest
}

func (r *rig) calls() *calls {
	r.t.Helper()
	c := &calls{}
	stop, err := bus.HandleExclusive(r.bus, subject.GatewayDial, func(_ context.Context, req *tuttiv1.DialRequest) (*tuttiv1.Empty, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all = append(c.all, req)
		return &tuttiv1.Empty{}, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(stop)
	return c
}

func (c *calls) heard() []*tuttiv1.DialRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*tuttiv1.DialRequest(nil), c.all...)
}

// Who plays on a group calls the members that are away and were dialled before, and nobody
// else; what the group does by itself calls nobody.
func TestWhoPlaysCallsTheMembersThatAreAway(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 30, 1)
	here, away, inbound := r.device("Here", "pcm:44100:16:2"), r.device("Away", "pcm:44100:16:2"), r.device("Inbound", "pcm:44100:16:2")
	for _, d := range []*device{here, away} {
		d.change(func(p *tuttiv1.ClientPresence) { p.Url = "ws://192.0.2.1/" + d.id })
	}
	here.change(at(70)) // the others report 50
	g := r.make("Hall", here, away, inbound)
	heard := r.calls()
	away.disconnect()
	inbound.disconnect()
	r.countsOnly(g, 70)

	r.command(play(g, "music.flac"))
	until(t, func() string {
		if len(heard.heard()) == 0 {
			return "nobody is called"
		}
		return ""
	})
	here.playing(0)
	if all := heard.heard(); len(all) != 1 || all[0].GetClientId() != away.id || all[0].GetPurpose() != "playback" || all[0].GetWithinMs() <= 0 {
		t.Fatalf("calls: %v", all)
	}
	// Whoever is called and comes plays; a change of the music, or the pause of one that
	// goes again, calls nobody.
	away.reconnect("s-2")
	away.playing(0)
	away.disconnect()
	r.countsOnly(g, 70)
	r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Volume{Volume: 30}})
	r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_SeekMs{SeekMs: 1000}})
	r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Pause{Pause: &tuttiv1.Empty{}}})
	if n := len(heard.heard()); n != 1 {
		t.Errorf("%d calls, want still 1", n)
	}
}

// countsOnly waits until a group takes only those for connected whose volume this is.
func (r *rig) countsOnly(group string, volume int32) {
	r.t.Helper()
	until(r.t, func() string {
		if v := r.get(group).GetVolume(); v != volume {
			return fmt.Sprintf("somebody is still taken for connected: volume %d", v)
		}
		return ""
	})
}

// A daypart that begins calls, once, however often its order is said.
func TestADaypartThatBeginsCallsOnce(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.file("music.flac", 30, 1)
	here, away := r.device("Here", "pcm:44100:16:2"), r.device("Away", "pcm:44100:16:2")
	away.change(func(p *tuttiv1.ClientPresence) { p.Url = "ws://192.0.2.1/away" })
	here.change(at(70)) // the other one reports 50
	g := r.make("Hall", here, away)
	heard := r.calls()
	away.disconnect()
	r.countsOnly(g, 70)
	order := func() {
		ask[tuttiv1.GroupReply](r, subject.Group(g), &tuttiv1.GroupCommand{GroupId: g, Actor: "schedule:x", Command: &tuttiv1.GroupCommand_Schedule{Schedule: &tuttiv1.ScheduleOrder{
			Show: &tuttiv1.GroupSchedule{ScheduleId: "x"}, Mark: "m1", Apply: true, Play: &tuttiv1.Play{Uri: "music.flac"},
		}}})
	}
	order()
	here.playing(0)
	until(t, func() string {
		if len(heard.heard()) == 0 {
			return "nobody is called"
		}
		return ""
	})
	order()
	if n := len(heard.heard()); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

package group

import (
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// This file is what a schedule does to a group. The group keeps in its record which
// daypart it was told of last, what of it still plays, and whether a person has changed
// something since: so a daypart is begun once, whoever says it how often.

// ScheduleActor is the prefix of GroupCommand.actor for commands of the scheduler.
const ScheduleActor = "schedule:"

// scheduled takes the scheduler's word. Without an error all of it was done.
func (g *Group) scheduled(o *tuttiv1.ScheduleOrder, items []playback.Item) error {
	next := &tuttiv1.GroupSchedule{}
	if s := o.GetShow(); s != nil {
		next = proto.CloneOf(s)
	}
	have := g.rec.GetSchedule()
	next.Mark, next.Overridden, next.Playing, next.PendingVolume = have.GetMark(), have.GetOverridden(), have.GetPlaying(), nil
	if have != nil {
		next.PendingVolume = have.PendingVolume
	}
	capped := g.rec.VolumeCap
	g.rec.VolumeCap = o.VolumeCap // what it begins with is inside
	g.capGuests(o.GetVolumeCaps())
	begins := o.GetApply() && o.GetMark() != have.GetMark()
	again := o.GetRetry() && o.GetMark() == have.GetMark() && !have.GetOverridden()
	if begins || again {
		if err := g.carryOut(o, items, next, begins); err != nil {
			g.rec.VolumeCap = capped
			return err
		}
	}
	g.rec.Schedule = next
	return nil
}

// carryOut begins or ends a daypart.
func (g *Group) carryOut(o *tuttiv1.ScheduleOrder, items []playback.Item, next *tuttiv1.GroupSchedule, begins bool) error {
	plays := g.s.Mode == playback.Playing || g.resuming
	uri := o.GetPlay().GetUri()
	switch {
	case uri != "" && uri == next.GetPlaying() && plays: // one daypart after the other with the same music
	case uri != "":
		if o.Shuffle != nil {
			if err := g.apply(playback.SetShuffle{On: o.GetShuffle()}); err != nil {
				return err
			}
		}
		if err := g.apply(playback.PlayItems{Items: items}); err != nil {
			return err
		}
		next.Playing = uri
	case o.GetStop(), o.GetMark() == "" && next.GetPlaying() != "" && plays:
		g.resuming = false
		if err := g.apply(playback.Stop{}); err != nil {
			g.log.Debug("nothing to stop", obs.KeyErr, err)
		}
		next.Playing = ""
	case o.GetMark() == "":
		next.Playing = ""
	}
	if o.Repeat != nil {
		if err := g.apply(playback.SetRepeat{Repeat: o.GetRepeat()}); err != nil {
			return err
		}
	}
	if begins && uri != "" {
		g.call()
	}
	if begins {
		next.Mark, next.Overridden, next.PendingVolume = o.GetMark(), false, o.Volume
	}
	g.log.Info("schedule", "daypart", next.GetDaypart(), "uri", uri, "retry", !begins)
	return nil
}

// lateVolume sets the volume of a daypart as soon as a player is there to take it.
func (g *Group) lateVolume() {
	s := g.rec.GetSchedule()
	if s == nil || s.PendingVolume == nil {
		return
	}
	if players, _ := g.levels(g.House.NowMicros()); len(players) == 0 {
		return
	}
	v := int(s.GetPendingVolume())
	if limit := g.rec.VolumeCap; limit != nil {
		v = min(v, int(*limit))
	}
	_ = g.setVolume(v) // it is in range, and somebody takes it
	s = proto.CloneOf(s)
	s.PendingVolume = nil
	g.rec.Schedule, g.touched = s, true
}

// overridden notes that somebody other than the scheduler chose what the group does. That
// holds until the next daypart.
func (g *Group) overridden(c *tuttiv1.GroupCommand) {
	s := g.rec.GetSchedule()
	if s == nil || strings.HasPrefix(c.GetActor(), ScheduleActor) {
		return
	}
	other := false // it plays something else than the schedule's
	switch k := c.GetCommand().(type) {
	case *tuttiv1.GroupCommand_Play:
		other = k.Play.GetUri() != ""
	case *tuttiv1.GroupCommand_PlayAside, *tuttiv1.GroupCommand_ClearQueue:
		other = true
	case *tuttiv1.GroupCommand_Pause, *tuttiv1.GroupCommand_Stop, *tuttiv1.GroupCommand_Volume, *tuttiv1.GroupCommand_Jump:
	default:
		return
	}
	s = proto.CloneOf(s)
	s.Overridden = s.GetMark() != ""
	if _, volume := c.GetCommand().(*tuttiv1.GroupCommand_Volume); volume {
		s.PendingVolume = nil
	}
	if other {
		s.Playing = ""
	}
	g.rec.Schedule = s
}

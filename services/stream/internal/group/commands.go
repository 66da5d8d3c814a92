package group

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
	"github.com/tutti-audio/tutti/services/stream/internal/volume"
)

// maxQueue bounds a queue, so that the record fits into one message of the bus.
const maxQueue = 2000

// maxName bounds a group's name, in bytes.
const maxName = 100

// partTimeout is how long a change of membership waits for the sessions of those that
// left, so that the next group's news come after this one's.
const partTimeout = 2 * time.Second

// ClientActor is the prefix of GroupCommand.actor for commands of controllers: they may
// only do what the controller state offers.
const ClientActor = "client:"

// command carries out one GroupCommand and answers it.
func (g *Group) command(c Command) {
	if g.deleted {
		c.Reply <- Reply{Err: fault.New(fault.NotFound, "group %s was deleted", g.id)}
		return
	}
	if err := g.fencedOrder(c.Cmd); err != nil {
		c.Reply <- Reply{Err: err}
		return
	}
	if m := c.Cmd.GetMembership(); m != nil {
		g.membership(m, c.Reply)
		return
	}
	if c.Cmd.GetGet() != nil {
		c.Reply <- Reply{Group: g.record(g.House.NowMicros())}
		return
	}
	if id := c.Cmd.GetCommandId(); id == "" || !slices.Contains(g.rec.GetAppliedCommands(), id) {
		err := g.allowed(c.Cmd)
		if err == nil {
			err = g.obey(c)
		}
		if err != nil {
			c.Reply <- Reply{Err: err}
			return
		}
		g.overridden(c.Cmd)
		g.applied(id)
		if calls(c.Cmd) {
			g.call()
		}
	}
	// It is answered when the record says so: should this instance die before, the command
	// is sent again to the next holder, which knows by the record whether it was carried out.
	g.touched = true
	g.answers = append(g.answers, owed{c.Reply, Reply{Group: g.record(g.House.NowMicros())}})
}

// maxApplied bounds the ids of commands that are remembered: those of the last seconds
// count, because a sender gives up after five.
const maxApplied = 64

// applied remembers the id of a command that was carried out.
func (g *Group) applied(id string) {
	if id == "" {
		return
	}
	ids := append(slices.Clone(g.rec.GetAppliedCommands()), id) // the record that is written holds the old slice
	g.rec.AppliedCommands = ids[max(len(ids)-maxApplied, 0):]
}

// fencedOrder refuses the word of a director or scheduler that another one has followed.
func (g *Group) fencedOrder(c *tuttiv1.GroupCommand) error {
	var seen *uint64
	switch {
	case c.GetFence() == 0:
		return nil
	case c.GetMembership() != nil:
		seen = &g.rec.DirectorFence
	case c.GetSchedule() != nil:
		seen = &g.rec.SchedulerFence
	default:
		return nil
	}
	if c.GetFence() < *seen {
		g.Metrics.dropped("group_order")
		return fault.New(fault.Conflict, "the order to group %s carries fence %d, but %d was seen: another instance gives orders now", g.id, c.GetFence(), *seen)
	}
	*seen = c.GetFence()
	return nil
}

// allowed refuses a controller's command that its state does not offer
// (specification, controller command object).
func (g *Group) allowed(c *tuttiv1.GroupCommand) error {
	if !strings.HasPrefix(c.GetActor(), ClientActor) {
		return nil
	}
	if want := commandName(c); !slices.Contains(g.controller(g.House.NowMicros()).GetSupportedCommands(), want) {
		return fault.New(fault.Conflict, "group %s does not offer the command %q now", g.id, want)
	}
	return nil
}

// commandName is the specification's name of a command.
func commandName(c *tuttiv1.GroupCommand) string {
	switch k := c.GetCommand().(type) {
	case *tuttiv1.GroupCommand_Play:
		return "play"
	case *tuttiv1.GroupCommand_Pause:
		return "pause"
	case *tuttiv1.GroupCommand_Stop:
		return "stop"
	case *tuttiv1.GroupCommand_Next:
		return "next"
	case *tuttiv1.GroupCommand_Previous:
		return "previous"
	case *tuttiv1.GroupCommand_SeekMs:
		return "seek"
	case *tuttiv1.GroupCommand_SeekRelativeMs:
		return "seek_relative"
	case *tuttiv1.GroupCommand_Volume:
		return "volume"
	case *tuttiv1.GroupCommand_Mute:
		return "mute"
	case *tuttiv1.GroupCommand_Repeat:
		return "repeat_" + k.Repeat
	case *tuttiv1.GroupCommand_Shuffle:
		if k.Shuffle {
			return "shuffle"
		}
		return "unshuffle"
	}
	return ""
}

// obey carries out a command other than membership.
func (g *Group) obey(c Command) error {
	switch k := c.Cmd.GetCommand().(type) {
	case *tuttiv1.GroupCommand_Play:
		if k.Play.GetUri() == "" {
			return g.apply(playback.Resume{})
		}
		return g.apply(playback.PlayItems{Items: c.Items})
	case *tuttiv1.GroupCommand_Pause:
		if g.resuming {
			g.resuming = false
			return nil
		}
		return g.apply(playback.Pause{})
	case *tuttiv1.GroupCommand_Stop:
		g.resuming = false
		return g.apply(playback.Stop{})
	case *tuttiv1.GroupCommand_PlayAside:
		if len(c.Items) != 1 {
			return fault.New(fault.OutOfRange, "%q is no single medium", k.PlayAside)
		}
		return g.apply(playback.PlayAside{Item: c.Items[0]})
	case *tuttiv1.GroupCommand_EndAside:
		return g.apply(playback.EndAside{URI: k.EndAside})
	case *tuttiv1.GroupCommand_Next:
		return g.apply(playback.Next{})
	case *tuttiv1.GroupCommand_Previous:
		return g.apply(playback.Previous{})
	case *tuttiv1.GroupCommand_SeekMs:
		return g.apply(playback.Seek{MS: k.SeekMs})
	case *tuttiv1.GroupCommand_SeekRelativeMs:
		return g.apply(playback.SeekRelative{MS: k.SeekRelativeMs})
	case *tuttiv1.GroupCommand_Volume:
		return g.setVolume(int(k.Volume))
	case *tuttiv1.GroupCommand_Mute:
		return g.setMute(k.Mute)
	case *tuttiv1.GroupCommand_Repeat:
		return g.apply(playback.SetRepeat{Repeat: k.Repeat})
	case *tuttiv1.GroupCommand_Shuffle:
		return g.apply(playback.SetShuffle{On: k.Shuffle})
	case *tuttiv1.GroupCommand_Rename:
		return g.rename(k.Rename)
	case *tuttiv1.GroupCommand_Enqueue:
		if len(g.s.Queue)+len(c.Items) > maxQueue {
			return fault.New(fault.TooLarge, "the queue would have %d titles; it can hold %d", len(g.s.Queue)+len(c.Items), maxQueue)
		}
		return g.apply(enqueue(k.Enqueue, c.Items))
	case *tuttiv1.GroupCommand_MoveItem:
		return g.apply(playback.Move{ID: k.MoveItem.GetItemId(), Index: int(k.MoveItem.GetIndex())})
	case *tuttiv1.GroupCommand_RemoveItem:
		return g.apply(playback.Remove{ID: k.RemoveItem})
	case *tuttiv1.GroupCommand_Jump:
		return g.apply(playback.Jump{ID: k.Jump})
	case *tuttiv1.GroupCommand_ClearQueue:
		return g.apply(playback.Clear{})
	case *tuttiv1.GroupCommand_Announce:
		return g.announce(k.Announce)
	case *tuttiv1.GroupCommand_CancelAnnouncement:
		return g.cancelAnnouncement(k.CancelAnnouncement)
	case *tuttiv1.GroupCommand_Settings:
		return g.set(k.Settings)
	case *tuttiv1.GroupCommand_Schedule:
		return g.scheduled(k.Schedule, c.Items)
	case *tuttiv1.GroupCommand_Get:
		return nil
	}
	return fault.New(fault.Invalid, "group command holds nothing that this version knows")
}

func enqueue(e *tuttiv1.Enqueue, items []playback.Item) playback.Enqueue {
	m := playback.Enqueue{Items: items, At: e.GetAt()}
	if e.Index != nil {
		i := int(e.GetIndex())
		m.Index = &i
	}
	return m
}

func (g *Group) rename(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	g.rec.Name = strings.TrimSpace(name)
	return nil
}

// CheckName refuses a group name that is empty or too long, with OutOfRange.
func CheckName(name string) error {
	if n := strings.TrimSpace(name); n == "" || len(n) > maxName {
		return fault.New(fault.OutOfRange, "a group's name has 1 to %d bytes", maxName).WithField("body.name", "empty or too long")
	}
	return nil
}

// setVolume sets the group's volume (specification, Setting group volume): one command
// for each player that lets its volume be set, inside its limits.
func (g *Group) setVolume(v int) error {
	if v < 0 || v > 100 {
		return fault.New(fault.OutOfRange, "volume %d is not in 0-100", v).WithField("body.volume", "not in 0-100")
	}
	now := g.House.NowMicros()
	players, levels := g.levels(now)
	if len(players) == 0 {
		return fault.New(fault.Conflict, "no connected player of this group lets its volume be set")
	}
	g.orders++
	g.hopeUS = now + hopeTime
	for i, x := range volume.Set(levels, v) {
		m := players[i]
		m.volume = order{seq: g.orders, value: int32(x), session: m.p.GetSessionId()}
		m.hope, m.hopeUS = x, g.hopeUS
		g.dirty[m.id] = true
	}
	return nil
}

// setMute mutes or unmutes every player that supports it.
func (g *Group) setMute(on bool) error {
	found := false
	g.orders++
	for _, m := range g.members {
		if p := presence.Player(m.p); p != nil && presence.Takes(p, "mute") {
			found = true
			m.mute = order{seq: g.orders, session: m.p.GetSessionId()}
			if on {
				m.mute.value = 1
			}
			g.dirty[m.id] = true
		}
	}
	if !found {
		return fault.New(fault.Conflict, "no connected player of this group lets itself be muted")
	}
	return nil
}

// membership makes the members be these, or ends the group. It is answered when the
// sessions of those that left know that their stream has ended, or cannot be told.
func (g *Group) membership(m *tuttiv1.Membership, reply chan<- Reply) {
	var parted []*courier
	for id := range g.members {
		if m.GetDelete() || !slices.Contains(m.GetMembers(), id) {
			parted = append(parted, g.part(id))
			g.log.Info("member left", obs.KeyClient, id)
		}
	}
	if m.GetDelete() {
		g.halt()
		g.deleted = true
		g.rec.Members = nil
	} else {
		g.house(m)
		g.rec.Members = slices.Clone(m.GetMembers())
		g.rec.PreviousGroupId, g.rec.PreviousClientId = m.GetPreviousGroupId(), m.GetPreviousClientId()
		g.applied(m.GetCommandId())
		if m.GetName() != "" {
			g.rec.Name = m.GetName()
		}
		for _, id := range m.GetMembers() {
			if g.members[id] == nil {
				g.join(id)
				g.log.Info("member joined", obs.KeyClient, id)
			}
		}
	}
	g.touched = true
	g.watch()
	g.setRenditions()
	g.answerWhen(parted, m.GetDelete(), reply)
}

// answerWhen waits for the couriers of members that left, and then answers.
func (g *Group) answerWhen(parted []*courier, deleted bool, reply chan<- Reply) {
	r := Reply{Group: g.record(g.House.NowMicros())}
	if len(parted) == 0 && !deleted {
		reply <- r
		return
	}
	self, ctx, timeout := g.self, g.ctx, g.Clock.After(partTimeout)
	g.wg.Go(func() {
		await(ctx, parted, timeout)
		if deleted {
			_ = self.Send(ctx, gone{reply}) // fails only when the actor has ended; then so has the request
			return
		}
		reply <- r
	})
}

// await returns when all couriers are done, or the time is up.
func await(ctx context.Context, couriers []*courier, timeout <-chan time.Time) {
	for _, c := range couriers {
		select {
		case <-c.done:
		case <-timeout:
			return
		case <-ctx.Done():
			return
		}
	}
}

package group

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// This file is about members that are guests: their home zone is another one, whose quiet
// hours hold for them here as well. Otherwise a controller would only have to switch a
// speaker into a zone without quiet hours. The director names the home zones and the caps
// of those that come, the scheduler keeps the caps true.

// noCap is what a ScheduleOrder says of a guest without a cap.
const noCap = 100

// capOf is the cap that holds for a member here: of the group, or of its home when that is
// less; nil: none.
func (g *Group) capOf(client string) *int32 {
	own, ok := g.rec.GetVolumeCaps()[client]
	if !ok || g.rec.VolumeCap != nil && g.rec.GetVolumeCap() <= own {
		return g.rec.VolumeCap
	}
	return &own
}

// infoFor is group/update for one member: what all are told, with its own cap.
func (g *Group) infoFor(client string) *tuttiv1.GroupInfo {
	limit := g.capOf(client)
	if limit == g.rec.VolumeCap {
		return g.shared.group
	}
	info := proto.CloneOf(g.shared.group)
	info.VolumeCap = limit
	return info
}

// capGuests takes the scheduler's word. Who is not named came after it looked.
func (g *Group) capGuests(caps map[string]int32) {
	next := maps.Clone(g.rec.GetVolumeCaps())
	if next == nil {
		next = map[string]int32{}
	}
	for id, v := range caps {
		if v < noCap && g.members[id] != nil {
			next[id] = v
		} else {
			delete(next, id)
		}
	}
	g.setCaps(next)
}

// house takes the director's word of who is at home here, and of the caps of those that
// come. What it knows of members that were here before is older than what the scheduler
// has told. Call it before the members change.
func (g *Group) house(m *tuttiv1.Membership) {
	if !m.GetAssignedKnown() {
		return // a director from before there were home zones
	}
	g.rec.Assigned, g.rec.AssignedKnown = slices.Clone(m.GetAssigned()), true
	next := map[string]int32{}
	for _, id := range m.GetMembers() {
		caps := m.GetVolumeCaps()
		if g.members[id] != nil {
			caps = g.rec.GetVolumeCaps()
		}
		if v, ok := caps[id]; ok && !slices.Contains(m.GetAssigned(), id) {
			next[id] = v
		}
	}
	g.setCaps(next)
}

func (g *Group) setCaps(next map[string]int32) {
	if maps.Equal(next, g.rec.GetVolumeCaps()) {
		return
	}
	for id := range g.members {
		g.dirty[id] = true
	}
	if g.rec.VolumeCaps = next; len(next) == 0 {
		g.rec.VolumeCaps = nil
	}
	g.touched = true
}

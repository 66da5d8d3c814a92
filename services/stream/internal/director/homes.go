package director

import (
	"context"
	"slices"

	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// The home zone of a client is the named group into which an operator put it. It is kept
// with the group (Group.assigned), and a client has one at most. What a client does by
// itself (client/leave, in use by something else) and what a controller does (switch)
// changes where it plays and never where it is at home: the quiet hours of its home hold
// wherever it is.

// settled tells a new director of the home zones that the records hold. What was written
// before there were home zones says nothing of them: then the members are at home.
func (d *Director) settled(groups []*tuttiv1.Group) {
	for _, g := range groups {
		e := d.groups[g.GetGroupId()]
		e.limit, e.known = g.VolumeCap, g.GetAssignedKnown() || e.solo
		if e.known {
			d.house(e, slices.Clone(g.GetAssigned()))
		}
	}
	for _, e := range d.sorted() {
		if e.known {
			continue
		}
		d.house(e, slices.DeleteFunc(slices.Clone(e.members), func(id string) bool { return d.home[id] != nil }))
	}
}

// adopt writes the home zones into records from before there were any.
func (d *Director) adopt(ctx context.Context) {
	for _, e := range d.sorted() {
		if e.known {
			continue
		}
		if err := d.tell(ctx, e, e.members); err != nil {
			d.Log.Warn("home zones are not written yet", obs.KeyGroup, e.id, obs.KeyErr, err) // the next change does it
		}
	}
}

// house makes these clients be at home in a group, in the director's own books.
func (d *Director) house(e *entry, clients []string) {
	for _, id := range e.assigned {
		if d.home[id] == e {
			delete(d.home, id)
		}
	}
	e.assigned = clients
	for _, id := range clients {
		d.home[id] = e
	}
}

// place carries out an operator's word: the client is in this group, and at home there
// when it is a named one.
func (d *Director) place(ctx context.Context, client string, to *entry) error {
	members, assigned := to.members, to.assigned
	if d.of(client) != to {
		if err := d.free(ctx, client); err != nil {
			return err
		}
		members = append(slices.Clone(members), client)
	} else if h := d.home[client]; h != nil && h != to && !to.solo { // it came by itself, and stays
		if err := d.evict(ctx, h, client); err != nil {
			return err
		}
	}
	if !to.solo && !slices.Contains(assigned, client) {
		assigned = append(slices.Clone(assigned), client)
	}
	if len(members) == len(to.members) && len(assigned) == len(to.assigned) {
		return nil // as it should be
	}
	return d.order(ctx, to, members, assigned)
}

// free takes a client out of the group that it is in, and ends its being at home anywhere.
func (d *Director) free(ctx context.Context, client string) error {
	from := d.of(client)
	if h := d.home[client]; h != nil && h != from {
		if err := d.evict(ctx, h, client); err != nil {
			return err
		}
	}
	if from == nil {
		return nil
	}
	return d.withdraw(ctx, from, client)
}

// evict ends a client's being at home in a group, wherever it plays.
func (d *Director) evict(ctx context.Context, e *entry, client string) error {
	return d.order(ctx, e, e.members, without(e.assigned, client))
}

// withdraw takes a client out of a group, for good; a solo group ends with its last member.
func (d *Director) withdraw(ctx context.Context, e *entry, client string) error {
	if e.solo {
		return d.remove(ctx, e, client)
	}
	return d.order(ctx, e, without(e.members, client), without(e.assigned, client))
}

// inherit gives a client's home to another one; "" leaves it to nobody.
func (d *Director) inherit(ctx context.Context, was, now string) error {
	h := d.home[was]
	if h == nil {
		return nil
	}
	if other := d.home[now]; now != "" && other != nil && other != h {
		if err := d.evict(ctx, other, now); err != nil {
			return err
		}
	}
	return d.order(ctx, h, h.members, heirs(h.assigned, was, now))
}

// heirs are ids with now in was's place.
func heirs(ids []string, was, now string) []string {
	out := slices.Clone(ids)
	at := slices.Index(out, was)
	switch {
	case at < 0:
	case now == "" || slices.Contains(out, now):
		out = slices.Delete(out, at, at+1)
	default:
		out[at] = now
	}
	return out
}

func without(ids []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(x string) bool { return x == id })
}

// capsOf are the caps that hold in a group for members whose home is another zone.
func (d *Director) capsOf(e *entry, members, assigned []string) map[string]int32 {
	var out map[string]int32
	for _, id := range members {
		h := d.home[id]
		if h == nil || h == e || h.limit == nil || slices.Contains(assigned, id) {
			continue
		}
		if out == nil {
			out = map[string]int32{}
		}
		out[id] = *h.limit
	}
	return out
}

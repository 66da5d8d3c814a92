package director

import (
	"context"
	"slices"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
)

// Switch moves a client to the next group of its cycle (specification, Switch command
// cycle): back to where it was, if it is still in the solo group that it was moved to;
// else on to the next that plays. It is carried out once for a command's id, which may come
// again when its answer was lost; "" has no such memory.
func (d *Director) Switch(ctx context.Context, client, commandID string) error {
	from := d.of(client)
	if from == nil {
		return fault.New(fault.NotFound, "client %s is in no group", client)
	}
	if commandID != "" && slices.Contains(from.applied, commandID) {
		return nil
	}
	d.cause = cause{client, commandID}
	defer func() { d.cause = cause{} }()
	if back := d.groups[from.memory.group]; from.memory.client == client && back != nil && back != from {
		return d.moveOrMend(ctx, client, back)
	}
	cycle := d.cycle(client)
	if len(cycle) == 0 {
		return nil // nowhere to go
	}
	// A group that is not in the cycle goes before it; so does being alone, its last place.
	to := cycle[(slices.Index(cycle, from)+1)%len(cycle)]
	if to == nil {
		return d.alone(ctx, client, "")
	}
	return d.moveOrMend(ctx, client, to)
}

// moveOrMend is move; a client that was taken out in vain gets a group at once.
func (d *Director) moveOrMend(ctx context.Context, client string, to *entry) error {
	err := d.move(ctx, client, to)
	if err != nil {
		d.mend(ctx, []string{client})
	}
	return err
}

// cycle lists the groups that a client switches through, in an order that its own moves
// do not change: each group counts as if the client were not in it. Groups of several
// that play come first, then those of one player that plays alone, both ordered by kind
// (named ones first) and id; for a client with the player role nil follows, its own solo
// group.
func (d *Director) cycle(client string) []*entry {
	var several, single []*entry
	for _, e := range d.groups {
		others := slices.DeleteFunc(slices.Clone(e.members), func(id string) bool { return id == client })
		switch {
		case !e.playing:
		case len(others) > 1:
			several = append(several, e)
		case len(others) == 1 && d.player(others[0]):
			single = append(single, e)
		}
	}
	order := func(a, b *entry) int {
		switch {
		case a.solo && !b.solo:
			return 1
		case !a.solo && b.solo:
			return -1
		}
		return strings.Compare(a.id, b.id)
	}
	slices.SortFunc(several, order)
	slices.SortFunc(single, order)
	out := append(several, single...)
	if d.player(client) {
		out = append(out, nil)
	}
	return out
}

// player reports whether a client is there and its player role active.
func (d *Director) player(client string) bool {
	p := d.Clients.Get(client)
	return presence.Active(p) && presence.HasRole(p, "player")
}

package director

import (
	"context"
	"slices"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/group"
)

// CreateGroup makes a named group and moves its members there.
func (d *Director) CreateGroup(ctx context.Context, r *tuttiv1.CreateGroupRequest) (*tuttiv1.GroupReply, error) {
	if err := group.CheckName(r.GetName()); err != nil {
		return nil, err
	}
	members := slices.Clone(r.GetMembers())
	slices.Sort(members)
	members = slices.Compact(members)
	for _, id := range members {
		if err := d.known(id); err != nil {
			return nil, err
		}
	}
	e := &entry{id: "g-" + d.NewID(), name: r.GetName()}
	for _, id := range members {
		if err := d.free(ctx, id); err != nil {
			d.mend(ctx, members)
			return nil, err
		}
		e.members = append(e.members, id)
	}
	e.assigned = slices.Clone(e.members)
	if err := d.create(ctx, e); err != nil {
		d.mend(ctx, members)
		return nil, err
	}
	return d.show(ctx, e)
}

// mend gives clients that were taken out of their groups in vain a group again.
func (d *Director) mend(ctx context.Context, clients []string) {
	for _, id := range clients {
		d.Presence(ctx, id)
	}
}

// known refuses a client that has never been here.
func (d *Director) known(id string) error {
	if d.Clients.Get(id) == nil && d.of(id) == nil {
		return fault.New(fault.NotFound, "there is no client %q", id)
	}
	return nil
}

// show asks the group's actor for the group.
func (d *Director) show(ctx context.Context, e *entry) (*tuttiv1.GroupReply, error) {
	g, err := d.Ask(ctx, &tuttiv1.GroupCommand{GroupId: e.id, Actor: "director", Command: &tuttiv1.GroupCommand_Get{Get: &tuttiv1.Empty{}}})
	if err != nil {
		return nil, err
	}
	return &tuttiv1.GroupReply{Group: g}, nil
}

// DeleteGroup ends a named group; its clients go to solo groups.
func (d *Director) DeleteGroup(ctx context.Context, r *tuttiv1.GroupRequest) (*tuttiv1.Empty, error) {
	e, err := d.get(r.GetGroupId())
	if err != nil {
		return nil, err
	}
	if e.solo {
		return nil, fault.New(fault.Conflict, "%s is the solo group of one client: it goes away by itself when the client joins another group", e.id)
	}
	members := e.members
	if err := d.drop(ctx, e); err != nil {
		return nil, err
	}
	d.mend(ctx, members)
	return &tuttiv1.Empty{}, nil
}

// AddMember moves a client into a named group.
func (d *Director) AddMember(ctx context.Context, r *tuttiv1.GroupMemberRequest) (*tuttiv1.GroupReply, error) {
	e, err := d.get(r.GetGroupId())
	if err != nil {
		return nil, err
	}
	if err := d.known(r.GetClientId()); err != nil {
		return nil, err
	}
	if e.solo && d.of(r.GetClientId()) != e {
		return nil, fault.New(fault.Conflict, "%s is the solo group of another client: create a group for both", e.id)
	}
	if err := d.place(ctx, r.GetClientId(), e); err != nil {
		d.mend(ctx, []string{r.GetClientId()})
		return nil, err
	}
	return d.show(ctx, e)
}

// RemoveMember moves a client out of a named group into a solo one; it is at home nowhere
// then. It answers with the group that the client left.
func (d *Director) RemoveMember(ctx context.Context, r *tuttiv1.GroupMemberRequest) (*tuttiv1.GroupReply, error) {
	e, err := d.get(r.GetGroupId())
	if err != nil {
		return nil, err
	}
	if !slices.Contains(e.members, r.GetClientId()) {
		if slices.Contains(e.assigned, r.GetClientId()) { // it is elsewhere by itself
			if err := d.evict(ctx, e, r.GetClientId()); err != nil {
				return nil, err
			}
		}
		return d.show(ctx, e) // as it should be
	}
	if e.solo && len(e.members) == 1 {
		return nil, fault.New(fault.Conflict, "%s is the client's solo group: add the client to another group instead", e.id)
	}
	if err := d.free(ctx, r.GetClientId()); err != nil {
		return nil, err
	}
	d.mend(ctx, []string{r.GetClientId()})
	return d.show(ctx, e)
}

// ForgetClient takes a client out of everything.
func (d *Director) ForgetClient(ctx context.Context, r *tuttiv1.ForgetClientRequest) (*tuttiv1.Empty, error) {
	id := r.GetClientId()
	delete(d.available, id)
	for _, e := range d.sorted() {
		if !slices.Contains(e.members, id) && !slices.Contains(e.assigned, id) {
			continue
		}
		if err := d.withdraw(ctx, e, id); err != nil {
			return nil, err
		}
		d.Log.Info("client forgotten", obs.KeyClient, id, obs.KeyGroup, e.id)
	}
	return &tuttiv1.Empty{}, nil
}

// GroupOf is the id of the group that a client is in.
func (d *Director) GroupOf(client string) (string, error) {
	if e := d.of(client); e != nil {
		return e.id, nil
	}
	return "", fault.New(fault.NotFound, "client %s is in no group", client)
}

// Leave is client/leave.
func (d *Director) Leave(ctx context.Context, client string) error {
	return d.leave(ctx, client, "client/leave")
}

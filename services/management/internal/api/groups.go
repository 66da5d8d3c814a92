package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

// GroupPath is the path parameter of one group (exported as ClientPath is).
type GroupPath struct {
	ID string `path:"group_id" doc:"The group."`
}

type memberPath struct {
	GroupPath
	ClientID string `path:"client_id" doc:"The device's key."`
}

type createGroup struct {
	Body struct {
		Name    string    `json:"name" minLength:"1" maxLength:"100" doc:"At most 100 bytes of UTF-8." example:"Ground floor"`
		Members *[]string `json:"members,omitempty" nullable:"false" maxItems:"10000" doc:"Client ids; each leaves the group it is in."`
	}
}

type created struct {
	Location string `header:"Location"`
	Body     model.Group
}

type patchGroup struct {
	GroupPath
	Body struct {
		Name          *string `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"Of a named group, at most 100 bytes of UTF-8; a group of one device has the device's." example:"Ground floor"`
		CrossfadeMS   *int64  `json:"crossfade_ms,omitempty" minimum:"0" maximum:"15000" doc:"How long a title and its successor sound together; 0: gapless. Consecutive tracks of an album are always gapless. Counts from the next title on." example:"4000"`
		Normalization *string `json:"normalization,omitempty" enum:"off,track,album" doc:"Titles are brought to -18 LUFS by their tags (ReplayGain, R128), or by measuring. Counts from the next title on." example:"track"`
	}
}

func (a *API) groupRoutes() {
	register(a, route{
		id: "list-groups", method: http.MethodGet, path: "/api/v1/groups", tag: tagGroups, role: auth.RoleViewer, zone: zoneAny,
		summary: "All groups", doc: "A client that is in no named group plays in one of its own (solo). Of a caller with a role in single zones alone: those zones.",
	}, a.listGroups)
	register(a, route{
		id: "get-group", method: http.MethodGet, path: "/api/v1/groups/{group_id}", tag: tagGroups, role: auth.RoleViewer, zone: zoneGroup,
		summary: "One group", errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(_ context.Context, in *GroupPath) (*body[model.Group], error) {
		g, err := a.group(in.ID)
		if err != nil {
			return nil, err
		}
		return answer(a.render(g)), nil
	})
	register(a, route{
		id: "create-group", method: http.MethodPost, path: "/api/v1/groups", tag: tagGroups, role: auth.RoleOperator, status: http.StatusCreated,
		summary: "Make a group", idempotent: true,
		errors: []int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity},
	}, a.createGroup)
	changes := []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
	register(a, route{
		id: "patch-group", method: http.MethodPatch, path: "/api/v1/groups/{group_id}", tag: tagGroups, role: auth.RoleOperator, zone: zoneGroup,
		summary: "Rename a group, change its crossfade and loudness", doc: "What is left out stays.", errors: append([]int{http.StatusBadRequest}, changes...),
	}, a.patchGroup)
	register(a, route{
		id: "delete-group", method: http.MethodDelete, path: "/api/v1/groups/{group_id}", tag: tagGroups, role: auth.RoleOperator, status: http.StatusNoContent,
		summary: "Delete a group", doc: "Its members go back to groups of their own.", errors: changes,
	}, a.deleteGroup)
	register(a, route{
		id: "add-member", method: http.MethodPut, path: "/api/v1/groups/{group_id}/members/{client_id}", tag: tagGroups, role: auth.RoleOperator, zone: zoneBoth,
		summary: "Put a client into a group", doc: "It leaves the group it is in, and is at home in this one: the quiet hours here hold for it wherever it goes by itself or by a controller. What plays goes on; the client joins within its lead.", errors: changes,
	}, a.putMember)
	register(a, route{
		id: "remove-member", method: http.MethodDelete, path: "/api/v1/groups/{group_id}/members/{client_id}", tag: tagGroups, role: auth.RoleOperator,
		summary: "Take a client out of a group", doc: "It goes back to a group of its own, and is at home nowhere. The others play on.", errors: changes,
	}, a.deleteMember)
}

func (a *API) render(g *pb.Group) model.Group {
	return readmodel.BuildGroup(g, a.d.Projection.Now(), a.d.Projection.Snapshot().Client)
}

func (a *API) listGroups(ctx context.Context, _ *nothing) (*body[model.Groups], error) {
	now := a.d.Projection.Now()
	snap := a.d.Projection.Snapshot()
	out := model.Groups{Groups: make([]model.Group, 0, len(snap.Groups))}
	for _, g := range snap.Groups {
		if sees(ctx, g.GetGroupId()) {
			out.Groups = append(out.Groups, readmodel.BuildGroup(g, now, snap.Client))
		}
	}
	return answer(out), nil
}

func (a *API) createGroup(ctx context.Context, in *createGroup) (*created, error) {
	name := in.Body.Name
	var members []string
	if in.Body.Members != nil {
		members = *in.Body.Members
	}
	snap := a.d.Projection.Snapshot()
	for i, m := range members {
		if snap.Client(m) == nil {
			return nil, badField(indexed("body.members", i), fmt.Sprintf("there is no client %q", clip(m)))
		}
	}
	reply := &pb.GroupReply{}
	err := a.ask(ctx, "stream", subject.StreamCreateGroup,
		&pb.CreateGroupRequest{Name: name, Members: members, Actor: who(ctx)}, reply)
	if err != nil {
		return nil, err
	}
	g := reply.GetGroup()
	a.act(ctx, "group.created", "", fmt.Sprintf("group %q (%s), %d members", g.GetName(), g.GetGroupId(), len(g.GetMembers())))
	a.await(ctx, func(s *readmodel.Snapshot) bool { return s.Group(g.GetGroupId()) != nil && hold(s, g, members) })
	return &created{Location: "/api/v1/groups/" + g.GetGroupId(), Body: a.render(g)}, nil
}

// hold reports whether every client shows that it is in g.
func hold(s *readmodel.Snapshot, g *pb.Group, clients []string) bool {
	return !slices.ContainsFunc(clients, func(id string) bool {
		c := s.Client(id)
		return c != nil && c.GroupID != g.GetGroupId()
	})
}

func (a *API) patchGroup(ctx context.Context, in *patchGroup) (*body[model.Group], error) {
	g, err := a.group(in.ID)
	if err != nil {
		return nil, err
	}
	if in.Body.CrossfadeMS != nil || in.Body.Normalization != nil {
		set := &pb.GroupSettings{CrossfadeMs: in.Body.CrossfadeMS, Normalization: in.Body.Normalization}
		if g, err = a.command(ctx, in.ID, &pb.GroupCommand{Command: &pb.GroupCommand_Settings{Settings: set}}); err != nil {
			return nil, err
		}
		a.act(ctx, "group.settings", "", fmt.Sprintf("group %q (%s): crossfade %d ms, normalization %q", clip(g.GetName()), in.ID, g.GetCrossfadeMs(), g.GetNormalization()))
		want := g
		a.await(ctx, func(s *readmodel.Snapshot) bool {
			x := s.Group(in.ID)
			return x == nil || x.GetCrossfadeMs() == want.GetCrossfadeMs() && x.GetNormalization() == want.GetNormalization()
		})
	}
	if in.Body.Name == nil {
		return answer(a.render(g)), nil
	}
	name := *in.Body.Name
	g, err = a.command(ctx, in.ID, &pb.GroupCommand{Command: &pb.GroupCommand_Rename{Rename: name}})
	if err != nil {
		return nil, err
	}
	a.act(ctx, "group.renamed", "", fmt.Sprintf("group %s is now %q", in.ID, name))
	a.await(ctx, func(s *readmodel.Snapshot) bool { x := s.Group(in.ID); return x == nil || x.GetName() == name })
	return answer(a.render(g)), nil
}

func (a *API) deleteGroup(ctx context.Context, in *GroupPath) (*struct{}, error) {
	g, err := a.group(in.ID)
	if err != nil {
		return nil, err
	}
	if g.GetSolo() {
		return nil, fault.New(fault.Conflict, "group %q belongs to one client and goes when the client joins another; it cannot be deleted", clip(g.GetName()))
	}
	err = a.ask(ctx, "stream", subject.StreamDeleteGroup, &pb.GroupRequest{GroupId: in.ID, Actor: who(ctx)}, &pb.Empty{})
	if err != nil {
		return nil, err
	}
	a.act(ctx, "group.deleted", "", fmt.Sprintf("group %q (%s)", clip(g.GetName()), in.ID))
	a.await(ctx, func(s *readmodel.Snapshot) bool { return s.Group(in.ID) == nil })
	return nil, nil
}

func (a *API) putMember(ctx context.Context, in *memberPath) (*body[model.Group], error) {
	g, err := a.group(in.ID)
	if err != nil {
		return nil, err
	}
	c, err := a.client(in.ClientID)
	if err != nil {
		return nil, err
	}
	if !readmodel.AtHome(g, in.ClientID) { // else it is as asked for already
		if err := a.mayTake(ctx, c, in.ID); err != nil {
			return nil, err
		}
		if g, err = a.addMember(ctx, in.ID, c); err != nil {
			return nil, err
		}
	}
	return answer(a.render(g)), nil
}

func (a *API) addMember(ctx context.Context, groupID string, c *model.Client) (*pb.Group, error) {
	reply := &pb.GroupReply{}
	err := a.ask(ctx, "stream", subject.StreamAddMember,
		&pb.GroupMemberRequest{GroupId: groupID, ClientId: c.ClientID, Actor: who(ctx)}, reply)
	if err != nil {
		return nil, err
	}
	g := reply.GetGroup()
	a.act(ctx, "group.member_added", c.ClientID, fmt.Sprintf("%s joined group %q (%s)", c.DisplayName(), clip(g.GetName()), groupID))
	a.await(ctx, func(s *readmodel.Snapshot) bool { return hold(s, g, []string{c.ClientID}) })
	return g, nil
}

func (a *API) deleteMember(ctx context.Context, in *memberPath) (*body[model.Group], error) {
	g, err := a.group(in.ID)
	if err != nil {
		return nil, err
	}
	c, err := a.client(in.ClientID)
	if err != nil {
		return nil, err
	}
	if slices.Contains(g.GetMembers(), in.ClientID) || c.HomeID == in.ID { // else it is as asked for already
		if err := a.removeMember(ctx, in.ID, c); err != nil {
			return nil, err
		}
	}
	if now := a.d.Projection.Snapshot().Group(in.ID); now != nil {
		g = now
	}
	return answer(a.render(g)), nil
}

func (a *API) removeMember(ctx context.Context, groupID string, c *model.Client) error {
	if groupID == "" {
		return nil
	}
	err := a.ask(ctx, "stream", subject.StreamRemoveMember,
		&pb.GroupMemberRequest{GroupId: groupID, ClientId: c.ClientID, Actor: who(ctx)}, &pb.GroupReply{})
	if err != nil {
		return err
	}
	a.act(ctx, "group.member_removed", c.ClientID, fmt.Sprintf("%s left group %s", c.DisplayName(), groupID))
	a.await(ctx, func(s *readmodel.Snapshot) bool {
		g := s.Group(groupID)
		now := s.Client(c.ClientID)
		return g == nil || !slices.Contains(g.GetMembers(), c.ClientID) && (now == nil || now.HomeID != groupID)
	})
	return nil
}

// command asks a group's actor and returns the group after it.
func (a *API) command(ctx context.Context, groupID string, cmd *pb.GroupCommand) (*pb.Group, error) {
	cmd.GroupId, cmd.Actor, cmd.CommandId = groupID, who(ctx), bus.NewTraceID()
	reply := &pb.GroupReply{}
	if err := a.askAny(ctx, "stream", subject.StreamCommand, cmd, reply); err != nil {
		return nil, err
	}
	if reply.GetGroup() == nil {
		return nil, fault.New(fault.Internal, "stream answered a command to group %s without the group", groupID)
	}
	want := reply.GetGroup()
	a.await(ctx, func(s *readmodel.Snapshot) bool { return sameState(s.Group(groupID), want) })
	return want, nil
}

// sameState tells whether the read model shows what a command's answer says, as
// far as the command itself decided it. Volumes follow when the players report.
func sameState(have, want *pb.Group) bool {
	return have != nil && have.GetName() == want.GetName() &&
		have.GetPlaybackState() == want.GetPlaybackState() && have.GetPaused() == want.GetPaused() &&
		have.GetRepeat() == want.GetRepeat() && have.GetShuffle() == want.GetShuffle() &&
		have.GetEpoch() == want.GetEpoch() && have.GetQueueIndex() == want.GetQueueIndex() &&
		slices.EqualFunc(have.GetQueue(), want.GetQueue(), func(x, y *pb.QueueItem) bool { return x.GetId() == y.GetId() })
}

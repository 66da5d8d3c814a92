package director

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// house stands in for the clients, the groups' records, and their actors.
type house struct {
	clients map[string]*tuttiv1.ClientPresence
	groups  map[string]*tuttiv1.Group
	deaf    map[string]bool // groups that do not answer
	n       int
	log     []string
	moved   []string // tunings that changed their device
}

func (h *house) Move(_ context.Context, from, to string) error {
	h.moved = append(h.moved, from+">"+to)
	return nil
}

func (h *house) Get(id string) *tuttiv1.ClientPresence   { return h.clients[id] }
func (h *house) All() map[string]*tuttiv1.ClientPresence { return h.clients }
func (h *house) Create(_ context.Context, key string, g *tuttiv1.Group) (uint64, error) {
	if h.groups[key] != nil {
		return 0, fault.New(fault.Conflict, "exists")
	}
	h.groups[key] = proto.CloneOf(g)
	h.log = append(h.log, "create "+key)
	return 1, nil
}

func (h *house) ask(_ context.Context, c *tuttiv1.GroupCommand) (*tuttiv1.Group, error) {
	g := h.groups[c.GetGroupId()]
	if g == nil {
		return nil, fault.New(fault.NotFound, "no group")
	}
	if h.deaf[c.GetGroupId()] {
		return nil, errors.New("does not answer")
	}
	switch k := c.GetCommand().(type) {
	case *tuttiv1.GroupCommand_Membership:
		if k.Membership.GetDelete() {
			delete(h.groups, c.GetGroupId())
			h.log = append(h.log, "delete "+c.GetGroupId())
		} else {
			if !k.Membership.GetAssignedKnown() {
				return nil, errors.New("a membership without home zones")
			}
			g.Members = k.Membership.GetMembers()
			g.Assigned, g.AssignedKnown, g.VolumeCaps = k.Membership.GetAssigned(), true, k.Membership.GetVolumeCaps()
			if id := k.Membership.GetCommandId(); id != "" {
				g.AppliedCommands = append(g.AppliedCommands, id)
			}
			g.PreviousGroupId, g.PreviousClientId = k.Membership.GetPreviousGroupId(), k.Membership.GetPreviousClientId()
			if n := k.Membership.GetName(); n != "" {
				g.Name = n
			}
		}
	case *tuttiv1.GroupCommand_Pause:
		h.log = append(h.log, "pause "+c.GetGroupId())
	}
	return g, nil
}

func (h *house) director() *Director {
	var all []*tuttiv1.Group
	for _, g := range h.groups {
		all = append(all, proto.CloneOf(g))
	}
	d := New(Deps{Groups: h, Tuning: h, Clients: h, Ask: h.ask, Activate: func(context.Context, string) error { return nil },
		NewID: func() string { h.n++; return fmt.Sprint(h.n) }, Log: slog.New(slog.DiscardHandler)}, all)
	d.Begin(context.Background())
	return d
}

func newHouse(clients ...string) *house {
	h := &house{clients: map[string]*tuttiv1.ClientPresence{}, groups: map[string]*tuttiv1.Group{}, deaf: map[string]bool{}}
	for _, c := range clients {
		h.clients[c] = &tuttiv1.ClientPresence{ClientId: c, Name: c, SessionId: "1", Connected: true, ActiveRoles: []string{"player@v1"}, Available: proto.Bool(true)}
	}
	return h
}

// show lists the groups with their members.
func (h *house) show() string {
	var out []string
	for id, g := range h.groups {
		out = append(out, id+":"+strings.Join(g.GetMembers(), "+"))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (h *house) want(t *testing.T, want string) {
	t.Helper()
	if got := h.show(); got != want {
		t.Errorf("groups are %q, want %q", got, want)
	}
}

func TestEveryActiveClientHasOneGroup(t *testing.T) {
	ctx := t.Context()
	h := newHouse("a", "b", "quiet")
	h.clients["quiet"].ActiveRoles = nil
	d := h.director()
	h.want(t, "solo-a:a solo-b:b")
	if _, err := d.CreateGroup(ctx, &tuttiv1.CreateGroupRequest{Name: "House", Members: []string{"b", "a", "a"}}); err != nil {
		t.Fatal(err)
	}
	h.want(t, "g-1:a+b")
	h.clients["quiet"].ActiveRoles = []string{"player@v1"}
	d.Presence(ctx, "quiet")
	h.want(t, "g-1:a+b solo-quiet:quiet")
	if _, err := d.AddMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "g-1", ClientId: "quiet"}); err != nil {
		t.Fatal(err)
	}
	h.want(t, "g-1:a+b+quiet")
	h.clients["a"].Connected = false
	d.Presence(ctx, "a")
	h.want(t, "g-1:a+b+quiet") // absent members stay
	if _, err := d.RemoveMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "g-1", ClientId: "b"}); err != nil {
		t.Fatal(err)
	}
	h.want(t, "g-1:a+quiet solo-b:b")
	if _, err := d.ForgetClient(ctx, &tuttiv1.ForgetClientRequest{ClientId: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.DeleteGroup(ctx, &tuttiv1.GroupRequest{GroupId: "g-1"}); err != nil {
		t.Fatal(err)
	}
	h.want(t, "solo-b:b solo-quiet:quiet")
	delete(h.clients, "b")
	d.Presence(ctx, "b") // its record was removed
	h.want(t, "solo-quiet:quiet")
}

func TestUnavailableMovesOutOnlyAfterAvailable(t *testing.T) {
	ctx := t.Context()
	h := newHouse("a", "b")
	d := h.director()
	if _, err := d.CreateGroup(ctx, &tuttiv1.CreateGroupRequest{Name: "House", Members: []string{"a", "b"}}); err != nil {
		t.Fatal(err)
	}
	// A new session begins unavailable: that is not a change.
	h.clients["a"].SessionId, h.clients["a"].Available = "2", proto.Bool(false)
	d.Presence(ctx, "a")
	h.want(t, "g-1:a+b")
	h.clients["a"].Available = proto.Bool(true)
	d.Presence(ctx, "a")
	h.clients["a"].Available = proto.Bool(false)
	d.Presence(ctx, "a")
	h.want(t, "g-1:b solo-a:a")
	if g := h.groups["solo-a"]; g.GetPreviousGroupId() != "g-1" {
		t.Errorf("previous group %q", g.GetPreviousGroupId())
	}
	h.clients["a"].Available = proto.Bool(true)
	d.Presence(ctx, "a")
	h.want(t, "g-1:b solo-a:a") // no rejoin by itself
	// The memory is in the record, so the next director has it.
	d = h.director()
	if err := d.Switch(ctx, "a", ""); err != nil {
		t.Fatal(err)
	}
	h.want(t, "g-1:b+a")
	// The last member stops the music and stays.
	if err := d.Leave(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := d.Leave(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	h.want(t, "g-1:b solo-a:a")
	if h.log[len(h.log)-1] != "pause g-1" {
		t.Errorf("last act: %s", h.log[len(h.log)-1])
	}
}

func TestBeginRepairsMembership(t *testing.T) {
	h := newHouse("a", "b")
	h.groups["g-1"] = &tuttiv1.Group{GroupId: "g-1", Name: "House", Members: []string{"a", "b"}}
	h.groups["g-2"] = &tuttiv1.Group{GroupId: "g-2", Name: "Twice", Members: []string{"b"}}
	h.groups["solo-a"] = &tuttiv1.Group{GroupId: "solo-a", Solo: true, Members: []string{"a"}}
	h.groups["solo-x"] = &tuttiv1.Group{GroupId: "solo-x", Solo: true}
	h.director()
	h.want(t, "g-1:a+b g-2:")
}

func TestHalfDoneMoveIsMended(t *testing.T) {
	ctx := t.Context()
	h := newHouse("a")
	d := h.director()
	if _, err := d.CreateGroup(ctx, &tuttiv1.CreateGroupRequest{Name: "House"}); err != nil {
		t.Fatal(err)
	}
	h.deaf["g-1"] = true
	if _, err := d.AddMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "g-1", ClientId: "a"}); err == nil {
		t.Fatal("no error from a group that does not answer")
	}
	h.want(t, "g-1: solo-a:a")
}

func TestRequestsAreChecked(t *testing.T) {
	ctx := t.Context()
	h := newHouse("a", "b")
	d := h.director()
	code := func(_ any, err error) fault.Code { return fault.CodeOf(err) }
	for name, got := range map[string][2]fault.Code{
		"a name":            {code(d.CreateGroup(ctx, &tuttiv1.CreateGroupRequest{Name: " "})), fault.OutOfRange},
		"a known member":    {code(d.CreateGroup(ctx, &tuttiv1.CreateGroupRequest{Name: "x", Members: []string{"nobody"}})), fault.NotFound},
		"a group to delete": {code(d.DeleteGroup(ctx, &tuttiv1.GroupRequest{GroupId: "g-9"})), fault.NotFound},
		"a named group":     {code(d.DeleteGroup(ctx, &tuttiv1.GroupRequest{GroupId: "solo-a"})), fault.Conflict},
		"one's own solo":    {code(d.AddMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "solo-a", ClientId: "b"})), fault.Conflict},
		"out of a solo":     {code(d.RemoveMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "solo-a", ClientId: "a"})), fault.Conflict},
		"a client's group":  {code(d.GroupOf("nobody")), fault.NotFound},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", name, got[0], got[1])
		}
	}
	h.want(t, "solo-a:a solo-b:b")
}

package director

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// homes lists the groups with who is at home there, and the caps of guests.
func (h *house) homes() string {
	var out []string
	for id, g := range h.groups {
		s := id + ":" + strings.Join(g.GetAssigned(), "+")
		for _, c := range g.GetMembers() {
			if v, ok := g.GetVolumeCaps()[c]; ok {
				s += " " + c + "≤" + string(rune('0'+v/10)) + "0"
			}
		}
		if len(g.GetAssigned()) > 0 || len(g.GetVolumeCaps()) > 0 {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (h *house) wantHomes(t *testing.T, what, want string) {
	t.Helper()
	if got := h.homes(); got != want {
		t.Errorf("%s: at home are %q, want %q", what, got, want)
	}
}

// capped gives a group quiet hours, and tells the director as the group's actor would.
func (h *house) capped(d *Director, id string, limit int32) {
	h.groups[id].VolumeCap = &limit
	d.Record(h.groups[id])
}

// A client is at home where an operator put it, whatever it or a controller does.
func TestHomeIsWhereTheOperatorPutIt(t *testing.T) {
	ctx := t.Context()
	h := newHouse("a", "b", "me", "x")
	d := h.director()
	h.named(t, d, "Bar", false, "a", "me")   // g-1
	h.named(t, d, "Terrace", true, "b", "x") // g-2
	h.capped(d, "g-1", 20)
	h.wantHomes(t, "at first", "g-1:a+me, g-2:b+x")
	add := func(group, client string) {
		t.Helper()
		if _, err := d.AddMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: group, ClientId: client}); err != nil {
			t.Fatal(err)
		}
	}
	if got := turns(t, d, "me", 1); got[0] != "g-2" {
		t.Fatalf("switched to %v", got)
	}
	h.wantHomes(t, "switched away", "g-1:a+me, g-2:b+x me≤20")
	if got := turns(t, d, "me", 1); got[0] != "solo-me" {
		t.Fatalf("switched to %v", got)
	}
	h.wantHomes(t, "switched to be alone", "g-1:a+me, g-2:b+x, solo-me: me≤20")
	if err := d.Leave(ctx, "a"); err != nil { // alone in it: it stays
		t.Fatal(err)
	}
	h.wantHomes(t, "left", "g-1:a+me, g-2:b+x, solo-me: me≤20")

	// It survives a director, and what others do.
	d = h.director()
	h.plays(d, "g-2", true)
	turns(t, d, "me", 1)
	h.wantHomes(t, "with the next director", "g-1:a+me, g-2:b+x me≤20")
	add("g-2", "a")
	h.wantHomes(t, "another one was moved for good", "g-1:me, g-2:b+x+a me≤20")

	// The operator's word changes it; saying it where the client is already, too.
	add("g-2", "me")
	h.want(t, "g-1: g-2:b+x+me+a")
	h.wantHomes(t, "kept where it went", "g-2:b+x+a+me")
	add("g-1", "me")
	h.wantHomes(t, "brought back", "g-1:me, g-2:b+x+a")
	turns(t, d, "me", 1)
	if _, err := d.RemoveMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "g-2", ClientId: "me"}); err != nil {
		t.Fatal(err)
	}
	h.wantHomes(t, "taken out of everything", "g-2:b+x+a")
	add("g-1", "me")
	turns(t, d, "me", 1)
	if _, err := d.RemoveMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "g-1", ClientId: "me"}); err != nil {
		t.Fatal(err)
	}
	h.want(t, "g-1: g-2:b+x+a+me")
	// Its cap here is the scheduler's to lift, who is told that the home has changed.
	h.wantHomes(t, "its home was taken from it while it was away", "g-2:b+x+a me≤20")
	add("g-1", "me")
	turns(t, d, "me", 1)
	if _, err := d.CreateGroup(ctx, &tuttiv1.CreateGroupRequest{Name: "Hall", Members: []string{"me", "x"}}); err != nil {
		t.Fatal(err)
	}
	h.want(t, "g-1: g-2:b+a g-3:me+x")
	h.wantHomes(t, "put into a new zone", "g-2:b+a, g-3:me+x")
	turns(t, d, "me", 1) // g-2 plays
	if _, err := d.ForgetClient(ctx, &tuttiv1.ForgetClientRequest{ClientId: "me"}); err != nil {
		t.Fatal(err)
	}
	h.wantHomes(t, "forgotten", "g-2:b+a, g-3:x")
	if _, err := d.DeleteGroup(ctx, &tuttiv1.GroupRequest{GroupId: "g-3"}); err != nil {
		t.Fatal(err)
	}
	h.wantHomes(t, "its zone was deleted", "g-2:b+a")
}

// A device that leaves by itself stands where it stood: also one that was a guest.
func TestLeavingKeepsTheCap(t *testing.T) {
	h := newHouse("a", "b", "me")
	d := h.director()
	h.named(t, d, "Bar", true, "a", "b") // g-1
	h.capped(d, "g-1", 30)
	turns(t, d, "me", 1)
	for _, id := range []string{"a", "me"} {
		if err := d.Leave(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if a, me := h.groups["solo-a"], h.groups["solo-me"]; a.GetVolumeCaps()["a"] != 30 || a.GetVolumeCap() != 30 || me.GetVolumeCap() != 30 || len(me.GetVolumeCaps()) != 0 {
		t.Errorf("the solo groups: %v and %v", a, me)
	}
}

// Records from before there were home zones: who is in a zone is at home there.
func TestHomesOfOldRecords(t *testing.T) {
	h := newHouse("a", "b")
	h.groups["g-1"] = &tuttiv1.Group{GroupId: "g-1", Name: "Bar", Members: []string{"a"}}
	h.groups["g-2"] = &tuttiv1.Group{GroupId: "g-2", Name: "New", Members: []string{"b"}, AssignedKnown: true}
	h.director()
	h.wantHomes(t, "adopted", "g-1:a")
	if !h.groups["g-1"].GetAssignedKnown() {
		t.Error("it will be adopted again and again, guests too")
	}
}

// A place belongs to the persona, and so does its home.
func TestASpareIsAtHomeWhereItsPersonaIs(t *testing.T) {
	ctx := t.Context()
	h, c, d := lobby(t)
	h.clients["x"] = proto.CloneOf(h.clients["a"])
	h.clients["x"].ClientId = "x"
	h.named(t, d, "Party", true, "x") // g-2
	h.wantHomes(t, "at first", "g-1:a+b, g-2:x")
	turns(t, d, "a", 1)
	h.want(t, "g-1:b g-2:x+a solo-c:c")
	d.Persona(ctx, endpoint("p", "a", "c", "a")) // while its device is a guest elsewhere
	h.want(t, "g-1:b g-2:x+c solo-a:a")
	h.wantHomes(t, "after the swap", "g-1:c+b, g-2:x")
	turns(t, d, "c", 1)
	d = h.begin(c)
	d.Persona(ctx, endpoint("p", "c", "a", "c")) // and alone
	h.wantHomes(t, "swapped back", "g-1:a+b, g-2:x")
	d.Persona(ctx, &tuttiv1.Persona{PersonaId: "p", Kind: "endpoint", Retired: true})
	h.wantHomes(t, "retired", "g-1:b, g-2:x")
}

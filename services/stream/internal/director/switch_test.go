package director

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// plays has a group play or not, and tells the director as the group's actor would.
func (h *house) plays(d *Director, id string, on bool) {
	h.groups[id].PlaybackState = "stopped"
	if on {
		h.groups[id].PlaybackState = "playing"
	}
	d.Record(h.groups[id])
}

// named makes a group that plays or not.
func (h *house) named(t *testing.T, d *Director, name string, playing bool, members ...string) string {
	t.Helper()
	r, err := d.CreateGroup(t.Context(), &tuttiv1.CreateGroupRequest{Name: name, Members: members})
	if err != nil {
		t.Fatal(err)
	}
	h.plays(d, r.GetGroup().GetGroupId(), playing)
	return r.GetGroup().GetGroupId()
}

// turns presses switch n times and lists where the client is after each.
func turns(t *testing.T, d *Director, client string, n int) (out []string) {
	t.Helper()
	for range n {
		if err := d.Switch(t.Context(), client, ""); err != nil {
			t.Fatal(err)
		}
		id, err := d.GroupOf(client)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, id)
	}
	return out
}

func TestSwitchCycle(t *testing.T) {
	build := func(t *testing.T) (*house, *Director) {
		h := newHouse("a", "b", "c", "d", "e", "f", "me", "screen", "wall")
		h.clients["screen"].ActiveRoles = []string{"controller@v1"}
		h.clients["wall"].ActiveRoles = []string{"metadata@v1", "controller@v1"}
		d := h.director()
		h.named(t, d, "One", true, "a", "b") // g-1: several, playing
		h.named(t, d, "Two", true, "c")      // g-2: one player, playing
		h.named(t, d, "Three", false, "d")   // g-3: silent
		h.named(t, d, "Four", true)          // g-4: nobody listens
		h.plays(d, "solo-e", true)           // a player that plays alone
		h.plays(d, "solo-wall", true)        // plays for nobody: no player
		return h, d
	}
	t.Run("with the player role", func(t *testing.T) {
		_, d := build(t)
		want := []string{"g-1", "g-2", "solo-e", "solo-me", "g-1"}
		if got := turns(t, d, "me", 5); !slices.Equal(got, want) {
			t.Errorf("went through %v, want %v", got, want)
		}
	})
	t.Run("without the player role", func(t *testing.T) {
		_, d := build(t)
		want := []string{"g-1", "g-2", "solo-e", "g-1"}
		if got := turns(t, d, "screen", 4); !slices.Equal(got, want) {
			t.Errorf("went through %v, want %v", got, want)
		}
	})
	t.Run("from a silent group of several", func(t *testing.T) {
		h, d := build(t)
		h.named(t, d, "Five", false, "me", "f")
		if got := turns(t, d, "me", 1); !slices.Equal(got, []string{"g-1"}) {
			t.Errorf("went to %v", got)
		}
	})
	t.Run("alone in a named group is alone", func(t *testing.T) {
		h := newHouse("me")
		d := h.director()
		g := h.named(t, d, "Mine", true, "me")
		if got := turns(t, d, "me", 2); !slices.Equal(got, []string{g, g}) {
			t.Errorf("went to %v", got)
		}
	})
	t.Run("a controller with nowhere to go stays", func(t *testing.T) {
		h := newHouse("screen")
		h.clients["screen"].ActiveRoles = []string{"controller@v1"}
		if got := turns(t, h.director(), "screen", 1); !slices.Equal(got, []string{"solo-screen"}) {
			t.Errorf("went to %v", got)
		}
	})
	t.Run("one's own move does not change the order", func(t *testing.T) {
		h := newHouse("a", "b", "c", "me")
		d := h.director()
		for _, id := range []string{"a", "b", "c"} {
			h.plays(d, "solo-"+id, true)
		}
		want := []string{"solo-a", "solo-b", "solo-c", "solo-me", "solo-a"}
		if got := turns(t, d, "me", 5); !slices.Equal(got, want) {
			t.Errorf("went through %v, want %v", got, want)
		}
	})
}

func TestASoloGroupWithGuestsOutlivesItsFirst(t *testing.T) {
	ctx := t.Context()
	h := newHouse("a", "me", "x")
	d := h.director()
	h.plays(d, "solo-a", true)
	turns(t, d, "me", 1)
	h.want(t, "solo-a:a+me solo-x:x")
	// The first leaves: the guest's music goes on, under its own name.
	if err := d.Leave(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	h.want(t, "solo-a-2:a solo-a:me solo-x:x")
	if g := h.groups["solo-a"]; g.GetName() != "me" || !g.GetSolo() || h.groups["solo-a-2"].GetName() != "a" {
		t.Errorf("names %q and %q", g.GetName(), h.groups["solo-a-2"].GetName())
	}
	// And back, since it is still where it was moved to.
	if got := turns(t, d, "a", 1); !slices.Equal(got, []string{"solo-a"}) {
		t.Errorf("a went to %v", got)
	}
	h.want(t, "solo-a:me+a solo-x:x")
	// The operator may take a guest out, but not the last one.
	if _, err := d.RemoveMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "solo-a", ClientId: "me"}); err != nil {
		t.Fatal(err)
	}
	h.want(t, "solo-a:a solo-me:me solo-x:x")
	delete(h.clients, "a")
	d.Presence(ctx, "a")
	h.want(t, "solo-me:me solo-x:x")
}

func TestPreviousGroupIsRememberedWhileTheClientStays(t *testing.T) {
	ctx := t.Context()
	begin := func(t *testing.T) (*house, *Director) {
		h := newHouse("a", "b", "c", "d", "e")
		d := h.director()
		h.named(t, d, "House", false, "a", "b", "c") // g-1
		h.named(t, d, "Party", true, "d", "e")       // g-2
		if err := d.Leave(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		return h, d
	}
	for name, c := range map[string]struct {
		then func(t *testing.T, h *house, d *Director) *Director
		want string
	}{
		"at once": {func(_ *testing.T, _ *house, d *Director) *Director { return d }, "g-1"},
		"after a restart of the server": {func(_ *testing.T, h *house, _ *Director) *Director {
			return h.director()
		}, "g-1"},
		"after it went away and came back": {func(_ *testing.T, h *house, d *Director) *Director {
			h.clients["a"].Connected = false
			d.Presence(ctx, "a")
			h.clients["a"].Connected, h.clients["a"].SessionId = true, "2"
			d.Presence(ctx, "a")
			return d
		}, "g-1"},
		"after another leave": {func(t *testing.T, _ *house, d *Director) *Director {
			if err := d.Leave(ctx, "a"); err != nil {
				t.Error(err)
			}
			return d
		}, "g-1"},
		"a guest came": {func(t *testing.T, h *house, d *Director) *Director {
			h.plays(d, "solo-a", true)
			turns(t, d, "b", 2) // the party, then solo-a
			if id, _ := d.GroupOf("b"); id != "solo-a" {
				t.Fatalf("b is in %s", id)
			}
			return h.director()
		}, "g-1"},
		"not after the group was deleted": {func(t *testing.T, _ *house, d *Director) *Director {
			if _, err := d.DeleteGroup(ctx, &tuttiv1.GroupRequest{GroupId: "g-1"}); err != nil {
				t.Error(err)
			}
			return d
		}, "g-2"},
		"not after the operator has moved it": {func(t *testing.T, h *house, d *Director) *Director {
			// To another group, and out again: this solo group is not the one it was moved to.
			if _, err := d.AddMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "g-2", ClientId: "a"}); err != nil {
				t.Error(err)
			}
			if _, err := d.RemoveMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "g-2", ClientId: "a"}); err != nil {
				t.Error(err)
			}
			return h.director()
		}, "g-2"},
		"not for the guest who stays": {func(t *testing.T, h *house, d *Director) *Director {
			h.plays(d, "solo-a", true)
			turns(t, d, "b", 2)
			if _, err := d.AddMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "g-2", ClientId: "a"}); err != nil {
				t.Error(err)
			}
			if m := h.groups["solo-a"]; m.GetPreviousGroupId() != "" || m.GetPreviousClientId() != "" {
				t.Errorf("solo-a still remembers %s of %s", m.GetPreviousGroupId(), m.GetPreviousClientId())
			}
			// a comes back as a guest: it was elsewhere meanwhile.
			if _, err := d.RemoveMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "g-2", ClientId: "a"}); err != nil {
				t.Error(err)
			}
			turns(t, d, "a", 2)
			if id, _ := d.GroupOf("a"); id != "solo-a" {
				t.Fatalf("a is in %s", id)
			}
			return d // next: its own solo group, and not g-1
		}, "solo-a-2"},
	} {
		t.Run(name, func(t *testing.T) {
			h, d := begin(t)
			d = c.then(t, h, d)
			if got := turns(t, d, "a", 1); got[0] != c.want {
				t.Errorf("switch goes to %s, want %s", got[0], c.want)
			}
		})
	}
}

// A client without the player role is moved like any other.
func TestAControllerThatBecomesUnavailableIsMovedOut(t *testing.T) {
	ctx := t.Context()
	h := newHouse("a", "wall")
	h.clients["wall"].ActiveRoles = []string{"controller@v1"}
	d := h.director()
	h.named(t, d, "House", true, "a", "wall")
	h.clients["wall"].Available = proto.Bool(false)
	d.Presence(ctx, "wall")
	h.want(t, "g-1:a solo-wall:wall")
	h.clients["wall"].Available = proto.Bool(true)
	d.Presence(ctx, "wall")
	h.want(t, "g-1:a solo-wall:wall")
	if got := turns(t, d, "wall", 1); got[0] != "g-1" {
		t.Errorf("went to %v", got)
	}
}

func TestUnavailableAloneStopsTheMusicAndStays(t *testing.T) {
	h := newHouse("a")
	d := h.director()
	h.plays(d, "solo-a", true)
	h.clients["a"].Available = proto.Bool(false)
	d.Presence(context.Background(), "a")
	h.want(t, "solo-a:a")
	if h.log[len(h.log)-1] != "pause solo-a" {
		t.Errorf("last act: %v", h.log)
	}
}

// A controller's command comes again when its answer was lost, to the same director or to the
// next one: the client has moved once. Another press moves it on.
func TestSwitchIsCarriedOutOnce(t *testing.T) {
	h := newHouse("a", "b", "c", "d", "me")
	d := h.director()
	h.named(t, d, "One", true, "a", "b")
	h.named(t, d, "Two", true, "c", "d")
	press := func(d *Director, id, want string) {
		t.Helper()
		if err := d.Switch(t.Context(), "me", id); err != nil {
			t.Fatal(err)
		}
		if got, err := d.GroupOf("me"); err != nil || got != want {
			t.Errorf("after command %q it is in %s (%v), want %s", id, got, err, want)
		}
	}
	press(d, "first", "g-1")
	press(d, "first", "g-1")
	press(h.director(), "first", "g-1") // the next director has the records only
	press(d, "second", "g-2")
	next := h.director()
	press(next, "second", "g-2")
	press(next, "third", "solo-me")
	press(next, "third", "solo-me")
	press(h.director(), "third", "solo-me")
	press(next, "fourth", "g-1")
}

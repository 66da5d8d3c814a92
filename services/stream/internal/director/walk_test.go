package director

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// rules is the specification's view of groups, written down a second time and as simply
// as it goes: who is with whom, and who would go back where.
type rules struct {
	with map[string]string // client -> group
	back map[string]string // client -> previous group
}

// others counts who is with a group, not counting one client.
func (r *rules) others(group, client string) (n int, one string) {
	for c, g := range r.with {
		if g == group && c != client {
			n, one = n+1, c
		}
	}
	return n, one
}

// moved: whoever goes somewhere else forgets.
func (r *rules) moved(client, group string) {
	if r.with[client] != group {
		delete(r.back, client)
	}
	r.with[client] = group
}

// walker is a director among clients and groups that change at random.
type walker struct {
	t       *rapid.T
	h       *house
	d       *Director
	r       *rules
	session int
	named   map[string]bool // groups that somebody made and nobody deleted
}

var walkers = []string{"a", "b", "c", "d", "wall"}

// placed reads back where a client is now: in the one group that names it.
func (w *walker) placed(client string) string {
	at := ""
	for id, g := range w.h.groups {
		if slices.Contains(g.GetMembers(), client) {
			if at != "" {
				w.t.Fatalf("%s is in %s and %s", client, at, id)
			}
			at = id
		}
	}
	return at
}

// follow brings the rules in line after something that the rules do not decide.
func (w *walker) follow() {
	for _, c := range walkers {
		if at := w.placed(c); at == "" {
			delete(w.r.with, c)
			delete(w.r.back, c)
		} else {
			w.r.moved(c, at)
		}
	}
}

// leaves is client/leave or available: false by the rules.
func (w *walker) leaves(client string, do func()) {
	was := w.r.with[client]
	n, _ := w.r.others(was, client)
	paused := len(w.h.log)
	do()
	at := w.placed(client)
	switch {
	case n == 0:
		if at != was || w.h.groups[at].GetPlaybackState() == "playing" && !slices.Contains(w.h.log[paused:], "pause "+at) {
			w.t.Fatalf("%s was alone in %s and is in %s now; done: %v", client, was, at, w.h.log[paused:])
		}
	case at == was || len(w.h.groups[at].GetMembers()) != 1 || w.h.groups[at].GetPlaybackState() != "stopped":
		w.t.Fatalf("%s left %s and is in %s (%v)", client, was, at, w.h.groups[at])
	default:
		w.r.with[client], w.r.back[client] = at, was
	}
	w.follow()
}

// switches is the switch command by the rules.
func (w *walker) switches(client string) {
	was := w.r.with[client]
	back, player := w.r.back[client], client != "wall"
	if err := w.d.Switch(context.Background(), client, ""); err != nil {
		w.t.Fatalf("switch of %s: %v", client, err)
	}
	at := w.placed(client)
	if back != "" && w.exists(back) && back != was {
		if at != back {
			w.t.Fatalf("%s went to %s and not back to %s", client, at, back)
		}
		w.follow()
		return
	}
	if at == was {
		w.follow()
		return
	}
	n, one := w.r.others(at, client)
	fine := n > 1 && w.playing(at) || n == 1 && w.playing(at) && one != "wall" && w.h.clients[one].GetConnected() || n == 0 && player
	if !fine {
		w.t.Fatalf("%s switched to %s with %d others, playing %v", client, at, n, w.playing(at))
	}
	w.follow()
}

// round presses switch until it must have been everywhere: once around the cycle a client
// is in every group that plays for others, and the second round is like the first.
func (w *walker) round(client string) {
	w.switches(client) // a memory is used up
	want := map[string]bool{}
	for id := range w.h.groups {
		n, one := w.r.others(id, client)
		if w.playing(id) && (n > 1 || n == 1 && one != "wall" && w.h.clients[one].GetConnected()) {
			want[id] = true
		}
	}
	stops := len(want)
	if client != "wall" {
		stops++ // alone
	}
	var first, second []string
	for range stops {
		w.switches(client)
		first = append(first, w.placed(client))
		delete(want, w.placed(client))
	}
	for range stops {
		w.switches(client)
		second = append(second, w.placed(client))
	}
	if len(want) > 0 || !slices.Equal(first, second) {
		w.t.Fatalf("%s went through %v, then %v, and missed %v", client, first, second, want)
	}
}

func (w *walker) exists(group string) bool  { return w.h.groups[group] != nil }
func (w *walker) playing(group string) bool { return w.h.groups[group].GetPlaybackState() == "playing" }

// check is what must hold at any time.
func (w *walker) check() {
	for _, c := range walkers {
		at := w.placed(c)
		if p := w.h.clients[c]; p.GetConnected() && len(p.GetActiveRoles()) > 0 && at == "" {
			w.t.Fatalf("%s is in no group: %s", c, w.h.show())
		}
		if id, err := w.d.GroupOf(c); at != "" && (err != nil || id != at) {
			w.t.Fatalf("the director has %s in %q, the record in %q", c, id, at)
		}
		mem := w.h.groups[at]
		remembered := ""
		if mem.GetPreviousClientId() == c {
			remembered = mem.GetPreviousGroupId()
		}
		if at != "" && remembered != w.r.back[c] {
			w.t.Fatalf("%s in %s remembers %q, want %q", c, at, remembered, w.r.back[c])
		}
	}
	for id := range w.named {
		if !w.exists(id) {
			w.t.Fatalf("the named group %s has ended by itself", id)
		}
	}
	for id, g := range w.h.groups {
		if g.GetSolo() && len(g.GetMembers()) == 0 {
			w.t.Fatalf("the solo group %s is empty", id)
		}
		if g.GetSolo() && g.GetName() != g.GetMembers()[0] {
			w.t.Fatalf("the solo group of %s is called %s", g.GetMembers()[0], g.GetName())
		}
		if g.GetSolo() != strings.HasPrefix(id, "solo-") {
			w.t.Fatalf("%s solo %v", id, g.GetSolo())
		}
	}
}

func TestWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		h := newHouse(walkers...)
		h.clients["wall"].ActiveRoles = []string{"controller@v1"}
		w := &walker{t: t, h: h, d: h.director(), r: &rules{with: map[string]string{}, back: map[string]string{}}, named: map[string]bool{}}
		w.follow()
		client := func(t *rapid.T) string { return rapid.SampledFrom(walkers).Draw(t, "client") }
		named := func(t *rapid.T) string {
			var ids []string
			for id, g := range h.groups {
				if !g.GetSolo() {
					ids = append(ids, id)
				}
			}
			if len(ids) == 0 {
				t.Skip("no named group")
			}
			slices.Sort(ids)
			return rapid.SampledFrom(ids).Draw(t, "group")
		}
		present := func(t *rapid.T) string {
			c := client(t)
			if !h.clients[c].GetConnected() {
				t.Skip("away")
			}
			return c
		}
		t.Repeat(map[string]func(*rapid.T){
			"make": func(t *rapid.T) {
				members := rapid.SliceOfNDistinct(rapid.SampledFrom(walkers), 0, 4, rapid.ID[string]).Draw(t, "members")
				r, err := w.d.CreateGroup(ctx, &tuttiv1.CreateGroupRequest{Name: "x", Members: members})
				if err != nil {
					t.Fatal(err)
				}
				w.named[r.GetGroup().GetGroupId()] = true
				w.follow()
			},
			"delete": func(t *rapid.T) {
				id := named(t)
				if _, err := w.d.DeleteGroup(ctx, &tuttiv1.GroupRequest{GroupId: id}); err != nil {
					t.Fatal(err)
				}
				delete(w.named, id)
				w.follow()
			},
			"add": func(t *rapid.T) {
				r := &tuttiv1.GroupMemberRequest{GroupId: named(t), ClientId: client(t)}
				if _, err := w.d.AddMember(ctx, r); err != nil {
					t.Fatal(err)
				}
				w.follow()
			},
			"remove": func(t *rapid.T) {
				c := client(t)
				if w.placed(c) == "" {
					t.Skip("in no group")
				}
				_, _ = w.d.RemoveMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: w.placed(c), ClientId: c}) // Conflict when it is alone
				w.follow()
			},
			"play": func(t *rapid.T) {
				for _, id := range slices.Sorted(maps.Keys(h.groups)) {
					h.plays(w.d, id, rapid.Bool().Draw(t, "playing"))
				}
			},
			"leave": func(t *rapid.T) {
				c := present(t)
				w.leaves(c, func() {
					if err := w.d.Leave(ctx, c); err != nil {
						t.Fatal(err)
					}
				})
			},
			"unavailable": func(t *rapid.T) {
				c := present(t)
				if !h.clients[c].GetAvailable() {
					t.Skip("is already")
				}
				h.clients[c].Available = proto.Bool(false)
				w.leaves(c, func() { w.d.Presence(ctx, c) })
			},
			"available": func(t *rapid.T) {
				c := present(t)
				was := w.placed(c)
				h.clients[c].Available = proto.Bool(true)
				w.d.Presence(ctx, c)
				if at := w.placed(c); at != was {
					t.Fatalf("%s became available and went from %s to %s", c, was, at)
				}
			},
			"switch": func(t *rapid.T) { w.switches(present(t)) },
			"around": func(t *rapid.T) { w.round(present(t)) },
			"away": func(t *rapid.T) {
				c := client(t)
				h.clients[c].Connected = false
				w.d.Presence(ctx, c)
			},
			"back": func(t *rapid.T) {
				c := client(t)
				was := w.placed(c)
				w.session++
				p := h.clients[c]
				p.Connected, p.SessionId, p.Available = true, fmt.Sprint("s", w.session), proto.Bool(false)
				w.d.Presence(ctx, c) // its clock is not set yet
				p.Available = proto.Bool(true)
				w.d.Presence(ctx, c)
				if at := w.placed(c); was != "" && at != was {
					t.Fatalf("%s came back and went from %s to %s", c, was, at)
				}
				w.follow()
			},
			"another director": func(*rapid.T) { w.d = h.director() },
			"":                 func(t *rapid.T) { w.t = t; w.check() },
		})
	})
}

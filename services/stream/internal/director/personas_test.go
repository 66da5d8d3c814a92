package director

import (
	"context"
	"errors"
	"slices"
	"testing"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// chairs keeps seats; they outlive a director.
type chairs struct {
	seats  map[string]*tuttiv1.Seat
	broken bool
}

func (c *chairs) Put(_ context.Context, key string, s *tuttiv1.Seat) (uint64, error) {
	if c.broken {
		return 0, errors.New("does not answer")
	}
	c.seats[key] = s
	return 1, nil
}

func (c *chairs) all() (out []*tuttiv1.Seat) {
	for _, s := range c.seats {
		out = append(out, s)
	}
	return out
}

// begin is a director that finds what an earlier one left.
func (h *house) begin(c *chairs) *Director {
	d := h.director()
	d.Seats, d.Tuning = c, h
	d.Seated(c.all())
	return d
}

// endpoint is a persona whose first device is active.
func endpoint(id, replaced string, devices ...string) *tuttiv1.Persona {
	p := &tuttiv1.Persona{PersonaId: id, Kind: "endpoint", Replaced: replaced}
	for i, dev := range devices {
		p.Devices = append(p.Devices, &tuttiv1.PersonaDevice{ClientId: dev, Active: i == 0})
	}
	return p
}

// lobby is a house with a group of a and b, and a spare c alone.
func lobby(t *testing.T) (*house, *chairs, *Director) {
	t.Helper()
	h, c := newHouse("a", "b", "c"), &chairs{seats: map[string]*tuttiv1.Seat{}}
	d := h.begin(c)
	if _, err := d.CreateGroup(t.Context(), &tuttiv1.CreateGroupRequest{Name: "Lobby", Members: []string{"a", "b"}}); err != nil {
		t.Fatal(err)
	}
	d.Persona(t.Context(), endpoint("p", "", "a", "c"))
	h.want(t, "g-1:a+b solo-c:c")
	return h, c, d
}

func TestASpareTakesThePlace(t *testing.T) {
	ctx := t.Context()
	h, c, d := lobby(t)
	d.Persona(ctx, endpoint("p", "a", "c", "a"))
	h.want(t, "g-1:c+b solo-a:a")
	// It is done once: what an operator does afterwards stands, also over a restart.
	if _, err := d.AddMember(ctx, &tuttiv1.GroupMemberRequest{GroupId: "g-1", ClientId: "a"}); err != nil {
		t.Fatal(err)
	}
	d.Persona(ctx, endpoint("p", "a", "c", "a"))
	d = h.begin(c)
	d.Persona(ctx, endpoint("p", "a", "c", "a"))
	h.want(t, "g-1:c+b+a")
	d.Persona(ctx, endpoint("p", "c", "a", "c")) // both are in it
	h.want(t, "g-1:b+a solo-c:c")
	d.Persona(ctx, &tuttiv1.Persona{PersonaId: "p", Kind: "endpoint", Retired: true})
	h.want(t, "g-1:b solo-a:a solo-c:c")
	if want := []string{"a>c", "c>a"}; !slices.Equal(h.moved, want) {
		t.Errorf("tunings moved %v, want %v", h.moved, want)
	}
}

func TestASwapWhileNobodyDirects(t *testing.T) {
	ctx := t.Context()
	h, c, _ := lobby(t)
	d := h.begin(c)
	d.Persona(ctx, endpoint("p", "a", "c", "a"))
	h.want(t, "g-1:c+b solo-a:a")

	// Made and swapped before any director looked: the persona tells who was replaced.
	h, _, d = lobby(t)
	d.Persona(ctx, endpoint("q", "b", "x", "b"))
	h.want(t, "g-1:a+x solo-b:b solo-c:c")
	// One that left the persona is there in its own right.
	d.Persona(ctx, endpoint("r", "a", "y"))
	h.want(t, "g-1:a+x solo-b:b solo-c:c")
}

func TestASwapIsTriedAgain(t *testing.T) {
	ctx := t.Context()
	h, c, d := lobby(t)
	h.deaf["g-1"] = true
	d.Persona(ctx, endpoint("p", "a", "c", "a"))
	h.want(t, "g-1:a+b solo-c:c")
	h.deaf["g-1"], c.broken = false, true
	d.Tend(ctx)
	h.want(t, "g-1:c+b solo-a:a")
	if got := c.seats["p"].GetClientId(); got != "a" {
		t.Fatalf("the seat is %q", got)
	}
	c.broken = false
	d.Tend(ctx)
	if got := c.seats["p"].GetClientId(); got != "c" {
		t.Fatalf("the seat is %q, want c", got)
	}
	h.want(t, "g-1:c+b solo-a:a")
}

func TestServersAndStrangersChangeNoGroup(t *testing.T) {
	h, _, d := lobby(t)
	p := endpoint("s", "a", "c", "a")
	p.Kind = "server"
	d.Persona(t.Context(), p)
	d.Persona(t.Context(), endpoint("q", "", "unknown"))
	d.Persona(t.Context(), endpoint("q", "unknown", "other", "unknown"))
	h.want(t, "g-1:a+b solo-c:c")
}

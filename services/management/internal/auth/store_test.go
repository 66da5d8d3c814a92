package auth

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
)

// TestTokensEndByTheClock: a token is not valid from its end on, and its last use is kept,
// seldom written.
func TestTokensEndByTheClock(t *testing.T) {
	c, log := bustest.Embedded(t), slog.New(slog.DiscardHandler)
	clock := clockwork.NewFakeClockAt(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	sup := actor.NewSupervisor(t.Context(), actor.SupervisorOptions{Name: "test", Log: log, Clock: clock})
	t.Cleanup(sup.Stop)
	s, err := OpenStore(t.Context(), sup, c, "the first one", clock, log)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := s.Watch(t.Context(), t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	end := clock.Now().Add(time.Hour)
	_, secret, err := s.Create(t.Context(), Token{ID: "t1", Name: "panel", Role: RoleNone, Zones: map[string]Role{"g1": RoleOperator}, ExpiresAt: &end})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := s.Find(HashOf(secret))
	if !ok || p.Actor != "token:panel" || p.In("g1") != RoleOperator || p.In("g2") != RoleNone || p.In("") != RoleNone || p.Somewhere() != RoleOperator || !p.Limited() {
		t.Errorf("Find = %+v, %t", p, ok)
	}
	used := func(want time.Time) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second)
		for !s.LastUsed("t1").Equal(want) {
			if time.Now().After(deadline) {
				t.Fatalf("last used %s, want %s", s.LastUsed("t1"), want)
			}
			time.Sleep(5 * time.Millisecond) // the pace of a poll
		}
	}
	first := clock.Now()
	used(first)
	clock.Advance(usedEvery - time.Second)
	s.Find(HashOf(secret))
	if at := s.LastUsed("t1"); !at.Equal(first) {
		t.Errorf("a use within %s was written: %s", usedEvery, at)
	}
	clock.Advance(time.Second)
	s.Find(HashOf(secret))
	used(clock.Now())
	clock.Advance(time.Hour - usedEvery - time.Nanosecond)
	if _, ok := s.Find(HashOf(secret)); !ok {
		t.Error("it ended too early")
	}
	clock.Advance(time.Nanosecond)
	if _, ok := s.Find(HashOf(secret)); ok {
		t.Error("it is valid after its end")
	}
}

// TestATokenWithoutAnEndHasNone: ten years later it is valid, and so is the first one, for
// this instance and for one that starts then; one that was given an end is not.
func TestATokenWithoutAnEndHasNone(t *testing.T) {
	c, log := bustest.Embedded(t), slog.New(slog.DiscardHandler)
	clock := clockwork.NewFakeClockAt(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	open := func(name string) *Store {
		sup := actor.NewSupervisor(t.Context(), actor.SupervisorOptions{Name: name, Log: log, Clock: clock})
		t.Cleanup(sup.Stop)
		s, err := OpenStore(t.Context(), sup, c, "the first one", clock, log)
		if err != nil {
			t.Fatal(err)
		}
		stop, err := s.Watch(t.Context(), t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		return s
	}
	s := open("one")
	_, panel, err := s.Create(t.Context(), Token{ID: "t1", Name: "panel", Role: RoleViewer})
	if err != nil {
		t.Fatal(err)
	}
	end := clock.Now().Add(time.Hour)
	_, guest, err := s.Create(t.Context(), Token{ID: "t2", Name: "guest", Role: RoleViewer, ExpiresAt: &end})
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(10 * 365 * 24 * time.Hour)
	later := open("two") // which knows them all when it says that it is open: else it would refuse them
	if n := len(later.List()); n != 2 {
		t.Errorf("a new instance knows %d tokens, want 2", n)
	}
	for who, s := range map[string]*Store{"the instance": s, "a new instance": later} {
		for name, secret := range map[string]string{"panel": panel, "the first": "the first one"} {
			if _, ok := s.Find(HashOf(secret)); !ok {
				t.Errorf("%s: %s is not valid any more", who, name)
			}
		}
		if _, ok := s.Find(HashOf(guest)); ok {
			t.Errorf("%s: the guest is valid after its end", who)
		}
	}
}

func TestRolesOfAPrincipal(t *testing.T) {
	for want, p := range map[string]Principal{
		"viewer viewer operator": {Role: RoleViewer, Zones: map[string]Role{"a": RoleOperator}},
		"none none viewer":       {Zones: map[string]Role{"a": RoleViewer}},
		"admin admin admin":      {Role: RoleAdmin, Zones: map[string]Role{"a": RoleViewer}},
	} {
		if got := fmt.Sprint(p.In(""), " ", p.In("b"), " ", p.In("a")); got != want {
			t.Errorf("%+v: %s, want %s", p, got, want)
		}
	}
}

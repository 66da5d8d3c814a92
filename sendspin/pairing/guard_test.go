package pairing

import (
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestRounds(t *testing.T) {
	var r Rounds
	for i := range RoundLimit {
		if r.Held() {
			t.Fatalf("held after %d rounds", i)
		}
		r.begin()
	}
	if !r.Held() || r.Count() != RoundLimit {
		t.Error("not held at the limit")
	}
	if again := RoundsFrom(r.Count()); !again.Held() {
		t.Error("a restart forgets the count")
	}
	r.Reset()
	if r.Held() || r.Count() != 0 {
		t.Error("held after the operator's action")
	}
	for _, c := range []struct{ limit, held int }{{5, 5}, {0, RoundLimit}, {-1, RoundLimit}, {99, RoundLimit}} {
		r := Rounds{Limit: c.limit, count: c.held - 1}
		if r.Held() {
			t.Errorf("limit %d: held at %d", c.limit, r.count)
		}
		if r.begin(); !r.Held() {
			t.Errorf("limit %d: not held at %d", c.limit, r.count)
		}
	}
	if RoundsFrom(-5).Count() != 0 {
		t.Error("a negative count")
	}
}

func TestWindowIsClosedUntilTheGesture(t *testing.T) {
	var w Window
	if w.IsOpen(t0) || w.admit(t0, 1) || !w.Expires().IsZero() {
		t.Error("open from the start")
	}
	w.Open(t0)
	if !w.IsOpen(t0) || !w.Expires().Equal(t0.Add(WindowLifetime)) {
		t.Error("the gesture does not open it")
	}
	last := t0.Add(WindowLifetime - 1)
	if !w.admit(last, 1) || w.admit(last.Add(1), 1) || w.IsOpen(last.Add(1)) {
		t.Error("the lifetime is not kept to")
	}
}

func TestWindowBelongsToOneConnection(t *testing.T) {
	var w Window
	w.Open(t0)
	if !w.admit(t0, 1) || w.admit(t0, 2) || !w.admit(t0, 1) {
		t.Error("not bound to the first connection")
	}
	w.Dropped(2)
	if !w.IsOpen(t0) {
		t.Error("another connection closes it")
	}
	w.Dropped(1)
	if w.IsOpen(t0) || w.admit(t0, 1) {
		t.Error("open without its connection")
	}
	w.Open(t0)
	w.Dropped(1)
	if !w.admit(t0, 2) {
		t.Error("a new gesture is no new window")
	}
}

func TestWindowFailures(t *testing.T) {
	var w Window
	w.Open(t0)
	w.fail(1) // of an attempt before this window
	for i := range WindowFailures {
		if !w.admit(t0, 1) {
			t.Fatalf("closed after %d failures", i)
		}
		w.fail(2)
		w.fail(1)
	}
	if w.IsOpen(t0) {
		t.Error("open after the fifth failure")
	}
	w.Open(t0)
	if w.admit(t0, 1); w.failed != 0 {
		t.Error("a new window inherits failures")
	}
}

func TestWindowClosing(t *testing.T) {
	w := Window{Lifetime: time.Second}
	for name, closing := range map[string]func(){"pairing": w.complete, "operator": w.Close} {
		w.Open(t0)
		if !w.Expires().Equal(t0.Add(time.Second)) {
			t.Error("the lifetime is lost")
		}
		if closing(); w.IsOpen(t0) || !w.Expires().IsZero() {
			t.Errorf("%s does not close it", name)
		}
	}
}

package idem

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCache(t *testing.T) (*Cache, *clockwork.FakeClock) {
	t.Helper()
	clock, log := clockwork.NewFakeClock(), slog.New(slog.DiscardHandler)
	sup := actor.NewSupervisor(t.Context(), actor.SupervisorOptions{Name: "test", Log: log, Clock: clock})
	t.Cleanup(sup.Stop)
	c, err := New(sup, clock, log)
	if err != nil {
		t.Fatal(err)
	}
	return c, clock
}

func key(i int) Key { return Key{Actor: "a", Method: "POST", Path: "/p", Key: fmt.Sprint(i)} }

func (c *Cache) begin(t *testing.T, k Key) *Answer {
	t.Helper()
	a, err := c.Begin(t.Context(), k, Digest{1})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAnswersAreKeptForADay(t *testing.T) {
	c, clock := newCache(t)
	if a := c.begin(t, key(1)); a != nil {
		t.Fatalf("a fresh key has the answer %+v", a)
	}
	c.Finish(t.Context(), key(1), &Answer{Status: 201})
	clock.Advance(TTL - 1)
	if a := c.begin(t, key(1)); a == nil || a.Status != 201 {
		t.Errorf("within a day: %+v", a)
	}
	clock.Advance(1)
	if a := c.begin(t, key(1)); a != nil {
		t.Errorf("after a day: %+v", a)
	}
}

func TestAnotherBodyIsRefused(t *testing.T) {
	c, _ := newCache(t)
	c.begin(t, key(1))
	if _, err := c.Begin(t.Context(), key(1), Digest{2}); fault.CodeOf(err) != fault.OutOfRange {
		t.Errorf("err = %v", err)
	}
	other := key(1)
	other.Actor = "b" // somebody else's key of the same name is another key
	if a, err := c.Begin(t.Context(), other, Digest{2}); a != nil || err != nil {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestTheOldestGivesWay(t *testing.T) {
	c, clock := newCache(t)
	for i := range MaxKeys + 1 {
		c.begin(t, key(i))
		c.Finish(t.Context(), key(i), &Answer{Status: 200})
		clock.Advance(1)
	}
	if a := c.begin(t, key(MaxKeys)); a == nil {
		t.Error("the newest is gone")
	}
	if a := c.begin(t, key(0)); a != nil {
		t.Error("the oldest is still there")
	}
}

func TestFailuresMayBeTriedAgain(t *testing.T) {
	c, _ := newCache(t)
	for range 3 * MaxKeys { // and leave nothing behind
		if a := c.begin(t, key(1)); a != nil {
			t.Fatalf("answer %+v of a failure", a)
		}
		c.Finish(t.Context(), key(1), nil)
	}
}

func TestTheSecondWaitsForTheFirst(t *testing.T) {
	c, _ := newCache(t)
	c.begin(t, key(1))
	got := make(chan *Answer, 1)
	go func() {
		a, _ := c.Begin(t.Context(), key(1), Digest{1})
		got <- a
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Begin(ctx, key(1), Digest{1}); err == nil {
		t.Error("a waiter whose request ended got an answer")
	}
	c.Finish(t.Context(), key(1), &Answer{Status: 200})
	if a := <-got; a == nil || a.Status != 200 {
		t.Errorf("the second got %+v", a)
	}
}

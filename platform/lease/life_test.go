package lease_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/lease"
)

// within polls for a fact with a generous deadline.
func within(t *testing.T, limit time.Duration, what func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) { // between two looks
		if err = what(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

func TestAnotherTTLIsRefusedWhileAProcessRuns(t *testing.T) {
	c := bustest.Embedded(t)
	a := manager(t, c, "a")
	acquire(t, a, "k")
	_, err := lease.NewManager(c, "b", lease.Options{TTL: 3 * time.Second})
	if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "but a,") || !strings.Contains(err.Error(), "--lease-ttl "+lasting.String()) {
		t.Fatalf("another TTL beside a running process: %v", err)
	}
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := lease.NewManager(c, "b", lease.Options{TTL: 3 * time.Second})
	if err != nil {
		t.Fatalf("after the other one ended: %v", err)
	}
	acquire(t, b, "k")
	// One that was opened before b lived finds out when it wants its first lease.
	if _, err := lease.NewManager(c, "c", lease.Options{TTL: time.Second, Alone: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := lease.NewManager(c, "x", lease.Options{TTL: time.Millisecond}); err == nil {
		t.Error("a TTL of 1 ms is accepted")
	}
}

func TestTheFirstLeaseFindsAnotherTTL(t *testing.T) {
	c := bustest.Embedded(t)
	late, err := lease.NewManager(c, "late", lease.Options{TTL: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	l := acquire(t, manager(t, c, "a"), "k") // nobody lived when it was opened
	if _, err := late.Acquire(t.Context(), "other"); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a lease under another TTL: %v", err)
	}
	if !l.Valid() {
		t.Error("the lease of who was there first is lost")
	}
}

func TestCloseFreesEverythingAtOnce(t *testing.T) {
	c := bustest.Embedded(t)
	a, b := manager(t, c, "a"), manager(t, c, "b")
	one, two := acquire(t, a, "1"), acquire(t, a, "2")
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if one.Valid() || two.Valid() {
		t.Error("leases of a closed manager are believed in")
	}
	for _, l := range []*lease.Lease{one, two} {
		if next := acquire(t, b, l.Key()); next.Fence() <= l.Fence() {
			t.Errorf("%s: fence %d after %d", l.Key(), next.Fence(), l.Fence())
		}
	}
	if _, err := a.Acquire(t.Context(), "3"); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("acquire after Close: %v", err)
	}
}

// TestOneHeartbeatKeepsManyLeases: no record of a lease is written again, and all of
// them outlive the TTL.
func TestOneHeartbeatKeepsManyLeases(t *testing.T) {
	t.Parallel() // most of it is waiting
	c := bustest.Embedded(t)
	a, b := manager(t, c, "a"), manager(t, c, "b")
	var held []*lease.Lease
	for i := range 100 {
		held = append(held, acquire(t, a, fmt.Sprint("device/", i)))
	}
	<-time.After(lasting * 3 / 2) // the fact that is tested is what happens in this time
	for _, l := range held {
		owner, fence, err := b.Holder(t.Context(), l.Key())
		if err != nil || owner != "a" || fence != l.Fence() || !l.Valid() {
			t.Fatalf("%s: %s %d %v, want a %d", l.Key(), owner, fence, err, l.Fence())
		}
	}
}

// TestObserverSeesDeath: an observer hears of leases that are taken, released, and freed
// by a death.
func TestObserverSeesDeath(t *testing.T) {
	t.Parallel() // most of it is waiting
	c := bustest.Embedded(t)
	dying, err := c.Another(t.Context(), "dying")
	if err != nil {
		t.Fatal(err)
	}
	a, b := manager(t, dying, "a"), manager(t, c, "b")
	o, err := b.Observe("group.")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	want := func(want string) {
		t.Helper()
		within(t, 12*lasting, func() error {
			held, known := o.Held()
			got := ""
			for _, k := range []string{"group.1", "group.2", "other"} {
				if h, ok := held[k]; ok {
					got += k + "=" + h.Owner + " "
				}
			}
			if !known || got != want {
				return fmt.Errorf("held %q (known %v), want %q", got, known, want)
			}
			return nil
		})
	}
	want("")
	l := acquire(t, a, "group.1")
	acquire(t, a, "group.2")
	acquire(t, a, "other")
	want("group.1=a group.2=a ")
	if err := l.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("group.2=a ")
	if err := dying.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("")
}

// TestOverdueBeforeItIsOver: who misses renewals that others make is overdue while its lease
// lasts. Where nobody's renewals are seen, nobody is: the bus takes none.
func TestOverdueBeforeItIsOver(t *testing.T) {
	c := bustest.Embedded(t)
	dying, err := c.Another(t.Context(), "dying")
	if err != nil {
		t.Fatal(err)
	}
	a := managerOf(t, dying, "a", time.Minute)
	clock := clockwork.NewFakeClock()
	b, err := lease.NewManager(c, "b", lease.Options{TTL: time.Minute, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	o, err := b.Observe("group.")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	acquire(t, a, "group.1")
	acquire(t, a, "other")
	within(t, 12*lasting, func() error {
		if held, known := o.Held(); !known || len(held) != 1 {
			return fmt.Errorf("held %v (known %v), want one", held, known)
		}
		return nil
	})
	if err := dying.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	clock.Advance(40 * time.Second)
	if late := o.Overdue(30 * time.Second); len(late) != 0 {
		t.Errorf("%v are overdue, although nobody renews", late)
	}
	acquire(t, b, "group.2")
	within(t, 12*lasting, func() error {
		if late := o.Overdue(30 * time.Second); len(late) != 1 || !late["group.1"] {
			return fmt.Errorf("overdue: %v, want group.1", late)
		}
		return nil
	})
	if late := o.Overdue(50 * time.Second); len(late) != 0 {
		t.Errorf("%v are overdue by more than they are", late)
	}
	if held, _ := o.Held(); held["group.1"].Owner != "a" {
		t.Errorf("held: %v; the lease is overdue, and not over", held)
	}
}

// TestTimeToTakeOver measures what the choice of the TTL rests on: from the last sign of
// life of a holder to its successor's acquisition, at the TTL that the deployment uses.
func TestTimeToTakeOver(t *testing.T) {
	c := bustest.Embedded(t)
	b, err := lease.NewManager(c, "b", lease.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var worst time.Duration
	for i := range 3 {
		dying, err := c.Another(t.Context(), "dying")
		if err != nil {
			t.Fatal(err)
		}
		a, err := lease.NewManager(dying, "a", lease.Options{})
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprint("k", i)
		acquire(t, a, key)
		ctx, cancel := context.WithCancel(t.Context())
		won := make(chan time.Time, 1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.Campaign(ctx, key, func(ctx context.Context, _ *lease.Lease) { won <- time.Now(); <-ctx.Done() })
		}()
		if err := dying.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		died := time.Now()
		took := next(t, won, time.Minute).Sub(died)
		worst = max(worst, took)
		t.Logf("taken over %v after the death", took.Round(time.Millisecond))
		cancel()
		<-done
	}
	// On an idle machine it is TTL + 0.25 s at most; this only keeps a look-after (10 TTL)
	// from passing for the watch.
	if worst > 4*lease.DefaultTTL {
		t.Errorf("%v: the watch does not tell of the death", worst)
	}
}

// TestWatchLives hears of processes that come, die, and end.
func TestWatchLives(t *testing.T) {
	t.Parallel() // most of it is waiting
	c := bustest.Embedded(t)
	dying, err := c.Another(t.Context(), "dying")
	if err != nil {
		t.Fatal(err)
	}
	a, b := manager(t, dying, "a"), manager(t, c, "b")
	acquire(t, a, "1")
	news := make(chan string, 16)
	stop, err := b.WatchLives(t.Context(), func(owner string, alive bool) { news <- fmt.Sprint(owner, " ", alive) }, func() { news <- "initial" })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	want := func(want ...string) {
		t.Helper()
		for _, w := range want {
			if got := next(t, news, 12*lasting); got != w {
				t.Fatalf("heard %q, want %q", got, w)
			}
		}
	}
	want("a true", "initial")
	third := manager(t, c, "c")
	acquire(t, third, "2")
	want("c true")
	if err := dying.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("a false")
	if err := third.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("c false")
}

package lease_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// ttl is for tests in which a holder dies and that is waited for.
	ttl = time.Second
	// lasting is for tests that say that a lease lasts: a slow machine may hold up a
	// renewal for seconds, and with a TTL of so much the lease is lost by right.
	lasting = 10 * time.Second
)

func manager(t *testing.T, c *bus.Conn, owner string) *lease.Manager {
	t.Helper()
	return managerOf(t, c, owner, lasting)
}

func managerOf(t *testing.T, c *bus.Conn, owner string, ttl time.Duration) *lease.Manager {
	t.Helper()
	m, err := lease.NewManager(c, owner, lease.Options{TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func acquire(t *testing.T, m *lease.Manager, key string) *lease.Lease {
	t.Helper()
	l, err := m.Acquire(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestOneHolderAndGrowingFence(t *testing.T) {
	t.Parallel() // most of it is waiting
	c := bustest.Embedded(t)
	a, b := manager(t, c, "a"), manager(t, c, "b")
	l := acquire(t, a, "group/1")
	_, err := b.Acquire(t.Context(), "group/1")
	if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "held by a") {
		t.Fatalf("second holder: %v", err)
	}
	if _, err := a.Acquire(t.Context(), "group/1"); fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("twice by one manager: %v", err)
	}
	// Longer than the TTL: renewals keep it, and the fence stays.
	deadline := time.Now().Add(lasting * 3 / 2)
	for time.Now().Before(deadline) {
		select {
		case <-l.Lost():
			t.Fatal("lost although it was renewed")
		case <-time.After(50 * time.Millisecond):
		}
	}
	if owner, fence, err := b.Holder(t.Context(), "group/1"); owner != "a" || fence != l.Fence() || err != nil {
		t.Fatalf("holder: %q %d %v, want a %d", owner, fence, err, l.Fence())
	}
	if err := l.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-l.Lost()
	if _, _, err := b.Holder(t.Context(), "group/1"); fault.CodeOf(err) != fault.NotFound {
		t.Fatalf("holder after release: %v", err)
	}
	l2 := acquire(t, b, "group/1")
	defer l2.Release(t.Context())
	if l2.Fence() <= l.Fence() {
		t.Fatalf("fence %d after %d", l2.Fence(), l.Fence())
	}
}

// term is one time in office, as the test sees it.
type term struct {
	owner string
	fence uint64
}

func campaign(t *testing.T, ctx context.Context, m *lease.Manager, owner string, terms chan<- term, ended chan<- string) (wait func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Campaign(ctx, "leader", func(ctx context.Context, l *lease.Lease) {
			terms <- term{owner, l.Fence()}
			<-ctx.Done()
			ended <- owner
		})
	}()
	return func() { <-done }
}

func next[T any](t *testing.T, c <-chan T, limit time.Duration) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(limit):
		t.Fatalf("nothing came within %v", limit)
		panic("unreachable")
	}
}

func TestCampaignHandsOverOnRelease(t *testing.T) {
	c := bustest.Embedded(t)
	terms, ended := make(chan term, 4), make(chan string, 4)
	actx, acancel := context.WithCancel(t.Context())
	await := campaign(t, actx, manager(t, c, "a"), "a", terms, ended)
	first := next(t, terms, time.Minute)
	bctx, bcancel := context.WithCancel(t.Context())
	bwait := campaign(t, bctx, manager(t, c, "b"), "b", terms, ended)
	acancel()
	await()
	second := next(t, terms, time.Minute)
	if first.owner != "a" || second.owner != "b" || second.fence <= first.fence {
		t.Fatalf("terms: %v then %v", first, second)
	}
	bcancel()
	bwait()
}

// TestCrash: the holder's connection is cut without a release, so only the TTL
// frees the lease; the crashed side learns of its loss.
func TestCrash(t *testing.T) {
	t.Parallel() // most of it is waiting
	c := bustest.Embedded(t)
	crashing, err := c.Another(t.Context(), "crashing")
	if err != nil {
		t.Fatal(err)
	}
	l := acquire(t, manager(t, crashing, "a"), "leader")
	terms, ended := make(chan term, 4), make(chan string, 4)
	ctx, cancel := context.WithCancel(t.Context())
	wait := campaign(t, ctx, manager(t, c, "b"), "b", terms, ended)
	if err := crashing.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	next(t, l.Lost(), time.Minute)
	if got := next(t, terms, time.Minute); got.owner != "b" || got.fence <= l.Fence() {
		t.Fatalf("successor: %v after fence %d", got, l.Fence())
	}
	cancel()
	wait()
}

// TestPartition: the server goes away under the holder. It must give up by itself
// before its TTL has passed, and the campaign must win again after the server is
// back.
func TestPartition(t *testing.T) {
	srv := bustest.StartServer(t)
	c := bustest.Connect(t, srv)
	terms, ended := make(chan term, 4), make(chan string, 4)
	ctx, cancel := context.WithCancel(t.Context())
	wait := campaign(t, ctx, managerOf(t, c, "a", ttl), "a", terms, ended)
	first := next(t, terms, time.Minute)
	srv.Stop()
	if got := next(t, ended, time.Minute); got != "a" {
		t.Fatalf("ended: %q", got)
	}
	srv.Start()
	if second := next(t, terms, time.Minute); second.fence <= first.fence {
		t.Fatalf("fence %d after %d", second.fence, first.fence)
	}
	cancel()
	wait()
}

func TestReleaseWithoutBus(t *testing.T) {
	c := bustest.Embedded(t)
	other, err := c.Another(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	l := acquire(t, manager(t, other, "a"), "k")
	if err := other.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(t.Context()); err != nil && !errors.Is(err, context.Canceled) && fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("release without a bus: %v", err)
	}
}

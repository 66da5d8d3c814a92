package gate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// waiter is a connection that waits in a queue; its leave comes when it has a place.
type waiter struct {
	name   string
	leave  func()
	cancel context.CancelFunc
}

// crowd lets connections wait and tells in which order they got their places.
type crowd struct {
	t   *testing.T
	q   *Queue
	in  chan waiter
	err chan error
	wg  sync.WaitGroup
}

func newCrowd(t *testing.T, q *Queue) *crowd {
	c := &crowd{t: t, q: q, in: make(chan waiter, 100), err: make(chan error, 100)}
	t.Cleanup(c.wg.Wait)
	return c
}

// come makes a connection wait; it returns when it stands in the queue.
func (c *crowd) come(remote string) *waiter {
	c.t.Helper()
	before := c.q.Waiting()
	ctx, cancel := context.WithCancel(c.t.Context())
	w := &waiter{name: remote, cancel: cancel}
	c.wg.Go(func() {
		leave, waited, err := c.q.Wait(ctx, remote)
		if err != nil || !waited {
			c.err <- fmt.Errorf("%s: waited %v: %w", remote, waited, err)
			return
		}
		c.in <- waiter{name: remote, leave: leave}
	})
	for deadline := time.Now().Add(time.Minute); c.q.Waiting() == before; {
		if time.Now().After(deadline) {
			c.t.Fatalf("%s does not wait", remote)
		}
		time.Sleep(time.Millisecond)
	}
	return w
}

// next is who got a place.
func (c *crowd) next() waiter {
	c.t.Helper()
	select {
	case w := <-c.in:
		return w
	case err := <-c.err:
		c.t.Fatal(err)
	case <-time.After(time.Minute):
		c.t.Fatal("nobody got the place")
	}
	return waiter{}
}

func enter(t *testing.T, q *Queue, remote string) (leave func()) {
	t.Helper()
	leave, waited, err := q.Wait(t.Context(), remote)
	if err != nil || waited {
		t.Fatalf("%s: waited %v, %v", remote, waited, err)
	}
	return leave
}

func TestAddressesTakeTurns(t *testing.T) {
	q := NewQueue(New(2, 2), 10, 10)
	a, b := enter(t, q, "192.0.2.1:1"), enter(t, q, "192.0.2.1:2")
	c := newCrowd(t, q)
	// A crowd of one address came before the two of others.
	for _, r := range []string{"192.0.2.9:1", "192.0.2.9:2", "192.0.2.9:3", "192.0.2.7:1", "192.0.2.8:1"} {
		c.come(r)
	}
	a()
	for _, want := range []string{"192.0.2.9:1", "192.0.2.7:1", "192.0.2.8:1", "192.0.2.9:2", "192.0.2.9:3"} {
		w := c.next()
		if w.name != want {
			t.Fatalf("the place went to %s, want %s", w.name, want)
		}
		w.leave()
		w.leave() // twice is once
	}
	b()
	if q.g.Open() != 0 || q.Waiting() != 0 || len(q.turns) != 0 || len(q.waiting) != 0 || len(q.g.by) != 0 {
		t.Errorf("left over: %d open, %d waiting, turns %v", q.g.Open(), q.Waiting(), q.turns)
	}
}

// An address that has all its places lets those behind it pass.
func TestFullAddressIsPassedOver(t *testing.T) {
	q := NewQueue(New(3, 1), 10, 10)
	one := enter(t, q, "192.0.2.1:1")
	two, three := enter(t, q, "192.0.2.2:1"), enter(t, q, "192.0.2.3:1")
	c := newCrowd(t, q)
	c.come("192.0.2.1:2")
	c.come("192.0.2.4:1")
	two()
	w := c.next()
	if w.name != "192.0.2.4:1" {
		t.Errorf("the place went to %s, whose address has one", w.name)
	}
	one()
	v := c.next()
	if v.name != "192.0.2.1:2" {
		t.Errorf("then to %s", v.name)
	}
	w.leave()
	v.leave()
	three()
}

func TestQueueIsBounded(t *testing.T) {
	q := NewQueue(New(1, 1), 3, 2)
	leave := enter(t, q, "192.0.2.1:1")
	c := newCrowd(t, q)
	ws := []*waiter{c.come("192.0.2.1:2"), c.come("192.0.2.1:3")}
	if _, _, err := q.Wait(t.Context(), "192.0.2.1:4"); !errors.Is(err, ErrAddressFull) {
		t.Errorf("third of one address: %v", err)
	}
	ws = append(ws, c.come("192.0.2.2:1"))
	if _, _, err := q.Wait(t.Context(), "192.0.2.3:1"); !errors.Is(err, ErrFull) {
		t.Errorf("fourth in all: %v", err)
	}
	for _, w := range ws { // they give up
		w.cancel()
		if err := <-c.err; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	leave()
	enter(t, q, "192.0.2.3:2")()
	if q.g.Open() != 0 || q.Waiting() != 0 || len(q.turns) != 0 || len(q.waiting) != 0 {
		t.Errorf("left over: %d open, %d waiting", q.g.Open(), q.Waiting())
	}
}

// Whoever gives up in the moment in which it is granted a place gives it to the next.
func TestNoPlaceIsLostBetweenGrantAndGivingUp(t *testing.T) {
	q := NewQueue(New(1, 1), 100, 100)
	var wg sync.WaitGroup
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		if i%2 == 0 {
			go cancel()
		}
		wg.Go(func() {
			defer cancel()
			if leave, _, err := q.Wait(ctx, fmt.Sprintf("192.0.2.%d:1", i%5)); err == nil {
				leave()
			}
		})
	}
	wg.Wait()
	if q.g.Open() != 0 || q.Waiting() != 0 {
		t.Errorf("left over: %d open, %d waiting", q.g.Open(), q.Waiting())
	}
	enter(t, q, "192.0.2.1:1")()
}

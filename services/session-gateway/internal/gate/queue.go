package gate

import (
	"context"
	"net/netip"
	"slices"
)

// Queue lets connections wait for a place in a gate, fairly: the addresses that have
// somebody waiting take turns, so that a crowd behind one address delays itself and not
// the others. It is bounded, in all and per address; beyond that a connection is refused.
type Queue struct {
	g                 *Gate
	total, perAddress int

	// Guarded by g.mu.
	waiting map[netip.Addr][]*ticket
	turns   []netip.Addr // those with somebody waiting, the next one first
	n       int
}

// ticket is one that waits.
type ticket struct {
	granted chan struct{} // closed, with g.mu held, when it has a place
	done    bool          // granted
}

// NewQueue returns a queue before g of total places, perAddress of one address. All who
// enter g from now on should do so by Wait.
func NewQueue(g *Gate, total, perAddress int) *Queue {
	q := &Queue{g: g, total: total, perAddress: perAddress, waiting: map[netip.Addr][]*ticket{}}
	g.freed = q.grant
	return q
}

// Wait takes a place in the gate for a connection from remote ("host:port"), at once or
// in its turn. It fails with ErrFull or ErrAddressFull when too many wait already, and
// with ctx's error. leave gives the place back and may be called more than once.
func (q *Queue) Wait(ctx context.Context, remote string) (leave func(), waited bool, err error) {
	addr := key(remote)
	g := q.g
	g.mu.Lock()
	if len(q.waiting[addr]) == 0 && g.roomFor(addr) == nil {
		leave = g.take(addr)
		g.mu.Unlock()
		return leave, false, nil
	}
	switch {
	case q.n >= q.total:
		err = ErrFull
	case len(q.waiting[addr]) >= q.perAddress:
		err = ErrAddressFull
	}
	if err != nil {
		g.mu.Unlock()
		return nil, false, err
	}
	t := &ticket{granted: make(chan struct{})}
	if len(q.waiting[addr]) == 0 {
		q.turns = append(q.turns, addr)
	}
	q.waiting[addr] = append(q.waiting[addr], t)
	q.n++
	g.mu.Unlock()

	select {
	case <-t.granted:
	case <-ctx.Done():
		g.mu.Lock()
		defer g.mu.Unlock()
		if t.done { // both at once: the place goes to the next
			g.leave(addr)
		} else {
			q.forget(addr, t)
		}
		return nil, true, ctx.Err()
	}
	return g.once(addr), true, nil
}

// Waiting is the number of connections that wait.
func (q *Queue) Waiting() int {
	q.g.mu.Lock()
	defer q.g.mu.Unlock()
	return q.n
}

// grant gives free places to those whose turn it is; g.mu is held.
func (q *Queue) grant() {
	for i := 0; i < len(q.turns); {
		addr := q.turns[i]
		err := q.g.roomFor(addr)
		if err == ErrFull {
			return
		}
		if err != nil { // it has all the places that it may have
			i++
			continue
		}
		t := q.waiting[addr][0]
		q.g.open++
		q.g.by[addr]++
		q.forget(addr, t)
		if len(q.waiting[addr]) > 0 { // the others first
			q.turns = append(slices.Delete(q.turns, i, i+1), addr)
		}
		t.done = true
		close(t.granted)
	}
}

// forget takes t out of the queue; g.mu is held.
func (q *Queue) forget(addr netip.Addr, t *ticket) {
	q.n--
	rest := slices.DeleteFunc(q.waiting[addr], func(o *ticket) bool { return o == t })
	if len(rest) > 0 {
		q.waiting[addr] = rest
		return
	}
	delete(q.waiting, addr)
	q.turns = slices.DeleteFunc(q.turns, func(a netip.Addr) bool { return a == addr })
}

package cluster

import (
	"sync"
	"testing"
	"time"
)

// monitor watches, while a fault lasts, how full the players' buffers are and whether
// groups take orders.
type monitor struct {
	f     *Fleet
	c     *Cluster
	began time.Time
	stop  chan struct{}
	work  sync.WaitGroup

	mu     sync.Mutex
	thin   time.Time              // when a player last had less than half its buffer ahead
	orders map[string]*orderState // by group
}

type orderState struct {
	longest time.Duration // from the first try of an order until it was taken
	since   time.Time     // of the order that is being tried; zero: none
	taken   int
	err     error
}

// orderPause is between an order that was taken and the next, and between two tries.
const (
	orderPause = time.Second
	orderRetry = 100 * time.Millisecond
)

// watch begins now.
func (f *Fleet) watch(c *Cluster) *monitor {
	m := &monitor{f: f, c: c, began: time.Now(), stop: make(chan struct{}), orders: map[string]*orderState{}}
	m.work.Go(m.buffers)
	for _, id := range f.Groups {
		m.orders[id] = &orderState{}
	}
	for id, o := range m.orders {
		m.work.Go(func() { m.order(id, o) })
	}
	return m
}

func (m *monitor) buffers() {
	for m.sleep(50 * time.Millisecond) {
		if m.f.Thin(BufferSeconds*time.Second/2) != "" {
			m.mu.Lock()
			m.thin = time.Now()
			m.mu.Unlock()
		}
	}
}

// order gives a group one order after the other that changes nothing that is heard.
func (m *monitor) order(id string, o *orderState) {
	pause := time.Duration(1)
	for m.sleep(pause) {
		m.mu.Lock()
		if o.since.IsZero() {
			o.since = time.Now()
		}
		m.mu.Unlock()
		err := m.c.Do("POST", "/api/v1/groups/"+id+"/volume", map[string]any{"volume": 40}, nil)
		m.mu.Lock()
		pause, o.err = orderRetry, err
		if err == nil {
			o.longest, o.taken, o.since, pause = max(o.longest, time.Since(o.since)), o.taken+1, time.Time{}, orderPause
		}
		m.mu.Unlock()
	}
}

func (m *monitor) sleep(d time.Duration) bool {
	select {
	case <-m.stop:
		return false
	case <-time.After(d):
		return true
	}
}

// recovered waits until buffers have been full for as long as they are, every group has taken an
// order, and the line-in was heard for a second; it gives up after limit.
func (m *monitor) recovered(t testing.TB, limit time.Duration) {
	for end := time.Now().Add(limit); time.Now().Before(end) && m.sleep(100*time.Millisecond); {
		if m.fine() && m.f.hearsLive(t, time.Second) {
			return
		}
	}
}

func (m *monitor) fine() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.orders {
		if o.taken < 2 || !o.since.IsZero() && time.Since(o.since) > orderPause {
			return false
		}
	}
	return time.Since(m.began) > BufferSeconds*time.Second && time.Since(m.thin) > BufferSeconds*time.Second
}

// end stops watching and fills in what was seen.
func (m *monitor) end(r *Row) {
	close(m.stop)
	m.work.Wait()
	for _, in := range m.c.Instances {
		r.crashed = append(r.crashed, in.crashesSince(m.began)...)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.thin.IsZero() {
		r.Music = m.thin.Sub(m.began)
		if time.Since(m.thin) < time.Second {
			r.Music = -1
		}
	}
	for id, o := range m.orders {
		if o.err != nil {
			r.ordersUnanswered = append(r.ordersUnanswered, id+": "+o.err.Error())
		}
		r.Orders = max(r.Orders, o.longest)
	}
	if len(r.ordersUnanswered) > 0 {
		r.Orders = -1
	}
}

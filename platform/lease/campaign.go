package lease

import (
	"context"
	"math/rand/v2"
	"time"
)

// releaseTimeout bounds the farewell of a campaign.
const releaseTimeout = time.Second

// Campaign tries to hold the lease of key until ctx ends, and blocks that long. Each
// time it is acquired, run is called; its context ends when the lease is lost, and
// run must then return. When run returns by itself the lease is released, and after
// a third of the TTL the campaign goes on, so that another process may have it.
func (m *Manager) Campaign(ctx context.Context, key string, run func(ctx context.Context, l *Lease)) {
	w := &waiter{key: key, wake: make(chan struct{}, 1)}
	m.entries.join(w)
	defer m.entries.part(w)
	for ctx.Err() == nil {
		l, err := m.Acquire(ctx, key)
		if err != nil {
			m.await(ctx, w)
			continue
		}
		m.serve(ctx, l, run)
		m.pause(ctx, m.ttl/3)
	}
}

// serve runs run under the lease and releases it.
func (m *Manager) serve(ctx context.Context, l *Lease, run func(ctx context.Context, l *Lease)) {
	rctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-l.Lost():
			cancel()
		case <-rctx.Done():
		}
	}()
	defer func() {
		cancel()
		<-ended
		bye, done := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer done()
		_ = l.Release(bye) // when it fails, the manager tries again
	}()
	run(rctx, l)
}

// Between two tries, in TTLs: while another process holds the lease the table says when
// it ends, and the look is for what the table might miss.
const (
	lookHeld  = 10
	lookAfter = 1
)

// await waits until a try is worth it.
func (m *Manager) await(ctx context.Context, w *waiter) {
	for {
		d := m.ttl / 6 // the bus is away, most likely
		if m.entries.start() == nil {
			free, known := m.entries.free(w.key)
			d = m.ttl * lookAfter
			if known && !free {
				d = m.ttl * lookHeld
			}
			d = d/2 + rand.N(d/2)
		}
		select {
		case <-w.wake:
			if free, known := m.entries.free(w.key); known && !free {
				continue // somebody else was faster
			}
			return
		case <-m.clock.After(d):
			return
		case <-ctx.Done():
			return
		}
	}
}

func (m *Manager) pause(ctx context.Context, d time.Duration) {
	select {
	case <-m.clock.After(d):
	case <-ctx.Done():
	}
}

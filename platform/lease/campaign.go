package lease

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
)

// releaseTimeout bounds the farewell of a campaign.
const releaseTimeout = time.Second

// Campaign tries to hold the lease of key until ctx ends, and blocks that long. Each
// time it is acquired, run is called; its context ends when the lease is lost, and
// run must then return. When run returns by itself the lease is released, and after
// a third of the TTL the campaign goes on, so that another process may have it.
func (m *Manager) Campaign(ctx context.Context, key string, run func(ctx context.Context, l *Lease)) {
	w := waiting{m: m, key: key, free: make(chan struct{}, 1)}
	defer w.close()
	for ctx.Err() == nil {
		l, err := m.Acquire(ctx, key)
		if err != nil {
			w.wait(ctx)
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
		_ = l.Release(bye) // when it fails, the TTL releases it
	}()
	run(rctx, l)
}

// waiting is a campaign's wait for a key to be free: a watch, opened when it is first
// needed and kept, is the fast way; a look after about a TTL the sure one.
type waiting struct {
	m    *Manager
	key  string
	free chan struct{} // one slot: the key went
	stop func()
}

func (w *waiting) wait(ctx context.Context) {
	d := w.m.ttl/2 + rand.N(w.m.ttl/2)
	if w.stop == nil && !w.watch(ctx) {
		d = w.m.ttl / 6 // the bus is away, most likely
	}
	select {
	case <-w.free:
	case <-w.m.clock.After(d):
	case <-ctx.Done():
	}
}

// watch opens the watch; it reports whether that worked.
func (w *waiting) watch(ctx context.Context) bool {
	present := false
	stop, err := w.m.b.Watch(ctx, w.key, func(e bus.Entry[*wrapperspb.StringValue]) {
		if present = e.Value != nil; !present {
			signal(w.free)
		}
	}, func() {
		if !present { // it went before the watch was there
			signal(w.free)
		}
	})
	if err != nil {
		return false
	}
	w.stop = stop
	return true
}

func (w *waiting) close() {
	if w.stop != nil {
		w.stop()
	}
}

func (m *Manager) pause(ctx context.Context, d time.Duration) {
	select {
	case <-m.clock.After(d):
	case <-ctx.Done():
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

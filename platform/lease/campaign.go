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
	for ctx.Err() == nil {
		l, err := m.Acquire(ctx, key)
		if err != nil {
			m.awaitFree(ctx, key)
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

// awaitFree waits until the key is gone, and at most about a TTL: the watch is the
// fast way, the look after a while the sure one.
func (m *Manager) awaitFree(ctx context.Context, key string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	free := make(chan struct{}, 1)
	present := false
	stop, err := m.b.Watch(ctx, key, func(e bus.Entry[*wrapperspb.StringValue]) {
		present = e.Value != nil
		if !present {
			signal(free)
		}
	}, func() {
		if !present {
			signal(free)
		}
	})
	if err == nil {
		defer stop()
	}
	wait := m.ttl/2 + rand.N(m.ttl/2)
	if err != nil {
		wait = m.ttl / 6
	}
	select {
	case <-free:
	case <-m.clock.After(wait):
	case <-ctx.Done():
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

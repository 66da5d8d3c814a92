package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
)

const (
	// maxErrands bounds what sessions still have to say to pairing while it is away.
	maxErrands = 4096
	// errandsGrace is how long they may take when the gateway stops.
	errandsGrace = 1500 * time.Millisecond
)

// errands run beside the sessions and outlive them: a session's end is told after it.
type errands struct {
	m      *metrics.Metrics
	ctx    context.Context
	cancel context.CancelFunc
	crew   crew
	places chan struct{}
}

func newErrands(m *metrics.Metrics) *errands {
	e := &errands{m: m, places: make(chan struct{}, maxErrands)}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// run runs f, whose ctx ends when the gateway is gone. Above the bound, and after the
// end, f is not run, and counted.
func (e *errands) run(f func(ctx context.Context)) bool {
	select {
	case e.places <- struct{}{}:
	default:
		e.m.ErrandsDropped.Inc()
		return false
	}
	started := e.crew.Go(func() {
		defer func() { <-e.places }()
		f(e.ctx)
	})
	if !started {
		<-e.places
		e.m.ErrandsDropped.Inc()
	}
	return started
}

// stop gives errands a moment, then ends them and waits.
func (e *errands) stop(clock clockwork.Clock) {
	defer e.cancel()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { defer close(done); e.crew.Wait() })
	select {
	case <-done:
	case <-clock.After(errandsGrace):
		e.cancel()
	}
	wg.Wait()
}

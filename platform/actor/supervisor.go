package actor

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
)

// Backoff defaults between two lives.
const (
	defaultBackoffMin = 100 * time.Millisecond
	defaultBackoffMax = 30 * time.Second
)

// SupervisorOptions describe a supervisor. Zero values are replaced by defaults.
type SupervisorOptions struct {
	// Name is in the log lines of its actors.
	Name string
	// Log is slog's discard handler when nil.
	Log *slog.Logger
	// Clock times the backoff; the real one when nil.
	Clock clockwork.Clock
	// Metrics are unregistered when nil.
	Metrics *Metrics
	// MaxRestarts is how many crashes in a row an actor may have before it is
	// ended; 0: any number. A life longer than BackoffMax ends the row.
	MaxRestarts int
	// BackoffMin and BackoffMax bound the wait before a new life (100 ms, 30 s). It
	// doubles with each crash in a row; half of it is random.
	BackoffMin time.Duration
	BackoffMax time.Duration
}

// Supervisor owns actors: it runs their goroutines, restarts those that crash, and
// ends them all. Its methods are safe for concurrent use.
type Supervisor struct {
	o      SupervisorOptions
	ctx    context.Context
	cancel context.CancelFunc

	// mu guards what a WaitGroup cannot: no Add once Stop waits.
	mu      sync.Mutex
	stopped bool
	wg      sync.WaitGroup
}

// NewSupervisor makes a supervisor without children. The end of ctx stops them as
// Stop does, but only Stop waits.
func NewSupervisor(ctx context.Context, o SupervisorOptions) *Supervisor {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clockwork.NewRealClock()
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil, o.Name)
	}
	if o.BackoffMin <= 0 {
		o.BackoffMin = defaultBackoffMin
	}
	if o.BackoffMax < o.BackoffMin {
		o.BackoffMax = max(defaultBackoffMax, o.BackoffMin)
	}
	s := &Supervisor{o: o}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// Stop ends all actors and waits until their Close has returned. After it, Spawn
// returns ErrStopped. An actor of this supervisor must not call it: it would wait
// for itself.
func (s *Supervisor) Stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
}

// Spawn starts an actor and returns its address at once; make and Start run on the
// actor's goroutine, make once per life. It fails with ErrStopped when the
// supervisor has stopped.
func Spawn[M any](s *Supervisor, o Options, make func(self *Ref[M]) Handler[M]) (*Ref[M], error) {
	s.fill(&o)
	ctx, cancel := context.WithCancel(s.ctx)
	r := newRef[M](ctx, cancel, o)
	life := &runner[M]{s: s, o: o, self: r, make: make}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.ctx.Err() != nil {
		cancel()
		return nil, ErrStopped
	}
	o.Metrics.running.Inc()
	s.wg.Go(func() {
		defer o.Metrics.running.Dec()
		defer close(r.done)
		defer cancel()
		life.run(ctx)
	})
	return r, nil
}

// fill replaces missing options by the supervisor's.
func (s *Supervisor) fill(o *Options) {
	if o.Clock == nil {
		o.Clock = s.o.Clock
	}
	if o.Metrics == nil {
		o.Metrics = s.o.Metrics
	}
	if o.Log == nil {
		o.Log = s.o.Log
	}
	if o.Size <= 0 {
		o.Size = DefaultSize
	}
}

func newRef[M any](ctx context.Context, cancel context.CancelFunc, o Options) *Ref[M] {
	return &Ref[M]{key: o.Key, full: o.Full, metrics: o.Metrics, box: make(chan M, o.Size),
		ending: ctx.Done(), end: cancel, done: make(chan struct{})}
}

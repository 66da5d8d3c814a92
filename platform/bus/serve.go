package bus

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Limits of what waits in one subscription. A sender that goes on after them gets
// a timeout; the loss is counted.
const (
	pendingMessages = 8192
	pendingBytes    = 32 << 20
)

// serve subscribes to subject and runs h one message at a time.
func (c *Conn) serve(subject string, h func(ctx context.Context, m *nats.Msg)) (stop func(), err error) {
	ctx, cancel := context.WithCancel(c.ctx)
	var g gate
	sub, err := c.nc.Subscribe(subject, func(m *nats.Msg) {
		if !g.enter() {
			return
		}
		defer g.wg.Done()
		h(ctx, m)
	})
	if err != nil {
		cancel()
		return nil, fault.Wrap(fault.Unavailable, err, "bus: listen at %s", subject)
	}
	if err := sub.SetPendingLimits(pendingMessages, pendingBytes); err != nil {
		cancel()
		return nil, fault.Wrap(fault.Internal, err, "bus: listen at %s", subject)
	}
	// The server must know the subscription before the caller tells others of the
	// address. While the bus is away that happens at reconnect instead.
	flush, done := context.WithTimeout(ctx, time.Second)
	_ = c.nc.FlushWithContext(flush)
	done()
	if err := c.nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject+`"`) {
		cancel()
		_ = sub.Unsubscribe()
		return nil, forbidden(subject)
	}
	return sync.OnceFunc(func() {
		_ = sub.Unsubscribe() // fails only when the connection is closed: gone as well
		g.close()
		cancel()
		g.wg.Wait()
	}), nil
}

// gate counts who is inside and lets nobody in once it is closed. A WaitGroup
// alone may not grow from zero while someone waits.
type gate struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// enter adds one to wg, or returns false.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.wg.Add(1)
	return true
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// endpointStats are the true figures of an endpoint: micro's own end when the
// request is handed to its goroutine.
type endpointStats struct {
	mu       sync.Mutex
	requests uint64
	errors   uint64
	busy     time.Duration
	last     string
}

func (s *endpointStats) add(err error, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	s.busy += took
	if err != nil {
		s.errors++
		s.last = string(fault.CodeOf(err))
	}
}

// statsData is what "nats micro stats" shows under "data".
type statsData struct {
	Answered    uint64 `json:"answered"`
	Errors      uint64 `json:"errors"`
	LastError   string `json:"last_error,omitempty"`
	AverageTime int64  `json:"average_time_us"`
}

func (s *Service) endpointStats(e *micro.Endpoint) any {
	v, ok := s.stats.Load(e.Name)
	if !ok {
		return nil
	}
	st := v.(*endpointStats)
	st.mu.Lock()
	defer st.mu.Unlock()
	d := statsData{Answered: st.requests, Errors: st.errors, LastError: st.last}
	if st.requests > 0 {
		d.AverageTime = st.busy.Microseconds() / int64(st.requests)
	}
	return d
}

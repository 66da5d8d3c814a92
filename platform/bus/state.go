package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tutti-audio/tutti/platform/fault"
)

// state is what the callbacks of NATS tell the rest. It is a latch and a
// broadcast, so a mutex guards it; nothing waits while holding it.
type state struct {
	mu    sync.Mutex
	link  chan struct{} // closed while the connection is up
	ready chan struct{} // closed while streams and buckets are in place, too
	gen   chan struct{} // closed, and replaced, at each come-back
	isUp  bool
	isOK  bool
	err   error     // why it is not ready
	since time.Time // of the last change
	told  string    // the last reason in the log
}

func (s *state) init() {
	s.link, s.ready, s.gen = make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.since, s.err = time.Now(), errors.New("not connected yet")
}

// setUp reports whether this was a change.
func (s *state) setUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isUp {
		return false
	}
	s.isUp, s.since, s.told = true, time.Now(), ""
	close(s.link)
	return true
}

func (s *state) setDown(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isOK {
		s.isOK, s.ready = false, make(chan struct{})
	}
	if !s.isUp {
		return false
	}
	s.isUp, s.err, s.since = false, err, time.Now()
	s.link = make(chan struct{})
	return true
}

// setReason keeps why an attempt failed; it reports whether that is news.
func (s *state) setReason(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isUp {
		return false
	}
	s.err = err
	news := s.told != err.Error()
	s.told = err.Error()
	return news
}

// setReady marks the bus usable, or says why it is not, and wakes the consumers.
func (s *state) setReady(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if err == nil && s.isUp && !s.isOK {
		s.isOK = true
		close(s.ready)
	}
	close(s.gen)
	s.gen = make(chan struct{})
}

func (s *state) channels() (link, ready, gen <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link, s.ready, s.gen
}

// linked tells whether the connection is up, whatever the streams are.
func (s *state) linked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isUp
}

func (s *state) why() (ok bool, since time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isUp && s.isOK, s.since, s.err
}

// Links counts how often the connection to the server came back: who compares it sees
// whether the connection stood meanwhile.
func (c *Conn) Links() uint64 { return c.nc.Stats().Reconnects }

// Healthy is nil while requests, streams and buckets can be used.
func (c *Conn) Healthy() error {
	ok, since, err := c.st.why()
	if ok {
		return nil
	}
	if c.ctx.Err() != nil {
		return fault.New(fault.Unavailable, "bus: closed")
	}
	return fault.Wrap(fault.Unavailable, err, "bus: %s cannot be used for %s; is NATS running and reachable?",
		c.target, time.Since(since).Round(time.Second))
}

// awaitLink waits until the connection is up.
func (c *Conn) awaitLink(ctx context.Context) error {
	link, _, _ := c.st.channels()
	return c.await(ctx, link)
}

// awaitReady waits until streams and buckets can be used.
func (c *Conn) awaitReady(ctx context.Context) error {
	_, ready, _ := c.st.channels()
	return c.await(ctx, ready)
}

func (c *Conn) await(ctx context.Context, up <-chan struct{}) error {
	select {
	case <-up:
		return nil
	default:
	}
	select {
	case <-up:
		return nil
	case <-c.ctx.Done():
		return fault.New(fault.Unavailable, "bus: closed")
	case <-ctx.Done():
		_, _, err := c.st.why()
		if err == nil {
			err = ctx.Err()
		}
		return fault.Wrap(fault.Unavailable, err, "bus: %s is not reachable", c.target)
	}
}

func (c *Conn) cameUp(again bool) {
	if !c.st.setUp() {
		return
	}
	c.m.connected.Inc()
	if again {
		c.m.reconnects.Inc()
	}
	c.log.Info("bus: connected", "addr", c.target)
	select {
	case c.again <- struct{}{}:
	default: // one is waiting already
	}
}

func (c *Conn) wentDown(err error) {
	if err == nil {
		err = errors.New("connection closed")
	}
	err = explain(err)
	if !c.st.setDown(err) {
		return
	}
	c.m.connected.Dec()
	if c.ctx.Err() == nil {
		c.log.Warn("bus: disconnected, trying again", "addr", c.target, "err", err)
	}
}

// stillDown hears of each attempt that failed; the log gets each reason once.
func (c *Conn) stillDown(err error) {
	err = explain(err)
	if err != nil && c.st.setReason(err) && c.ctx.Err() == nil {
		c.log.Warn("bus: cannot connect, trying again", "addr", c.target, "err", err)
	}
}

// asyncError hears of troubles that belong to no call.
func (c *Conn) asyncError(s *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) {
		c.m.slow.Inc()
	}
	if errors.Is(err, nats.ErrPermissionViolation) {
		c.m.refused.Inc()
		c.refused(err)
	}
	subject := ""
	if s != nil {
		subject = s.Subject
	}
	c.log.Warn("bus: trouble", "subject", subject, "err", err)
}

// toFault maps an error of NATS to a code; what says which step failed.
func (c *Conn) toFault(ctx context.Context, err error, format string, a ...any) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*fault.Error); ok { //nolint:errorlint // it is one itself, and says all
		return err
	}
	what := fmt.Sprintf(format, a...)
	switch {
	case errors.Is(err, context.Canceled):
		return fault.Wrap(fault.Unavailable, err, "bus: %s", what)
	case errors.Is(err, nats.ErrNoResponders):
		return fault.Wrap(fault.Unavailable, err, "bus: %s: nobody answers", what)
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionClosed),
		errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrDisconnected):
		return fault.Wrap(fault.Unavailable, err, "bus: %s: %s is not reachable", what, c.target)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		if !c.nc.IsConnected() {
			return fault.Wrap(fault.Unavailable, err, "bus: %s: %s is not reachable", what, c.target)
		}
		return fault.Wrap(fault.Timeout, err, "bus: %s: no answer in time", what)
	case errors.Is(err, nats.ErrMaxPayload):
		return fault.Wrap(fault.TooLarge, err, "bus: %s", what)
	}
	return fault.Wrap(fault.Internal, err, "bus: %s", what)
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitGroup waits for wg or the end of ctx.
func waitGroup(ctx context.Context, wg *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func splitComma(s string) []string {
	var out []string
	for p := range strings.SplitSeq(s, ",") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

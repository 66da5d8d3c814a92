package lease

import (
	"context"
	"sync"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Lease is one held lease. Its methods are safe for concurrent use.
type Lease struct {
	m     *Manager
	key   string
	fence uint64

	// Owned by keep until done is closed, then by Release.
	rev   uint64
	until time.Time // on the manager's clock: believed until then

	lost     chan struct{} // closed when the lease is no longer held
	loseOnce sync.Once
	stop     chan struct{} // closed by Release
	stopOnce sync.Once
	done     chan struct{} // closed when keep has returned
}

// Fence is the fencing token: larger than that of every earlier holder of any
// lease, and the same for as long as this lease is held.
func (l *Lease) Fence() uint64 { return l.fence }

// Key is what the lease is for.
func (l *Lease) Key() string { return l.key }

// Lost is closed when the lease is no longer held: it could not be renewed in time,
// somebody else has it, the bus was closed, or Release was called.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Release gives the lease back, so that the next holder does not have to wait. It
// is no error when the lease was lost before. Without the bus it returns an error
// and the lease ends by itself within the TTL.
func (l *Lease) Release(ctx context.Context) error {
	l.stopOnce.Do(func() { close(l.stop) })
	<-l.done
	wasLost := false
	select {
	case <-l.lost:
		wasLost = true
	default:
	}
	l.lose()
	if wasLost {
		return nil
	}
	err := l.m.b.DeleteRev(ctx, l.key, l.rev)
	if code := fault.CodeOf(err); code == fault.Conflict || code == fault.NotFound {
		return nil
	}
	return err
}

// extend sets how long the lease is believed in after a renewal sent at sent.
func (l *Lease) extend(sent time.Time) { l.until = sent.Add(l.m.ttl - l.m.ttl/6) }

func (l *Lease) lose() {
	l.loseOnce.Do(func() {
		l.m.forget(l.key, l)
		close(l.lost)
	})
}

// keep renews until Release, the end of the bus, or loss.
func (l *Lease) keep() {
	defer close(l.done)
	tick := l.m.clock.NewTicker(l.m.ttl / 3)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-l.m.c.Done():
			l.lose()
			return
		case <-tick.Chan():
		}
		if !l.renew() {
			l.lose()
			return
		}
	}
}

// renew writes the record again; false says that the lease is lost.
func (l *Lease) renew() bool {
	left := l.until.Sub(l.m.clock.Now())
	if left <= 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(left, l.m.ttl/3))
	defer cancel()
	go func() { // Release and the end of the bus must not wait for an answer
		select {
		case <-l.stop:
			cancel()
		case <-l.m.c.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	sent := l.m.clock.Now()
	rev, err := l.m.b.Update(ctx, l.key, l.m.record(l.fence), l.rev)
	if fault.CodeOf(err) == fault.Conflict {
		return l.settle(ctx)
	}
	if err == nil {
		l.rev = rev
		l.extend(sent)
	}
	return l.m.clock.Now().Before(l.until)
}

// settle finds out about a conflict: our own renewal, whose answer was lost, or
// somebody else.
func (l *Lease) settle(ctx context.Context) bool {
	rec, rev, err := l.m.get(ctx, l.key)
	switch {
	case err != nil && fault.CodeOf(err) != fault.NotFound:
		return l.m.clock.Now().Before(l.until)
	case err == nil && rec.Life == l.m.life && (rec.Fence == l.fence || rev == l.fence):
		l.rev = rev // the next tick extends it
		return true
	}
	return false
}

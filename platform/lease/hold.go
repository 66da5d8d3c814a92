package lease

import (
	"context"
	"sync"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Lease is one held lease. Its methods are safe for concurrent use.
type Lease struct {
	m     *Manager
	key   string
	fence uint64
	life  *life

	lost     chan struct{} // closed when the lease is no longer held
	loseOnce sync.Once
}

// Fence is the fencing token: larger than that of every earlier holder of any
// lease, and the same for as long as this lease is held.
func (l *Lease) Fence() uint64 { return l.fence }

// Key is what the lease is for.
func (l *Lease) Key() string { return l.key }

// Lost is closed when the lease is no longer held: it could not be renewed in time,
// somebody else has it, the bus was closed, or Release was called.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Valid reports whether the lease is believed in at this moment. It needs no bus: a
// process that was paused past its lease knows at its first look, before Lost has had
// time to be closed.
func (l *Lease) Valid() bool {
	select {
	case <-l.lost:
		return false
	default:
		return l.life.believed()
	}
}

// Release gives the lease back, so that the next holder does not have to wait. It
// is no error when the lease was lost before. Without the bus it returns an error
// and the manager gives it back as soon as it can.
func (l *Lease) Release(ctx context.Context) error {
	wasLost := false
	select {
	case <-l.lost:
		wasLost = true
	default:
	}
	// The key first: a manager that acquires it again at once must find it free.
	var err error
	if !wasLost {
		err = l.m.b.DeleteRev(ctx, l.key, l.fence)
	}
	l.lose()
	if code := fault.CodeOf(err); code == fault.Conflict || code == fault.NotFound {
		return nil
	}
	if err != nil {
		l.m.orphan(l.key)
	}
	return err
}

func (l *Lease) lose() {
	l.loseOnce.Do(func() {
		l.m.forget(l.key, l)
		close(l.lost)
	})
}

package actor

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"
)

// FullPolicy says what Send does when the mailbox is full.
type FullPolicy int

// The policies of a full mailbox.
const (
	// Block waits for room, for the end of the actor or of the context.
	Block FullPolicy = iota
	// Fail returns ErrFull and leaves the mailbox as it is.
	Fail
	// DropOldest drops the oldest waiting message and counts it.
	DropOldest
	// Stop ends the actor and returns ErrFull.
	Stop
)

// Restart says what happens after a crash.
type Restart int

// The restart policies.
const (
	// Always begins a new life after a backoff.
	Always Restart = iota
	// Never ends the actor.
	Never
)

// The errors of this package that a caller branches on.
var (
	// ErrFull is returned by Send under the policies Fail and Stop.
	ErrFull = errors.New("actor: mailbox is full")
	// ErrStopped is returned by Send and Ask when the actor has ended or is ending.
	ErrStopped = errors.New("actor: has stopped")
	// ErrStop is returned by Handle or Start to end the actor without a crash.
	ErrStop = errors.New("actor: stop")
)

// DefaultSize is the mailbox size when Options.Size is 0: room for a burst of
// control messages, small enough that a stuck actor is noticed at once.
const DefaultSize = 64

// closeTimeout bounds the context of Close: the rest of a 10 s shutdown belongs to
// the other actors.
const closeTimeout = 5 * time.Second

// Options describe one actor.
type Options struct {
	// Key names the actor in logs, for instance "group/kitchen". Not a metric label.
	Key string
	// Size of the mailbox in messages; 0 means DefaultSize.
	Size int
	// Full says what Send does when the mailbox is full.
	Full FullPolicy
	// Restart says what happens after a crash.
	Restart Restart
	// Clock, Log and Metrics are the supervisor's when nil.
	Clock   clockwork.Clock
	Log     *slog.Logger
	Metrics *Metrics
}

// Handler is the state of an actor. An error other than ErrStop is a crash.
type Handler[M any] interface {
	// Handle works on one message. ctx ends when the actor is told to stop.
	Handle(ctx context.Context, m M) error
}

// Lifecycle is optional on handlers.
type Lifecycle interface {
	// Start runs before the first message; its error is a crash.
	Start(ctx context.Context) error
	// Close runs once at the end of every life whose make succeeded, also after a
	// crash. It releases what the life holds and answers held requests. ctx is
	// not cancelled by the stop; it ends after 5 s.
	Close(ctx context.Context)
}

// HandlerFunc is a Handler without state of its own.
type HandlerFunc[M any] func(ctx context.Context, m M) error

// Handle calls f.
func (f HandlerFunc[M]) Handle(ctx context.Context, m M) error { return f(ctx, m) }

// Ref is the address of an actor. It stays the same over restarts. All methods are
// safe for concurrent use, also from the actor itself, except that an actor which
// sends to itself with the policy Block and a full mailbox waits for ever.
type Ref[M any] struct {
	key     string
	full    FullPolicy
	metrics *Metrics
	box     chan M
	depth   atomic.Int64 // highest depth seen by this actor
	ending  <-chan struct{}
	end     context.CancelFunc
	done    chan struct{}
}

// Key is the key of Options.
func (r *Ref[M]) Key() string { return r.key }

// Done is closed when the actor has ended and Close has returned.
func (r *Ref[M]) Done() <-chan struct{} { return r.done }

// Stop tells the actor to end after the message that it handles now, and does not
// wait. Calling it again changes nothing.
func (r *Ref[M]) Stop() { r.end() }

// Send puts m in the mailbox. It returns ErrStopped when the actor ends, ErrFull by
// policy, or the error of ctx.
func (r *Ref[M]) Send(ctx context.Context, m M) error {
	select {
	case <-r.ending:
		return ErrStopped
	default:
	}
	select {
	case r.box <- m:
		r.sent()
		return nil
	default:
	}
	switch r.full {
	case Fail:
		r.metrics.full.Inc()
		return ErrFull
	case Stop:
		r.metrics.full.Inc()
		r.end()
		return ErrFull
	case DropOldest:
		return r.pushOut(m)
	}
	return r.block(ctx, m)
}

// block waits for room.
func (r *Ref[M]) block(ctx context.Context, m M) error {
	select {
	case r.box <- m:
		r.sent()
		return nil
	case <-r.ending:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pushOut takes old messages away until m fits.
func (r *Ref[M]) pushOut(m M) error {
	for {
		select {
		case <-r.box:
			r.metrics.dropped.Inc()
		default:
		}
		select {
		case <-r.ending:
			return ErrStopped
		case r.box <- m:
			r.sent()
			return nil
		default:
		}
	}
}

// sent keeps the highest depth.
func (r *Ref[M]) sent() {
	n := int64(len(r.box))
	for old := r.depth.Load(); n > old; old = r.depth.Load() {
		if r.depth.CompareAndSwap(old, n) {
			r.metrics.sawDepth(n)
			return
		}
	}
}

// Depth is the number of messages that wait now.
func (r *Ref[M]) Depth() int { return len(r.box) }

// Ask sends the message that message() builds around a reply channel and waits for the
// one reply, for the end of the actor (ErrStopped) or of ctx. The actor must send
// at most one reply; the channel has room for it, so it never waits.
func Ask[M, R any](ctx context.Context, r *Ref[M], message func(reply chan<- R) M) (R, error) {
	reply := make(chan R, 1)
	var none R
	if err := r.Send(ctx, message(reply)); err != nil {
		return none, err
	}
	select {
	case v := <-reply:
		return v, nil
	case <-ctx.Done():
		return none, ctx.Err()
	case <-r.done:
	}
	select {
	case v := <-reply: // it was answered on the way out
		return v, nil
	default:
		return none, ErrStopped
	}
}

// After sends m to self when d has passed on clock: a timer is a message. It waits
// for room whatever the mailbox's policy. cancel stops the timer; a message that is
// in the mailbox already stays there, so timers carry a generation where that
// matters.
func After[M any](self *Ref[M], clock clockwork.Clock, d time.Duration, m M) (cancel func()) {
	t := clock.AfterFunc(d, func() {
		_ = self.block(context.Background(), m) // fails only when the actor has ended
	})
	return func() { t.Stop() }
}

// Package actor is one goroutine with one bounded mailbox of typed messages.
package actor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
)

// FullPolicy says what Send does when the mailbox is full.
type FullPolicy int

// The policies of a full mailbox.
const (
	// Block waits for room, for the end of the actor or of the context.
	Block FullPolicy = iota
	// Fail returns ErrFull.
	Fail
	// DropOldest drops the oldest waiting message and counts it.
	DropOldest
	// Stop ends the actor and returns ErrFull.
	Stop
)

// The errors of this package that a caller branches on.
var (
	ErrFull    = errors.New("actor: mailbox is full")
	ErrStopped = errors.New("actor: has stopped")
	// ErrStop is returned by Handle to end the actor without a crash.
	ErrStop = errors.New("actor: stop")
)

// Options describe one actor.
type Options struct {
	Key     string
	Size    int
	Full    FullPolicy
	Clock   clockwork.Clock
	Log     *slog.Logger
	Metrics *Metrics
}

// Metrics counts what actors do, for all actors together.
type Metrics struct{}

// NewMetrics registers the metrics of a family of actors.
func NewMetrics(r prometheus.Registerer, family string) *Metrics { return &Metrics{} }

// Handler is the state of an actor.
type Handler[M any] interface {
	Handle(ctx context.Context, m M) error
}

// Lifecycle is optional on handlers.
type Lifecycle interface {
	Start(ctx context.Context) error
	Close(ctx context.Context)
}

// Ref is the address of an actor.
type Ref[M any] struct{ key string }

// Send puts m in the mailbox.
func (r *Ref[M]) Send(ctx context.Context, m M) error { return ErrStopped }

// Stop asks the actor to end.
func (r *Ref[M]) Stop() {}

// Done is closed when the actor has ended.
func (r *Ref[M]) Done() <-chan struct{} { return nil }

// Key is the actor's key.
func (r *Ref[M]) Key() string { return r.key }

// SupervisorOptions describe a supervisor.
type SupervisorOptions struct {
	Name        string
	Log         *slog.Logger
	Clock       clockwork.Clock
	Metrics     *Metrics
	MaxRestarts int
	BackoffMin  time.Duration
	BackoffMax  time.Duration
}

// Supervisor owns children.
type Supervisor struct{}

// NewSupervisor starts a supervisor.
func NewSupervisor(ctx context.Context, o SupervisorOptions) *Supervisor { return &Supervisor{} }

// Stop stops all children and waits.
func (s *Supervisor) Stop() {}

// Spawn starts an actor under s.
func Spawn[M any](s *Supervisor, o Options, make func(self *Ref[M]) Handler[M]) (*Ref[M], error) {
	return nil, ErrStopped
}

// After sends m to self after d.
func After[M any](self *Ref[M], clock clockwork.Clock, d time.Duration, m M) (cancel func()) {
	return func() {}
}

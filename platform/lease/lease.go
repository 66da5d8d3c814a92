// Package lease holds a thing for one owner in the deployment.
package lease

import (
	"context"
	"errors"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
)

var errStub = errors.New("lease: not built yet")

// Options of a manager.
type Options struct {
	TTL   time.Duration
	Clock clockwork.Clock
}

// Manager acquires leases for one owner.
type Manager struct{}

// Lease is one held lease.
type Lease struct{}

// NewManager opens the bucket.
func NewManager(c *bus.Conn, owner string, o Options) (*Manager, error) { return nil, errStub }

// Acquire takes the lease.
func (m *Manager) Acquire(ctx context.Context, key string) (*Lease, error) { return nil, errStub }

// Fence is the fencing token.
func (l *Lease) Fence() uint64 { return 0 }

// Lost is closed when the lease is no longer held.
func (l *Lease) Lost() <-chan struct{} { return nil }

// Release gives the lease back.
func (l *Lease) Release(ctx context.Context) error { return errStub }

// Campaign holds the lease for as long as ctx lives.
func (m *Manager) Campaign(ctx context.Context, key string, run func(ctx context.Context, l *Lease)) {
}

// Holder says who holds a lease.
func (m *Manager) Holder(ctx context.Context, key string) (owner string, fence uint64, err error) {
	return "", 0, errStub
}

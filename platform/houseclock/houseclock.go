// Package houseclock is the one microsecond clock of a deployment.
package houseclock

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/lease"
)

var errStub = errors.New("houseclock: not built yet")

// Clock is the house clock as one process sees it.
type Clock interface {
	NowMicros() int64
	Info() Info
}

// Info says where the time comes from.
type Info struct {
	Leader        string
	UncertaintyUS int64
	Role          string
}

// MonotonicMicros is CLOCK_MONOTONIC in microseconds.
func MonotonicMicros() int64 { return 0 }

// BootID is the kernel's boot id.
func BootID() string { return "" }

// Lead campaigns for the leader lease until ctx ends.
func Lead(ctx context.Context, c *bus.Conn, lm *lease.Manager, instanceID string) error {
	return errStub
}

// Filter is the caller's time filter.
type Filter interface {
	Update(measurement, maxErr, t4 int64)
	ServerTime(client int64) int64
	StdDev() float64
}

// FollowOptions of Follow.
type FollowOptions struct{ Filter func() Filter }

// Follow follows the leader.
func Follow(ctx context.Context, c *bus.Conn, o FollowOptions) (Clock, error) { return nil, errStub }

// Manual is a clock for tests.
type Manual struct{ now atomic.Int64 }

// NewManual starts at start microseconds.
func NewManual(start int64) *Manual { m := &Manual{}; m.now.Store(start); return m }

// Advance moves the clock.
func (m *Manual) Advance(d time.Duration) { m.now.Add(d.Microseconds()) }

// NowMicros is the clock's time.
func (m *Manual) NowMicros() int64 { return m.now.Load() }

// Info says "manual".
func (m *Manual) Info() Info { return Info{Leader: "manual", Role: "manual"} }

// Package houseclock is the one microsecond clock that all timestamps of a
// deployment are in.
//
// One process leads (under a lease): house time is its kernel's CLOCK_MONOTONIC
// plus an offset that is kept in the bucket "clock". A process on the same kernel
// (same boot id) reads CLOCK_MONOTONIC itself and adds the same offset: no error.
// A process elsewhere fits a filter to exchanges with the leader over the bus.
//
// Guarantees:
//
//  1. A process never sees house time go back, nor jump once it has a reading:
//     corrections are slewed at 50 ppm at most. The exception is a host that was
//     asleep: what is behind by more than 100 ms steps forward, with an error in the log.
//  2. A new leader on the same kernel goes on exactly. One on another kernel that
//     followed before goes on from its own fitted copy; one that has just started asks
//     the processes that have a reading. Only when nobody has one, after a reboot of
//     everything, house time goes on at or after the last published time plus the
//     wall-clock time that passed.
//  3. States and answers of a leader that has lost its lease are told by its fence, and
//     dropped.
//  4. NowMicros never blocks and never allocates.
package houseclock

import (
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/platform/internal/mono"
)

// Clock is the house clock as one process sees it. Safe for concurrent use.
type Clock interface {
	// NowMicros is house time in µs. It does not go back.
	NowMicros() int64
	// Info says where the time comes from.
	Info() Info
}

// Roles that Info reports.
const (
	RoleLocal  = "local"  // same kernel as the leader: exact
	RoleFitted = "fitted" // another kernel: a filter's estimate
	RoleManual = "manual" // a test's clock
)

// Info says where a process's house time comes from.
type Info struct {
	Leader        string // instance id of the leader
	UncertaintyUS int64  // standard deviation of the estimate, µs; 0 when exact
	DelayUS       int64  // half the shortest round trip to the leader, µs: what a way that is slow in one direction only may hide; 0 when exact
	RatePPB       int64  // how much faster than this kernel's clock house time runs, parts per 10⁹, without what is being corrected
	Role          string // RoleLocal, RoleFitted
}

// MonotonicMicros is this kernel's CLOCK_MONOTONIC in µs.
func MonotonicMicros() int64 { return mono.Micros() }

// BootID identifies this boot of this kernel: processes with the same one share
// CLOCK_MONOTONIC.
func BootID() string { return mono.BootID() }

// maxSlewPPM bounds how fast a fitted clock is corrected (design: a step is a
// defect, a slew is bounded).
const maxSlewPPM = 50

// mapping is an affine map from this kernel's monotonic time to house time:
// house = house0 + (m-mono0)·(1 + ppb/10⁹).
type mapping struct {
	mono0, house0 int64
	ppb           int64 // rate difference, parts per 10⁹
	info          Info
}

// at is house time at monotonic time m, µs.
func (p *mapping) at(m int64) int64 {
	d := m - p.mono0
	return p.house0 + d + d*p.ppb/1_000_000_000
}

// slewTo continues p at monotonic time m without a step, at a rate that meets
// target at m+over, as far as the slew bound (around the source's own rate
// sourcePPB) allows.
func (p *mapping) slewTo(m, target int64, over time.Duration, sourcePPB int64, info Info) *mapping {
	now := p.at(m)
	ppb := sourcePPB
	if us := over.Microseconds(); us > 0 {
		ppb += clamp((target-now)*1_000_000_000/us, maxSlewPPM*1000)
	}
	return &mapping{mono0: m, house0: now, ppb: ppb, info: info}
}

func clamp(v, limit int64) int64 { return max(-limit, min(limit, v)) }

// reading is what a process publishes to its own readers: the current mapping.
type reading struct {
	p    atomic.Pointer[mapping]
	mono func() int64
}

// NowMicros implements Clock.
func (r *reading) NowMicros() int64 { return r.p.Load().at(r.mono()) }

// Info implements Clock.
func (r *reading) Info() Info { return r.p.Load().info }

// Manual is a Clock for tests.
type Manual struct{ now atomic.Int64 }

// NewManual starts at start µs.
func NewManual(start int64) *Manual { m := &Manual{}; m.now.Store(start); return m }

// Advance moves the clock forward.
func (m *Manual) Advance(d time.Duration) { m.now.Add(d.Microseconds()) }

// NowMicros implements Clock.
func (m *Manual) NowMicros() int64 { return m.now.Load() }

// Info implements Clock.
func (m *Manual) Info() Info { return Info{Leader: "manual", Role: RoleManual} }

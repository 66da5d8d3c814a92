package reel

import (
	"sync"
	"sync/atomic"
)

// Limits of one ring.
type Limits struct {
	// PastUS is how long a chunk is kept after it has sounded, µs. Nobody may send
	// it any more, so this only needs to cover an unequal look at the clock.
	PastUS int64
	// Bytes is the most audio that a ring holds. 30 s of 192 kHz/24-bit stereo are
	// 35 MB; what exceeds the limit makes the oldest chunk go.
	Bytes int
}

// DefaultLimits keep a second of the past and 64 MiB.
var defaultLimits = Limits{PastUS: 1_000_000, Bytes: 64 << 20}

// Ring is the chunks of one tape around the present. One goroutine appends, any
// number of sessions read; it is guarded by a lock instead of an actor because a
// read is a slice index on the hottest path there is.
type Ring struct {
	limits Limits

	mu      sync.RWMutex
	chunks  []*Chunk
	base    uint64 // sequence number of chunks[0]
	bytes   int
	fence   uint64 // the highest that was seen
	waiters map[*Waiter]struct{}
}

// Waiter is woken when a chunk was appended while it was armed. Wake is shared
// with other reasons to wake a session; it has room for one token.
type Waiter struct {
	Wake  chan struct{}
	armed atomic.Bool
}

// NewRing returns an empty ring; zero limits mean the defaults.
func NewRing(l Limits) *Ring {
	if l == (Limits{}) {
		l = defaultLimits
	}
	return &Ring{limits: l, waiters: map[*Waiter]struct{}{}}
}

// Append adds a chunk at house time now, drops what is past or too much, and
// wakes the waiters that have read everything. A chunk that is past already is
// not kept. It is false for a chunk of a holder of the group that another one has
// followed: it was paused or cut off, and does not know yet. What such a holder put on
// the tape before its successor's first chunk stays: it is the same audio, and sessions
// skip by time what they were sent.
func (r *Ring) Append(c *Chunk, now int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Fence < r.fence {
		return false
	}
	r.fence = c.Fence
	if c.End()+r.limits.PastUS <= now {
		return true
	}
	r.chunks = append(r.chunks, c)
	r.bytes += c.Size
	drop := 0
	for drop < len(r.chunks)-1 &&
		(r.chunks[drop].End()+r.limits.PastUS <= now || r.bytes > r.limits.Bytes) {
		r.bytes -= r.chunks[drop].Size
		drop++
	}
	if drop > 0 {
		n := copy(r.chunks, r.chunks[drop:])
		clear(r.chunks[n:])
		r.chunks = r.chunks[:n]
		r.base += uint64(drop)
	}
	for w := range r.waiters {
		w.notify()
	}
	return true
}

// notify wakes an armed waiter once.
func (w *Waiter) notify() {
	if w.armed.CompareAndSwap(true, false) {
		select {
		case w.Wake <- struct{}{}:
		default:
		}
	}
}

// At returns the first chunk whose sequence number is at least seq, and its
// number; nil when there is none yet.
func (r *Ring) At(seq uint64) (*Chunk, uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if seq < r.base {
		seq = r.base
	}
	if i := seq - r.base; i < uint64(len(r.chunks)) {
		return r.chunks[i], seq
	}
	return nil, seq
}

// Join makes w hear of new chunks; Leave ends that. Both are idempotent.
func (r *Ring) Join(w *Waiter) {
	r.mu.Lock()
	r.waiters[w] = struct{}{}
	r.mu.Unlock()
}

// Leave is the opposite of Join.
func (r *Ring) Leave(w *Waiter) {
	r.mu.Lock()
	delete(r.waiters, w)
	r.mu.Unlock()
}

// Arm asks for one wake-up at the next Append. Arm first, look at the ring again,
// then sleep: otherwise a chunk can slip in between.
func (w *Waiter) Arm() { w.armed.Store(true) }

// Disarm takes Arm back.
func (w *Waiter) Disarm() { w.armed.Store(false) }

// Len is the number of chunks held, Bytes their size.
func (r *Ring) Len() (chunks, bytes int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.chunks), r.bytes
}

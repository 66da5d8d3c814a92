package reel

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
)

// Consume subscribes to one tape from its oldest kept chunk on, in order, and
// calls h for each message until stop is called. h owns the bytes.
type Consume func(ctx context.Context, tapeSubject string, h func(data []byte)) (stop func(), err error)

// FromBus consumes tapes from the bus.
func FromBus(c *bus.Conn) Consume {
	return func(ctx context.Context, tapeSubject string, h func([]byte)) (func(), error) {
		return c.Consume(ctx, subject.StreamTape, bus.ConsumeOptions{Subject: tapeSubject, FromAll: true},
			func(m bus.RawMsg) { h(m.Data) })
	}
}

// Set is the tapes that this gateway's sessions play, each read from the bus
// once however many sessions play it.
type Set struct {
	consume Consume
	house   houseclock.Clock
	clock   clockwork.Clock
	log     *slog.Logger
	onBad   func()
	// onFenced is called for each chunk of a holder that another one has followed.
	onFenced func()

	mu     sync.Mutex
	tapes  map[string]*Tape
	closed bool
	wg     sync.WaitGroup
}

// NewSet returns a set without tapes. onBad is called for each chunk that cannot
// be used (malformed, or longer than a chunk may be), onFenced for each one of a holder
// of the group that another one has followed; they may be nil.
func NewSet(consume Consume, house houseclock.Clock, clock clockwork.Clock, log *slog.Logger, onBad, onFenced func()) *Set {
	if onBad == nil {
		onBad = func() {}
	}
	if onFenced == nil {
		onFenced = func() {}
	}
	return &Set{consume: consume, house: house, clock: clock, log: log, onBad: onBad, onFenced: onFenced, tapes: map[string]*Tape{}}
}

// Tape is one tape in memory. Release it once when it is no longer played.
type Tape struct {
	*Ring
	// GroupID and RenditionID name it.
	GroupID, RenditionID string

	set    *Set
	refs   int // guarded by set.mu
	cancel context.CancelFunc
}

// Acquire returns the tape of a group's rendition and holds it. It does not wait
// for the bus: the ring fills as soon as the consumer stands.
func (s *Set) Acquire(groupID, renditionID string) *Tape {
	key := subject.Tape(groupID, renditionID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tapes[key]; t != nil {
		t.refs++
		return t
	}
	ctx, cancel := context.WithCancel(context.Background())
	t := &Tape{Ring: NewRing(Limits{}), GroupID: groupID, RenditionID: renditionID, set: s, refs: 1, cancel: cancel}
	if s.closed {
		cancel()
		return t
	}
	s.tapes[key] = t
	s.wg.Go(func() { s.feed(ctx, key, t.Ring) })
	return t
}

// Release gives one hold back; the last one frees the memory.
func (t *Tape) Release() {
	s := t.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.refs--; t.refs == 0 {
		t.cancel()
		delete(s.tapes, subject.Tape(t.GroupID, t.RenditionID))
	}
}

// Len is the number of tapes held.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tapes)
}

// Close ends all consumers and waits for them. Tapes acquired later stay empty.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	for _, t := range s.tapes {
		t.cancel()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// feed fills a ring until ctx ends; it tries again when the stream is not there
// yet or the bus is away. What the ring holds plays on meanwhile.
func (s *Set) feed(ctx context.Context, tapeSubject string, r *Ring) {
	const retryMin, retryMax = 100 * time.Millisecond, 2 * time.Second
	for wait := retryMin; ctx.Err() == nil; wait = min(2*wait, retryMax) {
		stop, err := s.consume(ctx, tapeSubject, func(b []byte) {
			c, err := Parse(b)
			if err != nil {
				s.onBad()
				return
			}
			if !r.Append(c, s.house.NowMicros()) {
				s.onFenced()
			}
		})
		if err == nil {
			<-ctx.Done()
			stop()
			return
		}
		s.log.Warn("tape is not readable yet", obs.KeySubject, tapeSubject, obs.KeyErr, err)
		select {
		case <-ctx.Done():
		case <-s.clock.After(wait):
		}
	}
}

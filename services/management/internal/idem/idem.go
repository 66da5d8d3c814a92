// Package idem remembers the answers to POSTs that carried an Idempotency-Key,
// so that a client which lost the answer can ask again without starting the thing
// twice. Cache is the memory of one process; Shared is what the other instances know, and
// this one after a restart.
package idem

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
)

const (
	// MaxKeys and TTL bound the memory: the oldest key gives way.
	MaxKeys = 1000
	TTL     = 24 * time.Hour
	// MaxKeyLength is the longest Idempotency-Key, in bytes.
	MaxKeyLength = 255
	// maxBody is the longest answer that is kept; a longer one is not replayed.
	maxBody = 256 << 10

	mailboxSize = 64
)

// Key names one POST: who asked what, under which Idempotency-Key.
type Key struct{ Actor, Method, Path, Key string }

// Answer is a finished response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Digest tells two bodies apart.
type Digest [sha256.Size]byte

// Cache is the memory. Safe for concurrent use.
type Cache struct{ ref *actor.Ref[message] }

type message interface{ isMessage() }

type begin struct {
	key    Key
	digest Digest
	reply  chan<- outcome
}

type finish struct {
	key    Key
	answer *Answer // nil: forget the key, nothing was started
}

func (begin) isMessage()  {}
func (finish) isMessage() {}

type outcome struct {
	answer *Answer
	wait   <-chan struct{} // another request with the key is under way
	err    error
}

// New spawns the cache's actor under sup.
func New(sup *actor.Supervisor, clock clockwork.Clock, log *slog.Logger) (*Cache, error) {
	// A crash must not forget who is under way, or their waiters would wait for ever.
	core := &cache{clock: clock, entries: map[Key]*entry{}}
	ref, err := actor.Spawn(sup, actor.Options{Key: "idempotency", Size: mailboxSize, Full: actor.Block, Clock: clock, Log: log},
		func(*actor.Ref[message]) actor.Handler[message] { return core })
	if err != nil {
		return nil, fmt.Errorf("management: start idempotency cache: %w", err)
	}
	return &Cache{ref: ref}, nil
}

// Begin asks what to do with a request. A non-nil Answer is to be sent instead of
// doing it; nil means: do it and call Finish. A request with the key of one that
// is under way waits for it. The same key with another body is fault.OutOfRange.
func (c *Cache) Begin(ctx context.Context, k Key, d Digest) (*Answer, error) {
	for {
		o, err := actor.Ask(ctx, c.ref, func(reply chan<- outcome) message { return begin{k, d, reply} })
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "the server is stopping or overloaded; try again")
		}
		if o.wait == nil {
			return o.answer, o.err
		}
		select {
		case <-o.wait:
		case <-ctx.Done():
			return nil, errUnderWay()
		}
	}
}

func errUnderWay() error {
	return fault.New(fault.Conflict, "a request with this Idempotency-Key is still under way; ask again in a moment")
}

func errOtherBody() error {
	return fault.New(fault.OutOfRange, "this Idempotency-Key was used with another body; use a new key").
		WithField("header.Idempotency-Key", "was used with another body")
}

// Finish ends what Begin let begin. a is kept for replays; nil forgets the key, so
// that the request may be tried again.
func (c *Cache) Finish(ctx context.Context, k Key, a *Answer) {
	if a != nil && len(a.Body) > maxBody {
		a = nil
	}
	_ = c.ref.Send(context.WithoutCancel(ctx), finish{k, a}) // fails only when the service has stopped
}

// cache is the actor's state.
type cache struct {
	clock   clockwork.Clock
	entries map[Key]*entry
	order   []Key // the keys of entries by age, oldest first
}

type entry struct {
	digest Digest
	at     time.Time
	answer *Answer
	done   chan struct{} // closed when the request is over
}

// Handle takes one message.
func (c *cache) Handle(_ context.Context, m message) error {
	switch m := m.(type) {
	case begin:
		m.reply <- c.doBegin(m)
	case finish:
		c.doFinish(m)
	}
	return nil
}

func (c *cache) doBegin(m begin) outcome {
	c.expire()
	e := c.entries[m.key]
	switch {
	case e == nil:
		c.entries[m.key] = &entry{digest: m.digest, at: c.clock.Now(), done: make(chan struct{})}
		c.order = append(c.order, m.key)
		c.makeRoom()
		return outcome{}
	case e.digest != m.digest:
		return outcome{err: errOtherBody()}
	case e.answer == nil:
		return outcome{wait: e.done}
	}
	return outcome{answer: e.answer}
}

func (c *cache) doFinish(m finish) {
	e := c.entries[m.key]
	if e == nil {
		return // gave way to newer keys meanwhile
	}
	if m.answer == nil {
		delete(c.entries, m.key)
		c.order = slices.DeleteFunc(c.order, func(k Key) bool { return k == m.key })
	}
	e.answer = m.answer
	select {
	case <-e.done:
	default:
		close(e.done)
	}
}

func (c *cache) expire() {
	now := c.clock.Now()
	for len(c.order) > 0 {
		if now.Sub(c.entries[c.order[0]].at) < TTL {
			return
		}
		c.drop()
	}
}

func (c *cache) makeRoom() {
	for len(c.entries) > MaxKeys {
		c.drop()
	}
}

// drop forgets the oldest key. Who waits for it asks again and begins anew.
func (c *cache) drop() {
	k := c.order[0]
	c.order = c.order[1:]
	e := c.entries[k]
	delete(c.entries, k)
	if e.answer == nil {
		close(e.done)
	}
}

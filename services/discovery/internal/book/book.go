// Package book is the list of all sightings: it starts an actor for each present
// device, keeps the number bounded, and answers for addresses that people give.
package book

import (
	"context"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
	"github.com/tutti-audio/tutti/services/discovery/internal/sighting"
)

// checkEvery is how often devices look at the clock.
const checkEvery = 5 * time.Second

// Options of a book.
type Options struct {
	Bucket     *sighting.Bucket
	Supervisor *actor.Supervisor // of the devices' actors
	Clock      clockwork.Clock
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Freshness is how long a device counts as present after it was heard.
	Freshness time.Duration
	// Max bounds the number of sightings: what strangers can make us keep.
	Max int
	// Static are the addresses of the configuration, as record.ParseURL gives them.
	Static []string
}

// Book is the address of the book's actor. Its methods are safe for concurrent use.
type Book struct{ ref *actor.Ref[any] }

// Messages of the actor.
type (
	seen   struct{ o record.Observation }
	change struct{ e bus.Entry[*tuttiv1.Sighting] }
	synced struct{}
	check  struct{}
	call   struct {
		do    func(ctx context.Context, h *handler) (any, error)
		reply chan<- result
	}
)

type result struct {
	v   any
	err error
}

// Spawn starts the book under s.
func Spawn(s *actor.Supervisor, o Options) (*Book, error) {
	m := newMetrics(o.Registerer)
	ref, err := actor.Spawn(s, actor.Options{Key: "book", Size: 256}, func(self *actor.Ref[any]) actor.Handler[any] {
		return &handler{o: o, self: self, m: m, entries: map[string]*entry{}, early: map[string]record.Observation{}}
	})
	if err != nil {
		return nil, err
	}
	return &Book{ref}, nil
}

// Seen takes an observation in. It waits for room, so a flood of records is slowed
// down at the socket, where the kernel drops what is too much.
func (b *Book) Seen(ctx context.Context, o record.Observation) error {
	return b.ref.Send(ctx, seen{o})
}

// Add adds an address that a person gave; adding it again changes nothing.
func (b *Book) Add(ctx context.Context, url string) (*tuttiv1.Sighting, error) {
	return ask(ctx, b, func(ctx context.Context, h *handler) (*tuttiv1.Sighting, error) {
		return h.add(ctx, url, sighting.ViaAPI)
	})
}

// Remove forgets the sighting with this key, or with this URL when key is empty.
func (b *Book) Remove(ctx context.Context, key, url string) error {
	_, err := ask(ctx, b, func(ctx context.Context, h *handler) (any, error) { return nil, h.remove(ctx, key, url) })
	return err
}

// List returns all sightings by key; they must not be changed.
func (b *Book) List(ctx context.Context) ([]*tuttiv1.Sighting, error) {
	return ask(ctx, b, func(_ context.Context, h *handler) ([]*tuttiv1.Sighting, error) { return h.list(), nil })
}

// ask runs do on the actor's goroutine.
func ask[R any](ctx context.Context, b *Book, do func(ctx context.Context, h *handler) (R, error)) (R, error) {
	var none R
	r, err := actor.Ask(ctx, b.ref, func(reply chan<- result) any {
		return call{reply: reply, do: func(ctx context.Context, h *handler) (any, error) { return do(ctx, h) }}
	})
	if err != nil {
		return none, fault.Wrap(fault.Unavailable, err, "discovery is stopping or overloaded; try again")
	}
	v, _ := r.v.(R)
	return v, r.err
}

// entry is one sighting.
type entry struct {
	value *tuttiv1.Sighting // as the bucket has it; nil until it is written
	rev   uint64
	ref   *actor.Ref[sighting.Message] // nil while absent, or written down by somebody
}

// handler is the state of the book's actor.
type handler struct {
	o       Options
	self    *actor.Ref[any]
	m       *metrics
	entries map[string]*entry
	stop    func() // ends the watch
	untick  func() // stops the timer
	synced  bool
	early   map[string]record.Observation // heard before synced
	static  bool                          // the configuration's addresses are in the bucket
	refused int                           // new devices refused since the last log line
}

// Start implements actor.Lifecycle.
func (h *handler) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	stop, err := h.o.Bucket.Watch(ctx, ">",
		func(e bus.Entry[*tuttiv1.Sighting]) { _ = h.self.Send(ctx, change{e}) }, // fails only at the end
		func() { _ = h.self.Send(ctx, synced{}) })
	if err != nil {
		cancel()
		return err
	}
	h.stop = func() { cancel(); stop() } // cancel first: the watch may wait for our mailbox
	h.tick()
	return nil
}

// Close implements actor.Lifecycle.
func (h *handler) Close(context.Context) {
	if h.untick != nil {
		h.untick()
	}
	if h.stop != nil {
		h.stop()
	}
	for _, e := range h.entries {
		if e.ref != nil {
			e.ref.Stop()
		}
	}
}

func (h *handler) tick() { h.untick = actor.After(h.self, h.o.Clock, checkEvery, any(check{})) }

// Handle implements actor.Handler.
func (h *handler) Handle(ctx context.Context, m any) error {
	switch m := m.(type) {
	case seen:
		h.seen(ctx, m.o)
	case change:
		h.changed(m.e)
	case synced:
		h.synced = true
		h.putStatic(ctx)
		for _, o := range h.early {
			h.seen(ctx, o)
		}
		h.early = nil
	case check:
		h.check(ctx)
		h.tick()
	case call:
		v, err := m.do(ctx, h)
		m.reply <- result{v, err}
	}
	return nil
}

// seen hands an observation to its device's actor, new or not.
func (h *handler) seen(ctx context.Context, o record.Observation) {
	if !h.synced { // first we must know what is known
		if len(h.early) < h.o.Max {
			h.early[o.Key] = o
		}
		return
	}
	e := h.entries[o.Key]
	if e == nil {
		if !h.room(ctx) {
			h.refused++
			h.m.refused.Inc()
			return
		}
		e = &entry{}
		h.entries[o.Key] = e
	}
	msg := sighting.Message{Observation: &o}
	if e.ref != nil && e.ref.Send(ctx, msg) == nil {
		return
	}
	if h.revive(o.Key, e) {
		_ = e.ref.Send(ctx, msg) // a device that ends at once is heard again
	}
}

// revive starts the actor of a device from what the bucket has.
func (h *handler) revive(key string, e *entry) bool {
	ref, err := sighting.Spawn(h.o.Supervisor, sighting.Options{Key: key, Stored: e.value, Rev: e.rev,
		Bucket: h.o.Bucket, Clock: h.o.Clock, Log: h.o.Log, Freshness: h.o.Freshness})
	if err != nil {
		return false // the service ends
	}
	e.ref = ref
	return true
}

// room makes room for one more sighting: the longest absent one goes.
func (h *handler) room(ctx context.Context) bool {
	if len(h.entries) < h.o.Max {
		return true
	}
	oldest := ""
	for key, e := range h.entries {
		if e.value == nil || e.value.Present || !sighting.Heard(e.value.Via) {
			continue
		}
		if oldest == "" || e.value.LastSeen.AsTime().Before(h.entries[oldest].value.LastSeen.AsTime()) {
			oldest = key
		}
	}
	if oldest == "" {
		return false
	}
	return h.forget(ctx, oldest) == nil
}

// forget removes a sighting from the bucket and here.
func (h *handler) forget(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if e := h.entries[key]; e != nil && e.ref != nil {
		e.ref.Stop()
		select { // it must not write any more
		case <-e.ref.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := h.o.Bucket.Delete(ctx, key); err != nil {
		return err
	}
	delete(h.entries, key)
	return nil
}

// changed follows the bucket.
func (h *handler) changed(c bus.Entry[*tuttiv1.Sighting]) {
	e := h.entries[c.Key]
	if c.Value == nil {
		if e != nil && e.ref != nil {
			e.ref.Stop()
		}
		delete(h.entries, c.Key)
		return
	}
	if e == nil {
		e = &entry{}
		h.entries[c.Key] = e
	}
	e.value, e.rev = c.Value, c.Rev
	if !c.Value.Present && e.ref != nil {
		select {
		case <-e.ref.Done():
			e.ref = nil
		default:
		}
	}
	// A device that was present when the service ended needs somebody to notice
	// when it is not any more.
	if e.ref == nil && c.Value.Present && sighting.Heard(c.Value.Via) {
		h.revive(c.Key, e)
	}
}

// check lets every device look at the clock, and counts.
func (h *handler) check(ctx context.Context) {
	present := 0
	for _, e := range h.entries {
		if e.ref != nil {
			_ = e.ref.Send(ctx, sighting.Message{}) // an ended one needs no clock
		}
		if e.value.GetPresent() {
			present++
		}
	}
	h.m.present.Set(float64(present))
	h.m.absent.Set(float64(len(h.entries) - present))
	if h.refused > 0 {
		h.o.Log.Warn("too many devices: new ones are refused", obs.KeyCount, h.refused, "limit", h.o.Max)
		h.refused = 0
	}
	if h.synced && !h.static {
		h.putStatic(ctx)
	}
}

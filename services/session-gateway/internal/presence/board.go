// Package presence keeps the KV bucket "presence" true: this gateway's sessions
// write their records there, each with the revision it wrote last, so that a
// session that was replaced on another gateway notices when its write is refused.
// It also keeps a copy of everybody's records for the dialer.
package presence

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// Store is the bucket, as this package uses it.
type Store interface {
	Get(ctx context.Context, key string) (*tuttiv1.ClientPresence, uint64, error)
	Create(ctx context.Context, key string, v *tuttiv1.ClientPresence) (uint64, error)
	Update(ctx context.Context, key string, v *tuttiv1.ClientPresence, rev uint64) (uint64, error)
	Follow(ctx, first context.Context, pattern string, h func(bus.Entry[*tuttiv1.ClientPresence])) (stop func(), err error)
}

const (
	// Debounce is how long changes that nobody waits for are gathered.
	Debounce = 250 * time.Millisecond

	workers    = 4
	sweepers   = 16 // records that are looked at at once after a gateway died
	putTimeout = 3 * time.Second
	retryAfter = time.Second
)

// Board writes presence records. It is safe for concurrent use.
type Board struct {
	store Store
	clock clockwork.Clock
	log   *slog.Logger

	mu     sync.Mutex
	cond   *sync.Cond
	queue  []*Entry
	live   map[string][]*Entry // by client id; more than one only while one replaces another
	seen   map[string]*Seen
	byURL  map[string]string // client id that was last dialled at an address
	subs   map[string]map[chan struct{}]struct{}
	closed bool
	ended  chan struct{} // closed when Run is over: nothing is written any more
}

// New returns a board; nothing is written before Run.
func New(store Store, clock clockwork.Clock, log *slog.Logger) *Board {
	b := &Board{
		store: store, clock: clock, log: log,
		live: map[string][]*Entry{}, seen: map[string]*Seen{},
		byURL: map[string]string{}, subs: map[string]map[chan struct{}]struct{}{}, ended: make(chan struct{}),
	}
	b.cond = sync.NewCond(&b.mu)
	return b
}

// Entry is one session's record.
type Entry struct {
	b        *Board
	clientID string
	session  string
	order    uint64 // of the session among this gateway's
	replaced func()
	denied   func()

	// guarded by b.mu
	want    *tuttiv1.ClientPresence
	dirty   bool
	urgent  bool // what is dirty waits for no timer
	queued  bool
	busy    bool
	gone    bool // replaced: nothing is written any more
	final   bool
	timer   clockwork.Timer
	idle    chan struct{} // closed when the final record is written
	claimed bool          // the first write took the record over
	heard   *Seen         // the record, where there was news of it during a write

	// Used by the one worker that is busy with it; rev is written under b.mu.
	rev        uint64 // of the last write
	reconnects uint64
}

// Open begins a record for a new session with its first content, and takes the
// record over from whoever wrote it before, but for a session of this gateway with a
// higher order: of two that begin at once the later one has the client, whichever writes
// first. replaced is called once when another session takes the record over later, and
// denied whenever another gateway has written that this session is over; they must not
// wait.
func (b *Board) Open(p *tuttiv1.ClientPresence, order uint64, replaced, denied func()) *Entry {
	e := &Entry{b: b, clientID: p.GetClientId(), session: p.GetSessionId(), order: order, replaced: replaced, denied: denied, idle: make(chan struct{})}
	b.mu.Lock()
	b.live[e.clientID] = append(b.live[e.clientID], e)
	b.mu.Unlock()
	e.Set(p, true)
	return e
}

// Set replaces the content; the board owns p from now on. Without now, changes
// within Debounce are written together.
func (e *Entry) Set(p *tuttiv1.ClientPresence, now bool) {
	b := e.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.gone || e.final {
		return
	}
	e.want, e.dirty = p, true
	if now {
		e.urgent = true
		b.enqueue(e)
		return
	}
	if e.timer == nil {
		e.timer = b.clock.AfterFunc(Debounce, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			e.timer = nil
			b.enqueue(e)
		})
	}
}

// Close writes the last content, and returns when that is done, has become
// pointless, or ctx ends. Without p the last content stands.
func (e *Entry) Close(ctx context.Context, p *tuttiv1.ClientPresence) {
	b := e.b
	b.mu.Lock()
	if p != nil && !e.gone {
		e.want, e.dirty = p, true
	}
	e.final = true
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
	b.forget(e)
	b.enqueue(e)
	b.mu.Unlock()
	select {
	case <-e.idle:
	case <-b.ended:
	case <-ctx.Done():
	}
}

// enqueue puts e in the workers' queue; the caller holds mu.
func (b *Board) enqueue(e *Entry) {
	if e.queued || e.busy {
		return // the worker looks again when it is done
	}
	if !e.dirty || e.gone || b.closed {
		e.settle()
		return
	}
	e.queued = true
	b.queue = append(b.queue, e)
	b.cond.Signal()
}

// forget takes e out of the live entries; the caller holds mu.
func (b *Board) forget(e *Entry) {
	rest := slices.DeleteFunc(b.live[e.clientID], func(o *Entry) bool { return o == e })
	if len(rest) == 0 {
		delete(b.live, e.clientID)
		return
	}
	b.live[e.clientID] = rest
}

// settle closes idle after the last write; the caller holds mu.
func (e *Entry) settle() {
	if !e.final {
		return
	}
	select {
	case <-e.idle:
	default:
		close(e.idle)
	}
}

// Run writes until ctx ends, then gives up what is not written. Call it once.
func (b *Board) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { b.work(ctx) })
	}
	<-ctx.Done()
	b.mu.Lock()
	b.closed = true
	for _, e := range b.queue {
		e.settle()
	}
	for _, entries := range b.live {
		for _, e := range entries {
			if e.timer != nil {
				e.timer.Stop()
			}
		}
	}
	b.queue = nil
	b.cond.Broadcast()
	b.mu.Unlock()
	wg.Wait()
	close(b.ended)
}

func (b *Board) work(ctx context.Context) {
	for {
		b.mu.Lock()
		for len(b.queue) == 0 && !b.closed {
			b.cond.Wait()
		}
		if b.closed {
			b.mu.Unlock()
			return
		}
		e := b.queue[0]
		b.queue = b.queue[1:]
		e.queued, e.busy, e.dirty, e.urgent, e.heard = false, true, false, false, nil
		p := e.want
		b.mu.Unlock()
		err := e.write(ctx, p)
		b.mu.Lock()
		e.busy = false
		var tell func()
		switch {
		case err == nil:
			if !e.dirty {
				e.want = nil // written: an idle session need not keep it
			}
			if !e.final {
				tell = e.succeeded(e.heard) // before the answer to this write came
			}
			if e.timer == nil || e.urgent { // else what came meanwhile waits for Debounce
				b.enqueue(e)
			}
		case fault.CodeOf(err) == fault.Conflict:
			if e.gone = true; !e.final {
				tell = e.replaced
			}
			e.settle()
		default:
			b.retry(e, err)
		}
		b.mu.Unlock()
		if tell != nil {
			tell()
		}
	}
}

// retry writes e again in a while; the caller holds mu.
func (b *Board) retry(e *Entry, err error) {
	b.log.Warn("presence record is not written, trying again", obs.KeyClient, e.clientID, obs.KeyErr, err)
	e.dirty = true
	if e.timer == nil && !b.closed {
		e.timer = b.clock.AfterFunc(retryAfter, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			e.timer = nil
			b.enqueue(e)
		})
	}
}

// write puts p into the bucket. The first write of a session takes the record
// over; a later one that finds another session's record is a Conflict.
func (e *Entry) write(ctx context.Context, p *tuttiv1.ClientPresence) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	for {
		if !e.claimed && e.overtaken() {
			return fault.New(fault.Conflict, "client %s is on a later session now", e.clientID)
		}
		if !e.claimed || e.rev == 0 {
			old, rev, err := e.b.store.Get(ctx, e.clientID)
			switch {
			case fault.CodeOf(err) == fault.NotFound:
				rev = 0
			case err != nil:
				return err
			}
			if e.claimed && rev != 0 && old.GetSessionId() != e.session {
				return fault.New(fault.Conflict, "client %s is on session %s now", e.clientID, old.GetSessionId())
			}
			e.setRev(rev)
			if !e.claimed && old != nil && old.GetSessionId() != e.session {
				e.reconnects = old.GetReconnects() + 1
			}
		}
		p.Reconnects = e.reconnects
		rev, err := e.put(ctx, p)
		if err == nil {
			e.b.mu.Lock()
			e.rev, e.claimed = rev, true
			e.b.mu.Unlock()
			return nil
		}
		if fault.CodeOf(err) != fault.Conflict {
			return err
		}
		e.setRev(0) // somebody wrote in between: look who
	}
}

// overtaken reports whether a later session of the client has its record open.
func (e *Entry) overtaken() bool {
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	return slices.ContainsFunc(e.b.live[e.clientID], func(o *Entry) bool { return o.order > e.order })
}

func (e *Entry) setRev(rev uint64) {
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	e.rev = rev
}

func (e *Entry) put(ctx context.Context, p *tuttiv1.ClientPresence) (uint64, error) {
	if e.rev == 0 {
		return e.b.store.Create(ctx, e.clientID, p)
	}
	return e.b.store.Update(ctx, e.clientID, p, e.rev)
}

// Sweep marks records as disconnected whose session cannot exist any more: dead
// says so of a client's gateway. It is called at start, and now and then for gateways that
// died; dead is called side by side, and may take its time.
func (b *Board) Sweep(ctx context.Context, dead func(clientID, gatewayID string) bool) {
	var wg sync.WaitGroup
	places := make(chan struct{}, sweepers)
	for _, p := range b.connected() {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-places }()
			if dead(p.ClientID, p.GatewayID) {
				b.clean(ctx, p)
			}
		})
	}
	wg.Wait()
}

// gatewayGone is the last error of a record that Sweep ended.
const gatewayGone = "the gateway that held the session is gone"

// clean marks one record as disconnected.
func (b *Board) clean(ctx context.Context, p Seen) {
	cur, rev, err := b.store.Get(ctx, p.ClientID)
	if err != nil || cur.GetSessionId() != p.SessionID || !cur.GetConnected() {
		return
	}
	End(cur)
	cur.LastError = gatewayGone
	// A Conflict means that somebody knows better.
	if _, err := b.store.Update(ctx, p.ClientID, cur, rev); err != nil && fault.CodeOf(err) != fault.Conflict {
		b.log.Warn("presence record of a dead session is not cleaned", obs.KeyClient, p.ClientID, obs.KeyErr, err)
	}
}

// Note writes why a client could not be brought to a session, so that an operator
// sees where it stopped. It changes only the record of a client that is not
// connected, and makes a new one only when create is set: anybody can claim an id.
func (b *Board) Note(ctx context.Context, p *tuttiv1.ClientPresence, create bool) {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	cur, rev, err := b.store.Get(ctx, p.GetClientId())
	switch {
	case fault.CodeOf(err) == fault.NotFound && create:
		_, _ = b.store.Create(ctx, p.GetClientId(), p)
	case err != nil || cur.GetConnected() || cur.GetLastError() == p.GetLastError() && cur.GetStage() == p.GetStage():
	default:
		cur.Stage, cur.LastError = p.GetStage(), p.GetLastError()
		_, _ = b.store.Update(ctx, p.GetClientId(), cur, rev) // a Conflict knows better
	}
}

// End makes p the record of a session that is over.
func End(p *tuttiv1.ClientPresence) {
	p.Connected = false
	p.Stage, p.Activities, p.ActiveRoles, p.Stream, p.Available = "", nil, nil, nil, nil
	p.RttUs = 0
}

// On returns up to most clients that are connected to a gateway.
func (b *Board) On(gatewayID string, most int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for id, p := range b.seen {
		if len(out) == most {
			break
		}
		if p.Connected && p.GatewayID == gatewayID {
			out = append(out, id)
		}
	}
	return out
}

func (b *Board) connected() []Seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Seen
	for _, p := range b.seen {
		if p.Connected {
			out = append(out, *p)
		}
	}
	return out
}

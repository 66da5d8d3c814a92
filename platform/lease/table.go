package lease

import (
	"context"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
)

// table is what this process sees of all leases and lives: one watch of each bucket,
// opened when somebody first waits for a lease, however many do. It lags behind the
// bus by moments, so nothing is decided by it; it says when a try is worth it.
type table struct {
	m *Manager

	mu      sync.Mutex
	open    bool
	synced  int // buckets whose first state is known
	leases  map[string]entry
	lives   map[string]seen // and not buried
	newest  time.Time       // when the last renewal of anybody was seen
	dead    map[string]bool // known to be over for good
	waiters map[*waiter]struct{}
}

// entry is a lease's record.
type entry struct {
	record
	rev uint64
}

// seen is a life as its record tells.
type seen struct {
	owner string
	at    time.Time // on the manager's clock: when its last renewal was seen
}

// waiter is somebody who waits for leases.
type waiter struct {
	key, prefix string        // of one key, or of all with a prefix
	lives       bool          // of lives instead
	wake        chan struct{} // one slot: something of interest changed
}

func newTable(m *Manager) *table {
	return &table{m: m, leases: map[string]entry{}, lives: map[string]seen{}, dead: map[string]bool{}, waiters: map[*waiter]struct{}{}}
}

// start opens the watches; it may be called again when it failed.
func (t *table) start() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open {
		return nil
	}
	synced := func() { t.mu.Lock(); t.synced++; t.wakeAll(); t.mu.Unlock() }
	stopLives, err := t.m.lives.Watch(t.m.ctx, ">", t.life, synced)
	if err != nil {
		return err
	}
	stopLeases, err := t.m.b.Watch(t.m.ctx, ">", t.lease, synced)
	if err != nil {
		go stopLives() // it waits for the handler, which waits for our lock
		return err
	}
	t.open = true
	t.m.wg.Go(func() {
		select {
		case <-t.m.ctx.Done():
		case <-t.m.c.Done():
		}
		stopLeases()
		stopLives()
	})
	return nil
}

// lease takes a change of the bucket of leases.
func (t *table) lease(e bus.Entry[*wrapperspb.StringValue]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Value == nil {
		delete(t.leases, e.Key)
		t.wake(e.Key)
		return
	}
	rec, err := decode(e.Value)
	if err != nil {
		return // Acquire says so to whoever wants it
	}
	t.leases[e.Key] = entry{rec, e.Rev}
	t.wake(e.Key)
}

// life takes a change of the bucket of lives.
func (t *table) life(e bus.Entry[*wrapperspb.StringValue]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, had := t.lives[e.Key]
	if e.Value != nil {
		if rec := decodeLife(e.Value); !rec.Dead {
			t.newest = t.m.clock.Now()
			t.lives[e.Key] = seen{rec.Owner, t.newest}
			if !had {
				t.wakeLives()
			}
			return
		}
	} else if !had {
		delete(t.dead, e.Key) // the tombstone went; should a lease still name it, bury makes another
		return
	}
	delete(t.lives, e.Key)
	t.wakeLives()
	for key, l := range t.leases {
		if l.Life == e.Key {
			t.wake(key)
		}
	}
}

func (t *table) buried(life string) bool { t.mu.Lock(); defer t.mu.Unlock(); return t.dead[life] }

// maxDead bounds what is remembered of lives that are over; forgetting one costs a
// request.
const maxDead = 1000

func (t *table) bury(life string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.dead) >= maxDead {
		clear(t.dead)
	}
	t.dead[life] = true
}

// free reports whether a lease looks free; known is false before the first state is
// there.
func (t *table) free(key string) (free, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, taken := t.leases[key]
	return !taken || !t.alive(l.Life), t.synced == 2
}

// wake signals whoever waits for key. t.mu is held.
func (t *table) wake(key string) {
	for w := range t.waiters {
		if !w.lives && (w.key == key || w.key == "" && strings.HasPrefix(key, w.prefix)) {
			signal(w.wake)
		}
	}
}

// wakeLives signals whoever waits for lives. t.mu is held.
func (t *table) wakeLives() {
	for w := range t.waiters {
		if w.lives {
			signal(w.wake)
		}
	}
}

func (t *table) alive(life string) bool { _, ok := t.lives[life]; return ok }

func (t *table) wakeAll() {
	for w := range t.waiters {
		signal(w.wake)
	}
}

func (t *table) join(w *waiter) { t.mu.Lock(); t.waiters[w] = struct{}{}; t.mu.Unlock() }
func (t *table) part(w *waiter) { t.mu.Lock(); delete(t.waiters, w); t.mu.Unlock() }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Holding is one lease as an observer sees it.
type Holding struct {
	Owner string
	Fence uint64
}

// Seen is the lease of key as it was seen last, also when its holder died, by a watch that Observe
// or a campaign began; ok is false when none was.
func (m *Manager) Seen(key string) (h Holding, ok bool) {
	m.entries.mu.Lock()
	defer m.entries.mu.Unlock()
	l, ok := m.entries.leases[key]
	return Holding{Owner: l.Owner, Fence: l.rev}, ok
}

// Observer sees all leases whose key has a prefix, moments after they change.
type Observer struct {
	t *table
	w *waiter
}

// Observe watches the leases whose key begins with prefix. It fails when the bus is
// away. Close ends it.
func (m *Manager) Observe(prefix string) (*Observer, error) {
	if err := m.entries.start(); err != nil {
		return nil, err
	}
	w := &waiter{prefix: prefix, wake: make(chan struct{}, 1)}
	m.entries.join(w)
	signal(w.wake)
	return &Observer{m.entries, w}, nil
}

// Changed has a token after changes; many changes may be one token.
func (o *Observer) Changed() <-chan struct{} { return o.w.wake }

// Held lists who holds what, by key; leases of dead holders are not in it. known is
// false until the first state is there.
func (o *Observer) Held() (held map[string]Holding, known bool) {
	o.t.mu.Lock()
	defer o.t.mu.Unlock()
	held = map[string]Holding{}
	for key, l := range o.t.leases {
		if strings.HasPrefix(key, o.w.prefix) && o.t.alive(l.Life) {
			held[key] = Holding{Owner: l.Owner, Fence: l.rev}
		}
	}
	return held, o.t.synced == 2
}

// Overdue lists the keys whose holder has not been seen to renew its life for longer than
// limit while somebody else was: so not where the bus takes no renewals at all. A life is
// renewed at a third of the TTL; one that is overdue is not over before the TTL is.
func (o *Observer) Overdue(limit time.Duration) map[string]bool {
	o.t.mu.Lock()
	defer o.t.mu.Unlock()
	late := map[string]bool{} // lives
	for id, l := range o.t.lives {
		if o.t.newest.Sub(l.at) > limit {
			late[id] = true
		}
	}
	if len(late) == 0 {
		return nil // there may be thousands of leases
	}
	keys := map[string]bool{}
	for key, l := range o.t.leases {
		if late[l.Life] && strings.HasPrefix(key, o.w.prefix) {
			keys[key] = true
		}
	}
	return keys
}

// Close ends the observation.
func (o *Observer) Close() { o.t.part(o.w) }

// orphans are keys whose record may be there in the name of this manager's life although
// nobody holds them: an answer was lost, or a release could not be told.
func (m *Manager) orphan(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orphans[key] = true
}

// tidy takes orphans of lf off the bus.
func (m *Manager) tidy(ctx context.Context, lf *life) {
	m.mu.Lock()
	keys := make([]string, 0, len(m.orphans))
	for k := range m.orphans {
		keys = append(keys, k)
	}
	m.mu.Unlock()
	for _, k := range keys {
		if !m.reserve(k) {
			continue // it is wanted again: then it is no orphan, or another look tells
		}
		rec, rev, err := m.get(ctx, k)
		if err == nil && rec.Life == lf.id {
			err = m.b.DeleteRev(ctx, k, rev)
		}
		m.forget(k, nil)
		if code := fault.CodeOf(err); err == nil || code == fault.NotFound || code == fault.Conflict {
			m.mu.Lock()
			delete(m.orphans, k)
			m.mu.Unlock()
		}
	}
}

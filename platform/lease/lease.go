// Package lease lets a thing exist once in the deployment: a group's actor, a
// device's connection, the leader of the house clock.
//
// A lease is a key of the bucket "leases" whose value names its holder's life. A life
// is a key of the bucket "lives", whose entries expire after the TTL: one for each
// process, renewed at a third of the TTL, however many leases the process holds. A
// lease is free when its key is gone (the holder released it) or when the life that it
// names is gone (the holder died). So a holder that dies is followed after at most the
// TTL; one that releases, at once; and renewal costs the same for one lease and for
// thousands.
//
// A holder believes in its life, and so in its leases, only until five sixths of the
// TTL after it last *sent* a renewal that succeeded. So a holder that is cut off gives
// up before the server lets someone else in, as long as the two measure time alike; a
// machine that was suspended, or a paused process, may still think for a moment that
// it holds what another has. That is what the fence is for: a number that grows with
// every acquisition, travels with what the holder sends, and lets receivers drop what
// carries an older one.
//
// Who takes over from a dead life first writes a tombstone in its place, which the
// bus accepts only where there is no life. So nothing depends on a read that might be
// answered by a replica that lags.
package lease

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
)

// BucketName is the bucket of all leases, LivesName that of the processes that hold
// them. Both are kept in files: fences must not start again, and a restart of the
// server must not end a life.
const (
	BucketName = "leases"
	LivesName  = "lives"
)

// DefaultTTL is how long a dead holder keeps its things from others. See
// docs/adr/0034-leases-and-placement.md for why.
const DefaultTTL = 2 * time.Second

// The range of a TTL. A second is the least that NATS supports together with expiry
// markers; a minute of silence after a death is more than anybody wants.
const (
	minTTL = time.Second
	maxTTL = time.Minute
)

// openRetry is between two tries to open the buckets.
const openRetry = 200 * time.Millisecond

// Options of a manager.
type Options struct {
	// TTL of the leases; 0 means DefaultTTL, else 1 s to 1 min. It is a property of the
	// bucket: a manager whose TTL differs from that of a process that runs is refused.
	TTL time.Duration
	// Clock times renewals; the real one when nil.
	Clock clockwork.Clock
	// Alone says that no other process of the deployment can be alive, so what a former
	// one left counts for nothing. See EvictAll.
	Alone bool
}

type bucket = bus.Bucket[wrapperspb.StringValue, *wrapperspb.StringValue]

// record is the value of a lease's key. Its revision is the fence.
type record struct {
	Owner string `json:"owner"`
	// Life is the key of the holder's life; it tells two lives of one owner apart.
	Life string `json:"life"`
}

// Manager acquires leases for one owner. Safe for concurrent use.
type Manager struct {
	c     *bus.Conn
	b     *bucket
	lives *bucket
	owner string
	ttl   time.Duration
	clock clockwork.Clock

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	birth   chan struct{} // one slot: who has it may begin a life
	wg      sync.WaitGroup
	entries *table

	mu      sync.Mutex
	held    map[string]*Lease // nil while an Acquire is under way
	orphans map[string]bool   // see orphan
	life    *life             // nil: none yet, or lost
	closed  bool
}

// NewManager opens the buckets; it waits up to bus.RequestTimeout for the bus. owner
// names the process (its instance id) in conflicts. It fails with fault.Conflict when
// a process of the deployment runs with another TTL.
func NewManager(c *bus.Conn, owner string, o Options) (*Manager, error) {
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if o.TTL < minTTL || o.TTL > maxTTL {
		return nil, fmt.Errorf("lease: TTL is %v, but must be %v to %v", o.TTL, minTTL, maxTTL)
	}
	if o.Clock == nil {
		o.Clock = clockwork.NewRealClock()
	}
	m := &Manager{c: c, owner: owner, ttl: o.TTL, clock: o.Clock, birth: make(chan struct{}, 1), held: map[string]*Lease{}, orphans: map[string]bool{}}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	err := m.open(o.Alone)
	// A process that starts beside the one that makes the buckets may see them half made.
	for end := time.Now().Add(bus.RequestTimeout); fault.CodeOf(err) == fault.Unavailable && time.Now().Before(end); err = m.open(o.Alone) {
		select {
		case <-time.After(openRetry):
		case <-c.Done():
		}
	}
	if err != nil {
		m.cancel()
		return nil, fmt.Errorf("lease: %w", err)
	}
	m.entries = newTable(m)
	return m, nil
}

func (m *Manager) open(alone bool) (err error) {
	if m.b, err = bus.OpenBucket[wrapperspb.StringValue](m.ctx, m.c, BucketName, bus.BucketOptions{History: 1}); err != nil {
		return err
	}
	if !alone {
		// As a reader first: the bucket's TTL is not changed before all agree.
		if m.lives, err = bus.OpenBucket[wrapperspb.StringValue](m.ctx, m.c, LivesName, bus.BucketOptions{}); err != nil {
			return err
		}
		if err := m.agree(m.ctx, 0); err != nil {
			return err
		}
	}
	m.lives, err = bus.OpenBucket[wrapperspb.StringValue](m.ctx, m.c, LivesName, bus.BucketOptions{TTL: m.ttl})
	return err
}

// TTL is how long a dead holder keeps its things from others, at most.
func (m *Manager) TTL() time.Duration { return m.ttl }

// Acquire takes the lease of key, or fails with fault.Conflict, whose message names
// the holder. The lease is kept until it is released or lost.
func (m *Manager) Acquire(ctx context.Context, key string) (*Lease, error) {
	if !m.reserve(key) {
		return nil, fault.New(fault.Conflict, "lease %s is held by this process (%s)", key, m.owner)
	}
	l, err := m.acquire(ctx, key)
	if err != nil {
		m.forget(key, nil)
	}
	return l, err
}

// reserve lets one Acquire per key in; held[key] is nil until it has succeeded.
func (m *Manager) reserve(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.held[key]; taken {
		return false
	}
	m.held[key] = nil
	return true
}

func (m *Manager) acquire(ctx context.Context, key string) (*Lease, error) {
	lf, err := m.alive(ctx)
	if err != nil {
		return nil, err
	}
	rec := encode(record{Owner: m.owner, Life: lf.id})
	fence, err := m.b.Create(ctx, key, rec)
	if fault.CodeOf(err) == fault.Conflict {
		fence, err = m.takeOver(ctx, lf, key, rec)
	}
	if err != nil {
		if fault.CodeOf(err) != fault.Conflict {
			m.orphan(key)
		}
		return nil, err
	}
	l := &Lease{m: m, key: key, fence: fence, life: lf, lost: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.life != lf {
		return nil, fault.New(fault.Unavailable, "lease %s: this process lost the bus while it took it", key)
	}
	m.held[key] = l
	return l, nil
}

// takeOver takes a lease that is there: of a life that is gone, or of this very life,
// when an earlier answer was lost.
func (m *Manager) takeOver(ctx context.Context, lf *life, key string, rec *wrapperspb.StringValue) (uint64, error) {
	cur, rev, err := m.get(ctx, key)
	if fault.CodeOf(err) == fault.NotFound {
		return m.b.Create(ctx, key, rec) // it was released in between
	}
	if err != nil {
		return 0, err
	}
	if cur.Life != lf.id {
		if err := m.bury(ctx, cur); err != nil {
			return 0, fault.Wrap(fault.CodeOf(err), err, "lease %s is held by %s", key, cur.Owner)
		}
	}
	return m.b.Update(ctx, key, rec, rev) // Conflict: somebody was faster
}

// forget removes what is held (or reserved, l nil) under key.
func (m *Manager) forget(key string, l *Lease) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held, ok := m.held[key]; ok && held == l {
		delete(m.held, key)
	}
}

// Holder says who holds the lease of key and with which fence; fault.NotFound when
// nobody does.
func (m *Manager) Holder(ctx context.Context, key string) (owner string, fence uint64, err error) {
	rec, rev, err := m.get(ctx, key)
	if err != nil {
		return "", 0, err
	}
	v, _, err := m.lives.Get(ctx, rec.Life)
	if err != nil {
		return "", 0, err
	}
	if decodeLife(v).Dead {
		return "", 0, fault.New(fault.NotFound, "lease %s is free: %s, which held it, died", key, rec.Owner)
	}
	return rec.Owner, rev, nil
}

// Close gives every lease back and ends the life of this manager, so that others need
// not wait. No method may be called after it. Without the bus it returns an error and
// everything ends by itself within the TTL.
func (m *Manager) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	lf := m.life
	m.mu.Unlock()
	var err error
	if lf != nil {
		err = lf.end(ctx)
	}
	m.cancel()
	m.wg.Wait()
	return err
}

func (m *Manager) get(ctx context.Context, key string) (record, uint64, error) {
	v, rev, err := m.b.Get(ctx, key)
	if err != nil {
		return record{}, 0, err
	}
	rec, err := decode(v)
	if err != nil {
		return record{}, 0, fault.Wrap(fault.Internal, err, "lease: decode %s", key)
	}
	return rec, rev, nil
}

func decode(v *wrapperspb.StringValue) (rec record, err error) {
	err = json.Unmarshal([]byte(v.GetValue()), &rec)
	return rec, err
}

func encode(v any) *wrapperspb.StringValue {
	b, err := json.Marshal(v)
	if err != nil {
		panic("lease: " + err.Error()) // strings, numbers and bools always encode
	}
	return wrapperspb.String(string(b))
}

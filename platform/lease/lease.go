// Package lease lets a thing exist once in the deployment: a group's actor, a
// client's session, the leader of the house clock.
//
// A lease is a key in the bucket "leases", whose entries expire after the TTL. The
// holder renews it at a third of the TTL. A holder that dies is followed after at
// most the TTL; one that releases, at once.
//
// A holder believes in its lease only until five sixths of the TTL after it last
// *sent* a renewal that succeeded. So a holder that is cut off gives up before the
// server lets someone else in, as long as the two measure time alike; a machine
// that was suspended, or a paused process, may still think for a moment that it
// holds what another has. That is what the fence is for: a number that grows with
// every acquisition, travels with what the holder sends, and lets receivers drop
// what carries an older one.
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

// BucketName is the bucket of all leases. It is kept in files: fences must not
// start again.
const BucketName = "leases"

// DefaultTTL is how long a dead holder keeps its things from others.
const DefaultTTL = 6 * time.Second

// minTTL is what NATS supports together with expiry markers.
const minTTL = time.Second

// Options of a manager.
type Options struct {
	// TTL of the leases; 0 means DefaultTTL, at least 1 s. It is a property of the
	// bucket, so all managers of a deployment must use the same.
	TTL time.Duration
	// Clock times renewals; the real one when nil.
	Clock clockwork.Clock
}

type bucket = bus.Bucket[wrapperspb.StringValue, *wrapperspb.StringValue]

// record is the value of a key.
type record struct {
	Owner string `json:"owner"`
	// Life tells two lives of an owner with the same name apart.
	Life string `json:"life"`
	// Fence is 0 in the first revision, whose number is the fence.
	Fence uint64 `json:"fence,omitempty"`
}

// Manager acquires leases for one owner. Safe for concurrent use.
type Manager struct {
	c     *bus.Conn
	b     *bucket
	owner string
	life  string
	ttl   time.Duration
	clock clockwork.Clock

	mu   sync.Mutex
	held map[string]*Lease
}

// NewManager opens the bucket; it waits up to bus.RequestTimeout for the bus. owner
// names the process (its instance id) in conflicts.
func NewManager(c *bus.Conn, owner string, o Options) (*Manager, error) {
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if o.TTL < minTTL {
		return nil, fmt.Errorf("lease: TTL is %v, but must be at least %v", o.TTL, minTTL)
	}
	if o.Clock == nil {
		o.Clock = clockwork.NewRealClock()
	}
	b, err := bus.OpenBucket[wrapperspb.StringValue](context.Background(), c, BucketName, bus.BucketOptions{TTL: o.TTL})
	if err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	return &Manager{c: c, b: b, owner: owner, life: bus.NewTraceID(), ttl: o.TTL, clock: o.Clock,
		held: map[string]*Lease{}}, nil
}

// Acquire takes the lease of key, or fails with fault.Conflict, whose message names
// the holder. The lease is renewed until it is released or lost.
func (m *Manager) Acquire(ctx context.Context, key string) (*Lease, error) {
	if !m.reserve(key) {
		return nil, fault.New(fault.Conflict, "lease %s is held by this process (%s)", key, m.owner)
	}
	sent := m.clock.Now()
	rev, err := m.b.Create(ctx, key, m.record(0))
	if fault.CodeOf(err) == fault.Conflict {
		sent = m.clock.Now()
		rev, err = m.retake(ctx, key)
	}
	if err != nil {
		m.forget(key, nil)
		return nil, err
	}
	return m.hold(key, rev, sent), nil
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

// retake takes a lease that this manager holds without knowing: an answer was lost.
func (m *Manager) retake(ctx context.Context, key string) (uint64, error) {
	rec, rev, err := m.get(ctx, key)
	if fault.CodeOf(err) == fault.NotFound {
		return m.b.Create(ctx, key, m.record(0)) // it expired in between
	}
	if err != nil {
		return 0, err
	}
	if rec.Life != m.life {
		return 0, fault.New(fault.Conflict, "lease %s is held by %s", key, rec.Owner)
	}
	return m.b.Update(ctx, key, m.record(0), rev)
}

func (m *Manager) hold(key string, rev uint64, sent time.Time) *Lease {
	l := &Lease{m: m, key: key, fence: rev, rev: rev, lost: make(chan struct{}),
		stop: make(chan struct{}), done: make(chan struct{})}
	l.extend(sent)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held[key] = l
	go l.keep()
	return l
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
	if rec.Fence == 0 {
		rec.Fence = rev
	}
	return rec.Owner, rec.Fence, nil
}

func (m *Manager) get(ctx context.Context, key string) (record, uint64, error) {
	v, rev, err := m.b.Get(ctx, key)
	if err != nil {
		return record{}, 0, err
	}
	var rec record
	if err := json.Unmarshal([]byte(v.Value), &rec); err != nil {
		return record{}, 0, fault.Wrap(fault.Internal, err, "lease: decode %s", key)
	}
	return rec, rev, nil
}

func (m *Manager) record(fence uint64) *wrapperspb.StringValue {
	b, err := json.Marshal(record{Owner: m.owner, Life: m.life, Fence: fence})
	if err != nil {
		panic("lease: " + err.Error()) // strings and a number always encode
	}
	return wrapperspb.String(string(b))
}

package lease

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
)

// lifeRecord is the value of a life's key.
type lifeRecord struct {
	Owner string `json:"owner"`
	TTLMS int64  `json:"ttl_ms"`
	// Dead marks a tombstone: who took over from this life wrote it, so that the life
	// cannot be renewed any more.
	Dead bool `json:"dead,omitempty"`
}

func decodeLife(v *wrapperspb.StringValue) (rec lifeRecord) {
	if json.Unmarshal([]byte(v.GetValue()), &rec) != nil {
		return lifeRecord{} // of another version: it lives
	}
	return rec
}

// life is one time in which this manager can hold leases: from its first Acquire, or
// the first after a loss, until its heartbeat fails.
type life struct {
	m   *Manager
	id  string // its key
	rev uint64 // belongs to keep

	mu    sync.Mutex
	until time.Time // on the manager's clock: believed until then

	stop     chan struct{} // closed by end
	stopOnce sync.Once
	done     chan struct{} // closed when keep has returned
}

// alive returns the life of this manager, and begins one when it has none.
func (m *Manager) alive(ctx context.Context) (*life, error) {
	select {
	case m.birth <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-m.birth }()
	m.mu.Lock()
	lf, closed := m.life, m.closed
	m.mu.Unlock()
	switch {
	case closed:
		return nil, fault.New(fault.Unavailable, "lease: %s is ending", m.owner)
	case lf != nil && lf.believed():
		return lf, nil
	}
	return m.begin(ctx)
}

func (m *Manager) begin(ctx context.Context) (*life, error) {
	lf := &life{m: m, id: m.owner + "." + bus.NewTraceID(), stop: make(chan struct{}), done: make(chan struct{})}
	sent := m.clock.Now()
	rev, err := m.lives.Create(ctx, lf.id, m.lifeRecord())
	if err != nil {
		return nil, err
	}
	lf.rev = rev
	lf.extend(sent)
	if err := m.agree(ctx, rev); err != nil {
		_ = m.lives.DeleteRev(ctx, lf.id, rev) // it expires otherwise
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fault.New(fault.Unavailable, "lease: %s is ending", m.owner)
	}
	m.life = lf
	m.wg.Go(lf.keep)
	return lf, nil
}

func (m *Manager) lifeRecord() *wrapperspb.StringValue {
	return encode(lifeRecord{Owner: m.owner, TTLMS: m.ttl.Milliseconds()})
}

// agree fails when a process that was there before revision rev (0: at all) has another
// TTL: the TTL belongs to the bucket, and a holder that believes in a longer one than
// the server's would not give up in time.
func (m *Manager) agree(ctx context.Context, rev uint64) error {
	keys, err := m.lives.Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		v, r, err := m.lives.Get(ctx, k)
		if fault.CodeOf(err) == fault.NotFound {
			continue // it has just expired
		}
		if err != nil {
			return err
		}
		their := decodeLife(v)
		ttl := time.Duration(their.TTLMS) * time.Millisecond
		if their.Dead || ttl == 0 || ttl == m.ttl || rev != 0 && r > rev {
			continue
		}
		return fault.New(fault.Conflict, "leases of this process would last %v, but %s, which runs now or did until a moment ago, uses %v: "+
			"all processes of a deployment share one; start this one with --lease-ttl %v, or stop them all to change it", m.ttl, their.Owner, ttl, ttl)
	}
	return nil
}

// bury makes sure that a life is over. It fails with fault.Conflict while it lives.
func (m *Manager) bury(ctx context.Context, rec record) error {
	if m.entries.buried(rec.Life) {
		return nil
	}
	_, err := m.lives.Create(ctx, rec.Life, encode(lifeRecord{Owner: rec.Owner, Dead: true}))
	if fault.CodeOf(err) == fault.Conflict {
		v, _, gerr := m.lives.Get(ctx, rec.Life)
		if gerr == nil && decodeLife(v).Dead {
			err = nil // somebody else was faster
		}
	}
	if err == nil {
		m.entries.bury(rec.Life)
	}
	return err
}

func (lf *life) believed() bool {
	lf.mu.Lock()
	defer lf.mu.Unlock()
	return lf.m.clock.Now().Before(lf.until)
}

// extend sets how long the life is believed in after a renewal sent at sent.
func (lf *life) extend(sent time.Time) {
	lf.mu.Lock()
	defer lf.mu.Unlock()
	lf.until = sent.Add(lf.m.ttl - lf.m.ttl/6)
}

// left is how long the life is believed in without another renewal.
func (lf *life) left() time.Duration {
	lf.mu.Lock()
	defer lf.mu.Unlock()
	return lf.until.Sub(lf.m.clock.Now())
}

// keep renews until end, the end of the bus, or loss; then every lease is lost.
func (lf *life) keep() {
	defer close(lf.done)
	defer lf.m.lose(lf)
	tick := lf.m.clock.NewTicker(lf.m.ttl / 3)
	defer tick.Stop()
	for {
		// Not the ticker alone: a renewal that took long must not be followed by a wait.
		var again <-chan time.Time
		if left := lf.left(); left < lf.m.ttl/2 {
			again = lf.m.clock.After(max(left/4, 10*time.Millisecond))
		}
		select {
		case <-lf.stop:
			return
		case <-lf.m.c.Done():
			return
		case <-tick.Chan():
		case <-again:
		}
		if !lf.renew() {
			return
		}
	}
}

// renew writes the record again; false says that the life is over.
func (lf *life) renew() bool {
	left := lf.left()
	if left <= 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(left, lf.m.ttl/3))
	defer cancel()
	go func() { // end and the end of the bus must not wait for an answer
		select {
		case <-lf.stop:
			cancel()
		case <-lf.m.c.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	sent := lf.m.clock.Now()
	rev, err := lf.m.lives.Update(ctx, lf.id, lf.m.lifeRecord(), lf.rev)
	if fault.CodeOf(err) == fault.Conflict {
		return lf.settle(ctx)
	}
	if err == nil {
		lf.rev = rev
		lf.extend(sent)
		lf.m.tidy(ctx, lf)
	}
	return lf.believed()
}

// settle finds out about a conflict: our own renewal, whose answer was lost, or the
// life is over.
func (lf *life) settle(ctx context.Context) bool {
	v, rev, err := lf.m.lives.Get(ctx, lf.id)
	switch {
	case err != nil && fault.CodeOf(err) != fault.NotFound:
		return lf.believed()
	case err == nil && !decodeLife(v).Dead:
		lf.rev = rev // the next renewal extends it
		return lf.believed()
	}
	return false
}

// end stops the heartbeat and takes the life off the bus.
func (lf *life) end(ctx context.Context) error {
	lf.stopOnce.Do(func() { close(lf.stop) })
	<-lf.done
	err := lf.m.lives.DeleteRev(ctx, lf.id, lf.rev)
	if fault.CodeOf(err) == fault.Conflict { // the last renewal was taken, and not waited for; or it is over
		var v *wrapperspb.StringValue
		var rev uint64
		if v, rev, err = lf.m.lives.Get(ctx, lf.id); err == nil && !decodeLife(v).Dead {
			err = lf.m.lives.DeleteRev(ctx, lf.id, rev)
		}
	}
	if code := fault.CodeOf(err); code == fault.Conflict || code == fault.NotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lease: end the life of %s: %w", lf.m.owner, err)
	}
	return nil
}

// lose ends every lease of a life.
func (m *Manager) lose(lf *life) {
	m.mu.Lock()
	if m.life == lf {
		m.life = nil
	}
	var lost []*Lease
	for _, l := range m.held {
		if l != nil && l.life == lf {
			lost = append(lost, l)
		}
	}
	m.mu.Unlock()
	for _, l := range lost {
		l.lose()
	}
}

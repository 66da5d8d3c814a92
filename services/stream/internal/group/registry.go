package group

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// LeaseKey is the lease under which a group is held.
func LeaseKey(id string) string { return "group." + id }

// releaseTimeout bounds the release of a lease at the end; after that it expires.
const releaseTimeout = 2 * time.Second

// flushTimeout bounds the wait for acknowledgements of the last chunks.
const flushTimeout = 500 * time.Millisecond

// Resolver turns addresses into queue items.
type Resolver interface {
	Play(ctx context.Context, uri string) ([]playback.Item, error)
	Enqueue(ctx context.Context, uris []string) ([]playback.Item, error)
	// Given takes over what another instance has found out (Play.items).
	Given(ctx context.Context, items []*tuttiv1.QueueItem) ([]playback.Item, error)
}

// Registry runs the groups that this instance holds. Its methods are safe for concurrent
// use.
type Registry struct {
	deps     Deps
	bus      *bus.Conn
	leases   *lease.Manager
	resolver Resolver
	sup      *actor.Supervisor

	ctx    context.Context
	cancel context.CancelFunc
	mu     sync.Mutex // guards what a WaitGroup cannot: no Add once Stop waits
	ended  bool
	wg     sync.WaitGroup
	held   map[string]*holding // groups whose lease this instance has
	coming int                 // calls of Activate under way
}

// holding is one group of this instance.
type holding struct {
	ref  *actor.Ref[Message]
	mood mood
	done chan struct{} // closed when the lease is released
}

// Mood says what it would cost to move a group to another instance.
type Mood int32

// The moods.
const (
	Idle     Mood = iota // nothing plays
	Buffered             // the tape is ahead: nobody hears a move
	Live                 // what plays is made as it is heard: a move leaves a gap
)

type mood = atomic.Int32

// NewRegistry returns an empty registry. Its groups end with ctx or with Stop, which
// waits for them.
func NewRegistry(ctx context.Context, d Deps, c *bus.Conn, l *lease.Manager, r Resolver) *Registry {
	g := &Registry{held: map[string]*holding{}, deps: d, bus: c, leases: l, resolver: r}
	g.ctx, g.cancel = context.WithCancel(ctx)
	g.sup = actor.NewSupervisor(g.ctx, actor.SupervisorOptions{Name: "groups", Log: d.Log, Clock: d.Clock, Metrics: d.Actors})
	return g
}

// Stop ends all groups without a word to their sessions, and waits.
func (r *Registry) Stop() {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.cancel()
	r.sup.Stop()
	r.wg.Wait()
}

// Activate makes the group run somewhere. It returns when it runs here, or at once when
// another instance (or another call) holds its lease.
func (r *Registry) Activate(ctx context.Context, id string) error {
	if err := r.room(); err != nil {
		return err
	}
	defer r.unroom()
	l, err := r.leases.Acquire(ctx, LeaseKey(id))
	if fault.CodeOf(err) == fault.Conflict {
		return nil
	}
	if err != nil {
		return err
	}
	h := &holding{done: make(chan struct{})}
	started := make(chan struct{})
	var once sync.Once
	log := r.deps.Log.With(obs.KeyGroup, id)
	ref, err := actor.Spawn(r.sup, actor.Options{Key: "group/" + id, Size: 256, Log: log},
		New(r.deps, id, l, &h.mood, func() { once.Do(func() { close(started) }) }))
	if err != nil {
		r.release(l)
		return fault.Wrap(fault.Unavailable, err, "this instance is ending")
	}
	h.ref = ref
	if !r.hold(id, l, h, started) {
		ref.Stop()
		<-ref.Done()
		r.release(l)
		return fault.New(fault.Unavailable, "this instance is ending")
	}
	select {
	case <-started:
		return nil
	case <-ref.Done():
		return fault.New(fault.NotFound, "there is no group %s", id)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hold keeps watch over a running group. It is false when the registry has ended.
func (r *Registry) hold(id string, l *lease.Lease, h *holding, started <-chan struct{}) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	r.held[id] = h
	r.wg.Go(func() {
		r.serve(id, l, h.ref, started)
		h.ref.Stop()
		<-h.ref.Done()
		r.flush() // the next holder goes on from the tape's last chunk
		r.release(l)
		r.mu.Lock()
		if r.held[id] == h {
			delete(r.held, id)
		}
		r.mu.Unlock()
		close(h.done)
	})
	return true
}

// Held lists the groups of this instance that are in a mood.
func (r *Registry) Held(m Mood) (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, h := range r.held {
		if Mood(h.mood.Load()) == m {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Count is the number of groups that this instance holds.
func (r *Registry) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.held)
}

// room keeps a place for one more group, until unroom.
func (r *Registry) room() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.held) + r.coming; r.deps.MaxGroups > 0 && n >= r.deps.MaxGroups {
		return fault.New(fault.Unavailable, "instance %s holds %d groups, as many as it may: start another one, or raise --max-groups", r.deps.InstanceID, n)
	}
	r.coming++
	return nil
}

func (r *Registry) unroom() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.coming--
}

// HandOver ends a group here without a word to its sessions, saves where it is, and gives
// its lease back, so that another instance can go on. It returns when that is done; when
// ctx ends first, it happens a little later.
func (r *Registry) HandOver(ctx context.Context, id string) error {
	r.mu.Lock()
	h := r.held[id]
	r.mu.Unlock()
	if h == nil {
		return fault.New(fault.NotFound, "group %s is not held here", id)
	}
	h.ref.Stop()
	select {
	case <-h.done:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Timeout, "group %s does not end: a source does not answer", id)
	}
}

// serve answers at the group's address until the group or its lease ends.
func (r *Registry) serve(id string, l *lease.Lease, ref *actor.Ref[Message], started <-chan struct{}) {
	select {
	case <-started:
	case <-ref.Done():
		return
	case <-l.Lost():
		return
	case <-r.ctx.Done():
		return
	}
	stop, err := bus.HandleExclusive(r.bus, subject.Group(id), func(ctx context.Context, c *tuttiv1.GroupCommand) (*tuttiv1.GroupReply, error) {
		return r.command(ctx, ref, c)
	})
	if err != nil {
		r.deps.Log.Error("group cannot be reached", obs.KeyGroup, id, obs.KeyErr, err)
		return
	}
	defer stop()
	select {
	case <-ref.Done():
	case <-l.Lost():
		r.deps.Log.Warn("group's lease is lost", obs.KeyGroup, id)
	case <-r.ctx.Done():
	}
	ref.Stop() // before stop: a request that waits for the actor must not hold it up
}

// command looks up what a command names and asks the group.
func (r *Registry) command(ctx context.Context, ref *actor.Ref[Message], c *tuttiv1.GroupCommand) (*tuttiv1.GroupReply, error) {
	var items []playback.Item
	var err error
	switch k := c.GetCommand().(type) {
	case *tuttiv1.GroupCommand_Play:
		items, err = r.play(ctx, k.Play)
	case *tuttiv1.GroupCommand_Schedule:
		items, err = r.play(ctx, k.Schedule.GetPlay())
	case *tuttiv1.GroupCommand_PlayAside:
		items, err = r.resolver.Play(ctx, k.PlayAside)
	case *tuttiv1.GroupCommand_Enqueue:
		if given := k.Enqueue.GetItems(); len(given) > 0 {
			items, err = r.resolver.Given(ctx, given)
		} else {
			items, err = r.resolver.Enqueue(ctx, k.Enqueue.GetUris())
		}
	}
	if err != nil {
		return nil, err
	}
	reply, err := actor.Ask(ctx, ref, func(reply chan<- Reply) Message {
		return Command{Cmd: c, Items: items, Trace: bus.TraceID(ctx), Reply: reply}
	})
	switch {
	case errors.Is(err, actor.ErrStopped):
		return nil, fault.New(fault.Unavailable, "group %s is moving to another instance: try again", c.GetGroupId())
	case err != nil:
		return nil, err
	case reply.Err != nil:
		return nil, reply.Err
	}
	return &tuttiv1.GroupReply{Group: reply.Group}, nil
}

// play looks up what is to be played; nothing when there is no address.
func (r *Registry) play(ctx context.Context, p *tuttiv1.Play) ([]playback.Item, error) {
	switch {
	case len(p.GetItems()) > 0:
		return r.resolver.Given(ctx, p.GetItems())
	case p.GetUri() != "":
		return r.resolver.Play(ctx, p.GetUri())
	}
	return nil, nil
}

// flush waits, not for long, until the chunks on their way are on their tapes.
func (r *Registry) flush() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), flushTimeout)
	defer cancel()
	if err := r.bus.Flush(ctx); err != nil {
		r.deps.Log.Debug("chunks may be missing at the end of a tape", obs.KeyErr, err)
	}
}

func (r *Registry) release(l *lease.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), releaseTimeout)
	defer cancel()
	if err := l.Release(ctx); err != nil {
		r.deps.Log.Debug("lease was not released, it will expire", obs.KeyErr, err)
	}
}

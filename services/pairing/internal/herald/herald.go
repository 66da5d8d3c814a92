// Package herald tells the deployment what the store says: it keeps the KV
// buckets "trust", "settings" and "personas" equal to the database and publishes the events
// of the outbox. It is an actor; losing it loses nothing, since the outbox stays
// until it was announced, and every start compares the buckets with the database.
//
// Delivery is at least once. A bucket entry is always written from the database
// as it is at that moment and under the entry's revision (read the revision, then
// the database, then write), so that of two instances that announce at once the
// one with the older view loses.
package herald

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

const (
	// mailbox: requests coalesce, so few messages ever wait.
	mailbox = 64
	// batch is how many announcements one transaction clears.
	batch = 256
	// drainEvery also notices announcements of an instance that died before it
	// made them, and a database that is away.
	drainEvery = 2 * time.Second
	sweepEvery = time.Minute
	// lapseEvery is how late a live session loses an approval whose time has passed.
	lapseEvery = 2 * time.Second
	// settle is how long a Kick waits for more of them: many devices that come at
	// once then cost one transaction of the outbox, not one each.
	settle = 20 * time.Millisecond
	// compareEvery repairs a bucket that lost entries while we ran.
	compareEvery = 10 * time.Minute
	// rostersEvery is how often rosters are published again though nothing changed:
	// another site that was away has them within the hour.
	rostersEvery = time.Hour
	// flushTimeout bounds how long an operator's request waits for announcements.
	flushTimeout = 2 * time.Second
	// casTries bounds retries when two instances write one entry.
	casTries = 8
)

type task int

const (
	taskDrain task = iota
	taskSweep
	taskCompare
	taskLapse
	taskRosters // publish every roster again
	taskSoon    // a drain after settle
)

// every says how often the task comes back by itself.
func (t task) every() time.Duration {
	switch t {
	case taskSweep:
		return sweepEvery
	case taskCompare:
		return compareEvery
	case taskLapse:
		return lapseEvery
	case taskRosters:
		return rostersEvery
	default:
		return drainEvery
	}
}

type message struct {
	task  task
	timer bool            // came by itself: set the next one
	done  chan<- struct{} // not nil: somebody waits
}

// Buckets are what the herald writes.
type Buckets struct {
	Trust    *bus.Bucket[pb.TrustRecord, *pb.TrustRecord]
	Settings *bus.Bucket[pb.ServerSettings, *pb.ServerSettings]
	Personas *bus.Bucket[pb.Persona, *pb.Persona]
}

// OpenBuckets opens or makes the buckets and the stream of events.
func OpenBuckets(ctx context.Context, c *bus.Conn) (Buckets, error) {
	var b Buckets
	var err error
	owner := bus.BucketOptions{History: 1}
	if b.Trust, err = bus.OpenBucket[pb.TrustRecord](ctx, c, subject.BucketTrust, owner); err != nil {
		return b, err
	}
	if b.Settings, err = bus.OpenBucket[pb.ServerSettings](ctx, c, subject.BucketSettings, owner); err != nil {
		return b, err
	}
	if b.Personas, err = bus.OpenBucket[pb.Persona](ctx, c, subject.BucketPersonas, owner); err != nil {
		return b, err
	}
	err = c.EnsureStream(ctx, bus.StreamConfig{
		Name: subject.StreamEvents, Subjects: []string{subject.EventsAll}, MaxAge: 24 * time.Hour,
	})
	return b, err
}

// Options of a herald. Fields are required unless they say otherwise.
type Options struct {
	Store      desk.Store
	Bus        *bus.Conn
	Buckets    Buckets
	Clock      clockwork.Clock
	Log        *slog.Logger
	Registerer prometheus.Registerer // may be nil
	// Venue names the deployment in events; may be empty.
	Venue string
	// Settings are the server's settings as the database has them.
	Settings func(ctx context.Context) (*pb.ServerSettings, error)
	// Sweep is run every minute; it may Kick.
	Sweep func(ctx context.Context) error
	// Lapse is run every two seconds; it may Kick.
	Lapse func(ctx context.Context) error
}

// Herald is the address of the actor; it implements desk.Announcer. The zero value
// may be used before Start: then the outbox waits.
type Herald struct {
	ref    atomic.Pointer[actor.Ref[message]]
	queued atomic.Bool // a drain waits in the mailbox already
	told   atomic.Bool // the buckets were compared with the database once
}

var _ desk.Announcer = (*Herald)(nil)

// Start spawns the actor.
func (h *Herald) Start(s *actor.Supervisor, o Options) error {
	failures := prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "tutti", Subsystem: "pairing", Name: "announce_failures_total",
		Help: "Attempts to announce the outbox that failed; it is tried again.",
	})
	if o.Registerer != nil {
		if err := o.Registerer.Register(failures); err != nil {
			return err
		}
	}
	ref, err := actor.Spawn(s, actor.Options{Key: "herald", Size: mailbox, Full: actor.Fail},
		func(self *actor.Ref[message]) actor.Handler[message] {
			return &crier{Options: o, self: self, queued: &h.queued, told: &h.told, failures: failures}
		})
	if err == nil {
		h.ref.Store(ref)
	}
	return err
}

// Told reports whether the buckets have been brought up to date since the start.
func (h *Herald) Told() bool { return h.told.Load() }

// Kick implements desk.Announcer.
func (h *Herald) Kick() {
	ref := h.ref.Load()
	if ref != nil && h.queued.CompareAndSwap(false, true) {
		// Full or stopped: what waits in the outbox is found by the next drain.
		_ = ref.Send(context.Background(), message{task: taskSoon})
	}
}

// Flush implements desk.Announcer.
func (h *Herald) Flush(ctx context.Context) {
	ref := h.ref.Load()
	if ref == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	_, _ = actor.Ask(ctx, ref, func(done chan<- struct{}) message { return message{task: taskDrain, done: done} })
}

// crier is the actor's state.
type crier struct {
	Options
	self     *actor.Ref[message]
	queued   *atomic.Bool
	told     *atomic.Bool
	failures prometheus.Counter
	failing  bool
	timers   map[task]func()
}

// Start implements actor.Lifecycle.
func (c *crier) Start(context.Context) error {
	c.timers = map[task]func(){}
	c.queued.Store(false)
	c.after(taskCompare, 0)
	c.after(taskDrain, drainEvery)
	c.after(taskSweep, sweepEvery)
	c.after(taskLapse, lapseEvery)
	c.after(taskRosters, rostersEvery)
	return nil
}

// Close implements actor.Lifecycle.
func (c *crier) Close(context.Context) {
	for _, cancel := range c.timers {
		cancel()
	}
}

func (c *crier) after(t task, d time.Duration) {
	c.timers[t] = actor.After(c.self, c.Clock, d, message{task: t, timer: true})
}

// Handle implements actor.Handler. Trouble with the store or the bus is no crash:
// it is logged once and tried again.
func (c *crier) Handle(ctx context.Context, m message) error {
	if m.done != nil {
		defer func() { m.done <- struct{}{} }()
	}
	if m.task == taskSoon {
		c.timers[taskSoon] = actor.After(c.self, c.Clock, settle, message{task: taskDrain})
		return nil
	}
	err := c.do(ctx, m.task)
	wait := m.task.every()
	if err != nil && m.task == taskCompare {
		wait = drainEvery
	}
	if m.timer {
		c.after(m.task, wait)
	}
	c.note(ctx, err)
	return nil
}

func (c *crier) do(ctx context.Context, t task) error {
	switch t {
	case taskSweep:
		return c.Sweep(ctx)
	case taskLapse:
		return c.Lapse(ctx)
	case taskCompare:
		return c.compare(ctx)
	case taskRosters:
		return c.publishRosters(ctx)
	default:
		c.queued.Store(false) // before reading: what comes later kicks again
		return c.drain(ctx)
	}
}

// note logs the first failure of a row and the end of the row.
func (c *crier) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		c.failures.Inc()
	}
	switch {
	case err != nil && !c.failing:
		c.Log.Warn("trust cannot be announced; it stays in the outbox", obs.KeyErr, err)
	case err == nil && c.failing:
		c.Log.Info("trust is announced again")
	}
	c.failing = err != nil
}

// drain announces the outbox, oldest first, until it is empty.
func (c *crier) drain(ctx context.Context) error {
	for {
		var items []desk.Announcement
		err := c.Store.View(ctx, func(ctx context.Context, tx desk.Tx) (err error) {
			items, err = tx.Outbox(ctx, batch)
			return err
		})
		if err != nil || len(items) == 0 {
			return err
		}
		done, err := c.announceAll(ctx, items)
		if len(done) > 0 {
			err = errors.Join(err, c.Store.Update(ctx, func(ctx context.Context, tx desk.Tx) error { return tx.Announced(ctx, done...) }))
		}
		if err != nil || len(items) < batch {
			return err
		}
	}
}

// announceAll stops at the first failure. One client in the batch several times
// is written once.
func (c *crier) announceAll(ctx context.Context, items []desk.Announcement) (done []int64, err error) {
	written := map[string]bool{}
	for _, a := range items {
		if a.Kind != desk.AnnounceClient || !written[a.Key] {
			if err := c.announce(ctx, a); err != nil {
				return done, err
			}
			written[a.Key] = written[a.Key] || a.Kind == desk.AnnounceClient
		}
		done = append(done, a.Seq)
	}
	return done, nil
}

func (c *crier) announce(ctx context.Context, a desk.Announcement) error {
	switch a.Kind {
	case desk.AnnounceClient:
		return c.writeClient(ctx, a.Key)
	case desk.AnnounceSettings:
		return c.writeSettings(ctx)
	case desk.AnnouncePersona:
		return c.writePersona(ctx, a.Key)
	case desk.AnnounceRoster:
		return c.publishRoster(ctx, a.Key)
	case desk.AnnounceTrust:
		return c.publish(ctx, subject.EventTrust(a.Key), &pb.TrustChanged{}, a)
	case desk.AnnounceAudit:
		return c.publish(ctx, subject.EventAudit, &pb.AuditEvent{}, a)
	}
	c.Log.Error("unknown announcement dropped; was it written by a newer version?", "kind", a.Kind)
	return nil
}

func (c *crier) publish(ctx context.Context, subj string, m proto.Message, a desk.Announcement) error {
	if err := proto.Unmarshal(a.Payload, m); err != nil {
		c.Log.Error("unreadable announcement dropped", "kind", a.Kind, obs.KeyErr, err)
		return nil
	}
	switch m := m.(type) { // what waits in the outbox knows nothing of venues
	case *pb.TrustChanged:
		m.Venue = c.Venue
	case *pb.AuditEvent:
		m.Venue = c.Venue
	}
	return c.Bus.PublishEvent(ctx, subj, m)
}

// conflict reports whether somebody else wrote the entry first.
func conflict(err error) bool { return fault.CodeOf(err) == fault.Conflict }

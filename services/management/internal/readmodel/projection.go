package readmodel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/houseclock"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/feed"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// Kinds of events in the live feed. The body of an .updated event is the object
// that the GET returns; of a .removed event a model.Removed.
const (
	EventClientUpdated   = "client.updated"
	EventClientRemoved   = "client.removed"
	EventGroupUpdated    = "group.updated"
	EventGroupRemoved    = "group.removed"
	EventQueueUpdated    = "queue.updated"
	EventInboxUpdated    = "inbox.updated"
	EventPairingUpdated  = "pairing.updated"
	EventPersonaUpdated  = "persona.updated"
	EventScheduleUpdated = "schedule.updated"
	EventScheduleRemoved = "schedule.removed"
	EventHolidaysUpdated = "holidays.updated"
	EventServerUpdated   = "server.updated"
	EventAuditAppended   = "audit.appended"
	EventHealthUpdated   = "health.updated"
)

const (
	// mailboxSize absorbs the burst of a watch's first delivery; the watchers
	// wait when it is full (Block), nothing is lost.
	mailboxSize = 256
	// flushDelay gathers changes, so that a thousand devices coming at once make
	// some dozen snapshots and not a thousand. It is also the most that a GET is
	// behind the bus.
	flushDelay = 20 * time.Millisecond
	// telemetryEvery and telemetryBatch bound what buffers and round trips,
	// which move all the while, put into the live feed.
	telemetryEvery = time.Second
	telemetryBatch = 100
)

// Options of a projection.
type Options struct {
	House houseclock.Clock // may be nil: positions then use the wall clock
	Clock clockwork.Clock
	Log   *slog.Logger
	Feed  *feed.Feed
	// Server builds the body of server.updated.
	Server func(*Snapshot) model.Server
}

// Projection owns the read model. Its methods are safe for concurrent use.
type Projection struct {
	o     Options
	ref   *actor.Ref[message]
	snap  atomic.Pointer[Snapshot]
	ready chan struct{} // closed when every bucket was read once
}

// message is what the actor takes.
type message interface{ isMessage() }

type (
	presenceMsg struct {
		id string
		v  *pb.ClientPresence
	}
	trustMsg struct {
		id string
		v  *pb.TrustRecord
	}
	groupMsg struct {
		id string
		v  *pb.Group
	}
	tuningMsg struct {
		id string
		v  *pb.ClientTuning
	}
	pairingMsg struct {
		id string
		v  *pb.PairingAttempt
	}
	sightingMsg struct {
		key string
		v   *pb.Sighting
	}
	instanceMsg struct {
		key string
		v   *pb.Instance
	}
	personaMsg struct {
		id string
		v  *pb.Persona
	}
	scheduleMsg struct {
		id string
		v  *pb.Schedule
	}
	holidaysMsg  struct{ v *pb.Holidays }
	settingsMsg  struct{ v *pb.ServerSettings }
	auditMsg     struct{ v *pb.AuditEvent }
	loadedMsg    struct{} // one bucket was read to its present end
	flushMsg     struct{}
	publishMsg   struct{ event feed.Event }
	telemetryMsg struct{}
	awaitMsg     struct {
		ctx  context.Context
		cond func(*Snapshot) bool
		done chan struct{}
	}
)

func (presenceMsg) isMessage()  {}
func (trustMsg) isMessage()     {}
func (groupMsg) isMessage()     {}
func (tuningMsg) isMessage()    {}
func (pairingMsg) isMessage()   {}
func (personaMsg) isMessage()   {}
func (sightingMsg) isMessage()  {}
func (instanceMsg) isMessage()  {}
func (scheduleMsg) isMessage()  {}
func (holidaysMsg) isMessage()  {}
func (settingsMsg) isMessage()  {}
func (auditMsg) isMessage()     {}
func (loadedMsg) isMessage()    {}
func (flushMsg) isMessage()     {}
func (publishMsg) isMessage()   {}
func (telemetryMsg) isMessage() {}
func (awaitMsg) isMessage()     {}

// New spawns the projection's actor under sup. It shows an empty snapshot until
// Watch has filled it.
func New(sup *actor.Supervisor, o Options) (*Projection, error) {
	p := &Projection{o: o, ready: make(chan struct{})}
	p.snap.Store(&Snapshot{})
	// The state outlives a crash of the actor: the buckets are read from their
	// beginning only once, so a restart with nothing would stay empty. What a crash
	// costs is the one message that caused it.
	core := &projector{p: p, state: newState(), telemetry: map[string]struct{}{}, queues: map[string]*queueView{}}
	ref, err := actor.Spawn(sup, actor.Options{
		Key: "projection", Size: mailboxSize, Full: actor.Block, Clock: o.Clock, Log: o.Log,
	}, func(self *actor.Ref[message]) actor.Handler[message] {
		core.self, core.armed, core.telArmed = self, false, false
		return core
	})
	if err != nil {
		return nil, fmt.Errorf("management: start projection: %w", err)
	}
	p.ref = ref
	return p, nil
}

// Snapshot is the present read model. It never blocks.
func (p *Projection) Snapshot() *Snapshot { return p.snap.Load() }

// Ready is closed when every bucket was read once.
func (p *Projection) Ready() <-chan struct{} { return p.ready }

// Now is the present moment on both clocks.
func (p *Projection) Now() Now {
	n := Now{Wall: p.o.Clock.Now()}
	if p.o.House != nil {
		n.HouseUS = p.o.House.NowMicros()
	}
	return n
}

// Await waits until a snapshot satisfies cond, so that the answer to a command
// shows its effect. It reports false when ctx ends first; that is no error, the
// command was done. cond runs in the actor and must not block.
func (p *Projection) Await(ctx context.Context, cond func(*Snapshot) bool) bool {
	if cond(p.Snapshot()) {
		return true
	}
	m := awaitMsg{ctx: ctx, cond: cond, done: make(chan struct{})}
	if p.ref.Send(ctx, m) != nil {
		return false
	}
	select {
	case <-m.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// Publish puts an event into the live feed, whose one writer the projection is; who has a
// role in single zones alone does not get it. v is
// encoded when somebody first asks, so it must not change any more.
func (p *Projection) Publish(ctx context.Context, kind string, v any) {
	p.send(ctx, publishMsg{jsonEvent(kind, v, feed.Scope{})})
}

// send hands a bucket's entry to the actor; after its end entries are of no use.
func (p *Projection) send(ctx context.Context, m message) {
	if err := p.ref.Send(ctx, m); err != nil && !errors.Is(err, actor.ErrStopped) && ctx.Err() == nil {
		p.o.Log.ErrorContext(ctx, "read model lost an update", "err", err)
	}
}

// projector is the actor's state; only its goroutine touches it.
type projector struct {
	p         *Projection
	self      *actor.Ref[message]
	state     *state
	loaded    int // buckets read once
	armed     bool
	telemetry map[string]struct{} // clients whose counters moved since they were last sent
	telArmed  bool
	waiters   []awaitMsg
	queues    map[string]*queueView // by group id, of queues that changed
}

// Handle takes one message.
func (h *projector) Handle(_ context.Context, m message) error {
	switch m := m.(type) {
	case presenceMsg:
		h.state.putPresence(m.id, m.v)
	case trustMsg:
		h.state.putTrust(m.id, m.v)
	case groupMsg:
		h.state.putGroup(m.id, m.v)
	case tuningMsg:
		h.state.putTuning(m.id, m.v)
	case pairingMsg:
		h.state.putPairing(m.id, m.v)
	case personaMsg:
		h.state.putPersona(m.id, m.v)
	case sightingMsg:
		h.state.putSighting(m.key, m.v)
	case instanceMsg:
		h.state.putInstance(m.key, m.v)
	case scheduleMsg:
		h.state.putSchedule(m.id, m.v)
	case holidaysMsg:
		h.state.putHolidays(m.v)
	case settingsMsg:
		h.state.putSettings(m.v)
	case auditMsg:
		h.emit(jsonEvent(EventAuditAppended, BuildAudit(m.v), feed.Scope{}))
	case loadedMsg:
		h.doLoaded()
	case flushMsg:
		h.armed = false
		h.doFlush()
	case publishMsg:
		h.emit(m.event)
	case telemetryMsg:
		h.telArmed = false
		h.doTelemetry()
	case awaitMsg:
		h.doAwait(m)
	}
	if h.loaded >= bucketCount && h.state.dirty() && !h.armed {
		h.armed = true
		h.after(flushDelay, flushMsg{})
	}
	return nil
}

// doLoaded publishes the first whole snapshot. Nothing is emitted for it: who
// connects to the feed reads the state by GET.
func (h *projector) doLoaded() {
	h.loaded++
	if h.loaded != bucketCount {
		return
	}
	next, _ := h.state.flush(h.p.Snapshot(), h.p.o.Clock.Now())
	h.p.snap.Store(next)
	h.wake(next)
	close(h.p.ready)
}

func (h *projector) doFlush() {
	next, changes := h.state.flush(h.p.Snapshot(), h.p.o.Clock.Now())
	h.p.snap.Store(next)
	events := make([]feed.Event, 0, len(changes))
	for _, c := range changes {
		if c.telemetry {
			h.telemetry[c.id] = struct{}{}
			continue
		}
		delete(h.telemetry, c.id)
		events = append(events, h.event(next, c))
	}
	h.emit(events...)
	h.armTelemetry()
	h.wake(next)
}

func (h *projector) doTelemetry() {
	snap := h.p.Snapshot()
	var events []feed.Event
	for id := range h.telemetry {
		if len(events) == telemetryBatch {
			break
		}
		delete(h.telemetry, id)
		if snap.Client(id) != nil {
			events = append(events, h.event(snap, change{kind: EventClientUpdated, id: id}))
		}
	}
	h.emit(events...)
	h.armTelemetry()
}

func (h *projector) armTelemetry() {
	if len(h.telemetry) > 0 && !h.telArmed {
		h.telArmed = true
		h.after(telemetryEvery, telemetryMsg{})
	}
}

func (h *projector) doAwait(m awaitMsg) {
	if m.cond(h.p.Snapshot()) {
		close(m.done)
		return
	}
	h.wake(h.p.Snapshot()) // forgets those who left, so that the list is as long as the requests that run
	h.waiters = append(h.waiters, m)
}

// wake ends the waits that snap satisfies, and forgets those who left.
func (h *projector) wake(snap *Snapshot) {
	kept := h.waiters[:0]
	for _, w := range h.waiters {
		switch {
		case w.ctx.Err() != nil:
		case w.cond(snap):
			close(w.done)
		default:
			kept = append(kept, w)
		}
	}
	clear(h.waiters[len(kept):])
	h.waiters = kept
}

// event builds the feed's form of a change. The body is encoded on first use, of
// the object as it is now.
func (h *projector) event(snap *Snapshot, c change) feed.Event {
	switch c.kind {
	case EventClientUpdated:
		v := snap.Client(c.id)
		return jsonEvent(c.kind, v, feed.Scope{ClientID: c.id, GroupID: v.GroupID})
	case EventClientRemoved:
		return jsonEvent(c.kind, model.Removed{ClientID: c.id}, feed.Scope{ClientID: c.id})
	case EventGroupUpdated:
		return jsonEvent(c.kind, BuildGroup(snap.Group(c.id), h.p.Now(), snap.Client), feed.Scope{GroupID: c.id})
	case EventGroupRemoved:
		delete(h.queues, c.id)
		return jsonEvent(c.kind, model.Removed{GroupID: c.id}, feed.Scope{GroupID: c.id})
	case EventQueueUpdated:
		return h.queueEvent(snap.Group(c.id))
	case EventPairingUpdated:
		return jsonEvent(c.kind, snap.Pairing(c.id), feed.Scope{})
	case EventInboxUpdated:
		return jsonEvent(c.kind, snap.Waiting(h.p.o.Clock.Now()), feed.Scope{})
	case EventPersonaUpdated:
		return jsonEvent(c.kind, snap.Persona(c.id), feed.Scope{})
	case EventScheduleUpdated:
		v := snap.Schedule(c.id)
		return jsonEvent(c.kind, v, feed.Scope{GroupID: v.GroupID})
	case EventScheduleRemoved:
		return jsonEvent(c.kind, model.Removed{ScheduleID: c.id, GroupID: c.zone}, feed.Scope{GroupID: c.zone})
	case EventHolidaysUpdated:
		return jsonEvent(c.kind, snap.Holidays(), feed.Scope{Public: true})
	default: // EventServerUpdated
		return jsonEvent(c.kind, h.p.o.Server(snap), feed.Scope{Public: true})
	}
}

func (h *projector) emit(events ...feed.Event) { h.p.o.Feed.Append(events...) }

func (h *projector) after(d time.Duration, m message) {
	actor.After(h.self, h.p.o.Clock, d, m)
}

// jsonEvent is an event whose body is v, encoded when somebody first asks. The
// API's own types always encode.
func jsonEvent(kind string, v any, about feed.Scope) feed.Event {
	return feed.Event{Kind: kind, Scope: about, Body: sync.OnceValue(func() []byte { return encode(v) })}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return b
}

// BuildAudit renders one line of the ledger.
func BuildAudit(v *pb.AuditEvent) model.AuditEvent {
	e := model.AuditEvent{
		ID: v.GetId(), Actor: v.GetActor(), Kind: v.GetKind(),
		ClientID: v.GetClientId(), Detail: v.GetDetail(),
	}
	if t := at(v.GetAt()); t != nil {
		e.At = *t
	}
	return e
}

// Package health watches how the deployment does: it samples what the read model shows,
// keeps a bounded history of each client, and says in words what is wrong and what mends
// it.
//
// One actor (Monitor) owns the history. Every 10 s it takes a sample, judges, and swaps
// an immutable Report; readers never wait for it. The history is in memory alone: it
// begins anew with the process, and two management instances have each their own.
package health

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

// mailboxSize: there is a tick each FineStep, and an answer about the library a minute.
const mailboxSize = 8

// untilReady is how often the monitor looks for the read model to be whole.
const untilReady = 200 * time.Millisecond

// ReadModel is what the monitor reads and tells.
type ReadModel interface {
	Snapshot() *readmodel.Snapshot
	Now() readmodel.Now
	Ready() <-chan struct{}
	Publish(ctx context.Context, kind string, v any)
}

// Options of a monitor. All are required, except House, Library and Events.
type Options struct {
	Model ReadModel
	House houseclock.Clock
	// Library asks how the music library does; nil: nobody does.
	Library func(ctx context.Context) (*model.LibraryStatus, error)
	Clock   clockwork.Clock
	// Events tell others what is found; nil: nobody is told.
	Events *Events
	// Local is what hours of the day are in; nil means time.Local.
	Local *time.Location
	Log   *slog.Logger
}

// Report is what the monitor found at one moment. Nothing in it changes any more.
type Report struct {
	model.Health
	series map[string]*Series
}

// Series is the history of a client; nil without one.
func (r *Report) Series(clientID string) *Series { return r.series[clientID] }

// Monitor is the actor's address. Safe for concurrent use.
type Monitor struct {
	report atomic.Pointer[Report]
}

type message interface{ isMessage() }

type (
	tickMsg    struct{}
	libraryMsg struct{ status *model.LibraryStatus }
)

func (tickMsg) isMessage()    {}
func (libraryMsg) isMessage() {}

// New spawns the monitor under sup.
func New(sup *actor.Supervisor, o Options) (*Monitor, error) {
	if o.Local == nil {
		o.Local = time.Local
	}
	m := &Monitor{}
	m.report.Store(&Report{Health: model.Health{
		At: o.Clock.Now().UTC(), Services: []model.ServiceHealth{}, Clients: []model.ClientHealth{}, Findings: []model.Finding{},
	}})
	// The history outlives a crash of the actor: it costs one sample.
	core := &monitor{m: m, o: o, sampler: newSampler(MaxClients), roll: newRoll(), engine: newEngine(rules), verdicts: map[string]verdict{}}
	if o.Events != nil {
		tell, err := startCrier(sup, o)
		if err != nil {
			return nil, fmt.Errorf("management: start health events: %w", err)
		}
		core.tell = tell
	}
	_, err := actor.Spawn(sup, actor.Options{Key: "health", Size: mailboxSize, Full: actor.DropOldest, Clock: o.Clock, Log: o.Log},
		func(self *actor.Ref[message]) actor.Handler[message] {
			core.self = self
			return core
		})
	if err != nil {
		return nil, fmt.Errorf("management: start health: %w", err)
	}
	return m, nil
}

// Report is the newest one. It never blocks.
func (m *Monitor) Report() *Report { return m.report.Load() }

// monitor is the actor's state; only its goroutine touches it.
type monitor struct {
	m        *Monitor
	o        Options
	self     *actor.Ref[message]
	cancel   func()
	sampler  *sampler
	roll     *roll
	engine   *engine
	verdicts map[string]verdict
	hours    map[string][24]hourSum
	hoursOf  int64 // the coarse step that hours were added up in
	library  libraryWatch
	tell     *actor.Ref[news] // nil: nobody is told
}

// Start implements actor.Lifecycle.
func (h *monitor) Start(context.Context) error {
	h.armIn(untilReady)
	return nil
}

// Close implements actor.Lifecycle.
func (h *monitor) Close(context.Context) {
	h.cancel()
	h.library.stop()
}

// arm sets the timer to the begin of the next fine step.
func (h *monitor) arm() {
	now := h.o.Clock.Now()
	h.armIn(now.Truncate(FineStep).Add(FineStep).Sub(now))
}

func (h *monitor) armIn(d time.Duration) {
	h.cancel = actor.After(h.self, h.o.Clock, d, message(tickMsg{}))
}

// Handle implements actor.Handler.
func (h *monitor) Handle(ctx context.Context, m message) error {
	switch m := m.(type) {
	case tickMsg:
		select {
		case <-h.o.Model.Ready():
			h.arm()
			h.doTick(ctx)
		default: // half a picture would look like devices that went
			h.armIn(untilReady)
		}
	case libraryMsg:
		h.library.take(m.status)
	}
	return nil
}

func (h *monitor) doTick(ctx context.Context) {
	snap, now := h.o.Model.Snapshot(), h.o.Model.Now()
	before := h.m.Report()
	next := &Report{series: before.series}
	if h.sampler.sample(snap, now) || next.series == nil {
		next.series = make(map[string]*Series, len(h.sampler.tracks))
		for id, t := range h.sampler.tracks {
			next.series[id] = t.series
		}
	}
	h.roll.call(snap.Alive, now.Wall)
	f := h.facts(snap, now, next.series)
	next.At, next.Services = now.Wall.UTC(), f.services
	next.Clients = h.clients(snap, f)
	next.Findings = h.engine.judge(f)
	h.m.report.Store(next)
	if changed(&before.Health, &next.Health) {
		h.o.Model.Publish(ctx, readmodel.EventHealthUpdated, &next.Health)
	}
	if h.tell != nil {
		_ = h.tell.Send(ctx, newsOf(next.At, next.Findings, snap)) // fails only when the service stops
	}
	h.library.ask(h.o, h.self, now.Wall)
}

// facts gathers what the rules look at.
func (h *monitor) facts(snap *readmodel.Snapshot, now readmodel.Now, series map[string]*Series) *facts {
	f := &facts{
		now: now.Wall, local: h.o.Local, snap: snap, series: series, services: h.roll.list(), library: h.library.status,
		ten: make(map[string]sums, len(series)), hour: make(map[string]sums, len(series)), starts: map[string]int{},
	}
	for _, g := range snap.Groups {
		f.groups = append(f.groups, readmodel.BuildGroup(g, now, snap.Client))
	}
	for id, s := range series {
		f.ten[id], f.hour[id] = sum(s.last(recent)), sum(s.last(anHour))
	}
	if n := now.Wall.UnixMilli() / CoarseStep.Milliseconds(); n != h.hoursOf {
		h.hours, h.hoursOf = make(map[string][24]hourSum, len(series)), n
		for id, t := range h.sampler.tracks {
			h.hours[id] = t.series.byHour(h.o.Local, t.codecFrom)
		}
	}
	f.hours = h.hours
	for p, at := range h.roll.starts {
		f.starts[serviceOf(p)] = max(f.starts[serviceOf(p)], len(at))
	}
	if h.o.House != nil {
		f.house = ptr(h.o.House.Info())
	}
	return f
}

func (h *monitor) clients(snap *readmodel.Snapshot, f *facts) []model.ClientHealth {
	out := make([]model.ClientHealth, 0, len(snap.Clients))
	here := make(map[string]bool, len(snap.Clients))
	for _, c := range snap.Clients {
		here[c.ClientID] = true
		v := h.verdicts[c.ClientID].next(judge(c, f.ten[c.ClientID], f.hour[c.ClientID]), f.now)
		h.verdicts[c.ClientID] = v
		out = append(out, clientHealth(c, f.series[c.ClientID], v, f.ten[c.ClientID], f.hour[c.ClientID]))
	}
	maps.DeleteFunc(h.verdicts, func(id string, _ verdict) bool { return !here[id] })
	return out
}

// changed reports whether b is news: other findings, qualities or services; numbers that
// move all the while are none.
func changed(a, b *model.Health) bool {
	type news struct {
		qualities map[string]string
		services  map[string]string
		findings  []model.Finding
	}
	of := func(h *model.Health) news {
		n := news{qualities: map[string]string{}, services: map[string]string{}}
		for _, c := range h.Clients {
			n.qualities[c.ClientID] = c.Quality
		}
		for _, s := range h.Services {
			n.services[s.InstanceID+" "+s.Service] = fmt.Sprint(s.Up, s.Ready, s.Draining)
		}
		for _, f := range h.Findings {
			f.Params, f.Text = nil, "" // they hold numbers that move
			n.findings = append(n.findings, f)
		}
		return n
	}
	return !reflect.DeepEqual(of(a), of(b))
}

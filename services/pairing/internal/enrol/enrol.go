// Package enrol pairs devices whose pairing token an operator has brought before
// they were there: an actor that starts an attempt (pairing_psk) as soon as an
// enrolled device is seen, a few at once, and tries again when one fails.
//
// The list itself is the desk's. Every instance of the service has an enroller; the
// attempt's lease keeps two of them from pairing one device at once. An instance
// hears of devices that it admits itself, and looks at the list now and then for what
// others were told.
package enrol

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/attempt"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

const (
	// AtOnce bounds the attempts that one instance runs for enrolments.
	AtOnce = 8
	// mailbox has room for a venue that comes back at once; what does not fit is
	// found by the next look at the list.
	mailbox = 1024
	// lookEvery is how often the list is read; probeEvery how often devices are tried
	// that nobody has reported.
	lookEvery  = 10 * time.Second
	probeEvery = time.Minute
	// A device that was seen has no session on the bus yet: awayMin, doubled with each
	// of awayTries.
	awayMin   = 250 * time.Millisecond
	awayTries = 6
	// After a failure: failMin, doubled up to failMax. A device that comes back later
	// than fresh after it is tried at once, one that comes back sooner is not: a wrong
	// token makes a device hang up and dial again.
	failMin = 5 * time.Second
	failMax = 5 * time.Minute
	fresh   = time.Minute
)

type (
	message interface{ message() }
	// seen: a device was admitted, and is not paired.
	seen struct{ id string }
	// added: tokens were enrolled here just now.
	added struct{ ids []string }
	// look at the list.
	look struct{}
	// due: it is time to try again.
	due struct{ id string }
	// tried: an attempt is over, or did not begin.
	tried struct {
		id string
		r  result
	}
)

func (seen) message()  {}
func (added) message() {}
func (look) message()  {}
func (due) message()   {}
func (tried) message() {}

// result is what came of one try.
type result int

const (
	settled result = iota // nothing is left to do
	away                  // the device is not there
	busy                  // somebody else pairs it
	failed                // the attempt failed
	trouble               // the store or the bus
)

// Options of an enroller. All fields are required.
type Options struct {
	Desk     *desk.Desk
	Attempts *attempt.Attempts
	Clock    clockwork.Clock
	Log      *slog.Logger
}

// Enroller is the address of the actor. The zero value may be used before Start:
// then nothing is done, and the first look at the list finds it.
type Enroller struct {
	ref atomic.Pointer[actor.Ref[message]]
}

// Start spawns the actor.
func (e *Enroller) Start(s *actor.Supervisor, o Options) error {
	ref, err := actor.Spawn(s, actor.Options{Key: "enroller", Size: mailbox, Full: actor.Fail},
		func(self *actor.Ref[message]) actor.Handler[message] {
			return &worker{Options: o, self: self, known: map[string]*device{}}
		})
	if err == nil {
		e.ref.Store(ref)
	}
	return err
}

// Seen tells of a device that is there and not paired. It does not wait.
func (e *Enroller) Seen(id string) { e.tell(seen{id}) }

// Add answers tokens.add.
func (e *Enroller) Add(ctx context.Context, d *desk.Desk, req *pb.EnrolRequest) (*pb.EnrolResponse, error) {
	resp, err := d.Enrol(ctx, req)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range resp.GetResults() {
		if r.GetState() == desk.EnrolWaiting {
			ids = append(ids, r.GetClientId())
		}
	}
	if len(ids) > 0 {
		e.tell(added{ids})
	}
	return resp, nil
}

func (e *Enroller) tell(m message) {
	if ref := e.ref.Load(); ref != nil {
		_ = ref.Send(context.Background(), m) // full or ending: the list is read again
	}
}

// device is what the worker remembers of one enrolled device.
type device struct {
	queued  bool
	running bool
	wait    func() // cancels the timer of the next try; nil: none is set
	away    int    // tries without the device, in a row
	fails   int    // in a row
	failed  time.Time
}

// worker is the actor's state.
type worker struct {
	Options
	self     *actor.Ref[message]
	known    map[string]*device // what waits, by client_id
	queue    []string           // due, oldest first
	running  int
	probed   time.Time
	failing  bool
	cancel   func() // of the look
	children sync.WaitGroup
	ctx      context.Context // of the children
	stop     context.CancelFunc
}

// Start implements actor.Lifecycle.
func (w *worker) Start(context.Context) error {
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.cancel = actor.After(w.self, w.Clock, 0, message(look{}))
	return nil
}

// Close implements actor.Lifecycle. The attempts themselves are actors of their own.
func (w *worker) Close(context.Context) {
	w.cancel()
	for _, d := range w.known {
		if d.wait != nil {
			d.wait()
		}
	}
	w.stop()
	w.children.Wait()
}

// Handle implements actor.Handler.
func (w *worker) Handle(ctx context.Context, m message) error {
	switch m := m.(type) {
	case seen:
		w.seen(m.id)
	case added:
		for _, id := range m.ids {
			d := w.device(id)
			d.fails, d.away = 0, 0
			w.enqueue(id, d)
		}
	case due:
		if d := w.known[m.id]; d != nil {
			d.wait = nil
			w.enqueue(m.id, d)
		}
	case tried:
		w.running--
		w.tried(m.id, m.r)
	case look:
		w.note(ctx, w.look(ctx))
		w.cancel = actor.After(w.self, w.Clock, lookEvery, message(look{}))
	}
	for w.running < AtOnce && len(w.queue) > 0 {
		w.start()
	}
	return nil
}

func (w *worker) device(id string) *device {
	d := w.known[id]
	if d == nil {
		d = &device{}
		w.known[id] = d
	}
	return d
}

func (w *worker) seen(id string) {
	d := w.known[id]
	if d == nil || d.fails > 0 && w.Clock.Since(d.failed) < fresh {
		return
	}
	d.fails, d.away = 0, 0
	w.enqueue(id, d)
}

// enqueue makes a device due, whatever it waited for.
func (w *worker) enqueue(id string, d *device) {
	if d.wait != nil {
		d.wait()
		d.wait = nil
	}
	if d.queued || d.running {
		return
	}
	d.queued = true
	w.queue = append(w.queue, id)
}

// look reads the list: what is new is tried, what is gone is forgotten, and now and
// then everything is tried.
func (w *worker) look(ctx context.Context) error {
	all, err := w.Desk.Enrolments(ctx)
	if err != nil {
		return err
	}
	probe := w.Clock.Since(w.probed) >= probeEvery
	there := map[string]bool{}
	for _, e := range all {
		if e.State == desk.EnrolPaired {
			continue
		}
		there[e.ClientID] = true
		d := w.known[e.ClientID]
		if d == nil || probe && d.wait == nil {
			d = w.device(e.ClientID)
			d.away = awayTries // one try: nobody has seen it
			w.enqueue(e.ClientID, d)
		}
	}
	for id, d := range w.known {
		if !there[id] && !d.running && !d.queued {
			if d.wait != nil {
				d.wait()
			}
			delete(w.known, id)
		}
	}
	if !probe {
		return nil
	}
	w.probed = w.Clock.Now()
	return w.Desk.SweepEnrolments(ctx)
}

func (w *worker) note(ctx context.Context, err error) {
	if err != nil && !w.failing && ctx.Err() == nil {
		w.Log.Warn("enrolled tokens cannot be looked at now", obs.KeyErr, err)
	}
	w.failing = err != nil
}

// start tries the first of the queue.
func (w *worker) start() {
	id := w.queue[0]
	w.queue = w.queue[1:]
	d := w.known[id]
	d.queued, d.running = false, true
	w.running++
	w.children.Go(func() {
		r := w.try(w.ctx, id)
		for w.self.Send(w.ctx, tried{id, r}) == actor.ErrFull {
			select { // a venue came back just now; the mailbox is drained quickly
			case <-w.ctx.Done():
			case <-w.Clock.After(lookEvery):
			}
		}
	})
}

// tried decides when the next try is.
func (w *worker) tried(id string, r result) {
	d := w.known[id]
	d.running = false
	wait := failMin
	switch r {
	case settled:
		delete(w.known, id)
		return
	case away:
		if d.away++; d.away > awayTries {
			d.away = 0
			return // until it is seen, or the next probe
		}
		wait = awayMin << (d.away - 1)
	case failed:
		d.fails++
		d.failed = w.Clock.Now()
		wait = min(failMin<<min(d.fails-1, 10), failMax)
	}
	d.wait = actor.After(w.self, w.Clock, wait, message(due{id}))
}

// try pairs one device, if it is there.
func (w *worker) try(ctx context.Context, id string) result {
	e, err := w.Desk.Enrolled(ctx, id)
	switch {
	case errors.Is(err, desk.ErrNotFound):
		return settled
	case err != nil:
		w.Log.Warn("an enrolled token cannot be used now", obs.KeyClient, id, obs.KeyErr, err)
		return trouble
	case e.State == desk.EnrolPaired:
		return settled
	case e.Client.Paired && !e.Client.Mismatch:
		return w.progress(ctx, id, desk.EnrolPaired, "", settled)
	}
	if err := w.Attempts.Connected(ctx, id); err != nil { // costs less than a lease
		return w.notBegun(ctx, e, err)
	}
	run, err := w.Attempts.Begin(ctx, attempt.Request{ClientID: id, Actor: e.Actor, Method: attempt.MethodToken, PSK: e.PSK})
	if err != nil {
		return w.notBegun(ctx, e, err)
	}
	if r := w.progress(ctx, id, desk.EnrolPairing, "", settled); r != settled {
		w.Log.Warn("the state of an enrolment cannot be written down now", obs.KeyClient, id)
	}
	select {
	case <-run.Done():
	case <-ctx.Done():
		return trouble
	}
	if v := run.View(); v.GetState() != attempt.StatePaired {
		return w.progress(ctx, id, desk.EnrolFailed, v.GetDetail(), failed)
	}
	return w.progress(ctx, id, desk.EnrolPaired, "", settled)
}

// notBegun judges why no attempt began.
func (w *worker) notBegun(ctx context.Context, e desk.Enrolled, err error) result {
	switch {
	case attempt.NotConnected(err), fault.CodeOf(err) == fault.NotFound:
		if e.State == desk.EnrolPairing {
			return w.progress(ctx, e.ClientID, desk.EnrolWaiting, "", away)
		}
		return away
	case attempt.Busy(err):
		return busy
	case fault.CodeOf(err) == fault.Conflict:
		return w.progress(ctx, e.ClientID, desk.EnrolFailed, fault.From(err).Msg, failed)
	}
	return trouble
}

// progress writes the state down; r is the result when that works.
func (w *worker) progress(ctx context.Context, id, state, detail string, r result) result {
	if err := w.Desk.Progress(ctx, id, state, detail); err != nil {
		return trouble
	}
	return r
}

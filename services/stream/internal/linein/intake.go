package linein

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

const (
	// inDepth is how many messages of a source may wait. What does not fit is lost, and
	// becomes silence.
	inDepth = 256
	// renewEvery is how often the session is told that the audio is still wanted, and
	// wishTTL how long that lasts without being repeated; a session that refuses is asked
	// again after refusedWait.
	renewEvery  = 2 * time.Second
	refusedWait = 500 * time.Millisecond
	wishTTL     = 8 * time.Second
	wishTimeout = 1500 * time.Millisecond
	// silentLimit is how long a source may send nothing before its groups stop, µs.
	silentLimit = 10_000_000
)

// message is one message of a source with the house time of its arrival.
type message struct {
	data []byte
	at   int64
}

// intake hears one source. Its fields belong to run's goroutine unless they say
// otherwise.
type intake struct {
	d           Deps
	clientID    string
	user        string        // in the session's eyes; one that ends must not end the next one's wish
	unsubscribe func()        // of the hub, then of run
	users       int           // of the hub
	over        chan struct{} // closed by the hub when the last user has gone
	done        chan struct{} // closed when run has ended
	in          chan message
	calls       chan func()
	why         atomic.Value                       // string: why nothing comes
	of          atomic.Value                       // string: the source's session
	pokes       chan struct{}                      // one slot: the source has another session
	asking      atomic.Pointer[context.CancelFunc] // of the question that is on its way

	feeds []*Feed
	last  int64 // house µs of the last audio, or of the first wish
	heard stream
}

func newIntake(d Deps, clientID, user string) *intake {
	in := &intake{d: d, clientID: clientID, user: user, over: make(chan struct{}), done: make(chan struct{}), in: make(chan message, inDepth),
		calls: make(chan func(), 16), pokes: make(chan struct{}, 1)}
	in.why.Store("it has not answered yet")
	return in
}

// hear is called by the bus.
func (in *intake) hear(data []byte) {
	select {
	case in.in <- message{data, in.d.House.NowMicros()}:
	default:
	}
}

// do has run's goroutine call f, unless that has ended.
func (in *intake) do(f func()) {
	select {
	case in.calls <- f:
	case <-in.done:
	}
}

// reason is why nothing comes. Any goroutine may ask.
func (in *intake) reason() string { return in.why.Load().(string) }

// run is the intake's goroutine. It ends with ctx or with the last user.
func (in *intake) run(ctx context.Context) {
	defer in.unsubscribe()
	defer close(in.done)
	ticker := in.d.Clock.NewTicker(renewEvery)
	defer ticker.Stop()
	in.last = in.d.House.NowMicros()
	for {
		select {
		case m := <-in.in:
			in.message(m)
		case f := <-in.calls:
			f()
		case <-ticker.Chan():
			in.watch()
		case <-in.over:
			return
		case <-ctx.Done():
			in.fail(fault.New(fault.Unavailable, "this instance is stopping"))
			return
		}
	}
}

// session hears of the source's sessions. A new one is asked at once, and nobody waits for
// the answer of the one before: its gateway may have died over it.
func (in *intake) session(id string) {
	if before := in.of.Swap(id); before == nil || id == "" || before == id {
		return // the first one is asked anyway
	}
	select {
	case in.pokes <- struct{}{}:
	default:
	}
	if cancel := in.asking.Load(); cancel != nil {
		(*cancel)()
	}
}

// wish keeps the session wanting the audio, on a goroutine of its own: a session that
// does not answer must not hold up the audio.
func (in *intake) wish(ctx context.Context) {
	for {
		wait := renewEvery
		asking, cancel := context.WithCancel(ctx)
		in.asking.Store(&cancel)
		err := in.ask(asking, true)
		in.asking.Store(nil)
		cancel()
		if err != nil {
			wait = refusedWait
		}
		select {
		case <-in.d.Clock.After(wait):
			continue
		case <-in.pokes:
			continue
		case <-in.over:
		case <-ctx.Done():
		}
		_ = in.ask(context.WithoutCancel(ctx), false) // else the wish runs out
		return
	}
}

// ask tells the session that the audio is wanted, or not any more.
func (in *intake) ask(ctx context.Context, start bool) error {
	ctx, cancel := context.WithTimeout(ctx, wishTimeout)
	defer cancel()
	err := in.d.Send(ctx, in.clientID, &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Source{
		Source: &tuttiv1.SourceCommand{User: in.user, Start: start, TtlMs: wishTTL.Milliseconds()}}})
	var f *fault.Error
	switch {
	case err == nil:
		in.why.Store("it was asked to, and sends nothing; check its input")
	case fault.CodeOf(err) == fault.Unavailable:
		in.why.Store("it is not connected")
	case errors.As(err, &f):
		in.why.Store(f.Error())
	default:
		in.why.Store(err.Error())
	}
	return err
}

// join adds a group. When the source is heard already, it begins with the next block.
func (in *intake) join(f *Feed) {
	if len(in.feeds) == 0 {
		in.last = in.d.House.NowMicros()
	}
	in.feeds = append(in.feeds, f)
	in.greet(f)
}

// greet tells a feed its format once that is known.
func (in *intake) greet(f *Feed) {
	if in.heard.ready() {
		select {
		case f.format <- in.heard.out:
		default: // it knows
		}
	}
}

func (in *intake) part(f *Feed) {
	in.feeds = slices.DeleteFunc(in.feeds, func(o *Feed) bool { return o == f })
}

// watch stops the groups of a source that has been silent for too long.
func (in *intake) watch() {
	if in.d.House.NowMicros()-in.last > silentLimit {
		in.fail(fault.New(fault.Unavailable, "it has sent no audio for %d s: %s", silentLimit/1_000_000, in.reason()))
	}
}

// fail ends every group's use.
func (in *intake) fail(err error) {
	for _, f := range in.feeds {
		select {
		case f.failed <- err:
		default: // it has failed already
		}
	}
	in.feeds = nil
}

// message takes one message of the source.
func (in *intake) message(m message) {
	b, err := in.heard.take(m)
	if err != nil {
		in.d.Log.Warn("source cannot be used", obs.KeyClient, in.clientID, obs.KeyErr, err)
		in.fail(err)
		return
	}
	if b == nil {
		return
	}
	in.last = m.at
	if h := &in.heard; h.hole != 0 || h.step != 0 {
		in.d.Log.Debug("source's audio is not continuous", obs.KeyClient, in.clientID, "hole_us", h.hole, "clock_step_us", h.step, "jitter_us", int64(h.align.Jitter()))
	}
	if !in.heard.ready() {
		return
	}
	for _, f := range in.feeds {
		in.greet(f)
		select {
		case f.blocks <- *b:
		default: // the group takes none: its place is kept
		}
	}
}

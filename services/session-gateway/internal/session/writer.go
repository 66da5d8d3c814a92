package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/pump"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/reel"
)

const (
	// maxControl bounds the control lane. A healthy client takes a few messages a
	// second; one that lets so many wait will not catch up.
	maxControl = 256
	// maxClock bounds the clock lane: the specification has clients wait for each
	// reply of a burst of 8. More are dropped, and the client asks again.
	maxClock = 16
)

// outbound is what the writer needs of a secured connection.
type outbound interface {
	WriteJSON(ctx context.Context, body []byte) error
	WriteMessage(ctx context.Context, id byte, payload []byte) error
	WritePlain(ctx context.Context, plain []byte) error
	WriteStamped(ctx context.Context, build func(dst []byte) []byte) error
	Rehandshake(ctx context.Context, cred noise.Credential, activate func() ([]byte, error)) error
	// Ping waits until the client has answered, and so has everything before it.
	Ping(ctx context.Context) error
}

// op is one item of the control lane: an effect of the machine, or a finish, a rekey,
// a written.
type op any

// writer is the only one that sends on a connection. It has five lanes, in this
// priority: clock replies, control messages, audio, visualizer frames, artwork. Audio is
// not queued at all: the writer pulls the next chunk from the tape when there is nothing
// else to send, so a control message never waits for more than the one chunk that is
// being written. The same holds for frames, which come after audio because a late one is
// not missed, and before artwork because they are small and have a time. Artwork goes
// while the others have nothing to send, and not while a player's buffer is being filled.
type writer struct {
	conn  outbound
	codec wire.Codec
	house houseclock.Clock
	clock clockwork.Clock
	tapes *reel.Set
	m     *metrics.Metrics
	log   *slog.Logger
	tell  func(ctx context.Context, in input) // to the session's actor

	stall int64 // how long a write must have taken to have failed for that, µs

	wake chan struct{} // one token: something changed

	greeted atomic.Bool // the first server/activate is sent, or being sent

	urgent atomic.Bool // asks or ops may hold something: spares the hot path the lock
	mu     sync.Mutex
	asks   []timeAsk
	ops    []op
	status status

	// The loop's own.
	artwork   *artworkLane
	visual    *visualLane
	waiter    reel.Waiter
	pump      *pump.Pump
	tape      *reel.Tape
	cur       machine.StartStream
	nextTape  *reel.Tape
	next      machine.StartStream
	available bool
	endAt     int64 // when a scheduled stream/end is due; 0 none
	endGen    uint64
	drainAt   int64 // when what was sent before stream/end has played out; 0 none
	drainGen  uint64
	last      machine.Close // of finish
	counted   pump.Stats    // reported to the metrics already
	statusAt  int64

	rekeying atomic.Pointer[noise.Category] // set while a re-handshake is under way, and after one failed
}

type timeAsk struct{ transmitted, received int64 }

// finish is the control lane's last item: everything before it was sent.
type finish struct{ machine.Close }

var (
	errFinished = errors.New("session: outbox is flushed")
	errStalled  = errors.New("session: a write took longer than the deadline")
)

func newWriter(conn outbound, capacity int, d *Deps, tell func(context.Context, input)) *writer {
	w := &writer{
		conn: conn, codec: d.Codec, house: d.House, clock: d.Clock, tapes: d.Tapes, m: d.Metrics, log: d.Log, tell: tell,
		stall: d.WriteDeadline.Microseconds() * 3 / 4, wake: make(chan struct{}, 1), pump: pump.New(capacity),
	}
	w.waiter.Wake = w.wake
	return w
}

// askTime puts a clock reply in its lane. It never waits. Before the first
// server/activate nothing is due, and nothing may be sent (specification,
// Communication): what a client asks then is dropped.
func (w *writer) askTime(transmitted, received int64) {
	if !w.greeted.Load() {
		w.m.ClockDropped.Inc()
		return
	}
	w.mu.Lock()
	full := len(w.asks) >= maxClock
	if !full {
		w.asks = append(w.asks, timeAsk{transmitted, received})
		w.urgent.Store(true)
	}
	w.mu.Unlock()
	if full {
		w.m.ClockDropped.Inc()
		return
	}
	w.poke()
}

// push puts an effect in the control lane; false: the lane is full. It never waits.
// Of reports in a row the newest counts: a client that reports often fills nothing.
func (w *writer) push(op op) bool {
	w.mu.Lock()
	n := len(w.ops)
	ok := n < maxControl
	switch {
	case n > 0 && isReport(op) && isReport(w.ops[n-1]):
		w.ops[n-1], ok = op, true
	case ok:
		w.ops = append(w.ops, op)
		w.urgent.Store(true)
	}
	w.mu.Unlock()
	w.poke()
	return ok
}

func isReport(op op) bool {
	_, ok := op.(machine.Report)
	return ok
}

func (w *writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends or a write fails. It returns errFinished after a finish.
// While there is something to send ctx is not looked at: whoever ends it also
// closes the connection, and then the next write fails.
func (w *writer) run(ctx context.Context) error {
	defer w.letGo()
	defer w.leaveVisual()
	defer w.forgetKeys()
	timer := w.clock.NewTimer(time.Hour)
	defer timer.Stop()
	done := ctx.Done()
	for {
		now := w.house.NowMicros()
		until, worked, err := w.step(ctx, now)
		if err != nil {
			// The connection's own error may be the reader's, which saw the socket
			// close first; the time that passed tells the cause. The socket's deadline
			// is exact to an eighth.
			if took := w.house.NowMicros() - now; took >= w.stall && w.rekeying.Load() == nil {
				return errStalled
			}
			return err
		}
		if worked {
			continue
		}
		var due <-chan time.Time
		if until != 0 {
			timer.Reset(time.Duration(max(until-now, 1)) * time.Microsecond)
			due = timer.Chan()
		}
		select {
		case <-done:
			return nil
		case <-w.wake:
		case <-due:
		}
	}
}

// step sends one thing, the most urgent there is, at house time now. When there is
// nothing to send it says when to look again; 0: when woken.
func (w *writer) step(ctx context.Context, now int64) (until int64, worked bool, err error) {
	if w.urgent.Load() {
		if worked, err := w.express(ctx); worked {
			return 0, true, err
		}
	}
	if due, err := w.timed(ctx, now); due {
		return 0, true, err
	}
	s := w.pump.Next(now)
	if s.Kind == pump.Wait && (s.Until == 0 || w.nextTape != nil) {
		// Waiting for the ring: arm, then look again, so that nothing slips between.
		w.waiter.Arm()
		if s = w.pump.Next(now); s.Kind != pump.Wait {
			w.waiter.Disarm()
		}
	}
	switch s.Kind {
	case pump.Send:
		return 0, true, w.sendChunk(ctx, s.Chunk)
	case pump.Switch:
		return 0, true, w.switchTape(ctx)
	}
	shown, worked, err := w.stepVisual(ctx, now)
	if worked {
		return 0, true, err
	}
	var look int64
	if !s.Filling {
		if look, worked, err = w.stepArtwork(ctx, now); worked {
			return 0, true, err
		}
	}
	w.refresh(now, false)
	until = earliest(s.Until, w.endAt, w.drainAt, shown, look)
	if w.pump.Active() {
		every := int64(statusIdle)
		if w.pump.Stats(now).Sent != w.counted.Sent { // all of a clip goes out at once
			every = statusEvery
		}
		until = earliest(until, w.statusAt+every)
	}
	return until, false, nil
}

// express sends one item of the lanes before audio.
func (w *writer) express(ctx context.Context) (worked bool, err error) {
	w.mu.Lock()
	ask, op := timeAsk{}, op(nil)
	switch {
	case len(w.asks) > 0:
		ask = w.asks[0]
		w.asks = w.asks[:copy(w.asks, w.asks[1:])]
	case len(w.ops) > 0:
		op = w.ops[0]
		w.ops[0] = nil
		if w.ops = w.ops[1:]; len(w.ops) == 0 {
			w.ops = nil // an idle session keeps no array
		}
	default:
		w.urgent.Store(false)
		w.mu.Unlock()
		return false, nil
	}
	w.mu.Unlock()
	if op != nil {
		return true, w.do(ctx, op)
	}
	return true, w.sendTime(ctx, ask)
}

// timed does what is due by the clock, apart from audio.
func (w *writer) timed(ctx context.Context, now int64) (due bool, err error) {
	if w.endAt != 0 && now >= w.endAt {
		gen := w.endGen
		if err := w.end(ctx, false, gen); err != nil {
			return true, err
		}
		w.tell(ctx, streamEnded{gen})
		return true, nil
	}
	if w.drainAt != 0 && now >= w.drainAt {
		w.drainAt = 0
		w.tell(ctx, drained{w.drainGen})
		return true, nil
	}
	return w.timedVisual(ctx, now)
}

// earliest is the smallest that is not 0.
func earliest(times ...int64) int64 {
	var out int64
	for _, t := range times {
		if t != 0 && (out == 0 || t < out) {
			out = t
		}
	}
	return out
}

// depth is the number of waiting control messages.
func (w *writer) depth() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.ops)
}

// sendTime answers client/time; server_transmitted is taken as the last thing
// before sealing.
func (w *writer) sendTime(ctx context.Context, ask timeAsk) error {
	w.m.ClockReplies.Inc()
	return w.stamped(ctx, func(now int64) wire.Message {
		return &wire.ServerTime{ClientTransmitted: ask.transmitted, ServerReceived: ask.received, ServerTransmitted: now}
	})
}

// stamped sends a message that says when it was sent.
func (w *writer) stamped(ctx context.Context, build func(now int64) wire.Message) error {
	var failed error
	err := w.conn.WriteStamped(ctx, func(dst []byte) []byte {
		body, err := w.codec.Encode(build(w.house.NowMicros()))
		if err != nil {
			failed = err
		}
		return append(append(dst, wire.IDJSON), body...)
	})
	return errors.Join(failed, err)
}

// do carries out one item of the control lane.
func (w *writer) do(ctx context.Context, op op) error {
	defer func() { w.refresh(w.house.NowMicros(), true) }()
	switch op := op.(type) {
	case machine.Send:
		body, err := w.codec.Encode(op.Msg)
		if err != nil {
			return err
		}
		if _, ok := op.Msg.(*wire.ServerActivate); ok {
			w.greeted.Store(true) // before it is written: the client may ask at once
		}
		return w.conn.WriteJSON(ctx, body)
	case machine.StartStream:
		return w.start(ctx, op)
	case machine.ClearStream:
		return w.clear(ctx, op.Stream)
	case machine.EndStream:
		switch {
		case op.At == 0:
			return w.end(ctx, op.Drain, op.Gen)
		case w.pump.Active():
			w.endAt, w.endGen = op.At, op.Gen
		default:
			w.tell(ctx, streamEnded{op.Gen}) // it ended a moment ago
		}
		return nil
	case machine.Report:
		w.pump.SetTiming(op.Timing, w.house.NowMicros())
		w.available = op.Available
	case machine.StartArtwork, machine.ShowArtwork, machine.EndArtwork:
		return w.artworkOp(ctx, op)
	case machine.StartVisual, machine.EndVisual:
		return w.visualOp(ctx, op)
	case rekey:
		return w.rehandshake(ctx, op)
	case written:
		w.refresh(w.house.NowMicros(), true) // before it is told: it may be asked for
		op.then(ctx)
	case finish:
		w.last = op.Close
		return errFinished
	}
	return nil
}

// sendChunk sends one audio chunk: the writer's hot path, without an allocation.
func (w *writer) sendChunk(ctx context.Context, c *reel.Chunk) error {
	p := c.Borrow()
	// Other dialects have a shorter header; the plaintext then begins later.
	plain := p.B[wire.AudioHeaderLen-w.codec.AudioHeaderLen():]
	now := w.house.NowMicros()
	w.codec.PutAudioHeader(plain, c.Timestamp, wire.SendAhead(c.Timestamp, now))
	w.pump.Sent(c, now)
	var err error
	if len(plain) <= wire.MaxPlain {
		err = w.conn.WritePlain(ctx, plain)
	} else {
		err = w.conn.WriteMessage(ctx, plain[0], plain[1:])
	}
	c.Return(p)
	w.refresh(now, false)
	return err
}

// farewell is the cause of the finish that ended run.
func (w *writer) farewell() machine.Close { return w.last }

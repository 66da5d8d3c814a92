package session

import (
	"context"

	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/pump"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/reel"
)

// This file is the writer's side of stream/start, stream/clear and stream/end.

// start opens a stream, or prepares the move of the active one.
func (w *writer) start(ctx context.Context, s machine.StartStream) error {
	w.endAt, w.drainAt = 0, 0
	tape := w.tapes.Acquire(s.GroupID, s.Rendition)
	if w.pump.Active() {
		w.cancelNext()
		w.next, w.nextTape = s, tape
		tape.Join(&w.waiter)
		w.pump.Change(begin(s, tape))
		return nil
	}
	w.cur, w.tape = s, tape
	tape.Join(&w.waiter)
	if err := w.announce(ctx, s); err != nil {
		return err
	}
	w.pump.Begin(begin(s, tape), w.house.NowMicros())
	return nil
}

func begin(s machine.StartStream, tape *reel.Tape) pump.Start {
	return pump.Start{Ring: tape.Ring, Epoch: s.Epoch, NotBefore: s.NotBefore, Live: s.Live}
}

// announce sends stream/start.
func (w *writer) announce(ctx context.Context, s machine.StartStream) error {
	return w.stamped(ctx, func(now int64) wire.Message {
		return &wire.StreamStart{ServerTransmitted: now, Player: &s.Player}
	})
}

// switchTape is the moment of an in-place change: everything of the old rendition
// that fits was sent, the next chunk is of the new one.
func (w *writer) switchTape(ctx context.Context) error {
	if !w.available {
		// stream/start needs available: true; the present rendition goes on.
		w.cancelNext()
		return nil
	}
	if w.next.Rendition != w.cur.Rendition || w.next.GroupID != w.cur.GroupID {
		if err := w.announce(ctx, w.next); err != nil {
			return err
		}
	}
	w.pump.Switched()
	old := w.tape
	w.cur, w.tape = w.next, w.nextTape
	w.next, w.nextTape = machine.StartStream{}, nil
	w.leave(old)
	return nil
}

// cancelNext gives up a prepared move.
func (w *writer) cancelNext() {
	if w.nextTape == nil {
		return
	}
	next := w.nextTape
	w.pump.CancelChange()
	w.next, w.nextTape = machine.StartStream{}, nil
	w.leave(next)
}

// leave gives a tape back; the waiter stays while the same ring is still in use.
func (w *writer) leave(t *reel.Tape) {
	if (w.tape == nil || w.tape.Ring != t.Ring) && (w.nextTape == nil || w.nextTape.Ring != t.Ring) {
		t.Leave(&w.waiter)
	}
	t.Release()
}

// clear sends stream/clear and goes on with another epoch. When the stream ended
// by itself a moment ago it is opened anew instead.
func (w *writer) clear(ctx context.Context, s machine.StartStream) error {
	if !w.pump.Active() {
		return w.start(ctx, s)
	}
	w.endAt = 0
	err := w.stamped(ctx, func(now int64) wire.Message {
		return &wire.StreamClear{ServerTransmitted: now, Roles: []string{wire.RolePlayer}}
	})
	if err != nil {
		return err
	}
	w.cur.Epoch = s.Epoch
	w.pump.Clear(s.Epoch, s.NotBefore, w.house.NowMicros())
	return nil
}

// end sends stream/end if a stream is active.
func (w *writer) end(ctx context.Context, drain bool, gen uint64) error {
	now := w.house.NowMicros()
	buffered, _ := w.pump.Buffered(now)
	if drain {
		w.drainAt, w.drainGen = now+max(buffered, 1), gen
	}
	w.endAt = 0
	if !w.pump.Active() {
		return nil
	}
	body, err := w.codec.Encode(&wire.StreamEnd{Roles: []string{wire.RolePlayer}})
	if err != nil {
		return err
	}
	if err := w.conn.WriteJSON(ctx, body); err != nil {
		return err
	}
	w.letGo()
	return nil
}

// letGo ends the pump and gives the tapes back.
func (w *writer) letGo() {
	w.cancelNext()
	w.pump.End()
	if t := w.tape; t != nil {
		w.tape, w.cur = nil, machine.StartStream{}
		w.leave(t)
	}
	w.refresh(w.house.NowMicros(), true)
}

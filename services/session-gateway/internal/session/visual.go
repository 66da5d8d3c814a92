package session

import (
	"context"

	"github.com/tutti-audio/tutti/sendspin/wire"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/reel"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/visual"
)

// visualLane is the writer's lane for a visualizer, between audio and artwork. Package
// visual says what is next; here is what that needs of the world. A session without the
// role has none.
type visualLane struct {
	lane    *visual.Lane
	waiter  reel.Waiter
	tape    *reel.Tape
	group   string
	epoch   uint64
	endAt   int64 // when a scheduled stream/end is due; 0 none
	endGen  uint64
	buf     []byte
	counted uint64 // frames reported to the metrics already
	dropped uint64
}

// showVisual gives a writer its lane for a visualizer of this buffer_capacity. Call it
// before run.
func (w *writer) showVisual(capacity int) {
	w.visual = &visualLane{lane: visual.New(capacity)}
	w.visual.waiter.Wake = w.wake
}

// visualOp carries out an effect of the visualizer role.
func (w *writer) visualOp(ctx context.Context, op op) error {
	v := w.visual
	if v == nil {
		return nil
	}
	switch op := op.(type) {
	case machine.StartVisual:
		return w.startVisual(ctx, op)
	case machine.EndVisual:
		switch {
		case op.At == 0:
			return w.endVisual(ctx)
		case v.lane.Active():
			v.endAt, v.endGen = op.At, op.Gen
		default:
			w.tell(ctx, visualEnded{op.Gen}) // it ended a moment ago
		}
	}
	return nil
}

// startVisual opens the stream, or changes what the active one says and reads. Another
// epoch, or another group's timeline, is cleared first: its frames would go back in time.
func (w *writer) startVisual(ctx context.Context, s machine.StartVisual) error {
	v := w.visual
	v.endAt = 0
	if v.lane.Active() && (v.group != s.GroupID || v.epoch != s.Epoch) {
		err := w.stamped(ctx, func(now int64) wire.Message {
			return &wire.StreamClear{ServerTransmitted: now, Roles: []string{wire.RoleVisualizer}}
		})
		if err != nil {
			return err
		}
		v.lane.Clear()
	}
	if !v.lane.Active() || !v.lane.Config().Same(s.Config) {
		err := w.stamped(ctx, func(now int64) wire.Message {
			return &wire.StreamStart{ServerTransmitted: now, Visualizer: &s.Config.Stream}
		})
		if err != nil {
			return err
		}
	}
	next := w.tapes.Acquire(s.GroupID, s.Rendition)
	w.leaveVisual()
	v.tape, v.group, v.epoch = next, s.GroupID, s.Epoch
	next.Join(&v.waiter)
	v.lane.Begin(visual.Start{Config: s.Config, Ring: next.Ring, Epoch: s.Epoch, NotBefore: s.NotBefore}, w.house.NowMicros())
	return nil
}

// leaveVisual gives the tape back.
func (w *writer) leaveVisual() {
	v := w.visual
	if v == nil || v.tape == nil {
		return
	}
	v.tape.Leave(&v.waiter)
	v.tape.Release()
	v.tape = nil
}

// endVisual sends stream/end if the stream is active.
func (w *writer) endVisual(ctx context.Context) error {
	v := w.visual
	v.endAt = 0
	if !v.lane.Active() {
		return nil
	}
	body, err := w.codec.Encode(&wire.StreamEnd{Roles: []string{wire.RoleVisualizer}})
	if err != nil {
		return err
	}
	if err := w.conn.WriteJSON(ctx, body); err != nil {
		return err
	}
	v.lane.End()
	w.leaveVisual()
	return nil
}

// timedVisual ends the stream when its time has come.
func (w *writer) timedVisual(ctx context.Context, now int64) (due bool, err error) {
	v := w.visual
	if v == nil || v.endAt == 0 || now < v.endAt {
		return false, nil
	}
	if err := w.endVisual(ctx); err != nil {
		return true, err
	}
	w.tell(ctx, visualEnded{v.endGen})
	return true, nil
}

// stepVisual sends the next frame, if one may go at house time now.
func (w *writer) stepVisual(ctx context.Context, now int64) (until int64, worked bool, err error) {
	v := w.visual
	if v == nil || !v.lane.Active() {
		return 0, false, nil
	}
	message, until := v.lane.Next(v.buf[:0], now)
	if message == nil && until == 0 {
		// Waiting for the ring: arm, then look again, so that nothing slips between.
		v.waiter.Arm()
		message, until = v.lane.Next(v.buf[:0], now)
	}
	if message == nil {
		return earliest(until, v.endAt), false, nil
	}
	v.waiter.Disarm()
	v.buf = message
	err = w.conn.WritePlain(ctx, message)
	w.refresh(now, false)
	return 0, true, err
}

// countVisual brings the figures up to date.
func (w *writer) countVisual(s *status) {
	if w.visual == nil {
		return
	}
	s.frames, s.framesDropped = w.visual.lane.Counts()
	w.m.VisualFrames.Add(float64(s.frames - w.visual.counted))
	w.m.VisualDropped.Add(float64(s.framesDropped - w.visual.dropped))
	w.visual.counted, w.visual.dropped = s.frames, s.framesDropped
}

// displayVisual is the part of a presence record that the writer knows.
func displayVisual(p *tuttiv1.ClientPresence, st status) {
	if p.GetDisplay().GetVisualizer() {
		p.Display.FramesSent, p.Display.FramesDropped = st.frames, st.framesDropped
	}
}

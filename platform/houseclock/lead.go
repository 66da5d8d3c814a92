package houseclock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/lease"
)

// heartbeat is how often the leader writes the time, so that a restart knows
// where house time was.
const heartbeat = 2 * time.Second

// abandoned is the age of a state from which no leader can be behind it any more.
const abandoned = 10 * heartbeat

// errSuperseded ends a leader that finds the state of a later one.
var errSuperseded = errors.New("another process leads under a newer lease")

// LeadOptions of Lead.
type LeadOptions struct {
	// Copy is this process's own reading, from which a leader on another kernel
	// than the last goes on. nil where there is none: then it asks those who have one.
	Copy func() Clock
	Log  *slog.Logger
}

// Lead campaigns for the clock's lease until ctx ends, and while it holds it
// publishes the offset and answers exchanges. It returns ctx's error.
func Lead(ctx context.Context, c *bus.Conn, lm *lease.Manager, instanceID string, o LeadOptions) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b, err := openBucket(ctx, c)
	if err != nil {
		return fmt.Errorf("house clock: open bucket: %w", err)
	}
	lm.Campaign(ctx, LeaseKey, func(ctx context.Context, l *lease.Lease) {
		ld := leader{c: c, b: b, id: instanceID, fence: l.Fence(), o: o}
		if err := ld.run(ctx); err != nil && ctx.Err() == nil {
			o.Log.Error("house clock: leading ended", "err", err)
		}
	})
	return ctx.Err()
}

type leader struct {
	c     *bus.Conn
	b     *bucket
	id    string
	fence uint64
	o     LeadOptions
	now   state  // what is published; Leader, BootID, Fence and the course are its own
	rev   uint64 // of the state in the bucket that is known last; 0: there is none
}

func (l *leader) run(ctx context.Context) error {
	last, err := l.last(ctx)
	if err != nil {
		return err
	}
	own := l.copy()
	if own == nil && last != nil && last.BootID != BootID() {
		own = l.survivors(ctx)
	}
	on := courseFor(last, BootID(), MonotonicMicros(), time.Now(), own)
	l.now = state{OffsetUS: on.offset, PivotUS: on.pivot, RatePPB: on.ppb}
	if err := l.publish(ctx); err != nil {
		return err
	}
	stop, err := bus.HandleExclusive(l.c, ExchangeSubject, l.answer)
	if err != nil {
		return err
	}
	defer stop()
	l.o.Log.Info("house clock: leading", "instance_id", l.id, "fence", l.fence, "house_us", l.house(), "rate_ppb", on.ppb)
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			switch err := l.publish(ctx); {
			case errors.Is(err, errSuperseded):
				return err
			case err != nil && ctx.Err() == nil:
				l.o.Log.Warn("house clock: heartbeat not written", "err", err)
			}
		}
	}
}

// last is the state in the bucket, nil when there is none.
func (l *leader) last(ctx context.Context) (*state, error) {
	v, rev, err := l.b.Get(ctx, stateKey)
	if fault.CodeOf(err) == fault.NotFound {
		l.rev = 0
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read last state: %w", err)
	}
	s, err := decodeState(v)
	if err != nil {
		return nil, err
	}
	if s.Fence > l.fence {
		if age := time.Since(time.UnixMicro(s.WallUS)); age < abandoned && age > -abandoned {
			return nil, errSuperseded
		}
		// The bucket of leases was lost, and fences began anew: nobody wrote for long.
		l.fence = s.Fence
	}
	l.rev = rev
	return &s, nil
}

// house is house time now.
func (l *leader) house() int64 { return l.now.at(MonotonicMicros()) }

// known is house time as somebody knew it: a distance to this kernel's clock, and how
// much faster it runs, as far as that is known.
type known struct{ offset, ppb int64 }

// at is house time at monotonic time m, not long after it was known.
func (k *known) at(m int64) int64 { return m + k.offset }

// copy is this process's fitted house time, when it has one.
func (l *leader) copy() *known {
	if l.o.Copy == nil {
		return nil
	}
	c := l.o.Copy()
	if c == nil {
		return nil
	}
	m := MonotonicMicros()
	return &known{c.NowMicros() - m, c.Info().RatePPB}
}

// survivors asks the processes that have a reading: a leader that has just started must
// not put house time where the wall clock says while others still know it.
func (l *leader) survivors(ctx context.Context) *known {
	x := exchanger{c: l.c, subject: CopySubject, mono: MonotonicMicros}
	best, err := x.burst(ctx)
	if err != nil {
		l.o.Log.Info("house clock: nobody here knows the time; it goes on from the last one that was written down", "err", err)
		return nil
	}
	return &known{offset: best.measurement}
}

func (l *leader) publish(ctx context.Context) error {
	l.now.Leader, l.now.BootID, l.now.Fence = l.id, BootID(), l.fence
	l.now.HouseUS, l.now.WallUS = l.house(), time.Now().UnixMicro()
	v, err := encodeState(l.now)
	if err != nil {
		return err
	}
	rev, err := l.put(ctx, v)
	if fault.CodeOf(err) == fault.Conflict { // another leader, or an answer of ours that was lost
		if _, err := l.last(ctx); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		rev, err = l.put(ctx, v)
	}
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	l.rev = rev
	return nil
}

// put writes the state over the one that is known last, and over no other: a leader that
// was paused past its lease must not undo what its successor says.
func (l *leader) put(ctx context.Context, v *wrapperspb.BytesValue) (uint64, error) {
	if l.rev == 0 {
		return l.b.Create(ctx, stateKey, v)
	}
	return l.b.Update(ctx, stateKey, v, l.rev)
}

// answer stamps an exchange: t2 as early and t3 as late as this code can.
func (l *leader) answer(_ context.Context, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	t2 := l.house()
	t, err := decodeTimes(req, 1)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "house clock exchange")
	}
	return encodeTimes(t[0], t2, l.house(), int64(l.fence)), nil
}

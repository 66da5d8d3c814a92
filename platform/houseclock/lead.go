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

// LeadOptions of Lead.
type LeadOptions struct {
	// Copy is this process's own reading, from which a leader on another kernel
	// than the last goes on. nil where there is none.
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
	c      *bus.Conn
	b      *bucket
	id     string
	fence  uint64
	o      LeadOptions
	offset int64
}

func (l *leader) run(ctx context.Context) error {
	last, err := l.last(ctx)
	if err != nil {
		return err
	}
	l.offset = offsetFor(last, BootID(), MonotonicMicros(), time.Now(), l.copy())
	if err := l.publish(ctx); err != nil {
		return err
	}
	stop, err := bus.HandleExclusive(l.c, ExchangeSubject, l.answer)
	if err != nil {
		return err
	}
	defer stop()
	l.o.Log.Info("house clock: leading", "instance_id", l.id, "fence", l.fence, "house_us", MonotonicMicros()+l.offset)
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := l.publish(ctx); err != nil && ctx.Err() == nil {
				l.o.Log.Warn("house clock: heartbeat not written", "err", err)
			}
		}
	}
}

func (l *leader) last(ctx context.Context) (*state, error) {
	v, _, err := l.b.Get(ctx, stateKey)
	var f *fault.Error
	if errors.As(err, &f) && f.Code == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read last state: %w", err)
	}
	s, err := decodeState(v)
	if err != nil {
		return nil, err
	}
	return &s, nil
}

// copy is this process's fitted house time now, when it has one.
func (l *leader) copy() *int64 {
	if l.o.Copy == nil {
		return nil
	}
	c := l.o.Copy()
	if c == nil {
		return nil
	}
	now := c.NowMicros()
	return &now
}

func (l *leader) publish(ctx context.Context) error {
	v, err := encodeState(state{
		Leader: l.id, BootID: BootID(), OffsetUS: l.offset, HouseUS: MonotonicMicros() + l.offset,
		WallUS: time.Now().UnixMicro(), Fence: l.fence,
	})
	if err != nil {
		return err
	}
	if _, err := l.b.Put(ctx, stateKey, v); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// answer stamps an exchange: t2 as early and t3 as late as this code can.
func (l *leader) answer(_ context.Context, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	t2 := MonotonicMicros() + l.offset
	t, err := decodeTimes(req, 1)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "house clock exchange")
	}
	return encodeTimes(t[0], t2, MonotonicMicros()+l.offset), nil
}

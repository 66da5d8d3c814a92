package houseclock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
)

// Exchange rhythm of a fitted clock: the specification's advice for players.
const (
	burstSize     = 8
	burstInterval = 10 * time.Second
	firstBursts   = 5 // bursts in quick succession after a change of leader
	quickInterval = 200 * time.Millisecond
	exchangeLimit = 500 * time.Millisecond
)

// Filter is the two-state time filter that the caller brings (the protocol
// library's): all times in µs.
type Filter interface {
	Update(measurement, maxErr, t4 int64)
	ServerTime(client int64) int64
	StdDev() float64
}

// FollowOptions of Follow.
type FollowOptions struct {
	// Filter makes an empty filter. Required where the leader may be on another kernel.
	Filter func() Filter
	Log    *slog.Logger

	// bootID and mono stand in for another kernel in tests.
	bootID string
	mono   func() int64
}

// Follower is the house clock of one process.
type Follower struct {
	reading
	c      *bus.Conn
	o      FollowOptions
	cancel context.CancelFunc
	done   chan struct{}
	states chan state
	first  chan struct{} // closed at the first reading
}

// Follow follows the house clock until ctx ends or Stop. It blocks until the
// first reading, or until ctx ends.
func Follow(ctx context.Context, c *bus.Conn, o FollowOptions) (*Follower, error) {
	if o.bootID == "" {
		o.bootID, o.mono = BootID(), MonotonicMicros
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b, err := openBucket(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("house clock: open bucket: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &Follower{c: c, o: o, cancel: cancel, done: make(chan struct{}), states: make(chan state, 1), first: make(chan struct{})}
	f.reading.mono = o.mono
	stop, err := b.Watch(ctx, stateKey, f.watched, nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("house clock: watch: %w", err)
	}
	go func() {
		defer close(f.done)
		defer stop()
		f.run(ctx)
	}()
	select {
	case <-f.first:
		return f, nil
	case <-ctx.Done():
		f.Stop()
		return nil, fmt.Errorf("house clock: no leader answered: %w", ctx.Err())
	}
}

// Stop ends the following and waits; the clock keeps its last mapping.
func (f *Follower) Stop() {
	f.cancel()
	<-f.done
}

// watched keeps only the newest state: an older one says nothing more.
func (f *Follower) watched(e bus.Entry[*wrapperspb.BytesValue]) {
	if e.Value == nil {
		return
	}
	s, err := decodeState(e.Value)
	if err != nil {
		f.o.Log.Warn("house clock: state ignored", "err", err)
		return
	}
	for {
		select {
		case f.states <- s:
			return
		default:
		}
		select {
		case <-f.states:
		default:
		}
	}
}

// run owns the filter and the mapping.
func (f *Follower) run(ctx context.Context) {
	var (
		cur    state
		filter Filter
		left   int // quick bursts left
		timer  = time.NewTimer(time.Hour)
	)
	defer timer.Stop()
	timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-f.states:
			changed := s.Leader != cur.Leader || s.BootID != cur.BootID
			cur = s
			if s.BootID == f.o.bootID {
				filter = nil
				timer.Stop()
				f.local(s)
			} else if f.o.Filter == nil {
				f.o.Log.Error("house clock: the leader is on another host, and this process has no filter to follow it")
			} else if changed || filter == nil {
				filter, left = f.o.Filter(), firstBursts
				timer.Reset(0)
			}
		case <-timer.C:
			if filter == nil {
				continue
			}
			if err := f.burst(ctx, filter); err != nil {
				f.o.Log.Debug("house clock: exchange failed", "err", err)
			} else {
				f.fitted(cur, filter)
			}
			next := burstInterval
			if left > 0 {
				left--
				next = quickInterval
			}
			timer.Reset(next)
		}
	}
}

// local reads the leader's own kernel clock.
func (f *Follower) local(s state) {
	m := f.o.mono()
	info := Info{Leader: s.Leader, Role: RoleLocal}
	// The leader's next heartbeat finds the difference gone, or less.
	f.move(m, m+s.OffsetUS, 0, heartbeat, info)
}

// fitted moves towards the filter's estimate.
func (f *Follower) fitted(s state, filter Filter) {
	m := f.o.mono()
	target := filter.ServerTime(m)
	// The filter's own rate over the coming interval, as ppb.
	span := burstInterval.Microseconds()
	rate := (filter.ServerTime(m+span) - target - span) * 1_000_000_000 / span
	f.move(m, target, rate, burstInterval, Info{Leader: s.Leader, UncertaintyUS: int64(filter.StdDev() + 0.5), Role: RoleFitted})
}

// move sets the first mapping, or slews the one there is so that it meets target
// after over, as far as the bound allows.
func (f *Follower) move(m, target, ratePPB int64, over time.Duration, info Info) {
	cur := f.p.Load()
	if cur == nil {
		f.p.Store(&mapping{mono0: m, house0: target, ppb: ratePPB, info: info})
		close(f.first)
		return
	}
	if cur.at(m) == target && ratePPB == 0 {
		f.p.Store(&mapping{mono0: m, house0: target, info: info})
		return
	}
	f.p.Store(cur.slewTo(m, target, over, ratePPB, info))
}

// burst makes burstSize exchanges and feeds the best to the filter.
func (f *Follower) burst(ctx context.Context, filter Filter) error {
	var best struct{ measurement, maxErr, t4 int64 }
	found := false
	var last error
	for range burstSize {
		meas, maxErr, t4, err := f.exchange(ctx)
		if err != nil {
			last = err
			continue
		}
		if !found || maxErr < best.maxErr {
			best.measurement, best.maxErr, best.t4, found = meas, maxErr, t4, true
		}
	}
	if !found {
		return errors.Join(errors.New("no exchange of a burst succeeded"), last)
	}
	filter.Update(best.measurement, max(best.maxErr, 1), best.t4)
	return nil
}

func (f *Follower) exchange(ctx context.Context) (measurement, maxErr, t4 int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeLimit)
	defer cancel()
	t1 := f.o.mono()
	resp := &wrapperspb.BytesValue{}
	if err := f.c.Request(ctx, ExchangeSubject, encodeTimes(t1), resp); err != nil {
		return 0, 0, 0, err
	}
	t4 = f.o.mono()
	t, err := decodeTimes(resp, 3)
	if err != nil {
		return 0, 0, 0, err
	}
	if t[0] != t1 {
		return 0, 0, 0, errExchange
	}
	return ((t[1] - t1) + (t[2] - t4)) / 2, ((t4 - t1) - (t[2] - t[1])) / 2, t4, nil
}

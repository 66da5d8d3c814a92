package houseclock

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
)

// Rhythm of a fitted clock: bursts in quick succession after a change of leader, then
// ever longer apart. The pauses double because the difference of two crystals, some tens
// of µs a second, is known only as well as the time watched so far allows.
const (
	quickInterval = 200 * time.Millisecond
	burstInterval = 2 * time.Second
	quickBursts   = 20
	// firstBursts come before anybody reads the clock, and more while the filter's standard
	// deviation is above firstStdDev, in µs: one alone is off by more than the players of a
	// gateway that was restarted forgive.
	firstBursts = 5
	firstStdDev = 250
)

// What a process that had the time under one leader knows under the next, which goes on from
// its own copy, and one that has it from a neighbour: where house time is, as well as two such
// copies are apart at least, and its rate, as well as that tells over seedSpan. A leader that is further away than seedLimit did not go on
// from a copy.
const (
	seedErr   = 60               // µs; the filter takes half of it for the standard deviation
	seedSpan  = 20 * time.Second // that lie behind: it doubts the rate by 2 ppm
	seedLimit = 5 * time.Millisecond
)

// stepLimit is where slewing gives up: a process whose host slept is of no use for hours
// at 50 ppm. It steps, forward only, and says so.
const stepLimit = 100_000 // µs

// UncertaintyLimitUS is the uncertainty from which a process raises the alarm: a
// log line, and a finding of Health. Speakers need the house clock well below 1 ms.
const UncertaintyLimitUS = 1000

// holdoverPPM is how fast a reading becomes uncertain while no exchange succeeds: what is
// left of a crystal's error after its rate was fitted.
const holdoverPPM = 2

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

	// Owned by run.
	alarmed bool
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
		lent := make(chan struct{})
		go func() { defer close(lent); f.lend(ctx) }()
		f.run(ctx)
		<-lent
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
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	timer.Stop()
	ch := chase{x: exchanger{c: f.c, subject: ExchangeSubject, mono: f.o.mono}}
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-f.states:
			if s.Fence < ch.cur.Fence {
				f.o.Log.Warn("house clock: state of a former leader ignored", "leader", s.Leader, "fence", s.Fence)
				continue
			}
			changed := s.Leader != ch.cur.Leader || s.BootID != ch.cur.BootID
			ch.cur, ch.x.fence = s, s.Fence
			switch {
			case s.BootID == f.o.bootID:
				ch.filter = nil
				timer.Stop()
				f.local(s)
			case f.o.Filter == nil:
				f.o.Log.Error("house clock: the leader is on another host, and this process has no filter to follow it")
			case changed || ch.filter == nil:
				if f.p.Load() == nil {
					f.askNeighbour(ctx, s)
				}
				ch.filter, ch.bursts = f.o.Filter(), 0
				timer.Reset(0)
			}
		case <-timer.C:
			if ch.filter != nil {
				timer.Reset(f.chase(ctx, &ch))
			}
		}
	}
}

// chase is what a process on another kernel knows of its leader.
type chase struct {
	cur    state
	x      exchanger
	filter Filter
	bursts int   // that succeeded under this leader
	last   int64 // monotonic time of the last that did
	// least is half the shortest round trip under this leader, µs. It grows slowly, so that a
	// way that became longer is believed.
	least int64
	// halves are half the round trips of the last bursts, µs, in a ring.
	halves [spreadOver]int64
}

const (
	leastErr   = 10 // µs: stamps in user space are no better
	leastAges  = 64 // bursts until the shortest round trip seen has grown by a third or so
	spreadOver = 32 // bursts
)

// doubt is the error to tell the filter, which takes half of it for the standard deviation. Half the
// round trip bounds the error and is many times what it is. What a burst is off by is half the
// difference of what its two ways waited, and half the sum of it is what its round trip differs
// from others by: two ways that know nothing of each other spread the one as far as the other. So
// a short round trip is no better than a typical one, since one way may have been lucky alone. One
// that is longer than typical by more than the spread stood in a queue, of one way most likely.
//
// The spread is how far the lower sixth lies under the median, which for normal waits is their
// standard deviation, and which queues do not lengthen as they do the mean. It has to be
// seen first: the first bursts are doubted as much as the bound says.
func (ch *chase) doubt(half int64) int64 {
	if ch.bursts == 0 || half < ch.least {
		ch.least = half
	}
	ch.least += ch.least/(3*leastAges) + 1
	ch.halves[ch.bursts%spreadOver] = half
	sorted := ch.halves
	seen := sorted[:min(ch.bursts+1, spreadOver)]
	slices.Sort(seen)
	median, low := seen[len(seen)/2], seen[len(seen)/6]
	spread := max(median-low, leastErr)
	return 2*(spread+max(half-median-spread, 0)) + half/int64(ch.bursts+1)
}

// chase makes one burst and says when the next is due.
func (f *Follower) chase(ctx context.Context, ch *chase) time.Duration {
	best, err := ch.x.burst(ctx)
	if err != nil {
		if ctx.Err() == nil {
			f.o.Log.Debug("house clock: exchange failed", "err", err)
			f.holdover(ch)
			if f.p.Load() == nil { // the neighbour may have been too busy to answer in time
				f.askNeighbour(ctx, ch.cur)
			}
		}
		return pause(ch.bursts)
	}
	if ch.bursts == 0 {
		f.seed(ch, best)
	}
	doubt := ch.doubt(best.maxErr)
	f.o.Log.Debug("house clock: burst", "half_us", best.maxErr, "doubt_us", doubt, "at_us", best.t4, "measured_us", best.measurement,
		"residual_us", best.measurement-(ch.filter.ServerTime(best.t4)-best.t4))
	ch.filter.Update(best.measurement, doubt, best.t4)
	ch.bursts++
	ch.last = best.t4
	next := pause(ch.bursts)
	if f.p.Load() == nil && (ch.bursts < firstBursts || ch.bursts < quickBursts && ch.filter.StdDev() > firstStdDev) {
		return next
	}
	f.fitted(ch, next)
	return next
}

// neighbourLimit bounds the question to a process on this kernel.
const neighbourLimit = 300 * time.Millisecond

// askNeighbour takes the reading of another process on this kernel, which has watched the
// leader for longer: the two read one clock, so the copy is exact. A process that was started
// again would else be without a reading for a second, and have a poor one for half a minute.
func (f *Follower) askNeighbour(ctx context.Context, s state) {
	ctx, cancel := context.WithTimeout(ctx, neighbourLimit)
	defer cancel()
	resp := &wrapperspb.BytesValue{}
	if f.c.Request(ctx, neighbourSubject(f.o.bootID), encodeTimes(f.o.mono()), resp) != nil {
		return // most often there is none
	}
	t, err := decodeTimes(resp, 4)
	if err != nil || t[3] < 0 || t[3] > firstStdDev || t[2] != clamp(t[2], maxRatePPB) {
		return
	}
	f.o.Log.Debug("house clock: reading taken from a neighbour", "mono_us", t[0], "house_us", t[1], "rate_ppb", t[2], "uncertainty_us", t[3])
	f.p.Store(&mapping{mono0: t[0], house0: t[1], ppb: t[2],
		info: Info{Leader: s.Leader, UncertaintyUS: t[3], RatePPB: t[2], Role: RoleFitted}})
	close(f.first)
}

// neighbour answers a process on this kernel.
func (f *Follower) neighbour(_ context.Context, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	if _, err := decodeTimes(req, 1); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "house clock neighbour")
	}
	cur, m := f.p.Load(), f.o.mono()
	if cur.info.Role != RoleFitted {
		return nil, fault.New(fault.Unavailable, "this process follows a leader on its own kernel")
	}
	return encodeTimes(m, cur.at(m), cur.info.RatePPB, cur.info.UncertaintyUS), nil
}

// seed lets the filter begin with the reading that there is, when the new leader's first
// answer is about that. A filter that begins with nothing swings for half a minute.
func (f *Follower) seed(ch *chase, first measurement) {
	cur := f.p.Load()
	if cur == nil {
		return
	}
	m := first.t4 - quickInterval.Microseconds()
	off := cur.at(first.t4) - first.t4
	if d := off - first.measurement; d > seedLimit.Microseconds()+first.maxErr || -d > seedLimit.Microseconds()+first.maxErr {
		return
	}
	before := off - seedSpan.Microseconds()*cur.info.RatePPB/1_000_000_000
	doubt := max(seedErr, 2*cur.info.UncertaintyUS)
	ch.filter.Update(before, doubt, m-seedSpan.Microseconds())
	ch.filter.Update(off, doubt, m)
}

// pause is the time to the next burst after so many.
func pause(bursts int) time.Duration {
	if bursts <= quickBursts {
		return quickInterval
	}
	return min(quickInterval<<min(bursts-quickBursts, 16), burstInterval)
}

// local reads the leader's own kernel clock.
func (f *Follower) local(s state) {
	m := f.o.mono()
	info := Info{Leader: s.Leader, RatePPB: s.RatePPB, Role: RoleLocal}
	exact := &mapping{mono0: s.PivotUS, house0: s.PivotUS + s.OffsetUS, ppb: s.RatePPB, info: info}
	cur := f.p.Load()
	if cur == nil {
		f.p.Store(exact)
		close(f.first)
	} else if behind := exact.at(m) - cur.at(m); behind == 0 || behind == 1 { // a rounding
		f.p.Store(exact)
	} else {
		// The leader's next heartbeat finds the difference gone, or less.
		f.move(m, exact.at(m), s.RatePPB, heartbeat, info)
	}
	f.watch(info)
}

// fitted moves towards the filter's estimate until the next burst.
func (f *Follower) fitted(ch *chase, next time.Duration) {
	m := f.o.mono()
	target := ch.filter.ServerTime(m)
	// The filter's own rate, as ppb; over a span in which its whole µs do not matter.
	span := seedSpan.Microseconds()
	rate := clamp((ch.filter.ServerTime(m+span)-target-span)*1_000_000_000/span, maxRatePPB)
	info := Info{Leader: ch.cur.Leader, UncertaintyUS: int64(ch.filter.StdDev() + 0.5), DelayUS: ch.least, RatePPB: rate, Role: RoleFitted}
	f.move(m, target, rate, max(next, time.Second), info)
	if ch.bursts > quickBursts {
		f.watch(info)
	}
}

// holdover says that the reading gets worse while nobody answers.
func (f *Follower) holdover(ch *chase) {
	cur := f.p.Load()
	if cur == nil || ch.last == 0 {
		return
	}
	next := *cur
	age := f.o.mono() - ch.last
	next.info.UncertaintyUS = int64(ch.filter.StdDev()+0.5) + age*holdoverPPM/1_000_000
	f.p.Store(&next)
	f.watch(next.info)
}

// watch raises and ends the alarm.
func (f *Follower) watch(info Info) {
	switch {
	case !f.alarmed && info.UncertaintyUS > UncertaintyLimitUS:
		f.alarmed = true
		f.o.Log.Warn("house clock: known too badly on this host; is the network to the leader slow, or is the leader away?",
			"uncertainty_us", info.UncertaintyUS, "limit_us", UncertaintyLimitUS, "leader", info.Leader)
	case f.alarmed && info.UncertaintyUS < UncertaintyLimitUS/2:
		f.alarmed = false
		f.o.Log.Info("house clock: known well again", "uncertainty_us", info.UncertaintyUS, "leader", info.Leader)
	}
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
	behind := target - cur.at(m)
	if behind > stepLimit {
		f.o.Log.Error("house clock: this host was asleep or stood still; its clock steps forward", "step_us", behind)
	}
	if behind == 0 && ratePPB == 0 || behind > stepLimit {
		f.p.Store(&mapping{mono0: m, house0: target, ppb: ratePPB, info: info})
		return
	}
	f.p.Store(cur.slewTo(m, target, over, ratePPB, info))
}

// lend answers leaders that have no reading, once this process has one.
func (f *Follower) lend(ctx context.Context) {
	select {
	case <-f.first:
	case <-ctx.Done():
		return
	}
	stop, err := bus.HandleExclusive(f.c, CopySubject, f.answer)
	if err != nil {
		f.o.Log.Warn("house clock: this process cannot tell others the time", "err", err)
		return
	}
	defer stop()
	deaf, err := bus.HandleExclusive(f.c, neighbourSubject(f.o.bootID), f.neighbour)
	if err != nil {
		f.o.Log.Warn("house clock: this process cannot tell its neighbours the time", "err", err)
		return
	}
	defer deaf()
	<-ctx.Done()
}

func (f *Follower) answer(_ context.Context, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	t2 := f.NowMicros()
	t, err := decodeTimes(req, 1)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "house clock copy")
	}
	return encodeTimes(t[0], t2, f.NowMicros(), 0), nil
}

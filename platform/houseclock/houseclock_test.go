package houseclock

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOffsetOfANewLeader(t *testing.T) {
	last := &state{BootID: "a", OffsetUS: 700, HouseUS: 5_000_000, WallUS: time.Unix(100, 0).UnixMicro()}
	fitted := &known{offset: 8_999, ppb: 14_500}
	led := &state{BootID: "a", OffsetUS: 700, PivotUS: 100, RatePPB: -25_750, HouseUS: 5_000_000}
	for _, tc := range []struct {
		name string
		last *state
		boot string
		m    int64
		wall time.Time
		copy *known
		want course
	}{
		{"first start ever", nil, "a", 123, time.Unix(100, 0), nil, course{}},
		{"same kernel goes on exactly", last, "a", 123, time.Unix(900, 0), fitted, course{offset: 700}},
		{"and at the same rate", led, "a", 123, time.Unix(900, 0), fitted, course{700, 100, -25_750}},
		{"another kernel goes on from its own copy, at its rate", last, "b", 1_000, time.Unix(100, 0), fitted, course{8_999, 1_000, 14_500}},
		{"a rate that no crystal has is not handed on", last, "b", 1_000, time.Unix(100, 0), &known{8_999, 3_000_000}, course{8_999, 1_000, maxRatePPB}},
		{"after a reboot the wall clock tells what passed", last, "b", 1_000, time.Unix(160, 0), nil,
			course{offset: 5_000_000 + 60_000_000 + restartMargin.Microseconds() - 1_000}},
		{"a wall clock that went back does not take house time back", last, "b", 1_000, time.Unix(10, 0), nil,
			course{offset: 5_000_000 + restartMargin.Microseconds() - 1_000}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := courseFor(tc.last, tc.boot, tc.m, tc.wall, tc.copy); got != tc.want {
				t.Errorf("got %+v want %+v", got, tc.want)
			}
		})
	}
}

// However the targets jump, house time moves forward and never faster or
// slower than its source by more than the slew bound.
func TestSlewIsBoundedAndMonotone(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 9))
	p := &mapping{house0: 1_000_000}
	m, before := int64(0), p.at(0)
	for range 10_000 {
		m += rnd.Int64N(20_000_000)
		p = p.slewTo(m, p.at(m)+rnd.Int64N(2_000_001)-1_000_000, burstInterval, 0, Info{})
		if at := p.at(m); at < before {
			t.Fatalf("house time went back from %d to %d", before, at)
		}
		step := int64(1_000_000)
		moved := p.at(m+step) - p.at(m)
		if d := moved - step; d > maxSlewPPM || d < -maxSlewPPM {
			t.Fatalf("moved %d µs in a second: more than %d ppm", d, maxSlewPPM)
		}
		before = p.at(m)
	}
}

func connect(t *testing.T) *bus.Conn {
	t.Helper()
	c, err := bus.Connect(context.Background(), bus.Config{Embedded: &bus.EmbeddedConfig{StoreDir: t.TempDir()}, Name: "clock-test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// lead runs a leader without a lease: the lease has its own tests.
func lead(t *testing.T, c *bus.Conn, id string) (stop func()) {
	t.Helper()
	b, err := openBucket(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	l := leader{c: c, b: b, id: id, o: LeadOptions{Log: discard()}}
	go func() { done <- l.run(ctx) }()
	return func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("leader ended with %v", err)
		}
	}
}

func TestProcessesOnOneKernelAgreeExactly(t *testing.T) {
	c := connect(t)
	defer lead(t, c, "one")()
	var clocks []*Follower
	for range 3 {
		f, err := Follow(context.Background(), c, FollowOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Stop()
		clocks = append(clocks, f)
	}
	m := MonotonicMicros()
	for _, f := range clocks[1:] {
		if got, want := f.p.Load().at(m), clocks[0].p.Load().at(m); got != want {
			t.Errorf("two processes differ by %d µs", got-want)
		}
	}
	if info := clocks[0].Info(); info.Role != RoleLocal || info.UncertaintyUS != 0 || info.Leader != "one" {
		t.Errorf("got %+v", info)
	}
}

func TestASuccessorOnTheSameKernelGoesOnExactly(t *testing.T) {
	c := connect(t)
	stop := lead(t, c, "one")
	f, err := Follow(context.Background(), c, FollowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	before := *f.p.Load()
	stop()
	defer lead(t, c, "two")()
	deadline := time.Now().Add(time.Minute)
	for f.Info().Leader != "two" {
		if time.Now().After(deadline) {
			t.Fatal("the successor was not noticed")
		}
		<-time.After(10 * time.Millisecond)
	}
	m := MonotonicMicros()
	if got, want := f.p.Load().at(m), before.at(m); got != want {
		t.Errorf("house time stepped by %d µs", got-want)
	}
}

// tally is a crude filter: the last measurement. What is tested here is the
// exchange and the slew, not the filter, which has its own tests.
type tally struct{ offset, sd int64 }

func (f *tally) Update(m, maxErr, _ int64)     { f.offset, f.sd = m, maxErr }
func (f *tally) ServerTime(client int64) int64 { return client + f.offset }
func (f *tally) StdDev() float64               { return float64(f.sd) }

// halves finds in a follower's log the longest half round trip of its bursts: what the last
// measurement is off by is in that, not in the shortest.
type halves struct {
	slog.Handler
	worst atomic.Int64 // µs
}

func (h *halves) Enabled(context.Context, slog.Level) bool { return true }

func (h *halves) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "half_us" { // only the follower's goroutine logs it
			h.worst.Store(max(h.worst.Load(), a.Value.Int64()))
		}
		return true
	})
	return nil
}

func TestAProcessOnAnotherKernelFitsTheLeader(t *testing.T) {
	c := connect(t)
	defer lead(t, c, "one")()
	const ahead = 123_456_789
	trips := &halves{Handler: slog.DiscardHandler}
	f, err := Follow(context.Background(), c, FollowOptions{
		Log: slog.New(trips), Filter: func() Filter { return &tally{} }, bootID: "elsewhere", mono: func() int64 { return MonotonicMicros() + ahead },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	local, err := Follow(context.Background(), c, FollowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Stop()
	info := f.Info()
	if info.Role != RoleFitted || info.UncertaintyUS <= 0 {
		t.Fatalf("got %+v", info)
	}
	m := MonotonicMicros()
	// The error is bounded by half the round trip.
	d := f.p.Load().at(m+ahead) - local.p.Load().at(m)
	worst := trips.worst.Load()
	if d > worst+1 || d < -worst-1 {
		t.Errorf("off by %d µs, the round trips allow %d", d, worst)
	}
	// What is told grows slowly, as far as here from the longest.
	if worst == 0 || info.DelayUS > worst+worst/(3*leastAges)+1 {
		t.Errorf("the shortest way took %d µs, the longest %d", info.DelayUS, worst)
	}
}

// steadyStdDev is what a steady filter says of itself, µs.
const steadyStdDev = 10

// steady is a tally that does not doubt: how far answers spread on this machine is no matter.
type steady struct{ tally }

func (*steady) StdDev() float64 { return steadyStdDev }

// elsewhere follows as a process on another kernel would, whose clock is ahead by µs.
func elsewhere(t *testing.T, c *bus.Conn, boot string, ahead int64) *Follower {
	t.Helper()
	f, err := Follow(t.Context(), c, FollowOptions{
		Filter: func() Filter { return &steady{} }, bootID: boot, mono: func() int64 { return MonotonicMicros() + ahead },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	return f
}

// A process that starts has the reading of another one on its kernel, and none of one on
// another kernel: without a leader that answers, there is nothing else to have it from.
func TestAProcessThatStartsAsksItsNeighbour(t *testing.T) {
	c := connect(t)
	stop := lead(t, c, "one")
	const ahead = 123_456_789
	first := elsewhere(t, c, "kernel of both", ahead)
	until(t, "the neighbour answers", func() bool {
		return c.Request(t.Context(), neighbourSubject("kernel of both"), encodeTimes(1), &wrapperspb.BytesValue{}) == nil
	})
	stop()
	until(t, "the neighbour finds the leader gone", func() bool { return first.Info().UncertaintyUS > steadyStdDev })

	second := elsewhere(t, c, "kernel of both", ahead)
	m := MonotonicMicros() + ahead
	// The neighbour goes on with the correction that it is at, and the second does not have that.
	copied := second.p.Load()
	most := 1 + (m-copied.mono0)*maxSlewPPM/1_000_000
	if d := copied.at(m) - first.p.Load().at(m); d < -most || d > most {
		t.Errorf("the two are %d µs apart, want %d at most", d, most)
	}
	// The neighbour's reading gets worse as time passes without a leader: by 2 µs a second.
	const aged = 2 * 60
	got, want := second.Info(), first.Info()
	if worse := want.UncertaintyUS - got.UncertaintyUS; got.Role != RoleFitted || got.UncertaintyUS <= steadyStdDev || worse < 0 || worse > aged || got.RatePPB != want.RatePPB {
		t.Errorf("its reading says %+v, the neighbour's %+v", got, want)
	}

	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if f, err := Follow(short, c, FollowOptions{
		Filter: func() Filter { return &tally{} }, bootID: "another kernel", mono: MonotonicMicros,
	}); err == nil {
		f.Stop()
		t.Error("a process on another kernel has a reading, and nobody to have it from")
	}
}

// A neighbour that is too busy to answer is asked again: nobody else has the time.
func TestANeighbourThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	c := connect(t)
	b, err := openBucket(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	v, err := encodeState(state{Leader: "gone", BootID: "gone", Fence: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), stateKey, v); err != nil {
		t.Fatal(err)
	}
	const ahead = 5_000
	var asked atomic.Int64
	stop, err := bus.HandleExclusive(c, neighbourSubject("kernel of both"), func(context.Context, *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
		if asked.Add(1) == 1 {
			return nil, fault.New(fault.Unavailable, "busy")
		}
		m := MonotonicMicros()
		return encodeTimes(m, m+ahead, 0, steadyStdDev), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f, err := Follow(ctx, c, FollowOptions{Filter: func() Filter { return &steady{} }, bootID: "kernel of both", mono: MonotonicMicros})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	if m := MonotonicMicros(); f.p.Load().at(m) != m+ahead {
		t.Errorf("it reads %d µs, want %d", f.p.Load().at(m)-m, ahead)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in time: " + what)
		}
	}
}

// A leader that has just started, on a kernel that never led, must not put house time where
// the wall clock says while processes elsewhere still know it.
func TestALeaderWithoutACopyAsksTheSurvivors(t *testing.T) {
	c := connect(t)
	b, err := openBucket(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	// The former leader's kernel is gone; its last word is old.
	const house = 7_000_000_000
	v, err := encodeState(state{Leader: "gone", BootID: "gone", OffsetUS: house - MonotonicMicros(), HouseUS: house,
		WallUS: time.Now().Add(-time.Hour).UnixMicro(), Fence: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), stateKey, v); err != nil {
		t.Fatal(err)
	}
	// A survivor on its kernel knows the time exactly.
	f, err := Follow(t.Context(), c, FollowOptions{bootID: "gone", mono: MonotonicMicros})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	m := MonotonicMicros() // read once: the test may stand still between two readings
	before := f.p.Load().at(m) - m
	until(t, "the survivor answers", func() bool {
		_, err := (&exchanger{c: c, subject: CopySubject, mono: MonotonicMicros}).burst(t.Context())
		return err == nil
	})
	l := leader{c: c, b: b, id: "new", fence: 2, o: LeadOptions{Log: discard()}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.run(ctx) }()
	local, err := Follow(t.Context(), c, FollowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Stop()
	until(t, "the new leader is seen", func() bool { return local.Info().Leader == "new" })
	// An hour would be 3.6·10⁹ µs; a burst on one machine is off by its round trip.
	m = MonotonicMicros()
	if d := local.p.Load().at(m) - m - before; d > 50_000 || d < -50_000 {
		t.Errorf("house time stepped by %d µs at the hand-over", d)
	}
	cancel()
	<-done
}

// What a leader says that was paused past its lease is dropped, by followers and in the bucket.
func TestAFormerLeaderIsNotHeard(t *testing.T) {
	c := connect(t)
	b, err := openBucket(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	old := leader{c: c, b: b, id: "old", fence: 5, o: LeadOptions{Log: discard()}}
	if _, err := old.last(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := old.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, err := Follow(t.Context(), c, FollowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	next := leader{c: c, b: b, id: "next", fence: 9, o: LeadOptions{Log: discard()}}
	if _, err := next.last(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := next.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the successor is seen", func() bool { return f.Info().Leader == "next" })
	old.now.OffsetUS = 3_600_000_000
	if err := old.publish(t.Context()); !errors.Is(err, errSuperseded) {
		t.Errorf("the former leader wrote: %v", err)
	}
	// Even what it forces into the bucket moves nobody.
	v, err := encodeState(state{Leader: "old", BootID: BootID(), OffsetUS: old.now.OffsetUS, Fence: 5})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), stateKey, v); err != nil {
		t.Fatal(err)
	}
	next.rev = 0
	if _, err := next.last(t.Context()); err != nil {
		t.Fatal(err)
	}
	next.now.OffsetUS = 20 // tells when the follower has seen everything
	if err := next.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the successor's next word is seen", func() bool { return f.p.Load().ppb != 0 })
	if info := f.Info(); info.Leader != "next" || f.NowMicros()-MonotonicMicros() > 1_000 {
		t.Errorf("the follower heeded the former leader: %+v", info)
	}
	x := exchanger{c: c, subject: ExchangeSubject, mono: MonotonicMicros, fence: 9}
	stop, err := bus.HandleExclusive(c, ExchangeSubject, old.answer)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	until(t, "an answer comes in time", func() bool {
		_, err := x.exchange(t.Context())
		if err == nil {
			t.Fatal("an answer under an older lease is taken")
		}
		return errors.Is(err, errOldLeader)
	})
}

// While nobody answers, the uncertainty grows, and past the limit there is an alarm; the
// time itself goes on.
func TestWithoutItsLeaderAReadingGetsUncertain(t *testing.T) {
	c := connect(t)
	stop := lead(t, c, "one")
	f := elsewhere(t, c, "elsewhere", 1_000)
	until(t, "some bursts", func() bool { return f.Info().UncertaintyUS > 0 })
	stop()
	ch := &chase{cur: state{Leader: "one"}, filter: &tally{sd: 10}, last: f.o.mono() - 600_000_000}
	f.Stop() // from here on the test drives
	f.holdover(ch)
	if u := f.Info().UncertaintyUS; u < 10+600*holdoverPPM || f.alarmed != (u > UncertaintyLimitUS) || !f.alarmed {
		t.Errorf("after 10 minutes without an answer: ± %d µs, alarm %v", u, f.alarmed)
	}
	f.watch(Info{UncertaintyUS: UncertaintyLimitUS - 1})
	if !f.alarmed {
		t.Error("the alarm ends just below its limit: it would flutter")
	}
	f.watch(Info{UncertaintyUS: 10})
	if f.alarmed {
		t.Error("the alarm does not end")
	}
}

// A host that slept is behind by more than slewing mends within hours: it steps, forward.
func TestAHostThatSleptStepsForward(t *testing.T) {
	c := connect(t)
	defer lead(t, c, "one")()
	f := elsewhere(t, c, "elsewhere", 0)
	f.Stop()
	m := f.o.mono()
	now := f.p.Load().at(m)
	f.move(m, now+stepLimit-50, 0, burstInterval, Info{})
	if d := f.p.Load().at(m) - now; d > 10_000 {
		t.Errorf("stepped by %d µs below the limit", d)
	}
	f.move(m, now+60_000_000, 0, burstInterval, Info{})
	if d := f.p.Load().at(m) - now; d < 59_000_000 {
		t.Errorf("slept for a minute and moved by %d µs", d)
	}
	before := f.p.Load().at(m)
	f.move(m, before-60_000_000, 0, burstInterval, Info{})
	if f.p.Load().at(m) < before {
		t.Error("house time went back")
	}
}

func TestPausesBetweenBurstsGrow(t *testing.T) {
	sum := time.Duration(0)
	for n, last := 0, time.Duration(0); n < 40; n++ {
		p := pause(n)
		if p < last || p > burstInterval || last > 0 && p > 2*last {
			t.Errorf("pause %d is %v after %v", n, p, last)
		}
		last = p
		sum += p
	}
	if pause(40) != burstInterval || pause(1_000_000) != burstInterval {
		t.Error("the pauses do not settle")
	}
}

func TestPretend(t *testing.T) {
	for _, bad := range []string{"", "offset_us=1", "boot=a,offset_us=x", "boot=a,drift_ppm=1001", "boot=a,drift_ppm=NaN", "boot=a,tea=1"} {
		if Pretend(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestFollowGivesUpWithItsContext(t *testing.T) {
	c := connect(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if f, err := Follow(ctx, c, FollowOptions{}); err == nil {
		f.Stop()
		t.Fatal("followed nobody")
	}
}

func TestMalformedExchangesAreRefused(t *testing.T) {
	l := leader{}
	if _, err := l.answer(context.Background(), wrapperspb.Bytes([]byte{1, 2, 3})); err == nil {
		t.Error("3 bytes are no exchange")
	}
	if _, err := decodeState(wrapperspb.Bytes([]byte("{"))); err == nil {
		t.Error("half a state was decoded")
	}
}

// A leader that followed before goes on at the rate that it knew, and processes on its
// kernel have exactly that.
func TestTheRateGoesOnWithTheLeader(t *testing.T) {
	c := connect(t)
	b, err := openBucket(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	v, err := encodeState(state{Leader: "former", BootID: BootID(), OffsetUS: 5_000, PivotUS: MonotonicMicros() - 90_000_000, RatePPB: -25_750, Fence: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), stateKey, v); err != nil {
		t.Fatal(err)
	}
	former, err := decodeState(v)
	if err != nil {
		t.Fatal(err)
	}
	defer lead(t, c, "next")()
	for range 2 {
		f, err := Follow(t.Context(), c, FollowOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Stop()
		until(t, "the next leader is heard", func() bool { return f.Info().Leader == "next" })
		m := MonotonicMicros()
		if got, want := f.p.Load().at(m), former.at(m); got != want {
			t.Errorf("house time is off by %d µs", got-want)
		}
		if f.Info().RatePPB != -25_750 {
			t.Errorf("it runs at %d ppb", f.Info().RatePPB)
		}
	}
}

// recorder is a filter that keeps what it was told.
type recorder struct{ m, err, at []int64 }

func (f *recorder) Update(m, maxErr, t4 int64) {
	f.m, f.err, f.at = append(f.m, m), append(f.err, maxErr), append(f.at, t4)
}
func (f *recorder) ServerTime(client int64) int64 { return client }
func (f *recorder) StdDev() float64               { return 0 }

// Under a new leader that went on from its copy, a process keeps what it knew; one that leads
// from the wall clock is another clock.
func TestWhatWasKnownUnderTheFormerLeader(t *testing.T) {
	const now = 1_000_000_000
	f := &Follower{}
	f.p.Store(&mapping{mono0: now, house0: now + 7_000, ppb: 40_000, info: Info{RatePPB: 20_000}})
	near := &recorder{}
	f.seed(&chase{filter: near}, measurement{measurement: 7_100, maxErr: 900, t4: now})
	if len(near.m) != 2 || near.m[1] != 7_000 || near.m[0] != 7_000-400 || near.at[1] >= now || near.at[1]-near.at[0] != seedSpan.Microseconds() {
		t.Errorf("the filter began with %+v", near)
	}
	far := &recorder{}
	f.seed(&chase{filter: far}, measurement{measurement: 20_000, maxErr: 900, t4: now})
	if len(far.m) != 0 {
		t.Errorf("the filter began with %+v, which the new leader contradicts", far)
	}
}

// A burst is off by as much as round trips differ, whether its own is short or not, and by
// what it waited beyond that.
func TestDoubt(t *testing.T) {
	ch := &chase{}
	r := rand.New(rand.NewPCG(1, 2))
	burst := func(way float64) (doubt, off int64) {
		there, back := way+r.NormFloat64()*100, way+r.NormFloat64()*100
		doubt = ch.doubt(int64((there + back) / 2))
		ch.bursts++
		return doubt, int64((there - back) / 2)
	}
	if first := ch.doubt(800); first < 800 {
		t.Errorf("the first burst is doubted by %d µs, which is less than its bound", first)
	}
	ch.bursts++
	for range 50 {
		burst(800)
	}
	var doubts, squares float64
	const n = 2000
	for range n {
		d, off := burst(800)
		doubts += float64(d) / n
		squares += float64(off*off) / n
	}
	if std := math.Sqrt(squares); doubts/2 < 0.8*std || doubts/2 > 1.6*std {
		t.Errorf("the filter is told a standard deviation of %.0f µs in the mean, and it is %.0f", doubts/2, std)
	}
	if short, typical := ch.doubt(600), ch.doubt(800); short < typical*8/10 {
		t.Errorf("a short round trip is doubted by %d µs and a typical one by %d", short, typical)
	}
	if long, typical := ch.doubt(2800), ch.doubt(800); long < typical+3000 {
		t.Errorf("a burst that waited 2 ms longer is doubted by %d µs, a typical one by %d", long, typical)
	}
	for range 10 * spreadOver { // long queues now and then do not make the others worse
		burst(800)
		if r.IntN(4) == 0 {
			burst(10_000)
		}
	}
	if d, _ := burst(800); d > 500 {
		t.Errorf("where one burst in five waits for 10 ms, one that does not is doubted by %d µs", d)
	}
	for range spreadOver { // a way that became longer is believed after a while
		burst(2800)
	}
	if d, _ := burst(2800); d > 600 {
		t.Errorf("after a long time on a longer way it is still doubted by %d µs", d)
	}
}

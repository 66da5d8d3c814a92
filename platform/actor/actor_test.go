package actor_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/actor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// probe is a handler that tells the test what happens to it.
type probe struct {
	events chan string
	gate   chan struct{} // when not nil, Handle waits for it
	held   []chan<- string
}

type msg struct {
	text  string
	reply chan<- string
}

func (p *probe) Start(context.Context) error { p.events <- "start"; return nil }

func (p *probe) Close(context.Context) {
	for _, r := range p.held {
		r <- "closed"
	}
	p.events <- "close"
}

func (p *probe) Handle(ctx context.Context, m msg) error {
	if p.gate != nil {
		select {
		case <-p.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	switch m.text {
	case "stop":
		return actor.ErrStop
	case "fail":
		return errors.New("failed")
	case "panic":
		panic("boom")
	case "hold":
		p.held = append(p.held, m.reply)
		p.events <- "held"
		return nil
	}
	if m.reply != nil {
		m.reply <- m.text
	}
	p.events <- m.text
	return nil
}

// syncBuffer is a log sink that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

type fixture struct {
	sup   *actor.Supervisor
	clock *clockwork.FakeClock
	reg   *prometheus.Registry
	log   *syncBuffer
	probe *probe
	ref   *actor.Ref[msg]
}

func setup(t *testing.T, so actor.SupervisorOptions, o actor.Options, gated bool) *fixture {
	t.Helper()
	f := &fixture{clock: clockwork.NewFakeClock(), reg: prometheus.NewRegistry(), log: &syncBuffer{},
		probe: &probe{events: make(chan string, 100)}}
	if gated {
		f.probe.gate = make(chan struct{})
	}
	so.Clock, so.Metrics, so.Log = f.clock, actor.NewMetrics(f.reg, "test"), slog.New(slog.NewTextHandler(f.log, nil))
	f.sup = actor.NewSupervisor(t.Context(), so)
	t.Cleanup(f.sup.Stop)
	o.Key = "the-key"
	ref, err := actor.Spawn(f.sup, o, func(*actor.Ref[msg]) actor.Handler[msg] { return f.probe })
	if err != nil {
		t.Fatal(err)
	}
	f.ref = ref
	f.want(t, "start")
	return f
}

func (f *fixture) want(t *testing.T, events ...string) {
	t.Helper()
	for _, want := range events {
		select {
		case got := <-f.probe.events:
			if got != want {
				t.Fatalf("event: got %q, want %q", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no event, want %q; log:\n%s", want, f.log)
		}
	}
}

func (f *fixture) send(t *testing.T, text string) {
	t.Helper()
	if err := f.ref.Send(t.Context(), msg{text: text}); err != nil {
		t.Fatalf("send %q: %v", text, err)
	}
}

func TestOrderAndStop(t *testing.T) {
	f := setup(t, actor.SupervisorOptions{}, actor.Options{}, false)
	for _, m := range []string{"a", "b", "c", "stop", "never"} {
		_ = f.ref.Send(t.Context(), msg{text: m})
	}
	f.want(t, "a", "b", "c", "close")
	<-f.ref.Done()
	if err := f.ref.Send(t.Context(), msg{}); !errors.Is(err, actor.ErrStopped) {
		t.Fatalf("send after the end: %v", err)
	}
	if n := testutil.ToFloat64(metric(t, f.reg, "tutti_actor_crashes_total")); n != 0 {
		t.Fatalf("an orderly end counted as %v crashes", n)
	}
}

// metric wraps one gathered value so that testutil can read it.
func metric(t *testing.T, reg *prometheus.Registry, name string) prometheus.Collector {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, fam := range families {
		if fam.GetName() == name {
			m := fam.GetMetric()[0]
			g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "x"})
			g.Set(m.GetCounter().GetValue() + m.GetGauge().GetValue())
			if len(m.GetLabel()) != 1 || m.GetLabel()[0].GetName() != "family" {
				t.Fatalf("labels of %s: %v", name, m.GetLabel())
			}
			return g
		}
	}
	t.Fatalf("no metric %s", name)
	return nil
}

func TestCrashIsLoggedCountedAndRestarted(t *testing.T) {
	f := setup(t, actor.SupervisorOptions{BackoffMin: time.Second, BackoffMax: 4 * time.Second}, actor.Options{}, false)
	for i, how := range []string{"panic", "fail", "panic", "panic", "panic"} {
		f.send(t, how)
		f.send(t, "kept")
		f.want(t, "close")
		if err := f.clock.BlockUntilContext(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		limit := min(time.Second<<i, 4*time.Second)
		f.clock.Advance(limit/2 - time.Millisecond)
		select {
		case e := <-f.probe.events:
			t.Fatalf("crash %d: %q before half of the backoff", i, e)
		default:
		}
		f.clock.Advance(limit/2 + 2*time.Millisecond)
		f.want(t, "start", "kept")
	}
	log := f.log.String()
	for _, want := range []string{"actor=the-key", "panic: boom", "actor_test.go", "err=failed"} {
		if !strings.Contains(log, want) {
			t.Errorf("log lacks %q:\n%s", want, log)
		}
	}
	if n := testutil.ToFloat64(metric(t, f.reg, "tutti_actor_crashes_total")); n != 5 {
		t.Errorf("crashes: got %v, want 5", n)
	}
	if n := testutil.ToFloat64(metric(t, f.reg, "tutti_actor_restarts_total")); n != 5 {
		t.Errorf("restarts: got %v, want 5", n)
	}
}

func TestNeverAndMaxRestarts(t *testing.T) {
	f := setup(t, actor.SupervisorOptions{}, actor.Options{Restart: actor.Never}, false)
	f.send(t, "panic")
	<-f.ref.Done()
	f.want(t, "close")

	f = setup(t, actor.SupervisorOptions{MaxRestarts: 1}, actor.Options{}, false)
	f.send(t, "panic")
	f.want(t, "close")
	if err := f.clock.BlockUntilContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	f.clock.Advance(time.Second)
	f.want(t, "start")
	f.send(t, "panic")
	<-f.ref.Done()
}

func TestFullMailbox(t *testing.T) {
	fill := func(t *testing.T, full actor.FullPolicy) *fixture {
		f := setup(t, actor.SupervisorOptions{}, actor.Options{Size: 2, Full: full}, true)
		f.send(t, "1")
		for f.ref.Depth() > 0 { // until the actor has taken the first one out
			time.Sleep(time.Millisecond)
		}
		f.send(t, "2")
		f.send(t, "3")
		return f
	}
	t.Run("fail", func(t *testing.T) {
		f := fill(t, actor.Fail)
		if err := f.ref.Send(t.Context(), msg{text: "4"}); !errors.Is(err, actor.ErrFull) {
			t.Fatalf("got %v", err)
		}
		close(f.probe.gate)
		f.want(t, "1", "2", "3")
		if n := testutil.ToFloat64(metric(t, f.reg, "tutti_actor_mailbox_depth_max")); n != 2 {
			t.Errorf("depth: got %v, want 2", n)
		}
	})
	t.Run("drop oldest", func(t *testing.T) {
		f := fill(t, actor.DropOldest)
		f.send(t, "4")
		close(f.probe.gate)
		f.want(t, "1", "3", "4")
		if n := testutil.ToFloat64(metric(t, f.reg, "tutti_actor_dropped_messages_total")); n != 1 {
			t.Errorf("dropped: got %v, want 1", n)
		}
	})
	t.Run("stop", func(t *testing.T) {
		f := fill(t, actor.Stop)
		if err := f.ref.Send(t.Context(), msg{text: "4"}); !errors.Is(err, actor.ErrFull) {
			t.Fatalf("got %v", err)
		}
		<-f.ref.Done()
	})
	t.Run("block", func(t *testing.T) {
		f := fill(t, actor.Block)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := f.ref.Send(ctx, msg{text: "4"}); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		blocked := make(chan error, 1)
		go func() { blocked <- f.ref.Send(context.Background(), msg{text: "5"}) }()
		f.ref.Stop()
		if err := <-blocked; !errors.Is(err, actor.ErrStopped) {
			t.Fatalf("a blocked sender of a stopped actor got %v", err)
		}
	})
}

func TestAsk(t *testing.T) {
	f := setup(t, actor.SupervisorOptions{}, actor.Options{}, false)
	ask := func(text string) (string, error) {
		return actor.Ask(t.Context(), f.ref, func(r chan<- string) msg { return msg{text: text, reply: r} })
	}
	if v, err := ask("hello"); v != "hello" || err != nil {
		t.Fatalf("got %q, %v", v, err)
	}
	type answer struct {
		v   string
		err error
	}
	held := make(chan answer, 1)
	go func() { v, err := ask("hold"); held <- answer{v, err} }()
	f.want(t, "hello", "held")
	f.ref.Stop()
	if a := <-held; a.v != "closed" || a.err != nil {
		t.Fatalf("held request got %q, %v", a.v, a.err)
	}
	if _, err := ask("late"); !errors.Is(err, actor.ErrStopped) {
		t.Fatalf("got %v", err)
	}
}

func TestAfter(t *testing.T) {
	f := setup(t, actor.SupervisorOptions{}, actor.Options{}, false)
	cancel := actor.After(f.ref, f.clock, time.Second, msg{text: "cancelled"})
	actor.After(f.ref, f.clock, 2*time.Second, msg{text: "tick"})
	cancel()
	f.clock.Advance(3 * time.Second)
	f.want(t, "tick")
}

func TestSupervisorStopWaits(t *testing.T) {
	f := setup(t, actor.SupervisorOptions{}, actor.Options{}, true)
	f.send(t, "in work")
	f.sup.Stop()
	select {
	case <-f.ref.Done():
	default:
		t.Fatal("Stop returned before the actor had ended")
	}
	_, err := actor.Spawn(f.sup, actor.Options{}, func(*actor.Ref[msg]) actor.Handler[msg] { return f.probe })
	if !errors.Is(err, actor.ErrStopped) {
		t.Fatalf("spawn after stop: %v", err)
	}
}

func BenchmarkSend(b *testing.B) {
	sup := actor.NewSupervisor(b.Context(), actor.SupervisorOptions{})
	defer sup.Stop()
	ref, err := actor.Spawn(sup, actor.Options{Size: 256}, func(*actor.Ref[int]) actor.Handler[int] {
		return actor.HandlerFunc[int](func(context.Context, int) error { return nil })
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := ref.Send(b.Context(), 1); err != nil {
			b.Fatal(err)
		}
	}
}

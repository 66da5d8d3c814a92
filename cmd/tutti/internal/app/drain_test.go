package app

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// draining is a process on an external bus whose parts say what they do.
func draining(t *testing.T, cfg Config) (p *process, said func() []string, say func(string)) {
	t.Helper()
	cfg.LogLevel, cfg.LogFormat = "error", "text"
	p, err := newProcess(cfg, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	words := make(chan string, 100)
	var heard []string
	return p, func() []string {
		for {
			select {
			case w := <-words:
				heard = append(heard, w)
			default:
				return heard
			}
		}
	}, func(w string) { words <- w }
}

func TestWhatAProcessHoldsIsHandedOverInOrderBeforeItStops(t *testing.T) {
	p, said, say := draining(t, Config{NATS: "nats://elsewhere:4222", DrainTimeout: time.Minute})
	p.onDrain("stream", func(context.Context) error { say("groups"); return errors.New("one group is stuck") })
	p.onDrain("session-gateway", func(context.Context) error { say("sessions"); return nil })
	ctx, stop := context.WithCancel(t.Context())
	running := make(chan struct{})
	part := service{"session-gateway", func(ctx context.Context) error {
		close(running)
		<-ctx.Done()
		say("stopped")
		return nil
	}}
	done := make(chan error, 1)
	go func() { done <- runAll(ctx, p, []service{part}) }()
	<-running
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got, want := said(), []string{"groups", "sessions", "stopped"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDrainingIsBounded(t *testing.T) {
	p, said, say := draining(t, Config{NATS: "nats://elsewhere:4222", DrainTimeout: 50 * time.Millisecond})
	p.onDrain("session-gateway", func(ctx context.Context) error { <-ctx.Done(); say("out of time"); return ctx.Err() })
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := runAll(ctx, p, []service{{"x", func(ctx context.Context) error { <-ctx.Done(); return nil }}}); err != nil {
		t.Error(err)
	}
	if got := said(); !slices.Equal(got, []string{"out of time"}) {
		t.Errorf("got %v", got)
	}
}

// Nobody takes anything over from a process that has its bus inside, or that is told not
// to wait; and one whose part failed does not begin.
func TestNothingIsHandedOver(t *testing.T) {
	for name, cfg := range map[string]Config{
		"embedded": {DrainTimeout: time.Minute},
		"no time":  {NATS: "nats://elsewhere:4222"},
	} {
		p, said, say := draining(t, cfg)
		p.onDrain("session-gateway", func(context.Context) error { say("sessions"); return nil })
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := runAll(ctx, p, []service{{"x", func(ctx context.Context) error { <-ctx.Done(); return nil }}}); err != nil {
			t.Error(err)
		}
		if got := said(); len(got) != 0 {
			t.Errorf("%s: got %v", name, got)
		}
	}
	p, said, say := draining(t, Config{NATS: "nats://elsewhere:4222", DrainTimeout: time.Minute})
	p.onDrain("session-gateway", func(context.Context) error { say("sessions"); return nil })
	broken := errors.New("broken")
	if err := runAll(t.Context(), p, []service{{"x", func(context.Context) error { return broken }}}); !errors.Is(err, broken) {
		t.Errorf("got %v, want the part's error", err)
	}
	if got := said(); len(got) != 0 {
		t.Errorf("after a failure: got %v", got)
	}
}

// However slow the others, the services and the bus are: `tutti serve` ends within 10 s of
// the signal, and one that was told to hand over for longer within 10 s more.
func TestServeEndsWithinTheContract(t *testing.T) {
	serve := ServeCommand("v", nil).Flags().Lookup("drain-timeout").DefValue
	usual, err := time.ParseDuration(serve)
	if err != nil {
		t.Fatal(err)
	}
	if got := Defaults("v").DrainTimeout; got != 20*time.Second {
		t.Errorf("`tutti run` hands over for %v, want 20 s", got)
	}
	for name, tc := range map[string]struct {
		cfg   Config
		most  time.Duration
		parts time.Duration // that the services may take at least
	}{
		"embedded":            {Config{DrainTimeout: usual}, 10 * time.Second, 7 * time.Second},
		"serve --nats":        {Config{NATS: "nats://elsewhere:4222", DrainTimeout: usual}, 10 * time.Second, 3 * time.Second},
		"told to take longer": {Config{NATS: "nats://elsewhere:4222", DrainTimeout: 20 * time.Second}, 30 * time.Second, 7 * time.Second},
		"told not to":         {Config{NATS: "nats://elsewhere:4222"}, 10 * time.Second, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _, _ := draining(t, tc.cfg)
				p.onDrain("session-gateway", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
				for range 2 { // the bus and the leases
					p.onClose(func(ctx context.Context) { <-ctx.Done() })
				}
				ctx, stop := context.WithCancel(t.Context())
				end := make(chan struct{})
				told := make(chan time.Time, 1)
				done := make(chan error, 1)
				go func() {
					err := runAll(ctx, p, []service{{"stuck", func(ctx context.Context) error {
						<-ctx.Done()
						told <- time.Now()
						<-end
						return nil
					}}})
					if took := time.Since(<-told); took < tc.parts {
						t.Errorf("the services had %v to end, want %v at least", took, tc.parts)
					}
					p.close()
					done <- err
				}()
				synctest.Wait()
				asked := time.Now()
				stop()
				if err := <-done; err == nil {
					t.Error("a service that did not end is not told of")
				}
				if took := time.Since(asked); took > tc.most {
					t.Errorf("ended %v after the signal, want %v at most", took, tc.most)
				}
				close(end)
			})
		})
	}
}

package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/run"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func untilDone(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func TestFirstErrorEndsAll(t *testing.T) {
	var g run.Group
	stop := make(chan struct{})
	var order []string
	g.Add("a", untilDone, func(error) { order = append(order, "a") })
	g.Add("b", func(context.Context) error { <-stop; return nil }, func(error) { order = append(order, "b"); close(stop) })
	g.Add("c", func(context.Context) error { return errors.New("broken") }, nil)
	err := g.Run(t.Context())
	if err == nil || err.Error() != "c: broken" {
		t.Fatalf("got %v", err)
	}
	if fmt.Sprint(order) != "[b a]" {
		t.Fatalf("interrupted in the order %v", order)
	}
}

func TestContextEndsWithoutError(t *testing.T) {
	var g run.Group
	g.Add("a", untilDone, nil)
	g.Add("b", func(ctx context.Context) error { <-ctx.Done(); return nil }, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestEndWithoutErrorIsUnexpected(t *testing.T) {
	var g run.Group
	g.Add("quiet", func(context.Context) error { return nil }, nil)
	if err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "quiet ended unexpectedly") {
		t.Fatalf("got %v", err)
	}
}

func TestPanicAndLateErrors(t *testing.T) {
	var g run.Group
	g.Add("p", func(context.Context) error { panic("boom") }, nil)
	g.Add("q", func(ctx context.Context) error { <-ctx.Done(); return errors.New("bad close") }, nil)
	err := g.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "p: panic: boom") || !strings.Contains(err.Error(), "q: bad close") {
		t.Fatalf("got %v", err)
	}
}

func TestLimit(t *testing.T) {
	clock := clockwork.NewFakeClock()
	g := run.Group{Clock: clock}
	release := make(chan struct{})
	freed := make(chan struct{})
	g.Add("stuck", func(context.Context) error { defer close(freed); <-release; return nil }, nil)
	g.Add("fine", untilDone, nil)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() { got <- g.Run(ctx) }()
	cancel()
	if err := clock.BlockUntilContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	clock.Advance(run.ShutdownLimit)
	if err := <-got; err == nil || !strings.Contains(err.Error(), "still running after 10s: ") || !strings.Contains(err.Error(), "stuck") {
		t.Fatalf("got %v", err)
	}
	close(release)
	<-freed
}

func TestSignals(t *testing.T) {
	ctx, stop := run.Signals(t.Context())
	defer stop()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Fatal("SIGTERM did not end the context")
	}
}

func TestReport(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code int
		line string
	}{
		{nil, 0, ""},
		{errors.New("no bus; set --nats"), 1, "tutti: no bus; set --nats\n"},
		{fmt.Errorf("x: %w", run.Usage(errors.New("bad flag"))), 2, "tutti: x: bad flag\n"},
		{errors.Join(errors.New("a"), errors.New("b")), 1, "tutti: a; b\n"},
	} {
		var b bytes.Buffer
		if code := run.Report(&b, "tutti", tc.err); code != tc.code || b.String() != tc.line {
			t.Errorf("%v: got %d %q, want %d %q", tc.err, code, b.String(), tc.code, tc.line)
		}
	}
	if run.Usage(nil) != nil {
		t.Error("Usage(nil) is an error")
	}
}

// A part that names itself in its error is not named twice.
func TestAFailureNamesItsPartOnce(t *testing.T) {
	for _, msg := range []string{"management: the port is taken", "the port is taken"} {
		var g run.Group
		g.Add("management", func(context.Context) error { return errors.New(msg) }, nil)
		if err := g.Run(t.Context()); err == nil || err.Error() != "management: the port is taken" {
			t.Errorf("%q became %v", msg, err)
		}
	}
}

// How long the parts may take is asked when they are told to end, and not before.
func TestTheTimeThatIsLeftIsAskedAtTheEnd(t *testing.T) {
	clock := clockwork.NewFakeClock()
	ctx, cancel := context.WithCancel(t.Context())
	g := run.Group{Clock: clock, Limit: time.Hour, Left: func() time.Duration {
		if ctx.Err() == nil {
			t.Error("asked before the end")
		}
		return time.Second
	}}
	release := make(chan struct{})
	g.Add("stuck", func(context.Context) error { <-release; return nil }, nil)
	got := make(chan error, 1)
	go func() { got <- g.Run(ctx) }()
	cancel()
	if err := clock.BlockUntilContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	if err := <-got; err == nil || !strings.Contains(err.Error(), "still running after 1s: stuck") {
		t.Errorf("got %v", err)
	}
	close(release)
}

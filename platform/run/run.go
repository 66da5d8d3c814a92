// Package run starts and stops the parts of a program: the shape of every main.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jonboulle/clockwork"
)

// ShutdownLimit is how long a program may take to end: the promise to the operator.
const ShutdownLimit = 10 * time.Second

// Group runs parts side by side. The first that returns, with or without an error,
// ends all of them. The zero value is ready to use; Add before Run.
type Group struct {
	// Log tells what ended the group; nil for none.
	Log *slog.Logger
	// Limit is how long the parts may take to end; 0 means ShutdownLimit.
	Limit time.Duration
	// Left, if set, is asked instead of Limit when the parts are told to end: how long
	// they may take depends on what went before.
	Left func() time.Duration
	// Clock times the limit; the real one when nil.
	Clock clockwork.Clock

	parts []part
}

type part struct {
	name      string
	execute   func(ctx context.Context) error
	interrupt func(error)
}

// Add adds a part. execute runs until its context ends or it cannot go on.
// interrupt, which may be nil, is called once when the group ends, for parts that
// do not heed a context.
func (g *Group) Add(name string, execute func(ctx context.Context) error, interrupt func(error)) {
	g.parts = append(g.parts, part{name, execute, interrupt})
}

// ended is how one part ended.
type ended struct {
	name string
	err  error
}

// Run runs all parts until one returns or ctx ends, ends the others in the reverse
// order of Add, and waits for all. It returns the error of the part that ended the
// group, nil when ctx did, and an error that names the parts that still run after
// the limit.
func (g *Group) Run(ctx context.Context) error {
	if len(g.parts) == 0 {
		return nil
	}
	parent := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make(chan ended, len(g.parts))
	running := map[string]int{}
	for _, p := range g.parts {
		running[p.name]++
		go func() { ends <- ended{p.name, execute(ctx, p)} }()
	}
	var first error
	left := len(g.parts)
	select {
	case e := <-ends:
		first = reason(e, parent)
		running[e.name]--
		left--
	case <-parent.Done():
	}
	if first == nil {
		g.info("stopping", "reason", "asked to")
	} else {
		g.info("stopping", "reason", first)
	}
	cancel()
	g.interrupt(first)
	return g.wait(first, ends, running, left)
}

// wait collects the other parts.
func (g *Group) wait(first error, ends <-chan ended, running map[string]int, left int) error {
	clock, limit := g.Clock, g.Limit
	if clock == nil {
		clock = clockwork.NewRealClock()
	}
	if g.Left != nil {
		limit = g.Left()
	}
	if limit == 0 {
		limit = ShutdownLimit
	}
	late := clock.After(limit)
	errs := []error{first}
	for ; left > 0; left-- {
		select {
		case e := <-ends:
			running[e.name]--
			if e.err != nil && !errors.Is(e.err, context.Canceled) {
				errs = append(errs, named(e))
			}
		case <-late:
			return errors.Join(append(errs, fmt.Errorf("still running after %v: %s", limit, names(running)))...)
		}
	}
	return errors.Join(errs...)
}

func (g *Group) interrupt(err error) {
	for i := len(g.parts) - 1; i >= 0; i-- {
		if f := g.parts[i].interrupt; f != nil {
			f(err)
		}
	}
}

func (g *Group) info(msg string, args ...any) {
	if g.Log != nil {
		g.Log.Info(msg, args...)
	}
}

// execute makes a panic an error, so that the other parts end in order.
func execute(ctx context.Context, p part) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return p.execute(ctx)
}

// reason is why the group ends when e was the first to return.
func reason(e ended, parent context.Context) error {
	switch {
	case parent.Err() != nil && (e.err == nil || errors.Is(e.err, context.Canceled)):
		return nil
	case e.err == nil:
		return fmt.Errorf("%s ended unexpectedly", e.name)
	}
	return named(e)
}

// named says which part failed, unless its error does already.
func named(e ended) error {
	if strings.HasPrefix(e.err.Error(), e.name+":") {
		return e.err
	}
	return fmt.Errorf("%s: %w", e.name, e.err)
}

func names(running map[string]int) string {
	var out []string
	for n, c := range running {
		if c > 0 {
			out = append(out, n)
		}
	}
	return strings.Join(out, ", ")
}

// Signals returns a context that ends at SIGINT or SIGTERM. A second signal then
// ends the process at once, as if nothing caught it. stop frees the signals.
func Signals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-c:
		case <-ctx.Done():
		}
		signal.Stop(c)
		cancel()
	})
	return ctx, func() { cancel(); wg.Wait() }
}

// Exit statuses of every program.
const (
	ExitOK    = 0 // it did what it was asked
	ExitFail  = 1 // it failed at run time
	ExitUsage = 2 // it was called in a wrong way
)

// usageError is an error of the caller of the program.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }
func (u *usageError) ExitCode() int { return ExitUsage }

// Usage marks err as wrong usage; nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

// ExitCode is the exit status for err: what an error in its tree says through
// ExitCode() int, else 1, and 0 for nil.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	var c interface{ ExitCode() int }
	if errors.As(err, &c) {
		return c.ExitCode()
	}
	return ExitFail
}

// Report writes err to w as one line, "program: error", and returns its exit status.
// The next step is part of the error's text.
func Report(w io.Writer, program string, err error) int {
	if err != nil {
		line := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
		_, _ = fmt.Fprintf(w, "%s: %s\n", program, line) // nowhere else to say it
	}
	return ExitCode(err)
}

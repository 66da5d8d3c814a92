package actor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// runner runs the lives of one actor on its goroutine.
type runner[M any] struct {
	s    *Supervisor
	o    Options
	self *Ref[M]
	make func(self *Ref[M]) Handler[M]
	row  int // crashes in a row
}

// run lives until the actor ends.
func (a *runner[M]) run(ctx context.Context) {
	for {
		began := a.o.Clock.Now()
		err := a.live(ctx)
		if err == nil {
			return
		}
		a.o.Metrics.crashes.Inc()
		if ctx.Err() != nil {
			a.log(err, "actor crashed while it ended", 0)
			return
		}
		if a.o.Clock.Since(began) > a.s.o.BackoffMax {
			a.row = 0
		}
		a.row++
		if a.o.Restart == Never || a.s.o.MaxRestarts > 0 && a.row > a.s.o.MaxRestarts {
			a.log(err, "actor crashed and is ended", 0)
			return
		}
		wait := a.backoff()
		a.log(err, "actor crashed, starts again", wait)
		select {
		case <-a.o.Clock.After(wait):
		case <-ctx.Done():
			return
		}
		a.o.Metrics.restarts.Inc()
	}
}

// backoff doubles with each crash in a row; its upper half is random.
func (a *runner[M]) backoff() time.Duration {
	d := a.s.o.BackoffMin << min(a.row-1, 20)
	if d > a.s.o.BackoffMax || d <= 0 {
		d = a.s.o.BackoffMax
	}
	return d/2 + rand.N(d/2+1)
}

// live is one life, from make to Close. nil means that it ended as it should.
func (a *runner[M]) live(ctx context.Context) error {
	var h Handler[M]
	if err := guard(func() error { h = a.make(a.self); return nil }); err != nil {
		return fmt.Errorf("make: %w", err)
	}
	lc, _ := h.(Lifecycle)
	var err error
	if lc != nil {
		if err = guard(func() error { return lc.Start(ctx) }); err != nil && !errors.Is(err, ErrStop) {
			err = fmt.Errorf("start: %w", err)
		}
	}
	if err == nil {
		err = a.loop(ctx, h)
	}
	ended := errors.Is(err, ErrStop) || ctx.Err() != nil && errors.Is(err, ctx.Err())
	if ended {
		a.self.end() // before Close: it may wait for those who send to us
		err = nil
	}
	if lc != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if cerr := guard(func() error { lc.Close(closing); return nil }); cerr != nil {
			err = errors.Join(err, fmt.Errorf("close: %w", cerr))
		}
	}
	return err
}

// loop handles messages until one of them, or ctx, ends it.
func (a *runner[M]) loop(ctx context.Context, h Handler[M]) error {
	for {
		select {
		case <-ctx.Done():
			return ErrStop
		case m := <-a.self.box:
			if ctx.Err() != nil {
				return ErrStop
			}
			if err := guard(func() error { return h.Handle(ctx, m) }); err != nil {
				return err
			}
		}
	}
}

// panicError is a recovered panic with where it happened.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// guard runs f and makes a panic an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	return f()
}

func (a *runner[M]) log(err error, what string, wait time.Duration) {
	args := []any{"actor", a.o.Key, "supervisor", a.s.o.Name, "err", err, "crashes_in_a_row", a.row}
	if wait > 0 {
		args = append(args, "wait_ms", wait.Milliseconds())
	}
	var p *panicError
	if errors.As(err, &p) {
		args = append(args, "stack", string(p.stack))
	}
	a.o.Log.Error(what, args...)
}

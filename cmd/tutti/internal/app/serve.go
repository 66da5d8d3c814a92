package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/platform/run"
)

const (
	// stopContract is the process contract: SIGTERM ends `tutti serve` within 10 s.
	stopContract = 10 * time.Second
	// stopLimit is what is planned with: half a second is for a machine that is busy.
	stopLimit = stopContract - 500*time.Millisecond
	// serveDrain is --drain-timeout of `tutti serve`, and the longest that is part of the
	// 10 s. A longer one, such as that of `tutti run`, comes before them.
	serveDrain = 4 * time.Second
)

// Serve runs all five services in this process until ctx ends. Start-up facts
// for a person go to out, the log to logTo.
func Serve(ctx context.Context, cfg Config, out, logTo io.Writer) error {
	if err := cfg.Complete(); err != nil {
		return usageError{err}
	}
	if cfg.LibraryCache == "" {
		cfg.LibraryCache = filepath.Join(cfg.DataDir, "library")
	}
	return again(ctx, func(ctx context.Context, restart func()) error { return serveOnce(ctx, cfg, restart, out, logTo) })
}

// serveOnce is Serve until ctx ends, or until restart was called: then everything has
// stopped, and begins anew.
func serveOnce(ctx context.Context, cfg Config, restart func(), out, logTo io.Writer) error {
	p, err := newProcess(cfg, logTo)
	if err != nil {
		return err
	}
	defer p.close()
	p.restart = restart
	err = p.openData(tellTo(out))
	if err == nil {
		err = p.connect(ctx, true)
	}
	if err == nil {
		err = p.follow(ctx, firstReadingLimit)
	}
	if err != nil {
		return unlessAsked(ctx, err)
	}
	b, err := build(p, Services())
	if err != nil {
		return err
	}
	parts := b.services
	parts = append(parts, service{"banner", func(ctx context.Context) error { return banner(ctx, p, b, out) }})
	if cfg.Demo {
		demo, err := newDemo(cfg.DataDir, p.log)
		if err != nil {
			return err
		}
		parts = append(parts, service{"demo", func(ctx context.Context) error { return demo.run(ctx, p, b, out) }})
	}
	return runAll(ctx, p, parts)
}

// RunService runs one service against an external NATS server until ctx ends. What a
// person has to know goes to out, the log to logTo.
func RunService(ctx context.Context, name string, cfg Config, out, logTo io.Writer) error {
	if cfg.NATS == "" {
		return usageError{fmt.Errorf("tutti run %s needs --nats URL (or TUTTI_NATS): one service alone has nobody to talk to; `tutti serve` runs all of them", name)}
	}
	if err := cfg.Complete(); err != nil {
		return usageError{err}
	}
	p, err := newProcess(cfg, logTo)
	if err != nil {
		return err
	}
	defer p.close()
	p.role = name
	p.log.Info("starting", obs.KeyService, name, obs.KeyInstance, p.instance, "version", cfg.Version, "internal_http", cfg.InternalHTTP)
	return runAll(ctx, p, serviceParts(p, name, out))
}

// serviceParts are the parts of a process that runs one service. The probes come
// first of all: whoever asks is told that the process is up, and what it waits for.
func serviceParts(p *process, name string, out io.Writer) []service {
	p.health.Add(name, func() error { return errors.New("starting") })
	return []service{
		{"internal-http", func(ctx context.Context) error {
			return obs.InternalHTTP(ctx, p.cfg.InternalHTTP, p.health, p.reg, p.cfg.Pprof)
		}},
		{name, func(ctx context.Context) error { return p.runOne(ctx, name, out) }},
	}
}

// needsClock names the services whose work is in house time. The others run
// whether or not there is a clock.
func needsClock(name string) bool { return name == "stream" || name == "session-gateway" }

// runOne connects, builds the named service when what it needs is there, and runs it.
// A set-up code goes to out, and not to the log: it is a secret.
func (p *process) runOne(ctx context.Context, name string, out io.Writer) error {
	if needsClock(name) {
		p.health.Add("house clock", p.house.ready)
	}
	if err := p.connect(ctx, name == "stream"); err != nil {
		return unlessAsked(ctx, err)
	}
	switch {
	case needsClock(name):
		if err := p.follow(ctx, 0); err != nil {
			return unlessAsked(ctx, err)
		}
	case name == "management": // it shows the clock, and serves without it
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := p.follow(ctx, 0); err != nil && ctx.Err() == nil {
				p.log.Error("house clock: not followed", obs.KeyErr, err)
			}
		}()
		defer func() { cancel(); <-done }()
	}
	b := &built{setUp: func(code string) {
		fmt.Fprintf(out, "\n  set-up code   %s   (makes the first administrator, in the console at %s)\n\n", code, p.cfg.HTTP)
	}}
	if err := b.add(p, name); err != nil {
		return err
	}
	return b.services[0].run(ctx)
}

// unlessAsked drops the error of a start that was broken off because the process
// was asked to stop.
func unlessAsked(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// runAll runs parts until ctx ends or one of them fails; then it stops the rest
// and waits, so long that closing still fits into stopLimit. A part that is done
// early, such as the banner, ends nothing. When ctx ends, what can be handed over to
// other processes is, before anything stops; a hand-over of serveDrain at most is part
// of the time to stop.
func runAll(ctx context.Context, p *process, parts []service) error {
	g := run.Group{Log: p.log, Left: p.partsLeft}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	for _, part := range parts {
		g.Add(part.name, func(ctx context.Context) error {
			if err := part.run(ctx); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}, nil)
	}
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		defer end()
		asked := time.Now()
		p.drain(life)
		if p.cfg.DrainTimeout > serveDrain {
			asked = time.Now()
		}
		p.stopBy(asked.Add(stopLimit))
	})
	err := g.Run(life)
	end() // a part failed: no more handing over
	if !stop() {
		<-drained
	}
	p.log.Info("stopped", obs.KeyInstance, p.instance)
	return err
}

// usageError is a fault of the command line or configuration: exit status 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// IsUsage tells whether err is the caller's wrong usage (exit status 2).
func IsUsage(err error) bool {
	var u usageError
	return errors.As(err, &u)
}

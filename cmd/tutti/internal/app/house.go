package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/sendspin/clock"
)

const (
	// firstReadingLimit is how long a process that may lead the clock itself waits
	// for its first reading: if there is none then, something is broken.
	firstReadingLimit = 60 * time.Second
	// noReadingWarning is how often a service that waits for another's clock says so.
	noReadingWarning = 15 * time.Second
)

// lateClock is the house clock of a process, before its first reading too: then
// NowMicros is 0, which management takes for "not known". Those who cannot work
// without a reading are not built before there is one.
type lateClock struct {
	follower atomic.Pointer[houseclock.Follower]
}

var _ houseclock.Clock = (*lateClock)(nil)

// NowMicros implements houseclock.Clock.
func (l *lateClock) NowMicros() int64 {
	if f := l.follower.Load(); f != nil {
		return f.NowMicros()
	}
	return 0
}

// Info implements houseclock.Clock.
func (l *lateClock) Info() houseclock.Info {
	if f := l.follower.Load(); f != nil {
		return f.Info()
	}
	return houseclock.Info{}
}

// ready is nil once there is a reading.
func (l *lateClock) ready() error {
	if l.follower.Load() == nil {
		return errors.New("no reading yet: is a stream service running on this NATS server?")
	}
	return nil
}

func (l *lateClock) stop() {
	if f := l.follower.Load(); f != nil {
		f.Stop()
	}
}

// register adds the clock's metrics: without a reading nothing sounds, and a
// reading that becomes uncertain is heard.
func (l *lateClock) register(reg prometheus.Registerer, instance string) {
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	is := func(yes bool) float64 {
		if yes {
			return 1
		}
		return 0
	}
	reg.MustRegister( // a registry of this process alone: nobody else has these names
		gauge("tutti_house_clock_known", "1 while this process has a reading of the house clock.",
			func() float64 { return is(l.follower.Load() != nil) }),
		gauge("tutti_house_clock_leader", "1 while this process leads the house clock.",
			func() float64 { return is(l.Info().Leader == instance) }),
		gauge("tutti_house_clock_uncertainty_seconds", "Standard deviation of this process's reading; 0 on the leader's machine.",
			func() float64 { return float64(l.Info().UncertaintyUS) / 1e6 }),
	)
}

// leadHouseClock campaigns for the clock's lease until the process closes.
func (p *process) leadHouseClock(ctx context.Context) {
	leadCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		o := houseclock.LeadOptions{Log: p.log, Copy: p.houseCopy}
		if err := houseclock.Lead(leadCtx, p.bus, p.leases, p.instance, o); err != nil && !errors.Is(err, context.Canceled) {
			p.log.Error("house clock: cannot lead", obs.KeyErr, err)
		}
	}()
	p.onClose(func(context.Context) { stop(); <-done })
}

// houseCopy is this process's own reading; nil before the first.
func (p *process) houseCopy() houseclock.Clock {
	if f := p.house.follower.Load(); f != nil {
		return f
	}
	return nil
}

// follow waits for the house clock's first reading, limit at most (0: until ctx
// ends), and goes on following until the process closes.
func (p *process) follow(ctx context.Context, limit time.Duration) error {
	first, cancel := ctx, context.CancelFunc(func() {})
	if limit > 0 {
		first, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	// Only the first reading has a limit: what Follow started lives on.
	life, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	inTime := context.AfterFunc(first, giveUp)
	warned := p.warnWithoutReading(first)
	defer warned()
	f, err := houseclock.Follow(life, p.bus, houseclock.FollowOptions{
		Log: p.log, Filter: func() houseclock.Filter { return clock.New() },
	})
	if err == nil && !inTime() {
		f.Stop()
		err = context.Cause(first)
	}
	if err != nil {
		giveUp()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("house clock: no reading (%w): is a stream service running on this NATS server?", err)
	}
	p.house.follower.Store(f)
	return nil
}

// warnWithoutReading says now and then that the process waits, until the caller
// calls what it returns.
func (p *process) warnWithoutReading(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(noReadingWarning)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				p.log.Warn("house clock: no reading yet; a stream service must run on the same NATS server")
			}
		}
	}()
	return func() { cancel(); <-done }
}

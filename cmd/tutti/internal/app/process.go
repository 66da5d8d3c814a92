package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
)

// closeLimit is what is kept, of the time to stop, for what happens after the services
// have stopped.
const closeLimit = 2 * time.Second

// process is what the services of one process share: the bus, the house
// clock, leases, metrics and the log.
type process struct {
	cfg      Config
	instance string
	// role is who this process is on the bus: a service, or subject.Serve for all.
	role   string
	log    *slog.Logger
	reg    *prometheus.Registry
	health *obs.Health
	bus    *bus.Conn
	leases *lease.Manager
	house  *lateClock
	// restart ends this process's run and begins another; it does nothing where a
	// supervisor has to do that.
	restart func()

	mu      sync.Mutex // guards the following: a part may connect while another runs
	closers []func(ctx context.Context)
	drains  []drainer
	// deadline is when the process has to have ended; zero: it was not asked to.
	deadline time.Time
}

// newProcess makes a process that is not connected yet.
func newProcess(cfg Config, logTo io.Writer) (*process, error) {
	log, err := obs.NewLogger(logTo, cfg.LogLevel, cfg.LogFormat)
	if err != nil {
		return nil, err
	}
	p := &process{cfg: cfg, instance: newInstanceID(), role: subject.Serve, log: log,
		health: obs.NewHealth(), reg: obs.NewRegistry(cfg.Version), house: &lateClock{}, restart: func() {}}
	p.house.register(p.reg, p.instance)
	p.health.Add("bus", func() error { return errors.New("not connected yet") })
	// The mDNS library writes to the standard logger: let it end up in ours.
	slog.SetDefault(log)
	return p, nil
}

// openData takes the data directory of a process with an embedded bus, and moves what was
// staged for it into place.
func (p *process) openData(say func(format string, a ...any)) error {
	if !p.cfg.Embedded() {
		return nil
	}
	release, err := openDataDir(p.cfg.DataDir)
	if err != nil {
		return err
	}
	p.onClose(func(context.Context) { release() })
	if p.cfg.DatabaseURL == "" {
		p.restoreStaged(say)
	}
	return nil
}

// connect waits for the bus. leadClock says that this process may lead the house
// clock (it runs the stream service). Who reads the clock calls follow.
func (p *process) connect(ctx context.Context, leadClock bool) error {
	bc := p.cfg.busConfig("tutti-"+p.instance, p.role)
	bc.Log, bc.Registerer = p.log, p.reg
	conn, err := bus.Connect(ctx, bc)
	if err != nil {
		return err
	}
	p.bus = conn
	p.onClose(func(ctx context.Context) {
		if err := conn.Close(ctx); err != nil {
			p.log.Warn("bus did not close cleanly", obs.KeyErr, err)
		}
	})
	p.health.Add("bus", conn.Healthy)
	if err := p.stores(ctx); err != nil {
		return err
	}
	if p.leases, err = lease.NewManager(conn, p.instance, lease.Options{TTL: p.cfg.leaseTTL(), Clock: clockwork.NewRealClock(), Alone: p.cfg.Embedded()}); err != nil {
		return err
	}
	p.onClose(func(ctx context.Context) {
		if err := p.leases.Close(ctx); err != nil {
			p.log.Warn("leases were not given back; they end by themselves", obs.KeyErr, err)
		}
	})
	if p.cfg.Embedded() {
		// The lock on the data directory says that nobody else is alive.
		if err := p.leases.EvictAll(ctx); err != nil {
			return err
		}
	}
	p.onClose(func(context.Context) { p.house.stop() })
	if leadClock {
		p.leadHouseClock(ctx)
	}
	return nil
}

// stopBy says when this process, which was asked to stop, has to have ended.
func (p *process) stopBy(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
}

// partsLeft is how long the parts may take to end, so that closing has its time.
func (p *process) partsLeft() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deadline.IsZero() {
		return stopLimit - closeLimit
	}
	return max(time.Until(p.deadline)-closeLimit, time.Millisecond)
}

// onClose remembers what close has to do, until its context ends.
func (p *process) onClose(f func(ctx context.Context)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closers = append(p.closers, f)
}

// close releases everything in reverse order of opening, within what is left of the time
// to stop.
func (p *process) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), max(closeLimit, time.Until(p.deadline)))
	defer cancel()
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i](ctx)
	}
	p.closers = nil
}

// newInstanceID names this run of this process: host, pid and a random part.
func newInstanceID() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "host"
	}
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the program instead
	return subjectToken(host) + "-" + hex.EncodeToString(b)
}

// subjectToken keeps what a NATS subject token and a KV key allow.
func subjectToken(s string) string {
	out := []byte(s)
	for i, c := range out {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
		if !ok {
			out[i] = '-'
		}
	}
	return string(out)
}

package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/platform/obs"
)

// closeLimit bounds what happens after the services have stopped.
const closeLimit = 3 * time.Second

// process is what the services of one process share: the bus, the house
// clock, leases, metrics and the log.
type process struct {
	cfg      Config
	instance string
	log      *slog.Logger
	reg      *prometheus.Registry
	health   *obs.Health
	bus      *bus.Conn
	leases   *lease.Manager
	house    *lateClock

	closers []func()
}

// openProcess connects to the bus. leadClock says that this process may lead
// the house clock (it runs the stream service). Who reads the clock calls follow.
func openProcess(ctx context.Context, cfg Config, logTo io.Writer, leadClock bool) (*process, error) {
	p := &process{cfg: cfg, instance: newInstanceID(), health: obs.NewHealth(), reg: obs.NewRegistry(cfg.Version), house: &lateClock{}}
	log, err := obs.NewLogger(logTo, cfg.LogLevel, cfg.LogFormat)
	if err != nil {
		return nil, err
	}
	p.log = log
	// The mDNS library writes to the standard logger: let it end up in ours.
	slog.SetDefault(log)
	if err := p.connect(ctx, leadClock); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *process) connect(ctx context.Context, leadClock bool) error {
	bc := bus.Config{URL: p.cfg.NATS, Name: "tutti-" + p.instance, Log: p.log, Registerer: p.reg}
	if p.cfg.Embedded() {
		release, err := openDataDir(p.cfg.DataDir)
		if err != nil {
			return err
		}
		p.closers = append(p.closers, release)
		bc.Embedded = &bus.EmbeddedConfig{StoreDir: filepath.Join(p.cfg.DataDir, "bus")}
	}
	conn, err := bus.Connect(ctx, bc)
	if err != nil {
		return err
	}
	p.bus = conn
	p.closers = append(p.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		if err := conn.Close(ctx); err != nil {
			p.log.Warn("bus did not close cleanly", obs.KeyErr, err)
		}
	})
	p.health.Add("bus", conn.Healthy)
	if p.leases, err = lease.NewManager(conn, p.instance, lease.Options{Clock: clockwork.NewRealClock()}); err != nil {
		return fmt.Errorf("leases: %w", err)
	}
	if p.cfg.Embedded() {
		// The lock on the data directory says that nobody else is alive.
		if err := p.leases.EvictAll(ctx); err != nil {
			return err
		}
	}
	p.closers = append(p.closers, p.house.stop)
	if leadClock {
		p.leadHouseClock(ctx)
	}
	return nil
}

// close releases everything in reverse order of opening.
func (p *process) close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i]()
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

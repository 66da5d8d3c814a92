// Package pairing is the service that owns trust: the deployment's identity,
// which devices are paired, approved, waiting or denied, the settings of the
// server, and the audit ledger.
//
// How a request runs: endpoints.go takes it from the bus, internal/desk loads
// what is on record, asks internal/trust (pure rules), and commits the decision,
// its audit line and what must be announced in one transaction of internal/store
// (PostgreSQL or SQLite); internal/herald then announces it (KV buckets "trust"
// and "settings", events). Secrets at rest and on their way to a gateway are
// internal/secret's. Pairing attempts are actors (internal/attempt), which ask the
// desk to store what they achieve; internal/enrol starts them for tokens that were
// brought ahead of their device.
//
// When the database is away, requests are answered Unavailable with the reason,
// Ready says the same, and the service goes on by itself when it is back. No
// device is ever treated as unpaired because a record could not be read.
package pairing

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/pairing/internal/attempt"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/enrol"
	"github.com/tutti-audio/tutti/services/pairing/internal/headlog"
	"github.com/tutti-audio/tutti/services/pairing/internal/herald"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/snapshot"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
)

// retryEvery is the wait between two tries to reach the database or the bus.
const retryEvery = time.Second

// Service is the pairing service.
type Service struct {
	cfg     Config
	deps    Deps
	metrics *desk.Metrics
	pairs   *attempt.Metrics
	actors  *actor.Metrics
	state   state
}

// New checks cfg and opens nothing. All faults are reported together. It
// registers metrics, so one Registerer takes one Service.
func New(cfg Config, deps Deps) (*Service, error) {
	cfg.setDefaults()
	err := cfg.check()
	if deps.Bus == nil {
		err = errors.Join(err, errors.New("pairing: Deps.Bus is missing"))
	}
	if err != nil {
		return nil, err
	}
	if deps.Clock == nil {
		deps.Clock = clockwork.NewRealClock()
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	deps.Log = deps.Log.With(obs.KeyService, "pairing")
	s := &Service{cfg: cfg, deps: deps}
	s.state.log = deps.Log
	s.state.failed(errStarting)
	if s.metrics, err = desk.NewMetrics(deps.Registerer); err == nil {
		s.pairs, err = attempt.NewMetrics(deps.Registerer)
	}
	if err == nil {
		err = s.state.register(deps.Registerer)
	}
	s.actors = actor.NewMetrics(deps.Registerer, "pairing")
	return s, err
}

// Run serves until ctx ends or the service cannot go on: the database refuses
// us, or the identity cannot be opened. It returns within 10 s of ctx's end, when
// everything that it started has stopped; then its error is nil.
func (s *Service) Run(ctx context.Context) error {
	err := s.run(ctx)
	s.state.failed(fault.New(fault.Unavailable, "the pairing service has stopped"))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Service) run(ctx context.Context) error {
	endpoints, err := s.serve()
	if err != nil {
		return err
	}
	sup := actor.NewSupervisor(ctx, actor.SupervisorOptions{
		Name: "pairing", Log: s.deps.Log, Clock: s.deps.Clock, Metrics: s.actors,
	})
	var st store.Store
	defer func() { // requests first, then the actors, then what both use
		if err := endpoints.Stop(); err != nil {
			s.deps.Log.Warn("stop the endpoints", obs.KeyErr, err)
		}
		s.state.desk.Store(nil)
		s.state.crew.Store(nil)
		sup.Stop()
		if st != nil {
			st.Close()
		}
	}()
	// Before the database is there: that a process waits for it is worth knowing.
	pulse := herald.Pulse{Bus: s.deps.Bus, Clock: s.deps.Clock, Log: s.deps.Log, InstanceID: s.cfg.InstanceID, Version: s.cfg.Version, Ready: s.Ready}
	if err := pulse.Start(sup); err != nil {
		return err
	}
	if st, err = s.openStore(ctx); err != nil {
		return err
	}
	if err := s.open(ctx, sup, &watchedStore{Store: st, state: &s.state}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// open brings up everything behind the endpoints and opens the door.
func (s *Service) open(ctx context.Context, sup *actor.Supervisor, st store.Store) error {
	var vault desk.Vault
	err := s.try(ctx, "open the identity", 0, func() (err error) {
		vault, err = desk.OpenVault(ctx, st, s.cfg.keySource(), s.deps.Clock.Now())
		return err
	})
	if err != nil {
		return err
	}
	err = s.try(ctx, "apply the configuration", 0, func() error {
		return desk.Configure(ctx, st, s.cfg.settings(), s.deps.Clock.Now())
	})
	if err != nil {
		return err
	}
	err = s.try(ctx, "make the server's persona", 0, func() error {
		return desk.EnsureServerPersona(ctx, st, vault, s.deps.Clock.Now())
	})
	if err != nil {
		return err
	}
	var buckets herald.Buckets
	var shown *attempt.Bucket
	err = s.try(ctx, "open the buckets", 0, func() (err error) {
		// Whatever is wrong with the bus is not for us to end over: another service
		// may be opening the same bucket right now.
		if buckets, err = herald.OpenBuckets(ctx, s.deps.Bus); err == nil {
			shown, err = attempt.OpenBucket(ctx, s.deps.Bus)
		}
		if err != nil {
			err = fault.Wrap(fault.Unavailable, err, "the bus is not ready")
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.staff(sup, st, vault, buckets, shown)
}

// staff starts the actors and puts the desk behind the endpoints.
func (s *Service) staff(sup *actor.Supervisor, st store.Store, vault desk.Vault, buckets herald.Buckets, shown *attempt.Bucket) error {
	h, enroller := &herald.Herald{}, &enrol.Enroller{}
	d := desk.New(desk.Options{
		Store: st, Announcer: h, Clock: s.deps.Clock, Log: s.deps.Log, Metrics: s.metrics, Limits: s.cfg.limits(),
		Seen: enroller.Seen,
	}, vault)
	err := h.Start(sup, herald.Options{
		Store: st, Bus: s.deps.Bus, Buckets: buckets, Clock: s.deps.Clock, Log: s.deps.Log,
		Registerer: s.deps.Registerer, Venue: s.cfg.Venue, Settings: d.Settings, Sweep: d.Sweep, Lapse: d.Lapse,
	})
	if err != nil {
		return err
	}
	if err := s.keepSafe(sup, st, vault, h); err != nil {
		return err
	}
	c, err := s.newCrew(sup, d, shown, enroller)
	if err != nil {
		return err
	}
	s.state.told.Store(h)
	s.state.crew.Store(c)
	s.state.desk.Store(d)
	s.state.worked()
	s.deps.Log.Info("pairing serves", "server_id", d.ServerID(), "fingerprint", vault.Identity.Public().Fingerprint(),
		"database", st.Name(), "identity_created", vault.Created)
	return nil
}

// keepSafe starts what watches over the ledger and makes snapshots for backups.
func (s *Service) keepSafe(sup *actor.Supervisor, st store.Store, vault desk.Vault, h *herald.Herald) error {
	err := headlog.Start(sup, headlog.Options{Store: st, Clock: s.deps.Clock, Log: s.deps.Log, Registerer: s.deps.Registerer})
	if err != nil {
		return err
	}
	shots, err := snapshot.Start(sup, snapshot.Options{
		Store: st, Key: vault.Key, Bus: s.deps.Bus, Clock: s.deps.Clock, Log: s.deps.Log, Announce: h.Kick,
	})
	s.state.shots.Store(shots)
	return err
}

// openStore reaches the database, however long that takes (Config.DatabaseWait).
func (s *Service) openStore(ctx context.Context) (store.Store, error) {
	var st store.Store
	err := s.try(ctx, "open the database", s.cfg.DatabaseWait, func() error {
		opened, err := store.Open(ctx, s.cfg.DatabaseURL, s.cfg.DataDir)
		if err == nil {
			st = opened
		}
		return err
	})
	return st, err
}

// try repeats a step until it works, until ctx ends, until limit has passed (0:
// none), or until it fails in a way that another try does not change. Meanwhile
// requests and Ready are answered with the reason.
func (s *Service) try(ctx context.Context, step string, limit time.Duration, f func() error) error {
	began := s.deps.Clock.Now()
	for n := 0; ; n++ {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if fault.CodeOf(err) != fault.Unavailable && fault.CodeOf(err) != fault.Timeout {
			return err
		}
		if limit > 0 && s.deps.Clock.Since(began) >= limit {
			return err
		}
		s.state.failed(err)
		if n%30 == 0 {
			s.deps.Log.Warn("cannot "+step+", trying again", obs.KeyErr, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.deps.Clock.After(retryEvery):
		}
	}
}

func (c *Config) keySource() secret.Source {
	return secret.Source{File: c.DeploymentKeyFile, Text: string(c.DeploymentKey), DataDir: c.DataDir}
}

// CheckDatabase connects to the PostgreSQL that url names and closes again. Its
// error is one sentence, without the password, that says what is wrong.
func CheckDatabase(ctx context.Context, url string) error {
	return store.CheckPostgres(ctx, url)
}

// MigrateDatabase brings a PostgreSQL database to the newest schema that this program
// knows, and returns the versions before (0: it was empty) and after. Instances do the same
// when they start; it is for a deployment that migrates in a job of its own.
func MigrateDatabase(ctx context.Context, url string) (from, to int64, err error) {
	return store.MigratePostgres(ctx, url)
}

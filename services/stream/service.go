package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/art"
	"github.com/tutti-audio/tutti/services/stream/internal/cover"
	"github.com/tutti-audio/tutti/services/stream/internal/group"
	"github.com/tutti-audio/tutti/services/stream/internal/library"
	"github.com/tutti-audio/tutti/services/stream/internal/library/index"
	"github.com/tutti-audio/tutti/services/stream/internal/linein"
	"github.com/tutti-audio/tutti/services/stream/internal/loud"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
	"github.com/tutti-audio/tutti/services/stream/internal/tuning"
)

// Config says how one instance behaves. The zero value of every field but
// InstanceID is a sensible default.
type Config struct {
	InstanceID string // unique in the deployment; required
	Version    string // for the bus's service listing; "0.0.0" when empty
	MusicDir   string // root of the library; empty: no library, only http, tone and synth URIs
	CacheDir   string // where the library's index is kept between starts; empty: in memory only
	// SpoolDir is where media of HTTP servers that cannot seek lie while they play, up to
	// 512 MiB each. Run makes it, and removes what was left there. Empty, or when it cannot
	// be made: the system's folder for temporary files.
	SpoolDir string
	ChunkMS  int // duration of a chunk, 15..150; 0: 100
	AheadMS  int // how far the tape runs ahead of the house clock, 2000..120000; 0: 30000
	MarginMS int // added to the players' lead for our own pipeline, 1..10000; 0: 250
	// TapeMaxBytes bounds the memory of all tapes of the deployment; 0: 256 MiB.
	TapeMaxBytes int64
	// ResumePlayback lets groups that played when everything died continue by
	// themselves, from their saved position; otherwise they wait there, paused, for a
	// play command. Operators get true by default (flag --resume of the binary).
	ResumePlayback bool
	// MaxGroups is how many groups this instance holds at most; 0: no limit.
	MaxGroups int
	// LeadClock makes Run campaign for the house clock's leadership. A process that
	// already campaigns (houseclock.Lead) leaves it false.
	LeadClock bool
	// Demo adds the synthesised pieces to the library's root.
	Demo bool
}

// Deps are what the service works with. Bus, Leases and House are required.
type Deps struct {
	Bus        *bus.Conn
	Leases     *lease.Manager
	House      houseclock.Clock      // the house clock of this process
	Clock      clockwork.Clock       // for timers; nil: the real clock
	Wall       clockwork.Clock       // the time of day that schedules go by; nil: Clock
	HTTPClient *http.Client          // for http(s) media; nil: package source's default
	Log        *slog.Logger          // nil: silent
	Registerer prometheus.Registerer // nil: metrics are not exported
}

// Service is one instance of the stream service.
type Service struct {
	cfg Config
	d   Deps
	lib *library.Library
	art *art.Store
	// loud measures what has no tags of loudness.
	loud *loud.Meter

	covers cover.Finder
	actors actorMetrics

	state  state
	hub    *presence.Hub
	tuning *tuning.Keeper
	reg    *group.Registry
	placer *placer
	// beatNow asks for a heartbeat out of turn; whoever sends is taken when the one before
	// is written.
	beatNow chan struct{}
	// leaveOffice ends the director's and the scheduler's campaigns, and waits.
	leaveOffice func()
}

// actorMetrics are those of the families of actors that an instance runs. They are there
// from its beginning, whether or not it holds a group or an office: an alert on the growth
// of a counter does not see the first crash of one that appears with it.
type actorMetrics struct{ group, director, scheduler *actor.Metrics }

func newActorMetrics(r prometheus.Registerer) actorMetrics {
	return actorMetrics{group: actor.NewMetrics(r, "group"), director: actor.NewMetrics(r, "director"), scheduler: actor.NewMetrics(r, "scheduler")}
}

// New checks cfg and deps. It starts nothing.
func New(cfg Config, deps Deps) (*Service, error) {
	var faults []error
	number := func(name string, v *int, def, lo, hi int) {
		if *v == 0 {
			*v = def
		}
		if *v < lo || *v > hi {
			faults = append(faults, fmt.Errorf("%s %d is not in %d..%d", name, *v, lo, hi))
		}
	}
	number("chunk duration (ms)", &cfg.ChunkMS, 100, 15, 150)
	number("tape ahead (ms)", &cfg.AheadMS, 30_000, 2_000, 120_000)
	number("start margin (ms)", &cfg.MarginMS, 250, 1, 10_000)
	if cfg.TapeMaxBytes == 0 {
		cfg.TapeMaxBytes = 256 << 20
	}
	if cfg.InstanceID == "" {
		faults = append(faults, errors.New("instance id is empty"))
	}
	if deps.Bus == nil || deps.Leases == nil || deps.House == nil {
		faults = append(faults, errors.New("bus, leases and house clock are required"))
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("stream: %w", errors.Join(faults...))
	}
	if deps.Clock == nil {
		deps.Clock = clockwork.NewRealClock()
	}
	if deps.Wall == nil {
		deps.Wall = deps.Clock
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Registerer == nil {
		deps.Registerer = prometheus.NewRegistry()
	}
	s := &Service{cfg: cfg, d: deps, beatNow: make(chan struct{}), lib: &library.Library{MusicDir: cfg.MusicDir, HTTPClient: deps.HTTPClient, Demo: cfg.Demo, Log: deps.Log,
		UserAgent: "Tutti/" + version(cfg.Version), House: deps.House.NowMicros}}
	if cfg.MusicDir != "" {
		s.lib.Index = index.New(index.Config{MusicDir: cfg.MusicDir, CacheDir: cfg.CacheDir, Clock: deps.Clock, Log: deps.Log})
	}
	s.actors = newActorMetrics(deps.Registerer)
	s.art, s.covers = art.NewStore(), cover.Finder{MusicDir: cfg.MusicDir}
	s.loud = loud.New(loud.Deps{Open: s.lib.Open, Version: s.lib.Version, Log: deps.Log})
	s.state.set(errors.New("stream: not started"))
	return s, nil
}

// version is what other servers are told; a build without one says nothing of itself.
func version(v string) string {
	if v == "" {
		return "0"
	}
	return v
}

// Ready returns nil when the service can answer requests. Safe for concurrent use.
func (s *Service) Ready() error { return s.state.get() }

// state is why the service is not ready. It is shared with whoever asks Ready, so it
// is behind a lock.
type state struct {
	mu  sync.Mutex
	err error
}

func (s *state) set(err error) { s.mu.Lock(); defer s.mu.Unlock(); s.err = err }
func (s *state) get() error    { s.mu.Lock(); defer s.mu.Unlock(); return s.err }

// tapePast is how long a chunk stays on the tape after it has sounded: for gateways
// that start late, and as the checkpoint of a group whose holder died.
const tapePast = 60 * time.Second

// tapeMinBytes is the least memory for tapes that is asked for: about half a minute of
// a few groups.
const tapeMinBytes = 16 << 20

// Run serves until ctx ends, and returns within 10 s of that. Groups that play are
// not stopped: another instance, or the next start, carries on.
func (s *Service) Run(ctx context.Context) error {
	defer s.state.set(errors.New("stream: has stopped"))
	if err := s.lib.Check(); err != nil {
		s.d.Log.Error("music folder cannot be used; playing files will fail until it can", obs.KeyErr, err)
	}
	s.prepareSpool()
	groups, err := retry(ctx, s, "prepare the bus", s.prepare)
	if err != nil {
		return nil // ctx ended while the bus was away
	}
	tunings, err := retry(ctx, s, "open the bucket of tunings", func(ctx context.Context) (tuning.Bucket, error) { return tuning.Open(ctx, s.d.Bus) })
	if err != nil {
		return nil
	}
	s.tuning = &tuning.Keeper{Bucket: tunings, Log: s.d.Log}
	var wg sync.WaitGroup
	defer wg.Wait()
	// What runs gets a context of its own, so that it ends in a good order.
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.hub = presence.NewHub()
	stopHub, err := retry(ctx, s, "watch the clients", func(ctx context.Context) (func(), error) { return s.hub.Follow(run, s.d.Bus) })
	if err != nil {
		return nil
	}
	defer stopHub()
	trusting := *s.lib
	trusting.Trusting = true
	sources := s.sources(run)
	defer sources.Stop()
	placer, stopPlacer, err := s.placing(ctx)
	if err != nil {
		return nil
	}
	defer stopPlacer()
	s.placer = placer
	s.reg = group.NewRegistry(run, s.groupDeps(groups, sources), s.d.Bus, s.d.Leases, &resolver{&trusting, s.hub})
	defer s.reg.Stop()
	endpoints, err := s.serve()
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	if s.cfg.LeadClock {
		wg.Go(func() {
			_ = houseclock.Lead(run, s.d.Bus, s.d.Leases, s.cfg.InstanceID, houseclock.LeadOptions{Log: s.d.Log})
		})
	}
	wg.Go(func() { s.art.Run(run) })
	wg.Go(func() { s.loud.Run(run) })
	wg.Go(func() { s.pulse(run) })
	if s.lib.Index != nil {
		wg.Go(func() { s.lib.Index.Run(run) })
	}
	wg.Go(func() {
		s.d.Leases.Campaign(run, standsFor+s.cfg.InstanceID, func(ctx context.Context, _ *lease.Lease) { <-ctx.Done() })
	})
	wg.Go(func() { s.standBy(run, groups) })
	wg.Go(func() { s.balance(run) })
	s.takeOffice(run, groups)
	defer s.leaveOffice()
	s.state.set(nil)
	s.d.Log.Info("stream service runs", obs.KeyInstance, s.cfg.InstanceID, "music", s.cfg.MusicDir)
	<-ctx.Done()
	s.state.set(errors.New("stream: is stopping"))
	// The groups first: they save their positions and free their leases, and requests
	// that wait for them end.
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.stopServing(endpoints) }()
	s.reg.Stop()
	cancel()
	<-stopped
	return nil
}

// prepareSpool has the library use SpoolDir. Without one, only some HTTP media may not
// play: that is no reason not to start.
func (s *Service) prepareSpool() {
	if s.cfg.SpoolDir == "" {
		return
	}
	if err := source.MakeTempDir(s.cfg.SpoolDir); err != nil {
		s.d.Log.Warn("media of HTTP servers without ranges are kept in the system's folder for temporary files", obs.KeyErr, err)
		return
	}
	s.lib.TempDir = s.cfg.SpoolDir
}

func (s *Service) stopServing(b *bus.Service) {
	if err := b.Stop(); err != nil {
		s.d.Log.Warn("endpoints did not stop cleanly", obs.KeyErr, err)
	}
}

// placing is place, as soon as the bus is there.
func (s *Service) placing(ctx context.Context) (*placer, func(), error) {
	var stop func()
	p, err := retry(ctx, s, "watch the instances", func(ctx context.Context) (p *placer, err error) {
		p, stop, err = s.place(ctx)
		return p, err
	})
	return p, stop, err
}

// takeOffice campaigns for what one instance does for all, until ctx ends or leaveOffice.
func (s *Service) takeOffice(ctx context.Context, groups *groupBucket) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		s.d.Leases.Campaign(ctx, "director", func(ctx context.Context, l *lease.Lease) { s.direct(ctx, groups, l.Fence()) })
	})
	wg.Go(func() {
		s.d.Leases.Campaign(ctx, "scheduler", func(ctx context.Context, l *lease.Lease) { s.schedule(ctx, groups, l.Fence()) })
	})
	s.leaveOffice = func() { cancel(); wg.Wait() }
}

type groupBucket = bus.Bucket[tuttiv1.Group, *tuttiv1.Group]

// prepare makes what this service owns on the bus.
func (s *Service) prepare(ctx context.Context) (*groupBucket, error) {
	for size := s.cfg.TapeMaxBytes; ; size /= 2 {
		err := s.d.Bus.EnsureStream(ctx, bus.StreamConfig{Name: subject.StreamTape, Subjects: []string{subject.TapeAll}, Memory: true,
			MaxAge: time.Duration(s.cfg.AheadMS)*time.Millisecond + tapePast, MaxBytes: size})
		if err == nil {
			break
		}
		// NATS reserves the whole size; a small machine may not have it.
		if fault.CodeOf(err) != fault.Internal || size <= tapeMinBytes {
			return nil, err
		}
		s.d.Log.Warn("NATS does not give the tapes this much memory", "bytes", size, obs.KeyErr, err)
	}
	return bus.OpenBucket[tuttiv1.Group](ctx, s.d.Bus, subject.BucketGroups, bus.BucketOptions{History: 1})
}

func (s *Service) groupDeps(groups *groupBucket, sources *linein.Hub) group.Deps {
	return group.Deps{
		InstanceID: s.cfg.InstanceID, ChunkMS: s.cfg.ChunkMS, AheadMS: s.cfg.AheadMS, MarginUS: int64(s.cfg.MarginMS) * 1000,
		Resume: s.cfg.ResumePlayback, MaxGroups: s.cfg.MaxGroups, Hub: s.hub, Store: groups, House: s.d.House, Clock: s.d.Clock, Log: s.d.Log,
		Metrics: group.NewMetrics(s.d.Registerer), Actors: s.actors.group, Audio: pipeline.NewMetrics(s.d.Registerer), Open: s.lib.Open, Look: s.look, Loud: s.loud,
		Clip: s.clip, OpenSource: openSource(sources), Stream: s.streamOf, Send: s.send, Call: s.call,
		Publish: func(ctx context.Context, groupID, renditionID string, data []byte) (group.Receipt, error) {
			return s.d.Bus.PublishTracked(ctx, subject.Tape(groupID, renditionID), data)
		},
		LastChunk: func(ctx context.Context, groupID, renditionID string) ([]byte, error) {
			m, err := s.d.Bus.LastFor(ctx, subject.StreamTape, subject.Tape(groupID, renditionID))
			return m.Data, err
		},
	}
}

// retry calls f until it succeeds or ctx ends: at start the bus may not be there yet.
func retry[T any](ctx context.Context, s *Service, what string, f func(ctx context.Context) (T, error)) (T, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		v, err := f(ctx)
		if err == nil || ctx.Err() != nil {
			return v, err
		}
		s.state.set(fmt.Errorf("stream: %s: %w", what, err))
		s.d.Log.Warn("waiting for the bus", "step", what, obs.KeyErr, err)
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-s.d.Clock.After(wait):
		}
	}
}

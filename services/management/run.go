package management

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/platform/vitals"
	"github.com/tutti-audio/tutti/platform/webtls"
	"github.com/tutti-audio/tutti/proto/instance"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/api"
	"github.com/tutti-audio/tutti/services/management/internal/apidocs"
	"github.com/tutti-audio/tutti/services/management/internal/archive"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/console"
	"github.com/tutti-audio/tutti/services/management/internal/feed"
	"github.com/tutti-audio/tutti/services/management/internal/health"
	"github.com/tutti-audio/tutti/services/management/internal/idem"
	"github.com/tutti-audio/tutti/services/management/internal/ledger"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
	"github.com/tutti-audio/tutti/services/management/internal/relay"
)

const (
	// The timeouts of the HTTP server keep slow or silent peers from holding
	// connections. Event streams set their own deadlines.
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 64 << 10
	// drainTimeout is how long requests may run on after the end was asked for: a process
	// that has handed over what it holds has little more until its 10 s are over.
	drainTimeout = 3 * time.Second
	// heartbeatEvery and instanceTTL: who is silent for 15 s is not listed any more.
	heartbeatEvery = 5 * time.Second
	instanceTTL    = 15 * time.Second
)

// parts is what build made.
type parts struct {
	handler    http.Handler
	ready      func() error // once it listens
	projection *readmodel.Projection
	instances  *bus.Bucket[pb.Instance, *pb.Instance]
	stops      []func()
	relay      *relay.Relay
	endStreams context.CancelFunc
}

func (p *parts) stop() {
	for i := len(p.stops) - 1; i >= 0; i-- {
		p.stops[i]()
	}
}

// build makes everything but the listener. ctx bounds the building, life what runs.
func (s *Service) build(ctx, life context.Context, sup *actor.Supervisor) (p *parts, err error) {
	p = &parts{}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	token, created, err := auth.AdminToken(s.cfg.AdminToken, s.cfg.DataDir)
	if err != nil {
		return p, fmt.Errorf("management: %w", err)
	}
	if created {
		level := slog.LevelInfo // the banner says it
		if s.cfg.Mode != ModeEmbedded {
			level = slog.LevelWarn // whoever starts the service alone sees no banner, and often no more than warnings
		}
		s.deps.Log.Log(ctx, level, "admin token made: the file holds it, and whoever can read it may do everything", "path", s.TokenPath())
	}
	d, err := s.apiDeps(ctx, life, sup, p, token)
	if err != nil {
		return p, err
	}
	streams, end := context.WithCancel(life)
	p.endStreams = end
	p.stops = append(p.stops, end)
	d.Streams = streams
	mux := http.NewServeMux()
	a := api.New(mux, d)
	p.relay = a.Relay(mux)
	if err := apidocs.Register(mux, a.Document()); err != nil {
		return p, err
	}
	if err := console.Register(mux); err != nil {
		return p, err
	}
	p.ready = s.health(mux, p.projection)
	p.handler = s.strict(a.Handler(mux))
	return p, nil
}

// apiDeps opens what the API works with.
func (s *Service) apiDeps(ctx, life context.Context, sup *actor.Supervisor, p *parts, token string) (api.Deps, error) {
	b, clock, log := s.deps.Bus, s.deps.Clock, s.deps.Log
	d := api.Deps{
		Bus: b, House: s.deps.House, Clock: clock, Log: log, Version: s.cfg.Version, Mode: s.cfg.Mode,
		RequestTimeout: s.cfg.RequestTimeout, EffectTimeout: s.effectTimeout, Feed: feed.New(eventBuffer(s.cfg.EventBuffer)),
		Archive: archive.New(b, s.cfg.BackupWorkFactor), Restorer: s.deps.Restorer, TempDir: s.cfg.DataDir,
		Encoders: s.cfg.Encoders, TLS: s.deps.TLS != nil,
	}
	var err error
	if d.Metrics, err = api.NewMetrics(s.deps.Registerer); err != nil {
		return d, fmt.Errorf("management: register metrics: %w", err)
	}
	presence, err := bus.OpenBucket[pb.ClientPresence](ctx, b, subject.BucketPresence, bus.BucketOptions{})
	if err != nil {
		return d, fmt.Errorf("management: open bucket %s: %w", subject.BucketPresence, err)
	}
	d.Presence = presence
	tunings, err := bus.OpenBucket[pb.ClientTuning](ctx, b, subject.BucketTuning, bus.BucketOptions{History: 1})
	if err != nil {
		return d, fmt.Errorf("management: open bucket %s: %w", subject.BucketTuning, err)
	}
	d.Tunings = tunings
	if p.instances, err = bus.OpenBucket[pb.Instance](ctx, b, subject.BucketInstances, bus.BucketOptions{TTL: instanceTTL}); err != nil {
		return d, fmt.Errorf("management: open bucket %s: %w", subject.BucketInstances, err)
	}
	if d.Tokens, err = auth.OpenStore(ctx, sup, b, token, clock, log); err != nil {
		return d, err
	}
	if d.Clips, err = b.EnsureObjects(ctx, bus.ObjectsConfig{Name: subject.StoreClips, TTL: api.ClipTTL, MaxBytes: api.MaxClips}); err != nil {
		return d, fmt.Errorf("management: open the store of clips: %w", err)
	}
	stop, err := d.Tokens.Watch(life, ctx)
	if err != nil {
		return d, fmt.Errorf("management: watch tokens: %w", err)
	}
	p.stops = append(p.stops, stop)
	guard, err := auth.NewGuard(sup, d.Tokens, clock, log)
	if err != nil {
		return d, err
	}
	d.Auth = []auth.Authenticator{guard}
	if d.Ledger, err = ledger.New(sup, b, clock, log, s.deps.Registerer); err != nil {
		return d, err
	}
	if d.Idem, err = idem.New(sup, clock, log); err != nil {
		return d, err
	}
	if d.Replays, err = idem.OpenShared(ctx, b, s.deps.House, clock, s.cfg.InstanceID, log); err != nil {
		return d, err
	}
	if err := s.people(ctx, life, sup, p, guard, &d); err != nil {
		return d, err
	}
	return d, s.startProjection(life, sup, p, &d)
}

func (s *Service) startProjection(life context.Context, sup *actor.Supervisor, p *parts, d *api.Deps) error {
	var err error
	// server.updated shows what GET /api/v1/server shows.
	render := func(snap *readmodel.Snapshot) model.Server { return api.RenderServer(snap, *d) }
	p.projection, err = readmodel.New(sup, readmodel.Options{
		House: s.deps.House, Clock: s.deps.Clock, Log: s.deps.Log, Feed: d.Feed, Server: render,
	})
	if err != nil {
		return err
	}
	d.Projection = p.projection
	if err := registerState(s.deps.Registerer, s.deps.Clock, p.projection); err != nil {
		return err
	}
	stop, err := p.projection.Watch(life, s.deps.Bus)
	if err != nil {
		return err
	}
	p.stops = append(p.stops, stop)
	d.Health, err = health.New(sup, health.Options{
		Model: p.projection, House: s.deps.House, Library: s.library, Clock: s.deps.Clock, Log: s.deps.Log,
		Events: &health.Events{Send: s.deps.Bus.PublishEvent, Venue: s.cfg.Venue, InstanceID: s.cfg.InstanceID, Version: s.cfg.Version},
	})
	if err != nil {
		return err
	}
	return registerHealth(s.deps.Registerer, d.Health)
}

// library asks the stream service how its library does.
func (s *Service) library(ctx context.Context) (*model.LibraryStatus, error) {
	v := &pb.LibraryStatus{}
	if err := s.deps.Bus.Request(ctx, subject.StreamLibraryStatus, &pb.LibraryStatusRequest{}, v); err != nil {
		return nil, err
	}
	out := api.RenderLibraryStatus(v)
	return &out, nil
}

func eventBuffer(n int) int {
	if n > 0 {
		return n
	}
	return feed.DefaultSize
}

// strict has browsers use TLS for a year, when somebody gave this server a certificate:
// then there is a name that will have one. Nobody is bound to one that the server made for
// itself, because browsers let no person pass any more where that is set.
func (s *Service) strict(h http.Handler) http.Handler {
	if s.deps.TLS == nil || !s.deps.TLS.Given() {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		h.ServeHTTP(w, r)
	})
}

// health adds /healthz, /readyz and /metrics, and returns what tells whether the API can
// serve once it listens. They need no token: they tell nothing about devices or music.
func (s *Service) health(mux *http.ServeMux, p *readmodel.Projection) (ready func() error) {
	ready = func() error {
		select {
		case <-p.Ready():
		default:
			return fault.New(fault.Unavailable, "management: the read model is still loading")
		}
		if err := s.deps.Bus.Healthy(); err != nil {
			return err
		}
		return nil
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		err := ready()
		if err == nil && s.deps.Ready != nil {
			err = s.deps.Ready()
		}
		plain(w, err)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.deps.Gatherer, promhttp.HandlerOpts{}))
	return ready
}

func plain(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintln(w, err)
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}

// serve listens until ctx ends, then lets requests finish and ends the streams.
func (s *Service) serve(ctx, life context.Context, p *parts) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.HTTP)
	if err != nil {
		return fmt.Errorf("management: listen on %s: %w; is another server running there? choose another address with --http", s.cfg.HTTP, err)
	}
	srv := &http.Server{
		Handler:           p.handler,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		BaseContext: func(net.Listener) context.Context { return life },
		ErrorLog:    slog.NewLogLogger(s.deps.Log.Handler(), slog.LevelDebug),
	}
	addr, scheme := l.Addr().String(), "http"
	if s.deps.TLS != nil {
		l, scheme = webtls.Listen(l, s.deps.TLS), "https"
	}
	// Not before: a probe, and the first heartbeat, would call ready what refuses connections.
	s.publish(addr, p.ready)
	var wg sync.WaitGroup
	defer wg.Wait()
	beat, endBeat := context.WithCancel(life)
	defer endBeat()
	wg.Go(func() { s.heartbeat(beat, p, addr) })
	served := make(chan error, 1)
	wg.Go(func() { served <- srv.Serve(l) })
	s.deps.Log.Info("operator API listens", obs.KeyAddr, addr, "scheme", scheme, "mode", s.cfg.Mode)
	select {
	case err = <-served:
		err = fmt.Errorf("management: serve %s: %w", s.cfg.HTTP, err)
	case <-ctx.Done():
	}
	p.endStreams()
	drain, cancel := context.WithTimeout(life, drainTimeout)
	defer cancel()
	if derr := srv.Shutdown(drain); derr != nil {
		s.deps.Log.Warn("requests were cut off at shutdown", obs.KeyErr, derr)
		_ = srv.Close()
	}
	p.relay.Wait() // the server does not know of what was upgraded; the streams have ended
	s.deps.Log.Info("operator API stopped")
	return err
}

// heartbeat says that this instance is alive until ctx ends, and then takes its
// word back.
func (s *Service) heartbeat(ctx context.Context, p *parts, addr string) {
	host, _ := os.Hostname() // only shown
	v := &pb.Instance{
		Service: "management", InstanceId: s.cfg.InstanceID, Version: s.cfg.Version,
		StartedAt: timestamppb.New(s.deps.Clock.Now()), Host: host, BootId: houseclock.BootID(),
		Addresses: []string{addr},
	}
	key := subject.InstanceKey(v.GetService(), v.GetInstanceId())
	meter := vitals.New()
	tick := s.deps.Clock.NewTicker(heartbeatEvery)
	defer tick.Stop()
	for {
		v.Load, v.Readiness = load(meter), instance.Readiness(s.Ready())
		if _, err := p.instances.Put(ctx, key, v); err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			s.deps.Log.Debug("heartbeat not written", obs.KeyErr, err)
		}
		select {
		case <-tick.Chan():
		case <-ctx.Done():
			bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = p.instances.Delete(bye, key) // the TTL does it otherwise
			return
		}
	}
}

// load is what the heartbeat says of this process.
func load(m *vitals.Meter) *pb.InstanceLoad {
	l := m.Read()
	return &pb.InstanceLoad{Cpu: l.CPU, Cpus: uint32(l.CPUs), MemoryBytes: l.Memory, Goroutines: uint32(l.Goroutines), Pid: uint32(l.PID)}
}

// Package gateway is the session-gateway service: it owns every Sendspin
// WebSocket, the Noise session inside it, and the delivery of audio on time.
//
// It accepts connections from devices and dials devices that discovery has seen.
// After the opening handshake a connection is a session: an actor that decides,
// a reader and a writer (package internal/session). Nothing a session does waits
// for another session.
//
//	accept.go    inbound connections
//	admission.go what comes in, and who waits
//	connect.go   outbound connections, for the dialer
//	purpose.go   what a client is dialled for
//	peers.go     the other gateways: who is there, who takes sessions, who died
//	drain.go     sessions move to the others before the end
//	follow.go    what the gateway hears on the bus: settings, trust, sightings, instances
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/dial"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/gate"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/hub"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/metrics"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/pictures"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/presence"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/reel"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/session"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/trust"
)

// serviceName is this service's name on the bus.
const serviceName = "session-gateway"

// stopTimeout bounds the end of Run: the last messages of a session have 2 s, and a
// process that has handed its sessions over has little more until its 10 s are over.
const stopTimeout = 3 * time.Second

// defaultSessions is what a gateway takes when nobody says otherwise.
const defaultSessions = 20_000

// Config of the session-gateway service. A zero value of a limit or a duration
// means its default.
type Config struct {
	// InstanceID names this process; unique in the deployment. Required.
	InstanceID string
	// Version is shown in the instances bucket.
	Version string
	// Listen is the address for Sendspin clients (default ":8927"; ":0" in tests).
	Listen string
	// Path is the WebSocket endpoint (default "/sendspin").
	Path string
	// Dial makes the gateway dial the devices that discovery has seen.
	Dial bool

	// MaxSessions limits live sessions (default 20,000). A gateway that has as many says
	// so in its heartbeat, refuses devices that dial in, and is dealt no more sightings.
	MaxSessions int
	// MaxHalfOpen limits inbound connections that have not finished their opening
	// handshake, in all (default 128 for each core). Others wait for their turn.
	MaxHalfOpen int
	// MaxHalfOpenPerAddress is the same per IPv4 address or IPv6 /64 (default 16).
	MaxHalfOpenPerAddress int
	// MaxQueued limits inbound connections that wait, in all (default 4,096), and
	// MaxQueuedPerAddress per IPv4 address or IPv6 /64 (default 1,024); QueueWait is how
	// long one may wait (default 8 s). Beyond these connections are refused.
	MaxQueued, MaxQueuedPerAddress int
	QueueWait                      time.Duration
	// MaxWaiting limits inbound sessions that wait for the operator's approval, in
	// all (default 1,024): anybody can make up devices.
	MaxWaiting int
	// MaxWaitingPerAddress is the same per IPv4 address or IPv6 /64 (default 64).
	MaxWaitingPerAddress int
	// MaxMessage is the largest message a client may send, bytes (default 256 KiB).
	MaxMessage int

	// SourceCodecs are the codecs that sources may send; what listens to them must decode
	// these. "flac" and "pcm" have to be among them (default: they are).
	SourceCodecs []string

	// HandshakeTimeout is how long each expected message of the opening may take (default 30 s).
	HandshakeTimeout time.Duration
	// WriteDeadline is how long one write may be stuck before the session is closed
	// (default 10 s). A client that stops reading is closed at the latest by
	// PingInterval + PingTimeout, when the kernel's buffers hide it from the writer.
	WriteDeadline time.Duration
	// PingInterval is the time between liveness checks (default 15 s).
	PingInterval time.Duration
	// PingTimeout is how long a pong may take before the session is closed (default 10 s).
	PingTimeout time.Duration
	// CredentialMemory is how long credentials and admissions served lately are
	// used while pairing does not answer (default 10 min). They are forgotten
	// when the bus is lost for longer than this.
	CredentialMemory time.Duration
	// RebalanceAfter is how long a resting session's device has to be dealt to another
	// gateway before it is sent there, 30 s when 0; negative: never.
	RebalanceAfter time.Duration
	// RekeyInterval is how long a session's keys are used before a re-handshake
	// rotates them (default 12 h; negative: never). Up to a tenth is taken off at
	// random.
	RekeyInterval time.Duration

	handshakes int           // outbound at once (default 32 for each core)
	asking     time.Duration // how long pairing may take to answer (default that of package trust)
	handover   time.Duration // how long a session that is sent away counts as on its way (default handoverPatience)
}

func (c Config) withDefaults() Config {
	def(&c.Listen, ":8927")
	def(&c.Path, "/sendspin")
	if len(c.SourceCodecs) == 0 {
		c.SourceCodecs = []string{wire.CodecFLAC, wire.CodecPCM}
	}
	def(&c.MaxSessions, defaultSessions)
	def(&c.MaxHalfOpen, 128*runtime.GOMAXPROCS(0))
	def(&c.MaxQueued, maxQueued)
	def(&c.MaxQueuedPerAddress, maxQueuedPerAddress)
	def(&c.QueueWait, queueWait)
	def(&c.MaxHalfOpenPerAddress, 16)
	def(&c.MaxWaiting, 1024)
	def(&c.MaxWaitingPerAddress, 64)
	def(&c.MaxMessage, 256<<10)
	def(&c.HandshakeTimeout, 30*time.Second)
	def(&c.WriteDeadline, 10*time.Second)
	def(&c.PingInterval, 15*time.Second)
	def(&c.PingTimeout, 10*time.Second)
	def(&c.CredentialMemory, 10*time.Minute)
	def(&c.RekeyInterval, 12*time.Hour)
	def(&c.RebalanceAfter, 30*time.Second)
	def(&c.handshakes, handshakesPerCore*runtime.GOMAXPROCS(0))
	def(&c.handover, handoverPatience)
	return c
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Deps are what the service needs from its process.
type Deps struct {
	Bus    *bus.Conn
	Leases *lease.Manager
	House  houseclock.Clock
	// Clock drives timers; nil means the real one.
	Clock      clockwork.Clock
	Log        *slog.Logger
	Registerer prometheus.Registerer // may be nil
}

// Service is the session-gateway service.
type Service struct {
	cfg   Config
	d     Deps
	log   *slog.Logger
	m     *metrics.Metrics
	trust *trust.Client
	gate  *gate.Gate // half-open inbound connections
	queue *gate.Queue
	lobby *gate.Gate // inbound sessions without roles
	hub   *hub.Hub
	tapes *reel.Set
	pics  *pictures.Set
	quiet *quieter

	// Made by Run, before the first connection.
	board     *presence.Board
	instances *bus.Bucket[tuttiv1.Instance, *tuttiv1.Instance]
	dialer    *dial.Dialer
	session   *session.Deps
	started   time.Time

	settings atomic.Pointer[tuttiv1.ServerSettings]
	peers    *peers
	died     chan struct{} // a token: a gateway died
	beat     chan struct{} // a token: the heartbeat is due
	draining atomic.Bool
	tunings  tunings
	purposes *purposes // what clients are to be dialled for

	connecting, handshakes places       // of outbound connections
	opening                atomic.Int64 // outbound connections that are no sessions yet

	// sessions and handshakes run under life and are waited for with conns.
	life  context.Context
	conns crew
	// errands outlive the sessions that they are run for.
	errands *errands

	mu    sync.Mutex
	addr  string
	state error // why the service is not ready; nil when it is
}

var (
	errStarting = errors.New("gateway: starting")
	errDraining = errors.New("gateway: draining: its sessions move to other gateways")
)

// New checks cfg and starts nothing.
func New(cfg Config, d Deps) (*Service, error) {
	switch {
	case cfg.InstanceID == "":
		return nil, errors.New("gateway: Config.InstanceID is empty; give each process its own")
	case d.Bus == nil || d.House == nil || d.Log == nil:
		return nil, errors.New("gateway: Deps.Bus, Deps.House and Deps.Log are required")
	case cfg.Dial && d.Leases == nil:
		return nil, errors.New("gateway: Deps.Leases is required for dialling")
	}
	if d.Clock == nil {
		d.Clock = clockwork.NewRealClock()
	}
	cfg = cfg.withDefaults()
	log := d.Log.With(obs.KeyService, serviceName, obs.KeyInstance, cfg.InstanceID)
	tr, err := trust.New(trust.Options{
		Bus: d.Bus, InstanceID: cfg.InstanceID, Memory: cfg.CredentialMemory, Timeout: cfg.asking, Clock: d.Clock, Log: log,
	})
	if err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, d: d, log: log, m: metrics.New(d.Registerer), trust: tr,
		gate: gate.New(cfg.MaxHalfOpen, cfg.MaxHalfOpenPerAddress), hub: hub.New(),
		lobby: gate.New(cfg.MaxWaiting, cfg.MaxWaitingPerAddress),
		quiet: &quieter{clock: d.Clock}, state: errStarting,
	}
	s.purposes = newPurposes(d.Clock)
	s.queue = gate.NewQueue(s.gate, cfg.MaxQueued, cfg.MaxQueuedPerAddress)
	s.m.Capacity.Set(float64(cfg.MaxSessions))
	s.errands = newErrands(s.m)
	s.connecting, s.handshakes = make(places, maxConnecting), make(places, cfg.handshakes)
	s.died, s.beat = make(chan struct{}, 1), make(chan struct{}, 1)
	s.peers = newPeers(cfg.InstanceID, d.Clock, d.Bus.Links, s.peersChanged)
	s.tapes = reel.NewSet(reel.FromBus(d.Bus), d.House, d.Clock, log, func() { s.m.BadTapeChunks.Inc() },
		func() { s.m.Fenced.WithLabelValues("tape").Inc() })
	s.pics = pictures.New(d.Bus, pictures.Bytes)
	s.settings.Store(&tuttiv1.ServerSettings{Name: "Tutti"})
	return s, nil
}

// Ready is nil when the gateway can serve new clients. Sessions that run need
// none of what it checks.
func (s *Service) Ready() error {
	s.mu.Lock()
	err := s.state
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.d.Bus.Healthy(); err != nil {
		return fmt.Errorf("gateway: bus: %w", err)
	}
	return nil
}

// Addr is where the gateway listens ("127.0.0.1:8927"), "" until it does.
func (s *Service) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Run serves until ctx ends, and returns when everything is stopped (10 s at most).
func (s *Service) Run(ctx context.Context) error {
	s.started = s.d.Clock.Now()
	listener, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("session-gateway: listen for devices on %s: %w; is another server running there? choose another address with --sendspin", s.cfg.Listen, err)
	}
	defer listener.Close()
	s.mu.Lock()
	s.addr = listener.Addr().String()
	s.mu.Unlock()

	// What sessions stand on outlives ctx, so that they can end in order.
	base, stopBase := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stopBase()
	defer s.tapes.Close()
	defer s.pics.Close()

	undo, err := s.prepare(ctx, base, &wg)
	defer undo()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.log.Info("gateway is listening", obs.KeyAddr, s.addr, "path", s.cfg.Path, "server_id", s.trust.Current().Public().ID())
	s.setState(nil)
	signal(s.beat)
	err = s.serve(ctx, listener)
	s.setState(errors.New("gateway: stopping"))
	s.waitConns()
	s.errands.stop(s.d.Clock)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Service) setState(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = err
}

// prepare brings up everything that must stand before the first connection. undo
// takes it down again, also after an error.
func (s *Service) prepare(ctx, base context.Context, wg *sync.WaitGroup) (undo func(), err error) {
	var undos []func()
	undo = func() {
		for i := len(undos) - 1; i >= 0; i-- {
			undos[i]()
		}
	}
	wg.Go(func() { s.trust.Watch(base) })
	if err := s.openBuckets(ctx); err != nil {
		return undo, err
	}
	boardCtx, stopBoard := context.WithCancel(base)
	boardDone := make(chan struct{})
	go func() { defer close(boardDone); s.board.Run(boardCtx) }()
	undos = append(undos, func() { stopBoard(); <-boardDone })

	sup := actor.NewSupervisor(base, actor.SupervisorOptions{
		Name: "sessions", Log: s.log, Clock: s.d.Clock, Metrics: actor.NewMetrics(s.d.Registerer, "session"),
	})
	undos = append(undos, sup.Stop)
	s.session = s.sessionDeps(sup)

	stops, err := s.follow(ctx, base)
	undos = append(undos, stops...)
	if err != nil {
		return undo, err
	}
	if _, err = s.trust.Identity(ctx); err != nil {
		return undo, err
	}
	s.life = ctx
	wg.Go(func() { s.heartbeat(base) })
	wg.Go(func() { s.watchLoad(base) })
	if s.d.Leases != nil {
		wg.Go(func() { s.peers.live(base, s.d.Leases, s.gatewayAnswers, s.gatewayAbsent) })
	}
	if s.cfg.Dial {
		stop, err := s.startDialing(ctx)
		undos = append(undos, stop)
		if err != nil {
			return undo, err
		}
		if s.d.Leases != nil && s.cfg.RebalanceAfter > 0 {
			wg.Go(func() { s.balance(base) })
		}
	}
	return undo, nil
}

func (s *Service) sessionDeps(sup *actor.Supervisor) *session.Deps {
	return &session.Deps{
		GatewayID: s.cfg.InstanceID, Bus: s.d.Bus, House: s.d.House, Clock: s.d.Clock, Log: s.log,
		Address: func(id string, h func(context.Context, *tuttiv1.SessionCommand) (*tuttiv1.SessionReply, error)) (func(), error) {
			return bus.HandleExclusive(s.d.Bus, subject.Session(id), h)
		},
		Tapes: s.tapes, Pictures: s.pics, Trust: s.trust, Board: s.board, Codec: wire.Current(), Metrics: s.m, Supervisor: sup,
		PingInterval: s.cfg.PingInterval, PingTimeout: s.cfg.PingTimeout, WriteDeadline: s.cfg.WriteDeadline,
		StatusInterval: func() time.Duration {
			// At most 200 records a second for all sessions together.
			return max(statusInterval, time.Duration(s.hub.Len())*5*time.Millisecond)
		},
		RekeyInterval: max(s.cfg.RekeyInterval, 0), Settings: s.settings.Load, Tuning: s.tunings.get, Errand: s.errands.run,
		SourceCodecs: s.cfg.SourceCodecs,
	}
}

// statusInterval is how often a streaming session's figures go to presence.
const statusInterval = 2 * time.Second

// waitConns waits for sessions and handshakes to end; they were told to by ctx.
func (s *Service) waitConns() {
	done := make(chan struct{})
	go func() { defer close(done); s.conns.Wait() }()
	select {
	case <-done:
	case <-s.d.Clock.After(stopTimeout):
		s.log.Error("connections did not end in time")
	}
}

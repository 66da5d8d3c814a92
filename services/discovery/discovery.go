package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/services/discovery/internal/book"
	"github.com/tutti-audio/tutti/services/discovery/internal/dnssd"
	"github.com/tutti-audio/tutti/services/discovery/internal/mdns"
	"github.com/tutti-audio/tutti/services/discovery/internal/radio"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

// serviceName is the service's name on the bus and in logs.
const serviceName = "discovery"

// Defaults and limits of Config.
const (
	defaultPoll  = 5 * time.Second
	defaultRound = 20 * time.Second
	// roundsToAbsent is how many browses must miss a device before it is absent:
	// multicast over Wi-Fi loses single packets all the time.
	roundsToAbsent = 4
	// defaultMax bounds what strangers on the network can make us keep.
	defaultMax = 2000
)

// Config of the discovery service.
type Config struct {
	// InstanceID names this process; unique in the deployment.
	InstanceID string
	// Version is shown in the bucket of instances and by "nats micro ls".
	Version string
	// MDNS turns browsing and advertising on.
	MDNS bool
	// Static are ws:// addresses of devices that mDNS does not reach.
	Static []string
	// DNSSD are domains whose players a DNS server names: DOMAIN[@SERVER[:PORT]].
	DNSSD []string
	// Interfaces restricts mDNS to these network interfaces; empty means all that
	// can multicast.
	Interfaces []string
	// PollInterval is how often network interfaces are looked at; 0 means 5 s.
	PollInterval time.Duration
	// BrowseInterval is how long one browse lasts before the next; 0 means 20 s. A
	// device that four browses did not hear is absent.
	BrowseInterval time.Duration
	// MaxSightings bounds the list; 0 means 2,000.
	MaxSightings int
}

// Deps are what the service needs from its process. Bus is required.
type Deps struct {
	Bus        *bus.Conn
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Clock      clockwork.Clock

	// net replaces the network in tests.
	net mdns.Net
}

// Service is the discovery service.
type Service struct {
	cfg  Config
	d    Deps
	host string
	// sources are the domains of cfg.DNSSD.
	sources []dnssd.Source
	ready   atomic.Bool // the requests are answered
}

// CheckAddress says what is wrong with an address of Config.Static.
func CheckAddress(s string) error {
	_, err := record.ParseURL(s)
	return err
}

// CheckDomain says what is wrong with a domain of Config.DNSSD.
func CheckDomain(s string) error {
	_, err := dnssd.ParseSource(s)
	return err
}

// New checks cfg and starts nothing. Its error names every bad static address and domain.
func New(cfg Config, deps Deps) (*Service, error) {
	if deps.Bus == nil {
		return nil, errors.New("discovery: no bus")
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Clock == nil {
		deps.Clock = clockwork.NewRealClock()
	}
	if deps.net == nil {
		deps.net = mdns.Zeroconf{}
	}
	var errs []error
	static := make([]string, 0, len(cfg.Static))
	for _, s := range cfg.Static {
		u, err := record.ParseURL(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("--device %s: %w", s, err))
			continue
		}
		static = append(static, u)
	}
	sources := make([]dnssd.Source, 0, len(cfg.DNSSD))
	for _, s := range cfg.DNSSD {
		source, err := dnssd.ParseSource(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("--dns-sd %s: %w", s, err))
			continue
		}
		sources = append(sources, source)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	cfg.Static = static
	setDefault(&cfg.PollInterval, defaultPoll)
	setDefault(&cfg.BrowseInterval, defaultRound)
	setDefault(&cfg.MaxSightings, defaultMax)
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("discovery: host name: %w", err)
	}
	deps.Log = deps.Log.With(obs.KeyService, serviceName)
	return &Service{cfg: cfg, d: deps, host: host, sources: sources}, nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Ready is nil when the service answers requests and the bus is up.
func (s *Service) Ready() error {
	if !s.ready.Load() {
		return errors.New("discovery is starting: it waits for the bus")
	}
	return s.d.Bus.Healthy()
}

// Run serves until ctx ends, then says goodbye on the network and returns nil. It
// waits for the bus as long as that takes.
func (s *Service) Run(ctx context.Context) error {
	b, err := s.openBuckets(ctx)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	sup := actor.NewSupervisor(ctx, actor.SupervisorOptions{Name: serviceName, Log: s.d.Log, Clock: s.d.Clock,
		Metrics: actor.NewMetrics(s.d.Registerer, serviceName)})
	defer sup.Stop()
	devices := actor.NewSupervisor(ctx, actor.SupervisorOptions{Name: "sightings", Log: s.d.Log, Clock: s.d.Clock,
		Metrics: actor.NewMetrics(s.d.Registerer, "sighting")})
	defer devices.Stop()
	bk, err := book.Spawn(sup, book.Options{Bucket: b.sightings, Supervisor: devices, Clock: s.d.Clock, Log: s.d.Log,
		Registerer: s.d.Registerer, Freshness: roundsToAbsent * s.cfg.BrowseInterval,
		Max: s.cfg.MaxSightings, Static: s.cfg.Static})
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	pulse, err := s.startPulse(sup, b.instances)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	stopRadio, err := s.startRadio(ctx, sup, b, bk)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	defer stopRadio()
	defer s.startDNSSD(ctx, bk)()
	svc, err := s.serve(bk)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	s.ready.Store(true)
	_ = pulse.Send(ctx, beat{}) // fails only when ctx has ended
	s.d.Log.Info("discovery is running", obs.KeyInstance, s.cfg.InstanceID, "mdns", s.cfg.MDNS, "static", len(s.cfg.Static), "dns-sd", s.cfg.DNSSD)
	<-ctx.Done()
	s.ready.Store(false)
	return svc.Stop()
}

// startRadio starts mDNS and lets it follow the gateways and the settings.
func (s *Service) startRadio(ctx context.Context, sup *actor.Supervisor, b *buckets, bk *book.Book) (stop func(), err error) {
	if !s.cfg.MDNS {
		s.d.Log.Info("mDNS is off: devices are found by address and by DNS-SD only")
		return func() {}, nil
	}
	r, err := radio.Spawn(sup, radio.Options{Net: s.d.net, Clock: s.d.Clock, Log: s.d.Log, Registerer: s.d.Registerer,
		Only: s.cfg.Interfaces, Poll: s.cfg.PollInterval, Round: s.cfg.BrowseInterval,
		HostHint: hostHint(s.host), Seen: bk.Seen})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	settings, err := s.watchSettings(ctx, b.settings, r)
	if err != nil {
		cancel()
		return nil, err
	}
	gateways, err := s.watchGateways(ctx, b.instances, r)
	if err != nil {
		cancel()
		settings()
		return nil, err
	}
	return func() { cancel(); gateways(); settings() }, nil
}

// startDNSSD asks DNS servers for the players of the configured domains.
func (s *Service) startDNSSD(ctx context.Context, bk *book.Book) (stop func()) {
	if len(s.sources) == 0 {
		return func() {}
	}
	m := dnssd.NewMetrics(s.d.Registerer)
	var stops []func()
	for _, source := range s.sources {
		stops = append(stops, dnssd.Start(ctx, dnssd.Options{Source: source, Clock: s.d.Clock, Log: s.d.Log,
			Metrics: m, Every: s.cfg.BrowseInterval, Seen: bk.Seen}))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// serve answers the requests of the bus.
func (s *Service) serve(bk *book.Book) (*bus.Service, error) {
	svc, err := s.d.Bus.NewService(serviceName, s.cfg.Version, s.cfg.InstanceID)
	if err != nil {
		return nil, err
	}
	r := requests{bk}
	err = errors.Join(
		bus.Handle(svc, subject.DiscoveryAdd, r.add),
		bus.Handle(svc, subject.DiscoveryRemove, r.remove),
		bus.Handle(svc, subject.DiscoveryList, r.list),
	)
	if err != nil {
		return nil, errors.Join(err, svc.Stop())
	}
	return svc, nil
}

// ignoreEnd makes the end of ctx no error.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fault.Wrap(fault.CodeOf(err), err, "discovery")
}

// Package management is the operator's door: the HTTP API, its read model, the
// live feed, tokens and the OpenAPI document. It owns no fact about devices,
// trust or music: it merges what the other services publish (KV buckets) and
// turns a request into a request on the bus.
//
// What is inside:
//
//   - internal/readmodel: the Projection actor merges the buckets into immutable
//     snapshots; GETs read them and never wait;
//   - internal/feed: the ring of changes behind GET /api/v1/events;
//   - internal/auth: who calls, and what they may do; internal/users, internal/sessions,
//     internal/password and internal/signin: people, and how they sign in;
//   - internal/console: the web console, embedded;
//   - internal/api: routes, limits, commands; internal/model: what they speak of;
//   - internal/ledger: administrative acts on their way to the audit ledger;
//   - internal/apidocs: /openapi.json and /docs.
package management

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/webtls"
	"github.com/tutti-audio/tutti/services/management/internal/api"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/oidc"
)

// Modes of a deployment, as the API names them.
const (
	ModeEmbedded    = "embedded"
	ModeDistributed = "distributed"
)

// Restorer opens backups and brings them back.
type Restorer = api.Restorer

// BackupContents is what a backup holds.
type BackupContents = model.BackupContents

// Config of the management service.
type Config struct {
	// InstanceID names this process; unique in the deployment. Required.
	InstanceID string
	// Version is shown by the API and in the instances bucket.
	Version string
	// Venue names the deployment in events, for a chain of several; may be empty.
	Venue string
	// HTTP is the address to listen on (default ":8080"; "127.0.0.1:0" in tests).
	HTTP string
	// DataDir holds the file "admin-token", which is made on the first start.
	// Required unless AdminToken is set.
	DataDir string
	// AdminToken, when set, is the admin token instead of the one in DataDir.
	AdminToken string
	// Mode is ModeEmbedded or ModeDistributed (default).
	Mode string
	// RequestTimeout bounds one API request (default 4.5 s).
	RequestTimeout time.Duration
	// EventBuffer is how many changes are kept for readers of the live feed that
	// come back (default 8192).
	EventBuffer int
	// Encoders are the codecs that players can be sent, for GET /api/v1/server; default:
	// flac and pcm, which every build has.
	Encoders []string
	// OIDC lets people sign in with accounts of a provider; the zero value does not.
	OIDC OIDC
	// BackupWorkFactor is the logarithm of scrypt's cost in backups; 0: backup.WorkFactor.
	BackupWorkFactor int
}

// OIDC names a provider of accounts (OpenID Connect), and what this server is to it. The
// provider sends browsers back to https://<this server>/api/v1/session/oidc/callback.
type OIDC struct {
	// Issuer is the provider's address, https but for this machine; empty: there is none.
	Issuer string
	// ClientID and ClientSecret are what the provider knows this server by.
	ClientID, ClientSecret string
	// Name is what the button says (default "Single sign-on").
	Name string
	// UserClaim is the claim that holds a user's name (default "email", verified).
	UserClaim string
	// RoleClaim is the claim that may give a role (tutti-viewer, tutti-operator,
	// tutti-admin); empty: users and their roles are made here alone.
	RoleClaim string
	// Admins are names, as the user claim holds them, of those who are administrators: made
	// so when they first sign in, if they have no password here.
	Admins []string
}

// Check says what is wrong with it.
func (o OIDC) Check() error {
	switch {
	case o.Issuer == "" && o.ClientID == "" && len(o.Admins) > 0:
		return errors.New("OIDC has administrators and no provider: name the issuer and the client id")
	case o.Issuer == "" && o.ClientID == "":
		return nil
	case o.Issuer == "" || o.ClientID == "":
		return errors.New("OIDC needs the issuer and the client id: give both, or none")
	}
	if err := oidc.CheckIssuer(o.Issuer); err != nil {
		return fmt.Errorf("the issuer of OIDC: %w", err)
	}
	return nil
}

// Deps are what the service needs from its process. The caller owns them and
// closes them after Run has returned.
type Deps struct {
	Bus *bus.Conn
	// House may be nil: positions then move with the wall clock, and the API shows
	// no house clock.
	House houseclock.Clock
	// Clock drives timers; nil means the real one.
	Clock clockwork.Clock
	Log   *slog.Logger
	// Registerer takes this service's metrics; Gatherer is what /metrics shows. Nil:
	// a registry of the service's own.
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer
	// TLS is what the API is served with; nil: plain HTTP, of which browsers give
	// microphone, camera and sound processing to pages of the same machine alone.
	TLS *webtls.Certificate
	// Restorer opens backups and brings them back; nil: the API says that it cannot.
	Restorer Restorer
	// Ready adds checks of the process to /readyz, such as those of the other
	// services when all run in one process; may be nil.
	Ready func() error
	// SetUp is called with the set-up code when one was made, to show it to the person at
	// the terminal; may be nil.
	SetUp func(code string)
}

// Service is the management service.
type Service struct {
	cfg  Config
	deps Deps
	// effectTimeout is the API's when 0; tests set it.
	effectTimeout time.Duration

	mu        sync.Mutex // guards what Run publishes to other goroutines
	addr      string
	ready     func() error
	setUpCode string
}

// New checks cfg, fills the defaults and starts nothing.
func New(cfg Config, deps Deps) (*Service, error) {
	var faults []error
	if cfg.InstanceID == "" {
		faults = append(faults, errors.New("InstanceID is empty"))
	}
	if cfg.DataDir == "" && cfg.AdminToken == "" {
		faults = append(faults, errors.New("DataDir and AdminToken are both empty: there would be no token to sign in with"))
	}
	switch cfg.Mode {
	case "":
		cfg.Mode = ModeDistributed
	case ModeEmbedded, ModeDistributed:
	default:
		faults = append(faults, fmt.Errorf("mode %q is none of %s, %s", cfg.Mode, ModeEmbedded, ModeDistributed))
	}
	if len(cfg.Encoders) == 0 {
		cfg.Encoders = []string{"flac", "pcm"}
	}
	if cfg.HTTP == "" {
		cfg.HTTP = ":8080"
	}
	if _, _, err := net.SplitHostPort(cfg.HTTP); err != nil {
		faults = append(faults, fmt.Errorf("http address %q is not host:port: write for example :8080", cfg.HTTP))
	}
	if err := cfg.OIDC.Check(); err != nil {
		faults = append(faults, err)
	}
	if deps.Bus == nil || deps.Log == nil {
		faults = append(faults, errors.New("deps need a Bus and a Log"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("management: %w", err)
	}
	if deps.Clock == nil {
		deps.Clock = clockwork.NewRealClock()
	}
	if deps.Registerer == nil {
		own := prometheus.NewRegistry()
		deps.Registerer, deps.Gatherer = own, own
	}
	if deps.Gatherer == nil {
		deps.Gatherer = prometheus.NewRegistry()
	}
	s := &Service{cfg: cfg, deps: deps}
	s.publish("", func() error { return fault.New(fault.Unavailable, "management: starting") })
	return s, nil
}

// Addr is where the API listens ("127.0.0.1:8080"), "" until it does.
func (s *Service) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Ready is nil when the API can serve, else it says why not.
func (s *Service) Ready() error {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	return ready()
}

// TokenPath is the file that holds the admin token; empty when the configuration
// set the token.
func (s *Service) TokenPath() string {
	if s.cfg.AdminToken != "" {
		return ""
	}
	return filepath.Join(s.cfg.DataDir, auth.TokenFile)
}

func (s *Service) publish(addr string, ready func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr, s.ready = addr, ready
}

// Run serves until ctx ends, and returns when everything that it started has
// stopped, 10 s after at the latest. An error says why it could not serve.
func (s *Service) Run(ctx context.Context) error {
	// Children outlive ctx for the time of the graceful shutdown.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	sup := actor.NewSupervisor(life, actor.SupervisorOptions{
		Name: "management", Log: s.deps.Log, Clock: s.deps.Clock,
		Metrics: actor.NewMetrics(s.deps.Registerer, "management"),
	})
	defer sup.Stop()
	p, err := s.build(ctx, life, sup)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped while it waited for the bus
		}
		return err
	}
	defer p.stop()
	return s.serve(ctx, life, p)
}

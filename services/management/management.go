// Package management is the operator's door: the HTTP API, its read model, the
// live feed, tokens and the OpenAPI document. It owns no fact about devices,
// trust or music: it merges what the other services publish (KV buckets) and
// turns a request into a request on the bus.
package management

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
)

// Modes of a deployment, as the API names them.
const (
	ModeEmbedded    = "embedded"
	ModeDistributed = "distributed"
)

// Config of the management service.
type Config struct {
	// InstanceID names this process; unique in the deployment.
	InstanceID string
	// Version is shown by the API and in the instances bucket.
	Version string
	// HTTP is the address to listen on, such as ":8080".
	HTTP string
	// DataDir holds the file "admin-token".
	DataDir string
	// AdminToken, when set, is the admin token instead of the one in the data directory.
	AdminToken string
	// Mode is ModeEmbedded or ModeDistributed.
	Mode string
}

// Deps are what the service needs from its process.
type Deps struct {
	Bus   *bus.Conn
	House houseclock.Clock
	Clock clockwork.Clock
	Log   *slog.Logger
	// Registerer takes this service's metrics; Gatherer is what /metrics shows.
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer
	// Ready adds the process's own checks to /readyz; may be nil.
	Ready func() error
}

// Service is the management service.
type Service struct{ cfg Config }

// New checks cfg and starts nothing.
func New(cfg Config, deps Deps) (*Service, error) { return &Service{cfg: cfg}, nil }

// Run serves until ctx ends.
func (s *Service) Run(ctx context.Context) error { return errors.New("management: not built yet") }

// Addr is where the API listens ("127.0.0.1:8080"), once it does; it waits for that or for ctx.
func (s *Service) Addr(ctx context.Context) (string, error) {
	return "", errors.New("management: not built yet")
}

// TokenPath is where the admin token is kept; empty when the configuration set the token.
func (s *Service) TokenPath() string { return filepath.Join(s.cfg.DataDir, "admin-token") }

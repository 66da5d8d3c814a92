// Package discovery knows which devices are where.
package discovery

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/bus"
)

// Config of the discovery service.
type Config struct {
	// InstanceID names this process; unique in the deployment.
	InstanceID string
	// Version is shown in the instances bucket and by "nats micro ls".
	Version string
	// MDNS turns browsing and advertising on.
	MDNS bool
	// Static are ws:// addresses of devices that mDNS does not reach.
	Static []string
	// Interfaces restricts mDNS to these network interfaces; empty means all that can multicast.
	Interfaces []string
	// PollInterval is how often network interfaces are looked at (default 5 s).
	PollInterval time.Duration
	// BrowseInterval is how long one browse lasts before it starts anew (default 60 s).
	BrowseInterval time.Duration
}

// Deps are what the service needs from its process.
type Deps struct {
	Bus        *bus.Conn
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Clock      clockwork.Clock
}

// Service is the discovery service.
type Service struct{}

// New checks cfg and starts nothing.
func New(cfg Config, deps Deps) (*Service, error) { return &Service{}, nil }

// Run serves until ctx ends.
func (s *Service) Run(ctx context.Context) error { return errors.New("discovery: not built yet") }

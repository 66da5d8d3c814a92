// Package gateway is the session-gateway service: it owns every Sendspin
// WebSocket, the Noise session inside it, and the delivery of audio on time.
//
// It accepts connections from devices and dials devices that discovery has seen.
// After the opening handshake a connection is a session: an actor that decides,
// a reader and a writer. Nothing a session does waits for another session.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/lease"
)

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

	// MaxSessions limits live sessions (default 20,000).
	MaxSessions int
	// MaxHalfOpen limits connections that have not finished their opening
	// handshake, in all (default 256).
	MaxHalfOpen int
	// MaxHalfOpenPerAddress is the same per peer address (default 16).
	MaxHalfOpenPerAddress int
	// MaxMessage is the largest message a client may send, bytes (default 256 KiB).
	MaxMessage int

	// HandshakeTimeout is how long each expected message of the opening may take (default 30 s).
	HandshakeTimeout time.Duration
	// WriteDeadline is how long one write may be stuck before the session is closed (default 10 s).
	WriteDeadline time.Duration
	// PingInterval is the time between liveness checks (default 15 s).
	PingInterval time.Duration
	// PingTimeout is how long a pong may take before the session is closed (default 10 s).
	PingTimeout time.Duration
	// CredentialMemory is how long credentials and admissions served lately are
	// used while pairing does not answer (default 10 min). They are forgotten
	// when the bus is lost for longer than this.
	CredentialMemory time.Duration
}

// Deps are what the service needs from its process.
type Deps struct {
	Bus    *bus.Conn
	Leases *lease.Manager
	House  houseclock.Clock
	// Clock drives timers; nil means the real one.
	Clock      clockwork.Clock
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Service is the session-gateway service.
type Service struct{}

// New checks cfg and starts nothing.
func New(cfg Config, deps Deps) (*Service, error) { return &Service{}, nil }

// Run serves until ctx ends, and returns when everything is stopped (10 s at most).
func (s *Service) Run(ctx context.Context) error { return errors.New("gateway: not built yet") }

// Ready is nil when the gateway can serve clients.
func (s *Service) Ready() error { return errors.New("gateway: not built yet") }

// Addr is where the gateway listens ("127.0.0.1:8927"), "" until it does.
func (s *Service) Addr() string { return "" }

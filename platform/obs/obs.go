// Package obs is what an operator sees of a process: logs, health, metrics.
package obs

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// Log keys.
const (
	KeyService  = "service"
	KeyInstance = "instance_id"
	KeyClient   = "client_id"
	KeyGroup    = "group_id"
	KeySession  = "session_id"
	KeyTrace    = "trace_id"
	KeyErr      = "err"
	KeyAddr     = "addr"
	KeySubject  = "subject"
	KeyState    = "state"
	KeyReason   = "reason"
	KeyDuration = "duration_ms"
	KeyCount    = "count"
	KeyKey      = "key"
	KeyFence    = "fence"
	KeyURL      = "url"
	KeyName     = "name"
	KeyIface    = "interface"
)

// NewLogger makes a logger.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	return slog.New(slog.NewTextHandler(w, nil)), nil
}

// Health is the readiness of a process.
type Health struct{}

// NewHealth makes an empty health.
func NewHealth() *Health { return &Health{} }

// Add adds a check.
func (h *Health) Add(name string, check func() error) {}

// InternalHTTP serves /healthz, /readyz and /metrics until ctx ends.
func InternalHTTP(ctx context.Context, addr string, h *Health, reg *prometheus.Registry) error {
	return errors.New("obs: not built yet")
}

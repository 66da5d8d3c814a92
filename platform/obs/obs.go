// Package obs is what an operator sees of a process: its log, its health and
// its metrics.
package obs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Log keys. Every log line spells a thing with these, so that one search finds
// a client, a group or a request in the logs of all services.
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

// NewLogger makes a logger that writes to w. level is debug, info, warn or
// error; format is text or json. Times are in UTC with milliseconds.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil || !slices.Contains([]string{"debug", "info", "warn", "error"}, strings.ToLower(level)) {
		return nil, fmt.Errorf("--log-level %q: choose debug, info, warn or error", level)
	}
	opts := &slog.HandlerOptions{Level: l, ReplaceAttr: shorten}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	default:
		return nil, fmt.Errorf("--log-format %q: choose text or json", format)
	}
}

// shorten prints times in UTC to the millisecond: enough to order events, and
// the same on every machine.
func shorten(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 && a.Value.Kind() == slog.KindTime {
		return slog.String(slog.TimeKey, a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	return a
}

// Health is the readiness of a process: the checks of its parts. Safe for
// concurrent use.
type Health struct {
	mu     sync.Mutex
	checks []check
}

type check struct {
	name string
	fn   func() error
}

// NewHealth makes a health without checks, which is ready.
func NewHealth() *Health { return &Health{} }

// Add adds a check. fn must answer at once: it reports a state, it does not probe.
func (h *Health) Add(name string, fn func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, check{name, fn})
}

// Err is nil when every check passes; otherwise it names each that does not.
func (h *Health) Err() error {
	h.mu.Lock()
	checks := slices.Clone(h.checks)
	h.mu.Unlock()
	var errs []error
	for _, c := range checks {
		if err := c.fn(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return errors.Join(errs...)
}

// Package obs is what an operator sees of a process: logs, health, metrics.
//
// Log lines are events with ids, not sentences; their keys are the constants of
// this package, so that a search for one device finds every service's lines.
package obs

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// The log keys of Tutti.
const (
	KeyService   = "service"
	KeyInstance  = "instance_id"
	KeyClient    = "client_id"
	KeyGroup     = "group_id"
	KeySession   = "session_id"
	KeyRendition = "rendition_id"
	KeyTrace     = "trace_id"
	KeyErr       = "err"
	KeyAddr      = "addr"
	KeySubject   = "subject"
	KeyState     = "state"
	KeyReason    = "reason"
	KeyDuration  = "duration_ms"
	KeyCount     = "count"
	KeyKey       = "key"
	KeyFence     = "fence"
	KeyURL       = "url"
	KeyName      = "name"
	KeyIface     = "interface"
)

// Log formats of NewLogger.
const (
	FormatText = "text"
	FormatJSON = "json"
)

// NewLogger makes a logger that writes to w. level is "debug", "info", "warn" or
// "error"; format is "text" or "json". It fails on other words.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	l, err := ParseLevel(level)
	if err != nil {
		return nil, err
	}
	o := &slog.HandlerOptions{Level: l, ReplaceAttr: utc}
	switch strings.ToLower(format) {
	case FormatText:
		return slog.New(slog.NewTextHandler(w, o)), nil
	case FormatJSON:
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, fmt.Errorf("--log-format %q: choose text or json", format)
}

// utc prints times in UTC to the millisecond: enough to order events, and the same
// on every machine.
func utc(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 && a.Value.Kind() == slog.KindTime {
		return slog.String(slog.TimeKey, a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	return a
}

// ParseLevel reads one of the four level names.
func ParseLevel(level string) (slog.Level, error) {
	switch strings.ToLower(level) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("--log-level %q: choose debug, info, warn or error", level)
}

package stream

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/lease"
)

// Config says how one instance behaves. The zero value of every field but
// InstanceID is a sensible default.
type Config struct {
	InstanceID string // unique in the deployment; required
	Version    string // for the bus's service listing; "0.0.0" when empty
	MusicDir   string // root of the library; empty: no library, only http, tone and synth URIs
	ChunkMS    int    // duration of a chunk, 15..150; 0: 100
	AheadMS    int    // how far the tape runs ahead of the house clock, 2000..120000; 0: 30000
	MarginMS   int    // added to the players' lead for our own pipeline; 0: 250
	// TapeMaxBytes bounds the memory of all tapes together; 0: 256 MiB.
	TapeMaxBytes int64
	// ResumePlayback lets groups that played when everything died continue by
	// themselves, from their saved position; otherwise they wait there, paused, for a
	// play command. Operators get true by default (flag --resume of the binary).
	ResumePlayback bool
	// LeadClock makes Run campaign for the house clock's leadership. A process that
	// already campaigns (houseclock.Lead) leaves it false.
	LeadClock bool
	// Demo adds the synthesised tracks to the library's root.
	Demo bool
}

// Deps are what the service works with. Bus and Leases are required.
type Deps struct {
	Bus    *bus.Conn
	Leases *lease.Manager
	// House is the house clock of this process. When nil, Run follows it itself.
	House      houseclock.Clock
	Clock      clockwork.Clock       // for timers; nil: the real clock
	HTTPClient *http.Client          // for http(s) media; nil: package source's default
	Log        *slog.Logger          // nil: silent
	Registerer prometheus.Registerer // nil: metrics are not exported
}

// Service is one instance of the stream service.
type Service struct{}

// New checks cfg and deps. It starts nothing.
func New(cfg Config, deps Deps) (*Service, error) { return nil, errors.New("stream: not built yet") }

// Run serves until ctx ends, and returns within 10 s of that. Groups that play are
// not stopped: another instance, or the next start, carries on.
func (s *Service) Run(ctx context.Context) error { return errors.New("stream: not built yet") }

// Ready returns nil when the service can answer requests. Safe for concurrent use.
func (s *Service) Ready() error { return errors.New("stream: not built yet") }

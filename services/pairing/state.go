package pairing

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/herald"
	"github.com/tutti-audio/tutti/services/pairing/internal/snapshot"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
)

var errStarting = fault.New(fault.Unavailable, "the pairing service is starting")

// state is what many goroutines ask at once: whether we can serve, and why not.
// It is values that are replaced, not an actor, so that /readyz and requests get
// an answer even when everything else is stuck.
type state struct {
	log  *slog.Logger
	desk atomic.Pointer[desk.Desk]     // nil: not open
	told atomic.Pointer[herald.Herald] // nil: not started
	crew atomic.Pointer[crew]          // nil: not open
	// shots makes snapshots; it is there when the desk is.
	shots atomic.Pointer[snapshot.Maker]
	why   atomic.Pointer[fault.Error] // nil: the store works
	up    prometheus.Gauge
}

func (s *state) register(r prometheus.Registerer) error {
	s.up = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "tutti", Subsystem: "pairing", Name: "store_up", Help: "1 while the database can be used.",
	})
	if r == nil {
		return nil
	}
	return r.Register(s.up)
}

// failed takes down why we cannot serve. Running services log the change.
func (s *state) failed(err error) {
	e := fault.From(err)
	was := s.why.Swap(e)
	if s.up != nil {
		s.up.Set(0)
	}
	if was == nil && s.desk.Load() != nil {
		s.log.Error("the database cannot be used; trust is not decided until it is back", obs.KeyErr, e)
	}
}

func (s *state) worked() {
	was := s.why.Swap(nil)
	if s.up != nil {
		s.up.Set(1)
	}
	if was != nil && was != errStarting && s.desk.Load() != nil {
		s.log.Info("the database answers again")
	}
}

// open is the desk, or why there is none.
func (s *state) open() (*desk.Desk, error) {
	if d := s.desk.Load(); d != nil {
		return d, nil
	}
	if why := s.why.Load(); why != nil {
		return nil, why
	}
	return nil, errStarting
}

// Ready is nil when the service can serve, else it says why not.
func (s *Service) Ready() error {
	if _, err := s.state.open(); err != nil {
		return err
	}
	if why := s.state.why.Load(); why != nil {
		return why
	}
	if err := s.deps.Bus.Healthy(); err != nil {
		return err
	}
	if h := s.state.told.Load(); h == nil || !h.Told() {
		return fault.New(fault.Unavailable, "trust is not announced yet")
	}
	return nil
}

// watchedStore tells the state how the store does. Every instance asks it at
// least every two seconds (internal/herald).
type watchedStore struct {
	store.Store
	state *state
}

// View implements desk.Store.
func (w *watchedStore) View(ctx context.Context, fn func(context.Context, desk.Tx) error) error {
	return w.saw(ctx, w.Store.View(ctx, fn))
}

// Update implements desk.Store.
func (w *watchedStore) Update(ctx context.Context, fn func(context.Context, desk.Tx) error) error {
	return w.saw(ctx, w.Store.Update(ctx, fn))
}

func (w *watchedStore) saw(ctx context.Context, err error) error {
	switch {
	case fault.CodeOf(err) == fault.Unavailable && ctx.Err() == nil:
		w.state.failed(err)
	case err == nil && w.state.desk.Load() != nil && w.state.why.Load() != nil:
		w.state.worked()
	}
	return err
}

// Package headlog exports the end of the audit ledger's chain to the log and the
// metrics: whoever keeps the log elsewhere can tell whether the ledger still holds
// the line of a certain day (tutti audit verify --head ID:HASH).
//
// The head is logged at the start and at the stop, and when it moved: after an hour,
// or after a hundred lines.
package headlog

import (
	"context"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

const (
	// lookEvery also sees what other instances append.
	lookEvery = 10 * time.Second
	logEvery  = time.Hour
	logLines  = 100
	// closeTimeout bounds the last look, when the service stops.
	closeTimeout = time.Second
)

// Options of the exporter. All but Registerer are required.
type Options struct {
	Store      desk.Store
	Clock      clockwork.Clock
	Log        *slog.Logger
	Registerer prometheus.Registerer // may be nil
}

// Start spawns the actor that looks.
func Start(s *actor.Supervisor, o Options) error {
	line := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "tutti", Subsystem: "pairing", Name: "audit_head",
		Help: "Number of the last line of the audit ledger; it never falls.",
	})
	if o.Registerer != nil {
		if err := o.Registerer.Register(line); err != nil {
			return err
		}
	}
	_, err := actor.Spawn(s, actor.Options{Key: "headlog", Size: 1, Full: actor.DropOldest},
		func(self *actor.Ref[look]) actor.Handler[look] { return &watcher{Options: o, self: self, line: line} })
	return err
}

type look struct{}

type watcher struct {
	Options
	self   *actor.Ref[look]
	line   prometheus.Gauge
	cancel func()
	begun  bool // a head was logged
	logged uint64
	at     time.Time
}

// Start implements actor.Lifecycle.
func (w *watcher) Start(context.Context) error {
	w.cancel = actor.After(w.self, w.Clock, 0, look{})
	return nil
}

// Close implements actor.Lifecycle. What the service appended last is logged.
func (w *watcher) Close(ctx context.Context) {
	w.cancel()
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if h, ok := w.head(ctx); ok {
		w.log(h, "stop")
	}
}

// Handle implements actor.Handler.
func (w *watcher) Handle(ctx context.Context, _ look) error {
	if h, ok := w.head(ctx); ok {
		switch {
		case !w.begun:
			w.log(h, "start")
		case h.ID != w.logged && (w.Clock.Since(w.at) >= logEvery || h.ID-w.logged >= logLines):
			w.log(h, "moved")
		}
	}
	w.cancel = actor.After(w.self, w.Clock, lookEvery, look{})
	return nil
}

// head reads the head; trouble with the database is reported by who needs it more.
func (w *watcher) head(ctx context.Context) (h desk.Head, ok bool) {
	err := w.Store.View(ctx, func(ctx context.Context, tx desk.Tx) (err error) {
		h, err = tx.AuditHead(ctx)
		return err
	})
	if err == nil {
		w.line.Set(float64(h.ID))
	}
	return h, err == nil
}

func (w *watcher) log(h desk.Head, when string) {
	w.Log.Info("audit head", "id", h.ID, "hash", hex.EncodeToString(h.Hash), "when", when)
	w.begun, w.logged, w.at = true, h.ID, w.Clock.Now()
}

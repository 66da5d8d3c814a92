package actor

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/internal/promreg"
)

// Metrics counts what the actors of one family do. Keys are never labels: there
// are as many as there are devices.
type Metrics struct {
	running  prometheus.Gauge
	crashes  prometheus.Counter
	restarts prometheus.Counter
	dropped  prometheus.Counter
	full     prometheus.Counter
	depth    prometheus.Gauge
	deepest  atomic.Int64
}

// NewMetrics registers the metrics of a family of actors, such as "session". A nil
// registerer gives metrics that nobody reads.
func NewMetrics(r prometheus.Registerer, family string) *Metrics {
	label := []string{"family"}
	gauge := func(name, help string) prometheus.Gauge {
		return promreg.Register(r, prometheus.NewGaugeVec(
			prometheus.GaugeOpts{Name: name, Help: help}, label)).WithLabelValues(family)
	}
	counter := func(name, help string) prometheus.Counter {
		return promreg.Register(r, prometheus.NewCounterVec(
			prometheus.CounterOpts{Name: name, Help: help}, label)).WithLabelValues(family)
	}
	return &Metrics{
		running:  gauge("tutti_actors", "Actors that are alive."),
		depth:    gauge("tutti_actor_mailbox_depth_max", "Highest number of waiting messages in one mailbox since the start."),
		crashes:  counter("tutti_actor_crashes_total", "Errors and panics that ended an actor's life."),
		restarts: counter("tutti_actor_restarts_total", "New lives after a crash."),
		dropped:  counter("tutti_actor_dropped_messages_total", "Messages pushed out of a full mailbox."),
		full:     counter("tutti_actor_full_mailbox_total", "Sends refused because the mailbox was full."),
	}
}

// sawDepth raises the family's highest depth.
func (m *Metrics) sawDepth(n int64) {
	for old := m.deepest.Load(); n > old; old = m.deepest.Load() {
		if m.deepest.CompareAndSwap(old, n) {
			m.depth.Set(float64(n))
			return
		}
	}
}

package group

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/services/stream/internal/promreg"
)

// Metrics counts the groups of an instance. A nil *Metrics counts nothing.
type Metrics struct {
	groups  prometheus.Gauge
	playing prometheus.Gauge
	fenced  *prometheus.CounterVec
}

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	return &Metrics{
		groups: promreg.Register(r, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tutti_stream_groups", Help: "Groups that this instance holds."})),
		playing: promreg.Register(r, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tutti_stream_groups_playing", Help: "Groups of this instance that play."})),
		fenced: lease.Fenced(r),
	}
}

func (m *Metrics) held(n float64) {
	if m != nil {
		m.groups.Add(n)
	}
}

// dropped counts what came from a holder that another one has followed.
func (m *Metrics) dropped(receiver string) {
	if m != nil {
		m.fenced.WithLabelValues(receiver).Inc()
	}
}

func (m *Metrics) play(on bool) {
	if m == nil {
		return
	}
	if on {
		m.playing.Inc()
	} else {
		m.playing.Dec()
	}
}

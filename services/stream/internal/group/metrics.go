package group

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/services/stream/internal/promreg"
)

// Metrics counts the groups of an instance. A nil *Metrics counts nothing.
type Metrics struct {
	groups  prometheus.Gauge
	playing prometheus.Gauge
}

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	return &Metrics{
		groups: promreg.Register(r, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tutti_stream_groups", Help: "Groups that this instance holds."})),
		playing: promreg.Register(r, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tutti_stream_groups_playing", Help: "Groups of this instance that play."})),
	}
}

func (m *Metrics) held(n float64) {
	if m != nil {
		m.groups.Add(n)
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

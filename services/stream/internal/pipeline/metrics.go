package pipeline

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/services/stream/internal/promreg"
)

// Metrics counts what pipelines do, for all groups of an instance together. A nil
// *Metrics counts nothing.
type Metrics struct {
	chunks    *prometheus.CounterVec
	encode    *prometheus.HistogramVec
	lead      prometheus.Histogram
	least     *shortest
	live      prometheus.Gauge
	underruns prometheus.Counter
	analysers prometheus.Gauge
	heard     prometheus.Counter
}

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	return &Metrics{
		chunks: promreg.Register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tutti_stream_chunks_total", Help: "Chunks encoded, by codec."}, []string{"codec"})),
		encode: promreg.Register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tutti_stream_encode_seconds", Help: "Time to convert and encode one chunk, by codec.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 2, 12)}, []string{"codec"})),
		lead: promreg.Register(r, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tutti_stream_tape_ahead_seconds", Help: "How far ahead of the house clock chunks are made.",
			Buckets: []float64{0, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30}})),
		least: promreg.Register(r, newShortest()),
		live: promreg.Register(r, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tutti_stream_renditions", Help: "Renditions that are being made."})),
		analysers: promreg.Register(r, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tutti_stream_analysers", Help: "Groups whose audio is analysed for visualizers."})),
		heard: promreg.Register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_stream_analysed_seconds_total", Help: "Audio that was analysed for visualizers."})),
		underruns: promreg.Register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_stream_underruns_total", Help: "Times that a source or the bus was too slow for a tape."})),
	}
}

func (m *Metrics) chunk(codec string, took time.Duration, aheadUS int64) {
	if m == nil {
		return
	}
	m.chunks.WithLabelValues(codec).Inc()
	m.encode.WithLabelValues(codec).Observe(took.Seconds())
	m.lead.Observe(float64(aheadUS) / 1e6)
}

// follow has a pipeline's reach in the gauge of the shortest tape, until stop.
func (m *Metrics) follow(r *reach, h House) (stop func()) {
	if m == nil {
		return func() {}
	}
	return m.least.follow(r, h)
}

func (m *Metrics) underrun() {
	if m != nil {
		m.underruns.Inc()
	}
}

func (m *Metrics) renditions(n int) {
	if m != nil {
		m.live.Add(float64(n))
	}
}

func (m *Metrics) analyse(n int) {
	if m != nil {
		m.analysers.Add(float64(n))
	}
}

func (m *Metrics) analysed(us int64) {
	if m != nil {
		m.heard.Add(float64(us) / 1e6)
	}
}

package pipeline

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what pipelines do, for all groups of an instance together. A nil
// *Metrics counts nothing.
type Metrics struct {
	chunks    *prometheus.CounterVec
	encode    *prometheus.HistogramVec
	lead      prometheus.Histogram
	underruns prometheus.Counter
}

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		chunks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tutti_stream_chunks_total", Help: "Chunks encoded, by codec."}, []string{"codec"}),
		encode: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tutti_stream_encode_seconds", Help: "Time to convert and encode one chunk, by codec.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 2, 12)}, []string{"codec"}),
		lead: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tutti_stream_tape_ahead_seconds", Help: "How far ahead of the house clock chunks are made.",
			Buckets: []float64{0, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30}}),
		underruns: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_stream_underruns_total", Help: "Times that a source or the bus was too slow for a tape."}),
	}
	r.MustRegister(m.chunks, m.encode, m.lead, m.underruns)
	return m
}

func (m *Metrics) chunk(codec string, took time.Duration, aheadUS int64) {
	if m == nil {
		return
	}
	m.chunks.WithLabelValues(codec).Inc()
	m.encode.WithLabelValues(codec).Observe(took.Seconds())
	m.lead.Observe(float64(aheadUS) / 1e6)
}

func (m *Metrics) underrun() {
	if m != nil {
		m.underruns.Inc()
	}
}

package api

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of the API. Labels are bounded: routes are patterns, never paths.
type Metrics struct {
	requests     *prometheus.HistogramVec
	authFailures *prometheus.CounterVec
	streams      prometheus.Gauge
	streamGaps   prometheus.Counter
}

// NewMetrics makes and registers the metrics.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tutti_management_http_request_duration_seconds", Help: "Time to answer, by route and status.",
			Buckets: []float64{.001, .005, .02, .1, .5, 1, 2.5, 5},
		}, []string{"route", "status"}),
		authFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tutti_management_auth_failures_total", Help: "Requests refused before they ran, by reason.",
		}, []string{"reason"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tutti_management_event_streams", Help: "Open event streams.",
		}),
		streamGaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_management_event_stream_gaps_total", Help: "Readers told to read the whole state anew.",
		}),
	}
	var err error
	for _, c := range []prometheus.Collector{m.requests, m.authFailures, m.streams, m.streamGaps} {
		err = errors.Join(err, reg.Register(c))
	}
	return m, err
}

package attempt

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count attempts. The labels have few values: three methods, and the reasons
// of words.go.
type Metrics struct {
	ended   *prometheus.CounterVec
	running prometheus.Gauge
	rounds  prometheus.Counter
}

// NewMetrics registers with r, which may be nil.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "tutti", Subsystem: "pairing", Name: "attempts_total", Help: "Pairing attempts that ended, by method and outcome.",
		}, []string{"method", "outcome"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "tutti", Subsystem: "pairing", Name: "attempts_running", Help: "Pairing attempts that run in this process.",
		}),
		rounds: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "tutti", Subsystem: "pairing", Name: "wrong_codes_total", Help: "Pairing codes that the device did not accept.",
		}),
	}
	if r == nil {
		return m, nil
	}
	return m, errors.Join(r.Register(m.ended), r.Register(m.running), r.Register(m.rounds))
}

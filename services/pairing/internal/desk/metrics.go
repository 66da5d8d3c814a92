package desk

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count what the desk does. No label holds a client id.
type Metrics struct {
	admits    *prometheus.CounterVec
	decisions *prometheus.CounterVec
	warnings  *prometheus.CounterVec
	dropped   prometheus.Counter
}

// NewMetrics registers with r, which may be nil.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "tutti", Subsystem: "pairing", Name: name, Help: help}
	}
	m := &Metrics{
		admits:    prometheus.NewCounterVec(counter("admits_total", "Answered admissions by trust state."), []string{"state"}),
		decisions: prometheus.NewCounterVec(counter("decisions_total", "Operator decisions by audit kind."), []string{"kind"}),
		warnings:  prometheus.NewCounterVec(counter("warnings_total", "Keys that raised a warning, by warning."), []string{"warning"}),
		dropped:   prometheus.NewCounter(counter("inbox_dropped_total", "Inbox entries dropped because the inbox was full.")),
	}
	if r == nil {
		return m, nil
	}
	return m, errors.Join(r.Register(m.admits), r.Register(m.decisions), r.Register(m.warnings), r.Register(m.dropped))
}

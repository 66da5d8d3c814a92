package book

import "github.com/prometheus/client_golang/prometheus"

// metrics of the book.
type metrics struct {
	present, absent prometheus.Gauge
	refused         prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "tutti_discovery_sightings", Help: "Device addresses known, by presence."}, []string{"state"})
	m := &metrics{present: g.WithLabelValues("present"), absent: g.WithLabelValues("absent"),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_discovery_refused_total", Help: "New devices refused because there were too many."})}
	if r != nil {
		r.MustRegister(g, m.refused)
	}
	return m
}

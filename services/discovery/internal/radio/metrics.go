package radio

import "github.com/prometheus/client_golang/prometheus"

// metrics of the radio.
type metrics struct {
	interfaces, adverts prometheus.Gauge
	rounds              prometheus.Counter
	records             *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		interfaces: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tutti_discovery_interfaces", Help: "Network interfaces in use for mDNS."}),
		adverts: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tutti_discovery_advertisements", Help: "Running mDNS advertisements, by interface and gateway."}),
		rounds: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_discovery_browse_rounds_total", Help: "Browse rounds started."}),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tutti_discovery_records_total", Help: "mDNS records heard, by what became of them."}, []string{"result"}),
	}
	if r != nil {
		r.MustRegister(m.interfaces, m.adverts, m.rounds, m.records)
	}
	return m
}

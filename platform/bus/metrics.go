package bus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/internal/promreg"
)

// metrics of one connection. Subjects are labels only where they are a fixed set
// (endpoints of a service); an actor's own address never is one.
type metrics struct {
	connected   prometheus.Gauge
	reconnects  prometheus.Counter
	requests    *prometheus.CounterVec
	handled     *prometheus.CounterVec
	handleTime  *prometheus.HistogramVec
	late        prometheus.Counter
	asyncErrors prometheus.Counter
	restarts    prometheus.Counter
	slow        prometheus.Counter
	retries     prometheus.Counter
	refused     prometheus.Counter
	stray       prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	return &metrics{
		connected: promreg.Register(r, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tutti_bus_connections", Help: "Connections to the bus that are up."})),
		reconnects: promreg.Register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_bus_reconnects_total", Help: "Times that a connection came back."})),
		requests: promreg.Register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tutti_bus_requests_total", Help: "Requests made, by the code of their end."}, []string{"code"})),
		handled: promreg.Register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tutti_bus_handled_total", Help: "Requests answered, by endpoint and code."}, []string{"endpoint", "code"})),
		handleTime: promreg.Register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tutti_bus_handle_seconds", Help: "Time to answer a request, by endpoint.",
			Buckets: []float64{.0005, .001, .005, .01, .05, .1, .5, 1, 5}}, []string{"endpoint"})),
		late: promreg.Register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_bus_late_requests_total", Help: "Requests skipped because nobody waited any more."})),
		asyncErrors: promreg.Register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_bus_async_publish_errors_total", Help: "Stream publishes without a good acknowledgement."})),
		restarts: promreg.Register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_bus_consumer_restarts_total", Help: "Times that a consumer or watch was made again."})),
		slow: promreg.Register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_bus_slow_consumer_total", Help: "Times that a subscription overflowed and lost messages."})),
		refused: promreg.Register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_bus_refused_total", Help: "Messages and subscriptions that the server's permissions refused."})),
		stray: promreg.Register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_bus_stray_requests_total", Help: "Requests dropped because nobody waits for their answer."})),
		retries: promreg.Register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tutti_bus_retries_total", Help: "Operations tried again, because the cluster had no leader or an answer was lost."})),
	}
}

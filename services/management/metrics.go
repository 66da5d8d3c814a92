package management

import (
	"errors"
	"fmt"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/services/management/internal/health"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

// registerState adds what the read model knows of the whole deployment: the first
// thing that somebody who was woken up wants to see. Every management instance tells
// the same numbers.
func registerState(reg prometheus.Registerer, clock clockwork.Clock, p *readmodel.Projection) error {
	count := func(name, help string, labels prometheus.Labels, f func(*readmodel.Snapshot) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(f(p.Snapshot())) })
	}
	clients := func(connected bool) prometheus.Collector {
		return count("tutti_management_clients", "Clients that are known, by whether they are connected.",
			prometheus.Labels{"connected": fmt.Sprint(connected)}, func(s *readmodel.Snapshot) (n int) {
				for _, c := range s.Clients {
					if c.Connected == connected {
						n++
					}
				}
				return n
			})
	}
	playing := func(s *readmodel.Snapshot) (n int) {
		for _, g := range s.Groups {
			if g.GetPlaybackState() == "playing" {
				n++
			}
		}
		return n
	}
	var err error
	for _, c := range []prometheus.Collector{
		clients(true), clients(false),
		count("tutti_management_groups_playing", "Groups that play, in the whole deployment.", nil, playing),
		count("tutti_management_inbox_waiting", "Devices that wait for approval or pairing.", nil,
			func(s *readmodel.Snapshot) int { return len(s.Waiting(clock.Now()).Waiting) }),
	} {
		err = errors.Join(err, reg.Register(c))
	}
	// Named one by one, so that a service of which nothing is left shows as 0.
	for _, name := range []string{"discovery", "session-gateway", "pairing", "management", "stream"} {
		err = errors.Join(err, reg.Register(count("tutti_management_instances", "Instances that are alive, by service.",
			prometheus.Labels{"service": name}, func(s *readmodel.Snapshot) (n int) {
				for _, i := range s.Instances {
					if i.Service == name {
						n++
					}
				}
				return n
			})))
	}
	if err != nil {
		return fmt.Errorf("management: register metrics: %w", err)
	}
	return nil
}

// registerHealth adds what the health page says, in numbers: an alert on serious findings
// wakes somebody who can then read them.
func registerHealth(reg prometheus.Registerer, m *health.Monitor) error {
	var err error
	for _, severity := range []string{model.SeverityInfo, model.SeverityWarning, model.SeveritySerious} {
		err = errors.Join(err, reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tutti_health_findings", Help: "What is wrong or worth knowing, by severity; GET /api/v1/health has it in words.",
			ConstLabels: prometheus.Labels{"severity": severity},
		}, func() float64 {
			n := 0
			for _, f := range m.Report().Findings {
				if f.Severity == severity {
					n++
				}
			}
			return float64(n)
		})))
	}
	for _, quality := range []string{model.QualityGood, model.QualityFair, model.QualityPoor, model.QualityIdle, model.QualityOffline} {
		err = errors.Join(err, reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tutti_health_clients", Help: "Clients by quality.", ConstLabels: prometheus.Labels{"quality": quality},
		}, func() float64 {
			n := 0
			for _, c := range m.Report().Clients {
				if c.Quality == quality {
					n++
				}
			}
			return float64(n)
		})))
	}
	if err != nil {
		return fmt.Errorf("management: register metrics: %w", err)
	}
	return nil
}

package management

import (
	"errors"
	"fmt"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

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
		count("tutti_management_instances", "Service processes that are alive.", nil,
			func(s *readmodel.Snapshot) int { return len(s.Instances) }),
	} {
		err = errors.Join(err, reg.Register(c))
	}
	if err != nil {
		return fmt.Errorf("management: register metrics: %w", err)
	}
	return nil
}

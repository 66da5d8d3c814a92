package pipeline

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// shortest is the gauge of the tape that is least ahead of now, over the pipelines that
// play here. It is a collector, because the figure falls between two chunks, too: it is
// that of the moment in which it is asked for, also where a pipeline hangs. Without a tape
// that counts there is no series: 0 would look like one that is empty.
type shortest struct {
	desc *prometheus.Desc
	mu   sync.Mutex // guards on: pipelines come and go beside whoever collects
	on   map[*reach]House
}

// reach is the house time, µs, up to which the shortest tape of a pipeline is made; 0 when
// none counts. Its pipeline's goroutine writes it.
type reach = atomic.Int64

func newShortest() *shortest {
	return &shortest{on: map[*reach]House{}, desc: prometheus.NewDesc("tutti_stream_tape_least_ahead_seconds",
		"How far the shortest tape is ahead of the house clock, of groups that play media which are no live sources; absent when none does.", nil, nil)}
}

// Describe implements prometheus.Collector.
func (s *shortest) Describe(c chan<- *prometheus.Desc) { c <- s.desc }

// Collect implements prometheus.Collector.
func (s *shortest) Collect(c chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	least, some := int64(0), false
	for r, h := range s.on {
		until := r.Load()
		if until == 0 {
			continue
		}
		if us := until - h.NowMicros(); !some || us < least {
			least, some = us, true
		}
	}
	if some {
		c <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, float64(least)/1e6)
	}
}

// follow has a pipeline's reach in the gauge, until stop.
func (s *shortest) follow(r *reach, h House) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on[r] = h
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.on, r)
	}
}

// measure says how far the shortest tape reaches. A tape does not count where it is short
// by design: before its first sample sounds, of a live source, of an announcement without
// music, and when all that is to come is on it. A rendition that has just been asked for
// counts from its first chunk on, so the figure dips for a moment when a player joins.
func (p *Pipeline) measure(now int64) {
	complete := p.read == 1+p.handed.Load() && p.none.Load()
	if p.epoch == nil || now < p.epoch.T0 || p.isLive || p.capture.on || p.cfg.Clip || complete {
		p.reach.Store(0)
		return
	}
	least := int64(0)
	for _, r := range p.live {
		if t := r.Time(); !r.Done() && (least == 0 || t < least) {
			least = t
		}
	}
	p.reach.Store(least)
}

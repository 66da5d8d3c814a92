package app

import (
	"context"
	"time"

	"github.com/tutti-audio/tutti/platform/obs"
)

// drainer is a service that can hand over what it holds to other processes: groups to
// other stream instances, sessions to other gateways.
type drainer struct {
	service string
	// drain returns when nothing is left, or nothing can be handed over, or ctx ends. It
	// is called once, while the service runs.
	drain func(ctx context.Context) error
}

// onDrain remembers what to hand over before the process ends. Services drain in the
// order in which they are added: groups before sessions.
func (p *process) onDrain(service string, drain func(ctx context.Context) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drains = append(p.drains, drainer{service, drain})
}

// drain hands over what this process holds, for --drain-timeout at most. A process with
// an embedded bus has nobody to hand over to, and ends at once.
func (p *process) drain(ctx context.Context) {
	if p.cfg.Embedded() || p.cfg.DrainTimeout <= 0 {
		return
	}
	p.mu.Lock()
	drains := p.drains
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.cfg.DrainTimeout)
	defer cancel()
	for _, d := range drains {
		began := time.Now()
		if err := d.drain(ctx); err != nil {
			p.log.Warn("not everything is handed over", obs.KeyService, d.service, "after", time.Since(began).Round(time.Millisecond).String(), obs.KeyErr, err)
		}
	}
}

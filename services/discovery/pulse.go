package discovery

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/platform/vitals"
	"github.com/tutti-audio/tutti/proto/instance"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// The heartbeat in the bucket of instances.
const (
	pulseTTL   = 15 * time.Second
	pulseEvery = 5 * time.Second
)

type beat struct{}

// pulse is the actor that keeps this process's Instance alive.
type pulse struct {
	s      *Service
	b      *instances
	self   *actor.Ref[beat]
	value  *tuttiv1.Instance
	meter  *vitals.Meter
	cancel func()
}

// startPulse starts the heartbeats; a message to what it returns makes one at once.
func (s *Service) startPulse(sup *actor.Supervisor, b *instances) (*actor.Ref[beat], error) {
	value := &tuttiv1.Instance{Service: serviceName, InstanceId: s.cfg.InstanceID, Version: s.cfg.Version,
		StartedAt: timestamppb.New(s.d.Clock.Now()), Host: s.host, BootId: houseclock.BootID()}
	return actor.Spawn(sup, actor.Options{Key: "pulse"}, func(self *actor.Ref[beat]) actor.Handler[beat] {
		return &pulse{s: s, b: b, self: self, value: value, meter: vitals.New(), cancel: func() {}}
	})
}

func (p *pulse) key() string { return subject.InstanceKey(serviceName, p.s.cfg.InstanceID) }

// Start implements actor.Lifecycle.
func (p *pulse) Start(ctx context.Context) error { return p.Handle(ctx, beat{}) }

// Handle implements actor.Handler.
func (p *pulse) Handle(ctx context.Context, _ beat) error {
	p.cancel() // it may have come out of turn
	p.cancel = actor.After(p.self, p.s.d.Clock, pulseEvery, beat{})
	p.value.Load, p.value.Readiness = load(p.meter), instance.Readiness(p.s.Ready())
	ctx, cancel := context.WithTimeout(ctx, pulseEvery/2)
	defer cancel()
	if _, err := p.b.Put(ctx, p.key(), p.value); err != nil && ctx.Err() == nil {
		p.s.d.Log.Warn("heartbeat not written", obs.KeyErr, err)
	}
	return nil
}

// Close implements actor.Lifecycle.
func (p *pulse) Close(ctx context.Context) {
	p.cancel()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = p.b.Delete(ctx, p.key()) // else it expires
}

// load is what the heartbeat says of this process.
func load(m *vitals.Meter) *tuttiv1.InstanceLoad {
	l := m.Read()
	return &tuttiv1.InstanceLoad{Cpu: l.CPU, Cpus: uint32(l.CPUs), MemoryBytes: l.Memory, Goroutines: uint32(l.Goroutines), Pid: uint32(l.PID)}
}

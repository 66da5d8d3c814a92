package herald

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/platform/vitals"
	"github.com/tutti-audio/tutti/proto/instance"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// The bucket "instances" forgets an instance that has not been heard of for
// pulseTTL.
const (
	pulseTTL   = 15 * time.Second
	pulseEvery = 5 * time.Second
	service    = "pairing"
)

// Pulse describes this process to the deployment.
type Pulse struct {
	Bus        *bus.Conn
	Clock      clockwork.Clock
	Log        *slog.Logger
	InstanceID string
	Version    string
	// Ready is nil when the service can do its work, else it says why not.
	Ready func() error
}

// Start spawns an actor that keeps the instance in the bucket, and takes it out
// when it ends.
func (p Pulse) Start(s *actor.Supervisor) error {
	host, _ := os.Hostname() // empty when unknown
	me := &pb.Instance{
		Service: service, InstanceId: p.InstanceID, Version: p.Version, Host: host,
		StartedAt: timestamppb.New(p.Clock.Now()), BootId: houseclock.BootID(),
	}
	_, err := actor.Spawn(s, actor.Options{Key: "pulse", Size: 1, Full: actor.DropOldest},
		func(self *actor.Ref[beat]) actor.Handler[beat] {
			return &heart{Pulse: p, self: self, me: me, meter: vitals.New()}
		})
	return err
}

type beat struct{}

type heart struct {
	Pulse
	self   *actor.Ref[beat]
	me     *pb.Instance
	meter  *vitals.Meter
	bucket *bus.Bucket[pb.Instance, *pb.Instance]
	cancel func()
	failed bool
}

// Start implements actor.Lifecycle.
func (h *heart) Start(context.Context) error {
	h.cancel = actor.After(h.self, h.Clock, 0, beat{})
	return nil
}

// Close implements actor.Lifecycle.
func (h *heart) Close(ctx context.Context) {
	h.cancel()
	if h.bucket == nil || h.failed {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = h.bucket.Delete(ctx, h.key()) // its TTL does the same, later
}

func (h *heart) key() string { return subject.InstanceKey(service, h.InstanceID) }

// Handle implements actor.Handler.
func (h *heart) Handle(ctx context.Context, _ beat) error {
	err := h.put(ctx)
	if err != nil && !h.failed && ctx.Err() == nil {
		h.Log.Warn("this instance cannot be announced", obs.KeyErr, err)
	}
	if ctx.Err() == nil { // one that the end cuts short says nothing of the bus, and may be written
		h.failed = err != nil
	}
	h.cancel = actor.After(h.self, h.Clock, pulseEvery, beat{})
	return nil
}

func (h *heart) put(ctx context.Context) (err error) {
	if h.bucket == nil {
		h.bucket, err = bus.OpenBucket[pb.Instance](ctx, h.Bus, subject.BucketInstances, bus.BucketOptions{TTL: pulseTTL})
		if err != nil {
			return err
		}
	}
	h.me.Load, h.me.Readiness = load(h.meter), instance.Readiness(h.Ready())
	_, err = h.bucket.Put(ctx, h.key(), h.me)
	return err
}

// load is what the heartbeat says of this process.
func load(m *vitals.Meter) *pb.InstanceLoad {
	l := m.Read()
	return &pb.InstanceLoad{Cpu: l.CPU, Cpus: uint32(l.CPUs), MemoryBytes: l.Memory, Goroutines: uint32(l.Goroutines), Pid: uint32(l.PID)}
}

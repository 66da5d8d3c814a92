package readmodel

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// bucketCount is how many buckets Watch reads: the snapshot is whole when each
// was read once.
const bucketCount = 11

// Watch opens the buckets that the other services write and feeds the projection
// until stop is called. Opening creates a bucket that its owner has not made yet,
// so the services may start in any order.
func (p *Projection) Watch(ctx context.Context, c *bus.Conn) (stop func(), err error) {
	var stops []func()
	stopAll := func() {
		for _, s := range stops {
			s()
		}
	}
	add := func(stop func(), err error) error {
		if err == nil {
			stops = append(stops, stop)
		}
		return err
	}
	for _, open := range []func() (func(), error){
		func() (func(), error) {
			return watch(ctx, p, c, subject.BucketPresence, func(id string, v *pb.ClientPresence) message { return presenceMsg{id, v} })
		},
		func() (func(), error) {
			return watch(ctx, p, c, subject.BucketTrust, func(id string, v *pb.TrustRecord) message { return trustMsg{id, v} })
		},
		func() (func(), error) {
			return watch(ctx, p, c, subject.BucketGroups, func(id string, v *pb.Group) message { return groupMsg{id, v} })
		},
		func() (func(), error) {
			return watch(ctx, p, c, subject.BucketTuning, func(id string, v *pb.ClientTuning) message { return tuningMsg{id, v} })
		},
		func() (func(), error) {
			return watch(ctx, p, c, subject.BucketPairings, func(id string, v *pb.PairingAttempt) message { return pairingMsg{id, v} })
		},
		func() (func(), error) {
			return watch(ctx, p, c, subject.BucketSightings, func(key string, v *pb.Sighting) message { return sightingMsg{key, v} })
		},
		func() (func(), error) {
			return watch(ctx, p, c, subject.BucketInstances, func(key string, v *pb.Instance) message { return instanceMsg{key, v} })
		},
		func() (func(), error) {
			return watch(ctx, p, c, subject.BucketPersonas, func(id string, v *pb.Persona) message { return personaMsg{id, v} })
		},
		func() (func(), error) {
			return watch(ctx, p, c, subject.BucketSchedules, func(id string, v *pb.Schedule) message { return scheduleMsg{id, v} })
		},
		func() (func(), error) {
			return watch(ctx, p, c, subject.BucketHolidays, func(_ string, v *pb.Holidays) message { return holidaysMsg{v} })
		},
		func() (func(), error) {
			return watch(ctx, p, c, subject.BucketSettings, func(_ string, v *pb.ServerSettings) message { return settingsMsg{v} })
		},
		func() (func(), error) {
			return bus.Subscribe(c, subject.EventAudit, func(ctx context.Context, _ string, v *pb.AuditEvent) {
				p.send(ctx, auditMsg{v})
			})
		},
	} {
		if err := add(open()); err != nil {
			stopAll()
			return nil, fmt.Errorf("management: watch: %w", err)
		}
	}
	return stopAll, nil
}

func watch[T any, PT interface {
	*T
	proto.Message
}](ctx context.Context, p *Projection, c *bus.Conn, bucket string, wrap func(key string, v PT) message) (func(), error) {
	b, err := bus.OpenBucket[T, PT](ctx, c, bucket, bus.BucketOptions{})
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bucket, err)
	}
	stop, err := b.Watch(ctx, ">",
		func(e bus.Entry[PT]) { p.send(ctx, wrap(e.Key, e.Value)) },
		func() { p.send(ctx, loadedMsg{}) })
	if err != nil {
		return nil, fmt.Errorf("watch bucket %s: %w", bucket, err)
	}
	return stop, nil
}

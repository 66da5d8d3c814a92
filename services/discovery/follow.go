package discovery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/discovery/internal/radio"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
	"github.com/tutti-audio/tutti/services/discovery/internal/sighting"
)

// gatewayService is the name under which session-gateways are in the bucket of
// instances.
const gatewayService = "session-gateway"

type instances = bus.Bucket[tuttiv1.Instance, *tuttiv1.Instance]

type buckets struct {
	sightings *sighting.Bucket
	instances *instances
	settings  *bus.Bucket[tuttiv1.ServerSettings, *tuttiv1.ServerSettings]
}

// openBuckets waits for the bus until ctx ends.
func (s *Service) openBuckets(ctx context.Context) (*buckets, error) {
	for attempt := 0; ; attempt++ {
		b, err := s.tryBuckets(ctx)
		if err == nil {
			return b, nil
		}
		if attempt == 0 {
			s.d.Log.Warn("discovery waits for the bus", obs.KeyErr, err)
		}
		select {
		case <-s.d.Clock.After(time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Service) tryBuckets(ctx context.Context) (*buckets, error) {
	var b buckets
	var err error
	// History says that we own this bucket: one value per key, in files.
	if b.sightings, err = bus.OpenBucket[tuttiv1.Sighting](ctx, s.d.Bus, subject.BucketSightings, bus.BucketOptions{History: 1}); err != nil {
		return nil, err
	}
	if b.instances, err = bus.OpenBucket[tuttiv1.Instance](ctx, s.d.Bus, subject.BucketInstances, bus.BucketOptions{TTL: pulseTTL}); err != nil {
		return nil, err
	}
	b.settings, err = bus.OpenBucket[tuttiv1.ServerSettings](ctx, s.d.Bus, subject.BucketSettings, bus.BucketOptions{})
	return &b, err
}

// watchSettings tells the radio the deployment's name and policy.
func (s *Service) watchSettings(ctx context.Context, b *bus.Bucket[tuttiv1.ServerSettings, *tuttiv1.ServerSettings], r *radio.Radio) (func(), error) {
	return b.Watch(ctx, subject.SettingsKey, func(e bus.Entry[*tuttiv1.ServerSettings]) {
		if e.Value == nil {
			return
		}
		policy := e.Value.GetPairingPolicy()
		if policy != "optional" {
			policy = "required"
		}
		// An error says that the radio ends, and this watch with it.
		_ = r.SetServer(ctx, radio.Server{Name: record.CleanName(e.Value.GetName()), Policy: policy})
	}, nil)
}

// watchGateways tells the radio which gateways run on this host. Others are
// advertised by the discovery instance beside them.
func (s *Service) watchGateways(ctx context.Context, b *instances, r *radio.Radio) (func(), error) {
	here := map[string]radio.Gateway{}
	var last []radio.Gateway
	return b.Watch(ctx, gatewayService+".*", func(e bus.Entry[*tuttiv1.Instance]) {
		if g, ok := s.gateway(e.Value); ok {
			here[e.Key] = g
		} else {
			delete(here, e.Key)
		}
		list := make([]radio.Gateway, 0, len(here))
		for _, g := range here {
			list = append(list, g)
		}
		slices.SortFunc(list, func(a, b radio.Gateway) int { return strings.Compare(a.ID, b.ID) })
		if slices.Equal(list, last) { // a heartbeat
			return
		}
		last = list
		_ = r.SetGateways(ctx, list) // an error says that the radio ends, and this watch with it
	}, nil)
}

// gateway is what the radio needs of an instance, when it is a gateway on this host that
// takes devices: one that is on its way out is not advertised.
func (s *Service) gateway(i *tuttiv1.Instance) (radio.Gateway, bool) {
	if i.GetService() != gatewayService || i.GetHost() != s.host || i.GetBootId() != houseclock.BootID() || i.GetDraining() {
		return radio.Gateway{}, false
	}
	port := i.GetSendspinPort()
	path := i.GetSendspinPath()
	if path == "" {
		path = record.DefaultPath
	}
	if port == 0 || port > 65535 || record.CheckPath(path) != nil {
		return radio.Gateway{}, false
	}
	return radio.Gateway{ID: i.GetInstanceId(), Port: int(port), Path: path}, true
}

// hostHint is a short name of this host that every DNS label allows.
func hostHint(host string) string {
	sum := sha256.Sum256([]byte(host))
	return hex.EncodeToString(sum[:3])
}

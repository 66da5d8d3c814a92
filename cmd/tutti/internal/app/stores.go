package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
)

// leastShare is how small a share of a store's bound is asked for where NATS has less room.
const leastShare = 8

// stores makes, or waits for, what JetStream keeps. With credentials, only the process with
// the pairing service may make streams; the others find them when it has started. The
// leases are made last, so that who finds them finds everything.
func (p *process) stores(ctx context.Context) error {
	if p.cfg.NATSCreds == "" {
		return nil // everybody may make what it needs
	}
	if p.role == subject.Pairing || p.role == subject.Serve {
		all := subject.Stores()
		slices.SortStableFunc(all, func(a, b subject.Store) int { return last(a) - last(b) })
		for _, s := range all {
			if err := p.makeStore(ctx, s); err != nil {
				return fmt.Errorf("make %s %s: %w", s.Kind, s.Name, err)
			}
		}
		return nil
	}
	for said := false; ; {
		ok, err := p.storesAreThere(ctx)
		if ok {
			return nil
		}
		if !said {
			said = true
			p.log.Info("waiting for the pairing service, which makes the streams and buckets and gives leases the TTL of --lease-ttl", obs.KeyErr, err)
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// storesAreThere tells whether the stores were made, and leases last as long as this
// process believes: it could not change that.
func (p *process) storesAreThere(ctx context.Context) (bool, error) {
	if _, there, err := p.bus.BucketTTL(ctx, subject.BucketLeases); err != nil || !there {
		return false, err
	}
	ttl, there, err := p.bus.BucketTTL(ctx, subject.BucketLives)
	return there && ttl == p.leaseTTL(), err
}

// last puts the leases behind everything else.
func last(s subject.Store) int {
	if s.Name == subject.BucketLeases {
		return 1
	}
	return 0
}

// makeStore makes one store, or brings it to what the table says.
func (p *process) makeStore(ctx context.Context, s subject.Store) error {
	age := s.MaxAge
	if s.LeaseAge {
		age = p.leaseTTL()
		if _, there, err := p.bus.BucketTTL(ctx, s.Name); err != nil || there {
			return err // whether it may be changed, package lease finds out
		}
	}
	if s.Kind == subject.KindBucket {
		_, err := bus.OpenBucket[emptypb.Empty](ctx, p.bus, s.Name, bus.BucketOptions{TTL: age, Memory: s.Memory, History: 1})
		return err
	}
	if s.Kind == subject.KindObjects {
		_, err := p.bus.EnsureObjects(ctx, bus.ObjectsConfig{Name: s.Name, TTL: age, MaxBytes: s.MaxBytes})
		return err
	}
	for size := s.MaxBytes; ; size /= 2 {
		err := p.bus.EnsureStream(ctx, bus.StreamConfig{Name: s.Name, Subjects: s.Subjects, Memory: s.Memory, MaxAge: age, MaxBytes: size})
		if err == nil || size <= s.MaxBytes/leastShare {
			return err
		}
	}
}

// leaseTTL is how long a lease lasts whose holder does not renew it.
func (p *process) leaseTTL() time.Duration { return cmp.Or(p.cfg.leaseTTL(), lease.DefaultTTL) }

package stream

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/group"
	"github.com/tutti-audio/tutti/services/stream/internal/placement"
)

// standsFor is the prefix of the leases that say which instances of this service are
// alive: seconds sooner than their heartbeats run out.
const standsFor = "stream."

// placer knows the instances of this service and the groups that each of them holds. It
// is behind a lock, because requests and the loops of placement ask it at any time.
type placer struct {
	s        *Service
	groups   *lease.Observer
	alive    *lease.Observer
	draining atomic.Bool

	mu    sync.Mutex
	beats map[string]*tuttiv1.Instance // by instance id
}

// place begins to watch; stop ends that.
func (s *Service) place(ctx context.Context) (p *placer, stop func(), err error) {
	p = &placer{s: s, beats: map[string]*tuttiv1.Instance{}}
	b, err := bus.OpenBucket[tuttiv1.Instance](ctx, s.d.Bus, subject.BucketInstances, bus.BucketOptions{TTL: instanceTTL})
	if err != nil {
		return nil, nil, err
	}
	if p.groups, err = s.d.Leases.Observe(group.LeaseKey("")); err != nil {
		return nil, nil, err
	}
	if p.alive, err = s.d.Leases.Observe(standsFor); err != nil {
		p.groups.Close()
		return nil, nil, err
	}
	unwatch, err := b.Watch(context.WithoutCancel(ctx), subject.InstanceKey("stream", "*"), p.beat, nil)
	if err != nil {
		p.groups.Close()
		p.alive.Close()
		return nil, nil, err
	}
	return p, func() { unwatch(); p.groups.Close(); p.alive.Close() }, nil
}

// beat takes a heartbeat, or its end.
func (p *placer) beat(e bus.Entry[*tuttiv1.Instance]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := e.Key[len(subject.InstanceKey("stream", "")):]
	if e.Value == nil {
		delete(p.beats, id)
		return
	}
	p.beats[id] = e.Value
}

// picture is every instance that can hold groups: this one, and those that live and have
// a heartbeat.
func (p *placer) picture() []placement.Instance {
	held, _ := p.groups.Held()
	count := map[string]int{}
	for _, h := range held {
		count[h.Owner]++
	}
	me := p.s.cfg.InstanceID
	out := []placement.Instance{{ID: me, Groups: count[me], Capacity: p.s.cfg.MaxGroups, Draining: p.draining.Load()}}
	living, _ := p.alive.Held()
	p.mu.Lock()
	beats := maps.Clone(p.beats)
	p.mu.Unlock()
	if b := beats[me]; b != nil {
		out[0].Busy = busy(b)
	}
	for key, h := range living {
		id := key[len(standsFor):]
		if b := beats[id]; b != nil && id != me {
			out = append(out, placement.Instance{ID: id, Groups: count[h.Owner], Capacity: int(b.GetLoad().GetCapacity()),
				Busy: busy(b), Draining: b.GetDraining()})
		}
	}
	return out
}

// lives reports whether an instance is alive.
func (p *placer) lives(id string) bool {
	if id == p.s.cfg.InstanceID {
		return true
	}
	living, _ := p.alive.Held()
	_, ok := living[standsFor+id]
	return ok
}

func busy(b *tuttiv1.Instance) float64 {
	if n := b.GetLoad().GetCpus(); n > 0 {
		return b.GetLoad().GetCpu() / float64(n)
	}
	return 0
}

// placeTries is how many instances are asked to hold a group before it fails.
const placeTries = 3

// activated has a group started by the instance that suits it best, unless it runs
// somewhere.
func (s *Service) activated(ctx context.Context, r *tuttiv1.GroupRequest) (*tuttiv1.Empty, error) {
	if err := checkID(r.GetGroupId()); err != nil {
		return nil, err
	}
	if held, _ := s.placer.groups.Held(); held[group.LeaseKey(r.GetGroupId())].Owner != "" {
		return &tuttiv1.Empty{}, nil
	}
	can, err := placement.Choose(r.GetGroupId(), s.placer.picture())
	if err != nil {
		return nil, err
	}
	for _, i := range can[:min(len(can), placeTries)] {
		if err = s.activateAt(ctx, i.ID, r); err == nil || fault.CodeOf(err) == fault.NotFound || ctx.Err() != nil {
			break
		}
	}
	return &tuttiv1.Empty{}, err
}

// activateAt has an instance hold a group.
func (s *Service) activateAt(ctx context.Context, id string, r *tuttiv1.GroupRequest) error {
	if id == s.cfg.InstanceID {
		_, err := s.activatedHere(ctx, r)
		return err
	}
	return s.d.Bus.Request(ctx, subject.StreamActivateAt(id), r, &tuttiv1.Empty{})
}

// activatedHere starts a group in this instance unless it runs somewhere.
func (s *Service) activatedHere(ctx context.Context, r *tuttiv1.GroupRequest) (*tuttiv1.Empty, error) {
	if err := checkID(r.GetGroupId()); err != nil {
		return nil, err
	}
	if s.placer.draining.Load() {
		return nil, fault.New(fault.Unavailable, "instance %s is on its way out and takes no group", s.cfg.InstanceID)
	}
	return &tuttiv1.Empty{}, s.reg.Activate(ctx, r.GetGroupId())
}

// Standing by: how long an instance waits for those that a group prefers, and for the one
// that a group is being handed to.
const (
	standbyStep  = 300 * time.Millisecond
	standbyGrace = 700 * time.Millisecond
	standbyLimit = 8 * time.Second
	// standbyMost bounds the groups that an instance takes over at once: each opens files.
	standbyMost = 4
)

// standBy takes over groups whose holder is gone, the moment their lease ends. All
// instances do it, each for those that placement gives it, and the others a moment later,
// so nobody waits for one that is busy and no two come at once.
func (s *Service) standBy(ctx context.Context, groups *groupBucket) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, standbyMost)
	before := map[string]lease.Holding{}
	for {
		select {
		case <-s.placer.groups.Changed():
		case <-ctx.Done():
			return
		}
		held, known := s.placer.groups.Held()
		if !known {
			continue
		}
		for key, h := range before {
			if held[key].Owner != "" {
				continue
			}
			id := key[len(group.LeaseKey("")):]
			rank := placement.Rank(id, s.cfg.InstanceID, s.placer.picture())
			if rank < 0 {
				continue
			}
			wait := time.Duration(rank) * standbyStep
			if s.placer.lives(h.Owner) { // it gave the group away, or ends in order: the next one is called
				wait += standbyGrace
			}
			wg.Go(func() { s.takeOver(ctx, groups, id, wait, slots) })
		}
		before = held
	}
}

// takeOver holds a group after wait, if nobody else does by then.
func (s *Service) takeOver(ctx context.Context, groups *groupBucket, id string, wait time.Duration, slots chan struct{}) {
	if wait > 0 {
		select {
		case <-s.d.Clock.After(wait):
		case <-ctx.Done():
			return
		}
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(ctx, standbyLimit)
	defer cancel()
	if held, _ := s.placer.groups.Held(); held[group.LeaseKey(id)].Owner != "" || s.placer.draining.Load() {
		return
	}
	if _, _, err := groups.Get(ctx, id); err != nil {
		return // deleted; where it is the bus that is away, the director's sweep comes back to it
	}
	if err := s.reg.Activate(ctx, id); err != nil && ctx.Err() == nil {
		s.d.Log.Warn("group is not taken over yet", obs.KeyGroup, id, obs.KeyErr, err)
	}
}

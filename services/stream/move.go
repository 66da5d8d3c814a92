package stream

import (
	"context"
	"sync"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/group"
	"github.com/tutti-audio/tutti/services/stream/internal/placement"
)

// Rebalancing: an instance that holds more than its share for settleLooks looks on end
// gives one group away with each look, and so no more than one a second.
const (
	lookEverySecond = time.Second
	settleLooks     = 5
	moveTimeout     = 8 * time.Second
	// drainAtOnce is how many groups are handed over at a time when the instance ends.
	drainAtOnce = 4
)

// balance gives groups away while this instance holds more than its share. What captures
// live stays: to move it would be heard.
func (s *Service) balance(ctx context.Context) {
	t := s.d.Clock.NewTicker(lookEverySecond)
	defer t.Stop()
	looks := 0
	for {
		select {
		case <-t.Chan():
		case <-ctx.Done():
			return
		}
		n, to := placement.Excess(s.cfg.InstanceID, s.placer.picture())
		if n == 0 || s.placer.draining.Load() {
			looks = 0
			continue
		}
		if looks++; looks < settleLooks {
			continue
		}
		for _, mood := range []group.Mood{group.Idle, group.Buffered} {
			if ids := s.reg.Held(mood); len(ids) > 0 {
				s.d.Log.Info("group moves to where there is more room", obs.KeyGroup, ids[0], "to", to, "more", n-1)
				if err := s.handOver(ctx, ids[0], to); err != nil && ctx.Err() == nil {
					s.d.Log.Warn("group was not handed over; any instance takes it", obs.KeyGroup, ids[0], obs.KeyErr, err)
				}
				break
			}
		}
	}
}

// handOver ends a group here, in order, and has another instance go on: from the record,
// and from the end of the tape, which lies ahead of what is heard.
func (s *Service) handOver(ctx context.Context, id, to string) error {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	if err := s.reg.HandOver(ctx, id); err != nil {
		return err
	}
	err := s.activateAt(ctx, to, &tuttiv1.GroupRequest{GroupId: id, Actor: s.cfg.InstanceID})
	if err != nil && fault.CodeOf(err) != fault.NotFound { // NotFound: it was deleted meanwhile
		return s.activate(ctx, id)
	}
	return nil
}

// Drain gets this instance ready to end: nothing new is placed on it, its groups are handed
// over, those that can be moved without being heard first, and so are the director's and
// the scheduler's offices. It returns when that is done or ctx ends; call it while Run
// runs, before Run's context ends. What cannot be handed over, because no other instance
// takes it, plays on until Run ends, and after that from its tape until an instance is
// there. Before Run is ready it does nothing.
func (s *Service) Drain(ctx context.Context) error {
	if s.Ready() != nil {
		return nil
	}
	s.placer.draining.Store(true)
	s.d.Log.Info("instance drains")
	for range 2 { // the others must know before the first group comes back: the second is taken when the first is written
		select {
		case s.beatNow <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.leaveOffice()
	for _, mood := range []group.Mood{group.Idle, group.Buffered, group.Live} {
		s.drain(ctx, s.reg.Held(mood))
	}
	left := len(s.reg.Held(group.Idle)) + len(s.reg.Held(group.Buffered)) + len(s.reg.Held(group.Live))
	s.d.Log.Info("instance has drained", "groups_left", left)
	return ctx.Err()
}

// drain hands groups over, some at a time.
func (s *Service) drain(ctx context.Context, ids []string) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, drainAtOnce)
	for _, id := range ids {
		can, err := placement.Choose(id, s.placer.picture())
		if err != nil {
			s.d.Log.Warn("group stays until the end", obs.KeyGroup, id, obs.KeyErr, err)
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.handOver(ctx, id, can[0].ID); err != nil {
				s.d.Log.Warn("group was not handed over; any instance takes it", obs.KeyGroup, id, obs.KeyErr, err)
			}
		})
	}
}

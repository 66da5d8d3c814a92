package stream

import (
	"context"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/group"
)

// Asking a group: within the 5 s that the operator's API promises.
const (
	askTimeout = 4500 * time.Millisecond
	askRetry   = 50 * time.Millisecond
)

// ask sends a command to a group's actor; when none answers, it has one started. When the
// group's holder goes while the command is with it, the command is sent again to the next
// one, under the same id, and is carried out once.
func (s *Service) ask(ctx context.Context, c *tuttiv1.GroupCommand) (*tuttiv1.Group, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if c.GetCommandId() == "" {
		c.CommandId = bus.NewTraceID()
	}
	for {
		reply := &tuttiv1.GroupReply{}
		moved, err := s.try(ctx, c, reply)
		if err == nil {
			return reply.GetGroup(), nil
		}
		if fault.CodeOf(err) != fault.Unavailable && !moved || ctx.Err() != nil {
			return nil, err
		}
		if aerr := s.activate(ctx, c.GetGroupId()); aerr != nil && fault.CodeOf(aerr) != fault.Unavailable {
			return nil, aerr
		}
		select {
		case <-ctx.Done():
			return nil, fault.New(fault.Unavailable, "group %s does not answer: the instance that holds it may have died; try again in some seconds", c.GetGroupId())
		case <-s.d.Clock.After(askRetry):
		}
	}
}

// try sends a command once. It gives up, with moved, when the group's lease ends before the
// answer is there.
func (s *Service) try(ctx context.Context, c *tuttiv1.GroupCommand, reply *tuttiv1.GroupReply) (moved bool, err error) {
	key := group.LeaseKey(c.GetGroupId())
	o, err := s.d.Leases.Observe(key)
	if err != nil {
		return false, err
	}
	defer o.Close()
	ctx, cancel := context.WithCancel(ctx)
	held, _ := o.Held()
	gone := make(chan bool, 1)
	go func(before lease.Holding) {
		defer close(gone)
		for {
			select {
			case <-o.Changed():
				if held, _ := o.Held(); before != (lease.Holding{}) && held[key] != before {
					gone <- true
					cancel()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}(held[key])
	err = s.d.Bus.Request(ctx, subject.Group(c.GetGroupId()), c, reply)
	cancel()
	return <-gone, err
}

// activate has a group started by the instance that suits it best.
func (s *Service) activate(ctx context.Context, id string) error {
	return s.d.Bus.RequestHedged(ctx, subject.StreamActivate, &tuttiv1.GroupRequest{GroupId: id, Actor: s.cfg.InstanceID}, &tuttiv1.Empty{})
}

// orders is ask for a director or scheduler: what it says carries the fence of its lease.
func (s *Service) orders(fence uint64) func(ctx context.Context, c *tuttiv1.GroupCommand) (*tuttiv1.Group, error) {
	return func(ctx context.Context, c *tuttiv1.GroupCommand) (*tuttiv1.Group, error) {
		c.Fence = fence
		return s.ask(ctx, c)
	}
}

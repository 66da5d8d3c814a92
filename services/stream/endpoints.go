package stream

import (
	"context"
	"os"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/platform/vitals"
	"github.com/tutti-audio/tutti/proto/instance"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/library"
)

// The instance's record: alive for instanceTTL, renewed every heartbeat.
const (
	instanceTTL = 15 * time.Second
	heartbeat   = 5 * time.Second
)

// serve adds what every instance answers.
func (s *Service) serve() (*bus.Service, error) {
	b, err := s.d.Bus.NewService("stream", s.cfg.Version, s.cfg.InstanceID)
	if err != nil {
		return nil, err
	}
	for _, add := range []func() error{
		func() error { return bus.Handle(b, subject.StreamCommand, s.command) },
		func() error { return bus.Handle(b, subject.StreamActivate, s.activated) },
		func() error {
			return bus.Handle(b, subject.StreamActivateAt(s.cfg.InstanceID), s.activatedHere)
		},
		func() error { return bus.Handle(b, subject.StreamLibrary, s.list) },
		func() error { return bus.Handle(b, subject.StreamSearch, s.search) },
		func() error { return bus.Handle(b, subject.StreamLibraryStatus, s.libraryStatus) },
		func() error { return bus.Handle(b, subject.StreamClock, s.clock) },
		func() error { return bus.Handle(b, subject.Artwork(s.cfg.InstanceID), s.artwork) },
		func() error { return bus.Handle(b, subject.StreamLibraryArt, s.libraryArtwork) },
		func() error { return bus.Handle(b, subject.StreamTune, s.tuning.Tune) },
	} {
		if err := add(); err != nil {
			s.stopServing(b)
			return nil, err
		}
	}
	return b, nil
}

// command passes a command on to the group's actor.
func (s *Service) command(ctx context.Context, c *tuttiv1.GroupCommand) (*tuttiv1.GroupReply, error) {
	if c.GetMembership() != nil {
		return nil, fault.New(fault.Forbidden, "membership is the director's: use add_member and remove_member")
	}
	if c.GetSchedule() != nil {
		return nil, fault.New(fault.Forbidden, "what a schedule orders is the scheduler's: change the schedule")
	}
	if err := checkID(c.GetGroupId()); err != nil {
		return nil, err
	}
	// Here, where a slow server holds up nobody else. The group takes one command after
	// the other, so it trusts what was found out and learns of the tags when it plays.
	if err := s.resolve(ctx, c); err != nil {
		return nil, err
	}
	g, err := s.ask(ctx, c)
	if err != nil {
		return nil, err
	}
	return &tuttiv1.GroupReply{Group: g}, nil
}

// resolve looks at the addresses and playlists that a command names.
func (s *Service) resolve(ctx context.Context, c *tuttiv1.GroupCommand) (err error) {
	p := c.GetPlay()
	if o := c.GetSchedule(); o != nil {
		p = o.GetPlay()
	}
	if p != nil {
		p.Items = nil
		if library.Foreign(p.GetUri()) {
			p.Items, err = s.lib.Expand(ctx, p.GetUri())
		}
		return err
	}
	e := c.GetEnqueue()
	if e == nil {
		return nil
	}
	e.Items = nil
	if !slices.ContainsFunc(e.GetUris(), library.Foreign) {
		return nil
	}
	for _, uri := range e.GetUris() {
		items := []*tuttiv1.QueueItem{{Uri: uri}}
		if library.Foreign(uri) {
			if items, err = s.lib.Expand(ctx, uri); err != nil {
				return err
			}
		}
		e.Items = append(e.Items, items...)
	}
	return nil
}

// checkID refuses ids that no group can have: they become subjects and keys.
func checkID(id string) error {
	ok := id != "" && len(id) <= 64
	for _, c := range id {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}
	if !ok {
		return fault.New(fault.NotFound, "there is no group %q", id)
	}
	return nil
}

func (s *Service) list(ctx context.Context, r *tuttiv1.LibraryRequest) (*tuttiv1.LibraryResponse, error) {
	return s.lib.List(ctx, r.GetPath())
}

func (s *Service) search(_ context.Context, r *tuttiv1.SearchRequest) (*tuttiv1.LibraryResponse, error) {
	return s.lib.Search(r.GetQuery(), int(r.GetLimit()))
}

func (s *Service) libraryStatus(_ context.Context, r *tuttiv1.LibraryStatusRequest) (*tuttiv1.LibraryStatus, error) {
	return s.lib.Status(r.GetRescan()), nil
}

func (s *Service) clock(context.Context, *tuttiv1.ClockRequest) (*tuttiv1.ClockResponse, error) {
	i := s.d.House.Info()
	return &tuttiv1.ClockResponse{NowUs: s.d.House.NowMicros(), Leader: i.Leader, UncertaintyUs: i.UncertaintyUS}, nil
}

// pulse keeps this instance's record alive until ctx ends.
func (s *Service) pulse(ctx context.Context) {
	key := subject.InstanceKey("stream", s.cfg.InstanceID)
	host, _ := os.Hostname() // a nicety for the operator; empty when it is not known
	me := &tuttiv1.Instance{Service: "stream", InstanceId: s.cfg.InstanceID, Version: s.cfg.Version,
		StartedAt: timestamppb.New(s.d.Clock.Now()), Host: host, BootId: houseclock.BootID()}
	b, err := retry(ctx, s, "open the bucket of instances", func(ctx context.Context) (*bus.Bucket[tuttiv1.Instance, *tuttiv1.Instance], error) {
		return bus.OpenBucket[tuttiv1.Instance](ctx, s.d.Bus, subject.BucketInstances, bus.BucketOptions{TTL: instanceTTL})
	})
	if err != nil {
		return
	}
	meter := vitals.New()
	t := s.d.Clock.NewTicker(heartbeat)
	defer t.Stop()
	for {
		me.Load = load(meter)
		me.Load.Groups, me.Load.Capacity = proto.Uint32(uint32(s.reg.Count())), uint32(s.cfg.MaxGroups)
		me.Draining, me.Readiness = s.placer.draining.Load(), instance.Readiness(s.Ready())
		if _, err := b.Put(ctx, key, me); err != nil && ctx.Err() == nil {
			s.d.Log.Warn("instance record not renewed", obs.KeyErr, err)
		}
		select {
		case <-ctx.Done():
			bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = b.Delete(bye, key) // the TTL does it otherwise
			return
		case <-t.Chan():
		case <-s.beatNow:
		}
	}
}

// load is what the heartbeat says of this process.
func load(m *vitals.Meter) *tuttiv1.InstanceLoad {
	l := m.Read()
	return &tuttiv1.InstanceLoad{Cpu: l.CPU, Cpus: uint32(l.CPUs), MemoryBytes: l.Memory, Goroutines: uint32(l.Goroutines), Pid: uint32(l.PID)}
}

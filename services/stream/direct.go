package stream

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/director"
	"github.com/tutti-audio/tutti/services/stream/internal/group"
)

// sweepEvery is how often the director looks for groups that nobody holds.
const sweepEvery = time.Second

// tendTimeout bounds one look of the director at its clients.
const tendTimeout = 10 * time.Second

// directorMessage is what the director's actor takes.
type directorMessage interface{ directorMessage() }

type (
	clientNews  struct{}                     // some clients changed: see notes
	personaNews struct{ p *tuttiv1.Persona } // pairing wrote a persona
	groupNews   struct{ g *tuttiv1.Group }   // a group's actor wrote its record
	directorDo  struct {
		do func(ctx context.Context, d *director.Director)
	} // a request
)

func (clientNews) directorMessage()  {}
func (personaNews) directorMessage() {}
func (groupNews) directorMessage()   {}
func (directorDo) directorMessage()  {}

// notes are the ids of clients that changed. The hub must never wait for the director,
// who may be waiting for a group, so changes are kept here and merged.
type notes struct {
	mu   sync.Mutex
	ids  map[string]bool
	wake chan struct{}
}

func (n *notes) add(id string) {
	n.mu.Lock()
	n.ids[id] = true
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *notes) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]string, 0, len(n.ids))
	for id := range n.ids {
		out = append(out, id)
	}
	clear(n.ids)
	return out
}

// directorActor is the director with what it needs of the bus.
type directorActor struct {
	s      *Service
	self   *actor.Ref[directorMessage]
	groups *groupBucket
	fence  uint64 // of the director's lease: goes with its orders
	d      *director.Director
	notes  *notes
	stops  []func()
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// direct is the director's office: it lasts as long as this instance holds the lease.
func (s *Service) direct(ctx context.Context, groups *groupBucket, fence uint64) {
	s.d.Log.Info("this instance is the director")
	defer s.d.Log.Info("this instance is no longer the director")
	sup := actor.NewSupervisor(ctx, actor.SupervisorOptions{Name: "director", Log: s.d.Log, Clock: s.d.Clock, Metrics: s.actors.director})
	defer sup.Stop()
	ref, err := actor.Spawn(sup, actor.Options{Key: "director"}, func(self *actor.Ref[directorMessage]) actor.Handler[directorMessage] {
		return &directorActor{s: s, self: self, groups: groups, fence: fence, notes: &notes{ids: map[string]bool{}, wake: make(chan struct{}, 1)}}
	})
	if err != nil {
		return
	}
	endpoints, err := s.serveDirector(ref)
	if err != nil {
		s.d.Log.Error("director cannot be reached", obs.KeyErr, err)
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.sweep(ctx, ref) })
	wg.Go(func() { s.autoStart(ctx) })
	<-ctx.Done()
	wg.Wait()
	ref.Stop()
	s.stopServing(endpoints)
}

// Start loads the groups and gives every client one.
func (a *directorActor) Start(ctx context.Context) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.cancel = cancel
	var initial []*tuttiv1.Group
	stop, err := a.groups.Follow(base, ctx, ">", func(e bus.Entry[*tuttiv1.Group]) {
		switch {
		case e.Value == nil:
		case e.Initial:
			initial = append(initial, e.Value)
		default:
			_ = a.self.Send(base, groupNews{e.Value}) // fails only at the end
		}
	})
	if err != nil {
		return err
	}
	a.stops = append(a.stops, stop)
	seats, done, err := a.s.seats(ctx)
	if err != nil {
		return err
	}
	a.d = director.New(director.Deps{Groups: a.groups, Seats: seats, Tuning: a.s.tuning, Clients: a.s.hub, Ask: a.s.orders(a.fence), Activate: a.s.activate, NewID: newGroupID, Log: a.s.d.Log}, initial)
	a.s.hub.WatchAll("director", a.notes.add)
	a.wg.Go(func() {
		for {
			select {
			case <-a.notes.wake:
				_ = a.self.Send(base, clientNews{}) // fails only at the end
			case <-base.Done():
				return
			}
		}
	})
	a.d.Seated(done)
	a.d.Begin(ctx)
	stop, err = a.watchPersonas(base)
	if err != nil {
		return err
	}
	a.stops = append(a.stops, stop)
	return nil
}

// Close ends what Start began.
func (a *directorActor) Close(context.Context) {
	a.s.hub.Forget("director")
	if a.cancel != nil {
		a.cancel()
	}
	for _, stop := range a.stops {
		stop()
	}
	a.wg.Wait()
}

// Handle works on one message.
func (a *directorActor) Handle(ctx context.Context, m directorMessage) error {
	switch m := m.(type) {
	case clientNews:
		for _, id := range a.notes.take() {
			a.d.Presence(ctx, id)
		}
	case groupNews:
		a.d.Record(m.g)
	case personaNews:
		a.d.Persona(ctx, m.p)
	case directorDo:
		m.do(ctx, a.d)
	}
	return nil
}

// outcome is the answer to a request.
type outcome[R any] struct {
	value R
	err   error
}

// order has the director do something and waits for it.
func order[R any](ctx context.Context, ref *actor.Ref[directorMessage], f func(ctx context.Context, d *director.Director) (R, error)) (R, error) {
	out, err := actor.Ask(ctx, ref, func(reply chan<- outcome[R]) directorMessage {
		return directorDo{func(actorCtx context.Context, d *director.Director) {
			// The request's deadline, and the end of the actor.
			both, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(actorCtx, cancel)()
			v, err := f(both, d)
			reply <- outcome[R]{v, err}
		}}
	})
	if errors.Is(err, actor.ErrStopped) {
		err = fault.New(fault.Unavailable, "the director is moving to another instance: try again")
	}
	if err != nil {
		var none R
		return none, err
	}
	return out.value, out.err
}

// serveDirector adds what only the director answers. While there is none, requests
// fail as Unavailable, for at most a lease's time.
func (s *Service) serveDirector(ref *actor.Ref[directorMessage]) (*bus.Service, error) {
	b, err := s.d.Bus.NewService("stream-director", s.cfg.Version, s.cfg.InstanceID)
	if err != nil {
		return nil, err
	}
	for _, add := range []func() error{
		func() error {
			return bus.Handle(b, subject.StreamCreateGroup, func(ctx context.Context, r *tuttiv1.CreateGroupRequest) (*tuttiv1.GroupReply, error) {
				return order(ctx, ref, func(ctx context.Context, d *director.Director) (*tuttiv1.GroupReply, error) {
					return d.CreateGroup(ctx, r)
				})
			})
		},
		func() error {
			return bus.Handle(b, subject.StreamDeleteGroup, func(ctx context.Context, r *tuttiv1.GroupRequest) (*tuttiv1.Empty, error) {
				return order(ctx, ref, func(ctx context.Context, d *director.Director) (*tuttiv1.Empty, error) { return d.DeleteGroup(ctx, r) })
			})
		},
		func() error {
			return bus.Handle(b, subject.StreamAddMember, func(ctx context.Context, r *tuttiv1.GroupMemberRequest) (*tuttiv1.GroupReply, error) {
				return order(ctx, ref, func(ctx context.Context, d *director.Director) (*tuttiv1.GroupReply, error) {
					return d.AddMember(ctx, r)
				})
			})
		},
		func() error {
			return bus.Handle(b, subject.StreamRemoveMember, func(ctx context.Context, r *tuttiv1.GroupMemberRequest) (*tuttiv1.GroupReply, error) {
				return order(ctx, ref, func(ctx context.Context, d *director.Director) (*tuttiv1.GroupReply, error) {
					return d.RemoveMember(ctx, r)
				})
			})
		},
		func() error {
			return bus.Handle(b, subject.StreamForgetClient, func(ctx context.Context, r *tuttiv1.ForgetClientRequest) (*tuttiv1.Empty, error) {
				if err := s.tuning.Forget(ctx, r.GetClientId()); err != nil {
					return nil, err
				}
				return order(ctx, ref, func(ctx context.Context, d *director.Director) (*tuttiv1.Empty, error) { return d.ForgetClient(ctx, r) })
			})
		},
		func() error {
			return bus.Handle(b, subject.StreamClientCommand, func(ctx context.Context, c *tuttiv1.ClientCommand) (*tuttiv1.Empty, error) {
				return &tuttiv1.Empty{}, s.clientCommand(ctx, ref, c)
			})
		},
	} {
		if err := add(); err != nil {
			s.stopServing(b)
			return nil, err
		}
	}
	return b, nil
}

// sweep starts groups that nobody holds: new ones whose start failed, and those of
// instances that died.
func (s *Service) sweep(ctx context.Context, ref *actor.Ref[directorMessage]) {
	t := s.d.Clock.NewTicker(sweepEvery)
	defer t.Stop()
	for ctx.Err() == nil {
		tend, cancel := context.WithTimeout(ctx, tendTimeout)
		ids, err := order(tend, ref, func(ctx context.Context, d *director.Director) ([]string, error) {
			d.Tend(ctx)
			return d.IDs(), nil
		})
		cancel()
		if err != nil && ctx.Err() == nil {
			s.d.Log.Warn("director is busy", obs.KeyErr, err)
		}
		held, known := s.placer.groups.Held()
		for _, id := range ids {
			if held[group.LeaseKey(id)].Owner != "" || !known {
				continue
			}
			if err := s.activate(ctx, id); err != nil && ctx.Err() == nil {
				s.d.Log.Warn("group is not running yet", obs.KeyGroup, id, obs.KeyErr, err)
			}
		}
		select {
		case <-t.Chan():
		case <-ctx.Done():
		}
	}
}

// newGroupID is short, random, and a valid subject token.
func newGroupID() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

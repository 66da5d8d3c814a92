package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/schedule"
)

// lookEvery is how often the scheduler looks at its groups although no daypart begins or
// ends: the wall clock may have been set.
const lookEvery = 30 * time.Second

// schedulerMessage is what the scheduler's actor takes.
type schedulerMessage interface{ schedulerMessage() }

type (
	scheduleNews struct {
		id  string
		s   *tuttiv1.Schedule // nil: deleted
		rev uint64
	}
	holidayNews struct {
		h   *tuttiv1.Holidays
		rev uint64
	}
	zoneNews struct { // a group's actor wrote its record
		id string
		g  *tuttiv1.Group // nil: deleted
	}
	zoneRested   struct{ id string } // a group that did not answer may be asked again
	scheduleTick struct{ gen int }
	scheduleDo   struct { // a request
		do func(ctx context.Context, a *scheduler)
	}
)

func (scheduleNews) schedulerMessage() {}
func (holidayNews) schedulerMessage()  {}
func (zoneNews) schedulerMessage()     {}
func (ordered) schedulerMessage()      {}
func (zoneRested) schedulerMessage()   {}
func (scheduleTick) schedulerMessage() {}
func (scheduleDo) schedulerMessage()   {}

// scheduler is the actor that has the groups do what their schedules say. It never waits
// for a group: orders are sent beside it, one at a time for each group.
type scheduler struct {
	s      *Service
	self   *actor.Ref[schedulerMessage]
	groups *groupBucket
	fence  uint64 // of the scheduler's lease: goes with its orders
	book   *schedule.Book

	known map[string]*tuttiv1.Group // by id, as last written
	zones map[string]*zone          // what is under way, by group id
	homes map[string]string         // the home zone of each client that has one
	gen   int                       // of the armed timer
	stop  func()                    // of the timer

	base   context.Context // of this life
	cancel context.CancelFunc
	stops  []func()
	wg     sync.WaitGroup
}

// schedule is the scheduler's office: it lasts as long as this instance holds the lease.
func (s *Service) schedule(ctx context.Context, groups *groupBucket, fence uint64) {
	s.d.Log.Info("this instance is the scheduler")
	defer s.d.Log.Info("this instance is no longer the scheduler")
	sup := actor.NewSupervisor(ctx, actor.SupervisorOptions{Name: "scheduler", Log: s.d.Log, Clock: s.d.Clock, Metrics: s.actors.scheduler})
	defer sup.Stop()
	ref, err := actor.Spawn(sup, actor.Options{Key: "scheduler", Size: 256, Full: actor.Block}, func(self *actor.Ref[schedulerMessage]) actor.Handler[schedulerMessage] {
		return &scheduler{s: s, self: self, groups: groups, fence: fence, known: map[string]*tuttiv1.Group{}, zones: map[string]*zone{}, homes: map[string]string{}, stop: func() {}}
	})
	if err != nil {
		return
	}
	endpoints, err := s.serveScheduler(ref)
	if err != nil {
		s.d.Log.Error("scheduler cannot be reached", obs.KeyErr, err)
		return
	}
	<-ctx.Done()
	ref.Stop()
	s.stopServing(endpoints)
}

// serveScheduler adds what only the scheduler answers.
func (s *Service) serveScheduler(ref *actor.Ref[schedulerMessage]) (*bus.Service, error) {
	b, err := s.d.Bus.NewService("stream-scheduler", s.cfg.Version, s.cfg.InstanceID)
	if err != nil {
		return nil, err
	}
	err = bus.Handle(b, subject.StreamSchedule, func(ctx context.Context, r *tuttiv1.ScheduleRequest) (*tuttiv1.ScheduleReply, error) {
		out, err := actor.Ask(ctx, ref, func(reply chan<- outcome[*tuttiv1.ScheduleReply]) schedulerMessage {
			return scheduleDo{func(actorCtx context.Context, a *scheduler) {
				both, cancel := context.WithCancel(ctx) // the request's deadline, and the end of the actor
				defer cancel()
				defer context.AfterFunc(actorCtx, cancel)()
				v, err := a.request(both, r)
				reply <- outcome[*tuttiv1.ScheduleReply]{v, err}
			}}
		})
		if errors.Is(err, actor.ErrStopped) {
			err = fault.New(fault.Unavailable, "the scheduler is moving to another instance: try again")
		}
		if err != nil {
			return nil, err
		}
		return out.value, out.err
	})
	if err != nil {
		s.stopServing(b)
		return nil, err
	}
	return b, nil
}

// Start reads what there is, and only then orders anything.
func (a *scheduler) Start(ctx context.Context) error {
	a.base, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	schedules, err := bus.OpenBucket[tuttiv1.Schedule](ctx, a.s.d.Bus, subject.BucketSchedules, bus.BucketOptions{History: 1})
	if err != nil {
		return err
	}
	days, err := bus.OpenBucket[tuttiv1.Holidays](ctx, a.s.d.Bus, subject.BucketHolidays, bus.BucketOptions{History: 1})
	if err != nil {
		return err
	}
	a.book = &schedule.Book{Schedules: schedules, Days: days, NewID: newGroupID, Now: a.s.d.Wall.Now,
		Group: func(id string) *tuttiv1.Group { return a.known[id] }}
	// What was there before comes first, on this goroutine; what changes comes by message.
	err = errors.Join(
		watchFrom(ctx, a, days, func(e bus.Entry[*tuttiv1.Holidays]) schedulerMessage { return holidayNews{e.Value, e.Rev} }),
		watchFrom(ctx, a, a.groups, func(e bus.Entry[*tuttiv1.Group]) schedulerMessage { return zoneNews{e.Key, e.Value} }),
		watchFrom(ctx, a, schedules, func(e bus.Entry[*tuttiv1.Schedule]) schedulerMessage { return scheduleNews{e.Key, e.Value, e.Rev} }),
	)
	if err != nil {
		return err
	}
	for _, id := range a.book.Groups() {
		if a.known[id] == nil { // deleted while there was no scheduler
			a.forget(ctx, id)
		}
	}
	a.lookAtAll()
	return nil
}

// watchFrom watches a bucket; it returns when what is there was taken.
func watchFrom[T any, PT interface {
	*T
	proto.Message
}](ctx context.Context, a *scheduler, b *bus.Bucket[T, PT], news func(bus.Entry[PT]) schedulerMessage) error {
	var first []schedulerMessage
	stop, err := b.Follow(a.base, ctx, ">", func(e bus.Entry[PT]) {
		if e.Initial {
			first = append(first, news(e))
			return
		}
		_ = a.self.Send(a.base, news(e)) // fails only at the end
	})
	if err != nil {
		return err
	}
	a.stops = append(a.stops, stop)
	for _, m := range first {
		a.take(m)
	}
	return nil
}

// Close ends what Start began.
func (a *scheduler) Close(context.Context) {
	a.stop()
	if a.cancel != nil {
		a.cancel()
	}
	for _, stop := range a.stops {
		stop()
	}
	a.wg.Wait()
}

// Handle works on one message.
func (a *scheduler) Handle(ctx context.Context, m schedulerMessage) error {
	switch m := m.(type) {
	case scheduleTick:
		if m.gen == a.gen {
			a.lookAtAll()
		}
		return nil
	case scheduleDo:
		m.do(ctx, a)
	case ordered:
		a.ordered(m)
	case zoneRested:
		if z := a.zones[m.id]; z != nil {
			z.wait = false
			a.look(m.id)
		}
	default:
		for _, id := range a.take(m) {
			a.look(id)
		}
		if z, ok := m.(zoneNews); ok && z.g == nil {
			a.forget(ctx, z.id)
		}
	}
	a.arm()
	return nil
}

// take notes what a bucket said, and returns the groups that it matters to.
func (a *scheduler) take(m schedulerMessage) []string {
	switch m := m.(type) {
	case scheduleNews:
		groups, err := a.book.Load(m.id, m.s, m.rev)
		if err != nil {
			a.s.d.Log.Error("schedule cannot be used", obs.KeyErr, err)
		}
		return a.abroad(groups)
	case holidayNews:
		a.book.LoadHolidays(m.h, m.rev)
		return a.abroad(a.book.Groups())
	case zoneNews:
		if m.g == nil {
			have := a.known[m.id]
			delete(a.known, m.id)
			delete(a.zones, m.id)
			return a.settle(have, nil)
		}
		groups, ok := a.learn(m.g)
		if !ok {
			return nil
		}
		return append(groups, m.id)
	}
	return nil
}

// forget removes the schedule of a group that is gone.
func (a *scheduler) forget(ctx context.Context, group string) {
	p := a.book.Of(group)
	if p == nil {
		return
	}
	if err := a.book.Forget(ctx, group); err != nil {
		a.s.d.Log.Warn("schedule of a deleted group stays", obs.KeyGroup, group, obs.KeyErr, err)
		return
	}
	a.s.d.Log.Info("schedule deleted with its group", obs.KeyGroup, group, "schedule", p.Schedule().GetScheduleId())
}

// request carries out what an operator asks.
func (a *scheduler) request(ctx context.Context, r *tuttiv1.ScheduleRequest) (*tuttiv1.ScheduleReply, error) {
	out := &tuttiv1.ScheduleReply{}
	var err error
	switch k := r.GetRequest().(type) {
	case *tuttiv1.ScheduleRequest_Put:
		out.Schedule, err = a.book.Put(ctx, k.Put)
	case *tuttiv1.ScheduleRequest_Delete:
		err = a.book.Delete(ctx, k.Delete)
	case *tuttiv1.ScheduleRequest_Skip:
		out.Schedule, err = a.book.Skip(ctx, k.Skip)
	case *tuttiv1.ScheduleRequest_Holidays:
		out.Holidays, err = a.book.SetHolidays(ctx, k.Holidays)
	case *tuttiv1.ScheduleRequest_Preview:
		out.Events, err = a.book.Preview(k.Preview)
		return out, err
	default:
		err = fault.New(fault.Invalid, "schedule request holds nothing that this version knows")
	}
	if err != nil {
		return nil, err
	}
	a.lookAtAll()
	return out, nil
}

// lookAtAll looks at every group.
func (a *scheduler) lookAtAll() {
	for id := range a.known {
		a.look(id)
	}
	a.arm()
}

// arm sets the timer to the next moment at which something is due.
func (a *scheduler) arm() {
	for set := true; set; {
		now := a.s.d.Wall.Now().Round(0)
		wait := lookEvery
		for _, z := range a.zones {
			if !z.due.IsZero() && !z.busy && !z.wait { // those are looked at when that is over
				wait = min(wait, max(z.due.Sub(now), 0))
			}
		}
		a.stop()
		a.gen++
		a.stop = actor.After[schedulerMessage](a.self, a.s.d.Wall, wait, scheduleTick{a.gen})
		// A wall clock that was set meanwhile may have passed what the timer waits for.
		passed := a.s.d.Wall.Now().Round(0).Sub(now)
		set = passed >= lookEvery || passed < 0
	}
}

// Package schedule keeps the schedules of the zones and says what each of them asks of
// its group. There is one scheduler in the deployment (lease "scheduler"); it alone writes
// the buckets "schedules" and "holidays".
//
// A schedule says what is to be done at a moment, and not what was done: what a group was
// told last it keeps itself, in its record (GroupSchedule.mark), together with what a
// person has changed since. So a scheduler that starts late, twice, or after a crash
// compares the two and orders what is missing (order.go).
package schedule

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/calendar"
)

// MaxSchedules bounds how many schedules a deployment keeps.
const MaxSchedules = 500

// MaxPreview is the longest range of a preview.
const MaxPreview = 62 * 24 * time.Hour

// Schedules is where schedules are kept, by id. bus.Bucket is one.
type Schedules interface {
	Put(ctx context.Context, key string, s *tuttiv1.Schedule) (uint64, error)
	Delete(ctx context.Context, key string) error
}

// Holidays is where the holidays are kept. bus.Bucket is one.
type Holidays interface {
	Put(ctx context.Context, key string, h *tuttiv1.Holidays) (uint64, error)
}

// entry is a schedule as the book has it.
type entry struct {
	plan *calendar.Plan
	rev  uint64
}

// Book is every schedule, and the holidays. It belongs to one goroutine.
type Book struct {
	Schedules Schedules
	Days      Holidays
	// Group finds a group; nil when there is none.
	Group func(id string) *tuttiv1.Group
	NewID func() string
	Now   func() time.Time

	entries  map[string]*entry // by schedule id
	of       map[string]string // schedule id by group id
	holidays *tuttiv1.Holidays
	daysRev  uint64
}

// Load takes an entry of the bucket; s is nil when it was deleted. An older one than what
// the book has is left alone. It returns the groups that the change matters to.
func (b *Book) Load(id string, s *tuttiv1.Schedule, rev uint64) (groups []string, err error) {
	b.init()
	old := b.entries[id]
	if old != nil && rev != 0 && rev <= old.rev {
		return nil, nil
	}
	if old != nil {
		groups = append(groups, old.plan.Schedule().GetGroupId())
		b.drop(id)
	}
	if s == nil {
		return groups, nil
	}
	p, err := calendar.New(s, b.holidays)
	if err != nil {
		return groups, fmt.Errorf("schedule %s is left out: %w", id, err)
	}
	b.put(id, p, rev)
	return append(groups, s.GetGroupId()), nil
}

func (b *Book) init() {
	if b.entries == nil {
		b.entries, b.of = map[string]*entry{}, map[string]string{}
	}
}

func (b *Book) put(id string, p *calendar.Plan, rev uint64) {
	b.entries[id] = &entry{p, rev}
	b.of[p.Schedule().GetGroupId()] = id
}

func (b *Book) drop(id string) {
	if g := b.entries[id].plan.Schedule().GetGroupId(); b.of[g] == id {
		delete(b.of, g)
	}
	delete(b.entries, id)
}

// LoadHolidays takes the bucket's entry; nil when it was deleted.
func (b *Book) LoadHolidays(h *tuttiv1.Holidays, rev uint64) {
	b.init()
	if rev != 0 && rev <= b.daysRev {
		return
	}
	b.holidays, b.daysRev = h, rev
	for _, e := range b.entries {
		if p, err := calendar.New(e.plan.Schedule(), h); err == nil { // it was read before
			e.plan = p
		}
	}
}

// Of is the plan of a group; nil when it has none.
func (b *Book) Of(group string) *calendar.Plan {
	if e := b.entries[b.of[group]]; e != nil {
		return e.plan
	}
	return nil
}

// Groups are the ids of the groups that have a schedule.
func (b *Book) Groups() []string {
	out := make([]string, 0, len(b.of))
	for id := range b.of {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// Forget removes the schedule of a group that is gone.
func (b *Book) Forget(ctx context.Context, group string) error {
	if id, ok := b.of[group]; ok {
		return b.Delete(ctx, id)
	}
	return nil
}

// Put makes a schedule, or replaces the one with its id. Errors: NotFound (no such
// schedule or group), Conflict (the group has another one, or is a device's own),
// OutOfRange with the field.
func (b *Book) Put(ctx context.Context, s *tuttiv1.Schedule) (*tuttiv1.Schedule, error) {
	b.init()
	s = proto.CloneOf(s)
	var old *tuttiv1.Schedule
	if id := s.GetScheduleId(); id != "" {
		e := b.entries[id]
		if e == nil {
			return nil, missing(id)
		}
		old = e.plan.Schedule()
	} else if len(b.entries) >= MaxSchedules {
		return nil, fault.New(fault.Conflict, "there are %d schedules already: delete one", MaxSchedules)
	}
	if err := b.checkGroup(s); err != nil {
		return nil, err
	}
	if err := b.fill(s, old); err != nil {
		return nil, err
	}
	return s, b.write(ctx, s)
}

func missing(id string) error { return fault.New(fault.NotFound, "there is no schedule %q", id) }

func (b *Book) checkGroup(s *tuttiv1.Schedule) error {
	id := s.GetGroupId()
	g := b.Group(id)
	switch {
	case g == nil:
		msg := fmt.Sprintf("there is no group %q", id)
		return fault.New(fault.OutOfRange, "%s", msg).WithField("body.group_id", msg)
	case g.GetSolo():
		return fault.New(fault.Conflict, "%q is the group of one device, which comes and goes: make a zone for it first (POST /api/v1/groups)", g.GetName())
	case b.of[id] != "" && b.of[id] != s.GetScheduleId():
		return fault.New(fault.Conflict, "zone %q has the schedule %s already: change that one", g.GetName(), b.of[id])
	}
	return nil
}

// fill adds what the caller left out. A daypart without an id is the one that had its name
// before, so that what is in force is not begun again.
func (b *Book) fill(s, old *tuttiv1.Schedule) error {
	s.Name = strings.TrimSpace(s.GetName())
	if s.TimeZone == "" {
		s.TimeZone = calendar.ServerZone()
	}
	if s.ScheduleId == "" {
		s.ScheduleId = "s-" + b.NewID()
	}
	used := map[string]bool{}
	for i, d := range s.GetDayparts() {
		id := d.GetDaypartId()
		if len(id) > 64 || used[id] && id != "" {
			at := fmt.Sprintf("body.dayparts[%d].daypart_id", i)
			return fault.New(fault.OutOfRange, "the daypart id %.64q is too long or there twice", id).WithField(at, "too long or there twice")
		}
		used[id] = true
	}
	for _, d := range s.GetDayparts() {
		if d.Name = strings.TrimSpace(d.GetName()); d.GetHolidays() == "" {
			d.Holidays = calendar.HolidaysAsUsual
		}
		if d.GetDaypartId() != "" {
			continue
		}
		for _, o := range old.GetDayparts() {
			if o.GetName() == d.GetName() && !used[o.GetDaypartId()] {
				d.DaypartId = o.GetDaypartId()
				break
			}
		}
		if d.GetDaypartId() == "" {
			d.DaypartId = "d-" + b.NewID()
		}
		used[d.GetDaypartId()] = true
	}
	for _, q := range s.GetQuietHours() {
		if q.GetHolidays() == "" {
			q.Holidays = calendar.HolidaysAsUsual
		}
	}
	return nil
}

// write keeps a schedule and puts it into the book.
func (b *Book) write(ctx context.Context, s *tuttiv1.Schedule) error {
	s.UpdatedAt = timestamppb.New(b.Now())
	p, err := calendar.New(s, b.holidays)
	if err != nil {
		return err
	}
	rev, err := b.Schedules.Put(ctx, s.GetScheduleId(), s)
	if err != nil {
		return err
	}
	if b.entries[s.GetScheduleId()] != nil {
		b.drop(s.GetScheduleId())
	}
	b.put(s.GetScheduleId(), p, rev)
	return nil
}

// Delete removes a schedule.
func (b *Book) Delete(ctx context.Context, id string) error {
	if b.entries[id] == nil {
		return missing(id)
	}
	if err := b.Schedules.Delete(ctx, id); err != nil && fault.CodeOf(err) != fault.NotFound {
		return err
	}
	b.drop(id)
	return nil
}

// Skip suspends a schedule's dayparts until a moment to come, or no longer.
func (b *Book) Skip(ctx context.Context, r *tuttiv1.ScheduleSkip) (*tuttiv1.Schedule, error) {
	e := b.entries[r.GetScheduleId()]
	if e == nil {
		return nil, missing(r.GetScheduleId())
	}
	if u := r.GetUntil(); u != nil && !u.AsTime().After(b.Now()) {
		return nil, fault.New(fault.OutOfRange, "until is not in the future").WithField("body.until", "not in the future")
	}
	s := proto.CloneOf(e.plan.Schedule())
	s.SkipUntil = r.GetUntil()
	return s, b.write(ctx, s)
}

// SetHolidays replaces the holidays.
func (b *Book) SetHolidays(ctx context.Context, h *tuttiv1.Holidays) (*tuttiv1.Holidays, error) {
	h = proto.CloneOf(h)
	if err := calendar.CheckHolidays(h); err != nil {
		return nil, err
	}
	slices.SortFunc(h.Holidays, func(x, y *tuttiv1.Holiday) int { return strings.Compare(x.GetDate(), y.GetDate()) })
	rev, err := b.Days.Put(ctx, subject.HolidaysKey, h)
	if err != nil {
		return nil, err
	}
	b.LoadHolidays(h, rev)
	return h, nil
}

// Preview lists what schedules ask for in a range. Dayparts that a skip leaves out are not
// there.
func (b *Book) Preview(r *tuttiv1.SchedulePreview) ([]*tuttiv1.ScheduleEvent, error) {
	from, to := r.GetFrom().AsTime(), r.GetTo().AsTime()
	if !from.Before(to) || to.Sub(from) > MaxPreview {
		return nil, fault.New(fault.OutOfRange, "to must be after from, by at most %d days", int(MaxPreview.Hours()/24)).WithField("query.to", "not after from, or too long after it")
	}
	groups := b.Groups()
	if g := r.GetGroupId(); g != "" {
		if groups = nil; b.of[g] != "" {
			groups = []string{g}
		}
	}
	var out []*tuttiv1.ScheduleEvent
	for _, g := range groups {
		out = append(out, events(b.Of(g), from, to)...)
	}
	slices.SortStableFunc(out, func(x, y *tuttiv1.ScheduleEvent) int { return x.GetAt().AsTime().Compare(y.GetAt().AsTime()) })
	return out, nil
}

func events(p *calendar.Plan, from, to time.Time) (out []*tuttiv1.ScheduleEvent) {
	s := p.Schedule()
	if !s.GetEnabled() {
		return nil
	}
	for _, o := range p.Preview(from, to) {
		e := &tuttiv1.ScheduleEvent{GroupId: s.GetGroupId(), ScheduleId: s.GetScheduleId(), Kind: "quiet_hours",
			At: timestamppb.New(o.Start), Until: timestamppb.New(o.End), Name: s.GetName(), Holiday: o.Holiday}
		if o.Quiet != nil {
			v := o.Quiet.GetMaxVolume()
			e.MaxVolume = &v
		} else {
			if skip := s.GetSkipUntil(); skip != nil && !o.End.After(skip.AsTime()) {
				continue
			} else if skip != nil && o.Start.Before(skip.AsTime()) {
				e.At = skip // it is caught up with then
			}
			d := o.Daypart
			e.Kind, e.DaypartId, e.Name, e.Uri, e.Stop, e.Volume = "daypart", d.GetDaypartId(), d.GetName(), d.GetUri(), d.GetStop(), d.Volume
		}
		out = append(out, e)
	}
	return out
}

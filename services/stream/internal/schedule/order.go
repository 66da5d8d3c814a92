package schedule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/calendar"
)

// Wanted is the whole of what a plan asks of its group at now, and when that may change;
// until is zero when it does not within about a year. p is nil when the group has no
// schedule: then nothing is asked, and no cap.
func Wanted(p *calendar.Plan, now time.Time) (o *tuttiv1.ScheduleOrder, until time.Time) {
	o = &tuttiv1.ScheduleOrder{}
	if p == nil || !p.Schedule().GetEnabled() {
		return o, time.Time{}
	}
	s := p.Schedule()
	o.Show = &tuttiv1.GroupSchedule{ScheduleId: s.GetScheduleId()}
	limit, ok, until := p.Cap(now)
	if ok {
		v := int32(limit)
		o.VolumeCap = &v
	}
	if skip := s.GetSkipUntil(); skip != nil && now.Before(skip.AsTime()) {
		at := skip.AsTime()
		then := p.Daypart(at)
		if then == nil {
			if then = p.Next(at); then != nil {
				at = then.Start
			}
		}
		if then != nil {
			o.Show.Next, o.Show.NextAt = then.Daypart.GetName(), timestamppb.New(at)
		}
		return o, sooner(until, skip.AsTime())
	}
	o.Apply = true
	if next := p.Next(now); next != nil {
		o.Show.Next, o.Show.NextAt = next.Daypart.GetName(), timestamppb.New(next.Start)
		until = sooner(until, next.Start)
	}
	d := p.Daypart(now)
	if d == nil {
		return o, until
	}
	o.Show.DaypartId, o.Show.Daypart = d.Daypart.GetDaypartId(), d.Daypart.GetName()
	o.Show.Since, o.Show.Until = timestamppb.New(d.Start), timestamppb.New(d.End)
	o.Mark = mark(s, d)
	o.Shuffle, o.Repeat, o.Volume, o.Stop = d.Daypart.Shuffle, d.Daypart.Repeat, d.Daypart.Volume, d.Daypart.GetStop()
	if uri := d.Daypart.GetUri(); uri != "" {
		o.Play = &tuttiv1.Play{Uri: uri}
	}
	return o, sooner(until, d.End)
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// mark names a daypart of one day and what it plays. Other changes of it, made while it is
// in force, do not begin it again.
func mark(s *tuttiv1.Schedule, o *calendar.Occurrence) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%t %s", o.Daypart.GetStop(), o.Daypart.GetUri()))
	return fmt.Sprintf("%s/%s/%s/%s", s.GetScheduleId(), o.Daypart.GetDaypartId(), o.Day, hex.EncodeToString(sum[:4]))
}

// Begins reports whether an order begins or ends a daypart in a group that does as have
// says.
func Begins(o *tuttiv1.ScheduleOrder, have *tuttiv1.GroupSchedule) bool {
	return o.GetApply() && o.GetMark() != have.GetMark()
}

// Missing reports whether a group does not know an order yet. A retry is always missing.
func Missing(o *tuttiv1.ScheduleOrder, g *tuttiv1.Group) bool {
	return o.GetRetry() || Begins(o, g.GetSchedule()) || !proto.Equal(Shown(o.GetShow()), Shown(g.GetSchedule())) ||
		(o.VolumeCap == nil) != (g.VolumeCap == nil) || o.GetVolumeCap() != g.GetVolumeCap() || !guestsKnow(o, g)
}

// NoCap is what an order says of a member whose home zone has no cap.
const NoCap = 100

// guestsKnow reports whether a group holds its guests to what an order says.
func guestsKnow(o *tuttiv1.ScheduleOrder, g *tuttiv1.Group) bool {
	for id, v := range o.GetVolumeCaps() {
		have, ok := g.GetVolumeCaps()[id]
		if !ok {
			have = NoCap
		}
		if have != v && slices.Contains(g.GetMembers(), id) {
			return false
		}
	}
	return true
}

// Shown is the scheduler's part of a group's schedule, without the group's own.
func Shown(s *tuttiv1.GroupSchedule) *tuttiv1.GroupSchedule {
	if s.GetScheduleId() == "" {
		return nil
	}
	return &tuttiv1.GroupSchedule{ScheduleId: s.GetScheduleId(), DaypartId: s.GetDaypartId(), Daypart: s.GetDaypart(),
		Since: s.GetSince(), Until: s.GetUntil(), Next: s.GetNext(), NextAt: s.GetNextAt(), Error: s.GetError()}
}

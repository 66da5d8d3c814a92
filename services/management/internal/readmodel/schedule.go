package readmodel

import (
	"reflect"
	"slices"
	"strings"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// Schedule finds a schedule by id; nil when unknown.
func (s *Snapshot) Schedule(id string) *model.Schedule {
	i, ok := slices.BinarySearchFunc(s.Schedules, id, byScheduleID)
	if !ok {
		return nil
	}
	return s.Schedules[i]
}

func byScheduleID(v *model.Schedule, id string) int { return strings.Compare(v.ScheduleID, id) }

// Holidays are the holidays, by date.
func (s *Snapshot) Holidays() model.Holidays { return BuildHolidays(s.Days) }

// BuildSchedule renders a schedule. What became of it its group knows, which may be nil.
func BuildSchedule(v *pb.Schedule, g *pb.Group) *model.Schedule {
	out := &model.Schedule{
		ScheduleID: v.GetScheduleId(), GroupID: v.GetGroupId(), Name: v.GetName(), Enabled: v.GetEnabled(), TimeZone: v.GetTimeZone(),
		Dayparts: make([]model.Daypart, 0, len(v.GetDayparts())), QuietHours: make([]model.QuietHours, 0, len(v.GetQuietHours())),
		SkipUntil: at(v.GetSkipUntil()), UpdatedAt: at(v.GetUpdatedAt()),
	}
	if own := g.GetSchedule(); own.GetScheduleId() == v.GetScheduleId() {
		out.Error = own.GetError()
	}
	for _, d := range v.GetDayparts() {
		out.Dayparts = append(out.Dayparts, model.Daypart{
			DaypartID: d.GetDaypartId(), Name: d.GetName(), Days: list(d.GetDays()), Holidays: firstOf(d.GetHolidays(), "as_usual"),
			Start: d.GetStart(), End: d.GetEnd(), URI: d.GetUri(), Shuffle: d.Shuffle, Repeat: d.Repeat, Volume: d.Volume, Stop: d.GetStop(),
		})
	}
	for _, q := range v.GetQuietHours() {
		out.QuietHours = append(out.QuietHours, model.QuietHours{Days: list(q.GetDays()), Holidays: firstOf(q.GetHolidays(), "as_usual"),
			Start: q.GetStart(), End: q.GetEnd(), MaxVolume: q.GetMaxVolume()})
	}
	return out
}

// BuildHolidays renders the holidays.
func BuildHolidays(v *pb.Holidays) model.Holidays {
	out := model.Holidays{Holidays: make([]model.Holiday, 0, len(v.GetHolidays()))}
	for _, h := range v.GetHolidays() {
		out.Holidays = append(out.Holidays, model.Holiday{Date: h.GetDate(), Name: h.GetName()})
	}
	return out
}

// BuildScheduleEvent renders one line of a preview.
func BuildScheduleEvent(e *pb.ScheduleEvent) model.ScheduleEvent {
	return model.ScheduleEvent{
		At: e.GetAt().AsTime(), Until: e.GetUntil().AsTime(), GroupID: e.GetGroupId(), ScheduleID: e.GetScheduleId(),
		DaypartID: e.GetDaypartId(), Name: e.GetName(), Kind: e.GetKind(), URI: e.GetUri(), Stop: e.GetStop(),
		Volume: e.Volume, MaxVolume: e.MaxVolume, Holiday: e.GetHoliday(),
	}
}

func buildGroupSchedule(s *pb.GroupSchedule) *model.GroupSchedule {
	if s.GetScheduleId() == "" {
		return nil
	}
	return &model.GroupSchedule{
		ScheduleID: s.GetScheduleId(), DaypartID: s.GetDaypartId(), Daypart: s.GetDaypart(), Since: at(s.GetSince()), Until: at(s.GetUntil()),
		Next: s.GetNext(), NextAt: at(s.GetNextAt()), Overridden: s.GetOverridden() && s.GetDaypartId() != "", Error: s.GetError(),
	}
}

func (s *state) putSchedule(id string, v *pb.Schedule) {
	put(s.schedules, id, v, v == nil)
	s.dirtySchedules[id] = struct{}{}
}

func (s *state) putHolidays(v *pb.Holidays) {
	s.holidays, s.dirtyHolidays = v, true
}

// scheduled notes that a group's schedule may do otherwise.
func (s *state) scheduled(old, now *pb.GroupSchedule) {
	if old.GetError() == now.GetError() {
		return
	}
	for _, g := range []*pb.GroupSchedule{old, now} {
		if id := g.GetScheduleId(); s.schedules[id] != nil {
			s.dirtySchedules[id] = struct{}{}
		}
	}
}

func (s *state) flushSchedules(prev *Snapshot) ([]*model.Schedule, []change) {
	out := slices.Clone(prev.Schedules)
	var changes []change
	for _, id := range sortedKeys(s.dirtySchedules) {
		i, known := slices.BinarySearchFunc(out, id, byScheduleID)
		v := s.schedules[id]
		if v == nil {
			if known {
				changes = append(changes, change{kind: EventScheduleRemoved, id: id, zone: out[i].GroupID})
				out = slices.Delete(out, i, i+1)
			}
			continue
		}
		m := BuildSchedule(v, s.groups[v.GetGroupId()])
		m.ScheduleID = id
		switch {
		case !known:
			out = slices.Insert(out, i, m)
		case reflect.DeepEqual(out[i], m):
			continue
		default:
			out[i] = m
		}
		changes = append(changes, change{kind: EventScheduleUpdated, id: id})
	}
	clear(s.dirtySchedules)
	return out, changes
}

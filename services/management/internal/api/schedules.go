package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/playuri"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

// SchedulePath is the path parameter of one schedule (exported as ClientPath is).
type SchedulePath struct {
	ID string `path:"schedule_id" maxLength:"64" doc:"The schedule."`
}

// scheduleBody is model.Schedule as a caller writes it. What GET adds may come back with
// it and is not looked at.
type scheduleBody struct {
	ScheduleID string           `json:"schedule_id,omitempty" doc:"Not looked at."`
	GroupID    string           `json:"group_id" minLength:"1" maxLength:"64" doc:"The zone: a named group."`
	Name       string           `json:"name" minLength:"1" maxLength:"100" example:"Bar"`
	Enabled    *bool            `json:"enabled,omitempty" doc:"true when left out."`
	TimeZone   string           `json:"time_zone,omitempty" maxLength:"64" doc:"IANA name; the server's own when left out." example:"Europe/Berlin"`
	Dayparts   []daypartBody    `json:"dayparts,omitempty" nullable:"false" maxItems:"100" doc:"No two may be in force together."`
	QuietHours []quietHoursBody `json:"quiet_hours,omitempty" nullable:"false" maxItems:"50"`
	SkipUntil  *time.Time       `json:"skip_until,omitempty" doc:"No skip when left out, or over."`
	UpdatedAt  *time.Time       `json:"updated_at,omitempty" doc:"Not looked at."`
	Error      string           `json:"error,omitempty" doc:"Not looked at."`
}

type daypartBody struct {
	DaypartID string   `json:"daypart_id,omitempty" maxLength:"64" doc:"Made when left out; in a PUT, that of the daypart with this name."`
	Name      string   `json:"name" minLength:"1" maxLength:"100" example:"Lunch"`
	Days      []string `json:"days" nullable:"false" minItems:"1" maxItems:"7" enum:"mon,tue,wed,thu,fri,sat,sun" doc:"Days on which it starts."`
	Holidays  string   `json:"holidays,omitempty" enum:"as_usual,only,never" doc:"as_usual when left out. only: on those of its days that are holidays."`
	Start     string   `json:"start" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" example:"11:30"`
	End       string   `json:"end" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"Before start: on the next day. The same: 24 hours." example:"14:00"`
	URI       *string  `json:"uri,omitempty" maxLength:"4096" doc:"Played from its start, as in POST play. Without uri and stop what plays goes on."`
	Shuffle   *bool    `json:"shuffle,omitempty" doc:"As it is when left out."`
	Repeat    *string  `json:"repeat,omitempty" enum:"off,one,all" doc:"As it is when left out."`
	Volume    *int32   `json:"volume,omitempty" minimum:"0" maximum:"100" doc:"Set once, at its start."`
	Stop      bool     `json:"stop,omitempty" doc:"Silence, instead of a uri."`
}

type quietHoursBody struct {
	Days      []string `json:"days" nullable:"false" minItems:"1" maxItems:"7" enum:"mon,tue,wed,thu,fri,sat,sun" doc:"Days on which they start."`
	Holidays  string   `json:"holidays,omitempty" enum:"as_usual,only,never" doc:"as_usual when left out."`
	Start     string   `json:"start" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" example:"22:00"`
	End       string   `json:"end" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" example:"07:00"`
	MaxVolume int32    `json:"max_volume" minimum:"0" maximum:"100" doc:"No player of the zone is louder, whoever sets it. Where several are in force the least counts."`
}

type createSchedule struct{ Body scheduleBody }

type createdSchedule struct {
	Location string `header:"Location"`
	Body     model.Schedule
}

type putSchedule struct {
	SchedulePath
	Body scheduleBody
}

type skipSchedule struct {
	SchedulePath
	Body struct {
		Until time.Time `json:"until" doc:"In the future. What plays goes on until then; afterwards the daypart in force begins."`
	}
}

type putHolidays struct {
	Body struct {
		Holidays []model.Holiday `json:"holidays" nullable:"false" maxItems:"366"`
	}
}

type previewSchedules struct {
	GroupID string    `query:"group_id" maxLength:"64" doc:"Of this zone alone."`
	From    time.Time `query:"from" doc:"Now when left out."`
	To      time.Time `query:"to" doc:"24 hours after from when left out; 62 days after it at most."`
}

const schedulesDoc = "A daypart over midnight belongs to the day it starts on. A start that is skipped when clocks are put forward is the first moment after it; a time that comes twice counts once."

func (a *API) scheduleRoutes() {
	register(a, route{
		id: "list-schedules", method: http.MethodGet, path: "/api/v1/schedules", tag: tagSchedules, role: auth.RoleViewer, zone: zoneAny,
		summary: "All schedules", doc: schedulesDoc,
	}, a.listSchedules)
	register(a, route{
		id: "get-schedule", method: http.MethodGet, path: "/api/v1/schedules/{schedule_id}", tag: tagSchedules, role: auth.RoleViewer, zone: zoneSchedule,
		summary: "One schedule", errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *SchedulePath) (*body[model.Schedule], error) {
		s, err := a.scheduleOf(ctx, in.ID, auth.RoleViewer)
		if err != nil {
			return nil, err
		}
		return answer(*s), nil
	})
	changes := []int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity}
	register(a, route{
		id: "create-schedule", method: http.MethodPost, path: "/api/v1/schedules", tag: tagSchedules, role: auth.RoleOperator, zone: zoneAny, status: http.StatusCreated,
		summary: "Give a zone a schedule", doc: "It counts at once: the daypart in force begins. 409 when the zone has one already, or is the group of one device.",
		idempotent: true, errors: append([]int{http.StatusNotFound}, changes...),
	}, a.createSchedule)
	register(a, route{
		id: "put-schedule", method: http.MethodPut, path: "/api/v1/schedules/{schedule_id}", tag: tagSchedules, role: auth.RoleOperator, zone: zoneSchedule,
		summary: "Replace a schedule", doc: "The daypart in force goes on, unless it is another one now, or plays something else.",
		errors: append([]int{http.StatusNotFound}, changes...),
	}, a.putSchedule)
	register(a, route{
		id: "delete-schedule", method: http.MethodDelete, path: "/api/v1/schedules/{schedule_id}", tag: tagSchedules, role: auth.RoleOperator, zone: zoneSchedule, status: http.StatusNoContent,
		summary: "Delete a schedule", doc: "What plays goes on; quiet hours end.", errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, a.deleteSchedule)
	register(a, route{
		id: "skip-schedule", method: http.MethodPost, path: "/api/v1/schedules/{schedule_id}/skip", tag: tagSchedules, role: auth.RoleOperator, zone: zoneSchedule,
		summary: "Suspend a schedule's dayparts", doc: "Quiet hours hold all the same.", errors: append([]int{http.StatusNotFound}, changes...),
	}, func(ctx context.Context, in *skipSchedule) (*body[model.Schedule], error) {
		return a.skip(ctx, in.ID, timestamppb.New(in.Body.Until), "skipped until "+in.Body.Until.UTC().Format(time.RFC3339))
	})
	register(a, route{
		id: "unskip-schedule", method: http.MethodDelete, path: "/api/v1/schedules/{schedule_id}/skip", tag: tagSchedules, role: auth.RoleOperator, zone: zoneSchedule,
		summary: "End the suspension", doc: "The daypart in force begins, unless it had begun before.", errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *SchedulePath) (*body[model.Schedule], error) {
		return a.skip(ctx, in.ID, nil, "no longer skipped")
	})
	register(a, route{
		id: "preview-schedules", method: http.MethodGet, path: "/api/v1/schedules/preview", tag: tagSchedules, role: auth.RoleViewer, zone: zoneAny,
		summary: "What happens when", doc: "Dayparts that a skip leaves out are not there.", errors: []int{http.StatusUnprocessableEntity},
	}, a.previewSchedules)
	register(a, route{
		id: "get-holidays", method: http.MethodGet, path: "/api/v1/holidays", tag: tagSchedules, role: auth.RoleViewer, zone: zoneAny, summary: "The holidays",
	}, func(context.Context, *nothing) (*body[model.Holidays], error) {
		return answer(a.d.Projection.Snapshot().Holidays()), nil
	})
	register(a, route{
		id: "put-holidays", method: http.MethodPut, path: "/api/v1/holidays", tag: tagSchedules, role: auth.RoleOperator,
		summary: "Replace the holidays", doc: "Of all zones.", errors: []int{http.StatusBadRequest, http.StatusUnprocessableEntity},
	}, a.putHolidays)
}

// scheduleOf finds a schedule in whose zone the caller has a role; fault.NotFound when
// there is none, or none that the caller may see.
func (a *API) scheduleOf(ctx context.Context, id string, role auth.Role) (*model.Schedule, error) {
	p := auth.PrincipalOf(ctx)
	if s := a.d.Projection.Snapshot().Schedule(id); s != nil && p.In(s.GroupID) >= auth.RoleViewer {
		return s, a.inGroup(p, role, s.GroupID)
	}
	return nil, noSchedule(id)
}

func noSchedule(id string) error {
	return fault.New(fault.NotFound, "there is no schedule %q; GET /api/v1/schedules lists those that are known", clip(id))
}

// maySchedule looks at what a schedule in a body names: its zone, and what is played there.
func (a *API) maySchedule(ctx context.Context, b scheduleBody) error {
	if err := a.demand(ctx, auth.RoleOperator, b.GroupID); err != nil {
		return err
	}
	for _, d := range b.Dayparts {
		if d.URI == nil {
			continue
		}
		if err := a.mayHear(ctx, *d.URI); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) listSchedules(ctx context.Context, _ *nothing) (*body[model.Schedules], error) {
	p := auth.PrincipalOf(ctx)
	snap := a.d.Projection.Snapshot()
	out := model.Schedules{Schedules: make([]model.Schedule, 0, len(snap.Schedules))}
	for _, s := range snap.Schedules {
		if p.In(s.GroupID) >= auth.RoleViewer {
			out.Schedules = append(out.Schedules, *s)
		}
	}
	return answer(out), nil
}

// scheduleProto is the schedule for the stream service, which checks the times and that no two
// dayparts overlap.
func (a *API) scheduleProto(b scheduleBody, id string) (*pb.Schedule, error) {
	s := &pb.Schedule{ScheduleId: id, GroupId: b.GroupID, Name: b.Name, Enabled: b.Enabled == nil || *b.Enabled, TimeZone: b.TimeZone}
	if b.SkipUntil != nil && b.SkipUntil.After(a.d.Clock.Now()) {
		s.SkipUntil = timestamppb.New(*b.SkipUntil)
	}
	for i, d := range b.Dayparts {
		p := &pb.Daypart{DaypartId: d.DaypartID, Name: d.Name, Days: d.Days, Holidays: d.Holidays, Start: d.Start, End: d.End,
			Shuffle: d.Shuffle, Repeat: d.Repeat, Volume: d.Volume, Stop: d.Stop}
		if d.URI != nil && *d.URI != "" {
			if err := playuri.Check(*d.URI); err != nil {
				return nil, badField(indexed("body.dayparts", i)+".uri", err.Error())
			}
			p.Uri = *d.URI
		}
		s.Dayparts = append(s.Dayparts, p)
	}
	for _, q := range b.QuietHours {
		s.QuietHours = append(s.QuietHours, &pb.QuietHours{Days: q.Days, Holidays: q.Holidays, Start: q.Start, End: q.End, MaxVolume: q.MaxVolume})
	}
	return s, nil
}

// schedule asks the scheduler, and waits for the read model to show what it answers.
func (a *API) schedule(ctx context.Context, r *pb.ScheduleRequest) (*pb.ScheduleReply, error) {
	r.Actor = who(ctx)
	reply := &pb.ScheduleReply{}
	if err := a.ask(ctx, "stream", subject.StreamSchedule, r, reply); err != nil {
		return nil, err
	}
	if s := reply.GetSchedule(); s != nil {
		a.await(ctx, func(snap *readmodel.Snapshot) bool {
			m := snap.Schedule(s.GetScheduleId())
			return m != nil && m.UpdatedAt != nil && !m.UpdatedAt.Before(s.GetUpdatedAt().AsTime())
		})
	}
	return reply, nil
}

func (a *API) renderSchedule(s *pb.Schedule) model.Schedule {
	return *readmodel.BuildSchedule(s, a.d.Projection.Snapshot().Group(s.GetGroupId()))
}

func (a *API) createSchedule(ctx context.Context, in *createSchedule) (*createdSchedule, error) {
	if err := a.maySchedule(ctx, in.Body); err != nil {
		return nil, err
	}
	s, err := a.scheduleProto(in.Body, "")
	if err != nil {
		return nil, err
	}
	reply, err := a.schedule(ctx, &pb.ScheduleRequest{Request: &pb.ScheduleRequest_Put{Put: s}})
	if err != nil {
		return nil, err
	}
	made := reply.GetSchedule()
	a.act(ctx, "schedule.changed", "", scheduleWords(made, "made: "+scheduleParts(made)))
	return &createdSchedule{Location: "/api/v1/schedules/" + made.GetScheduleId(), Body: a.renderSchedule(made)}, nil
}

func (a *API) putSchedule(ctx context.Context, in *putSchedule) (*body[model.Schedule], error) {
	before, err := a.scheduleOf(ctx, in.ID, auth.RoleOperator)
	if err != nil {
		return nil, err
	}
	if err := a.maySchedule(ctx, in.Body); err != nil {
		return nil, err // it would move to a zone that is not the caller's
	}
	s, err := a.scheduleProto(in.Body, in.ID)
	if err != nil {
		return nil, err
	}
	reply, err := a.schedule(ctx, &pb.ScheduleRequest{Request: &pb.ScheduleRequest_Put{Put: s}})
	if err != nil {
		return nil, err
	}
	now := a.renderSchedule(reply.GetSchedule())
	a.act(ctx, "schedule.changed", "", scheduleWords(reply.GetSchedule(), scheduleChanges(before, &now)))
	return answer(now), nil
}

func (a *API) deleteSchedule(ctx context.Context, in *SchedulePath) (*struct{}, error) {
	s, err := a.scheduleOf(ctx, in.ID, auth.RoleOperator)
	if err != nil {
		return nil, err
	}
	if _, err := a.schedule(ctx, &pb.ScheduleRequest{Request: &pb.ScheduleRequest_Delete{Delete: in.ID}}); err != nil {
		return nil, err
	}
	a.act(ctx, "schedule.deleted", "", fmt.Sprintf("schedule %q (%s) of group %s", s.Name, in.ID, s.GroupID))
	a.await(ctx, func(snap *readmodel.Snapshot) bool { return snap.Schedule(in.ID) == nil })
	return nil, nil
}

func (a *API) skip(ctx context.Context, id string, until *timestamppb.Timestamp, says string) (*body[model.Schedule], error) {
	if _, err := a.scheduleOf(ctx, id, auth.RoleOperator); err != nil {
		return nil, err
	}
	reply, err := a.schedule(ctx, &pb.ScheduleRequest{Request: &pb.ScheduleRequest_Skip{Skip: &pb.ScheduleSkip{ScheduleId: id, Until: until}}})
	if err != nil {
		return nil, err
	}
	a.act(ctx, "schedule.changed", "", scheduleWords(reply.GetSchedule(), says))
	return answer(a.renderSchedule(reply.GetSchedule())), nil
}

func (a *API) previewSchedules(ctx context.Context, in *previewSchedules) (*body[model.SchedulePreview], error) {
	if in.From.IsZero() {
		in.From = a.d.Clock.Now()
	}
	if in.To.IsZero() {
		in.To = in.From.Add(24 * time.Hour)
	}
	p := auth.PrincipalOf(ctx)
	if in.GroupID != "" {
		if _, err := a.group(in.GroupID); err != nil || p.In(in.GroupID) < auth.RoleViewer {
			return nil, badField("query.group_id", fmt.Sprintf("there is no group %q", clip(in.GroupID)))
		}
	}
	reply, err := a.schedule(ctx, &pb.ScheduleRequest{Request: &pb.ScheduleRequest_Preview{Preview: &pb.SchedulePreview{
		GroupId: in.GroupID, From: timestamppb.New(in.From), To: timestamppb.New(in.To)}}})
	if err != nil {
		return nil, err
	}
	out := model.SchedulePreview{Events: make([]model.ScheduleEvent, 0, len(reply.GetEvents()))}
	for _, e := range reply.GetEvents() {
		if p.In(e.GetGroupId()) >= auth.RoleViewer {
			out.Events = append(out.Events, readmodel.BuildScheduleEvent(e))
		}
	}
	return answer(out), nil
}

func (a *API) putHolidays(ctx context.Context, in *putHolidays) (*body[model.Holidays], error) {
	h := &pb.Holidays{}
	for _, x := range in.Body.Holidays {
		h.Holidays = append(h.Holidays, &pb.Holiday{Date: x.Date, Name: x.Name})
	}
	reply, err := a.schedule(ctx, &pb.ScheduleRequest{Request: &pb.ScheduleRequest_Holidays{Holidays: h}})
	if err != nil {
		return nil, err
	}
	now := readmodel.BuildHolidays(reply.GetHolidays())
	a.act(ctx, "schedule.holidays", "", holidayWords(a.d.Projection.Snapshot().Holidays(), now))
	a.await(ctx, func(s *readmodel.Snapshot) bool { return sameHolidays(s.Holidays(), now) })
	return answer(now), nil
}

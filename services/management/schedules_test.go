package management_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func TestSchedulesOfAZone(t *testing.T) {
	w := newWorld(t)
	zone := decode[model.Group](w.post("/api/v1/groups", map[string]any{"name": "Bar"}).want(http.StatusCreated)).GroupID
	body := map[string]any{"group_id": zone, "name": "Bar", "time_zone": "Europe/Berlin",
		"dayparts":    []any{map[string]any{"name": "Lunch", "days": []string{"mon", "tue"}, "start": "11:30", "end": "14:00", "uri": "a.flac", "volume": 40}},
		"quiet_hours": []any{map[string]any{"days": []string{"sun"}, "start": "22:00", "end": "07:00", "max_volume": 30, "holidays": "never"}}}
	s := decode[model.Schedule](w.post("/api/v1/schedules", body).want(http.StatusCreated))
	if !s.Enabled || len(s.Dayparts) != 1 || s.Dayparts[0].DaypartID == "" || s.Dayparts[0].Holidays != "as_usual" || s.QuietHours[0].Holidays != "never" {
		t.Errorf("made %+v", s)
	}
	w.post("/api/v1/schedules", body).problem(http.StatusConflict)
	path := "/api/v1/schedules/" + s.ScheduleID
	got := decode[model.Schedule](w.get(path).want(http.StatusOK))
	if got.Name != "Bar" || got.TimeZone != "Europe/Berlin" {
		t.Errorf("read %+v", got)
	}
	if all := decode[model.Schedules](w.get("/api/v1/schedules").want(http.StatusOK)); len(all.Schedules) != 1 {
		t.Errorf("listed %+v", all)
	}

	// What was read can be written back, changed.
	got.Dayparts[0].Volume, got.Enabled = proto.Int32(50), false
	got.Dayparts = append(got.Dayparts, model.Daypart{Name: "Late", Days: []string{"sat"}, Start: "22:00", End: "02:00", Holidays: "as_usual", Stop: true})
	if now := decode[model.Schedule](w.replace(path, got).want(http.StatusOK)); now.Enabled || *now.Dayparts[0].Volume != 50 || !now.Dayparts[1].Stop {
		t.Errorf("changed to %+v", now)
	}
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	if now := decode[model.Schedule](w.post(path+"/skip", map[string]any{"until": until}).want(http.StatusOK)); now.SkipUntil == nil || !now.SkipUntil.Equal(until) {
		t.Errorf("skipped: %+v", now)
	}
	if now := decode[model.Schedule](w.delete(path + "/skip").want(http.StatusOK)); now.SkipUntil != nil {
		t.Errorf("not skipped: %+v", now)
	}

	// What the group says of it.
	at := time.Now().UTC().Truncate(time.Second)
	_, err := w.fakes.changeGroup(t.Context(), zone, func(g *pb.Group) error {
		g.VolumeCap = proto.Int32(30)
		g.Schedule = &pb.GroupSchedule{ScheduleId: s.ScheduleID, DaypartId: "d-Lunch", Daypart: "Lunch", Until: timestamppb.New(at), Next: "Late", NextAt: timestamppb.New(at), Overridden: true, Error: "a.flac is not there", Mark: "m"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		g := decode[model.Group](w.get("/api/v1/groups/" + zone).want(http.StatusOK))
		if g.VolumeCap == nil || *g.VolumeCap != 30 || g.Schedule == nil || g.Schedule.Daypart != "Lunch" || !g.Schedule.Overridden || !g.Schedule.NextAt.Equal(at) {
			return fmt.Errorf("group %+v", g.Schedule)
		}
		if now := decode[model.Schedule](w.get(path).want(http.StatusOK)); now.Error != "a.flac is not there" {
			return fmt.Errorf("schedule's error %q", now.Error)
		}
		return nil
	})

	w.delete(path).want(http.StatusNoContent)
	w.get(path).problem(http.StatusNotFound)
	w.delete(path).problem(http.StatusNotFound)
	var audit string
	eventually(t, func() error {
		audit = ""
		w.fakes.mu.Lock()
		defer w.fakes.mu.Unlock()
		for _, e := range w.fakes.audit {
			audit += e.GetKind() + " " + e.GetDetail() + "\n"
		}
		if !strings.Contains(audit, "schedule.deleted") {
			return fmt.Errorf("the ledger is %s", audit)
		}
		return nil
	})
	for _, line := range []string{"schedule.changed", "made: 1 dayparts, 1 quiet hours", `daypart "Lunch" changed (mon tue, 11:30-14:00, a.flac, volume 50)`, `daypart "Late" added (sat, 22:00-02:00, silence)`, "disabled", "skipped until", "no longer skipped", "schedule.deleted"} {
		if !strings.Contains(audit, line) {
			t.Errorf("the ledger lacks %q:\n%s", line, audit)
		}
	}
}

func TestBadSchedulesSayWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	part := func(change func(map[string]any)) map[string]any {
		d := map[string]any{"name": "A", "days": []string{"mon"}, "start": "10:00", "end": "12:00"}
		change(d)
		return map[string]any{"group_id": "g1", "name": "x", "dayparts": []any{d}}
	}
	for field, body := range map[string]any{
		"body.dayparts[0].start":   part(func(d map[string]any) { d["start"] = "25:00" }),
		"body.dayparts[0].days[0]": part(func(d map[string]any) { d["days"] = []string{"monday"} }),
		"body.dayparts[0].days":    part(func(d map[string]any) { d["days"] = []string{} }),
		"body.dayparts[0].volume":  part(func(d map[string]any) { d["volume"] = 101 }),
		"body.dayparts[0].uri":     part(func(d map[string]any) { d["uri"] = "ftp://nowhere/x" }),
		"body.dayparts[1]":         part(func(d map[string]any) { d["name"] = "Overlap" }),
		"body.group_id":            map[string]any{"group_id": "", "name": "x"},
	} {
		p := w.post("/api/v1/schedules", body).problem(http.StatusUnprocessableEntity)
		if !slices.ContainsFunc(p.Errors, func(e model.ProblemField) bool { return e.Location == field }) {
			t.Errorf("%s: %+v", field, p)
		}
	}
	w.replace("/api/v1/schedules/none", part(func(map[string]any) {})).problem(http.StatusNotFound)
	w.post("/api/v1/schedules/none/skip", map[string]any{"until": time.Now()}).problem(http.StatusNotFound)
}

func TestHolidaysAndPreview(t *testing.T) {
	w := newWorld(t)
	if h := decode[model.Holidays](w.get("/api/v1/holidays").want(http.StatusOK)); len(h.Holidays) != 0 {
		t.Errorf("at first %+v", h)
	}
	set := model.Holidays{Holidays: []model.Holiday{{Date: "2026-12-25", Name: "Christmas"}}}
	w.replace("/api/v1/holidays", set).want(http.StatusOK)
	if h := decode[model.Holidays](w.get("/api/v1/holidays").want(http.StatusOK)); !slices.Equal(h.Holidays, set.Holidays) {
		t.Errorf("then %+v", h)
	}
	zone := decode[model.Group](w.post("/api/v1/groups", map[string]any{"name": "Bar"}).want(http.StatusCreated)).GroupID
	p := decode[model.SchedulePreview](w.get("/api/v1/schedules/preview?group_id=" + zone + "&from=2026-12-25T10:00:00Z&to=2026-12-26T10:00:00Z").want(http.StatusOK))
	if len(p.Events) != 2 || p.Events[0].GroupID != zone || p.Events[0].URI != "a.flac" || *p.Events[1].MaxVolume != 30 || p.Events[1].Holiday != "Christmas" || p.Events[0].At.Hour() != 10 {
		t.Errorf("preview %+v", p)
	}
	w.get("/api/v1/schedules/preview").want(http.StatusOK)
	w.get("/api/v1/schedules/preview?group_id=nope").problem(http.StatusUnprocessableEntity)
}

func (w *world) replace(path string, body any) reply {
	w.t.Helper()
	return w.do("PUT", path, adminToken, body)
}

// Who operates one zone has the say over its schedule, and sees none of the others.
func TestSchedulesOfAnotherZoneAreNotThere(t *testing.T) {
	z := newZones(t)
	day := func(uri string) []any {
		return []any{map[string]any{"name": "Day", "days": []string{"mon"}, "start": "10:00", "end": "12:00", "uri": uri}}
	}
	body := func(zone string) map[string]any {
		return map[string]any{"group_id": zone, "name": "S", "dayparts": day("a.flac")}
	}
	theirs := decode[model.Schedule](z.post("/api/v1/schedules", body(z.b)).want(http.StatusCreated))
	mine := decode[model.Schedule](z.anna.do("POST", "/api/v1/schedules", body(z.a)).want(http.StatusCreated))
	path, other := "/api/v1/schedules/"+mine.ScheduleID, "/api/v1/schedules/"+theirs.ScheduleID
	until := map[string]any{"until": time.Now().Add(time.Hour)}
	for _, r := range []reply{
		z.anna.do("POST", "/api/v1/schedules", body(z.b)),
		z.anna.do("GET", other, nil), z.anna.do("PUT", other, body(z.b)), z.anna.do("PUT", other, body(z.a)), z.anna.do("DELETE", other, nil),
		z.anna.do("POST", other+"/skip", until), z.anna.do("DELETE", other+"/skip", nil),
		z.anna.do("PUT", path, body(z.b)), // it would move there
		z.anna.do("PUT", path, map[string]any{"group_id": z.a, "name": "S", "dayparts": day("source:" + z.inB)}),
	} {
		r.problem(http.StatusNotFound)
	}
	z.anna.do("PUT", "/api/v1/holidays", model.Holidays{Holidays: []model.Holiday{}}).problem(http.StatusForbidden)
	z.viewerB.do("GET", other, nil).want(http.StatusOK)
	z.viewerB.do("DELETE", other, nil).problem(http.StatusForbidden)
	if list := decode[model.Schedules](z.anna.do("GET", "/api/v1/schedules", nil).want(http.StatusOK)); len(list.Schedules) != 1 || list.Schedules[0].GroupID != z.a {
		t.Errorf("listed %+v", list)
	}
	z.anna.do("GET", "/api/v1/schedules/preview?group_id="+z.b, nil).problem(http.StatusUnprocessableEntity)
	z.anna.do("PUT", path, body(z.a)).want(http.StatusOK)
	z.anna.do("POST", path+"/skip", until).want(http.StatusOK)
	z.anna.do("DELETE", path, nil).want(http.StatusNoContent)
}

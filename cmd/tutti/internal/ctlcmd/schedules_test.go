package ctlcmd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// withSchedules gives the bar a schedule.
func withSchedules(t *testing.T) *fakeAPI {
	t.Helper()
	f := newFakeAPI(t)
	bar := `{"schedule_id":"s-1","group_id":"g2","name":"Bar\u001b[2J","enabled":true,"time_zone":"Europe/Berlin",
	 "dayparts":[{"daypart_id":"d-1","name":"Lunch","days":["mon","tue","wed","thu","fri"],"holidays":"never","start":"11:30","end":"14:00","uri":"jazz","shuffle":true,"repeat":"off","volume":40},
	  {"daypart_id":"d-2","name":"Close","days":["mon","tue","wed","thu","fri","sat","sun"],"holidays":"as_usual","start":"02:00","end":"03:00","stop":true}],
	 "quiet_hours":[{"days":["sat","sun"],"holidays":"as_usual","start":"22:00","end":"07:00","max_volume":30}]}`
	f.get["/api/v1/schedules"] = `{"schedules":[` + bar + `]}`
	f.get["/api/v1/schedules/s-1"] = bar
	f.get["/api/v1/holidays"] = `{"holidays":[{"date":"2026-12-25","name":"Christmas"}]}`
	f.get["/api/v1/groups"] = strings.Replace(f.get["/api/v1/groups"], `"source":"tone:440"`,
		`"source":"tone:440","volume_cap":30,"schedule":{"schedule_id":"s-1","daypart":"Lunch","until":"2030-01-02T13:00:00Z","next":"Close","next_at":"2030-01-03T13:00:00Z","overridden":true}`, 1)
	return f
}

func TestSchedulesAreShown(t *testing.T) {
	for line, want := range map[string][]string{
		"schedules":          {"Bar", "Bar·[2J", "Lunch", "Close", "30", "changed by hand"},
		"schedules show bar": {"Bar·[2J, schedule of Bar (times of Europe/Berlin)", "Lunch", "mon-fri", "not on holidays", "jazz", "40", "every day", "silence", "sat, sun", "at most 30"},
	} {
		out, err := withSchedules(t).run(t, strings.Fields(line)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s lacks %q:\n%s", line, w, out)
			}
		}
	}
	if _, err := withSchedules(t).run(t, "schedules", "show", "Downstairs"); err == nil || !strings.Contains(err.Error(), "has no schedule") {
		t.Errorf("a zone without one: %v", err)
	}
}

func TestSchedulesGoThroughAFile(t *testing.T) {
	f := withSchedules(t)
	out, err := f.run(t, "schedules", "export")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "zone: Bar") || !strings.Contains(out, "2026-12-25") || strings.Contains(out, "s-1") {
		t.Errorf("exported:\n%s", out)
	}
	file := filepath.Join(t.TempDir(), "s.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(out, "zone: Bar", "zone: Downstairs", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.run(t, "schedules", "import", file); err != nil {
		t.Fatal(err)
	}
	body := `{"group_id":"g1","name":"Bar\u001b[2J","enabled":true,"time_zone":"Europe/Berlin","dayparts":[` +
		`{"name":"Lunch","days":["mon","tue","wed","thu","fri"],"holidays":"never","start":"11:30","end":"14:00","uri":"jazz","shuffle":true,"repeat":"off","volume":40},` +
		`{"name":"Close","days":["mon","tue","wed","thu","fri","sat","sun"],"holidays":"as_usual","start":"02:00","end":"03:00","stop":true}],` +
		`"quiet_hours":[{"days":["sat","sun"],"holidays":"as_usual","start":"22:00","end":"07:00","max_volume":30}]}`
	want := []string{`PUT /api/v1/holidays {"holidays":[{"date":"2026-12-25","name":"Christmas"}]}`, `POST /api/v1/schedules ` + body}
	if got := f.sent(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	// The same of the zone that has one replaces it; JSON is read, too.
	if err := os.WriteFile(file, []byte(`{"schedules":[{"zone":"Bar","name":"B","dayparts":[{"name":"x","days":["mon"],"start":"10:00","end":"11:00"}],"quiet_hours":[]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f = withSchedules(t)
	if _, err := f.run(t, "schedules", "import", file); err != nil {
		t.Fatal(err)
	}
	if got := f.sent(); len(got) != 1 || !strings.HasPrefix(got[0], `PUT /api/v1/schedules/s-1 {"schedule_id":"s-1","group_id":"g2","name":"B"`) {
		t.Errorf("sent %q", got)
	}
	for content, says := range map[string]string{"": "holds no schedules", "schedules: [{zone: Nowhere, name: x}]": "Nowhere", "schedules: [{zoen: Bar}]": "zoen", "a: [": "cannot be read"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f := withSchedules(t)
		if _, err := f.run(t, "schedules", "import", file); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", content, err, says)
		}
		if got := f.sent(); len(got) > 0 {
			t.Errorf("%q: sent %q", content, got)
		}
	}
}

func TestSchedulesAreSkipped(t *testing.T) {
	f := withSchedules(t)
	if _, err := f.run(t, "schedules", "skip", "Bar", "2030-01-02T03:04:00Z"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.run(t, "schedules", "skip", "Bar", "off"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.run(t, "schedules", "delete", "Bar"); err != nil {
		t.Fatal(err)
	}
	want := []string{`POST /api/v1/schedules/s-1/skip {"until":"2030-01-02T03:04:00Z"}`, "DELETE /api/v1/schedules/s-1/skip", "DELETE /api/v1/schedules/s-1"}
	if got := f.sent(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	now := time.Date(2026, 6, 1, 20, 0, 0, 0, time.UTC)
	for word, want := range map[string]string{"23:30": "2026-06-01 23:30", "06:00": "2026-06-02 06:00", "20:00": "2026-06-02 20:00", "90m": "2026-06-01 21:30", "2026-12-31 23:00": "2026-12-31 23:00", "soon": "", "-2h": ""} {
		got, err := skipUntil(word, now)
		if (err != nil) != (want == "") || err == nil && got.Format("2006-01-02 15:04") != want {
			t.Errorf("%s: %v, %v, want %s", word, got, err, want)
		}
	}
}

func TestPartsOfADay(t *testing.T) {
	now := time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)
	for when, want := range map[string]string{"2026-06-01 08:00": "Now", "2026-06-01 12:00": "Today", "2026-06-01 18:00": "Tonight", "2026-06-02 01:00": "Tonight",
		"2026-06-02 06:00": "Tomorrow", "2026-06-05 12:00": "Friday, 5 June"} {
		at, err := time.Parse("2006-01-02 15:04", when)
		if err != nil {
			t.Fatal(err)
		}
		if got := partOfDay(at, now); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	max := 30
	e := []apiScheduleEvent{{At: now.Add(time.Hour), Until: now.Add(2 * time.Hour), GroupID: "g2", Name: "Lunch", Kind: "daypart", URI: "jazz"},
		{At: now.Add(48 * time.Hour), Until: now.Add(50 * time.Hour), GroupID: "g2", Kind: "quiet_hours", MaxVolume: &max, Holiday: "Christmas"}}
	if len(e[0].words()) == 0 || e[1].words() != "quiet hours, volume at most 30" {
		t.Errorf("%q, %q", e[0].words(), e[1].words())
	}
}

// The file in the manual is one that import takes.
func TestTheManualsScheduleCanBeRead(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/schedules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	text, _, found := strings.Cut(rest, "```")
	file, err := readSchedules(strings.NewReader(text), "-")
	if err != nil || !found || len(file.Schedules) != 1 || len(file.Schedules[0].Dayparts) != 2 || len(*file.Holidays) != 1 {
		t.Errorf("%+v, %v", file, err)
	}
}

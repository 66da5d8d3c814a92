package ctlcmd

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// apiSchedule is a schedule, as the API and a file have it. A file names the zone and
// leaves out what the server makes.
type apiSchedule struct {
	ScheduleID string       `json:"schedule_id,omitempty" yaml:"-"`
	GroupID    string       `json:"group_id" yaml:"-"`
	Zone       string       `json:"-" yaml:"zone"`
	Name       string       `json:"name" yaml:"name"`
	Enabled    *bool        `json:"enabled,omitempty" yaml:"enabled,omitempty"`
	TimeZone   string       `json:"time_zone,omitempty" yaml:"time_zone,omitempty"`
	Dayparts   []apiDaypart `json:"dayparts" yaml:"dayparts"`
	QuietHours []apiQuiet   `json:"quiet_hours" yaml:"quiet_hours"`
	SkipUntil  *time.Time   `json:"skip_until,omitempty" yaml:"-"`
	Error      string       `json:"error,omitempty" yaml:"-"`
}

type apiDaypart struct {
	Name     string   `json:"name" yaml:"name"`
	Days     []string `json:"days" yaml:"days,flow"`
	Holidays string   `json:"holidays,omitempty" yaml:"holidays,omitempty"`
	Start    string   `json:"start" yaml:"start"`
	End      string   `json:"end" yaml:"end"`
	URI      string   `json:"uri,omitempty" yaml:"uri,omitempty"`
	Shuffle  *bool    `json:"shuffle,omitempty" yaml:"shuffle,omitempty"`
	Repeat   *string  `json:"repeat,omitempty" yaml:"repeat,omitempty"`
	Volume   *int     `json:"volume,omitempty" yaml:"volume,omitempty"`
	Stop     bool     `json:"stop,omitempty" yaml:"stop,omitempty"`
}

type apiQuiet struct {
	Days      []string `json:"days" yaml:"days,flow"`
	Holidays  string   `json:"holidays,omitempty" yaml:"holidays,omitempty"`
	Start     string   `json:"start" yaml:"start"`
	End       string   `json:"end" yaml:"end"`
	MaxVolume int      `json:"max_volume" yaml:"max_volume"`
}

type apiSchedules struct {
	Schedules []apiSchedule `json:"schedules"`
}

type apiGroupSchedule struct {
	Daypart    string     `json:"daypart"`
	Until      *time.Time `json:"until"`
	Next       string     `json:"next"`
	NextAt     *time.Time `json:"next_at"`
	Overridden bool       `json:"overridden"`
	Error      string     `json:"error"`
}

const schedulesPath = "/api/v1/schedules"

func (s apiSchedule) on() bool { return s.Enabled == nil || *s.Enabled }

func (s apiSchedule) path() string { return schedulesPath + "/" + url.PathEscape(s.ScheduleID) }

func schedulesCommand() *cobra.Command {
	c := command("schedules", "What the zones play when: dayparts and quiet hours",
		"A zone's schedule says what plays at which time of day and how loud it may be. What somebody plays, stops or sets by hand holds until the next daypart.",
		`  tutti schedules
  tutti schedules show Bar
  tutti schedules preview Bar
  tutti schedules export > schedules.yaml
  tutti schedules import schedules.yaml
  tutti schedules skip Bar 23:30`,
		cobra.NoArgs, func(r *run, _ []string) error {
			list, raw, err := get[apiSchedules](r, schedulesPath)
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printSchedules(list.Schedules) })
		})
	c.AddCommand(
		command("show <zone>", "One zone's schedule", "", "  tutti schedules show Bar", cobra.ExactArgs(1), func(r *run, args []string) error {
			s, g, err := r.schedule(args[0])
			if err != nil {
				return err
			}
			_, raw, err := get[apiSchedule](r, s.path())
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printSchedule(s, g) })
		}),
		schedulePreviewCommand(), scheduleSkipCommand(), scheduleExportCommand(), scheduleImportCommand(),
		command("delete <zone>", "Delete a zone's schedule", "What plays goes on.", "  tutti schedules delete Bar", cobra.ExactArgs(1), func(r *run, args []string) error {
			s, g, err := r.schedule(args[0])
			if err != nil {
				return err
			}
			raw, err := r.api.do(r.ctx, http.MethodDelete, s.path(), nil)
			if err != nil {
				return err
			}
			return r.done(raw, "%s has no schedule any more", clean(g.display()))
		}),
	)
	return c
}

// schedule finds the schedule of a zone.
func (r *run) schedule(word string) (apiSchedule, apiGroup, error) {
	g, err := r.group(word)
	if err != nil {
		return apiSchedule{}, g, err
	}
	list, _, err := get[apiSchedules](r, schedulesPath)
	if err != nil {
		return apiSchedule{}, g, err
	}
	for _, s := range list.Schedules {
		if s.GroupID == g.GroupID {
			return s, g, nil
		}
	}
	return apiSchedule{}, g, fmt.Errorf("%s has no schedule; 'tutti schedules' lists those that there are", clean(g.display()))
}

// zones are the groups by id.
func (r *run) zones() (map[string]apiGroup, error) {
	list, _, err := get[apiGroups](r, "/api/v1/groups")
	out := map[string]apiGroup{}
	for _, g := range list.Groups {
		out[g.GroupID] = g
	}
	return out, err
}

// moment shows a moment: the time alone when it is within a day.
func moment(t *time.Time, now time.Time) string {
	switch {
	case t == nil:
		return ""
	case t.Sub(now) < 24*time.Hour:
		return t.Local().Format("15:04")
	}
	return t.Local().Format("Mon 15:04")
}

func (r *run) printSchedules(list []apiSchedule) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(r.out, "No zone has a schedule. Write one into a file and 'tutti schedules import' it; see docs/schedules.md.")
		return err
	}
	zones, err := r.zones()
	if err != nil {
		return err
	}
	now := time.Now()
	t := newTable("ZONE", "SCHEDULE", "NOW", "UNTIL", "NEXT", "AT", "CAP", "")
	for _, s := range list {
		g := zones[s.GroupID]
		v := g.Schedule
		if v == nil {
			v = &apiGroupSchedule{}
		}
		limit := ""
		if g.VolumeCap != nil {
			limit = fmt.Sprint(*g.VolumeCap)
		}
		t.add(g.display(), s.Name, v.Daypart, moment(v.Until, now), v.Next, moment(v.NextAt, now), limit, scheduleState(s, v, now))
	}
	return t.print(r.out)
}

// scheduleState says in a few words what is not as usual.
func scheduleState(s apiSchedule, v *apiGroupSchedule, now time.Time) string {
	switch {
	case !s.on():
		return "off"
	case s.SkipUntil != nil && s.SkipUntil.After(now):
		return "skipped until " + moment(s.SkipUntil, now)
	case v.Error != "":
		return "cannot be played: " + v.Error
	case v.Overridden:
		return "changed by hand"
	}
	return ""
}

// daysWords shortens days: "every day", "mon-fri", "sat, sun".
func daysWords(days []string) string {
	week := []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	var runs []string
	for i := 0; i < 7; i++ {
		if !slices.Contains(days, week[i]) {
			continue
		}
		j := i
		for j < 6 && slices.Contains(days, week[j+1]) {
			j++
		}
		switch j - i {
		case 6:
			return "every day"
		case 0:
			runs = append(runs, week[i])
		case 1:
			runs = append(runs, week[i], week[j])
		default:
			runs = append(runs, week[i]+"-"+week[j])
		}
		i = j
	}
	return strings.Join(runs, ", ")
}

func holidaysWords(s string) string {
	switch s {
	case "only":
		return "holidays only"
	case "never":
		return "not on holidays"
	}
	return ""
}

func (r *run) printSchedule(s apiSchedule, g apiGroup) error {
	state := ""
	if !s.on() {
		state = ", off"
	}
	if _, err := fmt.Fprintf(r.out, "%s, schedule of %s (times of %s)%s\n", clean(s.Name), clean(g.display()), clean(s.TimeZone), state); err != nil {
		return err
	}
	t := newTable("DAYPART", "FROM", "TO", "DAYS", "", "PLAYS", "VOLUME")
	for _, d := range s.Dayparts {
		plays, level := d.URI, ""
		switch {
		case d.Stop:
			plays = "silence"
		case plays == "":
			plays = "what played before"
		}
		if d.Volume != nil {
			level = fmt.Sprint(*d.Volume)
		}
		t.add(d.Name, d.Start, d.End, daysWords(d.Days), holidaysWords(d.Holidays), plays, level)
	}
	for _, q := range s.QuietHours {
		t.add("quiet hours", q.Start, q.End, daysWords(q.Days), holidaysWords(q.Holidays), "", fmt.Sprintf("at most %d", q.MaxVolume))
	}
	return t.print(r.out)
}

func scheduleSkipCommand() *cobra.Command {
	return command("skip <zone> <until>", "Suspend a zone's dayparts for a while",
		"Until is a time of day (the next one), a duration, a date with a time, or off. Nothing begins or ends until then; quiet hours hold.",
		`  tutti schedules skip Bar 23:30
  tutti schedules skip Bar 2h
  tutti schedules skip Bar "2026-12-31 23:00"
  tutti schedules skip Bar off`,
		cobra.ExactArgs(2), func(r *run, args []string) error {
			s, g, err := r.schedule(args[0])
			if err != nil {
				return err
			}
			if args[1] == "off" {
				raw, err := r.api.do(r.ctx, http.MethodDelete, s.path()+"/skip", nil)
				if err != nil {
					return err
				}
				return r.done(raw, "%s goes by its schedule again", clean(g.display()))
			}
			until, err := skipUntil(args[1], time.Now())
			if err != nil {
				return err
			}
			raw, err := r.api.do(r.ctx, http.MethodPost, s.path()+"/skip", map[string]any{"until": until.UTC().Format(time.RFC3339)})
			if err != nil {
				return err
			}
			return r.done(raw, "%s does not go by its schedule until %s", clean(g.display()), until.Format("Mon 2 Jan 15:04"))
		})
}

// skipUntil reads a moment to come, by this machine's clocks.
func skipUntil(word string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(word); err == nil && d > 0 {
		return now.Add(d), nil
	}
	if t, err := time.ParseInLocation("15:04", word, now.Location()); err == nil {
		t = time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), 0, 0, now.Location())
		if !t.After(now) {
			t = t.AddDate(0, 0, 1)
		}
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, word, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("%q is no time: write 23:30, 2h, \"2026-12-31 23:00\" or off", word)
}

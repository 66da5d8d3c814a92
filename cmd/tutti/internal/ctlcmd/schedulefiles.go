package ctlcmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

type apiHolidays struct {
	Holidays []apiHoliday `json:"holidays"`
}

type apiHoliday struct {
	Date string `json:"date" yaml:"date"`
	Name string `json:"name,omitempty" yaml:"name,omitempty"`
}

// scheduleFile is what export writes and import reads.
type scheduleFile struct {
	Schedules []apiSchedule `yaml:"schedules,omitempty"`
	Holidays  *[]apiHoliday `yaml:"holidays,omitempty"`
}

const holidaysPath = "/api/v1/holidays"

func scheduleExportCommand() *cobra.Command {
	return command("export [zone...]", "Write schedules as YAML", "Of the named zones; of all, with the holidays, when none is named.",
		`  tutti schedules export > schedules.yaml
  tutti schedules export Bar Terrace`,
		cobra.ArbitraryArgs, func(r *run, args []string) error {
			file, err := r.exportSchedules(args)
			if err != nil {
				return err
			}
			e := yaml.NewEncoder(r.out)
			e.SetIndent(2)
			if err := e.Encode(file); err != nil {
				return err
			}
			return e.Close()
		})
}

func (r *run) exportSchedules(args []string) (file scheduleFile, err error) {
	list, _, err := get[apiSchedules](r, schedulesPath)
	if err != nil {
		return file, err
	}
	zones, err := r.zones()
	if err != nil {
		return file, err
	}
	var only []string
	for _, word := range args {
		s, _, err := r.schedule(word)
		if err != nil {
			return file, err
		}
		only = append(only, s.ScheduleID)
	}
	for _, s := range list.Schedules {
		if len(only) == 0 || slices.Contains(only, s.ScheduleID) {
			s.Zone = zones[s.GroupID].Name
			file.Schedules = append(file.Schedules, s)
		}
	}
	if len(args) == 0 {
		h, _, err := get[apiHolidays](r, holidaysPath)
		if err != nil {
			return file, err
		}
		file.Holidays = &h.Holidays
	}
	return file, nil
}

func scheduleImportCommand() *cobra.Command {
	return command("import <file>", "Set schedules from a file",
		"YAML or JSON as export writes it; - reads the standard input. A zone that has a schedule gets the new one. What the file does not name stays; holidays, where it has some, are replaced.",
		`  tutti schedules import schedules.yaml
  tutti schedules export Bar | sed s/Bar/Terrace/ | tutti schedules import -`,
		cobra.ExactArgs(1), func(r *run, args []string) error {
			file, err := readSchedules(r.in, args[0])
			if err != nil {
				return err
			}
			return r.importSchedules(file)
		})
}

// maxScheduleFile bounds what import reads, in bytes.
const maxScheduleFile = 8 << 20

func readSchedules(in io.Reader, name string) (file scheduleFile, err error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return file, err
		}
		defer f.Close() //nolint:errcheck // read only
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxScheduleFile))
	if err != nil {
		return file, err
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return file, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	if len(file.Schedules) == 0 && file.Holidays == nil {
		return file, fmt.Errorf("%s holds no schedules: it needs a list 'schedules', each with its zone; 'tutti schedules export' shows the form", name)
	}
	return file, nil
}

func (r *run) importSchedules(file scheduleFile) error {
	list, _, err := get[apiSchedules](r, schedulesPath)
	if err != nil {
		return err
	}
	// First everything is looked up, so that a name that is not known changes nothing.
	for i := range file.Schedules {
		s := &file.Schedules[i]
		g, err := r.group(s.Zone)
		if err != nil {
			return fmt.Errorf("schedule %q: %w", s.Name, err)
		}
		s.GroupID, s.Zone = g.GroupID, g.display()
		for _, have := range list.Schedules {
			if have.GroupID == g.GroupID {
				s.ScheduleID, s.SkipUntil = have.ScheduleID, have.SkipUntil
			}
		}
		if s.Dayparts == nil {
			s.Dayparts = []apiDaypart{}
		}
		if s.QuietHours == nil {
			s.QuietHours = []apiQuiet{}
		}
	}
	if file.Holidays != nil {
		if *file.Holidays == nil {
			file.Holidays = &[]apiHoliday{}
		}
		raw, err := r.api.do(r.ctx, http.MethodPut, holidaysPath, apiHolidays{*file.Holidays})
		if err != nil {
			return err
		}
		if err := r.done(raw, "%s", plural(len(*file.Holidays), "holiday")); err != nil {
			return err
		}
	}
	for _, s := range file.Schedules {
		method, path := http.MethodPost, schedulesPath
		if s.ScheduleID != "" {
			method, path = http.MethodPut, s.path()
		}
		raw, err := r.api.do(r.ctx, method, path, s)
		if err != nil {
			return fmt.Errorf("schedule of %s: %w", clean(s.Zone), err)
		}
		if err := r.done(raw, "%s: %s, %d quiet hours", clean(s.Zone), plural(len(s.Dayparts), "daypart"), len(s.QuietHours)); err != nil {
			return err
		}
	}
	return nil
}

type apiScheduleEvents struct {
	Events []apiScheduleEvent `json:"events"`
}

type apiScheduleEvent struct {
	At        time.Time `json:"at"`
	Until     time.Time `json:"until"`
	GroupID   string    `json:"group_id"`
	Name      string    `json:"name"`
	Kind      string    `json:"kind"`
	URI       string    `json:"uri"`
	Stop      bool      `json:"stop"`
	Volume    *int      `json:"volume"`
	MaxVolume *int      `json:"max_volume"`
	Holiday   string    `json:"holiday"`
}

func schedulePreviewCommand() *cobra.Command {
	days := 1
	c := command("preview [zone]", "What happens tonight, and after", "The next 24 hours, or as many days as --days says.",
		`  tutti schedules preview
  tutti schedules preview Bar --days 7`,
		cobra.MaximumNArgs(1), func(r *run, args []string) error {
			if days < 1 || days > 62 {
				return usagef("--days is from 1 to 62")
			}
			now := time.Now().UTC().Truncate(time.Second)
			q := url.Values{"from": {now.Format(time.RFC3339)}, "to": {now.AddDate(0, 0, days).Format(time.RFC3339)}}
			if len(args) == 1 {
				g, err := r.group(args[0])
				if err != nil {
					return err
				}
				q.Set("group_id", g.GroupID)
			}
			list, raw, err := get[apiScheduleEvents](r, schedulesPath+"/preview?"+q.Encode())
			if err != nil {
				return err
			}
			return r.show(raw, func() error { return r.printPreview(list.Events, time.Now()) })
		})
	c.Flags().IntVar(&days, "days", 1, "how many days, 1 to 62")
	return c
}

// partOfDay heads a part of a preview: a night goes on until 5 in the morning.
func partOfDay(t, now time.Time) string {
	if !t.After(now) {
		return "Now"
	}
	day := func(t time.Time) time.Time {
		t = t.Add(-5 * time.Hour)
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	switch n := int(day(t).Sub(day(now)) / (24 * time.Hour)); {
	case n == 0 && t.Add(-5*time.Hour).Hour() >= 12:
		return "Tonight"
	case n == 0:
		return "Today"
	case n == 1:
		return "Tomorrow"
	}
	return t.Add(-5 * time.Hour).Format("Monday, 2 January")
}

func (r *run) printPreview(events []apiScheduleEvent, now time.Time) error {
	if len(events) == 0 {
		_, err := fmt.Fprintln(r.out, "Nothing is scheduled for this time.")
		return err
	}
	zones, err := r.zones()
	if err != nil {
		return err
	}
	var t *table
	head := ""
	flush := func() error {
		if t == nil {
			return nil
		}
		if _, err := fmt.Fprintln(r.out, head); err != nil {
			return err
		}
		return t.print(r.out)
	}
	for _, e := range events {
		if part := partOfDay(e.At.Local(), now); part != head || t == nil {
			if err := flush(); err != nil {
				return err
			}
			if t != nil {
				if _, err := fmt.Fprintln(r.out); err != nil {
					return err
				}
			}
			head, t = part, &table{}
		}
		t.add("  "+e.At.Local().Format("15:04")+"-"+e.Until.Local().Format("15:04"), zones[e.GroupID].display(), e.words(), e.Holiday)
	}
	return flush()
}

// words says what an event is.
func (e apiScheduleEvent) words() string {
	if e.MaxVolume != nil {
		return fmt.Sprintf("quiet hours, volume at most %d", *e.MaxVolume)
	}
	words := []string{e.Name}
	switch {
	case e.Stop:
		words = append(words, "silence")
	case e.URI != "":
		words = append(words, e.URI)
	}
	if e.Volume != nil {
		words = append(words, fmt.Sprintf("volume %d", *e.Volume))
	}
	return strings.Join(words, ", ")
}

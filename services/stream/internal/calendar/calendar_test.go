package calendar

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

var everyDay = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// part is a daypart from "HH:MM-HH:MM".
func part(name, span string, days ...string) *tuttiv1.Daypart {
	if len(days) == 0 {
		days = everyDay
	}
	start, end, _ := strings.Cut(span, "-")
	return &tuttiv1.Daypart{DaypartId: name, Name: name, Days: days, Start: start, End: end, Uri: name + ".m3u"}
}

func plan(t testing.TB, zone string, holidays string, parts ...*tuttiv1.Daypart) *Plan {
	t.Helper()
	h := &tuttiv1.Holidays{}
	for _, d := range strings.Fields(holidays) {
		h.Holidays = append(h.Holidays, &tuttiv1.Holiday{Date: d, Name: "holiday of " + d})
	}
	p, err := New(&tuttiv1.Schedule{Name: "test", TimeZone: zone, Dayparts: parts}, h)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// at reads "2026-03-29 02:30" in the plan's zone, or with an offset of its own.
func at(t testing.TB, p *Plan, s string) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04 -0700", "2006-01-02 15:04"} {
		if x, err := time.ParseInLocation(layout, s, p.Location()); err == nil {
			return x
		}
	}
	t.Fatalf("no time: %s", s)
	return time.Time{}
}

func says(o *Occurrence) string {
	if o == nil {
		return "none"
	}
	const layout = "Jan 2 15:04 -0700"
	return fmt.Sprintf("%s %s to %s", o.Daypart.GetName(), o.Start.Format(layout), o.End.Format(layout))
}

func TestWhatIsInForce(t *testing.T) {
	const berlin = "Europe/Berlin"
	never, only := part("weekday", "09:00-17:00"), part("feast", "10:00-12:00")
	never.Holidays, only.Holidays = HolidaysNever, HolidaysOnly
	eve := part("eve", "22:00-04:00")
	eve.Holidays = HolidaysOnly
	for name, c := range map[string]struct {
		p          *Plan
		t          string
		want, next string
	}{
		"inside":              {plan(t, berlin, "", part("day", "09:00-17:00")), "2026-06-01 12:00", "day Jun 1 09:00 +0200 to Jun 1 17:00 +0200", "day Jun 2 09:00 +0200 to Jun 2 17:00 +0200"},
		"at its start":        {plan(t, berlin, "", part("day", "09:00-17:00")), "2026-06-01 09:00", "day Jun 1 09:00 +0200 to Jun 1 17:00 +0200", "day Jun 2 09:00 +0200 to Jun 2 17:00 +0200"},
		"at its end":          {plan(t, berlin, "", part("day", "09:00-17:00")), "2026-06-01 17:00", "none", "day Jun 2 09:00 +0200 to Jun 2 17:00 +0200"},
		"past midnight":       {plan(t, berlin, "", part("night", "22:00-03:00", "fri")), "2026-06-06 02:00", "night Jun 5 22:00 +0200 to Jun 6 03:00 +0200", "night Jun 12 22:00 +0200 to Jun 13 03:00 +0200"},
		"24 hours":            {plan(t, berlin, "", part("all", "08:00-08:00", "mon")), "2026-06-02 07:59", "all Jun 1 08:00 +0200 to Jun 2 08:00 +0200", "all Jun 8 08:00 +0200 to Jun 9 08:00 +0200"},
		"to midnight":         {plan(t, berlin, "", part("late", "18:00-00:00", "mon")), "2026-06-01 23:59", "late Jun 1 18:00 +0200 to Jun 2 00:00 +0200", "late Jun 8 18:00 +0200 to Jun 9 00:00 +0200"},
		"empty":               {plan(t, berlin, ""), "2026-06-01 12:00", "none", "none"},
		"not on holidays":     {plan(t, berlin, "2026-12-25", never), "2026-12-25 12:00", "none", "weekday Dec 26 09:00 +0100 to Dec 26 17:00 +0100"},
		"only on holidays":    {plan(t, berlin, "2026-12-25 2026-12-26", only, never), "2026-12-25 10:30", "feast Dec 25 10:00 +0100 to Dec 25 12:00 +0100", "feast Dec 26 10:00 +0100 to Dec 26 12:00 +0100"},
		"of the day it began": {plan(t, berlin, "2026-12-25", eve), "2026-12-26 03:00", "eve Dec 25 22:00 +0100 to Dec 26 04:00 +0100", "none"},
		"not the night into":  {plan(t, berlin, "2026-12-25", eve), "2026-12-25 03:00", "none", "eve Dec 25 22:00 +0100 to Dec 26 04:00 +0100"},
		"starts in the gap":   {plan(t, berlin, "", part("early", "02:30-05:00")), "2026-03-29 03:00", "early Mar 29 03:00 +0200 to Mar 29 05:00 +0200", "early Mar 30 02:30 +0200 to Mar 30 05:00 +0200"},
		"before the gap":      {plan(t, berlin, "", part("early", "02:30-05:00")), "2026-03-29 01:59", "none", "early Mar 29 03:00 +0200 to Mar 29 05:00 +0200"},
		"inside the gap":      {plan(t, berlin, "", part("lost", "02:10-02:50")), "2026-03-29 03:00", "none", "lost Mar 30 02:10 +0200 to Mar 30 02:50 +0200"},
		"in the first of two": {plan(t, berlin, "", part("twice", "02:15-02:45")), "2026-10-25 02:30 +0200", "twice Oct 25 02:15 +0200 to Oct 25 02:45 +0200", "twice Oct 26 02:15 +0100 to Oct 26 02:45 +0100"},
		"not in the second":   {plan(t, berlin, "", part("twice", "02:15-02:45")), "2026-10-25 02:30 +0100", "none", "twice Oct 26 02:15 +0100 to Oct 26 02:45 +0100"},
		"over the repetition": {plan(t, berlin, "", part("long", "01:00-03:00")), "2026-10-25 02:59 +0100", "long Oct 25 01:00 +0200 to Oct 25 03:00 +0100", "long Oct 26 01:00 +0100 to Oct 26 03:00 +0100"},
		"midnight is skipped": {plan(t, "Asia/Beirut", "", part("dawn", "00:00-02:00")), "2026-03-29 01:30", "dawn Mar 29 01:00 +0300 to Mar 29 02:00 +0300", "dawn Mar 30 00:00 +0300 to Mar 30 02:00 +0300"},
		"a day is skipped":    {plan(t, "Pacific/Apia", "", part("day", "09:00-17:00")), "2011-12-29 18:00", "none", "day Dec 31 09:00 +1400 to Dec 31 17:00 +1400"},
		"half an hour":        {plan(t, "Australia/Lord_Howe", "", part("early", "02:10-05:00")), "2026-10-04 02:30", "early Oct 4 02:30 +1100 to Oct 4 05:00 +1100", "early Oct 5 02:10 +1100 to Oct 5 05:00 +1100"},
	} {
		now := at(t, c.p, c.t)
		if got := says(c.p.Daypart(now)); got != c.want {
			t.Errorf("%s: in force %s, want %s", name, got, c.want)
		}
		if got := says(c.p.Next(now)); got != c.next {
			t.Errorf("%s: next %s, want %s", name, got, c.next)
		}
	}
}

func TestTheLeastCapCounts(t *testing.T) {
	p, err := New(&tuttiv1.Schedule{Name: "x", TimeZone: "Europe/Berlin", QuietHours: []*tuttiv1.QuietHours{
		{Days: everyDay, Start: "22:00", End: "07:00", MaxVolume: 30}, {Days: everyDay, Start: "23:00", End: "05:00", MaxVolume: 10},
		{Days: []string{"sun"}, Start: "13:00", End: "15:00", MaxVolume: 0}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for when, want := range map[string]string{
		"2026-06-01 12:00": "0 false until 22:00", "2026-06-01 22:00": "30 true until 23:00", "2026-06-01 23:00": "10 true until 05:00",
		"2026-06-02 05:00": "30 true until 07:00", "2026-06-02 07:00": "0 false until 22:00", "2026-06-07 14:00": "0 true until 15:00",
	} {
		v, ok, until := p.Cap(at(t, p, when))
		if got := fmt.Sprintf("%d %v until %s", v, ok, until.Format("15:04")); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
}

func TestPreview(t *testing.T) {
	p, err := New(&tuttiv1.Schedule{Name: "x", TimeZone: "Europe/Berlin", Dayparts: []*tuttiv1.Daypart{part("day", "10:00-18:00"), part("night", "18:00-02:00")},
		QuietHours: []*tuttiv1.QuietHours{{Days: everyDay, Start: "23:00", End: "06:00", MaxVolume: 30}}},
		&tuttiv1.Holidays{Holidays: []*tuttiv1.Holiday{{Date: "2026-12-25", Name: "Christmas"}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range p.Preview(at(t, p, "2026-12-25 20:00"), at(t, p, "2026-12-26 10:00")) {
		got = append(got, fmt.Sprintf("%s %s %s %s", o.Start.Format("02 15:04"), o.Daypart.GetName(), o.Holiday, o.End.Format("02 15:04")))
	}
	want := "25 18:00 night Christmas 26 02:00|25 23:00  Christmas 26 06:00"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}

func TestBadSchedulesAreRefused(t *testing.T) {
	feast := part("feast", "10:00-12:00")
	feast.Holidays = HolidaysOnly
	work := part("work", "09:00-17:00")
	work.Holidays = HolidaysNever
	many := make([]*tuttiv1.Daypart, MaxDayparts+1)
	both := part("both", "10:00-11:00")
	both.Stop = true
	loud := part("loud", "10:00-11:00")
	loud.Volume = proto.Int32(101)
	for name, c := range map[string]struct {
		s     *tuttiv1.Schedule
		field string // "" none
		says  string
	}{
		"nothing":               {&tuttiv1.Schedule{Name: "x"}, "", ""},
		"no name":               {&tuttiv1.Schedule{}, "name", ""},
		"no such zone":          {&tuttiv1.Schedule{Name: "x", TimeZone: "Europe/Atlantis"}, "time_zone", "Atlantis"},
		"a path":                {&tuttiv1.Schedule{Name: "x", TimeZone: "../../etc/passwd"}, "time_zone", ""},
		"too many":              {&tuttiv1.Schedule{Name: "x", Dayparts: many}, "dayparts", "100"},
		"no day":                {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{{Name: "y", Start: "10:00", End: "11:00"}}}, "dayparts[0].days", ""},
		"a strange day":         {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{part("y", "10:00-11:00", "monday")}}, "dayparts[0].days", "monday"},
		"a strange time":        {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{part("y", "10:00-24:00")}}, "dayparts[0].end", "24:00"},
		"uri and stop":          {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{both}}, "dayparts[0].stop", ""},
		"too loud":              {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{loud}}, "dayparts[0].volume", ""},
		"a cap above all":       {&tuttiv1.Schedule{Name: "x", QuietHours: []*tuttiv1.QuietHours{{Days: everyDay, Start: "10:00", End: "11:00", MaxVolume: 101}}}, "quiet_hours[0].max_volume", ""},
		"one after the other":   {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{part("a", "10:00-12:00"), part("b", "12:00-10:00")}}, "", ""},
		"over each other":       {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{part("lunch", "10:00-12:01"), part("tea", "12:00-13:00")}}, "dayparts[1]", `"lunch" (10:00-12:01) and "tea"`},
		"over midnight":         {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{part("late", "22:00-02:00", "sat"), part("early", "01:00-03:00", "sun")}}, "dayparts[1]", "Sunday"},
		"over another midnight": {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{part("late", "22:00-02:00", "sat"), part("early", "01:00-03:00", "mon")}}, "", ""},
		"24 hours twice":        {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{part("a", "08:00-08:00", "mon"), part("b", "07:59-09:00", "tue")}}, "dayparts[1]", "Tuesday"},
		"feasts and work":       {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{feast, work}}, "", ""},
		"feasts and any day":    {&tuttiv1.Schedule{Name: "x", Dayparts: []*tuttiv1.Daypart{feast, part("any", "11:00-12:00")}}, "dayparts[1]", "feast"},
	} {
		_, err := New(c.s, nil)
		var f *fault.Error
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.field == "":
		case fault.CodeOf(err) != fault.OutOfRange || !errors.As(err, &f) || len(f.Fields) != 1 || f.Fields[0].Location != "body."+c.field || !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: %v, want the field %s", name, err, c.field)
		}
	}
	for name, h := range map[string]*tuttiv1.Holidays{
		"no date": {Holidays: []*tuttiv1.Holiday{{Date: "25.12.2026"}}}, "no such day": {Holidays: []*tuttiv1.Holiday{{Date: "2026-02-29"}}},
		"twice":    {Holidays: []*tuttiv1.Holiday{{Date: "2026-12-25"}, {Date: "2026-12-25"}}},
		"too many": {Holidays: make([]*tuttiv1.Holiday, MaxHolidays+1)},
	} {
		if err := CheckHolidays(h); fault.CodeOf(err) != fault.OutOfRange {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// wall is the reference: a clock on the wall that is read once a minute. What it shows
// never counts backwards, so a repeated hour happens once, and what is skipped has
// happened when it shows a later time.
type wall struct {
	loc    *time.Location
	now    time.Time
	latest time.Time     // what it has shown at most, written as if it were UTC
	seen   map[Date]bool // days that it has shown
}

func (w *wall) read() {
	x := w.now.In(w.loc)
	shows := time.Date(x.Year(), x.Month(), x.Day(), x.Hour(), x.Minute(), 0, 0, time.UTC)
	w.seen[dateOf(x)] = true
	if shows.After(w.latest) {
		w.latest = shows
	}
}

// inForce looks at every daypart of the last days.
func (w *wall) inForce(p *Plan) string {
	for n := -3; n <= 0; n++ {
		day := dateOf(w.latest).Add(n)
		for i, r := range p.dayparts {
			_, holiday := p.holidays[day]
			if !w.seen[day] || !r.days[day.Weekday()] || r.holidays == HolidaysOnly && !holiday || r.holidays == HolidaysNever && holiday {
				continue
			}
			from := day.naive(r.start)
			to := from.Add(time.Duration(r.minutes()) * time.Minute)
			if !w.latest.Before(from) && w.latest.Before(to) {
				return fmt.Sprintf("%s of %s", p.s.GetDayparts()[i].GetName(), day)
			}
		}
	}
	return "none"
}

// moments are days around which clocks are changed, and some around which they are not.
var moments = map[string][]string{
	"Europe/Berlin":       {"2026-03-29", "2026-10-25", "2026-07-01"},
	"America/New_York":    {"2026-03-08", "2026-11-01"},
	"Australia/Lord_Howe": {"2026-04-05", "2026-10-04"},
	"Asia/Beirut":         {"2026-03-29", "2026-10-25"},
	"Pacific/Apia":        {"2011-12-30"},
	"Asia/Kathmandu":      {"2026-01-01"},
	"America/Sao_Paulo":   {"2018-11-04", "2018-02-18"},
	"Africa/Casablanca":   {"2026-02-15", "2026-03-22"},
}

func TestTheEngineAgreesWithAClockOnTheWall(t *testing.T) {
	var zones []string
	for z := range moments {
		zones = append(zones, z)
	}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		day, _ := ParseDate(rapid.SampledFrom(moments[zone]).Draw(t, "day"))
		holidays := &tuttiv1.Holidays{}
		for n := -2; n <= 2; n++ {
			if rapid.IntRange(0, 3).Draw(t, "holiday") == 0 {
				holidays.Holidays = append(holidays.Holidays, &tuttiv1.Holiday{Date: day.Add(n).String()})
			}
		}
		minute := rapid.OneOf(rapid.IntRange(0, 4*60), rapid.IntRange(0, minutesPerDay-1), rapid.SampledFrom([]int{0, 60, 120, 150, 180, 1439}))
		s := &tuttiv1.Schedule{Name: "x", TimeZone: zone}
		var p *Plan
		for n := range rapid.IntRange(1, 4).Draw(t, "dayparts") {
			d := part(fmt.Sprint("p", n), Minute(minute.Draw(t, "start")).String()+"-"+Minute(minute.Draw(t, "end")).String(),
				rapid.SliceOfNDistinct(rapid.SampledFrom(everyDay), 1, 7, rapid.ID[string]).Draw(t, "days")...)
			d.Holidays = rapid.SampledFrom([]string{"", HolidaysAsUsual, HolidaysNever, HolidaysOnly}).Draw(t, "holidays")
			with := proto.CloneOf(s)
			with.Dayparts = append(with.Dayparts, d)
			if q, err := New(with, holidays); err == nil { // one that overlaps is left out
				s, p = with, q
			}
		}
		begin := day.Add(-4).at(0, p.loc)
		end := day.Add(3).at(0, p.loc)
		from := day.Add(-2).at(0, p.loc)
		w := &wall{loc: p.loc, now: begin, seen: map[Date]bool{}}
		was := ""
		var changes []time.Time
		for ; w.now.Before(end); w.now = w.now.Add(time.Minute) {
			w.read()
			if w.now.Before(from) {
				continue
			}
			want, got := w.inForce(p), "none"
			if o := p.Daypart(w.now); o != nil {
				got = fmt.Sprintf("%s of %s", o.Daypart.GetName(), o.Day)
				if o.Start.After(w.now) || !o.End.After(w.now) {
					t.Fatalf("%v: in force %s", w.now.In(p.loc), says(o))
				}
			}
			if got != want {
				t.Fatalf("%v: %s, want %s", w.now.In(p.loc), got, want)
			}
			if want != was && want != "none" && was != "" {
				changes = append(changes, w.now)
			}
			was = want
		}
		// Next goes from start to start, and the preview has the same ones.
		at, previewed := from, p.Preview(from, end)
		for i, c := range changes {
			n := p.Next(at)
			if n == nil || !n.Start.Equal(c) {
				t.Fatalf("start %d: next after %v is %s, want one at %v", i, at, says(n), c.In(p.loc))
			}
			at = c
			found := false
			for _, o := range previewed {
				found = found || o.Start.Equal(c)
			}
			if !found {
				t.Fatalf("the preview lacks %s", says(n))
			}
		}
		if n := p.Next(at); n != nil && n.Start.Before(end) {
			t.Fatalf("next after the last is %s", says(n))
		}
	})
}

func FuzzParseMinute(f *testing.F) {
	for _, s := range []string{"00:00", "23:59", "24:00", "7:30", "07:60", "", "aa:bb", "１２:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMinute(s)
		x, ref := time.Parse("15:04", s)
		switch {
		case err == nil && (ref != nil || m.String() != s || int(m) != x.Hour()*60+x.Minute()):
			t.Errorf("%q is read as %s", s, m)
		case err != nil && ref == nil && len(s) == 5:
			t.Errorf("%q is refused: %v", s, err)
		}
	})
}

func FuzzParseDate(f *testing.F) {
	for _, s := range []string{"2026-12-25", "2026-02-29", "2024-02-29", "2026-1-1", "", "-026-01-01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDate(s); err == nil && d.String() != s {
			t.Errorf("%q is read as %s", s, d)
		}
	})
}

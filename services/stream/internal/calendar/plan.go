package calendar

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// Bounds of what is kept: a schedule is one message of the bus, and is read by a person.
const (
	MaxDayparts   = 100
	MaxQuietHours = 50
	MaxHolidays   = 366
	maxName       = 100  // bytes
	maxURI        = 4096 // bytes
	maxZone       = 64   // bytes
)

func bad(field, format string, a ...any) error {
	msg := fmt.Sprintf(format, a...)
	return fault.New(fault.OutOfRange, "%s", msg).WithField("body."+field, msg)
}

// New reads a schedule. Its errors are OutOfRange and name the field, and both dayparts
// where two would be in force together. The schedule must not change afterwards.
func New(s *tuttiv1.Schedule, holidays *tuttiv1.Holidays) (*Plan, error) {
	p := &Plan{s: s, holidays: map[Date]string{}}
	if err := checkName("name", s.GetName()); err != nil {
		return nil, err
	}
	var err error
	if p.loc, err = zone(s.GetTimeZone()); err != nil {
		return nil, err
	}
	if n := len(s.GetDayparts()); n > MaxDayparts {
		return nil, bad("dayparts", "a schedule has at most %d dayparts, and not %d", MaxDayparts, n)
	}
	if n := len(s.GetQuietHours()); n > MaxQuietHours {
		return nil, bad("quiet_hours", "a schedule has at most %d quiet hours, and not %d", MaxQuietHours, n)
	}
	for i, d := range s.GetDayparts() {
		r, err := checkDaypart(fmt.Sprintf("dayparts[%d]", i), d)
		if err != nil {
			return nil, err
		}
		p.dayparts = append(p.dayparts, r)
	}
	for i, q := range s.GetQuietHours() {
		at := fmt.Sprintf("quiet_hours[%d]", i)
		r, field, err := ruleOf(q.GetDays(), q.GetHolidays(), q.GetStart(), q.GetEnd())
		if err != nil {
			return nil, bad(at+"."+field, "quiet hours: %v", err)
		}
		if v := q.GetMaxVolume(); v < 0 || v > 100 {
			return nil, bad(at+".max_volume", "max_volume %d is not in 0-100", v)
		}
		p.quiet = append(p.quiet, r)
	}
	if err := p.checkOverlaps(); err != nil {
		return nil, err
	}
	for _, h := range holidays.GetHolidays() {
		if d, err := ParseDate(h.GetDate()); err == nil { // CheckHolidays was asked when they were set
			p.holidays[d] = h.GetName()
		}
	}
	return p, nil
}

func checkName(field, name string) error {
	if n := strings.TrimSpace(name); n == "" || len(n) > maxName || !utf8.ValidString(n) {
		return bad(field, "a name has 1 to %d bytes", maxName)
	}
	return nil
}

func checkDaypart(at string, d *tuttiv1.Daypart) (rule, error) {
	if err := checkName(at+".name", d.GetName()); err != nil {
		return rule{}, err
	}
	r, field, err := ruleOf(d.GetDays(), d.GetHolidays(), d.GetStart(), d.GetEnd())
	switch {
	case err != nil:
		return r, bad(at+"."+field, "daypart %q: %v", d.GetName(), err)
	case len(d.GetUri()) > maxURI:
		return r, bad(at+".uri", "daypart %q: its uri is longer than %d bytes", d.GetName(), maxURI)
	case d.GetStop() && d.GetUri() != "":
		return r, bad(at+".stop", "daypart %q has a uri and stop: choose one", d.GetName())
	case d.Volume != nil && (d.GetVolume() < 0 || d.GetVolume() > 100):
		return r, bad(at+".volume", "daypart %q: volume %d is not in 0-100", d.GetName(), d.GetVolume())
	case d.Repeat != nil && !slices.Contains([]string{"off", "one", "all"}, d.GetRepeat()):
		return r, bad(at+".repeat", "daypart %q: repeat %q is none of off, one, all", d.GetName(), d.GetRepeat())
	}
	return r, nil
}

// checkOverlaps refuses dayparts of which two could be in force together, whatever days
// become holidays later.
func (p *Plan) checkOverlaps() error {
	for i, a := range p.dayparts {
		for j := i + 1; j < len(p.dayparts); j++ {
			day, yes := a.meets(p.dayparts[j])
			if !yes {
				continue
			}
			x, y := p.s.GetDayparts()[i], p.s.GetDayparts()[j]
			return bad(fmt.Sprintf("dayparts[%d]", j), "the dayparts %q (%s-%s) and %q (%s-%s) would both be in force on %s: change the times or the days, or how they take holidays",
				x.GetName(), x.GetStart(), x.GetEnd(), y.GetName(), y.GetStart(), y.GetEnd(), day)
		}
	}
	return nil
}

// meets reports whether two rules can be in force together, and on which day.
func (r rule) meets(o rule) (time.Weekday, bool) {
	apart := r.holidays == HolidaysOnly && o.holidays == HolidaysNever || r.holidays == HolidaysNever && o.holidays == HolidaysOnly
	for w := range 7 {
		next := (w + 1) % 7
		switch {
		case r.days[w] && o.days[w] && !apart && int(r.start) < int(o.start)+o.minutes() && int(o.start) < int(r.start)+r.minutes():
			return time.Weekday(w), true
		case r.days[w] && o.days[next] && int(r.start)+r.minutes() > minutesPerDay+int(o.start),
			o.days[w] && r.days[next] && int(o.start)+o.minutes() > minutesPerDay+int(r.start):
			return time.Weekday(next), true
		}
	}
	return 0, false
}

// CheckHolidays refuses holidays that cannot be kept: OutOfRange, with the field.
func CheckHolidays(h *tuttiv1.Holidays) error {
	if n := len(h.GetHolidays()); n > MaxHolidays {
		return bad("holidays", "at most %d holidays are kept, and not %d", MaxHolidays, n)
	}
	seen := map[Date]bool{}
	for i, x := range h.GetHolidays() {
		d, err := ParseDate(x.GetDate())
		at := fmt.Sprintf("holidays[%d]", i)
		switch {
		case err != nil:
			return bad(at+".date", "%v", err)
		case seen[d]:
			return bad(at+".date", "%s is there twice", d)
		case len(x.GetName()) > maxName || !utf8.ValidString(x.GetName()):
			return bad(at+".name", "the name of %s is longer than %d bytes", d, maxName)
		}
		seen[d] = true
	}
	return nil
}

// zone finds a time zone; "" is the server's.
func zone(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" || len(name) > maxZone {
		return nil, bad("time_zone", "there is no time zone %q: write for example Europe/Berlin", name)
	}
	return loc, nil
}

// ServerZone is the IANA name of the server's own zone; "" when it has none.
func ServerZone() string {
	names := []string{strings.TrimPrefix(os.Getenv("TZ"), ":")}
	if file, err := filepath.EvalSymlinks("/etc/localtime"); err == nil {
		if _, name, found := strings.Cut(file, "zoneinfo/"); found {
			names = append(names, name)
		}
	}
	now := time.Now()
	_, want := now.Zone()
	for _, n := range names {
		loc, err := time.LoadLocation(n)
		if n == "" || n == "Local" || err != nil {
			continue
		}
		if _, have := now.In(loc).Zone(); have == want {
			return n
		}
	}
	if time.Local.String() == "UTC" {
		return "UTC"
	}
	return ""
}

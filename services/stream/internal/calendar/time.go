package calendar

import (
	"fmt"
	"time"
)

// Minute is a time of day in minutes since midnight, 0 to 1439.
type Minute int

const minutesPerDay = 24 * 60

// ParseMinute reads "HH:MM", 00:00 to 23:59.
func ParseMinute(s string) (Minute, error) {
	digit := func(i int) int { return int(s[i]) - '0' }
	if len(s) != 5 || s[2] != ':' {
		return 0, fmt.Errorf("%q is no time of day: write it as HH:MM, from 00:00 to 23:59", s)
	}
	for _, i := range []int{0, 1, 3, 4} {
		if d := digit(i); d < 0 || d > 9 {
			return 0, fmt.Errorf("%q is no time of day: write it as HH:MM, from 00:00 to 23:59", s)
		}
	}
	h, m := digit(0)*10+digit(1), digit(3)*10+digit(4)
	if h > 23 || m > 59 {
		return 0, fmt.Errorf("%q is no time of day: write it as HH:MM, from 00:00 to 23:59", s)
	}
	return Minute(h*60 + m), nil
}

// String is the time as HH:MM.
func (m Minute) String() string { return fmt.Sprintf("%02d:%02d", m/60, m%60) }

// Date is a day of the calendar, in no time zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads "YYYY-MM-DD", a day that exists.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || len(s) != len(time.DateOnly) {
		return Date{}, fmt.Errorf("%q is no date: write it as YYYY-MM-DD", s)
	}
	return dateOf(t), nil
}

// dateOf is the date that t's own clock shows.
func dateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// String is the date as YYYY-MM-DD.
func (d Date) String() string { return d.naive(0).Format(time.DateOnly) }

// Weekday is the day of the week.
func (d Date) Weekday() time.Weekday { return d.naive(0).Weekday() }

// Add is the date n days later.
func (d Date) Add(n int) Date {
	return dateOf(time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, time.UTC))
}

// naive is what a clock shows at m on d, written as if it were UTC.
func (d Date) naive(m Minute) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, int(m), 0, 0, time.UTC)
}

// reach is more than any zone is away from UTC, and than any change of a zone skips.
const reach = 50 * time.Hour

// at is the first moment at which clocks in loc show m on d, or later. So a time that a
// change of the clocks skips is the first moment after the change, and one that comes
// twice is the first of the two.
func (d Date) at(m Minute, loc *time.Location) time.Time {
	want := d.naive(m)
	for t := want.Add(-reach).In(loc); ; {
		_, offset := t.Zone()
		begin, end := t.ZoneBounds()
		shown := want.Add(-time.Duration(offset) * time.Second)
		if shown.Before(begin) { // clocks were put forward past it
			shown = begin
		}
		if end.IsZero() || shown.Before(end) {
			return shown.In(loc)
		}
		t = end
	}
}

// exists is false for a day that a zone has skipped as a whole.
func (d Date) exists(loc *time.Location) bool { return d.at(0, loc).Before(d.Add(1).at(0, loc)) }

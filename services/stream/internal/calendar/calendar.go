// Package calendar says what a schedule asks for at a moment: the daypart in force, the
// one after it, and the cap of quiet hours. It is pure: schedules, holidays, a time zone
// and a moment go in.
//
// Times of day are those of a zone's clocks. A time that is skipped when clocks are put
// forward is the first moment after it; one that comes twice counts the first time. So
// every day on which a daypart falls has it once, however long the day is. A daypart that
// passes midnight belongs to the day it starts on, also where holidays are concerned.
package calendar

import (
	"fmt"
	"slices"
	"time"
	_ "time/tzdata" // schedules name zones, whatever the machine has

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// How a daypart takes holidays.
const (
	HolidaysAsUsual = "as_usual" // they are days like others
	HolidaysOnly    = "only"     // it falls on those of its days that are holidays
	HolidaysNever   = "never"    // it does not fall on them
)

// dayNames are the days of the week as schedules write them, by time.Weekday.
var dayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// rule is when something is in force.
type rule struct {
	days       [7]bool // by time.Weekday
	holidays   string
	start, end Minute
}

// ruleOf reads a rule; field says which part is at fault.
func ruleOf(days []string, holidays, start, end string) (r rule, field string, err error) {
	if len(days) == 0 {
		return r, "days", fmt.Errorf("it names no day: choose at least one")
	}
	for _, d := range days {
		i := slices.Index(dayNames[:], d)
		if i < 0 {
			return r, "days", fmt.Errorf("%q is none of mon, tue, wed, thu, fri, sat, sun", d)
		}
		r.days[i] = true
	}
	switch r.holidays = holidays; holidays {
	case "":
		r.holidays = HolidaysAsUsual
	case HolidaysAsUsual, HolidaysOnly, HolidaysNever:
	default:
		return r, "holidays", fmt.Errorf("%q is none of as_usual, only, never", holidays)
	}
	if r.start, err = ParseMinute(start); err != nil {
		return r, "start", err
	}
	if r.end, err = ParseMinute(end); err != nil {
		return r, "end", err
	}
	return r, "", nil
}

// minutes is how long a rule lasts by the clock: 1 to 1440.
func (r rule) minutes() int {
	n := int(r.end - r.start)
	if n <= 0 {
		n += minutesPerDay
	}
	return n
}

// falls reports whether the rule starts on a day.
func (r rule) falls(d Date, holidays map[Date]string) bool {
	_, holiday := holidays[d]
	return r.days[d.Weekday()] && (r.holidays == HolidaysAsUsual || (r.holidays == HolidaysOnly) == holiday)
}

// span is the rule's time on the day d: empty (end not after start) where a change of the
// clocks leaves nothing of it.
func (r rule) span(d Date, loc *time.Location) (start, end time.Time) {
	if !d.exists(loc) {
		t := d.at(0, loc)
		return t, t
	}
	last := d
	if r.end <= r.start {
		last = d.Add(1)
	}
	return d.at(r.start, loc), last.at(r.end, loc)
}

// Plan is a schedule that was read and found sound. It does not change.
type Plan struct {
	s        *tuttiv1.Schedule
	loc      *time.Location
	dayparts []rule // as in s
	quiet    []rule
	holidays map[Date]string // name by date
}

// Occurrence is a daypart, or quiet hours, of one day.
type Occurrence struct {
	Daypart    *tuttiv1.Daypart    // or
	Quiet      *tuttiv1.QuietHours // one of the two
	Day        Date                // that it belongs to
	Holiday    string              // the name of the holiday that Day is; "" none
	Start, End time.Time           // in the schedule's zone; End is not part of it
}

// Schedule is what the plan was made of.
func (p *Plan) Schedule() *tuttiv1.Schedule { return p.s }

// Location is the zone of the plan's clocks.
func (p *Plan) Location() *time.Location { return p.loc }

// each calls f for every occurrence of rules that starts on day, in no order.
func (p *Plan) each(day Date, rules []rule, f func(i int, start, end time.Time)) {
	for i, r := range rules {
		if !r.falls(day, p.holidays) {
			continue
		}
		if start, end := r.span(day, p.loc); start.Before(end) {
			f(i, start, end)
		}
	}
}

// daypart is the occurrence of the daypart i.
func (p *Plan) daypart(i int, day Date, start, end time.Time) *Occurrence {
	return &Occurrence{Daypart: p.s.GetDayparts()[i], Day: day, Holiday: p.holiday(day), Start: start, End: end}
}

func (p *Plan) holiday(d Date) string { return p.holidays[d] }

// around is how many days before and after the present one can have something in force:
// 24 hours that pass midnight, and a zone that skips a day.
const around = 3

// Daypart is the daypart in force at t; nil: none.
func (p *Plan) Daypart(t time.Time) (found *Occurrence) {
	today := dateOf(t.In(p.loc))
	for n := -around; n <= 1 && found == nil; n++ {
		day := today.Add(n)
		p.each(day, p.dayparts, func(i int, start, end time.Time) {
			if !t.Before(start) && t.Before(end) {
				found = p.daypart(i, day, start, end)
			}
		})
	}
	return found
}

// horizon is how far ahead the next daypart is looked for, in days: what falls on the
// holidays of next year is not next.
const horizon = 400

// Next is the first daypart that starts after t; nil: none within about a year.
func (p *Plan) Next(t time.Time) (next *Occurrence) {
	today := dateOf(t.In(p.loc))
	for n := -1; n <= horizon; n++ {
		day := today.Add(n)
		p.each(day, p.dayparts, func(i int, start, end time.Time) {
			if start.After(t) && (next == nil || start.Before(next.Start)) {
				next = p.daypart(i, day, start, end)
			}
		})
		if next != nil {
			return next
		}
	}
	return nil
}

// Cap is the volume cap of the quiet hours in force at t, the least of them; ok is false
// when there are none. until is when it may change: the first start or end of quiet hours
// after t, zero when there is none within some days.
func (p *Plan) Cap(t time.Time) (maxVolume int, ok bool, until time.Time) {
	today := dateOf(t.In(p.loc))
	soon := func(x time.Time) {
		if x.After(t) && (until.IsZero() || x.Before(until)) {
			until = x
		}
	}
	for n := -around; n <= 8; n++ {
		p.each(today.Add(n), p.quiet, func(i int, start, end time.Time) {
			soon(start)
			soon(end)
			if v := int(p.s.GetQuietHours()[i].GetMaxVolume()); !t.Before(start) && t.Before(end) && (!ok || v < maxVolume) {
				maxVolume, ok = v, true
			}
		})
	}
	return maxVolume, ok, until
}

// Preview lists what is in force at some moment of [from, to), by start.
func (p *Plan) Preview(from, to time.Time) (out []Occurrence) {
	first, last := dateOf(from.In(p.loc)).Add(-around), dateOf(to.In(p.loc)).Add(1)
	for day := first; !last.naive(0).Before(day.naive(0)); day = day.Add(1) {
		p.each(day, p.dayparts, func(i int, start, end time.Time) {
			if start.Before(to) && from.Before(end) {
				out = append(out, *p.daypart(i, day, start, end))
			}
		})
		p.each(day, p.quiet, func(i int, start, end time.Time) {
			if start.Before(to) && from.Before(end) {
				out = append(out, Occurrence{Quiet: p.s.GetQuietHours()[i], Day: day, Holiday: p.holiday(day), Start: start, End: end})
			}
		})
	}
	slices.SortStableFunc(out, func(a, b Occurrence) int { return a.Start.Compare(b.Start) })
	return out
}

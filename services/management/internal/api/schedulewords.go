package api

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// This file says in the ledger's words what of a schedule was changed.

func scheduleWords(s *pb.Schedule, what string) string {
	return fmt.Sprintf("schedule %q (%s) of group %s: %s", clip(s.GetName()), s.GetScheduleId(), s.GetGroupId(), what)
}

func scheduleParts(s *pb.Schedule) string {
	return fmt.Sprintf("%d dayparts, %d quiet hours", len(s.GetDayparts()), len(s.GetQuietHours()))
}

// maxWords bounds how many changes a line of the ledger names.
const maxWords = 12

// scheduleChanges names what differs.
func scheduleChanges(a, b *model.Schedule) string {
	var out []string
	note := func(changed bool, format string, args ...any) {
		if changed {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	note(a.Name != b.Name, "named %q", clip(b.Name))
	note(a.GroupID != b.GroupID, "moved from group %s", a.GroupID)
	note(a.Enabled && !b.Enabled, "disabled")
	note(!a.Enabled && b.Enabled, "enabled")
	note(a.TimeZone != b.TimeZone, "time zone %s", b.TimeZone)
	note(a.SkipUntil != nil && b.SkipUntil == nil, "no longer skipped")
	for _, d := range b.Dayparts {
		i := slices.IndexFunc(a.Dayparts, func(o model.Daypart) bool { return o.DaypartID == d.DaypartID })
		note(i < 0, "daypart %q added (%s)", clip(d.Name), daypartWords(d))
		if i >= 0 {
			note(!reflect.DeepEqual(a.Dayparts[i], d), "daypart %q changed (%s)", clip(d.Name), daypartWords(d))
		}
	}
	for _, d := range a.Dayparts {
		note(!slices.ContainsFunc(b.Dayparts, func(o model.Daypart) bool { return o.DaypartID == d.DaypartID }), "daypart %q removed", clip(d.Name))
	}
	if !reflect.DeepEqual(a.QuietHours, b.QuietHours) {
		var q []string
		for _, x := range b.QuietHours {
			q = append(q, fmt.Sprintf("%s-%s at most %d", x.Start, x.End, x.MaxVolume))
		}
		note(true, "quiet hours: %s", firstWord(strings.Join(q, ", "), "none"))
	}
	if len(out) > maxWords {
		out = append(out[:maxWords], fmt.Sprintf("and %d more", len(out)-maxWords))
	}
	return firstWord(strings.Join(out, "; "), "nothing changed")
}

func firstWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func daypartWords(d model.Daypart) string {
	words := []string{strings.Join(d.Days, " "), d.Start + "-" + d.End}
	switch {
	case d.Stop:
		words = append(words, "silence")
	case d.URI != "":
		words = append(words, clip(d.URI))
	}
	if d.Volume != nil {
		words = append(words, fmt.Sprintf("volume %d", *d.Volume))
	}
	return strings.Join(words, ", ")
}

func sameHolidays(a, b model.Holidays) bool { return slices.Equal(a.Holidays, b.Holidays) }

// holidayWords names the dates that came and went.
func holidayWords(a, b model.Holidays) string {
	var out []string
	for _, h := range b.Holidays {
		if !slices.Contains(a.Holidays, h) {
			out = append(out, fmt.Sprintf("%s %s", h.Date, clip(h.Name)))
		}
	}
	for _, h := range a.Holidays {
		if !slices.ContainsFunc(b.Holidays, func(o model.Holiday) bool { return o.Date == h.Date }) {
			out = append(out, "not "+h.Date)
		}
	}
	if len(out) > maxWords {
		out = append(out[:maxWords], fmt.Sprintf("and %d more", len(out)-maxWords))
	}
	return firstWord(strings.Join(out, ", "), "nothing changed")
}

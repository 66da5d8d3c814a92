package stream

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

var allDays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// venue is a rig with a time of day that the test sets, and a ledger.
type venue struct {
	*rig
	clock *clockwork.FakeClock
	mu    sync.Mutex
	lines []string // of the ledger: kind and detail
}

func berlin(t *testing.T, s string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	x, err := time.ParseInLocation("2006-01-02 15:04", s, loc)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// newVenue is a rig at a time of day, without a service yet.
func newVenue(t *testing.T, now string) *venue {
	t.Helper()
	v := &venue{rig: newRig(t, bustest.Embedded(t)), clock: clockwork.NewFakeClockAt(berlin(t, now))}
	v.daytime = v.clock
	b, err := v.bus.NewService("pairing", "1.0.0", "p")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop() })
	err = bus.Handle(b, subject.PairingAuditAppend, func(_ context.Context, r *tuttiv1.AuditAppendRequest) (*tuttiv1.AuditEvent, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.lines = append(v.lines, r.GetActor()+" "+r.GetKind()+" "+r.GetDetail())
		return &tuttiv1.AuditEvent{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// audited counts the lines of the ledger that hold a text.
func (v *venue) audited(text string) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, l := range v.lines {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

// sets moves the clocks to a time of day.
func (v *venue) sets(now string) {
	v.t.Helper()
	v.clock.Advance(berlin(v.t, now).Sub(v.clock.Now()))
}

// put gives a zone a schedule, or replaces it.
func (v *venue) put(s *tuttiv1.Schedule) *tuttiv1.Schedule {
	v.t.Helper()
	s.TimeZone = "Europe/Berlin"
	return ask[tuttiv1.ScheduleReply](v.rig, subject.StreamSchedule, &tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Put{Put: s}}).GetSchedule()
}

func daypart(name, start, end, uri string, change ...func(*tuttiv1.Daypart)) *tuttiv1.Daypart {
	d := &tuttiv1.Daypart{Name: name, Days: allDays, Start: start, End: end, Uri: uri}
	for _, f := range change {
		f(d)
	}
	return d
}

// is waits until a group is as what says.
func (v *venue) is(group, want string) *tuttiv1.Group {
	v.t.Helper()
	var g *tuttiv1.Group
	until(v.t, func() string {
		g = v.get(group)
		s := g.GetSchedule()
		limit := "no cap"
		if g.VolumeCap != nil {
			limit = fmt.Sprintf("cap %d", g.GetVolumeCap())
		}
		got := fmt.Sprintf("%s %q %s %s", g.GetPlaybackState(), g.GetSource(), s.GetDaypart(), limit)
		if s.GetOverridden() {
			got += " overridden"
		}
		if s.GetError() != "" {
			got += " error"
		}
		if got != want {
			return fmt.Sprintf("it is %s: %s, want %s", v.clock.Now(), got, want)
		}
		return ""
	})
	return g
}

func TestADayBySchedule(t *testing.T) {
	v := newVenue(t, "2026-06-01 08:00")
	v.file("a.flac", 30, 1)
	v.file("b.flac", 30, 2)
	v.service(v.bus, "one")
	d := v.device("a", "pcm:44100:16:2")
	g := v.make("Bar", d)
	s := v.put(&tuttiv1.Schedule{GroupId: g, Name: "Bar", Enabled: true, Dayparts: []*tuttiv1.Daypart{
		daypart("Lunch", "11:00", "14:00", "a.flac", func(d *tuttiv1.Daypart) { d.Volume, d.Repeat = proto.Int32(40), proto.String("all") }),
		daypart("Tea", "14:00", "16:00", "b.flac"),
		daypart("Night", "22:00", "02:00", "a.flac", func(d *tuttiv1.Daypart) { d.Shuffle = proto.Bool(true) })},
		QuietHours: []*tuttiv1.QuietHours{{Days: allDays, Start: "23:00", End: "06:00", MaxVolume: 20}}})
	if x := v.is(g, `stopped ""  no cap`); x.GetSchedule().GetNext() != "Lunch" || !x.GetSchedule().GetNextAt().AsTime().Equal(berlin(t, "2026-06-01 11:00")) {
		t.Errorf("next: %v", x.GetSchedule())
	}
	v.sets("2026-06-01 11:00")
	if x := v.is(g, `playing "a.flac" Lunch no cap`); x.GetRepeat() != "all" || !x.GetSchedule().GetUntil().AsTime().Equal(berlin(t, "2026-06-01 14:00")) {
		t.Errorf("lunch: %v", x)
	}
	until(t, func() string {
		if got := d.asked(); len(got) != 1 || got[0] != "v40" {
			return fmt.Sprint("asked ", got)
		}
		return ""
	})
	v.sets("2026-06-01 14:00")
	v.is(g, `playing "b.flac" Tea no cap`)
	v.sets("2026-06-01 16:00")
	v.is(g, `stopped ""  no cap`)
	v.sets("2026-06-01 22:00")
	v.is(g, `playing "a.flac" Night no cap`)
	v.sets("2026-06-01 23:00")
	v.is(g, `playing "a.flac" Night cap 20`)
	until(t, func() string {
		if _, group, _, _ := d.now(); group.VolumeCap == nil || group.GetVolumeCap() != 20 {
			return "the session does not know the cap"
		}
		return ""
	})
	v.sets("2026-06-02 02:00")
	v.is(g, `stopped ""  cap 20`)
	v.sets("2026-06-02 06:00")
	v.is(g, `stopped ""  no cap`)
	until(t, func() string {
		for text, want := range map[string]int{`schedule:Bar schedule.daypart_began group "Bar" (` + g + `): daypart "Lunch": plays a.flac, volume 40`: 1, `"Tea"`: 1, `"Night"`: 1,
			"schedule.daypart_ended": 2, "schedule.quiet_hours_began": 1, "schedule.quiet_hours_ended": 1} {
			if n := v.audited(text); n != want {
				return fmt.Sprintf("%d lines of %s, want %d", n, text, want)
			}
		}
		return ""
	})
	// It goes with its group.
	if err := try(v.rig, subject.StreamDeleteGroup, &tuttiv1.GroupRequest{GroupId: g}, &tuttiv1.Empty{}); err != nil {
		t.Fatal(err)
	}
	until(t, func() string {
		err := try(v.rig, subject.StreamSchedule, &tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Skip{Skip: &tuttiv1.ScheduleSkip{ScheduleId: s.GetScheduleId()}}}, &tuttiv1.ScheduleReply{})
		if fault.CodeOf(err) != fault.NotFound {
			return fmt.Sprint("schedule of a deleted group: ", err)
		}
		return ""
	})
}

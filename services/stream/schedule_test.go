package stream

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/schedule"
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
	// The music is short and goes on without an end.
	d := &tuttiv1.Daypart{Name: name, Days: allDays, Start: start, End: end, Uri: uri, Repeat: proto.String("all")}
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
	t.Parallel()
	v := newVenue(t, "2026-06-01 08:00")
	v.file("a.flac", 10, 1)
	v.file("b.flac", 10, 2)
	v.service(v.bus, "one")
	d := v.device("a", "pcm:44100:16:2")
	g := v.make("Bar", d)
	s := v.put(&tuttiv1.Schedule{GroupId: g, Name: "Bar", Enabled: true, Dayparts: []*tuttiv1.Daypart{
		daypart("Lunch", "11:00", "14:00", "a.flac", func(d *tuttiv1.Daypart) { d.Volume, d.Repeat = proto.Int32(40), proto.String("all") }),
		daypart("Tea", "14:00", "16:00", "b.flac"),
		daypart("Night", "22:00", "02:00", "a.flac", func(d *tuttiv1.Daypart) { d.Shuffle = proto.Bool(true) })},
		QuietHours: []*tuttiv1.QuietHours{{Days: allDays, Start: "23:00", End: "06:00", MaxVolume: 20}}})
	until(t, func() string { // that is said once the scheduler has looked
		if x := v.is(g, `stopped ""  no cap`); x.GetSchedule().GetNext() != "Lunch" || !x.GetSchedule().GetNextAt().AsTime().Equal(berlin(t, "2026-06-01 11:00")) {
			return fmt.Sprintf("next: %v", x.GetSchedule())
		}
		return ""
	})
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

func stop(g string) *tuttiv1.GroupCommand {
	return &tuttiv1.GroupCommand{GroupId: g, Actor: "token:someone", Command: &tuttiv1.GroupCommand_Stop{Stop: &tuttiv1.Empty{}}}
}

// by makes a command somebody's.
func by(actor string, c *tuttiv1.GroupCommand) *tuttiv1.GroupCommand {
	c.Actor = actor
	return c
}

// skip suspends a schedule, or no longer.
func (v *venue) skip(id, until string) {
	v.t.Helper()
	r := &tuttiv1.ScheduleSkip{ScheduleId: id}
	if until != "" {
		r.Until = timestamppb.New(berlin(v.t, until))
	}
	ask[tuttiv1.ScheduleReply](v.rig, subject.StreamSchedule, &tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Skip{Skip: r}})
}

// What a person does holds until the next daypart.
func TestWhatAPersonDoesHoldsUntilTheNextDaypart(t *testing.T) {
	t.Parallel()
	v := newVenue(t, "2026-06-01 10:00")
	v.file("a.flac", 10, 1)
	v.file("b.flac", 10, 2)
	v.file("mine.flac", 10, 1)
	v.service(v.bus, "one")
	d := v.device("a", "pcm:44100:16:2")
	g := v.make("Bar", d)
	parts := []*tuttiv1.Daypart{daypart("One", "10:00", "11:00", "a.flac"), daypart("Two", "11:00", "12:00", "b.flac"), daypart("Hush", "14:00", "15:00", "", func(d *tuttiv1.Daypart) { d.Stop = true })}
	s := v.put(&tuttiv1.Schedule{GroupId: g, Name: "Bar", Enabled: true, Dayparts: parts})
	v.is(g, `playing "a.flac" One no cap`) // it counts at once
	epoch := v.get(g).GetEpoch()

	v.command(stop(g))
	v.is(g, `stopped "" One no cap overridden`)
	v.sets("2026-06-01 10:30") // nobody turns it on again
	s.Dayparts[0].Volume = proto.Int32(30)
	s = v.put(s) // what was changed of it counts the next time
	v.is(g, `stopped "" One no cap overridden`)
	v.sets("2026-06-01 11:00")
	v.is(g, `playing "b.flac" Two no cap`)

	v.command(by("client:x", setVolume(g, 77)))
	v.is(g, `playing "b.flac" Two no cap overridden`)
	v.sets("2026-06-01 12:00") // its own music still plays, and ends
	v.is(g, `stopped ""  no cap`)

	v.sets("2026-06-02 11:00")
	v.is(g, `playing "b.flac" Two no cap`)
	v.command(by("token:someone", play(g, "mine.flac")))
	v.is(g, `playing "mine.flac" Two no cap overridden`)
	v.sets("2026-06-02 12:00") // what a person chose goes on
	v.is(g, `playing "mine.flac"  no cap`)
	v.sets("2026-06-02 14:00") // until silence is asked for
	v.is(g, `stopped "" Hush no cap`)

	// A skip: nothing begins and nothing ends; then the daypart in force is caught up with.
	v.sets("2026-06-03 10:00")
	v.is(g, `playing "a.flac" One no cap`)
	v.skip(s.GetScheduleId(), "2026-06-03 11:30")
	if x := v.is(g, `playing "a.flac"  no cap`); x.GetSchedule().GetNext() != "Two" || !x.GetSchedule().GetNextAt().AsTime().Equal(berlin(t, "2026-06-03 11:30")) {
		t.Errorf("while it is skipped: %v", x.GetSchedule())
	}
	v.sets("2026-06-03 11:10")
	v.is(g, `playing "a.flac"  no cap`)
	v.sets("2026-06-03 11:30")
	v.is(g, `playing "b.flac" Two no cap`)

	// Disabled and enabled again it is where it was, and begins nothing twice.
	x := v.get(g)
	s.Enabled = false
	s = v.put(s)
	until(t, func() string {
		if y := v.get(g); y.GetSchedule().GetScheduleId() != "" {
			return "it still goes by its schedule"
		}
		return ""
	})
	s.Enabled = true
	v.put(s)
	if y := v.is(g, `playing "b.flac" Two no cap`); y.GetEpoch() != x.GetEpoch() || x.GetEpoch() <= epoch {
		t.Errorf("begun again: epoch %d, then %d", x.GetEpoch(), y.GetEpoch())
	}
}

// A start that was missed is caught up with, and only that.
func TestARestartCatchesUp(t *testing.T) {
	t.Parallel()
	v := newVenue(t, "2026-06-01 10:00")
	v.file("a.flac", 10, 1)
	v.file("b.flac", 10, 2)
	stopOne := v.service(v.bus, "one")
	d := v.device("a", "pcm:44100:16:2")
	g, other := v.make("Bar", d), v.make("Terrace")
	for _, id := range []string{g, other} {
		v.put(&tuttiv1.Schedule{GroupId: id, Name: "S", Enabled: true, Dayparts: []*tuttiv1.Daypart{
			daypart("One", "10:00", "12:00", "a.flac"), daypart("Two", "12:00", "14:00", "b.flac")},
			QuietHours: []*tuttiv1.QuietHours{{Days: allDays, Start: "13:00", End: "15:00", MaxVolume: 20}}})
	}
	v.is(g, `playing "a.flac" One no cap`)
	v.is(other, `playing "a.flac" One no cap`)
	v.command(stop(other))
	was := v.get(g)
	stopOne()

	v.sets("2026-06-01 11:00") // the same daypart
	stopTwo := v.service(v.bus, "two")
	if x := v.is(g, `playing "a.flac" One no cap`); x.GetSchedule().GetMark() != was.GetSchedule().GetMark() || len(x.GetQueue()) != 1 || x.GetQueue()[0].GetId() != was.GetQueue()[0].GetId() {
		t.Errorf("the music was begun again: %v, was %v", x.GetQueue(), was.GetQueue())
	}
	v.is(other, `stopped "" One no cap overridden`)
	stopTwo()

	v.sets("2026-06-01 13:10") // the next one has begun, and quiet hours have
	v.service(v.bus, "three")
	v.is(g, `playing "b.flac" Two cap 20`)
	v.is(other, `playing "b.flac" Two cap 20`)
	until(t, func() string {
		if n := v.audited(`"Two"`); n != 2 {
			return fmt.Sprintf("%d lines of what was caught up with, want 2", n)
		}
		return ""
	})
}

// Two instances: one schedules at a time, and nothing happens twice when the other takes
// over.
func TestTheSchedulerMovesAndNothingHappensTwice(t *testing.T) {
	t.Parallel()
	v := newVenue(t, "2026-06-01 10:00")
	v.file("a.flac", 10, 1)
	v.file("b.flac", 10, 2)
	stops := []func(){v.service(v.bus, "one"), v.service(v.bus, "two")}
	d := v.device("a", "pcm:44100:16:2")
	g := v.make("Bar", d)
	v.put(&tuttiv1.Schedule{GroupId: g, Name: "S", Enabled: true, Dayparts: []*tuttiv1.Daypart{
		daypart("One", "10:00", "12:00", "a.flac"), daypart("Two", "12:00", "14:00", "b.flac")}})
	first := v.is(g, `playing "a.flac" One no cap`)
	stops[0]()
	v.sets("2026-06-01 11:00")
	// Whoever schedules now answers.
	until(t, func() string {
		err := try(v.rig, subject.StreamSchedule, &tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Preview{Preview: &tuttiv1.SchedulePreview{
			From: timestamppb.New(v.clock.Now()), To: timestamppb.New(v.clock.Now().Add(time.Hour))}}}, &tuttiv1.ScheduleReply{})
		if err != nil {
			return err.Error()
		}
		return ""
	})
	if x := v.is(g, `playing "a.flac" One no cap`); x.GetQueue()[0].GetId() != first.GetQueue()[0].GetId() {
		t.Error("the music was begun again when the scheduler moved")
	}
	v.service(v.bus, "three")
	v.sets("2026-06-01 12:00")
	v.is(g, `playing "b.flac" Two no cap`)
	until(t, func() string {
		if a, b := v.audited(`"One"`), v.audited(`"Two"`); a != 1 || b != 1 {
			return fmt.Sprintf("begun %d and %d times", a, b)
		}
		return ""
	})
}

// Music that is not there is shown, and begins as soon as it is; unless a person has
// chosen something else meanwhile.
func TestMusicThatIsMissing(t *testing.T) {
	t.Parallel()
	v := newVenue(t, "2026-06-01 09:00")
	v.file("a.flac", 10, 1)
	v.service(v.bus, "one")
	d := v.device("a", "pcm:44100:16:2")
	g := v.make("Bar", d)
	v.put(&tuttiv1.Schedule{GroupId: g, Name: "Bar", Enabled: true, Dayparts: []*tuttiv1.Daypart{
		daypart("One", "09:00", "10:00", "a.flac"),
		daypart("Two", "10:00", "14:00", "later.flac", func(d *tuttiv1.Daypart) { d.Volume = proto.Int32(33) })},
		QuietHours: []*tuttiv1.QuietHours{{Days: allDays, Start: "10:00", End: "12:00", MaxVolume: 30}}})
	v.is(g, `playing "a.flac" One no cap`)
	v.sets("2026-06-01 10:00")
	if x := v.is(g, `playing "a.flac" Two cap 30 error`); !strings.Contains(x.GetSchedule().GetError(), "later.flac") {
		t.Errorf("it says %q", x.GetSchedule().GetError())
	}
	until(t, func() string { // the rest of the daypart counts
		if got := d.asked(); len(got) == 0 || got[len(got)-1] != "v30" {
			return fmt.Sprint("asked ", got)
		}
		return ""
	})
	v.sets("2026-06-01 10:20") // tried again, in vain
	v.sets("2026-06-01 10:40")
	v.file("later.flac", 10, 1)
	// It is tried again as time passes, slowly: a try that is on its way fails late.
	late, looked := berlin(t, "2026-06-01 11:50"), time.Now()
	until(t, func() string {
		if x := v.get(g); x.GetSource() != "later.flac" {
			if v.clock.Now().Before(late) && time.Since(looked) > 200*time.Millisecond {
				v.clock.Advance(time.Minute)
				looked = time.Now()
			}
			return fmt.Sprintf("it is %s, and %s plays", v.clock.Now(), x.GetSource())
		}
		return ""
	})
	v.is(g, `playing "later.flac" Two cap 30`)
	until(t, func() string {
		if n := v.audited("schedule.failed"); n != 1 || v.audited("plays later.flac") != 1 {
			return fmt.Sprintf("%d lines of the failure", n)
		}
		return ""
	})

	// A person who chooses something else is left alone.
	other := v.make("Terrace")
	v.put(&tuttiv1.Schedule{GroupId: other, Name: "T", Enabled: true, Dayparts: []*tuttiv1.Daypart{daypart("Day", "08:00", "20:00", "never.flac")}})
	v.is(other, `stopped "" Day no cap error`)
	v.command(by("token:someone", play(other, "a.flac")))
	v.is(other, `playing "a.flac" Day no cap overridden`)
	v.file("never.flac", 10, 1)
	v.sets("2026-06-01 11:55")
	v.sets("2026-06-01 12:00")
	v.is(g, `playing "later.flac" Two no cap`)
	v.is(other, `playing "a.flac" Day no cap overridden`)
}

// A week with a change of the clocks, a holiday, and nights that pass midnight: each
// daypart begins as often as the calendar says.
func TestAWeekBySchedule(t *testing.T) {
	t.Parallel()
	v := newVenue(t, "2026-03-26 12:00") // clocks go forward on Sunday, March 29
	v.file("a.flac", 10, 1)
	v.service(v.bus, "one")
	g := v.make("Bar")
	ask[tuttiv1.ScheduleReply](v.rig, subject.StreamSchedule, &tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Holidays{
		Holidays: &tuttiv1.Holidays{Holidays: []*tuttiv1.Holiday{{Date: "2026-03-27", Name: "Inventory"}}}}})
	v.put(&tuttiv1.Schedule{GroupId: g, Name: "Bar", Enabled: true, Dayparts: []*tuttiv1.Daypart{
		daypart("Night", "22:30", "02:30", "a.flac"),
		daypart("Bread", "02:30", "04:00", "a.flac", func(d *tuttiv1.Daypart) { d.Holidays = "never" }),
		daypart("Feast", "12:00", "13:00", "a.flac", func(d *tuttiv1.Daypart) { d.Holidays = "only" })}})
	begun := map[string]int{}
	last := ""
	for end := berlin(t, "2026-04-02 12:00"); v.clock.Now().Before(end); v.clock.Advance(30 * time.Minute) {
		now := v.clock.Now()
		local := now.In(berlin(t, "2026-03-26 12:00").Location())
		hm := local.Format("15:04")
		want := ""
		switch holiday := local.Format("01-02") == "03-27"; {
		case hm >= "22:30" || hm < "02:30":
			want = "Night"
		case hm < "04:00" && !holiday:
			want = "Bread"
		case hm >= "12:00" && hm < "13:00" && holiday:
			want = "Feast"
		}
		until(t, func() string {
			x := v.get(g)
			state := map[bool]string{true: "playing", false: "stopped"}[want != ""]
			if x.GetSchedule().GetDaypart() != want || x.GetPlaybackState() != state {
				return fmt.Sprintf("%s: %q and %s, want %q and %s", local, x.GetSchedule().GetDaypart(), x.GetPlaybackState(), want, state)
			}
			return ""
		})
		if want != last && want != "" {
			begun[want]++
		}
		last = want
	}
	until(t, func() string {
		for name, n := range begun {
			if got := v.audited(fmt.Sprintf("daypart %q", name)); got != n {
				return fmt.Sprintf("%s began %d times, want %d", name, got, n)
			}
		}
		return ""
	})
	if begun["Night"] != 7 || begun["Bread"] != 6 || begun["Feast"] != 1 {
		t.Errorf("the test's own calendar: %v", begun)
	}
}

// A zone has one schedule; bad ones are refused, and name what is wrong.
func TestSchedulesThatAreRefused(t *testing.T) {
	t.Parallel()
	v := newVenue(t, "2026-06-01 09:00")
	v.service(v.bus, "one")
	d := v.device("a", "pcm:44100:16:2")
	g := v.make("Bar")
	s := v.put(&tuttiv1.Schedule{GroupId: g, Name: "Bar", Enabled: true})
	for what, c := range map[string]struct {
		r    *tuttiv1.ScheduleRequest
		want fault.Code
	}{
		"a second one":     {&tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Put{Put: &tuttiv1.Schedule{GroupId: g, Name: "x"}}}, fault.Conflict},
		"no such group":    {&tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Put{Put: &tuttiv1.Schedule{GroupId: "g-none", Name: "x"}}}, fault.OutOfRange},
		"a device's own":   {&tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Put{Put: &tuttiv1.Schedule{GroupId: v.groupOf(d), Name: "x"}}}, fault.Conflict},
		"no such schedule": {&tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Put{Put: &tuttiv1.Schedule{ScheduleId: "s-none", GroupId: g, Name: "x"}}}, fault.NotFound},
		"overlapping": {&tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Put{Put: &tuttiv1.Schedule{ScheduleId: s.GetScheduleId(), GroupId: g, Name: "x",
			Dayparts: []*tuttiv1.Daypart{daypart("a", "10:00", "12:00", ""), daypart("b", "11:00", "13:00", "")}}}}, fault.OutOfRange},
		"a holiday that is none": {&tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Holidays{Holidays: &tuttiv1.Holidays{Holidays: []*tuttiv1.Holiday{{Date: "2026-02-30"}}}}}, fault.OutOfRange},
		"a skip into the past":   {&tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Skip{Skip: &tuttiv1.ScheduleSkip{ScheduleId: s.GetScheduleId(), Until: timestamppb.New(v.clock.Now())}}}, fault.OutOfRange},
		"a preview of a year": {&tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Preview{Preview: &tuttiv1.SchedulePreview{From: timestamppb.New(v.clock.Now()),
			To: timestamppb.New(v.clock.Now().AddDate(1, 0, 0))}}}, fault.OutOfRange},
		"none to delete": {&tuttiv1.ScheduleRequest{Request: &tuttiv1.ScheduleRequest_Delete{Delete: "s-none"}}, fault.NotFound},
		"nothing":        {&tuttiv1.ScheduleRequest{}, fault.Invalid},
	} {
		if err := try(v.rig, subject.StreamSchedule, c.r, &tuttiv1.ScheduleReply{}); fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
	forged := &tuttiv1.GroupCommand{GroupId: g, Actor: "schedule:x", Command: &tuttiv1.GroupCommand_Schedule{Schedule: &tuttiv1.ScheduleOrder{VolumeCap: proto.Int32(100)}}}
	if code := v.code(forged); code != fault.Forbidden {
		t.Errorf("an order that is not the scheduler's: %s", code)
	}
}

// A device that leaves its zone by itself stands where it stood: quiet hours hold for it.
func TestQuietHoursHoldForWhoHasLeft(t *testing.T) {
	t.Parallel()
	v := newVenue(t, "2026-06-01 23:00")
	v.service(v.bus, "one")
	a, b := v.device("a", "pcm:44100:16:2"), v.device("b", "pcm:44100:16:2")
	g := v.make("Bar", a, b)
	s := v.put(&tuttiv1.Schedule{GroupId: g, Name: "Bar", Enabled: true,
		QuietHours: []*tuttiv1.QuietHours{{Days: allDays, Start: "22:00", End: "06:00", MaxVolume: 20}}})
	v.is(g, `stopped ""  cap 20`)
	v.leave(a)
	solo := ""
	until(t, func() string {
		if solo = v.groupOf(a); solo == "" || solo == g {
			return "it has not left"
		}
		return ""
	})
	v.is(solo, `stopped ""  cap 20`)
	s.Enabled = false
	v.put(s)
	v.is(solo, `stopped ""  no cap`)
	v.is(g, `stopped ""  no cap`)
	s.Enabled = true
	v.put(s)
	v.is(solo, `stopped ""  cap 20`)
	v.sets("2026-06-02 06:00")
	v.is(solo, `stopped ""  no cap`)
}

// leaping is a wall clock that somebody sets in the moment in which a timer is made.
type leaping struct {
	*clockwork.FakeClock
	by atomic.Int64 // ns that the next timer leaps by
}

func (c *leaping) AfterFunc(d time.Duration, f func()) clockwork.Timer {
	c.Advance(time.Duration(c.by.Swap(0)))
	return c.FakeClock.AfterFunc(d, f)
}

// The timer is then made for a moment that has passed already.
func TestTheWallClockIsSetWhileTheSchedulerArms(t *testing.T) {
	t.Parallel()
	v := newVenue(t, "2026-06-01 23:00")
	clock := &leaping{FakeClock: v.clock}
	v.daytime = clock
	v.service(v.bus, "one")
	g := v.make("Bar", v.device("a", "pcm:44100:16:2"))
	v.put(&tuttiv1.Schedule{GroupId: g, Name: "Bar", Enabled: true,
		QuietHours: []*tuttiv1.QuietHours{{Days: allDays, Start: "22:00", End: "06:00", MaxVolume: 20}}})
	v.is(g, `stopped ""  cap 20`)
	clock.by.Store(int64(7 * time.Hour))
	v.clock.Advance(time.Minute) // it looks, and arms anew
	v.is(g, `stopped ""  no cap`)
}

// What a group answers to an order may come later than what its record says after it: a
// speaker that has been taken out of its zone meanwhile is not at home there again.
func TestAnOldAnswerDoesNotBringAHomeBack(t *testing.T) {
	at := func(s int64) *timestamppb.Timestamp { return timestamppb.New(time.Unix(s, 0)) }
	a := &scheduler{
		s:    &Service{d: Deps{Wall: clockwork.NewFakeClock()}},
		book: &schedule.Book{},
		known: map[string]*tuttiv1.Group{
			"bar":     {GroupId: "bar", Fence: 5, UpdatedAt: at(2)},
			"terrace": {GroupId: "terrace", Fence: 7, UpdatedAt: at(2), Members: []string{"d"}, Assigned: []string{"d"}},
		},
		zones: map[string]*zone{"bar": {busy: true}, "terrace": {busy: true}},
		homes: map[string]string{"d": "terrace"},
	}
	for what, old := range map[string]*tuttiv1.Group{
		"of the same holder": {GroupId: "bar", Fence: 5, UpdatedAt: at(1), Assigned: []string{"d"}},
		"of a former holder": {GroupId: "bar", Fence: 4, UpdatedAt: at(3), Assigned: []string{"d"}},
	} {
		a.ordered(ordered{id: "bar", o: &tuttiv1.ScheduleOrder{}, g: old})
		if a.homes["d"] != "terrace" || len(a.known["bar"].GetAssigned()) != 0 {
			t.Errorf("an answer %s: at home in %q", what, a.homes["d"])
		}
	}
	a.ordered(ordered{id: "bar", o: &tuttiv1.ScheduleOrder{}, g: &tuttiv1.Group{GroupId: "bar", Fence: 5, UpdatedAt: at(3), Assigned: []string{"e"}}})
	if a.homes["e"] != "bar" {
		t.Error("a new answer does not count")
	}

	// And a cap that an overtaken order brought is lifted.
	g := &tuttiv1.Group{GroupId: "terrace", Members: []string{"d"}, Assigned: []string{"d"}, VolumeCaps: map[string]int32{"d": 30}}
	o := &tuttiv1.ScheduleOrder{}
	a.guests(o, g, time.Now(), time.Time{})
	if o.GetVolumeCaps()["d"] != schedule.NoCap || !schedule.Missing(o, g) {
		t.Errorf("the order for a member at home: %v", o)
	}
}

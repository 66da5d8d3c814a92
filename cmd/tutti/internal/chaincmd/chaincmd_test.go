package chaincmd

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

var base = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func summary(venue string, findings ...*pb.HealthFinding) *pb.HealthSummary {
	s := &pb.HealthSummary{Venue: venue, EverySeconds: 60, Sessions: 12, GroupsPlaying: 3, Findings: findings,
		Services: []*pb.ServiceSummary{{Service: "stream", Instances: 2, Ready: 1}, {Service: "pairing", Instances: 1, Ready: 1}}}
	for _, f := range findings {
		if f.GetSeverity() == "serious" {
			s.Serious++
		} else {
			s.Warnings++
		}
	}
	return s
}

// line is the line of a venue, with its columns apart.
func line(t *testing.T, b *board, now time.Time, name string) string {
	t.Helper()
	for l := range strings.SplitSeq(b.table(now), "\n") {
		if l == name || strings.HasPrefix(l, name+" ") {
			return strings.Join(strings.Fields(l), " ")
		}
	}
	t.Fatalf("no line for %s:\n%s", name, b.table(now))
	return ""
}

func TestABoardShowsTheWorstOfEachVenue(t *testing.T) {
	b := newBoard(base, []string{"porto"})
	say := func(at time.Duration, name, want string) {
		t.Helper()
		if got := line(t, b, base.Add(at), name); got != want {
			t.Errorf("after %v: %q, want %q", at, got, want)
		}
	}
	say(0, "porto", "porto · waiting never - - - 0 -")
	b.summary(base, summary("lisbon"))
	say(time.Second, "lisbon", "lisbon ✓ well now 2 of 3 12 3 0 -")

	since := timestamppb.New(base.Add(-5 * time.Minute))
	b.event(base, &pb.HealthEvent{Venue: "lisbon", FindingId: "late:bar", Code: "late", Severity: "warning", Since: since, Params: map[string]string{"names": "Bar left", "n": "1"}})
	say(time.Second, "lisbon", "lisbon ! warning now 2 of 3 12 3 1 late, Bar left (since 5 min ago)")
	b.event(base, &pb.HealthEvent{Venue: "lisbon", FindingId: "x", Code: "service_missing", Severity: "serious", Since: timestamppb.New(base), Params: map[string]string{"service": "stream"}})
	say(time.Second, "lisbon", "lisbon ✗ serious now 2 of 3 12 3 2 service missing, stream (since now)")
	if n := b.bad(base); n != 2 { // and porto, which never spoke
		t.Errorf("%d are bad, want 2", n)
	}
	b.event(base, &pb.HealthEvent{Venue: "lisbon", FindingId: "x", Code: "service_missing", Severity: "serious", Ended: true})
	say(time.Second, "lisbon", "lisbon ! warning now 2 of 3 12 3 1 late, Bar left (since 5 min ago)")

	// An event of the end was lost: the summary says so. What it confirms keeps its words.
	late := &pb.HealthFinding{FindingId: "late:bar", Code: "late", Severity: "warning", Since: since}
	b.summary(base, summary("lisbon", late))
	say(time.Second, "lisbon", "lisbon ! warning now 2 of 3 12 3 1 late, Bar left (since 5 min ago)")
	b.summary(base, summary("lisbon"))
	say(time.Second, "lisbon", "lisbon ✓ well now 2 of 3 12 3 0 -")
	// One that does not list all of them ends none.
	b.summary(base, summary("lisbon", late))
	some := summary("lisbon")
	some.Warnings = 70
	b.summary(base, some)
	say(time.Second, "lisbon", "lisbon ! warning now 2 of 3 12 3 1 late (since 5 min ago)")
}

func TestAVenueFallsSilent(t *testing.T) {
	b := newBoard(base, []string{"porto"})
	b.summary(base, summary("lisbon"))
	if got := line(t, b, base.Add(3*time.Minute), "lisbon"); !strings.Contains(got, "✓ well") {
		t.Errorf("after three minutes: %q", got)
	}
	at := base.Add(3*time.Minute + time.Second)
	for _, name := range []string{"lisbon", "porto"} {
		if got := line(t, b, at, name); !strings.Contains(got, "✗ silent") {
			t.Errorf("after more: %q", got)
		}
	}
	if n := b.bad(at); n != 2 {
		t.Errorf("%d are bad, want 2", n)
	}
}

// What a venue is called, and how much it says, is decided elsewhere.
func TestABoardIsBoundedAndCannotDriveTheTerminal(t *testing.T) {
	b := newBoard(base, nil)
	for i := range 2 * maxVenues {
		b.summary(base, summary(strings.Repeat("x", i%100)+string(rune(0x4e00+i))))
	}
	if len(b.venues) > maxVenues {
		t.Errorf("%d venues", len(b.venues))
	}
	b = newBoard(base, nil)
	for i := range 2 * maxFindings {
		b.event(base, &pb.HealthEvent{FindingId: string(rune(0x4e00 + i)), Code: "a\x1b[2J\tb\n", Severity: "serious"})
	}
	if n := len(b.venues["(no name)"].findings); n != maxFindings {
		t.Errorf("%d findings", n)
	}
	if got := b.table(base); strings.ContainsAny(got, "\x1b\t") || strings.Count(got, "\n") != 2 {
		t.Errorf("table %q", got)
	}
}

// The command hears what is said on the bus, and its status says whether somebody must look.
func TestChainListens(t *testing.T) {
	c := bustest.Embedded(t)
	b := &shared{board: newBoard(time.Now(), nil)}
	stop, err := b.listen(c)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	send := func(venue string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			if err := c.Publish(t.Context(), subject.EventHealthSummary, summary(venue)); err != nil {
				t.Fatal(err)
			}
			if err := c.Publish(t.Context(), subject.EventHealthFinding("late"), &pb.HealthEvent{Venue: venue, FindingId: "f", Code: "late", Severity: "warning"}); err != nil {
				t.Fatal(err)
			}
			heard := 0
			b.do(func(x *board) {
				if v := x.venues[venue]; v != nil && v.summary != nil {
					heard = len(v.findings)
				}
			})
			if heard == 1 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("nothing was heard")
			}
			time.Sleep(5 * time.Millisecond) // the pace of a poll, no synchronisation
		}
	}
	send("lisbon")
	var out bytes.Buffer
	if err := once(t.Context(), b, time.Millisecond, &out); err != nil || !strings.Contains(out.String(), "lisbon") {
		t.Errorf("%v\n%s", err, out.String())
	}
	b.do(func(x *board) { x.venue("porto") })
	if err := once(t.Context(), b, time.Millisecond, &out); err == nil || !strings.Contains(err.Error(), "1 of the venues") {
		t.Errorf("a venue that does not speak: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := once(ended, b, time.Hour, &out); err == nil {
		t.Error("it does not end")
	}
}

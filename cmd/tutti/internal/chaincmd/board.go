package chaincmd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

const (
	// missed is how many summaries may stay away until a venue counts as silent.
	missed = 3
	// maxVenues and maxFindings bound what a stranger with the venues' password can make
	// this command remember.
	maxVenues, maxFindings = 1000, 200
	maxName                = 64
)

// board is what is known of the venues. It is plain data; times are of this machine, so that
// the clocks of venues do not matter.
type board struct {
	begun  time.Time
	venues map[string]*venue
}

type venue struct {
	heard    time.Time // zero: never
	every    time.Duration
	summary  *pb.HealthSummary // nil until the first
	findings map[string]*pb.HealthEvent
}

func newBoard(now time.Time, expected []string) *board {
	b := &board{begun: now, venues: map[string]*venue{}}
	for _, name := range expected {
		b.venue(name)
	}
	return b
}

// venue is the venue of a name; nil when there are too many.
func (b *board) venue(name string) *venue {
	name = clean(name)
	if name == "" {
		name = "(no name)"
	}
	v := b.venues[name]
	if v == nil && len(b.venues) < maxVenues {
		v = &venue{every: time.Minute, findings: map[string]*pb.HealthEvent{}}
		b.venues[name] = v
	}
	return v
}

// summary takes a summary that came at now. It corrects what was missed: where it lists all
// findings, others are over.
func (b *board) summary(now time.Time, s *pb.HealthSummary) {
	v := b.venue(s.GetVenue())
	if v == nil {
		return
	}
	v.heard, v.summary = now, s
	if e := time.Duration(s.GetEverySeconds()) * time.Second; e > 0 && e <= time.Hour {
		v.every = e
	}
	is := map[string]bool{}
	for _, f := range s.GetFindings() {
		is[f.GetFindingId()] = true
		if was := v.findings[f.GetFindingId()]; was.GetCode() != f.GetCode() || was.GetSeverity() != f.GetSeverity() {
			v.put(&pb.HealthEvent{FindingId: f.GetFindingId(), Code: f.GetCode(), Severity: f.GetSeverity(), Since: f.GetSince()})
		}
	}
	if uint32(len(is)) >= s.GetSerious()+s.GetWarnings()+s.GetInfos() {
		maps.DeleteFunc(v.findings, func(id string, _ *pb.HealthEvent) bool { return !is[id] })
	}
}

func (b *board) event(now time.Time, e *pb.HealthEvent) {
	v := b.venue(e.GetVenue())
	if v == nil {
		return
	}
	v.heard = now
	if e.GetEnded() {
		delete(v.findings, e.GetFindingId())
		return
	}
	v.put(e)
}

func (v *venue) put(e *pb.HealthEvent) {
	if _, known := v.findings[e.GetFindingId()]; known || len(v.findings) < maxFindings {
		v.findings[e.GetFindingId()] = e
	}
}

// silent reports whether nothing was heard for too long; of one that never spoke, since
// the beginning.
func (b *board) silent(v *venue, now time.Time) bool {
	since := v.heard
	if since.IsZero() {
		since = b.begun
	}
	return now.Sub(since) > missed*v.every
}

var gravity = map[string]int{"serious": 2, "warning": 1}

// worst is the most serious finding, the oldest of several; nil when all is well.
func (v *venue) worst() *pb.HealthEvent {
	var out *pb.HealthEvent
	for _, id := range slices.Sorted(maps.Keys(v.findings)) {
		f := v.findings[id]
		if out == nil || cmp.Or(cmp.Compare(gravity[out.GetSeverity()], gravity[f.GetSeverity()]), f.GetSince().AsTime().Compare(out.GetSince().AsTime())) < 0 {
			out = f
		}
	}
	return out
}

// bad counts the venues that somebody must look at: what was expected and never spoke counts,
// however short the time was.
func (b *board) bad(now time.Time) (n int) {
	for _, v := range b.venues {
		if v.heard.IsZero() || b.silent(v, now) || v.worst().GetSeverity() == "serious" {
			n++
		}
	}
	return n
}

// table is a line for each venue, in the order of their names.
func (b *board) table(now time.Time) string {
	if len(b.venues) == 0 {
		return "No venue was heard yet: each speaks once a minute.\n"
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VENUE\tSTATE\tHEARD\tREADY\tSESSIONS\tPLAYING\tFINDINGS\tWORST")
	for _, name := range slices.Sorted(maps.Keys(b.venues)) {
		v := b.venues[name]
		worst := v.worst()
		ready, sessions, playing := "-", "-", "-"
		if s := v.summary; s != nil {
			var is, of uint32
			for _, x := range s.GetServices() {
				is, of = is+x.GetReady(), of+x.GetInstances()
			}
			ready, sessions, playing = fmt.Sprintf("%d of %d", is, of), fmt.Sprint(s.GetSessions()), fmt.Sprint(s.GetGroupsPlaying())
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", name, b.state(v, worst, now), ago(v.heard, now), ready, sessions, playing, len(v.findings), say(worst, now))
	}
	_ = w.Flush() // a strings.Builder does not fail
	return out.String()
}

func (b *board) state(v *venue, worst *pb.HealthEvent, now time.Time) string {
	switch {
	case b.silent(v, now):
		return "✗ silent"
	case v.heard.IsZero():
		return "· waiting"
	case worst == nil:
		return "✓ well"
	case worst.GetSeverity() == "serious":
		return "✗ serious"
	case worst.GetSeverity() == "warning":
		return "! warning"
	}
	return "i info"
}

// say is a finding in few words: its kind, what it is about, and since when.
func say(f *pb.HealthEvent, now time.Time) string {
	if f == nil {
		return "-"
	}
	out := strings.ReplaceAll(clean(f.GetCode()), "_", " ")
	for _, k := range []string{"names", "service", "host", "zone", "versions"} {
		if p := clean(f.GetParams()[k]); p != "" {
			out += ", " + p
		}
	}
	return out + " (since " + ago(f.GetSince().AsTime(), now) + ")"
}

func ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "never"
	case d < 2*time.Second:
		return "now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}

// clean takes out of a text from afar what could drive the terminal or shift the table.
func clean(s string) string {
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, strings.TrimSpace(s)))
	return string(r[:min(len(r), maxName)])
}

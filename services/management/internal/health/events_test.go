package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

// outlet is a bus that takes what a crier sends.
type outlet struct {
	away  bool
	sent  []string // subjects, and what findings became
	last  map[string]proto.Message
	crier *crier
}

func newOutlet(id string) *outlet {
	o := &outlet{last: map[string]proto.Message{}}
	o.crier = &crier{log: slog.New(slog.DiscardHandler), o: Events{Venue: "lisbon", InstanceID: id, Version: "1.0", Send: func(_ context.Context, subj string, m proto.Message) error {
		if o.away {
			return errors.New("away")
		}
		said := strings.TrimPrefix(subj, subject.Prefix+"ev.health.")
		if e, ok := m.(*pb.HealthEvent); ok {
			said += " " + e.GetFindingId() + " " + e.GetSeverity()
			if e.GetEnded() {
				said += " ended"
			}
		}
		o.sent, o.last[subj] = append(o.sent, said), proto.Clone(m)
		return nil
	}}}
	return o
}

// hears gives news to the crier, and returns what it sent.
func (o *outlet) hears(t *testing.T, n news) []string {
	t.Helper()
	o.sent = nil
	if err := o.crier.Handle(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return o.sent
}

// manager is a heartbeat of an instance of management that is ready.
func manager(id string, started time.Time) *pb.Instance {
	v := process("management", id, started)
	v.Readiness = &pb.Readiness{Ready: true}
	return v
}

func finding(id, code, severity string) model.Finding {
	return model.Finding{FindingID: id, Code: code, Severity: severity, Since: base, Params: map[string]any{}}
}

func TestEventsTellWhatChanges(t *testing.T) {
	o := newOutlet("m1")
	at := base
	now := func(findings ...model.Finding) news {
		at = at.Add(FineStep)
		return news{at: at, alive: []*pb.Instance{manager("m1", base)}, findings: findings}
	}
	late, lost := finding("late:bar", "late", model.SeverityWarning), finding("lost:s", "service_lost", model.SeverityWarning)
	worse := finding("late:bar", "late_all", model.SeveritySerious)
	moved := late
	moved.Params = map[string]any{"n": 7}
	for i, v := range []struct {
		is   []model.Finding
		away bool
		want []string
	}{
		{nil, false, []string{"summary"}},
		{[]model.Finding{late, lost}, false, []string{"finding.late late:bar warning", "finding.service_lost lost:s warning"}},
		{[]model.Finding{moved, lost}, false, nil}, // numbers that move are no news
		{[]model.Finding{worse, lost}, false, []string{"finding.late_all late:bar serious"}},
		{[]model.Finding{worse}, true, nil},
		{nil, true, nil},
		{[]model.Finding{lost}, false, []string{"finding.late_all late:bar serious ended", "summary"}}, // what happened to lost meanwhile is past
		{nil, false, []string{"finding.service_lost lost:s warning ended"}},
		{[]model.Finding{late}, false, []string{"finding.late late:bar warning"}}, // anew
	} {
		o.away = v.away
		if got := o.hears(t, now(v.is...)); !slices.Equal(got, v.want) {
			t.Errorf("step %d: sent %q, want %q", i, got, v.want)
		}
	}
}

func TestASummaryComesEveryMinute(t *testing.T) {
	o := newOutlet("m1")
	n := news{alive: []*pb.Instance{manager("m1", base)}}
	var sent []int
	for i := range 20 {
		// Samples come a little late, and not always the same.
		n.at = base.Add(time.Duration(i)*FineStep + time.Duration(i%3)*time.Millisecond)
		if got := o.hears(t, n); len(got) > 0 {
			sent = append(sent, i)
		}
	}
	if !slices.Equal(sent, []int{0, 6, 12, 18}) {
		t.Errorf("summaries at the samples %v", sent)
	}
	n.at = base.Add(-time.Hour) // somebody set the clock back
	if got := o.hears(t, n); !slices.Equal(got, []string{"summary"}) {
		t.Errorf("after the clock went back: %q", got)
	}
}

// One instance speaks for all; who takes over says everything again.
func TestOneInstanceSpeaks(t *testing.T) {
	old, young := manager("m2", base), manager("m1", base.Add(time.Second))
	waits, leaves, former := manager("m0", base.Add(-time.Minute)), manager("m0", base.Add(-time.Minute)), manager("m0", base.Add(-time.Minute))
	waits.Readiness, leaves.Draining, former.Readiness = &pb.Readiness{Reason: "no bus"}, true, nil
	other := process("stream", "s", base.Add(-time.Hour))
	other.Readiness = &pb.Readiness{Ready: true}
	for name, alive := range map[string][]*pb.Instance{
		"two": {young, old, other}, "one that is not ready": {waits, young, old}, "one that leaves": {leaves, old, young}, "one of an older version": {former, old, young},
	} {
		if got := spokesman(alive); got != "m2" {
			t.Errorf("%s: %q speaks, want m2", name, got)
		}
	}
	if twins := []*pb.Instance{manager("b", base), manager("a", base)}; spokesman(twins) != "a" || spokesman(nil) != "" {
		t.Error("two that started at once do not agree, or nobody speaks")
	}

	a, b := newOutlet("m2"), newOutlet("m1")
	is := []model.Finding{finding("x", "late", model.SeverityWarning)}
	both := news{at: base, alive: []*pb.Instance{young, old}, findings: is}
	if got := a.hears(t, both); len(got) != 2 {
		t.Errorf("who speaks sent %q", got)
	}
	if got := b.hears(t, both); got != nil {
		t.Errorf("the other one sent %q", got)
	}
	alone := both
	alone.alive, alone.at = []*pb.Instance{young}, base.Add(FineStep)
	if got := b.hears(t, alone); !slices.Equal(got, []string{"finding.late x warning", "summary"}) {
		t.Errorf("who takes over sent %q", got)
	}
	// Who spoke before and comes back begins anew: what it said may be old.
	if got := a.hears(t, alone); got != nil {
		t.Errorf("who does not speak any more sent %q", got)
	}
	if got := a.hears(t, both); len(got) != 2 {
		t.Errorf("who speaks again sent %q", got)
	}
}

func TestAnEventHoldsNoFreeText(t *testing.T) {
	o := newOutlet("m1")
	f := finding("group_error:bar", "group_error", model.SeveritySerious)
	f.Params = map[string]any{"zone": strings.Repeat("ü", 300), "n": 3, "detail": "http://me:password@radio.example", "new": "?"}
	f.Text = "Bar stopped: http://me:password@radio.example"
	n := news{at: base.Add(time.Second), alive: []*pb.Instance{manager("m1", base)}, findings: []model.Finding{f}}
	o.hears(t, n)
	e := o.last[subject.EventHealthFinding("group_error")].(*pb.HealthEvent)
	if z := e.GetParams()["zone"]; e.GetParams()["n"] != "3" || len(z) != maxParam || len(e.GetParams()) != 2 {
		t.Errorf("params %v", e.GetParams())
	}
	if e.GetVenue() != "lisbon" || e.GetInstanceId() != "m1" || !e.GetSince().AsTime().Equal(base) || !e.GetAt().AsTime().Equal(n.at) || e.GetEventId() == "" {
		t.Errorf("event %v", e)
	}
	for subj, m := range o.last {
		if strings.Contains(fmt.Sprint(m), "password") {
			t.Errorf("%s tells a password: %v", subj, m)
		}
	}
	// The same news have the same id, others another.
	again := o.crier.event(base.Add(time.Hour), f)
	f.Severity = model.SeverityWarning
	if other := o.crier.event(base, f); again.GetEventId() != e.GetEventId() || other.GetEventId() == e.GetEventId() {
		t.Errorf("ids %q, %q, %q", e.GetEventId(), again.GetEventId(), other.GetEventId())
	}
}

// TestEveryParamIsCarriedOrWithheld: who adds a value to a finding says whether it may leave
// the venue.
func TestEveryParamIsCarriedOrWithheld(t *testing.T) {
	files, err := filepath.Glob("rules*.go")
	if err != nil {
		t.Fatal(err)
	}
	maps, key := regexp.MustCompile(`Params(?:: *| = )map\[string\]any\{([^}]*)\}`), regexp.MustCompile(`"(\w+)":`)
	single := regexp.MustCompile(`Params\["(\w+)"\]`)
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range maps.FindAllStringSubmatch(string(text), -1) {
			for _, k := range key.FindAllStringSubmatch(m[1], -1) {
				found[k[1]] = true
			}
		}
		for _, m := range single.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
	}
	known := append(slices.Clone(carried), withheld...)
	for k := range found {
		if !slices.Contains(known, k) {
			t.Errorf("the param %q is neither in carried nor in withheld", k)
		}
	}
	for _, k := range known {
		if !found[k] {
			t.Errorf("no rule has the param %q any more", k)
		}
	}
}

func TestASummaryCounts(t *testing.T) {
	o := newOutlet("m1")
	gateway, leaves, waits := process("session-gateway", "g1", base), process("session-gateway", "g2", base), process("session-gateway", "g3", base)
	gateway.Load.Sessions, leaves.Load.Sessions = proto.Uint32(5), proto.Uint32(2)
	leaves.Draining, leaves.Readiness, waits.Readiness = true, &pb.Readiness{}, &pb.Readiness{}
	snap := &readmodel.Snapshot{Alive: []*pb.Instance{manager("m1", base), gateway, leaves, waits}, Groups: []*pb.Group{lobby("a"), {GroupId: "bar", PlaybackState: "paused"}}}
	findings := []model.Finding{finding("a", "late", model.SeveritySerious), finding("b", "late", model.SeverityWarning), finding("c", "away", model.SeverityInfo)}
	for i := range 100 {
		findings = append(findings, finding(fmt.Sprint(i), "away", model.SeverityInfo))
	}
	o.hears(t, newsOf(base, findings, snap))
	s := o.last[subject.EventHealthSummary].(*pb.HealthSummary)
	if s.GetVenue() != "lisbon" || s.GetInstanceId() != "m1" || s.GetVersion() != "1.0" || !s.GetAt().AsTime().Equal(base) || s.GetEverySeconds() != 60 {
		t.Errorf("summary of %v", s)
	}
	if s.GetSerious() != 1 || s.GetWarnings() != 1 || s.GetInfos() != 101 || len(s.GetFindings()) != maxListed || s.GetFindings()[0].GetFindingId() != "a" {
		t.Errorf("findings %d, %d, %d; %d listed", s.GetSerious(), s.GetWarnings(), s.GetInfos(), len(s.GetFindings()))
	}
	if s.GetSessions() != 7 || s.GetGroupsPlaying() != 1 {
		t.Errorf("%d sessions, %d groups play", s.GetSessions(), s.GetGroupsPlaying())
	}
	got := map[string][3]uint32{}
	for _, x := range s.GetServices() {
		got[x.GetService()] = [3]uint32{x.GetInstances(), x.GetReady(), x.GetDraining()}
	}
	want := map[string][3]uint32{"session-gateway": {3, 1, 1}, "management": {1, 1, 0}, "stream": {}, "pairing": {}, "discovery": {}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("services %v, want %v", got, want)
	}
}

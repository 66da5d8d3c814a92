package health

import (
	"testing"
	"time"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// A finding has to be so for a while before it is shown, and not be so for a while before
// it goes.
func TestFindingsDoNotFlap(t *testing.T) {
	is := false
	e := newEngine([]rule{{after: 20 * time.Second, keep: time.Minute, find: func(*facts) []model.Finding {
		if !is {
			return nil
		}
		return []model.Finding{{FindingID: "x", Code: "x", Severity: model.SeverityWarning}}
	}}})
	at := base
	for i, v := range []struct {
		is    bool
		shown bool
	}{
		{true, false}, {false, false}, // a moment
		{true, false}, {true, false}, {true, true}, // since 20 s
		{false, true}, {true, true}, // it comes back within a minute
		{false, true}, {false, true}, {false, true}, {false, true}, {false, true}, {false, false}, // gone for a minute
		{true, false}, {true, false}, {true, true},
	} {
		is = v.is
		got := e.judge(&facts{now: at})
		if (len(got) == 1) != v.shown {
			t.Fatalf("step %d: findings %+v, want shown %v", i, got, v.shown)
		}
		if len(got) == 1 && (got[0].Clients == nil || got[0].Groups == nil || got[0].Params == nil) {
			t.Errorf("nil would encode as null: %+v", got[0])
		}
		at = at.Add(FineStep)
	}
}

func TestSinceIsWhenItBegan(t *testing.T) {
	e := newEngine([]rule{{after: 20 * time.Second, find: func(*facts) []model.Finding { return []model.Finding{{FindingID: "x"}} }}})
	for i := range 10 {
		got := e.judge(&facts{now: base.Add(time.Duration(i) * FineStep)})
		if len(got) == 1 && !got[0].Since.Equal(base) {
			t.Errorf("since %v", got[0].Since)
		}
	}
}

func TestTheMostSeriousComesFirst(t *testing.T) {
	e := newEngine([]rule{{find: func(*facts) []model.Finding {
		return []model.Finding{{FindingID: "a", Severity: "info"}, {FindingID: "b", Severity: "serious"}, {FindingID: "c", Severity: "warning"}}
	}}})
	got := e.judge(&facts{now: base})
	if len(got) != 3 || got[0].FindingID != "b" || got[1].FindingID != "c" {
		t.Errorf("order %+v", got)
	}
}

// What raises a finding is more than what keeps it.
func TestLimitsHaveHysteresis(t *testing.T) {
	for name, v := range map[string]struct {
		id    string
		given func(s *scene)
	}{
		"reconnects": {"reconnects:a", func(s *scene) { s.hour["a"] = sums{reconnects: 2} }},
		"round trip": {"rtt:a", func(s *scene) { s.steps("a", 30, step{of: 1, up: 1, rtt: 120_000}) }},
		"load":       {"overload:stream-1", func(s *scene) { s.services[3].CPU = 3.1 }},
		"clock":      {"house_clock", func(s *scene) { s.house.UncertaintyUS = 700 }},
		"restarts":   {"service_restarts:stream", func(s *scene) { s.starts["stream"] = 2 }},
		"late":       {"late:lobby", func(s *scene) { s.steps("a", 1, step{of: 1, up: 1, late: 1}) }},
		"weak":       {"weak_link:lobby", func(s *scene) { s.hour["a"] = sums{playing: 100, weak: 8} }},
		"stale":      {"clock_stale:a", func(s *scene) { s.now = base.Add(2 * time.Minute) }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, shown := range []bool{false, true} {
				s := well()
				s.shown[v.id] = shown
				v.given(s)
				found := false
				for _, x := range s.find() {
					found = found || x.FindingID == v.id
				}
				if found != shown {
					t.Errorf("shown before: %v; found: %v", shown, found)
				}
			}
		})
	}
}

package health

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

// facts is everything that rules look at. It is plain data, of one moment.
type facts struct {
	now      time.Time
	local    *time.Location // what hours of the day are in
	snap     *readmodel.Snapshot
	groups   []model.Group      // as snap has them
	series   map[string]*Series // by client id
	ten      map[string]sums    // of the last 10 min, by client id
	hour     map[string]sums
	hours    map[string][24]hourSum // of 48 h by hour of the day, by client id
	services []model.ServiceHealth
	starts   map[string]int // starts within an hour, by service
	house    *houseclock.Info
	library  *model.LibraryStatus // nil when not known
	// active reports whether a finding is shown already: to go away it must be well
	// below what raised it.
	active func(findingID string) bool
}

// rule finds one kind of thing. find is pure.
type rule struct {
	// after is how long it must be so before it is shown, keep how long it must not be
	// so before it goes.
	after, keep time.Duration
	find        func(f *facts) []model.Finding
}

// known is a finding that was found lately.
type known struct {
	finding model.Finding
	first   time.Time // since when it is so
	last    time.Time // when it was last so
	keep    time.Duration
	shown   bool
}

// engine turns what rules find into what is shown, which does not flap.
type engine struct {
	rules []rule
	known map[string]*known
}

func newEngine(rules []rule) *engine { return &engine{rules: rules, known: map[string]*known{}} }

func (e *engine) active(id string) bool { k := e.known[id]; return k != nil && k.shown }

// judge runs the rules over f and returns what is to be shown, the most serious first.
func (e *engine) judge(f *facts) []model.Finding {
	f.active = e.active
	held := map[string]bool{}
	for _, r := range e.rules {
		for _, x := range r.find(f) {
			k := e.known[x.FindingID]
			if k == nil {
				k = &known{first: f.now}
				e.known[x.FindingID] = k
			}
			x.Since = k.first
			if x.Clients == nil {
				x.Clients = []string{}
			}
			if x.Groups == nil {
				x.Groups = []string{}
			}
			if x.Params == nil {
				x.Params = map[string]any{}
			}
			k.finding, k.last, k.keep = x, f.now, r.keep
			k.shown = k.shown || f.now.Sub(k.first) >= r.after
			held[x.FindingID] = true
		}
	}
	for id, k := range e.known {
		if !held[id] && (!k.shown || f.now.Sub(k.last) >= k.keep) {
			delete(e.known, id)
		}
	}
	out := make([]model.Finding, 0, len(e.known))
	for _, k := range e.known {
		if k.shown {
			out = append(out, k.finding)
		}
	}
	slices.SortFunc(out, func(a, b model.Finding) int {
		return cmp.Or(-cmp.Compare(gravity(a.Severity), gravity(b.Severity)), a.Since.Compare(b.Since), strings.Compare(a.FindingID, b.FindingID))
	})
	return out
}

func gravity(severity string) int {
	switch severity {
	case model.SeveritySerious:
		return 2
	case model.SeverityWarning:
		return 1
	}
	return 0
}

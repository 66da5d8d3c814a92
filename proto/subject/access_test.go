package subject

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// matches tells whether pattern covers subject, by NATS's rules; subject may hold
// wildcards itself.
func matches(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, t := range p {
		switch {
		case t == ">":
			return len(s) > i
		case i >= len(s):
			return false
		case t != "*" && t != s[i]:
			return false
		}
	}
	return len(p) == len(s)
}

func allows(list []string, subject string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return matches(p, subject) })
}

// constants reads the string constants of this package from its source, with their values,
// so that a new one cannot be forgotten here.
func constants(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var value func(e ast.Expr) (string, bool)
	value = func(e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			return s, err == nil && e.Kind == token.STRING
		case *ast.Ident:
			s, ok := out[e.Name]
			if e.Name == "Prefix" {
				return Prefix, true
			}
			return s, ok
		case *ast.BinaryExpr:
			a, ok1 := value(e.X)
			b, ok2 := value(e.Y)
			return a + b, ok1 && ok2
		}
		return "", false
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			for i, n := range v.Names {
				if i < len(v.Values) {
					if s, ok := value(v.Values[i]); ok {
						out[n.Name] = s
					}
				}
			}
		}
	}
	return out
}

// TestEverySubjectHasARule: who adds a subject, a bucket or a stream says who may use it.
func TestEverySubjectHasARule(t *testing.T) {
	var rules []string
	for _, r := range Rules() {
		rules = append(rules, r.Pattern)
		if len(r.From) == 0 {
			t.Errorf("%s: nobody may send to it", r.Pattern)
		}
		for _, who := range append(r.From, r.To...) {
			if !slices.Contains(Services(), who) {
				t.Errorf("%s: %q is no service", r.Pattern, who)
			}
		}
	}
	var stores []string
	for _, s := range Stores() {
		stores = append(stores, s.Name)
		if len(s.Writers) == 0 {
			t.Errorf("%s: nobody may write it", s.Name)
		}
	}
	seen := 0
	for _, file := range []string{"subject.go", "stores.go"} {
		for name, v := range constants(t, file) {
			switch {
			case name == "Prefix" || name == "EventsAll": // what begins others, and the filter of a stream
			case strings.HasPrefix(v, Prefix):
				seen++
				if !allows(rules, v) {
					t.Errorf("%s = %q has no rule: add one to Rules", name, v)
				}
			case strings.HasPrefix(name, "Bucket"), strings.HasPrefix(name, "Stream") && v == strings.ToUpper(v), strings.HasPrefix(name, "Store"):
				seen++
				if !slices.Contains(stores, v) {
					t.Errorf("%s = %q is not in Stores: add it", name, v)
				}
			}
		}
	}
	if seen < 60 {
		t.Errorf("only %d constants were looked at", seen)
	}
	for _, s := range []string{Session("c"), Snapshot("s"), Attempt("c"), Group("g"), EventTrust("c"), EventRoster("p"), EventHealthFinding("late"),
		Tape("g", "r"), Artwork("i"), Capture("c"), StreamActivateAt("i"), AttemptKey("c"), ClockNeighbour("k")} {
		if !allows(rules, s) {
			t.Errorf("%s has no rule", s)
		}
	}
}

// TestFunctionsAreLookedAt: a new function that makes a subject must be in the list above.
func TestFunctionsAreLookedAt(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "subject.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"KeptBuckets", "Session", "Snapshot", "Attempt", "Group", "EventTrust", "EventRoster", "EventHealthFinding", "Tape", "Artwork", "Capture", "InstanceKey", "StreamActivateAt", "AttemptKey", "ClockNeighbour"}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && !slices.Contains(known, fn.Name.Name) {
			t.Errorf("%s is not looked at: give its subject a rule, and add it here and to TestEverySubjectHasARule", fn.Name.Name)
		}
	}
}

// TestLeastPrivilege spells out what must never be allowed.
func TestLeastPrivilege(t *testing.T) {
	for _, user := range Services() {
		p := Allowed(user)
		for _, other := range Users() {
			inbox := InboxPrefix(other) + ".x.y"
			if got, want := allows(p.Subscribe, inbox), other == user; got != want {
				t.Errorf("%s reads answers to %s: %v, want %v", user, other, got, want)
			}
		}
		if user == Pairing {
			continue
		}
		for _, s := range []string{PairingCredential, PairingIdentity, PairingAdmit, Attempt("c"), "tutti.v1.pairing.>", ">", "_INBOX.>"} {
			if allows(p.Subscribe, s) {
				t.Errorf("%s may listen at %s", user, s)
			}
		}
		for _, s := range []string{"$KV.trust.c", "$KV.settings.server", "$KV.personas.p", "$KV.pairings.c", EventTrust("c"), EventAudit,
			"$JS.API.STREAM.CREATE.X", "$JS.API.STREAM.UPDATE.KV_trust", "$JS.API.STREAM.DELETE.KV_trust", "$JS.API.STREAM.PURGE.KV_trust",
			"$JS.API.STREAM.MSG.DELETE.KV_trust", "$JS.API.CONSUMER.CREATE.EVENTS.x", "$JS.API.STREAM.RESTORE.X"} {
			if allows(p.Publish, s) {
				t.Errorf("%s may publish to %s", user, s)
			}
		}
	}
	for _, user := range Services() {
		for _, s := range []string{EventHealthFinding("late"), EventHealthSummary} {
			if got, want := allows(Allowed(user).Publish, s), user == Management; got != want {
				t.Errorf("%s may publish to %s: %v, want %v", user, s, got, want)
			}
		}
	}
	for _, user := range []string{Stream, Discovery, Management} {
		if allows(Allowed(user).Publish, PairingCredential) {
			t.Errorf("%s may ask for credentials", user)
		}
	}
	if allows(Allowed(Management).Publish, Tape("g", "r")) || allows(Allowed(Gateway).Publish, Tape("g", "r")) {
		t.Error("somebody else than stream may write tapes")
	}
}

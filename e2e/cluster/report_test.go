package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A process that panics is started again, and everybody plays: the run has failed all the same.
func TestACrashIsBroken(t *testing.T) {
	r := Row{Fault: Fault{Name: "nothing"}}
	if b := r.Broken(); len(b) != 0 {
		t.Fatalf("a row without any trouble is broken: %q", b)
	}
	r.Crashes, r.crashed = 1, []string{"stream@h1: panic: assignment to entry in nil map"}
	b := strings.Join(r.Broken(), "\n")
	if !strings.Contains(b, "1 processes ended by themselves") || !strings.Contains(b, r.crashed[0]) {
		t.Errorf("broken says %q, want the crash and its log line", b)
	}
	file := filepath.Join(t.TempDir(), "report.md")
	if err := Report(file, Setting{Players: 12, Groups: 3}, []Row{r}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got), r.crashed[0]) {
		t.Error("the report does not show the crash's log line")
	}
	var head, rule, row []string
	for line := range strings.Lines(string(got)) {
		switch cells := strings.Split(line, "|"); {
		case strings.HasPrefix(line, "| fault"):
			head = cells
		case strings.HasPrefix(line, "|---"):
			rule = cells
		case strings.HasPrefix(line, "| nothing"):
			row = cells
		}
	}
	if len(head) != len(rule) || len(head) != len(row) {
		t.Fatalf("the table has %d names, %d rules and %d values", len(head), len(rule), len(row))
	}
	for i, name := range head {
		if strings.TrimSpace(name) == "crashes" && strings.TrimSpace(row[i]) != "1" {
			t.Errorf("the table says %q crashes, want 1", row[i])
		}
	}
	if !strings.Contains(strings.Join(head, "|"), " crashes ") {
		t.Error("the table has no column of crashes")
	}
}

func TestLastWords(t *testing.T) {
	for name, c := range map[string]struct{ log, want string }{
		"panic":              {"level=INFO msg=ready\npanic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1 +0x1\n", "panic: boom"},
		"the last of two":    {"panic: first\ngoroutine 1\nlevel=INFO msg=ready\npanic: second\ngoroutine 7\n", "panic: second"},
		"runtime":            {"fatal error: concurrent map writes\ngoroutine 1\n", "fatal error: concurrent map writes"},
		"an error at start":  {"level=INFO msg=starting\ntutti: listen: address already in use\n", "tutti: listen: address already in use"},
		"killed by somebody": {"", "it printed nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lastWords(c.log); got != c.want {
				t.Errorf("last words %q, want %q", got, c.want)
			}
		})
	}
}

package ctlcmd

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func topAPI(t *testing.T) *fakeAPI {
	f := newFakeAPI(t)
	client := fmt.Sprintf(`{"client_id":%q,"quality":"poor","rtt_us":2400,"buffered_ms":800,"late_10m":3,"reconnects_1h":1}`, lobbyID)
	finding := `{"finding_id":"a","severity":"serious","code":"late","since":"2020-01-01T00:00:00Z","text":"Bar\u001b[2J is late."}`
	f.get["/api/v1/health"] = fmt.Sprintf(strings.Replace(wellHealth, `"sessions":2`, `"sessions":2,"capacity":3,"draining":true`, 1), client, finding)
	return f
}

func TestTopShowsTheDeploymentOnce(t *testing.T) {
	f := topAPI(t)
	out, err := f.run(t, "top")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"✗ Bar·[2J is late.", "2 of 3 sessions", "↓ leaving", "✗ lost", "Lobby", "! poor", "2.4 ms", "clock"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
	if out, err = f.run(t, "top", "--once", "--json"); err != nil || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"health":`) {
		t.Errorf("one look as JSON: %v\n%s", err, out)
	}
	if out, err = f.run(t, "top"); strings.Contains(out, "not ready") {
		t.Errorf("a server that says nothing of it shows one that is not ready: %v\n%s", err, out)
	}
	f.get["/api/v1/health"] = strings.Replace(f.get["/api/v1/health"], `"draining":true`, `"ready":false,"not_ready":"no database"`, 1)
	if out, err = f.run(t, "top"); err != nil || !strings.Contains(out, "! not ready") {
		t.Errorf("a service that is not ready: %v\n%s", err, out)
	}
	if _, err = f.run(t, "top", "--interval", "10ms"); err == nil || !strings.Contains(err.Error(), "500ms") {
		t.Errorf("an interval that would flood the API: %v", err)
	}
}

// Whatever the size of the window, a frame fits, and what is wrong stays in sight.
func TestTopFitsItsWindow(t *testing.T) {
	var l look
	l.server.Name = strings.Repeat("long ", 40)
	for i := range 60 {
		l.health.Clients = append(l.health.Clients, apiClientHealth{ClientID: strings.Repeat("x", 43), Quality: qualityOrder[i%5]})
		l.health.Findings = append(l.health.Findings, apiFinding{Severity: "serious", Text: fmt.Sprint("finding ", i)})
	}
	for _, size := range [][2]int{{20, 5}, {80, 24}, {200, 60}} {
		lines := topLines(l, errors.New("gone"), time.Unix(0, 0), size[0], size[1])
		if len(lines) > size[1] {
			t.Errorf("%d lines in a window of %d", len(lines), size[1])
		}
		for _, line := range lines {
			if utf8.RuneCountInString(line) > size[0] {
				t.Errorf("a line of %d characters in a window of %d", utf8.RuneCountInString(line), size[0])
			}
		}
		if !strings.Contains(lines[1], "no answer") || !strings.Contains(strings.Join(lines, "\n"), "finding 0") {
			t.Errorf("what is wrong is not in sight:\n%s", strings.Join(lines, "\n"))
		}
	}
	// The worst device comes first.
	rows := deviceTable(l).rows
	if rows[1][1] != healthSigns["poor"] || rows[len(rows)-1][1] != healthSigns["offline"] {
		t.Errorf("first %v, last %v", rows[1], rows[len(rows)-1])
	}
}

// At a terminal the screen is taken, drawn anew when the window changes or time passes,
// and given back at q.
func TestTopAtATerminal(t *testing.T) {
	for _, key := range []string{"q", "\x03"} {
		f := topAPI(t)
		tt := f.terminal(t, "top", "--interval", "500ms")
		eventually(t, tt.out, "\x1b[?1049h")
		eventually(t, tt.out, "! poor")
		f.mu.Lock()
		f.status["GET /api/v1/health"] = 503
		f.mu.Unlock()
		eventually(t, tt.out, "no answer")
		tt.typeIn(t, key)
		if err := tt.wait(t); err != nil {
			t.Fatal(err)
		}
		eventually(t, tt.out, "\x1b[?1049l")
	}
}

package harness

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Player is one `tutti player --json` process, and the events that it printed.
type Player struct {
	*Proc
	Name     string
	Identity string // its file
	Listens  string // ws:// address; empty when it dials
	args     []string
	bin      string

	mu     sync.Mutex
	events []map[string]any
}

// NewPlayer plans a player that dials the server, or listens when listen is set. Start
// starts it; a player that was stopped can be started again with what it has stored.
func NewPlayer(t testing.TB, s *Server, name string, listen bool, args ...string) *Player {
	t.Helper()
	p := &Player{Name: name, Identity: filepath.Join(t.TempDir(), "identity.json"), bin: s.bin}
	p.args = append([]string{"player", "--json", "--no-mdns", "--name", name, "--identity", p.Identity}, args...)
	if listen {
		addr := FreeAddr(t)
		p.Listens = "ws://" + addr + "/sendspin"
		p.args = append(p.args, "--listen", addr)
	} else {
		p.args = append(p.args, "--connect", s.Sendspin)
	}
	return p
}

// Start starts the process; it is killed when t ends.
func (p *Player) Start(t testing.TB) *Player {
	t.Helper()
	p.mu.Lock()
	p.events = nil
	p.mu.Unlock()
	p.Proc = Start(t, "player "+p.Name, p.line, nil, append([]string{p.bin}, p.args...)...)
	return p
}

// With adds flags for the next start.
func (p *Player) With(args ...string) *Player {
	p.args = append(p.args, args...)
	return p
}

// Stop ends the process as a person does.
func (p *Player) Stop(t testing.TB) {
	t.Helper()
	p.Terminate(t, time.Minute) // the status tells whether it was forced to
}

func (p *Player) line(line string) {
	var e map[string]any
	if json.Unmarshal([]byte(line), &e) != nil {
		e = map[string]any{"event": "no JSON: " + line}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
}

// Find is the newest event of a kind for which ok holds (nil: any).
func (p *Player) Find(kind string, ok func(map[string]any) bool) map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.events) - 1; i >= 0; i-- {
		if e := p.events[i]; e["event"] == kind && (ok == nil || ok(e)) {
			return e
		}
	}
	return nil
}

// Await waits for an event.
func (p *Player) Await(t testing.TB, kind string, ok func(map[string]any) bool) map[string]any {
	t.Helper()
	var e map[string]any
	Eventually(t, time.Minute, p.Name+": "+kind, func() string {
		if e = p.Find(kind, ok); e == nil {
			return "none; last: " + p.tail()
		}
		return ""
	})
	return e
}

func (p *Player) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kinds []string
	for _, e := range p.events[max(0, len(p.events)-12):] {
		kinds = append(kinds, fmt.Sprint(e))
	}
	return strings.Join(kinds, " ")
}

package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// Process is one program on a host, which can be ended and started again.
type Process struct {
	Name string // "stream@h2"
	Host *Host

	argv []string
	env  []string
	log  string

	mu     sync.Mutex
	proc   *harness.Proc
	wanted bool // it has not been ended on purpose
	lives  int
	from   int64 // how long the log was before this life
	ends   []crash
}

// crash is an end that nobody wanted.
type crash struct {
	at    time.Time // when it was noticed
	words string
}

// newProcess plans a program; Start starts it. What it prints goes to a file of its own,
// whose end is shown when the test fails.
func newProcess(t testing.TB, logs, name string, h *Host, env []string, argv ...string) *Process {
	p := &Process{Name: name, Host: h, argv: argv, env: env, log: filepath.Join(logs, strings.ReplaceAll(name, "@", "-")+".log")}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("--- end of the log of %s ---\n%s", name, p.tail(4000))
		}
	})
	return p
}

// Start starts the program.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start(t)
}

func (p *Process) start(t testing.TB) {
	t.Helper()
	p.lives++
	p.from = p.printed()
	p.wanted = true
	sh := []string{"sh", "-c", `exec "$@" >>"$0" 2>&1`, p.log}
	p.proc = harness.Start(t, p.Name, nil, p.env, append(append(sh, p.Host.Exec()...), p.argv...)...)
}

// Again starts the program when it has ended by itself, as every supervisor does (Compose's
// restart policy, Kubernetes), and tells whether it had.
func (p *Process) Again(t testing.TB) bool {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wanted || p.runs() {
		return false
	}
	p.ends = append(p.ends, crash{time.Now(), lastWords(p.tail(min(p.printed()-p.from, 1<<16)))})
	p.start(t)
	return true
}

// crashesSince says what the program printed at the end of its crashes since a time.
func (p *Process) crashesSince(t time.Time) (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.ends {
		if !c.at.Before(t) {
			out = append(out, p.Name+": "+c.words)
		}
	}
	return out
}

// Life numbers the times that the program was started.
func (p *Process) Life() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lives
}

// runs tells whether the program has been started and has not ended.
func (p *Process) runs() bool {
	if p.proc == nil {
		return false
	}
	select {
	case <-p.proc.Done():
		return false
	default:
		return true
	}
}

// Kill is kill -9.
func (p *Process) Kill() { p.unwanted().Kill() }

func (p *Process) unwanted() *harness.Proc {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = false
	return p.proc
}

// Signal sends sig.
func (p *Process) Signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proc.Signal(sig)
}

// End asks the program to end, by SIGTERM or what it takes for that, and waits; one that
// stays longer than limit is killed and reported.
func (p *Process) End(sig syscall.Signal, limit time.Duration) error {
	proc := p.unwanted()
	proc.Signal(sig)
	select {
	case <-proc.Done():
		if c := proc.ExitCode(); c != 0 {
			return fmt.Errorf("%s ended with status %d after %s", p.Name, c, sig)
		}
		return nil
	case <-time.After(limit):
		proc.Kill()
		return fmt.Errorf("%s did not end within %s of %s", p.Name, limit, sig)
	}
}

// printed is how long the log is, in bytes.
func (p *Process) printed() int64 {
	st, err := os.Stat(p.log)
	if err != nil {
		return 0 // it is made at the first start
	}
	return st.Size()
}

func (p *Process) tail(n int64) string {
	f, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	if st, err := f.Stat(); err == nil && st.Size() > n {
		_, _ = f.Seek(-n, 2)
	}
	b := make([]byte, n)
	k, _ := f.Read(b)
	return string(b[:k])
}

package harness

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Proc is one child process of a test.
type Proc struct {
	Name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{}
	err  error

	mu    sync.Mutex
	lines []string
	onOut func(line string)
}

// Start runs a program; its stdout lines go to onOut (nil: kept with stderr)
// and everything is printed when the test fails. The process is killed when
// the test ends, and when the test binary dies.
func Start(t testing.TB, name string, onOut func(string), env []string, argv ...string) *Proc {
	t.Helper()
	p := &Proc{Name: name, cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{}), onOut: onOut}
	p.cmd.Env = append(os.Environ(), env...)
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = stdin
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	// Pdeathsig follows the thread that forked: keep it for the child's life.
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		var wg sync.WaitGroup
		wg.Go(func() { p.read(stdout, true) })
		wg.Go(func() { p.read(stderr, false) })
		wg.Wait()
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("--- output of %s ---\n%s", name, p.Output())
		}
	})
	return p
}

func (p *Proc) read(r io.Reader, stdout bool) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 1<<20), 1<<20)
	for sc.Scan() {
		line := sc.Text()
		if stdout && p.onOut != nil {
			p.onOut(line)
			continue
		}
		p.mu.Lock()
		p.lines = append(p.lines, line)
		p.mu.Unlock()
	}
}

// Type writes a line to the process's standard input.
func (p *Proc) Type(line string) { _, _ = io.WriteString(p.in, line+"\n") } // gone: its end tells

// Output is what the process printed (without lines taken by onOut).
func (p *Proc) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// Done is closed when the process has ended.
func (p *Proc) Done() <-chan struct{} { return p.done }

// Pid is the process id.
func (p *Proc) Pid() int { return p.cmd.Process.Pid }

// Signal sends sig.
func (p *Proc) Signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }

// Kill sends SIGKILL and waits.
func (p *Proc) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Terminate sends SIGTERM and fails the test unless the process ends with
// status 0 within limit.
func (p *Proc) Terminate(t testing.TB, limit time.Duration) {
	t.Helper()
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(limit):
		t.Fatalf("%s did not end within %s of SIGTERM", p.Name, limit)
	}
	if p.err != nil {
		t.Fatalf("%s ended with %v after SIGTERM, want status 0", p.Name, p.err)
	}
}

// ExitCode of a process that has ended.
func (p *Proc) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

var builds struct {
	sync.Mutex
	done map[string]string
	dir  string
}

// BinVar names a folder with programs that were built before, by the last part of their
// package's path ("tutti"): they are used instead of being built.
const BinVar = "TUTTI_E2E_BIN"

// Build compiles pkg (relative to this module) once per test process.
func Build(pkg string) (string, error) {
	if dir := os.Getenv(BinVar); dir != "" {
		path := filepath.Join(dir, filepath.Base(pkg))
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	builds.Lock()
	defer builds.Unlock()
	if path, ok := builds.done[pkg]; ok {
		return path, nil
	}
	if builds.dir == "" {
		dir, err := os.MkdirTemp("", "tutti-e2e-bin-*")
		if err != nil {
			return "", err
		}
		builds.dir, builds.done = dir, map[string]string{}
	}
	out := filepath.Join(builds.dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Dir = moduleDir()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, stderr.String())
	}
	builds.done[pkg] = out
	return out, nil
}

// Cleanup removes what Build made; call it at the end of TestMain.
func Cleanup() {
	builds.Lock()
	defer builds.Unlock()
	if builds.dir != "" {
		_ = os.RemoveAll(builds.dir)
	}
}

// moduleDir is the folder of the e2e module.
func moduleDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(file))
}

// MustBuild is Build that fails the test.
func MustBuild(t testing.TB, pkg string) string {
	t.Helper()
	path, err := Build(pkg)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// ErrNotReady is the reason while a server does not answer /readyz.
var ErrNotReady = errors.New("not ready")

// Mentions tells whether the last line of a program's output contains want.
func Mentions(output, want string) bool {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return strings.Contains(lines[len(lines)-1], want)
}

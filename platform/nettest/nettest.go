// Package nettest gives tests a network of their own: two network namespaces joined
// by a veth link that carries multicast, which loopback does not, for which it needs root;
// and ports on loopback that no other test takes.
//
// A test that needs the link calls CreatePair and runs parts of itself inside the
// namespaces with Exec, which starts the test binary again: TestMain must call
// Inside first.
package nettest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Addresses of the two ends of the link.
const (
	AddrA  = "10.87.0.1"
	AddrB  = "10.87.0.2"
	AddrA6 = "fd87::1"
	AddrB6 = "fd87::2"
)

// roleVar names what a re-executed test binary shall do.
const roleVar = "TUTTI_NETTEST_ROLE"

// Pair is two namespaces with a link between them: interface eth0 in both.
type Pair struct {
	A, B string // names for "ip netns"
	t    testing.TB
}

// CreatePair makes the namespaces and removes them at the end of the test. Where that
// is not permitted it fails the test in CI (environment CI set), because a green run
// must mean that it ran, and skips it loudly elsewhere.
func CreatePair(t testing.TB) *Pair {
	t.Helper()
	id := fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()%1_000_000)
	p := &Pair{A: "tutti-a-" + id, B: "tutti-b-" + id, t: t}
	if err := ip("netns", "add", p.A); err != nil {
		refuse(t, err)
	}
	t.Cleanup(func() { _ = ip("netns", "del", p.A) }) // with it go the processes' sockets and the link
	if err := ip("netns", "add", p.B); err != nil {
		refuse(t, err)
	}
	t.Cleanup(func() { _ = ip("netns", "del", p.B) })
	p.AddLink("eth0", AddrA+"/24", AddrB+"/24", AddrA6+"/64", AddrB6+"/64")
	for _, ns := range []string{p.A, p.B} {
		p.must("-n", ns, "link", "set", "lo", "up")
	}
	return p
}

// refuse ends a test that cannot have namespaces.
func refuse(t testing.TB, err error) {
	t.Helper()
	msg := fmt.Sprintf("this test makes network namespaces, which is not permitted here (%v): run it as root with the "+
		"package iproute2 installed, in a container with --cap-add NET_ADMIN --cap-add SYS_ADMIN", err)
	if os.Getenv("CI") != "" {
		t.Fatal(msg)
	}
	t.Skip("SKIPPED: " + msg)
}

// AddLink joins the namespaces by one more veth link with the same interface name in
// both, and gives its ends addresses (a and b; a6 and b6 may be empty).
func (p *Pair) AddLink(name, a, b, a6, b6 string) {
	p.t.Helper()
	p.must("-n", p.A, "link", "add", name, "type", "veth", "peer", "name", name, "netns", p.B)
	for _, end := range []struct{ ns, v4, v6 string }{{p.A, a, a6}, {p.B, b, b6}} {
		p.must("-n", end.ns, "addr", "add", end.v4, "dev", name)
		if end.v6 != "" {
			// nodad: the address can be used at once. Without IPv6 in the kernel the
			// tests run on IPv4 alone.
			_ = ip("-n", end.ns, "addr", "add", end.v6, "dev", name, "nodad")
		}
		p.must("-n", end.ns, "link", "set", name, "multicast", "on", "up")
		p.must("-n", end.ns, "route", "replace", "224.0.0.0/4", "dev", name, "metric", "10")
	}
}

// Switch is a switch between the namespaces: a bridge in a third one.
type Switch struct {
	ns string
	p  *Pair
}

// AddSwitch joins the namespaces like AddLink, through a switch.
func (p *Pair) AddSwitch(name, a, b string) *Switch {
	p.t.Helper()
	s := &Switch{p.A + "-switch", p}
	p.must("netns", "add", s.ns)
	p.t.Cleanup(func() { _ = ip("netns", "del", s.ns) })
	p.must("-n", s.ns, "link", "add", "br0", "type", "bridge")
	p.must("-n", s.ns, "link", "set", "br0", "up")
	for _, end := range []struct{ ns, addr, port string }{{p.A, a, "to-a"}, {p.B, b, "to-b"}} {
		p.must("-n", end.ns, "link", "add", name, "type", "veth", "peer", "name", end.port, "netns", s.ns)
		p.must("-n", end.ns, "addr", "add", end.addr, "dev", name)
		p.must("-n", end.ns, "link", "set", name, "multicast", "on", "up")
		p.must("-n", end.ns, "route", "replace", "224.0.0.0/4", "dev", name, "metric", "10")
		p.must("-n", s.ns, "link", "set", "dev", end.port, "master", "br0", "up")
	}
	return s
}

// PassMulticast says to which ends multicast passes; unicast and broadcast always do.
func (s *Switch) PassMulticast(toA, toB bool) {
	s.p.t.Helper()
	for port, pass := range map[string]bool{"to-a": toA, "to-b": toB} {
		flood := "off"
		if pass {
			flood = "on"
		}
		s.p.must("-n", s.ns, "link", "set", "dev", port, "type", "bridge_slave", "mcast_flood", flood)
	}
}

// DelLink removes a link.
func (p *Pair) DelLink(name string) {
	p.t.Helper()
	p.must("-n", p.A, "link", "del", name)
}

// SetLink puts a link's end in namespace A up or down.
func (p *Pair) SetLink(name string, up bool) {
	p.t.Helper()
	state := "down"
	if up {
		state = "up"
	}
	p.must("-n", p.A, "link", "set", name, state)
}

func (p *Pair) must(args ...string) {
	p.t.Helper()
	if err := ip(args...); err != nil {
		p.t.Fatal(err)
	}
}

func ip(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// Command is a program inside a namespace, not started yet; any program will do.
func Command(ctx context.Context, ns, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", ns, name}, args...)...)
}

// Proc is a part of the test that runs inside a namespace.
type Proc struct {
	t     testing.TB
	role  string
	cmd   *exec.Cmd
	stdin interface {
		Write([]byte) (int, error)
		Close() error
	}
	mu    sync.Mutex
	lines []string
	errs  bytes.Buffer
	ended chan struct{}
	err   error
}

// Exec starts this test binary in namespace ns with the given role, which Inside
// finds, and args. What it prints line by line is in Lines; what is written with Say
// is on its standard input. The end of the test ends it.
func Exec(t testing.TB, ns, role string, args ...string) *Proc {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proc{t: t, role: role, cmd: Command(ctx, ns, self, args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), roleVar+"="+role)
	p.cmd.Stderr = &p.errs
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s in namespace %s: %v", role, ns, err)
	}
	go func() {
		defer close(p.ended)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, s.Text())
			p.mu.Unlock()
		}
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() { p.end(cancel) })
	return p
}

// endLimit is how long a process may take to end after its standard input closed.
const endLimit = time.Minute

func (p *Proc) end(kill func()) {
	_ = p.stdin.Close() // its sign to end
	select {
	case <-p.ended:
	case <-time.After(endLimit):
		p.t.Errorf("%s did not end within %v", p.role, endLimit)
	}
	kill()
	<-p.ended
	if p.t.Failed() || p.err != nil {
		p.t.Logf("%s ended (%v); it said:\n%s\nand on stderr:\n%s", p.role, p.err, strings.Join(p.Lines(), "\n"), p.errs.String())
	}
	if p.err != nil {
		p.t.Errorf("%s: %v", p.role, p.err)
	}
}

// Lines are the lines printed so far.
func (p *Proc) Lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines...)
}

// Say writes one line to the process.
func (p *Proc) Say(line string) {
	p.t.Helper()
	if _, err := p.stdin.Write([]byte(line + "\n")); err != nil {
		p.t.Fatalf("say %q to %s: %v", line, p.role, err)
	}
}

// WaitLine waits until a line fulfils want, from line number from on, and returns the
// line and the number behind it.
func (p *Proc) WaitLine(limit time.Duration, from int, what string, want func(line string) bool) (string, int) {
	p.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		over := false // seen before its lines: the last one may be what is waited for
		select {
		case <-p.ended:
			over = true
		default:
		}
		for i, l := range p.Lines() {
			if i >= from && want(l) {
				return l, i + 1
			}
		}
		if over {
			p.t.Fatalf("%s ended before %s: %v", p.role, what, p.err)
		}
	}
	p.t.Fatalf("%s: no %s within %v; lines:\n%s", p.role, what, limit, strings.Join(p.Lines(), "\n"))
	return "", 0
}

// Role is what a test binary does inside a namespace. It returns when stdin ends.
type Role func(args []string) error

// Inside runs the role that Exec asked for, when this process was started by it, and
// returns its exit status. TestMain calls it first:
//
//	if code, inside := nettest.Inside(m, roles); inside { os.Exit(code) }
func Inside(_ *testing.M, roles map[string]Role) (code int, inside bool) {
	role := os.Getenv(roleVar)
	if role == "" {
		return 0, false
	}
	f, ok := roles[role]
	if !ok {
		fmt.Fprintf(os.Stderr, "nettest: this test has no role %q\n", role)
		return 2, true
	}
	if err := f(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
		return 1, true
	}
	return 0, true
}

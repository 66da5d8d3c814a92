package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Host is one machine: a network namespace with an address on the common wire.
type Host struct {
	Name string // "h1"
	NS   string // for "ip netns"
	IP   string
	port *port
}

// Cut takes the host's cable out, Heal puts it back. The interface stays up, as it does
// behind a switch that fails.
func (h *Host) Cut()  { h.port.cut.Store(true) }
func (h *Host) Heal() { h.port.cut.Store(false) }

// Exec is the beginning of a command line that runs inside the host.
func (h *Host) Exec() []string { return []string{"ip", "netns", "exec", h.NS} }

// Names of the variables by which the test tells its copy inside the devices' namespace
// where it is.
const (
	insideVar = "TUTTI_CLUSTER_NAMESPACES"
	devices   = "dev" // the host of the players and of this process
	stores    = "db"  // the host of PostgreSQL
)

// hostNames are the machines of the deployment.
func hostNames() []string { return []string{"h1", "h2", "h3"} }

// Inside runs the calling test again in the namespace of the devices, with namespaces
// for the hosts beside it, and reports false; in that copy it reports true. Where
// namespaces are not permitted it fails in CI, because a green run must mean that it
// ran, and skips loudly elsewhere.
func Inside(t *testing.T, limit time.Duration) bool {
	t.Helper()
	if os.Getenv(insideVar) != "" {
		return true
	}
	prefix := fmt.Sprintf("tutti-%d-", os.Getpid())
	for _, name := range append(hostNames(), devices, stores) {
		if err := ip("netns", "add", prefix+name); err != nil {
			refuse(t, err)
		}
		t.Cleanup(func() { _ = ip("netns", "del", prefix+name) })
	}
	if f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0); err != nil {
		refuse(t, err)
	} else {
		_ = f.Close()
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", prefix+devices, self,
		"-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", limit.String())
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &tee{os.Stdout, &out}, os.Stderr
	cmd.Env = append(os.Environ(), insideVar+"="+prefix)
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Fatalf("inside the namespace of the devices: %v (its output is above)", err)
	}
	return false
}

type tee struct {
	f *os.File
	b *strings.Builder
}

func (w *tee) Write(p []byte) (int, error) { w.b.Write(p); return w.f.Write(p) }

// refuse ends a test that cannot have namespaces.
func refuse(t *testing.T, err error) {
	t.Helper()
	msg := fmt.Sprintf("this test makes network namespaces and TAP devices, which is not permitted here (%v): run it as root with "+
		"the package iproute2 installed, in a container with --cap-add NET_ADMIN --cap-add SYS_ADMIN --device /dev/net/tun", err)
	if os.Getenv("CI") != "" {
		t.Fatal(msg)
	}
	t.Skip("SKIPPED: " + msg)
}

// Network is the hosts and the wire between them.
type Network struct {
	Wire    *Wire
	Hosts   []*Host
	Devices *Host
	Store   *Host
}

// NewNetwork plugs the hosts' namespaces and our own into one wire.
func NewNetwork(t *testing.T, link Link) *Network {
	t.Helper()
	prefix := os.Getenv(insideVar)
	n := &Network{Wire: NewWire(link)}
	t.Cleanup(n.Wire.Close)
	must := func(args ...string) {
		t.Helper()
		if err := ip(args...); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range append(hostNames(), devices, stores) {
		h := &Host{Name: name, NS: prefix + name, IP: fmt.Sprintf("10.88.0.%d", i+1)}
		dev := "t" + name
		p, err := n.Wire.Plug(dev, uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		h.port = p
		in := []string{"-n", h.NS}
		switch name {
		case devices:
			n.Devices, in = h, nil
		case stores:
			n.Store = h
		default:
			n.Hosts = append(n.Hosts, h)
		}
		if name != devices {
			must("link", "set", dev, "netns", h.NS)
		}
		must(append(in, "link", "set", dev, "name", "eth0")...)
		must(append(in, "addr", "add", h.IP+"/24", "dev", "eth0")...)
		must(append(in, "link", "set", "lo", "up")...)
		must(append(in, "link", "set", "eth0", "multicast", "on", "up")...)
	}
	return n
}

func ip(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// nowUS is the one clock of everything in this process: the kernel's monotonic one, in µs.
func nowUS() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // every Linux has it
	}
	return ts.Nano() / 1000
}

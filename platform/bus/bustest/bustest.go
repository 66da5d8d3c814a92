// Package bustest starts NATS servers for tests: in this process behind a real
// socket, or as a process of their own. Both can be stopped and started again on
// the same port and store, which is how tests take the bus away.
package bustest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/nettest"
)

// startLimit is how long a server may take to accept connections.
const startLimit = time.Minute

// Server is a NATS server with JetStream on 127.0.0.1.
type Server interface {
	// URL is the server's nats:// address; it stays the same over restarts.
	URL() string
	// Stop ends the server; what is in files stays.
	Stop()
	// Start starts it again on the same port and store.
	Start()
}

// Embedded connects to a fresh embedded server, closed at the end of the test.
func Embedded(t testing.TB) *bus.Conn {
	t.Helper()
	return connect(t, bus.Config{Embedded: &bus.EmbeddedConfig{StoreDir: t.TempDir()}, Name: t.Name()})
}

// Connect connects to s; the connection is closed at the end of the test.
func Connect(t testing.TB, s Server) *bus.Conn {
	t.Helper()
	return connect(t, bus.Config{URL: s.URL(), Name: t.Name()})
}

func connect(t testing.TB, cfg bus.Config) *bus.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	c, err := bus.Connect(ctx, cfg)
	if err != nil {
		t.Fatalf("connect to the bus: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("close the bus: %v", err)
		}
	})
	return c
}

// StartServer starts a server in this process behind a socket; the test's end
// stops it.
func StartServer(t testing.TB) Server {
	t.Helper()
	// A fixed port, not 0: a restart comes back on the same one.
	s := &inProcess{t: t, port: nettest.FreePort(t), dir: t.TempDir()}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

type inProcess struct {
	t    testing.TB
	port int
	dir  string
	srv  *server.Server
}

func (s *inProcess) URL() string { return "nats://127.0.0.1:" + strconv.Itoa(s.port) }

func (s *inProcess) Stop() {
	if s.srv == nil {
		return
	}
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
	s.srv = nil
}

func (s *inProcess) Start() {
	s.t.Helper()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: s.port, JetStream: true, StoreDir: s.dir,
		NoLog: true, NoSigs: true, DisableJetStreamBanner: true,
	})
	if err != nil {
		s.t.Fatalf("make a NATS server: %v", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(startLimit) {
		srv.Shutdown()
		s.t.Fatalf("NATS server on port %d is not ready after %v", s.port, startLimit)
	}
	s.srv = srv
}

// StartProcess builds nats-server from its Go module (once per build cache) and
// starts it as a process of its own. Stop is SIGKILL.
func StartProcess(t testing.TB) Server {
	t.Helper()
	s := &process{t: t, bin: Build(t), port: nettest.FreePort(t), dir: t.TempDir()}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Build builds the nats-server program into a folder of the test and returns its
// path.
func Build(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("cannot find the source folder of bustest")
	}
	bin := filepath.Join(t.TempDir(), "nats-server")
	cmd := exec.Command("go", "build", "-o", bin, "github.com/nats-io/nats-server/v2")
	cmd.Dir = filepath.Dir(file)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build nats-server: %v\n%s", err, out)
	}
	return bin
}

type process struct {
	t    testing.TB
	bin  string
	port int
	dir  string
	cmd  *exec.Cmd
}

func (s *process) URL() string { return "nats://127.0.0.1:" + strconv.Itoa(s.port) }

func (s *process) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // "signal: killed" is what we asked for
	s.cmd = nil
}

func (s *process) Start() {
	s.t.Helper()
	s.cmd = exec.Command(s.bin, "-a", "127.0.0.1", "-p", strconv.Itoa(s.port), "-js", "-sd", s.dir)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("start nats-server: %v", err)
	}
	if err := waitPort(s.port); err != nil {
		s.t.Fatal(err)
	}
}

// waitPort waits until something accepts connections on port.
func waitPort(port int) error {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	var last error
	for end := time.Now().Add(startLimit); time.Now().Before(end); {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return c.Close()
		}
		last = err
		time.Sleep(10 * time.Millisecond) // between two looks at a fact, not instead of one
	}
	return fmt.Errorf("nothing listens at %s after %v: %w", addr, startLimit, last)
}

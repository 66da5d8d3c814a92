package bus_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
)

// lockedBuffer is a log sink that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func runServer(t *testing.T, o server.Options) string {
	t.Helper()
	o.Host, o.Port, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	srv, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(time.Minute) {
		t.Fatal("the server is not ready")
	}
	return srv.Addr().String()
}

// TestWrongPassword: the reason is said, in the error and once in the log, and the
// password is in neither.
func TestWrongPassword(t *testing.T) {
	addr := runServer(t, server.Options{Username: "u", Password: "right", JetStream: true, StoreDir: t.TempDir()})
	var log lockedBuffer
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := bus.Connect(ctx, bus.Config{URL: "nats://u:hunter2@" + addr, Log: slog.New(slog.NewTextHandler(&log, nil))})
	wantCode(t, err, fault.Unavailable)
	if !strings.Contains(strings.ToLower(err.Error()), "authorization") {
		t.Errorf("the error does not say why: %v", err)
	}
	if n := strings.Count(strings.ToLower(log.String()), "authorization"); n == 0 || n > 3 {
		t.Errorf("%d lines of log say why:\n%s", n, log.String())
	}
	if strings.Contains(log.String()+err.Error(), "hunter2") {
		t.Errorf("the password shows: %v\n%s", err, log.String())
	}
	c, err := bus.Connect(t.Context(), bus.Config{URL: "nats://u:right@" + addr})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestServerWithoutJetStream(t *testing.T) {
	addr := runServer(t, server.Options{})
	_, err := bus.Connect(t.Context(), bus.Config{URL: "nats://" + addr})
	if err == nil || !strings.Contains(err.Error(), "-js") {
		t.Fatalf("got %v", err)
	}
}

package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTwoServersCannotShareADataDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "demand")
	release, err := openDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v; want 0700", st.Mode().Perm(), err)
	}
	if _, err := openDataDir(dir); err == nil || !strings.Contains(err.Error(), "in use by another tutti") {
		t.Errorf("second server: got %v", err)
	}
	release()
	again, err := openDataDir(dir)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	again()
}

func TestADataDirectoryThatCannotBeMadeSaysSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(filepath.Join(file, "below")); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("got %v, want an error that names the flag", err)
	}
}

func TestDefaultDataDirectoryFollowsXDGAndKeepsTheDemoApart(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/srv/xdg")
	cfg := Defaults("v")
	if err := cfg.Complete(); err != nil || cfg.DataDir != "/srv/xdg/tutti" || cfg.LogLevel != "info" {
		t.Errorf("got %q, log %q, %v", cfg.DataDir, cfg.LogLevel, err)
	}
	demo := Defaults("v")
	demo.Demo = true
	if err := demo.Complete(); err != nil || demo.DataDir != "/srv/xdg/tutti-demo" || demo.LogLevel != "warn" {
		t.Errorf("demo: got %q, log %q, %v", demo.DataDir, demo.LogLevel, err)
	}
}

func TestEveryConfigurationFaultIsTold(t *testing.T) {
	cfg := Config{DataDir: "/x", HTTP: "8080", Sendspin: ":8927", InternalHTTP: ":1", Policy: "sometimes", Music: "/nowhere", LogLevel: "loud", NATSReplicas: 2}
	err := cfg.Complete()
	if err == nil {
		t.Fatal("want faults")
	}
	for _, want := range []string{"--http", "--policy", "--name", "--music", "--log-level", "--nats-replicas"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in %v", want, err)
		}
	}
}

// One part that fails stops the others, and its error is what the process says.
func TestAPartThatFailsStopsTheRest(t *testing.T) {
	p := &process{log: slog.New(slog.DiscardHandler)}
	broken := errors.New("port 8927 is taken")
	stopped := make(chan struct{})
	err := runAll(t.Context(), p, []service{
		{"gateway", func(context.Context) error { return broken }},
		{"stream", func(ctx context.Context) error { <-ctx.Done(); close(stopped); return ctx.Err() }},
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "gateway") {
		t.Errorf("got %v", err)
	}
	select {
	case <-stopped:
	default:
		t.Error("the other part was not stopped and waited for")
	}
}

func TestHealthcheckTellsReadiness(t *testing.T) {
	ready := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	ask := func(url string) error {
		c := HealthcheckCommand()
		c.SetArgs([]string{url})
		c.SetOut(io.Discard)
		c.SetErr(io.Discard)
		c.SilenceUsage = true
		return c.ExecuteContext(t.Context())
	}
	if err := ask(srv.URL); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("not ready: got %v", err)
	}
	ready = true
	if err := ask(srv.URL); err != nil {
		t.Errorf("ready: got %v", err)
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler()) // its own certificate, of another name
	defer secure.Close()
	if err := ask(secure.URL); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("over TLS: got %v", err)
	}
	if err := ask("http://127.0.0.1:1/readyz"); err == nil {
		t.Error("nobody listens there")
	}
}

func TestURLsOfAListener(t *testing.T) {
	if got := urls("ws", "127.0.0.1:8927", "/sendspin"); len(got) != 1 || got[0] != "ws://127.0.0.1:8927/sendspin" {
		t.Errorf("a bound address: %v", got)
	}
	if got := urls("http", "[::]:8080", ""); got[0] != "http://localhost:8080" {
		t.Errorf("all addresses: %v", got)
	}
}

func TestInstanceIDsAreUniqueSubjectTokens(t *testing.T) {
	a, b := newInstanceID(), newInstanceID()
	if a == b || strings.ContainsAny(a, ". *>") {
		t.Errorf("%q, %q", a, b)
	}
	if got := subjectToken("nas.local é"); strings.ContainsAny(got, ". *>é") {
		t.Errorf("%q", got)
	}
}

// A virtual room makes its key once and keeps it.
func TestDemoRoomsKeepTheirKeys(t *testing.T) {
	dir := t.TempDir()
	one, err := newDemo(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	two, err := newDemo(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if len(one.rooms) != 3 {
		t.Fatalf("%d rooms", len(one.rooms))
	}
	for i := range one.rooms {
		if one.rooms[i].client.ID() != two.rooms[i].client.ID() {
			t.Errorf("room %s has another key after a restart", one.rooms[i].name)
		}
		if line := one.rooms[i].line(); !strings.Contains(line, "silent") {
			t.Errorf("a room without a stream says %q", line)
		}
	}
}

func TestWaitForEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := waitFor(ctx, func() bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

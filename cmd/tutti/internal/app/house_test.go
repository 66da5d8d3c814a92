package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/platform/nettest"
)

// testProcess is a process that is not connected yet; its bus is embedded.
func testProcess(t *testing.T) *process {
	t.Helper()
	cfg := Defaults("test")
	cfg.DataDir, cfg.LogLevel = t.TempDir(), "error"
	p, err := newProcess(cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stopBy(time.Now().Add(patience)) // the bus writes into the folder until it has ended
		p.close()
	})
	return p
}

// patience bounds what takes a moment on an idle machine.
const patience = time.Minute

// connected is a process on a bus of its own that leads no clock.
func connected(t *testing.T) *process {
	t.Helper()
	p := testProcess(t)
	if err := p.connect(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	return p
}

// leadAs leads the house clock as another instance until the returned func.
func leadAs(t *testing.T, p *process, name string) (stop func()) {
	t.Helper()
	leases, err := lease.NewManager(p.bus, name, lease.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := houseclock.Lead(ctx, p.bus, leases, name, houseclock.LeadOptions{}); err != nil && ctx.Err() == nil {
			t.Errorf("lead: %v", err)
		}
	}()
	return func() { cancel(); <-done }
}

// What follows the clock outlives the limit of the first reading: it sees the
// next leader.
func TestTheClockIsFollowedAfterItsFirstReading(t *testing.T) {
	p := connected(t)
	stop := leadAs(t, p, "one")
	if err := p.follow(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := p.house.Info().Leader; got != "one" {
		t.Fatalf("the first reading names the leader %q", got)
	}
	stop()
	defer leadAs(t, p, "two")()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if waitFor(ctx, func() bool { return p.house.Info().Leader == "two" }) != nil {
		t.Errorf("the leader changed, and the follower still names %q", p.house.Info().Leader)
	}
}

func TestWithoutALeaderThereIsNoReading(t *testing.T) {
	p := connected(t)
	if p.house.NowMicros() != 0 || p.house.ready() == nil || p.houseCopy() != nil {
		t.Error("a clock without a reading tells a time")
	}
	err := p.follow(t.Context(), 10*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "stream service") {
		t.Errorf("past the limit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.follow(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped while it waited: %v", err)
	}
}

// A service whose neighbours are missing is up and says what it waits for; the
// API answers.
func TestAServiceAloneAnswersItsProbes(t *testing.T) {
	for name, want := range map[string]struct {
		status int
		says   string
	}{
		"session-gateway": {http.StatusServiceUnavailable, "is a stream service running"},
		"management":      {http.StatusOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := testProcess(t)
			p.cfg.InternalHTTP, p.cfg.HTTP, p.cfg.Sendspin = nettest.FreeAddr(t), nettest.FreeAddr(t), nettest.FreeAddr(t)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- runAll(ctx, p, serviceParts(p, name, io.Discard)) }()
			base := "http://" + p.cfg.InternalHTTP
			poll, end := context.WithTimeout(ctx, patience)
			defer end()
			last, body := 0, ""
			// "bus": it has started; what is told to end before that ends a start first.
			if waitFor(poll, func() bool {
				last, body = ask(base + "/readyz")
				return last == want.status && strings.Contains(body, `"bus":"ok"`) && strings.Contains(body, want.says) && status(base+"/healthz") == http.StatusOK
			}) != nil {
				t.Errorf("/readyz answers %d %s, want %d and %q", last, body, want.status, want.says)
			}
			if name == "management" {
				if got := status("http://" + p.cfg.HTTP + "/healthz"); got != http.StatusOK {
					t.Errorf("the API's /healthz answers %d", got)
				}
			}
			cancel()
			if err := <-done; err != nil {
				t.Errorf("end: %v", err)
			}
		})
	}
}

// status is 0 when nobody answers.
func status(url string) int {
	code, _ := ask(url)
	return code
}

// ask is status, with what is answered.
func ask(url string) (code int, body string) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(b)
}

// Who is told to stop while it waits for its bus has not failed.
func TestStoppedBeforeThereIsABus(t *testing.T) {
	p := testProcess(t)
	p.cfg.NATS, p.cfg.InternalHTTP = "nats://"+nettest.FreeAddr(t), nettest.FreeAddr(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runAll(ctx, p, serviceParts(p, "discovery", io.Discard)) }()
	poll, end := context.WithTimeout(ctx, patience)
	defer end()
	if waitFor(poll, func() bool { return status("http://"+p.cfg.InternalHTTP+"/healthz") == http.StatusOK }) != nil {
		t.Error("/healthz does not answer while the bus is away")
	}
	if got := status("http://" + p.cfg.InternalHTTP + "/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got %v", err)
	}
}

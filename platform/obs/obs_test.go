package obs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/obs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	log, err := obs.NewLogger(&b, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("hidden")
	log.Warn("shown", obs.KeyClient, "abc")
	if got := b.String(); strings.Contains(got, "hidden") || !strings.Contains(got, `"client_id":"abc"`) {
		t.Fatalf("got %s", got)
	}
	for _, bad := range [][2]string{{"loud", "text"}, {"info", "xml"}} {
		if _, err := obs.NewLogger(&b, bad[0], bad[1]); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestInternalHTTP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := obs.NewHealth()
	h.Add("bus", func() error { return nil })
	h.Add("db", func() error { return errors.New("no connection") })
	h.Add("worse", func() error { panic("oh") })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- obs.ServeInternal(ctx, l, h, obs.NewRegistry("1.2.3"), false) }()
	base := "http://" + l.Addr().String()

	if code, body := get(t, base+"/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("healthz: %d %q", code, body)
	}
	if code, body := get(t, base+"/readyz"); code != 503 || !strings.Contains(body, `"db":"no connection"`) || !strings.Contains(body, "panicked") {
		t.Errorf("readyz: %d %s", code, body)
	}
	h.Remove("worse")
	h.Add("db", func() error { return nil })
	if code, body := get(t, base+"/readyz"); code != 200 || !strings.Contains(body, `"ready":true`) {
		t.Errorf("readyz: %d %s", code, body)
	}
	code, body := get(t, base+"/metrics")
	for _, want := range []string{`tutti_build_info{go="go1.`, `version="1.2.3"`, "go_goroutines", "process_open_fds"} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("metrics (%d) lack %s", code, want)
		}
	}
	if code, _ := get(t, base+"/debug/pprof/"); code != 404 {
		t.Errorf("profiles that nobody asked for: %d", code)
	}
	if code, _ := get(t, base+"/nothing"); code != 404 {
		t.Errorf("unknown path: %d", code)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatalf("end: %v", err)
	}
}

func TestProfilesWhenAskedFor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- obs.ServeInternal(ctx, l, obs.NewHealth(), obs.NewRegistry(""), true) }()
	base := "http://" + l.Addr().String()
	for path, want := range map[string]string{"/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile", "/healthz": "ok", "/metrics": "go_goroutines"} {
		if code, body := get(t, base+path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, without %q", path, code, want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatalf("end: %v", err)
	}
}

func TestInternalHTTPAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = obs.InternalHTTP(t.Context(), l.Addr().String(), obs.NewHealth(), obs.NewRegistry(""), false)
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Fatalf("got %v", err)
	}
}

func TestNamesOfStrangersAreShortAndPlain(t *testing.T) {
	for in, want := range map[string]string{
		"Kitchen":               "Kitchen",
		"a\x1b[31m\r\nb\u202ec": "a·[31m··b·c",
		strings.Repeat("é", 99): strings.Repeat("é", 63) + "…",
	} {
		if got := obs.Name(in); got != want {
			t.Errorf("%.20q became %q", in, got)
		}
	}
}

package obs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLoggerHonoursLevelAndFormat(t *testing.T) {
	var buf bytes.Buffer
	log, err := NewLogger(&buf, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("client gone", KeyClient, "abc")
	var line map[string]any
	if err := json.Unmarshal(buf.Bytes(), &line); err != nil {
		t.Fatalf("want exactly one JSON line, got %q", buf.String())
	}
	if line["msg"] != "client gone" || line[KeyClient] != "abc" || !strings.HasSuffix(line["time"].(string), "Z") {
		t.Errorf("got %v", line)
	}
	for _, bad := range [][2]string{{"loud", "text"}, {"info", "xml"}, {"info+2", "text"}} {
		if _, err := NewLogger(io.Discard, bad[0], bad[1]); err == nil || !strings.Contains(err.Error(), "choose") {
			t.Errorf("%v: got %v, want an error that names the choices", bad, err)
		}
	}
}

func TestInternalHTTPTellsHealthReadinessAndMetrics(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "tutti_test_total", Help: "x"})
	reg.MustRegister(c)
	h := NewHealth()
	broken := errors.New("connection refused")
	h.Add("bus", func() error { return broken })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l, Handler(h, reg)) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) (int, string) {
		resp, err := client.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	if code, _ := get("/healthz"); code != 200 {
		t.Errorf("/healthz: %d while the process is up", code)
	}
	if code, body := get("/readyz"); code != 503 || !strings.Contains(body, "bus: connection refused") {
		t.Errorf("/readyz: %d %q, want 503 naming the failing check", code, body)
	}
	broken = nil
	if code, _ := get("/readyz"); code != 200 {
		t.Errorf("/readyz: %d when every check passes", code)
	}
	if _, body := get("/metrics"); !strings.Contains(body, "tutti_test_total 0") {
		t.Errorf("/metrics lacks the registered counter:\n%s", body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	err = InternalHTTP(context.Background(), l.Addr().String(), NewHealth(), prometheus.NewRegistry())
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Fatalf("got %v", err)
	}
}

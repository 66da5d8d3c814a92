package management_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/services/management"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const adminToken = "test-admin-token"

// limit is how long a test waits for a fact before it says what is missing.
const limit = time.Minute

// world is a management service on an embedded bus, among fake services.
type world struct {
	t     *testing.T
	bus   *bus.Conn
	house *houseclock.Manual
	url   string
	fakes *fakes
	logs  *logBuffer
	check validator.Validator
	stop  func() error
	// hurried: answers wait as briefly as the product's for what was done to show. That is
	// for tests in which it does not; on a slow machine it may show later.
	hurried bool
	// setUp is the code that makes the first administrator.
	setUp string
}

type option func(*management.Config)

func newWorld(t *testing.T, opts ...option) *world {
	t.Helper()
	return newWorldWith(t, management.Deps{}, opts...)
}

// newWorldWith is newWorld of a service that has more than a bus, a clock and a log.
func newWorldWith(t *testing.T, deps management.Deps, opts ...option) *world {
	t.Helper()
	w := among(t)
	w.serve("m1", deps, opts...)
	return w
}

// newHurriedWorld is newWorld with answers that do not wait for long.
func newHurriedWorld(t *testing.T) *world {
	t.Helper()
	w := among(t)
	w.hurried = true
	w.serve("m1", management.Deps{})
	return w
}

// among is a world whose service does not run yet.
func among(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, bus: bustest.Embedded(t), house: houseclock.NewManual(1_000_000_000), logs: &logBuffer{}}
	w.fakes = startFakes(t, w.bus, w.house)
	return w
}

// instance is another management service on the same bus.
func (w *world) instance(id string) *world {
	w.t.Helper()
	other := &world{t: w.t, bus: w.bus, house: w.house, fakes: w.fakes, logs: &logBuffer{}}
	other.serve(id, management.Deps{})
	return other
}

// serve starts the service, and stops it at the end of the test.
func (w *world) serve(id string, deps management.Deps, opts ...option) {
	t := w.t
	t.Helper()
	cfg := management.Config{InstanceID: id, Version: "1.2.3", HTTP: "127.0.0.1:0", AdminToken: adminToken, Mode: management.ModeEmbedded, BackupWorkFactor: 10,
		RequestTimeout: limit} // the product's may pass on a slow machine
	for _, o := range opts {
		o(&cfg)
	}
	log := slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	deps.Bus, deps.House, deps.Log = w.bus, w.house, log
	s, err := management.New(cfg, deps)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	if !w.hurried {
		s.SetEffectTimeout(limit)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(limit):
			return fmt.Errorf("Run did not return within %s", limit)
		}
	})
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		w.checkNoSecrets()
	})
	eventually(t, func() error {
		if s.Addr() == "" {
			select {
			case err := <-done:
				t.Fatalf("Run ended: %v", err)
			default:
			}
			return fmt.Errorf("not listening yet")
		}
		return s.Ready()
	})
	w.url, w.setUp = "http://"+s.Addr(), s.SetUpCode()
	if deps.TLS != nil {
		w.url = "https://" + s.Addr()
	}
	w.check = newValidator(t, w.getRaw("/openapi.json"))
}

// checkNoSecrets holds the promise that tokens are never logged.
func (w *world) checkNoSecrets() {
	w.t.Helper()
	if log := w.logs.String(); strings.Contains(log, adminToken) || strings.Contains(log, "tutti_") ||
		w.setUp != "" && strings.Contains(log, w.setUp) || strings.Contains(log, goodPassword) || strings.Contains(log, "argon2id") {
		w.t.Errorf("the log holds a secret:\n%s", log)
	}
}

// validators keeps one per document: to build one takes most of a second, and all
// worlds serve the same document.
var validators sync.Map

func newValidator(t *testing.T, spec []byte) validator.Validator {
	t.Helper()
	if v, ok := validators.Load(string(spec)); ok {
		return v.(validator.Validator)
	}
	doc, err := libopenapi.NewDocument(spec)
	if err != nil {
		t.Fatalf("the OpenAPI document cannot be read: %v", err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatalf("the OpenAPI document is not sound: %v", errs)
	}
	validators.Store(string(spec), v)
	return v
}

// reply is an answer of the API.
type reply struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// do sends a request and validates the answer against the OpenAPI document. body
// is JSON text, or anything that encodes as JSON; nil for none.
func (w *world) do(method, path, token string, body any, header ...string) reply {
	w.t.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	default:
		var err error
		if b, err = json.Marshal(v); err != nil {
			w.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, bytes.NewReader(b))
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	w.validate(req, resp, got)
	return reply{t: w.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: got}
}

// client keeps no connections, so that goleak sees the server's own goroutines alone.
// Over TLS it takes any certificate: those that check have their own.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 2 * limit}

func (w *world) validate(req *http.Request, resp *http.Response, body []byte) {
	w.t.Helper()
	if !strings.HasPrefix(req.URL.Path, "/api/") || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusMethodNotAllowed ||
		resp.StatusCode == http.StatusNotFound && strings.Contains(string(body), "there is nothing at") {
		return // not an operation of the document
	}
	copied := *resp
	copied.Body = io.NopCloser(bytes.NewReader(body))
	if ok, errs := w.check.ValidateHttpResponse(req, &copied); !ok {
		for _, e := range errs {
			w.t.Errorf("%s %s → %d breaks the OpenAPI document: %s: %s %v\n%s", req.Method, req.URL.Path, resp.StatusCode, e.Message, e.Reason, e.SchemaValidationErrors, body)
		}
	}
}

func (w *world) get(path string) reply { w.t.Helper(); return w.do("GET", path, adminToken, nil) }
func (w *world) post(path string, body any) reply {
	w.t.Helper()
	return w.do("POST", path, adminToken, body)
}
func (w *world) patch(path string, body any) reply {
	w.t.Helper()
	return w.do("PATCH", path, adminToken, body)
}
func (w *world) put(path string) reply    { w.t.Helper(); return w.do("PUT", path, adminToken, nil) }
func (w *world) delete(path string) reply { w.t.Helper(); return w.do("DELETE", path, adminToken, nil) }
func (w *world) getRaw(path string) (content []byte) {
	w.t.Helper()
	resp, err := client.Get(w.url + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("GET %s: status %d, %v", path, resp.StatusCode, err)
	}
	return b
}

// want checks the status and returns r for more.
func (r reply) want(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: status %d, want %d; body: %s", r.what, r.status, status, r.body)
	}
	return r
}

// into decodes the body.
func (r reply) into(v any) {
	r.t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		r.t.Fatalf("%s: decode %s: %v", r.what, r.body, err)
	}
}

func decode[T any](r reply) (v T) {
	r.t.Helper()
	r.into(&v)
	return v
}

// problem checks that the answer is a problem document of its status.
func (r reply) problem(status int) model.Problem {
	r.t.Helper()
	r.want(status)
	if ct := r.header.Get("Content-Type"); ct != "application/problem+json" {
		r.t.Errorf("%s: content type %q", r.what, ct)
	}
	p := decode[model.Problem](r)
	if p.Status != status || p.Type == "" || p.Title == "" || p.Detail == "" {
		r.t.Errorf("%s: the problem lacks a member: %s", r.what, r.body)
	}
	return p
}

// eventually polls for a fact and fails with the last reason.
func eventually(t *testing.T, fact func() error) { t.Helper(); eventuallyWithin(t, limit, fact) }

// slow is the limit for what happens every 10 s, or waits for that.
const slow = 2 * time.Minute

func eventuallyWithin(t *testing.T, limit time.Duration, fact func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := fact()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not so after %s: %v", limit, err)
		}
		time.Sleep(5 * time.Millisecond) // the pace of a poll, no synchronisation
	}
}

// logBuffer is a log that a test reads.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if os.Getenv("TUTTI_TEST_LOG") != "" {
		_, _ = os.Stderr.Write(p)
	}
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

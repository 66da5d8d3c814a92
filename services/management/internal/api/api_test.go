package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/feed"
	"github.com/tutti-audio/tutti/services/management/internal/idem"
	"github.com/tutti-audio/tutti/services/management/internal/ledger"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// busFunc answers every request of the API.
type busFunc func(subject string, req, resp proto.Message) error

func (f busFunc) Request(_ context.Context, subject string, req, resp proto.Message) error {
	return f(subject, req, resp)
}

func (f busFunc) RequestHedged(ctx context.Context, subject string, req, resp proto.Message) error {
	return f.Request(ctx, subject, req, resp)
}

type nobody struct{}

func (nobody) Get(context.Context, string) (*pb.ClientPresence, uint64, error) {
	return nil, 0, fault.New(fault.NotFound, "none")
}
func (nobody) Delete(context.Context, string) error { return nil }

type anybody struct{}

func (anybody) Authenticate(*http.Request) (auth.Principal, bool, error) {
	return auth.Principal{Actor: "token:test", Role: auth.RoleAdmin}, true, nil
}

// newHandler is the API without a bus, for what needs none.
func newHandler(t testing.TB, b busFunc) http.Handler {
	t.Helper()
	clock, log, reg := clockwork.NewFakeClock(), slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	ctx, cancel := context.WithCancel(context.Background())
	sup := actor.NewSupervisor(ctx, actor.SupervisorOptions{Name: "test", Log: log, Clock: clock})
	t.Cleanup(func() { sup.Stop(); cancel() })
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	d := Deps{Bus: b, Presence: nobody{}, Auth: []auth.Authenticator{anybody{}}, Feed: feed.New(16), Clock: clock, Log: log, Mode: "embedded", Streams: ctx}
	var err error
	d.Projection, err = readmodel.New(sup, readmodel.Options{Clock: clock, Log: log, Feed: d.Feed, Server: func(*readmodel.Snapshot) model.Server { return model.Server{} }})
	must(err)
	d.Ledger, err = ledger.New(sup, b, clock, log, reg)
	must(err)
	d.Idem, err = idem.New(sup, clock, log)
	must(err)
	d.Metrics, err = NewMetrics(reg)
	must(err)
	mux := http.NewServeMux()
	return New(mux, d).Handler(mux)
}

func send(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

func TestAPanicCostsOneRequest(t *testing.T) {
	h := newHandler(t, func(string, proto.Message, proto.Message) error { panic("boom") })
	w := send(h, "GET", "/api/v1/library", "")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "boom") || w.Header().Get("Content-Type") != model.ProblemType {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	h := newHandler(t, func(string, proto.Message, proto.Message) error {
		return fault.New(fault.Internal, "password is hunter2")
	})
	w := send(h, "GET", "/api/v1/library", "")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestARefusalOfAServiceNamesTheField(t *testing.T) {
	h := newHandler(t, func(string, proto.Message, proto.Message) error {
		return fault.New(fault.Invalid, "the name is taken by a saint").WithField("name", "is taken")
	})
	w := send(h, "PATCH", "/api/v1/server", `{"name":"Nepomuk"}`)
	p := model.Problem{}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusUnprocessableEntity || len(p.Errors) != 1 || p.Errors[0].Location != "body.name" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// FuzzBodies sends anything as a body of every kind of request: the answer is
// never a 5xx of our own making, and always a whole JSON document.
func FuzzBodies(f *testing.F) {
	h := newHandler(f, func(_ string, _, resp proto.Message) error {
		if r, ok := resp.(*pb.GroupReply); ok {
			r.Group = &pb.Group{GroupId: "g"}
		}
		return nil
	})
	routes := []struct{ method, path string }{
		{"POST", "/api/v1/groups"}, {"POST", "/api/v1/clients"}, {"PATCH", "/api/v1/server"},
		{"POST", "/api/v1/groups/g/play"}, {"POST", "/api/v1/groups/g/seek"}, {"POST", "/api/v1/groups/g/volume"},
		{"POST", "/api/v1/groups/g/repeat"}, {"POST", "/api/v1/groups/g/queue"}, {"PATCH", "/api/v1/clients/c"},
		{"POST", "/api/v1/clients/c/approve"}, {"POST", "/api/v1/clients/c/pairing"}, {"POST", "/api/v1/clients/c/pairing/code"},
		{"POST", "/api/v1/pairing/tokens"},
	}
	for i, s := range []string{`{"name":"a","members":["x"]}`, `{"url":"ws://h"}`, `{"policy":{"pairing":"required"},"languages":["en"]}`,
		`{"uri":"tone:440"}`, `{"position_ms":1e300}`, `{"volume":null}`, `{"mode":["off"]}`, `{"uris":[{}]}`, `{"method":"pairing_psk","token":"SP:0"}`, `{"code":"1 2"}`, `[]`, `null`, "\xff", `{"name":1,"name":"b"}`} {
		f.Add(uint8(i), []byte(s))
	}
	f.Fuzz(func(t *testing.T, route uint8, body []byte) {
		r := routes[int(route)%len(routes)]
		w := send(h, r.method, r.path, string(body))
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable { // there is no sealing key here
			t.Fatalf("%s %s %q: %d %s", r.method, r.path, body, w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %s %q: answered %q", r.method, r.path, body, w.Body)
		}
	})
}

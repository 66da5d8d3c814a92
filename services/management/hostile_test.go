package management_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// somewhere fills the places of a path.
func (o operation) somewhere() string {
	path := o.path
	for strings.Contains(path, "{") {
		path = path[:strings.Index(path, "{")] + "nobody" + path[strings.Index(path, "}")+1:]
	}
	return path
}

// takesJSON says whether the operation has a body, and whether that is JSON.
func (o operation) takesJSON() (body, isJSON bool) {
	if o.op.RequestBody == nil {
		return false, false
	}
	return true, o.op.RequestBody.Content.GetOrZero("application/json") != nil
}

// TestEveryChangeNeedsProof tries every operation of the document with a good cookie and
// without the proof that a page of this server asks: a new one cannot be forgotten.
func TestEveryChangeNeedsProof(t *testing.T) {
	w := newWorld(t)
	b := w.setUpAdmin()
	n := 0
	for _, o := range operations(t, w.getRaw("/openapi.json")) {
		if o.method == http.MethodGet || o.open && o.path != "/api/v1/session" {
			continue
		}
		n++
		var body any
		if has, _ := o.takesJSON(); has {
			body = `{"name":` // refused after the proof was looked at
		}
		for what, header := range map[string][]string{
			"without the token":  {"X-CSRF-Token", ""},
			"of a foreign page":  {"Origin", "https://evil.example"},
			"of a sandboxed one": {"Origin", "null"},
			"of a neighbour":     {"Sec-Fetch-Site", "same-site"},
		} {
			if o.open && o.method == http.MethodPost && what == "without the token" {
				continue // who signs in has no token yet
			}
			p := b.do(o.method, o.somewhere(), body, header...).problem(http.StatusForbidden)
			if (p.Type == model.TypeCSRF) != (what == "without the token") {
				t.Errorf("%s %s %s: the problem is of the type %q: %s", o.method, o.path, what, p.Type, p.Detail)
			}
		}
	}
	if n < 50 {
		t.Errorf("%d operations only", n)
	}
	if s := decode[model.Session](b.do("GET", "/api/v1/session", nil)); !s.SignedIn {
		t.Error("the session was ended")
	}
}

// TestEveryBodyIsBounded sends every operation more than it takes, with the length said
// before and without.
func TestEveryBodyIsBounded(t *testing.T) {
	w := newWorld(t)
	// The body goes out when the server asks for it: it need not arrive to be refused.
	patient := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}}
	send := func(o operation, length int64, header ...string) *http.Response {
		t.Helper()
		body := struct{ io.Reader }{io.LimitReader(spaces{}, 2<<20)}
		req, err := http.NewRequestWithContext(t.Context(), o.method, w.url+o.somewhere(), body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		req.Header.Set("Authorization", "Bearer "+adminToken)
		req.Header.Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := patient.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", o.method, o.path, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp
	}
	n := 0
	for _, o := range operations(t, w.getRaw("/openapi.json")) {
		has, isJSON := o.takesJSON()
		if !has {
			continue
		}
		n++
		if resp := send(o, 129<<20, "Expect", "100-continue"); resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s %s with 129 MiB: status %d", o.method, o.path, resp.StatusCode)
		}
		if !isJSON {
			continue
		}
		if resp := send(o, -1); resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s %s with 2 MiB that come without a length: status %d", o.method, o.path, resp.StatusCode)
		}
	}
	if n < 30 {
		t.Errorf("%d operations only", n)
	}
}

// spaces is JSON that does not begin.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestWhatDevicesSayStaysData: names and messages that a device sends are JSON strings
// in answers that no browser takes for a page, and cannot break out of an event.
func TestWhatDevicesSayStaysData(t *testing.T) {
	const evil = "</script><script>alert(1)</script>\u2028\"'\n\nevent: reset\ndata: {}\n\n"
	w := newWorld(t)
	l := w.listen("")
	id := w.fakes.device("Kitchen")
	p, _, err := w.fakes.presence.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	p.Name, p.LastGoodbye = evil, evil
	p.DeviceInfo = &pb.DeviceInfo{ProductName: evil, Manufacturer: evil}
	if _, err := w.fakes.presence.Put(t.Context(), id, p); err != nil {
		t.Fatal(err)
	}
	e := l.next("client.updated", "alert(1)")
	var fed model.Client
	if err := json.Unmarshal([]byte(e.data), &fed); err != nil || fed.Name != evil || fed.LastGoodbye != evil {
		t.Errorf("the feed says %q (%v)", e.data, err)
	}
	for _, path := range []string{"/api/v1/clients", "/api/v1/clients/" + id, "/api/v1/groups", "/api/v1/health"} {
		r := w.get(path).want(http.StatusOK)
		if ct := r.header.Get("Content-Type"); ct != "application/json" || r.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: %q", path, ct)
		}
		if csp := r.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("GET %s: who opens it as a page would run it: %q", path, csp)
		}
	}
	w.post("/api/v1/groups", map[string]string{"name": "after"}).want(http.StatusCreated)
	for e := l.any(); e.kind != "group.updated" || !strings.Contains(e.data, "after"); e = l.any() {
		if e.kind == "reset" {
			t.Error("a device's name is an event of the feed")
		}
	}
	// What a device says while it pairs, likewise.
	_, err = w.fakes.pairing.attempts.Put(t.Context(), id, &pb.PairingAttempt{ClientId: id, Method: "static_pairing_code", State: "pending", Message: evil,
		StartedAt: timestamppb.Now(), ExpiresAt: timestamppb.New(time.Now().Add(time.Minute))})
	if err != nil {
		t.Fatal(err)
	}
	l.next("pairing.updated", "alert(1)")
	r := w.get("/api/v1/clients/" + id + "/pairing").want(http.StatusOK)
	if got := decode[model.Pairing](r); got.Message != evil || r.header.Get("Content-Type") != "application/json" || r.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the message is %q, as %v", got.Message, r.header)
	}
}

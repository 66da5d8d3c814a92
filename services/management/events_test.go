package management_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// listener is one reader of the live feed.
type listener struct {
	t      *testing.T
	events chan event
	lastID string
	seen   map[string]event // the last of each kind
	close  func()
}

type event struct{ kind, id, data string }

func (w *world) listen(lastID string) *listener { w.t.Helper(); return w.listenAs(adminToken, lastID) }

func (w *world) listenAs(token, lastID string) *listener {
	w.t.Helper()
	return w.listenWith(lastID, "Authorization", "Bearer "+token)
}

// listenWith opens the feed with a header that says who reads.
func (w *world) listenWith(lastID, header, value string) *listener {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", w.url+"/api/v1/events", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set(header, value)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("events: status %d, %q", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	l := &listener{t: w.t, events: make(chan event, 1000), lastID: lastID, seen: map[string]event{}}
	done := make(chan struct{})
	l.close = func() { cancel(); <-done }
	begun := make(chan string, 1)
	go func() {
		defer close(done)
		defer close(l.events)
		defer resp.Body.Close()
		sc := bufio.NewScanner(resp.Body)
		sc.Buffer(nil, 1<<20)
		e, first := event{}, true
		for sc.Scan() {
			key, value, _ := strings.Cut(sc.Text(), ": ")
			switch key {
			case "event":
				e.kind = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case "":
				if first {
					begun <- e.id
					first = false
				}
				if e.kind != "" {
					l.events <- e
				}
				e = event{}
			}
		}
	}()
	w.t.Cleanup(l.close)
	if id := <-begun; id != "" {
		l.lastID = id
	}
	return l
}

// next waits for an event of a kind whose data holds text, and skips others.
func (l *listener) next(kind, text string) event {
	l.t.Helper()
	for {
		select {
		case e, ok := <-l.events:
			if !ok {
				l.t.Fatalf("the feed ended before %s with %q", kind, text)
			}
			l.lastID, l.seen[e.kind] = e.id, e
			if e.kind == kind && strings.Contains(e.data, text) {
				return e
			}
		case <-time.After(limit):
			l.t.Fatalf("no %s with %q", kind, text)
		}
	}
}

// any waits for an event, whatever it is.
func (l *listener) any() event {
	l.t.Helper()
	select {
	case e, ok := <-l.events:
		if !ok {
			l.t.Fatal("the feed ended")
		}
		l.lastID = e.id
		return e
	case <-time.After(limit):
		l.t.Fatal("no event")
	}
	return event{}
}

// ends waits for the end of the feed.
func (l *listener) ends() {
	l.t.Helper()
	after := time.After(limit)
	for {
		select {
		case _, ok := <-l.events:
			if !ok {
				return
			}
		case <-after:
			l.t.Fatal("the feed did not end")
		}
	}
}

// all waits for several events, each "kind text", in any order.
func (l *listener) all(wants ...string) {
	l.t.Helper()
	for len(wants) > 0 {
		select {
		case e := <-l.events:
			l.seen[e.kind] = e
			wants = slices.DeleteFunc(wants, func(want string) bool {
				kind, text, _ := strings.Cut(want, " ")
				return e.kind == kind && strings.Contains(e.data, text)
			})
		case <-time.After(limit):
			l.t.Fatalf("did not come: %q", wants)
		}
	}
}

func TestEventsCarryWhatTheGETReturns(t *testing.T) {
	w := newWorld(t)
	l := w.listen("")
	id := w.fakes.device("Stranger", waiting("new"))
	l.same("client.updated", func() any { return w.object("/api/v1/clients/" + id) })
	l.same("inbox.updated", func() any { return w.object("/api/v1/inbox") })
	w.post("/api/v1/clients/"+id+"/approve", nil).want(http.StatusOK)
	l.next("client.updated", `"trust":"approved"`)
	l.next("inbox.updated", `{"waiting":[]}`)
	g := decode[model.Group](w.post("/api/v1/groups", `{"name":"G"}`).want(http.StatusCreated))
	l.same("group.updated", func() any { return w.object("/api/v1/groups/" + g.GroupID) })
	w.delete("/api/v1/groups/" + g.GroupID).want(http.StatusNoContent)
	l.all("group.removed "+g.GroupID, "audit.appended group.deleted") // of two owners, in any order
	w.patch("/api/v1/server", `{"name":"Neu"}`).want(http.StatusOK)
	l.same("server.updated", func() any { return w.object("/api/v1/server") })
	w.delete("/api/v1/clients/" + id).want(http.StatusNoContent)
	l.next("client.removed", id)
	last := func() any {
		events := w.object("/api/v1/audit").(map[string]any)["events"].([]any)
		return events[len(events)-1]
	}
	l.same("audit.appended", last)
	kitchen := w.fakes.device("Kitchen")
	w.known(kitchen)
	path := "/api/v1/clients/" + kitchen + "/pairing"
	w.post(path, `{"method":"dynamic_pairing_code"}`).want(http.StatusAccepted)
	l.same("pairing.updated", func() any { return w.object(path) })
}

// object is what a GET returns, as it is in JSON.
func (w *world) object(path string) (out any) {
	w.t.Helper()
	if err := json.Unmarshal(w.get(path).want(http.StatusOK).body, &out); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// same waits for an event that carries the whole of what the GET returns, or finds that the
// last one did; those before it, of what has changed since, are skipped. Only the time
// itself moves on.
func (l *listener) same(kind string, get func() any) {
	l.t.Helper()
	still := func(v any) any {
		if m, ok := v.(map[string]any); ok {
			if clock, ok := m["house_clock"].(map[string]any); ok {
				delete(clock, "now_us")
			}
		}
		return v
	}
	after := time.After(limit)
	var fed, got any
	for {
		if e, ok := l.seen[kind]; ok {
			fed = nil
			if err := json.Unmarshal([]byte(e.data), &fed); err != nil {
				l.t.Fatalf("%s carries %q: %v", kind, e.data, err)
			}
			if got = get(); reflect.DeepEqual(still(fed), still(got)) {
				return
			}
		}
		select {
		case e := <-l.events:
			l.seen[e.kind] = e
		case <-after:
			l.t.Fatalf("no %s carries what the GET returns; the last one:\n%v\nthe GET:\n%v", kind, fed, got)
		}
	}
}

func TestEventsResume(t *testing.T) {
	w := newWorld(t, func(c *management.Config) { c.EventBuffer = 64 })
	l := w.listen("")
	w.post("/api/v1/groups", `{"name":"G1"}`).want(http.StatusCreated)
	l.next("group.updated", "G1")
	l.close()
	w.post("/api/v1/groups", `{"name":"G2"}`).want(http.StatusCreated) // while nobody listens
	resumed := w.listen(l.lastID)
	resumed.next("group.updated", "G2")
	resumed.close()

	// A reader that never saw an event can resume, too: the feed told it where it stands.
	fresh := w.listen("")
	fresh.close()
	if fresh.lastID == "" {
		t.Fatal("the feed did not say where it begins")
	}
	w.post("/api/v1/groups", `{"name":"G3"}`).want(http.StatusCreated)
	again := w.listen(fresh.lastID)
	again.next("group.updated", "G3")
	again.close()

	// Too long ago, or of another life: reset, and on from the present.
	for i := range 80 {
		w.post("/api/v1/groups", fmt.Sprintf(`{"name":"N%d"}`, i)).want(http.StatusCreated)
	}
	for _, id := range []string{fresh.lastID, "otherlife-7", "nonsense"} {
		late := w.listen(id)
		if e := <-late.events; e.kind != "reset" {
			t.Errorf("after %q the first event is %s, want reset", id, e.kind)
		}
		name := "after " + id[:4]
		w.post("/api/v1/groups", fmt.Sprintf(`{"name":%q}`, name)).want(http.StatusCreated)
		late.next("group.updated", name)
		late.close()
	}
}

// TestSlowReaderBlocksNobody opens a feed and never reads it, while another reader
// gets every event.
func TestSlowReaderBlocksNobody(t *testing.T) {
	w := newWorld(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(1024)
	fmt.Fprintf(conn, "GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", adminToken)
	l := w.listen("")
	id := w.fakes.device("Kitchen")
	p, _, err := w.fakes.presence.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	// 8 MB of events: far more than the sleeper's sockets hold.
	p.UnknownRoles = []string{strings.Repeat("x", 80<<10)}
	for i := range 100 {
		p.Name = fmt.Sprintf("Kitchen %d", i)
		if _, err := w.fakes.presence.Put(t.Context(), id, p); err != nil {
			t.Fatal(err)
		}
		l.next("client.updated", fmt.Sprintf(`"name":"Kitchen %d"`, i))
	}
}

// TestTelemetryIsThinned: what moves all the while is in every GET and only now
// and then in the feed.
func TestTelemetryIsThinned(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Kitchen")
	w.known(id)
	l := w.listen("")
	p, _, err := w.fakes.presence.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	const updates = 100
	for i := range updates {
		p.Stream = &pb.StreamStatus{BufferedMs: int64(i + 1), Format: &pb.AudioFormat{Codec: "pcm"}}
		if _, err := w.fakes.presence.Put(t.Context(), id, p); err != nil {
			t.Fatal(err)
		}
	}
	l.next("client.updated", fmt.Sprintf(`"buffered_ms":%d`, updates))
	if n := len(l.events); n > updates/4 {
		t.Errorf("%d events for %d counter updates", n, updates)
	}
}

func TestShutdownEndsTheFeed(t *testing.T) {
	w := newWorld(t)
	l := w.listen("")
	begun := time.Now()
	err := w.stop()
	took := time.Since(begun)
	if err != nil {
		t.Fatal(err)
	}
	if took > limit/2 { // on a slow machine; a feed that holds it up does so without an end
		t.Errorf("Run returned after %s", took)
	}
	for range l.events { // ends because the server closed it
	}
}

func TestDeletedTokenOrNoTokenGetsNoFeed(t *testing.T) {
	w := newWorld(t)
	w.do("GET", "/api/v1/events", "", nil).problem(http.StatusUnauthorized)
	w.do("GET", "/api/v1/events", "wrong", nil).problem(http.StatusUnauthorized)
}

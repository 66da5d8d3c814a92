package management_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management"
	"github.com/tutti-audio/tutti/services/management/internal/api"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestErrorTable holds every rule of the API's error conventions, byte by byte.
func TestErrorTable(t *testing.T) {
	w := newWorld(t)
	id, away := w.fakes.device("Kitchen"), w.fakes.device("Porch", offline)
	poser := w.fakes.device("Poser", waiting("name_reused_by_new_key"), warned("name_reused_by_new_key"))
	w.known(id, away, poser)
	g := decode[model.Group](w.post("/api/v1/groups", `{"name":"G"}`).want(http.StatusCreated))
	viewer := decode[model.NewToken](w.post("/api/v1/tokens", `{"name":"v","role":"viewer"}`).want(http.StatusCreated)).Secret
	group, kitchen := "/api/v1/groups/"+g.GroupID, "/api/v1/clients/"+id
	big := `{"name":"` + strings.Repeat("x", 1<<20) + `"}`

	for _, c := range []struct {
		name, method, path, token, body string
		status                          int
	}{
		{"no-token", "GET", "/api/v1/server", "", "", 401},
		{"wrong-token", "GET", "/api/v1/server", "wrong", "", 401},
		{"role-too-low", "POST", group + "/stop", viewer, "", 403},
		{"unknown-path", "GET", "/api/v1/nothing", adminToken, "", 404},
		{"unknown-client", "GET", "/api/v1/clients/nobody", adminToken, "", 404},
		{"unknown-group", "POST", "/api/v1/groups/nope/stop", adminToken, "", 404},
		{"unknown-group-play", "POST", "/api/v1/groups/nope/play", adminToken, `{"uri":"tone:440"}`, 404},
		{"pairing-unknown-client", "POST", "/api/v1/clients/nobody/pairing", adminToken, `{"method":"dynamic_pairing_code"}`, 404},
		{"pairing-never", "GET", kitchen + "/pairing", adminToken, "", 404},
		{"pairing-never-cancelled", "DELETE", kitchen + "/pairing", adminToken, "", 404},
		{"pairing-no-method", "POST", kitchen + "/pairing", adminToken, `{}`, 422},
		{"pairing-bad-method", "POST", kitchen + "/pairing", adminToken, `{"method":"telepathy"}`, 422},
		{"pairing-format-of-static", "POST", kitchen + "/pairing", adminToken, `{"method":"static_pairing_code","format":"digits","code":"12345678"}`, 422},
		{"pairing-token-missing", "POST", kitchen + "/pairing", adminToken, `{"method":"pairing_psk"}`, 422},
		{"pairing-token-damaged", "POST", kitchen + "/pairing", adminToken, `{"method":"pairing_psk","token":"SP:0SECRETSECRETSECRET"}`, 422},
		{"pairing-token-of-another", "POST", kitchen + "/pairing", adminToken, `{"method":"pairing_psk","token":"SP:0AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYP6BYPC4PSOLZXH5DU6V97M5XXO74HR6LZ7J5PW674PT6X37T6757Y"}`, 422},
		{"pairing-code-with-dynamic", "POST", kitchen + "/pairing", adminToken, `{"method":"dynamic_pairing_code","code":"123456"}`, 422},
		{"pairing-code-too-short", "POST", kitchen + "/pairing", adminToken, `{"method":"static_pairing_code","code":"1234-567"}`, 422},
		{"pairing-code-of-letters", "POST", kitchen + "/pairing", adminToken, `{"method":"static_pairing_code","code":"secretly"}`, 422},
		{"pairing-code-without-attempt", "POST", kitchen + "/pairing/code", adminToken, `{"code":"123456"}`, 409},
		{"pairing-tokens-none", "POST", "/api/v1/pairing/tokens", adminToken, `{"tokens":[]}`, 422},
		{"pairing-tokens-unknown", "DELETE", "/api/v1/pairing/tokens/nobody", adminToken, "", 404},
		{"approve-warning", "POST", "/api/v1/clients/" + poser + "/approve", adminToken, `{"accept_warning":"identity_changed"}`, 409},
		{"approve-two-ends", "POST", kitchen + "/approve", adminToken, `{"until_disconnect":true,"ends_in_ms":5}`, 422},
		{"approve-past", "POST", kitchen + "/approve", adminToken, `{"ends_at":"2001-01-01T00:00:00Z"}`, 422},
		{"approve-too-long", "POST", kitchen + "/approve", adminToken, `{"ends_at":"2999-01-01T00:00:00Z"}`, 422},
		{"approve-away", "POST", "/api/v1/clients/" + away + "/approve", adminToken, `{"until_disconnect":true}`, 409},
		{"approve-label", "POST", kitchen + "/approve", adminToken, `{"label":"a\u001b[2J"}`, 422},
		{"unpair-unpaired", "POST", kitchen + "/unpair", adminToken, "", 409},
		{"method-not-allowed", "PUT", "/api/v1/server", adminToken, `{}`, 405},
		{"unparsable", "POST", "/api/v1/groups", adminToken, `{"name":`, 400},
		{"no-body", "POST", "/api/v1/groups", adminToken, "", 400},
		{"conflict-command", "PATCH", kitchen, adminToken, `{"muted":true}`, 409},
		{"conflict-nothing-to-resume", "POST", group + "/play", adminToken, "", 409},
		{"too-large", "POST", "/api/v1/groups", adminToken, big, 413},
		{"volume-out-of-range", "POST", group + "/volume", adminToken, `{"volume":101}`, 422},
		{"volume-wrong-type", "POST", group + "/volume", adminToken, `{"volume":"loud"}`, 422},
		{"volume-missing", "POST", group + "/volume", adminToken, `{}`, 422},
		{"unknown-field", "POST", group + "/volume", adminToken, `{"volume":1,"loud":true}`, 422},
		{"two-fields", "PATCH", kitchen, adminToken, `{"volume":-1,"output_delay_ms":5001}`, 422},
		{"unknown-member", "POST", "/api/v1/groups", adminToken, `{"name":"H","members":["nobody"]}`, 422},
		{"blank-name", "POST", "/api/v1/groups", adminToken, `{"name":"  "}`, 422},
		{"bad-mode", "POST", group + "/repeat", adminToken, `{"mode":"twice"}`, 422},
		{"bad-uri", "POST", group + "/play", adminToken, `{"uri":"pipe:music"}`, 422},
		{"bad-controller-policy", "PATCH", "/api/v1/server", adminToken, `{"policy":{"controller":"all"}}`, 422},
		{"bad-policy", "PATCH", "/api/v1/server", adminToken, `{"policy":{"pairing":"none"}}`, 422},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := *w
			w.t = t
			var body any
			if c.body != "" {
				body = c.body
			}
			r := w.do(c.method, c.path, c.token, body)
			p := r.problem(c.status)
			if c.status == 422 && len(p.Errors) == 0 {
				t.Errorf("no errors in %s", r.body)
			}
			if c.status == 401 && r.header.Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			golden(t, c.name, strings.NewReplacer(id, "<client>", poser, "<poser>", away, "<away>").Replace(string(r.body)))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(got), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "problems", name+".json")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if string(want) != string(b)+"\n" {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
}

// TestBodyLimit: exactly 1 MiB is taken, one byte more is not, with and without
// a stated length.
func TestBodyLimit(t *testing.T) {
	w := newWorld(t)
	fit := func(n int) string {
		const frame = `{"name":"G","pad":""}`
		return `{"name":"G","pad":"` + strings.Repeat("x", n-len(frame)) + `"}`
	}
	w.post("/api/v1/groups", fit(1<<20)).problem(http.StatusUnprocessableEntity) // read, and refused for "pad"
	w.post("/api/v1/groups", fit(1<<20+1)).problem(http.StatusRequestEntityTooLarge)
	w.post("/api/v1/groups", fit(12<<20)).problem(http.StatusRequestEntityTooLarge) // an answer, not a reset
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/api/v1/groups", struct{ *strings.Reader }{strings.NewReader(fit(12 << 20))})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a chunked body of 12 MiB: status %d, want 413", resp.StatusCode)
	}
}

// TestDeadServiceIs503 holds "never a hang": a service that is gone is told of at
// once, one that does not answer within 5 s (here: its default is below that, and
// what is configured counts).
func TestDeadServiceIs503(t *testing.T) {
	if api.DefaultRequestTimeout >= 5*time.Second {
		t.Errorf("the default is %s", api.DefaultRequestTimeout)
	}
	w := newWorld(t, func(c *management.Config) { c.RequestTimeout = time.Second })
	patient := w.instance("m2") // which has its time for what is to be done
	id := w.fakes.device("Kitchen")
	stranger := w.fakes.device("Stranger", waiting("new"))
	w.known(id, stranger)
	g := decode[model.Group](patient.post("/api/v1/groups", `{"name":"G"}`).want(http.StatusCreated))
	eventually(t, func() error {
		if r := w.get("/api/v1/groups/" + g.GroupID); r.status != http.StatusOK {
			return fmt.Errorf("the group: status %d", r.status)
		}
		return nil
	})
	requests := []struct{ method, path, body string }{
		{"POST", "/api/v1/groups/" + g.GroupID + "/play", `{"uri":"tone:440"}`},
		{"POST", "/api/v1/groups", `{"name":"H"}`},
		{"GET", "/api/v1/library", ""},
		{"GET", "/api/v1/audit", ""},
		{"POST", "/api/v1/clients/" + stranger + "/approve", `{}`},
		{"POST", "/api/v1/clients/" + id + "/pairing", `{"method":"dynamic_pairing_code"}`},
		{"POST", "/api/v1/clients/" + id + "/unpair", ""},
		{"POST", "/api/v1/pairing/tokens", `{"tokens":["SP:0AAAA"]}`},
		{"GET", "/api/v1/pairing/tokens", ""},
		{"PATCH", "/api/v1/clients/" + id, `{"volume":3}`},
		{"POST", "/api/v1/clients", `{"url":"ws://192.0.2.1"}`},
		{"DELETE", "/api/v1/clients/" + id, ""},
		{"PATCH", "/api/v1/server", `{"name":"X"}`},
	}
	release := w.fakes.hang()
	defer release()
	begun := time.Now()
	done := make(chan reply, len(requests))
	for _, r := range requests {
		go func() {
			var body any
			if r.body != "" {
				body = r.body
			}
			done <- w.do(r.method, r.path, adminToken, body)
		}()
	}
	var replies []reply
	for range requests {
		replies = append(replies, <-done)
	}
	took := time.Since(begun) // looking at them takes time of its own
	for _, r := range replies {
		r.problem(http.StatusServiceUnavailable)
	}
	if took > limit/2 { // a request waits for a second, then for a slow machine
		t.Errorf("the last 503 came after %s", took)
	}
	// Reading needs none of them.
	w.get("/api/v1/clients").want(http.StatusOK)
	w.get("/api/v1/groups/" + g.GroupID).want(http.StatusOK)
	release()
	for _, s := range []string{"stream", "pairing", "attempts", "discovery"} {
		w.fakes.kill(s)
	}
	for _, r := range requests[:9] {
		eventually(t, func() error { // when its second passes while it asks, it cannot say as much
			p := w.do(r.method, r.path, adminToken, map[bool]any{true: nil, false: r.body}[r.body == ""]).problem(http.StatusServiceUnavailable)
			if strings.Contains(p.Detail, "tutti.v1") {
				t.Fatalf("%s %s: detail = %q", r.method, r.path, p.Detail)
			}
			if !strings.Contains(p.Detail, "service cannot be reached") {
				return fmt.Errorf("%s %s: detail = %q", r.method, r.path, p.Detail)
			}
			return nil
		})
	}
}

// TestA503SaysTheReason: a service that runs without its database is not one that does
// not run.
func TestA503SaysTheReason(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Kitchen")
	stranger := w.fakes.device("Stranger", waiting("new"))
	w.known(id, stranger)
	w.fakes.mu.Lock()
	w.fakes.sick = fault.New(fault.Unavailable, "PostgreSQL at 192.0.2.7:5432 does not answer: connection refused")
	w.fakes.mu.Unlock()
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/api/v1/clients/" + stranger + "/approve", `{}`},
		{"POST", "/api/v1/clients/" + id + "/pairing", `{"method":"dynamic_pairing_code"}`},
		{"POST", "/api/v1/clients/" + id + "/unpair", ""},
		{"GET", "/api/v1/audit", ""},
		{"GET", "/api/v1/pairing/tokens", ""},
		{"POST", "/api/v1/pairing/tokens", `{"tokens":["SP:0AAAA"]}`},
		{"POST", "/api/v1/backup", `{"passphrase":"` + passphrase + `"}`},
	} {
		p := w.do(r.method, r.path, adminToken, map[bool]any{true: nil, false: r.body}[r.body == ""]).problem(http.StatusServiceUnavailable)
		if !strings.Contains(p.Detail, "the pairing service") || !strings.Contains(p.Detail, "PostgreSQL at 192.0.2.7:5432 does not answer: connection refused; try again") ||
			strings.Contains(p.Detail, "cannot be reached") {
			t.Errorf("%s %s: detail = %q", r.method, r.path, p.Detail)
		}
	}
}

// TestGuessingIsLimited: wrong tokens are answered 429 after a while, an old token
// in a script does not lock out the others.
func TestGuessingIsLimited(t *testing.T) {
	w := newWorld(t)
	var last reply
	for i := range 200 {
		if last = w.do("GET", "/api/v1/server", "old-token-of-a-script", nil); last.status == http.StatusTooManyRequests {
			break
		}
		if last.status != http.StatusUnauthorized || i > 150 {
			t.Fatalf("try %d: status %d", i, last.status)
		}
	}
	last.problem(http.StatusTooManyRequests)
	if last.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	w.get("/api/v1/server").want(http.StatusOK) // the same address, the right token

	guesses := 0
	limited := func() bool {
		for range 200 {
			guesses++
			if w.do("GET", "/api/v1/server", fmt.Sprint("guess-", guesses), nil).status == http.StatusTooManyRequests {
				return true
			}
		}
		return false
	}
	if !limited() {
		t.Fatal("200 different wrong tokens were all looked at")
	}
	// A guesser over the limit learns nothing, not even that a guess was right. One look a
	// second is given back, and on a slow machine the right one may come after that: again.
	for try := 1; ; try++ {
		right := w.get("/api/v1/server")
		if right.status == http.StatusTooManyRequests {
			right.problem(http.StatusTooManyRequests)
			break
		}
		if try == 30 || !limited() {
			t.Fatalf("the right token of a guesser over the limit is answered %d", right.status)
		}
	}
}

func TestNewRefusesBadConfigurations(t *testing.T) {
	_, err := management.New(management.Config{Mode: "odd", HTTP: "nope"}, management.Deps{})
	if err == nil {
		t.Fatal("New took it")
	}
	for _, want := range []string{"InstanceID", "AdminToken", "odd", "nope", "Bus"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %s: %v", want, err)
		}
	}
}

func TestPortInUseSaysWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := newWorld(t)
	s, err := management.New(management.Config{InstanceID: "m2", HTTP: l.Addr().String(), AdminToken: "x"}, management.Deps{Bus: w.bus, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	if err = s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--http") {
		t.Errorf("Run = %v", err)
	}
	// A probe must not call ready what refuses connections: nor in the moment before it listens.
	if err := s.Ready(); err == nil {
		t.Error("a service that could not listen says that it is ready")
	}
}

func TestAdminTokenFile(t *testing.T) {
	dir := t.TempDir()
	own := func(c *management.Config) { c.AdminToken, c.DataDir = "", dir }
	w := newWorld(t, own)
	path := filepath.Join(dir, "admin-token")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("token file: %v, %v", info, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(b))
	w.do("GET", "/api/v1/tokens", token, nil).want(http.StatusOK)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w = newWorld(t, own)
	w.do("GET", "/api/v1/tokens", token, nil).want(http.StatusOK) // the same after a restart
	files, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(files) > 0 || slices.Contains(files, path) {
		t.Errorf("left behind: %v", files)
	}
}

package management_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// promised is every operation that the API's page fixes for this version.
var promised = []string{
	"GET /api/v1/server", "PATCH /api/v1/server",
	"GET /api/v1/clients", "POST /api/v1/clients", "GET /api/v1/clients/{client_id}", "PATCH /api/v1/clients/{client_id}", "DELETE /api/v1/clients/{client_id}",
	"POST /api/v1/clients/{client_id}/approve", "POST /api/v1/clients/{client_id}/deny", "DELETE /api/v1/clients/{client_id}/approval",
	"POST /api/v1/clients/{client_id}/block", "POST /api/v1/clients/{client_id}/unpair",
	"POST /api/v1/clients/{client_id}/pairing", "GET /api/v1/clients/{client_id}/pairing", "DELETE /api/v1/clients/{client_id}/pairing",
	"POST /api/v1/clients/{client_id}/pairing/code",
	"POST /api/v1/pairing/tokens", "GET /api/v1/pairing/tokens", "DELETE /api/v1/pairing/tokens/{client_id}",
	"GET /api/v1/inbox",
	"GET /api/v1/groups", "POST /api/v1/groups", "GET /api/v1/groups/{group_id}", "PATCH /api/v1/groups/{group_id}", "DELETE /api/v1/groups/{group_id}",
	"PUT /api/v1/groups/{group_id}/members/{client_id}", "DELETE /api/v1/groups/{group_id}/members/{client_id}",
	"POST /api/v1/groups/{group_id}/play", "POST /api/v1/groups/{group_id}/pause", "POST /api/v1/groups/{group_id}/stop",
	"POST /api/v1/groups/{group_id}/next", "POST /api/v1/groups/{group_id}/previous", "POST /api/v1/groups/{group_id}/seek",
	"POST /api/v1/groups/{group_id}/volume", "POST /api/v1/groups/{group_id}/mute", "POST /api/v1/groups/{group_id}/repeat", "POST /api/v1/groups/{group_id}/shuffle",
	"GET /api/v1/groups/{group_id}/queue", "POST /api/v1/groups/{group_id}/queue", "DELETE /api/v1/groups/{group_id}/queue",
	"DELETE /api/v1/groups/{group_id}/queue/{item_id}", "POST /api/v1/groups/{group_id}/queue/{item_id}/move", "POST /api/v1/groups/{group_id}/queue/{item_id}/play",
	"GET /api/v1/groups/{group_id}/history",
	"POST /api/v1/groups/{group_id}/announce", "GET /api/v1/groups/{group_id}/announcements/{announcement_id}", "DELETE /api/v1/groups/{group_id}/announcements/{announcement_id}",
	"POST /api/v1/clips", "POST /api/v1/restore", "POST /api/v1/restore/check",
	"GET /api/v1/groups/{group_id}/artwork", "GET /api/v1/library/artwork",
	"GET /api/v1/library", "GET /api/v1/library/search", "GET /api/v1/library/status", "POST /api/v1/library/rescan", "GET /api/v1/audit", "GET /api/v1/events",
	"GET /api/v1/personas", "POST /api/v1/personas", "GET /api/v1/personas/{persona_id}", "PATCH /api/v1/personas/{persona_id}", "DELETE /api/v1/personas/{persona_id}",
	"POST /api/v1/personas/{persona_id}/devices", "DELETE /api/v1/personas/{persona_id}/devices/{client_id}", "POST /api/v1/personas/{persona_id}/activate",
	"POST /api/v1/personas/{persona_id}/rotate-key", "POST /api/v1/personas/{persona_id}/export", "POST /api/v1/personas/import", "POST /api/v1/server/rotate-key",
	"GET /api/v1/schedules", "POST /api/v1/schedules", "GET /api/v1/schedules/{schedule_id}", "PUT /api/v1/schedules/{schedule_id}", "DELETE /api/v1/schedules/{schedule_id}",
	"POST /api/v1/schedules/{schedule_id}/skip", "DELETE /api/v1/schedules/{schedule_id}/skip", "GET /api/v1/schedules/preview", "GET /api/v1/holidays", "PUT /api/v1/holidays",
	"GET /api/v1/health", "GET /api/v1/health/history",
	"GET /api/v1/session", "POST /api/v1/session", "DELETE /api/v1/session", "PUT /api/v1/session/password", "POST /api/v1/setup",
	"GET /api/v1/users", "POST /api/v1/users", "GET /api/v1/users/{user_id}", "PATCH /api/v1/users/{user_id}", "DELETE /api/v1/users/{user_id}",
	"GET /api/v1/tokens", "POST /api/v1/tokens", "DELETE /api/v1/tokens/{token_id}",
}

type operation struct {
	method, path, role, zone string
	open                     bool // needs no credential
	op                       *v3.Operation
}

func operations(t *testing.T, spec []byte) []operation {
	t.Helper()
	doc, err := libopenapi.NewDocument(spec)
	if err != nil {
		t.Fatal(err)
	}
	m, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	var out []operation
	for path, item := range m.Model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			o := operation{method: strings.ToUpper(method), path: path, op: op}
			if n := op.Extensions.GetOrZero("x-tutti-role"); n != nil {
				o.role = n.Value
			}
			if n := op.Extensions.GetOrZero("x-tutti-zone"); n != nil {
				o.zone = n.Value
			}
			o.open = op.Extensions.GetOrZero("x-tutti-open") != nil
			out = append(out, o)
		}
	}
	return out
}

func TestOpenAPIDocument(t *testing.T) {
	w := newWorld(t)
	spec := w.getRaw("/openapi.json")
	var head struct{ OpenAPI string }
	if err := json.Unmarshal(spec, &head); err != nil || !strings.HasPrefix(head.OpenAPI, "3.1") {
		t.Fatalf("openapi = %q, %v", head.OpenAPI, err)
	}
	doc, err := libopenapi.NewDocument(spec)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, verrs := v.ValidateDocument(); !ok {
		for _, e := range verrs {
			t.Errorf("%s: %s %v", e.Message, e.Reason, e.SchemaValidationErrors)
		}
	}
	var have []string
	for _, o := range operations(t, spec) {
		have = append(have, o.method+" "+o.path)
		if o.op.Summary == "" || o.op.OperationId == "" {
			t.Errorf("%s %s lacks a summary or an id", o.method, o.path)
		}
	}
	for _, p := range promised {
		if !slices.Contains(have, p) {
			t.Errorf("the document lacks %s", p)
		}
	}
	if s := string(spec); strings.Contains(s, "ErrorModel") || !strings.Contains(s, "application/problem+json") {
		t.Error("the document speaks of errors that are not ours")
	}
}

// TestRolesOfEveryRoute tries every operation of the document without a token and
// with a token of each role: none can be forgotten.
func TestRolesOfEveryRoute(t *testing.T) {
	w := newWorld(t)
	rank := map[string]int{"viewer": 1, "operator": 2, "admin": 3}
	tokens := map[string]string{"": "", "admin": adminToken}
	for _, role := range []string{"viewer", "operator"} {
		tokens[role] = decode[model.NewToken](w.post("/api/v1/tokens", map[string]string{"name": role, "role": role}).want(http.StatusCreated)).Secret
	}
	expected := func(o operation) string { // the rule of the API's page, in its own words
		switch {
		case o.path == "/api/v1/session/password":
			return "none"
		case strings.HasPrefix(o.path, "/api/v1/tokens"), strings.HasPrefix(o.path, "/api/v1/users"), strings.Contains(o.path, "/pairing"):
			return "admin"
		case o.method == "GET":
			return "viewer"
		case strings.HasPrefix(o.path, "/api/v1/groups"), strings.HasPrefix(o.path, "/api/v1/schedules"), o.path == "/api/v1/holidays", o.path == "/api/v1/clips", strings.HasPrefix(o.path, "/api/v1/library"), o.method == "PATCH" && strings.HasPrefix(o.path, "/api/v1/clients"):
			return "operator"
		}
		return "admin"
	}
	all := operations(t, w.getRaw("/openapi.json"))
	for _, o := range all {
		if open := o.path == "/api/v1/setup" || o.path == "/api/v1/session"; open != o.open {
			t.Errorf("%s %s: open is %t", o.method, o.path, o.open)
		}
		if o.open {
			continue
		}
		if want := expected(o); o.role != want {
			t.Errorf("%s %s demands %q, want %q", o.method, o.path, o.role, want)
		}
		path := strings.NewReplacer("{client_id}", "nobody", "{group_id}", "nope", "{token_id}", "none").Replace(o.path)
		for role, token := range tokens {
			if o.path == "/api/v1/events" && rank[role] >= 1 {
				continue // endless; its own tests open it
			}
			var body any
			if o.op.RequestBody != nil {
				body = `{"name":` // refused after the role was looked at, so that nothing happens
			}
			r := w.do(o.method, path, token, body)
			switch {
			case role == "":
				r.problem(http.StatusUnauthorized)
			case rank[role] < rank[o.role]:
				p := r.problem(http.StatusForbidden)
				if !strings.Contains(p.Detail, o.role) {
					t.Errorf("%s: detail does not name the role: %q", r.what, p.Detail)
				}
			case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden, r.status >= 500:
				t.Errorf("%s as %s: status %d: %s", r.what, role, r.status, r.body)
			}
		}
	}
	if len(all) < len(promised) {
		t.Errorf("%d operations were tried", len(all))
	}
}

func TestDocsPageNeedsNothingFromElsewhere(t *testing.T) {
	w := newWorld(t)
	page := string(w.getRaw("/docs"))
	for _, bad := range []string{"<script", "http://", "https://", "url(", "@import", "//unpkg", "cdn"} {
		if strings.Contains(page+string(w.getRaw("/docs/style.css")), bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if !strings.Contains(page, "such as &#34;Dinner is ready&#34;") {
		t.Error("examples are not shown")
	}
	for _, o := range operations(t, w.getRaw("/openapi.json")) {
		if !strings.Contains(page, fmt.Sprintf("id=%q", o.op.OperationId)) {
			t.Errorf("the page lacks %s %s", o.method, o.path)
		}
	}
	resp, err := client.Get(w.url + "/docs")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("Content-Security-Policy = %q", csp)
	}
}

package management_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi/datamodel/high/base"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// TestNamesHaveNoSpaceAround: wherever the API takes a name or a label. Who looks for "Bar"
// finds nothing that is called "Bar ".
func TestNamesHaveNoSpaceAround(t *testing.T) {
	w := newWorld(t)
	device := w.fakes.device("Speaker")
	w.known(device)
	zone := decode[model.Group](w.post("/api/v1/groups", `{"name":"Zone"}`).want(http.StatusCreated)).GroupID
	free := decode[model.Group](w.post("/api/v1/groups", `{"name":"Zone without a schedule"}`).want(http.StatusCreated)).GroupID
	persona := decode[model.Persona](w.post("/api/v1/personas", `{"name":"Place"}`).want(http.StatusCreated)).PersonaID
	user := decode[model.User](w.post("/api/v1/users", fmt.Sprintf(`{"name":"Ben","role":"viewer","password":%q}`, goodPassword)).want(http.StatusCreated)).UserID
	schedule := func(name, daypart string) string {
		return fmt.Sprintf(`{"group_id":%q,"name":%q,"time_zone":"Europe/Berlin","dayparts":[{"name":%q,"days":["mon"],"start":"10:00","end":"11:00","stop":true}]}`, zone, name, daypart)
	}
	plan := decode[model.Schedule](w.post("/api/v1/schedules", schedule("Plan", "Lunch")).want(http.StatusCreated)).ScheduleID

	// By operation; %s is the name. Blank ones are refused where a name is needed.
	cases := map[string]struct {
		method, path, body string
		blank              int
	}{
		"create-group":    {"POST", "/api/v1/groups", `{"name":"%s"}`, 422},
		"patch-group":     {"PATCH", "/api/v1/groups/" + zone, `{"name":"%s"}`, 422},
		"patch-client":    {"PATCH", "/api/v1/clients/" + device, `{"label":"%s"}`, 200},
		"approve-client":  {"POST", "/api/v1/clients/" + device + "/approve", `{"label":"%s"}`, 200},
		"create-persona":  {"POST", "/api/v1/personas", `{"name":"%s"}`, 422},
		"patch-persona":   {"PATCH", "/api/v1/personas/" + persona, `{"name":"%s"}`, 422},
		"create-schedule": {"POST", "/api/v1/schedules", strings.ReplaceAll(strings.ReplaceAll(schedule("?", "?"), "?", "%[1]s"), zone, free), 422},
		"put-schedule":    {"PUT", "/api/v1/schedules/" + plan, strings.ReplaceAll(schedule("?", "?"), "?", "%[1]s"), 422},
		"put-holidays":    {"PUT", "/api/v1/holidays", `{"holidays":[{"date":"2026-12-25","name":"%s"}]}`, 0},
		"create-token":    {"POST", "/api/v1/tokens", `{"name":"%s","role":"viewer"}`, 422},
		"create-user":     {"POST", "/api/v1/users", `{"name":"%s","role":"viewer","password":"` + goodPassword + `"}`, 422},
		"patch-user":      {"PATCH", "/api/v1/users/" + user, `{"name":"%s"}`, 422},
		"patch-server":    {"PATCH", "/api/v1/server", `{"name":"%s"}`, 422},
		// Of these the name is looked for, and not kept: other tests know them.
		"sign-in": {}, "set-up": {},
	}
	for id, v := range cases {
		if v.method == "" {
			continue
		}
		t.Run(id, func(t *testing.T) {
			name := "At " + id
			r := w.do(v.method, v.path, adminToken, fmt.Sprintf(v.body, "  "+name+" "))
			if r.status >= 300 {
				t.Fatalf("status %d: %s", r.status, r.body)
			}
			var shown any
			if err := json.Unmarshal(r.body, &shown); err != nil {
				t.Fatal(err)
			}
			if got := namesIn(shown); !slices.Contains(got, name) || slices.ContainsFunc(got, func(s string) bool { return s != strings.TrimSpace(s) }) {
				t.Errorf("it is called %q", got)
			}
			if v.blank == 0 {
				return
			}
			if r := w.do(v.method, v.path, adminToken, fmt.Sprintf(v.body, "  ")); r.status != v.blank {
				t.Errorf("a blank one: status %d, want %d: %s", r.status, v.blank, r.body)
			}
		})
	}

	for _, o := range operations(t, w.getRaw("/openapi.json")) {
		if o.op.RequestBody == nil {
			continue
		}
		for _, media := range o.op.RequestBody.Content.FromOldest() {
			if _, known := cases[o.op.OperationId]; !known && media.Schema != nil && named(media.Schema.Schema()) {
				t.Errorf("%s takes a name: add it to this test", o.op.OperationId)
			}
		}
	}
}

// namesIn are the values of all fields name and label in an answer.
func namesIn(v any) (out []string) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if s, ok := x.(string); ok && (k == "name" || k == "label") {
				out = append(out, s)
			}
			out = append(out, namesIn(x)...)
		}
	case []any:
		for _, x := range v {
			out = append(out, namesIn(x)...)
		}
	}
	return out
}

// named reports whether a schema has a field name or label.
func named(s *base.Schema) bool {
	if s == nil {
		return false
	}
	if s.Items != nil && s.Items.IsA() && named(s.Items.A.Schema()) {
		return true
	}
	if s.Properties == nil {
		return false
	}
	for k, p := range s.Properties.FromOldest() {
		if k == "name" || k == "label" || named(p.Schema()) {
			return true
		}
	}
	return false
}

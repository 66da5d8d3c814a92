package management_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// zones is a world with two zones, each with a client, and somebody who operates the first.
type zones struct {
	*world
	a, b               string // groups
	inA, inB, nowhere  string // clients
	admin, anna        *browser
	annasToken         string
	viewerB, everybody *browser // a viewer of B who operates A; a viewer of everything
}

func newZones(t *testing.T) *zones {
	t.Helper()
	w := newWorld(t)
	z := &zones{world: w, inA: w.fakes.device("In A"), inB: w.fakes.device("In B"), nowhere: w.fakes.device("Nowhere")}
	w.known(z.inA, z.inB, z.nowhere)
	group := func(name, client string) string {
		return decode[model.Group](w.post("/api/v1/groups", map[string]any{"name": name, "members": []string{client}}).want(http.StatusCreated)).GroupID
	}
	z.a, z.b = group("Zone A", z.inA), group("Zone B", z.inB)
	w.post("/api/v1/groups/"+z.b+"/play", `{"uri":"b.flac"}`).want(http.StatusOK)
	z.admin = w.setUpAdmin()
	user := func(name, role string, in ...string) *browser {
		zs := []model.ZoneRole{}
		for i := 0; i+1 < len(in); i += 2 {
			zs = append(zs, model.ZoneRole{GroupID: in[i], Role: in[i+1]})
		}
		z.admin.do("POST", "/api/v1/users", map[string]any{"name": name, "role": role, "zones": zs, "password": goodPassword}).want(http.StatusCreated)
		return w.signIn(name, goodPassword)
	}
	z.anna = user("Anna", "none", z.a, "operator")
	z.viewerB = user("Bea", "none", z.a, "operator", z.b, "viewer")
	z.everybody = user("Carl", "viewer", z.a, "operator")
	z.annasToken = decode[model.NewToken](z.admin.do("POST", "/api/v1/tokens",
		map[string]any{"name": "annas script", "role": "none", "zones": []model.ZoneRole{{GroupID: z.a, Role: "operator"}}}).want(http.StatusCreated)).Secret
	return z
}

// shared are the operations that somebody of one zone may use and that name no zone in
// their path: what they show of zones is looked at here or in the tests below.
var shared = []string{
	"GET /api/v1/server", "GET /api/v1/clients", "GET /api/v1/groups", "GET /api/v1/events",
	"GET /api/v1/library", "GET /api/v1/library/search", "GET /api/v1/library/status", "GET /api/v1/library/artwork",
	"POST /api/v1/clips",
	"GET /api/v1/health", "GET /api/v1/health/history", // TestHealthOfOneZoneIsOfThatZone
	"PUT /api/v1/session/password",
	"GET /api/v1/schedules", "POST /api/v1/schedules", "GET /api/v1/schedules/{schedule_id}", "PUT /api/v1/schedules/{schedule_id}", "DELETE /api/v1/schedules/{schedule_id}",
	"POST /api/v1/schedules/{schedule_id}/skip", "DELETE /api/v1/schedules/{schedule_id}/skip", "GET /api/v1/schedules/preview", "GET /api/v1/holidays",
}

// TestAnOperatorOfOneZoneCanDoNothingInAnother tries every operation of the document, so
// that a new one cannot be forgotten.
func TestAnOperatorOfOneZoneCanDoNothingInAnother(t *testing.T) {
	z := newZones(t)
	before := z.get("/api/v1/groups/" + z.b).body
	clientBefore := z.get("/api/v1/clients/" + z.inB).body
	fill := func(path, group, client string) string {
		path = strings.NewReplacer("{group_id}", group, "{client_id}", client).Replace(path)
		for strings.Contains(path, "{") {
			path = path[:strings.Index(path, "{")] + "x" + path[strings.Index(path, "}")+1:]
		}
		return path
	}
	schedule := func(group string) string {
		return decode[model.Schedule](z.post("/api/v1/schedules", map[string]any{"group_id": group, "name": "S"}).want(http.StatusCreated)).ScheduleID
	}
	inB, inA := schedule(z.b), schedule(z.a)
	n := 0
	for _, o := range operations(t, z.getRaw("/openapi.json")) {
		if o.open {
			continue
		}
		what := o.method + " " + o.path
		var body any
		if o.op.RequestBody != nil {
			body = `{"name":` // refused after the roles were looked at
		}
		try := func(group, client string, refused bool) {
			t.Helper()
			n++
			path := fill(o.path, group, client)
			for who, r := range map[string]reply{
				"user": z.anna.do(o.method, path, body), "token": z.do(o.method, path, z.annasToken, body),
			} {
				if got := r.status == http.StatusForbidden || r.status == http.StatusNotFound && strings.Contains(string(r.body), "there is no "); got != refused || r.status == http.StatusUnauthorized {
					t.Errorf("%s by a %s: status %d, refused should be %t: %s", r.what, who, r.status, refused, r.body)
				}
			}
		}
		needsMore := o.role == "admin"
		switch o.zone {
		case "":
			try(z.a, z.inA, true)
		case "any":
			if !slices.Contains(shared, what) {
				t.Errorf("%s is for people of single zones and names none in its path: say in this test that it gives nothing away", what)
			}
			if o.path == "/api/v1/events" {
				continue
			}
			r := z.anna.do(o.method, fill(o.path, z.b, z.inB), body)
			if r.status == http.StatusForbidden {
				t.Errorf("%s: status %d", r.what, r.status)
			}
			for _, id := range []string{z.b, z.inB, z.nowhere, inB} {
				if strings.Contains(string(r.body), `"`+id+`"`) {
					t.Errorf("%s shows %s", r.what, id)
				}
			}
		case "group":
			try(z.b, "", true)
			try("nope", "", true)
			if o.method != "GET" && o.op.RequestBody != nil { // with a broken body, so that nothing happens
				try(z.a, "", needsMore)
			}
		case "client":
			try("", z.inB, true)
			try("", z.nowhere, true)
			try("", "nobody", true)
			if o.method == "GET" || o.op.RequestBody != nil {
				try("", z.inA, needsMore)
			}
		case "both":
			try(z.a, z.inB, true)
			try(z.b, z.inA, true)
			try(z.b, z.inB, true)
			try(z.a, z.nowhere, true)
		case "schedule":
			for id, refused := range map[string]bool{inB: true, "nope": true, inA: false} {
				if !refused && o.method != "GET" && o.op.RequestBody == nil {
					continue // it would be done
				}
				n++
				r := z.anna.do(o.method, strings.ReplaceAll(o.path, "{schedule_id}", id), body)
				if got := r.status == http.StatusForbidden || r.status == http.StatusNotFound; got != refused {
					t.Errorf("%s: status %d, refused should be %t: %s", r.what, r.status, refused, r.body)
				}
			}
		default:
			t.Errorf("%s finds its zone by %q, which this test does not know", what, o.zone)
		}
	}
	if n < 60 {
		t.Errorf("%d tries only", n)
	}
	if after := z.get("/api/v1/groups/" + z.b).body; string(after) != string(before) {
		t.Errorf("zone B is now %s", after)
	}
	if after := z.get("/api/v1/clients/" + z.inB).body; string(after) != string(clientBefore) {
		t.Errorf("the client in zone B is now %s", after)
	}
	// And what is theirs works.
	z.anna.do("GET", "/api/v1/groups/"+z.a, nil).want(http.StatusOK)
	z.anna.do("POST", "/api/v1/groups/"+z.a+"/play", `{"uri":"a.flac"}`).want(http.StatusOK)
	z.anna.do("PATCH", "/api/v1/clients/"+z.inA, `{"volume":20}`).want(http.StatusOK)
	z.anna.do("PUT", "/api/v1/groups/"+z.a+"/members/"+z.inA, nil).want(http.StatusOK)
	z.eventuallyAudited("user:Anna group.play")
}

// TestZonesInBodies: a body is no way into another zone either.
func TestZonesInBodies(t *testing.T) {
	z := newZones(t)
	mic := z.fakes.device("Microphone", func(p *pb.ClientPresence, _ *pb.TrustRecord) {
		p.SupportedRoles = append(p.SupportedRoles, "source@v1")
	})
	z.known(mic)
	z.put("/api/v1/groups/" + z.b + "/members/" + mic).want(http.StatusOK)
	base := "/api/v1/groups/" + z.a
	for _, c := range []struct{ method, path, body string }{
		{"POST", base + "/announce", `{"uri":"bell.flac","groups":["` + z.b + `"]}`},
		{"PATCH", "/api/v1/clients/" + z.inA, `{"group_id":"` + z.b + `"}`},
		{"PATCH", "/api/v1/clients/" + z.inA, `{"group_id":""}`},
		{"POST", base + "/play", `{"uri":"source:` + mic + `"}`},
		{"POST", base + "/play", `{"uri":"SOURCE:` + mic + `"}`},
		{"POST", base + "/queue", `{"uris":["a.flac","source:` + mic + `"]}`},
		{"DELETE", base + "/members/" + z.inA, ""},
		{"DELETE", base, ""},
		{"POST", "/api/v1/schedules", `{"group_id":"` + z.b + `","name":"Mine"}`},
		{"POST", "/api/v1/schedules", `{"group_id":"` + z.a + `","name":"Mine","dayparts":[{"name":"d","days":["mon"],"start":"10:00","end":"11:00","uri":"source:` + mic + `"}]}`},
		{"POST", "/api/v1/groups", `{"name":"Mine","members":["` + z.inB + `"]}`},
	} {
		var body any
		if c.body != "" {
			body = c.body
		}
		for _, b := range []*browser{z.anna, z.viewerB} {
			r := b.do(c.method, c.path, body)
			if r.status != http.StatusForbidden && r.status != http.StatusNotFound {
				t.Errorf("%s %s as %s: status %d: %s", r.what, c.body, b.session.User.Name, r.status, r.body)
			}
		}
	}
	// A role in both is enough; a viewer's in one is not.
	z.viewerB.do("GET", "/api/v1/groups/"+z.b, nil).want(http.StatusOK)
	if p := z.viewerB.do("POST", "/api/v1/groups/"+z.b+"/stop", nil).problem(http.StatusForbidden); !strings.Contains(p.Detail, "operator") {
		t.Errorf("detail = %q", p.Detail)
	}
	z.everybody.do("GET", "/api/v1/clients/"+z.inB, nil).want(http.StatusOK)
	z.everybody.do("PATCH", "/api/v1/clients/"+z.inB, `{"volume":1}`).problem(http.StatusForbidden)
	z.everybody.do("PATCH", "/api/v1/clients/"+z.inA, `{"volume":1}`).want(http.StatusOK)
	both := []model.ZoneRole{{GroupID: z.a, Role: "operator"}, {GroupID: z.b, Role: "operator"}}
	z.admin.do("PATCH", "/api/v1/users/"+z.anna.session.User.UserID, map[string]any{"zones": both}).want(http.StatusOK)
	if c := decode[model.Client](z.anna.do("PATCH", "/api/v1/clients/"+z.inA, `{"group_id":"`+z.b+`"}`).want(http.StatusOK)); c.GroupID != z.b {
		t.Errorf("the client is in %q", c.GroupID)
	}
	z.anna.do("PUT", "/api/v1/groups/"+z.a+"/members/"+z.inA, nil).want(http.StatusOK)
}

func TestListsShowOnesOwnZones(t *testing.T) {
	z := newZones(t)
	ids := func(b *browser) (out []string) {
		for _, g := range decode[model.Groups](b.do("GET", "/api/v1/groups", nil).want(http.StatusOK)).Groups {
			out = append(out, g.GroupID)
		}
		for _, c := range decode[model.Clients](b.do("GET", "/api/v1/clients", nil).want(http.StatusOK)).Clients {
			out = append(out, c.ClientID)
		}
		slices.Sort(out)
		return out
	}
	for b, want := range map[*browser][]string{
		z.anna: {z.a, z.inA}, z.viewerB: {z.a, z.b, z.inA, z.inB}, z.everybody: {z.a, z.b, z.inA, z.inB, z.nowhere}, z.admin: {z.a, z.b, z.inA, z.inB, z.nowhere},
	} {
		slices.Sort(want)
		if got := ids(b); !slices.Equal(got, want) {
			t.Errorf("%s sees %q, want %q", b.session.User.Name, got, want)
		}
	}
}

// TestFeedShowsOnesOwnZones: a reader of one zone hears of that zone alone, also while
// clients come and go.
func TestFeedShowsOnesOwnZones(t *testing.T) {
	z := newZones(t)
	l := z.listenWith("", "Cookie", z.anna.cookie)
	heard := func(until, text string) (all []event) {
		t.Helper()
		for {
			e := l.any()
			all = append(all, e)
			if e.kind == until && strings.Contains(e.data, text) {
				return all
			}
		}
	}
	foreign := func(events []event, allowed ...string) {
		t.Helper()
		for _, e := range events {
			for _, id := range []string{z.b, z.inB, z.nowhere} {
				if strings.Contains(e.data, `"`+id+`"`) && !slices.Contains(allowed, e.kind) {
					t.Errorf("heard %s: %s", e.kind, e.data)
				}
			}
			if !slices.Contains([]string{"client.updated", "client.removed", "group.updated", "group.removed", "server.updated", "schedule.removed", "holidays.updated"}, e.kind) {
				t.Errorf("heard %s: %s", e.kind, e.data)
			}
		}
	}
	z.post("/api/v1/groups/"+z.b+"/stop", nil).want(http.StatusOK)
	z.fakes.device("Stranger", waiting("new"))
	z.patch("/api/v1/clients/"+z.inB, `{"label":"Bar"}`).want(http.StatusOK)
	z.post("/api/v1/groups/"+z.a+"/volume", `{"volume":33}`).want(http.StatusOK)
	foreign(heard("group.updated", `"volume":33`))
	// A client comes in from B, and leaves again.
	z.put("/api/v1/groups/" + z.a + "/members/" + z.inB).want(http.StatusOK)
	heard("client.updated", z.inB)
	z.put("/api/v1/groups/" + z.b + "/members/" + z.inB).want(http.StatusOK)
	events := heard("client.removed", z.inB)
	if last := events[len(events)-1]; strings.Contains(last.data, "trust") {
		t.Errorf("client.removed shows %s", last.data)
	}
	z.patch("/api/v1/clients/"+z.inB, `{"label":"Bar 2"}`).want(http.StatusOK)
	z.patch("/api/v1/server", `{"name":"Hotel"}`).want(http.StatusOK)
	foreign(heard("server.updated", "Hotel"))
	// Who comes back reads anew: what left the zone meanwhile is not known.
	l.close()
	back := z.listenWith(l.lastID, "Cookie", z.anna.cookie)
	if e := back.any(); e.kind != "reset" {
		t.Errorf("after coming back: %s", e.kind)
	}
	// A change of what Anna may do ends the feed at once.
	z.admin.do("PATCH", "/api/v1/users/"+z.anna.session.User.UserID, `{"zones":[]}`).want(http.StatusOK)
	back.ends()
	z.anna.do("GET", "/api/v1/groups", nil).problem(http.StatusForbidden)
}

func TestTokensHaveScopesAndAnEnd(t *testing.T) {
	z := newZones(t)
	var all model.Tokens
	z.get("/api/v1/tokens").want(http.StatusOK).into(&all)
	if len(all.Tokens) != 1 || all.Tokens[0].Role != "none" || len(all.Tokens[0].Zones) != 1 || all.Tokens[0].Zones[0].GroupID != z.a || all.Tokens[0].CreatedBy != "user:Maria" {
		t.Errorf("tokens = %+v", all.Tokens)
	}
	z.do("GET", "/api/v1/groups/"+z.a, z.annasToken, nil).want(http.StatusOK)
	eventually(t, func() error {
		z.get("/api/v1/tokens").into(&all)
		if all.Tokens[0].LastUsedAt == nil {
			return fmt.Errorf("last_used_at is not there")
		}
		return nil
	})
	for body, field := range map[string]string{
		`{"name":"x","role":"boss"}`: "body.role",
		`{"name":"x","role":"none","zones":[{"group_id":"nope","role":"viewer"}]}`:                                                     "body.zones[0].group_id",
		`{"name":"x","role":"none","zones":[{"group_id":"` + z.a + `","role":"admin"}]}`:                                               "body.zones[0].role",
		`{"name":"x","role":"none","zones":[{"group_id":"` + z.a + `","role":"viewer"},{"group_id":"` + z.a + `","role":"operator"}]}`: "body.zones[1].group_id",
		`{"name":"x","role":"viewer","expires_at":"2001-01-01T00:00:00Z"}`:                                                             "body.expires_at",
	} {
		p := z.post("/api/v1/tokens", body).problem(http.StatusUnprocessableEntity)
		if len(p.Errors) != 1 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
	var shown json.RawMessage
	z.post("/api/v1/tokens", `{"name":"for a year","role":"viewer","expires_at":"2099-01-31T00:00:00+01:00"}`).want(http.StatusCreated).into(&shown)
	if !strings.Contains(string(shown), `"expires_at":"2099-01-30T23:00:00Z"`) {
		t.Errorf("created %s", shown)
	}
}

// TestTokensAreGivenNoEnd: one that is asked for without an end is made, and shown, without.
func TestTokensAreGivenNoEnd(t *testing.T) {
	w := newWorld(t)
	var shown json.RawMessage
	w.post("/api/v1/tokens", `{"name":"panel","role":"viewer"}`).want(http.StatusCreated).into(&shown)
	if strings.Contains(string(shown), "expires_at") {
		t.Errorf("made %s", shown)
	}
	for _, k := range decode[model.Tokens](w.get("/api/v1/tokens").want(http.StatusOK)).Tokens {
		if k.ExpiresAt != nil {
			t.Errorf("%s ends at %s", k.Name, k.ExpiresAt)
		}
	}
}

package management_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/services/management"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func TestFirstSetUp(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, func(c *management.Config) { c.DataDir = dir })
	nobody := &browser{w: w}
	if s := decode[model.Session](nobody.do("GET", "/api/v1/session", nil).want(http.StatusOK)); s.SignedIn || !s.SetUpNeeded {
		t.Fatalf("session = %+v", s)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "setup-code"))
	if info, _ := os.Stat(filepath.Join(dir, "setup-code")); err != nil || strings.TrimSpace(string(kept)) != w.setUp || info.Mode().Perm() != 0o600 {
		t.Errorf("the file holds %q (%v), want %q", kept, err, w.setUp)
	}
	first := func(code, name, pass string) reply {
		return nobody.do("POST", "/api/v1/setup", map[string]string{"code": code, "name": name, "password": pass})
	}
	first("AAAA-AAAA-AAAA", "Maria", goodPassword).problem(http.StatusUnauthorized)
	for field, in := range map[string][2]string{
		"body.password": {"Maria", "short"}, "body.name": {" ", goodPassword}, "body.password ": {"my name is long", "My Name is Long"},
	} {
		p := first(w.setUp, in[0], in[1]).problem(http.StatusUnprocessableEntity)
		if len(p.Errors) != 1 || p.Errors[0].Location != strings.TrimSpace(field) {
			t.Errorf("%v: %+v", in, p)
		}
	}
	// Read aloud and typed by a person: small letters, spaces, O for 0.
	r := first(strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(w.setUp, "-", " "), "0", "O")), "Maria", goodPassword).want(http.StatusOK)
	b := &browser{w: w}
	b.take(r)
	c := r.header.Get("Set-Cookie")
	for _, want := range []string{"tutti_session=", "HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(c, want) {
			t.Errorf("Set-Cookie %q lacks %s", c, want)
		}
	}
	if strings.Contains(c, "Secure") {
		t.Errorf("Set-Cookie %q is Secure without TLS: the browser would not send it", c)
	}
	if b.session.User == nil || b.session.User.Role != "admin" || b.session.CSRFToken == "" || b.session.ExpiresAt == nil {
		t.Errorf("session = %+v", b.session)
	}
	if s := decode[model.Session](b.do("GET", "/api/v1/session", nil)); !s.SignedIn || s.User.Name != "Maria" || s.CSRFToken != b.session.CSRFToken {
		t.Errorf("session = %+v", s)
	}
	first(w.setUp, "Eve", goodPassword).problem(http.StatusConflict)
	if _, err := os.Stat(filepath.Join(dir, "setup-code")); err == nil {
		t.Error("the file with the code is still there")
	}
	b.do("POST", "/api/v1/groups", `{"name":"G"}`).want(http.StatusCreated)
	w.eventuallyAudited("user:Maria user.created", "user:Maria user.signed_in", "user:Maria group.created", "anonymous user.sign_in_failed")
}

func TestSignInAndOut(t *testing.T) {
	w := newWorld(t)
	w.setUpAdmin()
	out := &browser{w: w}
	for _, in := range [][2]string{{"Maria", "wrong password"}, {"Nobody", goodPassword}, {"", ""}, {"Maria", strings.Repeat("x", 4000)}} {
		p := out.do("POST", "/api/v1/session", map[string]string{"name": in[0], "password": in[1]}).problem(http.StatusUnauthorized)
		if !strings.Contains(p.Detail, "name or the password") {
			t.Errorf("%q: %q", in, p.Detail)
		}
	}
	b := w.signIn("mARIA", goodPassword)
	b.do("GET", "/api/v1/server", nil).want(http.StatusOK)
	copied := *b
	r := b.do("DELETE", "/api/v1/session", nil).want(http.StatusNoContent)
	if c := r.header.Get("Set-Cookie"); !strings.Contains(c, "Max-Age=0") {
		t.Errorf("Set-Cookie = %q", c)
	}
	copied.do("GET", "/api/v1/server", nil).problem(http.StatusUnauthorized)
	copied.do("DELETE", "/api/v1/session", nil).want(http.StatusNoContent)
	if s := decode[model.Session](copied.do("GET", "/api/v1/session", nil).want(http.StatusOK)); s.SignedIn || s.SetUpNeeded {
		t.Errorf("session = %+v", s)
	}
	// Behind a proxy with TLS the cookie must not travel without it.
	r = out.do("POST", "/api/v1/session", map[string]string{"name": "Maria", "password": goodPassword}, "X-Forwarded-Proto", "https")
	if c := r.header.Get("Set-Cookie"); !strings.Contains(c, "Secure") {
		t.Errorf("Set-Cookie = %q", c)
	}
}

// TestChangesNeedProof: a cookie alone changes nothing.
func TestChangesNeedProof(t *testing.T) {
	w := newWorld(t)
	b := w.setUpAdmin()
	for what, header := range map[string][]string{
		"no CSRF token":       {"X-CSRF-Token", ""},
		"a wrong CSRF token":  {"X-CSRF-Token", strings.Repeat("A", 43)},
		"a foreign origin":    {"Origin", "http://evil.example"},
		"the origin null":     {"Origin", "null"},
		"a cross-site fetch":  {"Origin", "", "Sec-Fetch-Site", "cross-site"},
		"a neighbour's fetch": {"Sec-Fetch-Site", "same-site"},
		"a form":              {"Content-Type", "application/x-www-form-urlencoded"},
		"a multipart form":    {"Content-Type", "multipart/form-data; boundary=x"},
		"text":                {"Content-Type", "text/plain"},
		"no content type":     {"Content-Type", ""},
	} {
		p := b.do("POST", "/api/v1/groups", `{"name":"G"}`, header...).problem(http.StatusForbidden)
		// A page with an old token can help itself; a foreign one gets no such hint.
		if stale := strings.HasSuffix(what, "CSRF token"); stale != (p.Type == model.TypeCSRF) || !stale && p.Type != "about:blank" {
			t.Errorf("%s: the problem is of the type %q", what, p.Type)
		}
	}
	if g := decode[model.Groups](b.do("GET", "/api/v1/groups", nil)); len(g.Groups) != 0 {
		t.Errorf("%d groups were made", len(g.Groups))
	}
	b.do("DELETE", "/api/v1/session", nil, "X-CSRF-Token", "").problem(http.StatusForbidden)
	b.do("POST", "/api/v1/groups", `{"name":"G"}`, "Sec-Fetch-Site", "same-origin").want(http.StatusCreated)
	// Signing somebody in from elsewhere is refused, too.
	nobody := &browser{w: w}
	nobody.do("POST", "/api/v1/session", map[string]string{"name": "Maria", "password": goodPassword}, "Origin", "http://evil.example").problem(http.StatusForbidden)
	nobody.do("POST", "/api/v1/session", `{"name":"Maria","password":"`+goodPassword+`"}`, "Content-Type", "text/plain").problem(http.StatusForbidden)
	nobody.do("POST", "/api/v1/setup", `{}`, "Origin", "http://evil.example").problem(http.StatusForbidden)
}

// TestAnotherTabSignsInAnew: a tab with the CSRF token of the session before is told so,
// reads the session, and goes on.
func TestAnotherTabSignsInAnew(t *testing.T) {
	w := newWorld(t)
	tab := w.setUpAdmin()
	other := w.signIn("Maria", goodPassword)
	tab.cookie = other.cookie // tabs share it
	if p := tab.do("POST", "/api/v1/groups", `{"name":"G"}`).problem(http.StatusForbidden); p.Type != model.TypeCSRF {
		t.Fatalf("the problem is of the type %q", p.Type)
	}
	tab.take(tab.do("GET", "/api/v1/session", nil).want(http.StatusOK))
	tab.do("POST", "/api/v1/groups", `{"name":"G"}`).want(http.StatusCreated)
	// A session that has ended is something else: nothing but signing in helps.
	tab.do("DELETE", "/api/v1/session", nil).want(http.StatusNoContent)
	if p := tab.do("POST", "/api/v1/groups", `{"name":"H"}`, "Cookie", other.cookie).problem(http.StatusUnauthorized); p.Type != "about:blank" {
		t.Errorf("the problem is of the type %q", p.Type)
	}
}

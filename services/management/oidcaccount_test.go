package management_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/users"
)

// comes signs in with an account (subject) that has a verified address now.
func (p *idp) comes(w *world, subject, email string, more ...string) (model.Session, string) {
	p.t.Helper()
	claims := map[string]any{"sub": subject, "email": email, "email_verified": true}
	if len(more) > 0 {
		claims["groups"] = more
	}
	p.as(claims)
	b := &visitor{t: p.t}
	_, body := b.get(w.url + startPath)
	return b.session(w), body
}

// TestAnAccountStaysItself: after the first sign-in the account counts, and not the name
// that the provider tells.
func TestAnAccountStaysItself(t *testing.T) {
	w, p := oidcWorld(t, "")
	admin := w.setUpAdmin()
	w.user(users.User{Name: "anna@example.org", Role: auth.RoleAdmin, Password: "x"})
	w.user(users.User{Name: "ben@example.org", Role: auth.RoleViewer, Password: "x"})
	signedIn := func(what, subject, email, name string) string {
		t.Helper()
		s, body := p.comes(w, subject, email)
		switch {
		case name == "" && s.SignedIn:
			t.Errorf("%s: signed in as %s", what, s.User.Name)
		case name != "" && (!s.SignedIn || s.User.Name != name):
			t.Errorf("%s: %+v: %s", what, s.User, body)
		}
		return body
	}
	signedIn("the first time", "sub-anna", "anna@example.org", "anna@example.org")
	signedIn("the first time", "sub-ben", "Ben@example.org", "ben@example.org")

	// Ben's account gets Anna's address: he is Ben all the same.
	signedIn("with another's address", "sub-ben", "anna@example.org", "ben@example.org")
	// Her address was given to somebody new, who is not her.
	if body := signedIn("a new account with her address", "sub-eve", "anna@example.org", ""); !strings.Contains(body, "another account") {
		t.Errorf("it says %s", body)
	}
	// She is called otherwise now, and is herself.
	signedIn("with a new name", "sub-anna", "anna.new@example.org", "anna@example.org")

	// The administrator sees who is linked, and can unlink: sessions end, and the next
	// account of that name is the user's.
	find := func(name string) model.User {
		t.Helper()
		for _, u := range decode[model.Users](admin.do("GET", "/api/v1/users", nil).want(http.StatusOK)).Users {
			if u.Name == name {
				return u
			}
		}
		t.Fatalf("no user %s", name)
		return model.User{}
	}
	ben := find("ben@example.org")
	if ben.Account == nil || ben.Account.Subject != "sub-ben" || ben.Account.Issuer != p.URL {
		t.Fatalf("account = %+v", ben.Account)
	}
	p.as(map[string]any{"sub": "sub-ben", "email": "ben@example.org", "email_verified": true})
	b := &visitor{t: t}
	b.get(w.url + startPath)
	if u := decode[model.User](admin.do("PATCH", "/api/v1/users/"+ben.UserID, `{"unlink_account":true}`).want(http.StatusOK)); u.Account != nil {
		t.Errorf("account = %+v", u.Account)
	}
	if b.session(w).SignedIn {
		t.Error("the session of an account that was unlinked goes on")
	}
	signedIn("after it was unlinked", "sub-ben-2", "ben@example.org", "ben@example.org")
	signedIn("the former account", "sub-ben", "ben@example.org", "")
	w.eventuallyAudited("oidc user.changed", "user:Maria user.changed")
}

// TestTheFirstAdministratorMayComeByOIDC, and then the set-up is over.
func TestTheFirstAdministratorMayComeByOIDC(t *testing.T) {
	w, p := oidcWorld(t, "groups", "boss@example.org", "Second@Example.org")
	if s, _ := p.comes(w, "sub-eve", "eve@example.org"); s.SignedIn {
		t.Fatalf("somebody else: %+v", s.User)
	}
	s, body := p.comes(w, "sub-boss", "boss@example.org")
	if !s.SignedIn || s.User.Role != "admin" || s.SetUpNeeded {
		t.Fatalf("%+v: %s", s, body)
	}
	w.do("POST", "/api/v1/setup", "", map[string]string{"code": w.setUp, "name": "Eve", "password": goodPassword}, "Content-Type", "application/json", "Origin", w.url).problem(http.StatusConflict)
	if s, _ := p.comes(w, "sub-boss", "boss@example.org", "tutti-viewer"); !s.SignedIn || s.User.Role != "admin" {
		t.Errorf("the role claim took it away: %+v", s.User)
	}
	if s, _ := p.comes(w, "sub-second", "second@example.org"); !s.SignedIn || s.User.Role != "admin" {
		t.Errorf("the second one: %+v", s.User)
	}
	// Who gets such an address later is no administrator by it.
	if s, _ := p.comes(w, "sub-carl", "carl@example.org", "tutti-viewer"); !s.SignedIn || s.User.Role != "viewer" {
		t.Fatalf("a viewer: %+v", s.User)
	}
	if s, _ := p.comes(w, "sub-carl", "boss@example.org", "tutti-viewer"); !s.SignedIn || s.User.Role != "viewer" || s.User.Name != "carl@example.org" {
		t.Errorf("with the administrator's address: %+v", s.User)
	}
}

// TestAPasswordHereKeepsTheRole that was given here, whatever the list of administrators says.
func TestAPasswordHereKeepsTheRole(t *testing.T) {
	w, p := oidcWorld(t, "", "anna@example.org", "ben@example.org")
	w.user(users.User{Name: "anna@example.org", Role: auth.RoleViewer, Password: "x"})
	w.user(users.User{Name: "ben@example.org", Role: auth.RoleViewer})
	if s, _ := p.comes(w, "sub-anna", "anna@example.org"); !s.SignedIn || s.User.Role != "viewer" {
		t.Errorf("with a password: %+v", s.User)
	}
	if s, _ := p.comes(w, "sub-ben", "ben@example.org"); !s.SignedIn || s.User.Role != "admin" {
		t.Errorf("without: %+v", s.User)
	}
}

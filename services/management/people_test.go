package management_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func (b *browser) user(name string, more string) model.User {
	b.w.t.Helper()
	return decode[model.User](b.do("POST", "/api/v1/users", fmt.Sprintf(`{"name":%q,"password":%q%s}`, name, goodPassword, more)).want(http.StatusCreated))
}

func TestUsers(t *testing.T) {
	w := newWorld(t)
	admin := w.setUpAdmin()
	anna := admin.user("Anna", `,"role":"operator","language":"fr"`)
	if anna.Role != "operator" || anna.Language != "fr" || !anna.HasPassword || anna.LastSignInAt != nil || len(anna.Zones) != 0 {
		t.Errorf("created %+v", anna)
	}
	for body, status := range map[string]int{
		`{"name":"ANNA","role":"viewer"}`:                            http.StatusConflict,
		`{"name":"a/b","role":"viewer"}`:                             http.StatusUnprocessableEntity,
		`{"name":"B\u0007ell","role":"viewer"}`:                      http.StatusUnprocessableEntity,
		`{"name":"B","role":"boss"}`:                                 http.StatusUnprocessableEntity,
		`{"name":"B","role":"viewer","password":"short"}`:            http.StatusUnprocessableEntity,
		`{"name":"B","role":"viewer","language":"not a language"}`:   http.StatusUnprocessableEntity,
		`{"name":"` + strings.Repeat("B", 65) + `","role":"viewer"}`: http.StatusUnprocessableEntity,
	} {
		admin.do("POST", "/api/v1/users", body).problem(status)
	}
	list := decode[model.Users](admin.do("GET", "/api/v1/users", nil).want(http.StatusOK))
	if len(list.Users) != 2 || list.Users[0].Name != "Anna" || list.Users[1].LastSignInAt == nil {
		t.Errorf("users = %+v", list)
	}
	if strings.Contains(string(admin.do("GET", "/api/v1/users", nil).body), "argon2") {
		t.Error("the list shows hashes")
	}
	path := "/api/v1/users/" + anna.UserID
	b := w.signIn("anna", goodPassword)
	if b.session.User.Language != "fr" {
		t.Errorf("session = %+v", b.session)
	}
	b.do("GET", "/api/v1/users", nil).problem(http.StatusForbidden)
	// A new role counts at once.
	admin.do("PATCH", path, `{"role":"viewer"}`).want(http.StatusOK)
	b.do("POST", "/api/v1/groups", `{"name":"G"}`).problem(http.StatusForbidden)
	b.do("GET", "/api/v1/groups", nil).want(http.StatusOK)
	// Disabled is out at once.
	admin.do("PATCH", path, `{"disabled":true}`).want(http.StatusOK)
	b.do("GET", "/api/v1/groups", nil).problem(http.StatusUnauthorized)
	(&browser{w: w}).do("POST", "/api/v1/session", `{"name":"Anna","password":"`+goodPassword+`"}`).problem(http.StatusUnauthorized)
	admin.do("PATCH", path, `{"disabled":false,"name":"Ann"}`).want(http.StatusOK)
	b.do("GET", "/api/v1/groups", nil).problem(http.StatusUnauthorized) // the old session does not come back
	b = w.signIn("Ann", goodPassword)
	// So is who gets another password, or is deleted.
	admin.do("PATCH", path, `{"password":"another long password"}`).want(http.StatusOK)
	b.do("GET", "/api/v1/groups", nil).problem(http.StatusUnauthorized)
	b = w.signIn("Ann", "another long password")
	admin.do("DELETE", path, nil).want(http.StatusNoContent)
	b.do("GET", "/api/v1/groups", nil).problem(http.StatusUnauthorized)
	admin.do("GET", path, nil).problem(http.StatusNotFound)
	admin.do("PATCH", path, `{"disabled":true}`).problem(http.StatusNotFound)
	admin.do("DELETE", path, nil).problem(http.StatusNotFound)
	w.eventuallyAudited("user:Maria user.created", "user:Maria user.changed", "user:Maria user.deleted", "user:Anna user.signed_in")
}

func TestTheLastAdministratorStays(t *testing.T) {
	w := newWorld(t)
	admin := w.setUpAdmin()
	path := "/api/v1/users/" + admin.session.User.UserID
	second := admin.user("Second", `,"role":"admin","disabled":true`)
	for _, body := range []string{`{"role":"operator"}`, `{"disabled":true}`, `{"role":"none"}`} {
		if p := admin.do("PATCH", path, body).problem(http.StatusConflict); !strings.Contains(p.Detail, "last administrator") {
			t.Errorf("%s: %q", body, p.Detail)
		}
	}
	admin.do("DELETE", path, nil).problem(http.StatusConflict)
	// The admin token obeys the same rule.
	w.delete(path).problem(http.StatusConflict)
	admin.do("PATCH", "/api/v1/users/"+second.UserID, `{"disabled":false}`).want(http.StatusOK)
	admin.do("PATCH", path, `{"role":"operator"}`).want(http.StatusOK)
	admin.do("GET", "/api/v1/users", nil).problem(http.StatusForbidden)
	// The way out for a forgotten password: the admin token sets another.
	w.patch("/api/v1/users/"+second.UserID, `{"password":"a password from the shell"}`).want(http.StatusOK)
	w.signIn("Second", "a password from the shell").do("GET", "/api/v1/users", nil).want(http.StatusOK)
}

func TestOnesOwnPassword(t *testing.T) {
	w := newWorld(t)
	b := w.setUpAdmin()
	other := w.signIn("Maria", goodPassword)
	change := func(old, fresh string) reply {
		return b.do("PUT", "/api/v1/session/password", map[string]string{"old_password": old, "new_password": fresh})
	}
	if p := change("wrong", "a new long password").problem(http.StatusUnprocessableEntity); p.Errors[0].Location != "body.old_password" {
		t.Errorf("problem = %+v", p)
	}
	if p := change(goodPassword, "short").problem(http.StatusUnprocessableEntity); p.Errors[0].Location != "body.new_password" {
		t.Errorf("problem = %+v", p)
	}
	before := *b
	b.take(change(goodPassword, "a new long password").want(http.StatusNoContent))
	b.do("POST", "/api/v1/groups", `{"name":"G"}`).want(http.StatusCreated) // the open page goes on
	for _, gone := range []*browser{&before, other} {
		gone.do("GET", "/api/v1/groups", nil).problem(http.StatusUnauthorized)
	}
	(&browser{w: w}).do("POST", "/api/v1/session", `{"name":"Maria","password":"`+goodPassword+`"}`).problem(http.StatusUnauthorized)
	w.signIn("Maria", "a new long password")
	// A token has no password.
	w.do("PUT", "/api/v1/session/password", adminToken, `{"old_password":"x","new_password":"a new long password"}`).problem(http.StatusForbidden)
}

// TestGuessingPasswordsIsLimited: after a few wrong passwords from one address for one
// name there is a wait, which holds for the right one, too; other people go on.
func TestGuessingPasswordsIsLimited(t *testing.T) {
	w := newWorld(t)
	admin := w.setUpAdmin()
	admin.user("Anna", `,"role":"viewer"`)
	stranger := &browser{w: w}
	guess := func(name, password string) reply {
		return stranger.do("POST", "/api/v1/session", map[string]string{"name": name, "password": password})
	}
	limited := false
	for i := range 20 {
		r := guess("Maria", fmt.Sprint("wrong password ", i))
		if r.status == http.StatusTooManyRequests {
			if r.header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			limited = true
			break
		}
		r.problem(http.StatusUnauthorized)
	}
	if !limited {
		t.Fatal("20 wrong passwords were looked at")
	}
	w.signIn("Anna", goodPassword)
	admin.do("GET", "/api/v1/users", nil).want(http.StatusOK)
	w.eventuallyAudited("user:Maria user.sign_in_failed")
}

// TestGuessingTheSetUpCodeIsLimited: the code has 60 bits, and few tries.
func TestGuessingTheSetUpCodeIsLimited(t *testing.T) {
	w := newWorld(t)
	nobody := &browser{w: w}
	for range 20 {
		r := nobody.do("POST", "/api/v1/setup", map[string]string{"code": "AAAA-BBBB-CCCC", "name": "Eve", "password": goodPassword})
		if r.status == http.StatusTooManyRequests {
			return
		}
		r.problem(http.StatusUnauthorized)
	}
	t.Error("20 wrong codes were looked at")
}

// TestTwoInstancesShareUsersAndSessions: whoever signs in at one is known at the other, and
// is out at both at once.
func TestTwoInstancesShareUsersAndSessions(t *testing.T) {
	w := newWorld(t)
	admin := w.setUpAdmin()
	other := w.instance("m2")
	there := func(b *browser) *browser { c := *b; c.w = other; return &c }
	there(admin).do("GET", "/api/v1/users", nil).want(http.StatusOK)
	anna := there(admin).user("Anna", `,"role":"viewer"`)
	eventually(t, func() error { // this one hears of her by the bus
		if r := admin.do("GET", "/api/v1/users", nil).want(http.StatusOK); !strings.Contains(string(r.body), anna.UserID) {
			return fmt.Errorf("users: %s", r.body)
		}
		return nil
	})
	b := w.signIn("Anna", goodPassword)
	there(b).do("GET", "/api/v1/groups", nil).want(http.StatusOK)
	admin.do("PATCH", "/api/v1/users/"+anna.UserID, `{"disabled":true}`).want(http.StatusOK)
	eventually(t, func() error { // the other one hears of it by the bus
		if r := there(b).do("GET", "/api/v1/groups", nil); r.status != http.StatusUnauthorized {
			return fmt.Errorf("status %d", r.status)
		}
		return nil
	})
	b.do("GET", "/api/v1/groups", nil).problem(http.StatusUnauthorized)
	if other.setUp != "" {
		t.Error("the second instance made a set-up code")
	}
}

// TestBackupHoldsUsers: after a restore the same people sign in with the same passwords.
func TestBackupHoldsUsers(t *testing.T) {
	w := newWorld(t)
	admin := w.setUpAdmin()
	admin.user("Anna", `,"role":"viewer"`)
	sealed := admin.do("POST", "/api/v1/backup", `{"passphrase":"a long passphrase"}`).want(http.StatusOK).body
	records, err := openBackup(t, sealed, "a long passphrase")
	if err != nil {
		t.Fatal(err)
	}
	fresh := newWorld(t)
	if fresh.setUp == "" {
		t.Fatal("a new server has no set-up code")
	}
	users, err := bus.OpenBucket[emptypb.Empty](t.Context(), fresh.bus, subject.BucketUsers, bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Entry == nil || r.Entry.Bucket == subject.BucketSessions {
			if r.Entry != nil {
				t.Error("the backup holds sessions")
			}
			continue
		}
		if r.Entry.Bucket != subject.BucketUsers {
			continue
		}
		v := &emptypb.Empty{}
		if err := proto.Unmarshal(r.Entry.Data, v); err != nil {
			t.Fatal(err)
		}
		if _, err := users.Put(t.Context(), r.Entry.Key, v); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() error {
		if s := decode[model.Session]((&browser{w: fresh}).do("GET", "/api/v1/session", nil)); s.SetUpNeeded {
			return fmt.Errorf("set-up is still open")
		}
		return nil
	})
	fresh.signIn("Anna", goodPassword).do("GET", "/api/v1/groups", nil).want(http.StatusOK)
	fresh.signIn("Maria", goodPassword).do("GET", "/api/v1/users", nil).want(http.StatusOK)
	(&browser{w: fresh}).do("POST", "/api/v1/setup", map[string]string{"code": fresh.setUp, "name": "Eve", "password": goodPassword}).problem(http.StatusConflict)
}

package ctlcmd

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestPasswordsComeFromStandardInput: a new password is one line of it, and never an argument.
func TestPasswordsComeFromStandardInput(t *testing.T) {
	f := newFakeAPI(t)
	f.answers["POST /api/v1/users"] = `{"user_id":"u-3","name":"Nils"}`
	f.answers["PATCH /api/v1/users/u-1"] = `{"user_id":"u-1","name":"Maria"}`
	for line, want := range map[string]string{
		"users add Nils --zone Bar:viewer": `POST /api/v1/users {"name":"Nils","password":"a long password","role":"none","zones":[{"group_id":"g2","role":"viewer"}]}`,
		"users add Nils --role admin":      `POST /api/v1/users {"name":"Nils","password":"a long password","role":"admin"}`,
		"users passwd Maria":               `PATCH /api/v1/users/u-1 {"password":"a long password"}`,
	} {
		before := len(f.sent())
		out, err := f.runWith(t, strings.NewReader("a long password\r\nnot this\n"), strings.Fields(line)...)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got := f.sent()[before:]; len(got) != 1 || got[0] != want {
			t.Errorf("%s sent %q, want %q", line, got, want)
		}
		if strings.Contains(out, "a long password") {
			t.Errorf("%s shows the password: %s", line, out)
		}
	}
	if _, err := f.runWith(t, bytes.NewReader(nil), "users", "passwd", "Maria"); err == nil || !strings.Contains(err.Error(), "standard input") {
		t.Errorf("without a password: %v", err)
	}
}

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.Local)
	for s, want := range map[string]time.Time{
		"12h": now.Add(12 * time.Hour), "90d": now.AddDate(0, 0, 90),
		"2027-01-31":       time.Date(2027, 1, 31, 0, 0, 0, 0, time.Local),
		"2027-01-31 18:30": time.Date(2027, 1, 31, 18, 30, 0, 0, time.Local),
	} {
		if got, err := expiry(s, now); err != nil || !got.Equal(want) {
			t.Errorf("expiry(%q) = %s, %v", s, got, err)
		}
	}
	for _, bad := range []string{"", "0d", "-1h", "soon", "2027"} {
		if got, err := expiry(bad, now); err == nil {
			t.Errorf("expiry(%q) = %s", bad, got)
		}
	}
}

// TestUnlinkTakesTheAccountAway of a user who has one, and asks for nothing otherwise.
func TestUnlinkTakesTheAccountAway(t *testing.T) {
	f := newFakeAPI(t)
	f.get["/api/v1/users"] = `{"users":[
 {"user_id":"u-1","name":"Maria","role":"admin","has_password":true,"created_at":"2020-01-01T00:00:00Z"},
 {"user_id":"u-2","name":"Anna","role":"viewer","has_password":false,"created_at":"2020-01-01T00:00:00Z","account":{"issuer":"https://id.example","subject":"s"}}]}`
	f.answers["PATCH /api/v1/users/u-2"] = `{"user_id":"u-2","name":"Anna"}`
	out, err := f.run(t, "users")
	if err != nil || !strings.Contains(out, "no password, linked account") {
		t.Errorf("who is linked: %v\n%s", err, out)
	}
	if out, err = f.run(t, "users", "unlink", "Anna"); err != nil || !strings.Contains(out, "unlinked Anna from its account at https://id.example") {
		t.Errorf("%v\n%s", err, out)
	}
	if got, want := f.sent(), `PATCH /api/v1/users/u-2 {"unlink_account":true}`; len(got) != 1 || got[0] != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	if _, err = f.run(t, "users", "unlink", "Maria"); err == nil || !strings.Contains(err.Error(), "no account is linked to Maria") || len(f.sent()) != 1 {
		t.Errorf("a user without one: %v; sent %q", err, f.sent())
	}
}

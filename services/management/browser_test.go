package management_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// goodPassword is what people in tests have for a password.
const goodPassword = "correct horse battery"

// browser is a person's browser: it keeps the cookie and sends the CSRF token.
type browser struct {
	w       *world
	cookie  string // "tutti_session=…"; empty when not signed in
	session model.Session
}

// setUpAdmin makes the first administrator, Maria, and returns her browser.
func (w *world) setUpAdmin() *browser {
	w.t.Helper()
	b := &browser{w: w}
	b.take(b.do("POST", "/api/v1/setup", map[string]string{"code": w.setUp, "name": "Maria", "password": goodPassword}).want(http.StatusOK))
	return b
}

// signIn is the browser of somebody who signs in.
func (w *world) signIn(name, password string) *browser {
	w.t.Helper()
	b := &browser{w: w}
	b.take(b.do("POST", "/api/v1/session", map[string]string{"name": name, "password": password}).want(http.StatusOK))
	return b
}

// take keeps what an answer says of the session.
func (b *browser) take(r reply) {
	b.w.t.Helper()
	if c := r.header.Get("Set-Cookie"); c != "" {
		b.cookie, _, _ = strings.Cut(c, ";")
	}
	if len(r.body) > 0 {
		b.session = decode[model.Session](r)
	}
}

// do sends a request as the console does. Headers that are given replace the usual ones;
// an empty value leaves one out.
func (b *browser) do(method, path string, body any, header ...string) reply {
	b.w.t.Helper()
	all := map[string]string{"Cookie": b.cookie, "Origin": b.w.url, "Content-Type": "application/json", "X-CSRF-Token": b.session.CSRFToken}
	for i := 0; i+1 < len(header); i += 2 {
		all[header[i]] = header[i+1]
	}
	var flat []string
	for k, v := range all {
		if v != "" {
			flat = append(flat, k, v)
		}
	}
	return b.w.do(method, path, "", body, flat...)
}

// eventuallyAudited waits for lines "actor kind" in the ledger.
func (w *world) eventuallyAudited(lines ...string) {
	w.t.Helper()
	eventually(w.t, func() error {
		have := w.fakes.audited()
		for _, l := range lines {
			if !slices.Contains(have, l) {
				return fmt.Errorf("the ledger lacks %q: %q", l, have)
			}
		}
		return nil
	})
}

package signin

import (
	"context"
	"crypto/subtle"
	"mime"
	"net/http"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/sessions"
)

const (
	// CookieName is the cookie that keeps a browser signed in.
	CookieName = "tutti_session"
	// CSRFHeader holds the session's CSRF token with every change.
	CSRFHeader = "X-CSRF-Token"
	// maxCookies of that name are looked at: another server on the same host may have put
	// one there, for cookies know no ports.
	maxCookies = 3
	// secretLength is that of the cookies that are ours.
	secretLength = 43
)

// origins refuses changes that a browser made for a page of another server.
var origins = http.NewCrossOriginProtection()

// SetCookie is the cookie of a session that began just now.
func (v Visit) SetCookie(r *http.Request) string { return cookie(r, v.Secret).String() }

// DropCookie makes the browser forget its session.
func DropCookie(r *http.Request) string {
	c := cookie(r, "")
	c.MaxAge = -1
	return c.String()
}

// cookie lasts as long as a session can last at most; the session's own end moves with
// its use, and the server knows it.
func cookie(r *http.Request, value string) *http.Cookie {
	return &http.Cookie{
		Name: CookieName, Value: value, Path: "/", MaxAge: int(sessions.Absolute.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: Secure(r),
	}
}

// Secure says whether the browser speaks TLS. A proxy's word is good enough here: who
// lies about it makes their own cookie stricter.
func Secure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// secrets are the values of the request's session cookies that can be ours.
func secrets(r *http.Request) (out []string) {
	for _, c := range r.CookiesNamed(CookieName) {
		if len(c.Value) == secretLength && len(out) < maxCookies {
			out = append(out, c.Value)
		}
	}
	return out
}

// HasCookie says whether the request carries a session cookie.
func HasCookie(r *http.Request) bool { return len(secrets(r)) > 0 }

// Secret is the secret of the session that the request is of, as its cookie has it; empty
// when it has none, or more than one.
func Secret(r *http.Request) string {
	if s := secrets(r); len(s) == 1 {
		return s[0]
	}
	return ""
}

// Authenticate finds the person whose session the request belongs to. A session that has
// ended is fault.Unauthorized; a change that does not prove that our page asked for it is
// fault.Forbidden.
func (d *Door) Authenticate(r *http.Request) (auth.Principal, bool, error) {
	if !HasCookie(r) {
		return auth.Principal{}, false, nil
	}
	v, ok, err := d.Current(r)
	if err != nil {
		return auth.Principal{}, true, err
	}
	if !ok {
		return auth.Principal{}, true, fault.New(fault.Unauthorized, "the session has ended; sign in again")
	}
	if err := d.checkChange(r, v); err != nil {
		return auth.Principal{}, true, err
	}
	return v.User.Principal(), true, nil
}

// Current finds the session of the request, without regard to what the request does. ok is
// false when there is none, or none any more.
func (d *Door) Current(r *http.Request) (v Visit, ok bool, err error) {
	for _, secret := range secrets(r) {
		err = d.o.Guard.Check(r, auth.HashOf(secret), func() error {
			v, err = d.visit(r.Context(), secret)
			return err
		})
		switch fault.CodeOf(err) {
		case "":
			return v, true, nil
		case fault.Unauthorized:
		default:
			return Visit{}, false, err
		}
	}
	return Visit{}, false, nil
}

func (d *Door) visit(ctx context.Context, secret string) (Visit, error) {
	s, err := d.o.Sessions.Find(ctx, secret)
	switch fault.CodeOf(err) {
	case "":
	case fault.NotFound:
		return Visit{}, fault.New(fault.Unauthorized, "the session has ended; sign in again")
	default:
		return Visit{}, fault.Wrap(fault.Unavailable, err, "the session cannot be looked up now; try again in a moment")
	}
	u, ok := d.o.Users.Find(s.UserID)
	if !ok || u.Disabled || u.Epoch != s.Epoch {
		return Visit{}, fault.New(fault.Unauthorized, "the session has ended; sign in again")
	}
	return Visit{User: u, Session: s}, nil
}

// checkChange demands of a change that a page of this server made it.
func (d *Door) checkChange(r *http.Request, v Visit) error {
	if safe(r.Method) {
		return nil
	}
	if err := CheckOrigin(r); err != nil {
		return err
	}
	if got := r.Header.Get(CSRFHeader); subtle.ConstantTimeCompare([]byte(got), []byte(v.Session.CSRF)) != 1 {
		return fault.Wrap(fault.Forbidden, staleToken{},
			"a change with the session cookie needs the header %s with the csrf_token of GET /api/v1/session", CSRFHeader)
	}
	return nil
}

// staleToken is why a change from our own page is refused: the page read its session before
// somebody signed in anew in another tab.
type staleToken struct{}

func (staleToken) Error() string       { return "the CSRF token is not the session's" }
func (staleToken) ProblemType() string { return model.TypeCSRF }

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// CheckOrigin refuses, with fault.Forbidden, a change that came from a page of another
// server, or with a body of a type that a form can send from anywhere.
func CheckOrigin(r *http.Request) error {
	if safe(r.Method) {
		return nil
	}
	if err := origins.Check(r); err != nil {
		return fault.Wrap(fault.Forbidden, err, "the request came from a page of another server")
	}
	if r.ContentLength == 0 {
		return nil
	}
	kind, _, err := mime.ParseMediaType(MediaType(r))
	switch {
	case err != nil, kind == "text/plain", kind == "application/x-www-form-urlencoded", strings.HasPrefix(kind, "multipart/"):
		return fault.New(fault.Forbidden, "a body that comes with the session cookie needs the header Content-Type: application/json")
	}
	return nil
}

type mediaTypeKey struct{}

// WithMediaType keeps the Content-Type that the caller sent, before the API takes every
// body as JSON.
func WithMediaType(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), mediaTypeKey{}, r.Header.Get("Content-Type")))
}

// MediaType is the Content-Type that the caller sent.
func MediaType(r *http.Request) string {
	if s, ok := r.Context().Value(mediaTypeKey{}).(string); ok {
		return s
	}
	return r.Header.Get("Content-Type")
}

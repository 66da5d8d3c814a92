package management_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/tutti-audio/tutti/services/management"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/users"
)

// idp is a small OpenID Connect provider: it signs everybody in as who claims says.
type idp struct {
	*httptest.Server
	t      *testing.T
	key    *ecdsa.PrivateKey
	wrong  *ecdsa.PrivateKey // signs instead, when set
	mu     sync.Mutex
	claims map[string]any
	info   map[string]any // of the userinfo endpoint
	spoil  func(claims map[string]any)
	codes  map[string]url.Values // what /authorize was asked
}

const (
	oidcClient = "tutti-here"
	oidcSecret = "the-secret-of-the-client"
)

func newIDP(t *testing.T) *idp {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &idp{t: t, key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"userinfo_endpoint": p.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"ES256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("client_id") != oidcClient || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get("nonce") == "" || !strings.Contains(q.Get("scope"), "openid") {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		code := rand.Text()
		p.mu.Lock()
		p.codes[code] = q
		p.mu.Unlock()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.json(w, p.info)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *idp) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if id == "" {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, ok := p.codes[r.FormValue("code")]
	delete(p.codes, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || id != oidcClient || secret != oidcSecret || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") || r.FormValue("redirect_uri") != asked.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		p.json(w, map[string]string{"error": "invalid_grant"})
		return
	}
	claims := map[string]any{"iss": p.URL, "aud": oidcClient, "sub": "s-1", "nonce": asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	if e, ok := p.claims["email"].(string); ok { // everybody has an account of their own
		claims["sub"] = "s-" + strings.ToLower(e)
	}
	maps.Copy(claims, p.claims)
	if p.spoil != nil {
		p.spoil(claims)
	}
	key := p.key
	if p.wrong != nil {
		key = p.wrong
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	if err != nil {
		p.t.Error(err)
		return
	}
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		p.t.Error(err)
		return
	}
	p.json(w, map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": raw})
}

// as makes the provider sign everybody in as this.
func (p *idp) as(claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims, p.info, p.spoil, p.wrong = claims, nil, nil, nil
}

// visitor is a browser that follows redirects and keeps cookies by their paths. It is as strict about
// SameSite as browsers are: what comes back from the provider's page brings no strict cookie.
type visitor struct {
	t       *testing.T
	cookies []*http.Cookie
}

func (b *visitor) get(address string) (*http.Response, string) {
	b.t.Helper()
	origin, _ := url.Parse(address)
	crossed := false
	for range 10 {
		u, err := url.Parse(address)
		if err != nil {
			b.t.Fatal(err)
		}
		crossed = crossed || u.Host != origin.Host
		req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, c := range b.cookies {
			if u.Host == origin.Host && strings.HasPrefix(u.Path, c.Path) && !(crossed && c.SameSite == http.SameSiteStrictMode) {
				req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
			}
		}
		resp, err := (&http.Client{Transport: client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: time.Minute}).Do(req)
		if err != nil {
			b.t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		b.keep(resp.Cookies())
		if resp.StatusCode < 300 || resp.StatusCode >= 400 {
			return resp, string(body)
		}
		next, err := u.Parse(resp.Header.Get("Location"))
		if err != nil {
			b.t.Fatal(err)
		}
		address = next.String()
	}
	b.t.Fatal("it is sent in a circle")
	return nil, ""
}

func (b *visitor) keep(set []*http.Cookie) {
	for _, c := range set {
		kept := b.cookies[:0:0]
		for _, k := range b.cookies {
			if k.Name != c.Name {
				kept = append(kept, k)
			}
		}
		if b.cookies = kept; c.MaxAge >= 0 {
			b.cookies = append(b.cookies, c)
		}
	}
}

// session is what the console asks next.
func (b *visitor) session(w *world) model.Session {
	b.t.Helper()
	_, body := b.get(w.url + "/api/v1/session")
	var s model.Session
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		b.t.Fatalf("%v: %s", err, body)
	}
	return s
}

func oidcWorld(t *testing.T, roleClaim string, admins ...string) (*world, *idp) {
	t.Helper()
	p := newIDP(t)
	w := newWorld(t, func(c *management.Config) {
		c.DataDir = t.TempDir()
		c.OIDC = management.OIDC{Issuer: p.URL, ClientID: oidcClient, ClientSecret: oidcSecret, Name: "Hotel account", RoleClaim: roleClaim, Admins: admins}
	})
	return w, p
}

// user adds somebody behind the API's back, who can sign in with an account of elsewhere
// alone: "x" is no hash of a password. It returns when the service has heard of it.
func (w *world) user(u users.User) {
	w.t.Helper()
	s, err := users.Open(w.t.Context(), w.bus, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	stop, err := s.Watch(w.t.Context(), w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer stop()
	u.ID, u.Epoch, u.CreatedAt = users.NewID(), 1, time.Now()
	if err := s.Create(w.t.Context(), u); err != nil {
		w.t.Fatal(err)
	}
	eventually(w.t, func() error {
		if r := w.get("/api/v1/users/" + u.ID); r.status != http.StatusOK {
			return fmt.Errorf("user %s: status %d", u.Name, r.status)
		}
		return nil
	})
}

const startPath = "/api/v1/session/oidc"

// TestSignInWithAnAccountOfElsewhere: a user who is here, known by a verified address.
func TestSignInWithAnAccountOfElsewhere(t *testing.T) {
	w, p := oidcWorld(t, "")
	w.user(users.User{Name: "Maria@example.org", Role: auth.RoleOperator, Password: "x"})
	b := &visitor{t: t}
	if s := b.session(w); s.OIDC == nil || s.OIDC.Name != "Hotel account" || s.OIDC.URL != startPath {
		t.Fatalf("the button: %+v", s.OIDC)
	}
	p.as(map[string]any{"email": "maria@example.org", "email_verified": true})
	resp, _ := b.get(w.url + startPath)
	if resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/" {
		t.Fatalf("it ends at %s with %s", resp.Request.URL, resp.Status)
	}
	s := b.session(w)
	if !s.SignedIn || s.User.Name != "Maria@example.org" || s.User.Role != "operator" || s.CSRFToken == "" {
		t.Errorf("session: %+v", s)
	}
	for _, c := range b.cookies {
		if c.Name == "tutti_oidc" || c.Name == "tutti_session" && (!c.HttpOnly || c.SameSite != http.SameSiteStrictMode) {
			t.Errorf("cookie %v", c)
		}
	}
	w.eventuallyAudited("user:Maria@example.org user.signed_in")
	// The userinfo endpoint may be where the address is.
	p.as(map[string]any{})
	p.mu.Lock()
	p.claims = map[string]any{"sub": "s-maria@example.org"}
	p.info = map[string]any{"sub": "s-maria@example.org", "email": "maria@example.org", "email_verified": "true"}
	p.mu.Unlock()
	other := &visitor{t: t}
	if other.get(w.url + startPath); !other.session(w).SignedIn {
		t.Error("by the userinfo endpoint nobody is signed in")
	}
}

// TestNoProofNoSession goes through what must not let anybody in.
func TestNoProofNoSession(t *testing.T) {
	w, p := oidcWorld(t, "")
	w.user(users.User{Name: "maria@example.org", Role: auth.RoleAdmin, Password: "x"})
	w.user(users.User{Name: "gone@example.org", Role: auth.RoleOperator, Disabled: true})
	good := map[string]any{"email": "maria@example.org", "email_verified": true}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, want string) {
		t.Helper()
		b := &visitor{t: t}
		resp, body := b.get(w.url + startPath)
		if resp.StatusCode < 400 || !strings.Contains(body, want) || b.session(w).SignedIn {
			t.Errorf("%s: %s %s", what, resp.Status, body)
		}
	}
	for what, x := range map[string]struct {
		claims map[string]any
		spoil  func(map[string]any)
		wrong  *ecdsa.PrivateKey
		want   string
	}{
		"an address that is not verified": {map[string]any{"email": "maria@example.org"}, nil, nil, "not verified"},
		"an unknown person":               {map[string]any{"email": "eve@example.org", "email_verified": true}, nil, nil, "no user of that name"},
		"a hostile name":                  {map[string]any{"email": "<script>alert(1)</script>", "email_verified": true}, nil, nil, "&lt;script&gt;"},
		"a disabled user":                 {map[string]any{"email": "gone@example.org", "email_verified": true}, nil, nil, "disabled"},
		"no address":                      {map[string]any{}, nil, nil, "does not"},
		"another key":                     {good, nil, other, "not valid"},
		"for another client":              {good, func(c map[string]any) { c["aud"] = "somebody" }, nil, "not valid"},
		"of another issuer":               {good, func(c map[string]any) { c["iss"] = "https://evil.example" }, nil, "not valid"},
		"too old":                         {good, func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }, nil, "not valid"},
		"of another sign-in":              {good, func(c map[string]any) { c["nonce"] = "replayed" }, nil, "another sign-in"},
	} {
		p.as(x.claims)
		p.mu.Lock()
		p.spoil, p.wrong = x.spoil, x.wrong
		p.mu.Unlock()
		refused(what, x.want)
	}
	p.as(good)
	// Somebody else's answer, in a browser that has begun nothing, or something else.
	b := &visitor{t: t}
	for _, q := range []string{"?code=x&state=y", "?error=access_denied&state=y", ""} {
		if resp, body := b.get(w.url + startPath + "/callback" + q); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "begin again") {
			t.Errorf("%q: %s %s", q, resp.Status, body)
		}
	}
	b.keep([]*http.Cookie{{Name: "tutti_oidc", Value: base64.RawURLEncoding.EncodeToString([]byte(`{"s":"mine","n":"n","v":"v"}`)), Path: "/"}})
	if resp, body := b.get(w.url + startPath + "/callback?code=x&state=theirs"); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "this browser began") {
		t.Errorf("another state: %s %s", resp.Status, body)
	}
	if b.session(w).SignedIn {
		t.Error("signed in")
	}
	if log := w.logs.String(); strings.Contains(log, oidcSecret) {
		t.Error("the client's secret is in the log")
	}
}

// TestTheProviderMayGiveRoles to those who have no password here.
func TestTheProviderMayGiveRoles(t *testing.T) {
	w, p := oidcWorld(t, "groups")
	w.user(users.User{Name: "boss@example.org", Role: auth.RoleAdmin, Password: "x"})
	as := func(email string, groups any) model.Session {
		t.Helper()
		p.as(map[string]any{"email": email, "email_verified": true, "groups": groups})
		b := &visitor{t: t}
		b.get(w.url + startPath)
		return b.session(w)
	}
	if s := as("new@example.org", []string{"staff", "tutti-viewer", "tutti-operator"}); !s.SignedIn || s.User.Role != "operator" || s.User.Name != "new@example.org" {
		t.Errorf("a new one: %+v", s.User)
	}
	if s := as("new@example.org", "tutti-viewer"); !s.SignedIn || s.User.Role != "viewer" {
		t.Errorf("with another role: %+v", s.User)
	}
	for _, groups := range []any{nil, []string{"staff", "admin", "tutti-", "tutti-none"}, 7} {
		if s := as("new@example.org", groups); s.SignedIn {
			t.Errorf("with %v: %+v", groups, s.User)
		}
	}
	// Who has a password here has the role that was given here.
	if s := as("boss@example.org", "tutti-viewer"); !s.SignedIn || s.User.Role != "admin" {
		t.Errorf("a user with a password: %+v", s.User)
	}
}

func TestAProviderThatIsAwayIsNoReasonNotToStart(t *testing.T) {
	w := newWorld(t, func(c *management.Config) {
		c.OIDC = management.OIDC{Issuer: "http://127.0.0.1:1", ClientID: oidcClient}
	})
	resp, body := (&visitor{t: t}).get(w.url + startPath)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "sign in with a password") {
		t.Errorf("%s %s", resp.Status, body)
	}
	for _, o := range []management.OIDC{{Issuer: "https://id.example"}, {ClientID: "x"}, {Issuer: "http://id.example", ClientID: "x"}, {Issuer: "http://localhost.evil", ClientID: "x"}, {Admins: []string{"maria@example.org"}}} {
		if _, err := management.New(management.Config{InstanceID: "m", AdminToken: "x", OIDC: o}, management.Deps{Bus: w.bus}); err == nil || !strings.Contains(strings.ToLower(err.Error()), "oidc") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// Package oidc signs people in with an account of an OpenID Connect provider: the code
// flow with PKCE, state and nonce. It says who somebody is; what they may do is the
// caller's.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	coreos "github.com/coreos/go-oidc/v3/oidc"
	"github.com/jonboulle/clockwork"
	"golang.org/x/oauth2"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
)

const (
	// StartPath and CallbackPath are where the flow begins, and where the provider sends
	// the browser back to. The second one is registered with the provider.
	StartPath    = "/api/v1/session/oidc"
	CallbackPath = StartPath + "/callback"
	// cookieName keeps a flow's secrets in the browser that began it, for flowTime.
	cookieName = "tutti_oidc"
	flowTime   = 10 * time.Minute
	// askTime bounds one question to the provider.
	askTime = 10 * time.Second
	// maxSubject is the greatest length of an account's subject in bytes; the standard allows 255.
	maxSubject = 255
	// RolePrefix begins the values of the role claim that give a role: tutti-admin,
	// tutti-operator, tutti-viewer. Others are somebody else's.
	RolePrefix = "tutti-"
)

// Config names a provider and what this server is to it.
type Config struct {
	// Issuer is the provider's address, as its tokens name it; https, but for this machine.
	Issuer string
	// ClientID and ClientSecret are what the provider knows this server by. The secret may
	// be empty where the provider allows it.
	ClientID, ClientSecret string
	// UserClaim is the claim that holds the name of the user; empty: "email", of which only
	// a verified one counts.
	UserClaim string
	// RoleClaim is the claim that holds roles; empty: roles are given here alone.
	RoleClaim string
}

// Person is who the provider says somebody is.
type Person struct {
	// Issuer is the provider, and Subject names the account there, for ever.
	Issuer, Subject string
	// Name is what the user claim holds.
	Name string
	// Role is the highest one of the role claim; auth.RoleNone when there is none.
	Role auth.Role
}

// Flow signs people in. Safe for concurrent use.
type Flow struct {
	cfg    Config
	clock  clockwork.Clock
	life   context.Context // of what the provider's keys are fetched with
	client *http.Client

	mu       sync.Mutex // guards provider, which is looked for until it is found
	provider *coreos.Provider
}

// New makes a Flow, which asks nobody yet: the provider may come later. What it does ends
// with life, and then Close is called.
func New(life context.Context, cfg Config, clock clockwork.Clock) *Flow {
	if cfg.UserClaim == "" {
		cfg.UserClaim = "email"
	}
	return &Flow{cfg: cfg, clock: clock, life: life, client: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), Timeout: askTime}}
}

// Close ends idle connections.
func (f *Flow) Close() { f.client.CloseIdleConnections() }

// secrets of one flow are in the browser that began it alone.
type secrets struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
}

func draw() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Begin returns where the browser is sent, and the cookie that it comes back with.
func (f *Flow) Begin(ctx context.Context, base string, secure bool) (url string, cookie *http.Cookie, err error) {
	p, err := f.find(ctx)
	if err != nil {
		return "", nil, err
	}
	s := secrets{draw(), draw(), oauth2.GenerateVerifier()}
	b, err := json.Marshal(s)
	if err != nil {
		return "", nil, err
	}
	c := f.cookie(base64.RawURLEncoding.EncodeToString(b), secure)
	c.MaxAge = int(flowTime.Seconds())
	return f.oauth(p, base).AuthCodeURL(s.State, coreos.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier)), c, nil
}

// Drop is the cookie that makes the browser forget a flow.
func (f *Flow) Drop(secure bool) *http.Cookie {
	c := f.cookie("", secure)
	c.MaxAge = -1
	return c
}

// cookie is lax: the browser comes back from the provider's page.
func (f *Flow) cookie(value string, secure bool) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: StartPath, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure}
}

// End takes the browser's return and says who it is. Errors are fault.Unauthorized when
// that was not proven, and fault.Unavailable when the provider does not answer.
func (f *Flow) End(r *http.Request, base string) (Person, error) {
	s, err := begun(r)
	if err != nil {
		return Person{}, err
	}
	q := r.URL.Query()
	switch {
	case subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(s.State)) != 1:
		return Person{}, fault.New(fault.Unauthorized, "the answer does not belong to a sign-in that this browser began: begin again")
	case q.Get("error") != "":
		return Person{}, fault.New(fault.Unauthorized, "the provider did not sign you in (%s): begin again, or ask who runs it", clip(q.Get("error")))
	}
	p, err := f.find(r.Context())
	if err != nil {
		return Person{}, err
	}
	ctx := coreos.ClientContext(r.Context(), f.client)
	token, err := f.oauth(p, base).Exchange(ctx, q.Get("code"), oauth2.VerifierOption(s.Verifier))
	if err != nil {
		return Person{}, fault.Wrap(fault.Unauthorized, err, "the provider did not take the code of the sign-in: begin again")
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Person{}, fault.New(fault.Unauthorized, "the provider's answer holds no proof of who you are: it has to allow the scope openid to this server")
	}
	id, err := p.VerifierContext(coreos.ClientContext(f.life, f.client), &coreos.Config{ClientID: f.cfg.ClientID, Now: f.clock.Now}).Verify(ctx, raw)
	if err != nil {
		return Person{}, fault.Wrap(fault.Unauthorized, err, "the provider's proof of who you are is not valid: begin again; check the clocks of both servers")
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(s.Nonce)) != 1 {
		return Person{}, fault.New(fault.Unauthorized, "the provider's proof belongs to another sign-in: begin again")
	}
	return f.person(ctx, p, token, id)
}

// begun reads the flow's secrets from the cookie.
func begun(r *http.Request) (s secrets, err error) {
	c, err := r.Cookie(cookieName)
	if err == nil {
		var b []byte
		if b, err = base64.RawURLEncoding.DecodeString(c.Value); err == nil {
			err = json.Unmarshal(b, &s)
		}
	}
	if err != nil || s.State == "" || s.Nonce == "" || s.Verifier == "" {
		return s, fault.New(fault.Unauthorized, "this browser has not begun to sign in, or has waited too long: begin again, and allow cookies")
	}
	return s, nil
}

// person reads the claims. A provider may keep them for its userinfo endpoint.
func (f *Flow) person(ctx context.Context, p *coreos.Provider, token *oauth2.Token, id *coreos.IDToken) (Person, error) {
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return Person{}, fault.Wrap(fault.Unauthorized, err, "the provider's proof of who you are cannot be read")
	}
	if claims[f.cfg.UserClaim] == nil && p.UserInfoEndpoint() != "" {
		info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err == nil && info.Subject == id.Subject {
			err = info.Claims(&claims)
		}
		if err != nil {
			return Person{}, fault.Wrap(fault.Unavailable, err, "the provider does not say who you are: try again in a moment")
		}
	}
	name, _ := claims[f.cfg.UserClaim].(string)
	if name = strings.TrimSpace(name); name == "" {
		return Person{}, fault.New(fault.Unauthorized, "the provider does not tell the claim %q of your account: allow it to this server, or name another claim with --oidc-user-claim", f.cfg.UserClaim)
	}
	if f.cfg.UserClaim == "email" && !verified(claims["email_verified"]) {
		return Person{}, fault.New(fault.Unauthorized, "the provider has not verified the address %s: verify it there, or name another claim with --oidc-user-claim", clip(name))
	}
	if len(id.Subject) == 0 || len(id.Subject) > maxSubject {
		return Person{}, fault.New(fault.Unauthorized, "the provider's name of your account (sub) is empty or too long")
	}
	out := Person{Issuer: id.Issuer, Subject: id.Subject, Name: name}
	if f.cfg.RoleClaim != "" {
		out.Role = roleOf(claims[f.cfg.RoleClaim])
	}
	return out, nil
}

// verified takes the forms in which providers send that claim.
func verified(v any) bool {
	s, ok := v.(string)
	return v == true || ok && s == "true"
}

// roleOf is the highest role among the values of a claim, a word or a list of them.
func roleOf(claim any) (best auth.Role) {
	all, ok := claim.([]any)
	if !ok {
		all = []any{claim}
	}
	for _, x := range all {
		s, _ := x.(string)
		if name, ok := strings.CutPrefix(s, RolePrefix); ok {
			if r, ok := auth.ParseRole(name); ok {
				best = max(best, r)
			}
		}
	}
	return best
}

// find looks the provider up, once it answers.
func (f *Flow) find(ctx context.Context) (*coreos.Provider, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.provider != nil {
		return f.provider, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	p, err := coreos.NewProvider(coreos.ClientContext(ctx, f.client), f.cfg.Issuer)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the provider of accounts does not answer: try again in a moment, or sign in with a password")
	}
	f.provider = p
	return p, nil
}

func (f *Flow) oauth(p *coreos.Provider, base string) *oauth2.Config {
	return &oauth2.Config{ClientID: f.cfg.ClientID, ClientSecret: f.cfg.ClientSecret, Endpoint: p.Endpoint(),
		RedirectURL: base + CallbackPath, Scopes: []string{coreos.ScopeOpenID, "profile", "email"}}
}

// clip keeps what came from elsewhere from filling an answer.
func clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}

// CheckIssuer says what is wrong with the address of a provider.
func CheckIssuer(issuer string) error {
	if strings.HasPrefix(issuer, "https://") {
		return nil
	}
	for _, local := range []string{"http://localhost", "http://127.0.0.1", "http://[::1]"} {
		if rest, ok := strings.CutPrefix(issuer, local); ok && (rest == "" || rest[0] == ':' || rest[0] == '/') {
			return nil
		}
	}
	return fmt.Errorf("%q has to begin with https://", issuer)
}

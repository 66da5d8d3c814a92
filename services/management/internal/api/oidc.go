package api

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/ledger"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/oidc"
	"github.com/tutti-audio/tutti/services/management/internal/signin"
	"github.com/tutti-audio/tutti/services/management/internal/users"
)

// oidcPatience bounds the questions to a provider.
const oidcPatience = 25 * time.Second

// oidcInput documents what the provider sends; the flow reads it itself.
type oidcInput struct {
	State string `query:"state" maxLength:"512"`
	Code  string `query:"code" maxLength:"4096"`
	Error string `query:"error" maxLength:"512"`
}

func (a *API) oidcRoutes() {
	if a.d.Flow == nil {
		return
	}
	a.d.OIDC.URL = oidc.StartPath
	register(a, route{
		id: "begin-oidc", method: http.MethodGet, path: oidc.StartPath, tag: tagUsers, open: true, patience: oidcPatience,
		summary: "Sign in with an account of elsewhere", doc: "For browsers: leads to the provider's page.",
		success: &huma.Response{Description: "Never: the answer is a redirect (303), or a page that says what is wrong."},
	}, func(context.Context, *nothing) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(c huma.Context) { a.beginOIDC(humago.Unwrap(c)) }}, nil
	})
	register(a, route{
		id: "end-oidc", method: http.MethodGet, path: oidc.CallbackPath, tag: tagUsers, open: true, patience: oidcPatience,
		summary: "Come back from the provider", doc: "For browsers: sets the cookie `tutti_session` and leads to the console. This address is registered with the provider.",
		success: &huma.Response{Description: "Never: the answer is a redirect (303), or a page that says what is wrong."},
		errors:  []int{http.StatusUnprocessableEntity},
	}, func(context.Context, *oidcInput) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(c huma.Context) { a.endOIDC(humago.Unwrap(c)) }}, nil
	})
}

// ownAddress is how the browser reaches this server. The provider takes no other than the
// registered ones, so that a wrong Host leads nowhere.
func ownAddress(r *http.Request) string {
	if signin.Secure(r) {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (a *API) beginOIDC(r *http.Request, w http.ResponseWriter) {
	url, cookie, err := a.d.Flow.Begin(r.Context(), ownAddress(r), signin.Secure(r))
	if err != nil {
		a.noOIDC(r, w, err)
		return
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, url, http.StatusSeeOther)
}

func (a *API) endOIDC(r *http.Request, w http.ResponseWriter) {
	http.SetCookie(w, a.d.Flow.Drop(signin.Secure(r)))
	p, err := a.d.Flow.End(r, ownAddress(r))
	if err != nil {
		a.noOIDC(r, w, err)
		return
	}
	u, err := a.userOf(r.Context(), p)
	if err != nil {
		a.d.Ledger.Append(r.Context(), ledger.Act{Actor: "anonymous", Kind: "user.sign_in_failed",
			Detail: fmt.Sprintf("account %q (%s) of the provider, from %s", clip(p.Name), clip(p.Subject), auth.Peer(r))})
		a.noOIDC(r, w, err)
		return
	}
	v, err := a.d.Door.Begin(r.Context(), u, fmt.Sprintf("with the account %q (%s) of the provider, from %s", clip(p.Name), clip(p.Subject), auth.Peer(r)))
	if err != nil {
		a.noOIDC(r, w, err)
		return
	}
	w.Header().Add("Set-Cookie", v.SetCookie(r))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// userOf finds the user of an account. The first time it goes by the name, and the account
// is linked to the user; from then on by the account alone, so that whoever comes to have
// another's name at the provider does not become that user here. Who has no password is known by the
// account alone: then the role claim, where there is one, says what they may do, and who has
// a role there, or is among OIDCAdmins, but is no user yet becomes one.
func (a *API) userOf(ctx context.Context, p oidc.Person) (users.User, error) {
	store := a.d.Door.Users()
	account := users.Account{Issuer: p.Issuer, Subject: p.Subject}
	u, known := store.FindAccount(account)
	name := p.Name
	if !known {
		if u, known = store.FindName(p.Name); known && u.Account != nil {
			a.d.Log.WarnContext(ctx, "an account of the provider has the name of a user that is another account's", "user", u.Name, "subject", clip(p.Subject))
			return u, fault.New(fault.Forbidden, "the user %s belongs to another account of the provider: ask an administrator of Tutti, who can unlink it", clip(p.Name))
		}
	}
	if known {
		name = u.Name // what it was when the account was linked: a new name makes nobody an administrator
	}
	refused := func(why string) error {
		return fault.New(fault.Forbidden, "the account %s is known, and %s: ask an administrator of Tutti", clip(p.Name), why)
	}
	admin := slices.ContainsFunc(a.d.OIDCAdmins, func(x string) bool { return users.Fold(x) == users.Fold(name) })
	follows := (a.d.OIDCRoles || admin) && (!known || u.Password == "")
	role := p.Role
	if admin {
		role = auth.RoleAdmin
	}
	switch {
	case known && u.Disabled:
		return u, refused("its user is disabled here")
	case follows && role == auth.RoleNone:
		return u, refused("gives no role here")
	case known:
		return a.follow(ctx, u, account, follows, role)
	case !follows:
		return u, refused("there is no user of that name here")
	}
	return a.newcomer(ctx, p, account, role)
}

// follow links a user to the account that signs in, and gives it the provider's role where
// that counts.
func (a *API) follow(ctx context.Context, u users.User, account users.Account, follows bool, role auth.Role) (users.User, error) {
	var change users.Patch
	var words []string
	if u.Account == nil {
		change.Account = &account
		words = append(words, fmt.Sprintf("linked to the account %q of the provider", account.Subject))
	}
	if follows && u.Role != role {
		change.Role = &role
		words = append(words, fmt.Sprintf("role %s, as the provider says", role))
	}
	if len(words) == 0 {
		return u, nil
	}
	if err := a.recordAs(ctx, "oidc", "user.changed", fmt.Sprintf("user %q (%s): %s", u.Name, u.ID, strings.Join(words, ", "))); err != nil {
		return u, err
	}
	return a.d.Door.Users().Change(ctx, u.ID, change)
}

// newcomer makes a user of an account with a role. It may be the first one: then the
// set-up is over.
func (a *API) newcomer(ctx context.Context, p oidc.Person, account users.Account, role auth.Role) (users.User, error) {
	name, err := users.CheckName(p.Name, "body.name")
	if err != nil {
		return users.User{}, fault.New(fault.Forbidden, "the account %s is known, and its name cannot be a user's: ask an administrator of Tutti", clip(p.Name))
	}
	u := users.User{ID: users.NewID(), Name: name, Role: role, Account: &account, Epoch: 1, CreatedAt: users.Created(a.d.Clock.Now())}
	if err := a.recordAs(ctx, "oidc", "user.created", fmt.Sprintf("user %q (%s), %s, as the provider says", u.Name, u.ID, u.Role)); err != nil {
		return u, err
	}
	first := a.d.Door.SetUpNeeded()
	if err := a.d.Door.Users().Create(ctx, u); err != nil {
		return u, err
	}
	if first {
		a.d.Door.EndSetUp(ctx)
	}
	return u, nil
}

var noOIDCPage = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Not signed in</title><h1>Not signed in</h1><p>{{.}}</p><p><a href="/">Back to Tutti</a></p></html>
`))

// noOIDC tells a person why they are not signed in.
func (a *API) noOIDC(r *http.Request, w http.ResponseWriter, err error) {
	p := model.FromError(err)
	a.d.Log.InfoContext(r.Context(), "not signed in by the provider", obs.KeyErr, err, obs.KeyTrace, bus.TraceID(r.Context()))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	_ = noOIDCPage.Execute(w, p.Detail) // the caller has gone; there is nobody to tell
}

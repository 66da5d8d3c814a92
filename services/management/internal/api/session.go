package api

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/ledger"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/signin"
	"github.com/tutti-audio/tutti/services/management/internal/users"
)

type signInInput struct {
	Body struct {
		Name     string `json:"name" maxLength:"256" example:"Maria"`
		Password string `json:"password" maxLength:"4096" format:"password"`
	}
}

type setUpInput struct {
	Body struct {
		Code     string `json:"code" maxLength:"64" doc:"Printed by the server at its start, and in the file setup-code of its data directory." example:"7K3M-Q9TX-2VHC"`
		Name     string `json:"name" maxLength:"256" doc:"Of the first administrator." example:"Maria"`
		Password string `json:"password" maxLength:"4096" format:"password" doc:"At least 10 characters."`
	}
}

type passwordInput struct {
	Body struct {
		Old string `json:"old_password" maxLength:"4096" format:"password"`
		New string `json:"new_password" maxLength:"4096" format:"password" doc:"At least 10 characters."`
	}
}

type sessionAnswer struct {
	SetCookie string `header:"Set-Cookie" doc:"tutti_session, where the session began just now."`
	Body      model.Session
}

type cookieAnswer struct {
	SetCookie string `header:"Set-Cookie"`
}

func (a *API) sessionRoutes() {
	bad := []int{http.StatusBadRequest, http.StatusUnprocessableEntity}
	register(a, route{
		id: "get-session", method: http.MethodGet, path: "/api/v1/session", tag: tagUsers, open: true,
		summary: "Who is signed in", doc: "Needs no credential. A browser that is signed in sends the cookie `tutti_session`.",
	}, a.getSession)
	register(a, route{
		id: "sign-in", method: http.MethodPost, path: "/api/v1/session", tag: tagUsers, open: true,
		summary: "Sign in", doc: "Sets the cookie `tutti_session`. 401 when the name or the password is wrong; 429 after too many of those.", errors: bad,
	}, a.signIn)
	register(a, route{
		id: "sign-out", method: http.MethodDelete, path: "/api/v1/session", tag: tagUsers, open: true, status: http.StatusNoContent,
		summary: "Sign out", doc: "Ends the session of the cookie. Without one there is nothing to do.",
	}, a.signOut)
	register(a, route{
		id: "change-password", method: http.MethodPut, path: "/api/v1/session/password", tag: tagUsers, role: auth.RoleNone, zone: zoneAny, status: http.StatusNoContent,
		summary: "Change one's own password", doc: "All other sessions of the user end; the present one gets a new cookie.", errors: bad,
	}, a.changePassword)
	register(a, route{
		id: "set-up", method: http.MethodPost, path: "/api/v1/setup", tag: tagUsers, open: true,
		summary: "Make the first administrator", doc: "Possible while there is no user, with the code that the server printed at its start. Signs in. 401 when the code is wrong, 409 when there is a user already.",
		errors: append([]int{http.StatusConflict}, bad...),
	}, a.setUp)
}

type requestKey struct{}

// withRequest lets a handler see the request itself.
func withRequest(c huma.Context, r *http.Request) huma.Context {
	return huma.WithContext(c, context.WithValue(c.Context(), requestKey{}, r))
}

// requestOf is the request that ctx belongs to, with ctx.
func requestOf(ctx context.Context) *http.Request {
	return ctx.Value(requestKey{}).(*http.Request).WithContext(ctx)
}

// openDoor is authorize for what needs no credential: a page of another server cannot use
// it, all the same.
func (a *API) openDoor(c huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(c)
	if err := signin.CheckOrigin(r); err != nil {
		WriteProblem(w, model.FromError(err))
		return
	}
	next(withRequest(c, r))
}

func (a *API) getSession(ctx context.Context, _ *nothing) (*sessionAnswer, error) {
	v, ok, err := a.d.Door.Current(requestOf(ctx))
	if err != nil {
		return nil, err
	}
	out := model.Session{SetUpNeeded: a.d.Door.SetUpNeeded(), OIDC: a.d.OIDC}
	if ok {
		out = a.showSession(v)
	}
	return &sessionAnswer{Body: out}, nil
}

func (a *API) showSession(v signin.Visit) model.Session {
	u, end := showSessionUser(v.User), v.Session.ExpiresAt()
	return model.Session{SignedIn: true, User: &u, CSRFToken: v.Session.CSRF, ExpiresAt: &end, OIDC: a.d.OIDC}
}

func showSessionUser(u users.User) model.SessionUser {
	return model.SessionUser{UserID: u.ID, Name: u.Name, Role: u.Role.String(), Zones: showZones(u.Zones), Language: u.Language}
}

func showZones(zones map[string]auth.Role) []model.ZoneRole {
	out := []model.ZoneRole{}
	for _, id := range slices.Sorted(maps.Keys(zones)) {
		out = append(out, model.ZoneRole{GroupID: id, Role: zones[id].String()})
	}
	return out
}

func (a *API) signIn(ctx context.Context, in *signInInput) (*sessionAnswer, error) {
	r := requestOf(ctx)
	v, err := a.d.Door.SignIn(r, in.Body.Name, in.Body.Password)
	if err != nil {
		return nil, err
	}
	return &sessionAnswer{SetCookie: v.SetCookie(r), Body: a.showSession(v)}, nil
}

func (a *API) setUp(ctx context.Context, in *setUpInput) (*sessionAnswer, error) {
	r := requestOf(ctx)
	v, err := a.d.Door.SetUp(r, in.Body.Code, in.Body.Name, in.Body.Password, func(actor, detail string) error {
		return a.recordAs(ctx, actor, "user.created", detail)
	})
	if err != nil {
		return nil, err
	}
	return &sessionAnswer{SetCookie: v.SetCookie(r), Body: a.showSession(v)}, nil
}

// signOut ends the session without asking more of a request than that it came from a page
// of ours, with the CSRF token.
func (a *API) signOut(ctx context.Context, _ *nothing) (*cookieAnswer, error) {
	r := requestOf(ctx)
	p, _, err := a.d.Door.Authenticate(r)
	switch fault.CodeOf(err) {
	case "":
	case fault.Unauthorized: // it has ended already
		return &cookieAnswer{SetCookie: signin.DropCookie(r)}, nil
	default:
		return nil, err
	}
	if err := a.d.Door.SignOut(r); err != nil {
		return nil, err
	}
	if p.UserID != "" {
		a.d.Ledger.Append(ctx, ledger.Act{Actor: p.Actor, Kind: "user.signed_out"})
	}
	return &cookieAnswer{SetCookie: signin.DropCookie(r)}, nil
}

func (a *API) changePassword(ctx context.Context, in *passwordInput) (*cookieAnswer, error) {
	r := requestOf(ctx)
	v, err := a.d.Door.ChangePassword(r, in.Body.Old, in.Body.New)
	if err != nil {
		return nil, err
	}
	a.act(ctx, "user.password_changed", "", "by the user")
	return &cookieAnswer{SetCookie: v.SetCookie(r)}, nil
}

package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/users"
)

type createUser struct {
	Body struct {
		Name     string            `json:"name" maxLength:"256" doc:"Unique without regard to case; shown in the audit ledger." example:"Maria"`
		Role     string            `json:"role" enum:"none,viewer,operator,admin" doc:"What the user may do everywhere; none with zones for somebody of these alone."`
		Zones    *[]model.ZoneRole `json:"zones,omitempty" nullable:"false" maxItems:"200" doc:"What the user may do in single groups beyond that."`
		Password *string           `json:"password,omitempty" maxLength:"4096" format:"password" doc:"At least 10 characters. Without one the user can sign in by OIDC alone, where that is set up."`
		Disabled *bool             `json:"disabled,omitempty"`
		Language *string           `json:"language,omitempty" maxLength:"35" doc:"Of the console, BCP 47; empty: the browser's." example:"fr"`
	}
}

type patchUser struct {
	UserPath
	Body struct {
		Name     *string           `json:"name,omitempty" maxLength:"256"`
		Role     *string           `json:"role,omitempty" enum:"none,viewer,operator,admin"`
		Zones    *[]model.ZoneRole `json:"zones,omitempty" nullable:"false" maxItems:"200" doc:"Replaces all zones of the user."`
		Password *string           `json:"password,omitempty" maxLength:"4096" format:"password" doc:"At least 10 characters. The user's sessions end."`
		Disabled *bool             `json:"disabled,omitempty" doc:"True ends the user's sessions."`
		Language *string           `json:"language,omitempty" maxLength:"35"`
		Unlink   *bool             `json:"unlink_account,omitempty" doc:"True: the account of the provider does not sign in as this user any more, and the next one of that name does. The user's sessions end."`
	}
}

// UserPath is the path of one user (exported as ClientPath is).
type UserPath struct {
	ID string `path:"user_id" maxLength:"64"`
}

type createdUser struct {
	Location string `header:"Location"`
	Body     model.User
}

func (a *API) userRoutes() {
	bad := []int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity}
	one := append([]int{http.StatusNotFound}, bad...)
	register(a, route{
		id: "list-users", method: http.MethodGet, path: "/api/v1/users", tag: tagUsers, role: auth.RoleAdmin,
		summary: "All users", doc: "In the order of their names.",
	}, func(context.Context, *nothing) (*body[model.Users], error) {
		out := model.Users{Users: []model.User{}}
		for _, u := range a.d.Door.Users().List() {
			out.Users = append(out.Users, a.showUser(u))
		}
		return answer(out), nil
	})
	register(a, route{
		id: "create-user", method: http.MethodPost, path: "/api/v1/users", tag: tagUsers, role: auth.RoleAdmin, status: http.StatusCreated,
		summary: "Make a user", errors: bad,
	}, a.createUser)
	register(a, route{
		id: "get-user", method: http.MethodGet, path: "/api/v1/users/{user_id}", tag: tagUsers, role: auth.RoleAdmin,
		summary: "One user", errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(_ context.Context, in *UserPath) (*body[model.User], error) {
		u, err := a.d.Door.Users().Get(in.ID)
		return answer(a.showUser(u)), err
	})
	register(a, route{
		id: "patch-user", method: http.MethodPatch, path: "/api/v1/users/{user_id}", tag: tagUsers, role: auth.RoleAdmin,
		summary: "Change a user", doc: "What is absent stays. 409 for a name that is taken, and for the last administrator who can sign in.", errors: one,
	}, a.patchUser)
	register(a, route{
		id: "delete-user", method: http.MethodDelete, path: "/api/v1/users/{user_id}", tag: tagUsers, role: auth.RoleAdmin, status: http.StatusNoContent,
		summary: "Delete a user", doc: "The user's sessions end. 409 for the last administrator who can sign in.",
		errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, a.deleteUser)
}

func (a *API) showUser(u users.User) model.User {
	out := model.User{SessionUser: showSessionUser(u), Disabled: u.Disabled, HasPassword: u.Password != "", CreatedAt: u.CreatedAt}
	if u.Account != nil {
		out.Account = &model.Account{Issuer: u.Account.Issuer, Subject: u.Account.Subject}
	}
	if at := a.d.Door.Users().LastSignIn(u.ID); !at.IsZero() {
		out.LastSignInAt = &at
	}
	return out
}

// createUser writes its line into the ledger before the user exists, as createToken does.
func (a *API) createUser(ctx context.Context, in *createUser) (*createdUser, error) {
	b := in.Body
	u := users.User{ID: users.NewID(), Epoch: 1, CreatedAt: users.Created(a.d.Clock.Now()), Disabled: b.Disabled != nil && *b.Disabled}
	var err error
	if u.Name, err = users.CheckName(b.Name, "body.name"); err != nil {
		return nil, err
	}
	if u.Role, u.Zones, err = a.scope(b.Role, b.Zones); err != nil {
		return nil, err
	}
	if u.Language, err = language(b.Language); err != nil {
		return nil, err
	}
	if err := a.d.Door.Users().Free(u.Name); err != nil {
		return nil, err
	}
	if b.Password != nil {
		if u.Password, err = a.d.Door.NewHash(ctx, u.Name, *b.Password, "body.password"); err != nil {
			return nil, err
		}
	}
	detail := fmt.Sprintf("user %q (%s) with %s", u.Name, u.ID, scopeText(u.Role, u.Zones))
	if err := a.record(ctx, "user.created", detail); err != nil {
		return nil, err
	}
	if err := a.d.Door.Users().Create(ctx, u); err != nil {
		a.act(ctx, "user.create_failed", "", detail)
		return nil, err
	}
	return &createdUser{Location: "/api/v1/users/" + u.ID, Body: a.showUser(u)}, nil
}

func language(s *string) (string, error) {
	if s == nil || *s == "" {
		return "", nil
	}
	if !languageTag(*s) {
		return "", badField("body.language", "is no language tag such as de-CH")
	}
	return *s, nil
}

// patchUser writes its line into the ledger first where the change lets somebody do more;
// what takes rights away must not wait for the ledger.
func (a *API) patchUser(ctx context.Context, in *patchUser) (*body[model.User], error) {
	before, err := a.d.Door.Users().Get(in.ID)
	if err != nil {
		return nil, err
	}
	p, err := a.userPatch(ctx, before, in)
	if err != nil {
		return nil, err
	}
	detail := fmt.Sprintf("user %q (%s): %s", before.Name, before.ID, says(p))
	gives := p.Unlink || p.Password != nil || p.Role != nil || p.Zones != nil || p.Disabled != nil && !*p.Disabled
	if gives {
		if err := a.record(ctx, "user.changed", detail); err != nil {
			return nil, err
		}
	}
	u, err := a.d.Door.Users().Change(ctx, in.ID, p)
	if err != nil {
		if gives {
			a.act(ctx, "user.change_failed", "", detail)
		}
		return nil, err
	}
	if u.Epoch != before.Epoch {
		a.d.Door.EndAll(ctx, u.ID)
	}
	if !gives {
		a.act(ctx, "user.changed", "", detail)
	}
	return answer(a.showUser(u)), nil
}

// userPatch checks a change.
func (a *API) userPatch(ctx context.Context, before users.User, in *patchUser) (p users.Patch, err error) {
	b := in.Body
	p.Disabled, p.Unlink = b.Disabled, b.Unlink != nil && *b.Unlink && before.Account != nil
	name := before.Name
	if b.Name != nil {
		if name, err = users.CheckName(*b.Name, "body.name"); err != nil {
			return p, err
		}
		p.Name = &name
	}
	if b.Role != nil || b.Zones != nil {
		role := before.Role.String()
		if b.Role != nil {
			role = *b.Role
		}
		r, zones, err := a.scope(role, b.Zones)
		if err != nil {
			return p, err
		}
		if b.Role != nil {
			p.Role = &r
		}
		if b.Zones != nil {
			p.Zones = &zones
		}
	}
	if b.Language != nil {
		l, err := language(b.Language)
		if err != nil {
			return p, err
		}
		p.Language = &l
	}
	if b.Password != nil {
		phc, err := a.d.Door.NewHash(ctx, name, *b.Password, "body.password")
		if err != nil {
			return p, err
		}
		p.Password = &phc
	}
	return p, nil
}

// says is a change for the ledger, without secrets.
func says(p users.Patch) string {
	var out []string
	if p.Name != nil {
		out = append(out, fmt.Sprintf("name %q", *p.Name))
	}
	if p.Role != nil {
		out = append(out, "the role "+p.Role.String())
	}
	if p.Zones != nil {
		out = append(out, strings.TrimPrefix(scopeText(auth.RoleNone, *p.Zones), "the role none, "))
	}
	if p.Disabled != nil {
		out = append(out, fmt.Sprintf("disabled %t", *p.Disabled))
	}
	if p.Language != nil {
		out = append(out, fmt.Sprintf("language %q", *p.Language))
	}
	if p.Password != nil {
		out = append(out, "a new password")
	}
	if p.Unlink {
		out = append(out, "the provider's account is unlinked")
	}
	return strings.Join(out, ", ")
}

func (a *API) deleteUser(ctx context.Context, in *UserPath) (*struct{}, error) {
	u, err := a.d.Door.Users().Delete(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	a.d.Door.EndAll(ctx, u.ID)
	a.act(ctx, "user.deleted", "", fmt.Sprintf("user %q (%s)", u.Name, u.ID))
	return nil, nil
}

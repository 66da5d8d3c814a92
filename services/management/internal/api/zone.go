package api

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// zone says where the role that a route demands must be held. The zero value is the
// strictest, so that a route which does not think of zones gives nothing away.
type zone string

const (
	// zoneNone: everywhere. Who has a role in single zones alone is refused.
	zoneNone zone = ""
	// zoneAny: in any zone. The handler shows and takes what is of the caller's zones alone,
	// or what is of no zone.
	zoneAny zone = "any"
	// zoneGroup: in the group of the path.
	zoneGroup zone = "group"
	// zoneClient: in the group in which the client of the path plays.
	zoneClient zone = "client"
	// zoneBoth: in both.
	zoneBoth zone = "both"
)

// authorize demands a route's role of the caller.
func (a *API) authorize(rt route) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(c)
		p, err := a.authenticate(r)
		if err == nil {
			err = a.admit(p, rt, c)
		}
		if err != nil {
			a.d.Metrics.authFailures.WithLabelValues(string(fault.CodeOf(err))).Inc()
			WriteProblem(w, model.FromError(err))
			return
		}
		next(withRequest(huma.WithContext(c, auth.WithPrincipal(c.Context(), p)), r))
	}
}

// admit says whether p may use the route on what its path names.
func (a *API) admit(p auth.Principal, rt route, c huma.Context) error {
	if p.Role >= rt.role {
		return nil
	}
	var err error
	switch rt.zone {
	case zoneAny:
		if p.Somewhere() >= rt.role {
			return nil
		}
	case zoneGroup:
		err = a.inGroup(p, rt.role, c.Param("group_id"))
	case zoneClient:
		err = a.withClient(p, rt.role, c.Param("client_id"))
	case zoneBoth:
		if err = a.inGroup(p, rt.role, c.Param("group_id")); err == nil {
			err = a.withClient(p, rt.role, c.Param("client_id"))
		}
	}
	if rt.zone == zoneNone || rt.zone == zoneAny {
		err = tooLow(p, rt.role)
	}
	return err
}

// tooLow is the refusal of a role.
func tooLow(p auth.Principal, role auth.Role) error {
	kind, name, _ := strings.Cut(p.Actor, ":")
	if p.Limited() && p.Somewhere() > auth.RoleNone {
		return fault.New(fault.Forbidden, "this needs the role %s everywhere; the %s %q has a role in single zones alone", role, kind, name)
	}
	return fault.New(fault.Forbidden, "this needs the role %s; the %s %q has the role %s", role, kind, name, p.Role)
}

// inGroup is nil when p has the role in a group. A group that p must not see does not
// exist for p.
func (a *API) inGroup(p auth.Principal, role auth.Role, groupID string) error {
	switch have := p.In(groupID); {
	case have >= role:
		return nil
	case have == auth.RoleNone && p.Somewhere() > auth.RoleNone:
		return noGroup(groupID)
	case have > p.Role:
		return fault.New(fault.Forbidden, "this needs the role %s in the group %q; yours is %s there", role, clip(groupID), have)
	}
	return tooLow(p, role)
}

// withClient is nil when p has the role in the group in which a client plays.
func (a *API) withClient(p auth.Principal, role auth.Role, clientID string) error {
	if p.Role >= role {
		return nil
	}
	c := a.d.Projection.Snapshot().Client(clientID)
	if c == nil {
		if p.Somewhere() > auth.RoleNone {
			return noClient(clientID)
		}
		return tooLow(p, role)
	}
	err := a.inGroup(p, role, c.GroupID)
	if fault.CodeOf(err) == fault.NotFound || err != nil && c.GroupID == "" && p.Somewhere() > auth.RoleNone && p.Limited() {
		return noClient(clientID)
	}
	return err
}

func (a *API) authenticate(r *http.Request) (auth.Principal, error) {
	for _, au := range a.d.Auth {
		p, found, err := au.Authenticate(r)
		if err != nil || found {
			return p, err
		}
	}
	return auth.Principal{}, fault.New(fault.Unauthorized,
		"this needs a credential: sign in, or send the header \"Authorization: Bearer <token>\"; the first token is in the file admin-token of the data directory")
}

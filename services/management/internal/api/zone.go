package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/playuri"
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
	// zoneSchedule: in the zone of the schedule of the path.
	zoneSchedule zone = "schedule"
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
	case zoneSchedule:
		err = a.ofSchedule(p, rt.role, c.Param("schedule_id"))
	}
	if rt.zone == zoneNone || rt.zone == zoneAny {
		err = tooLow(p, rt.role)
	}
	return err
}

// tooLow is the refusal of a role.
func tooLow(p auth.Principal, role auth.Role) error {
	kind, name, _ := strings.Cut(p.Actor, ":")
	if ofZones(p) {
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
	case have == auth.RoleNone && ofZones(p):
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
	if c == nil || c.GroupID == "" {
		if ofZones(p) {
			return noClient(clientID)
		}
		return tooLow(p, role)
	}
	err := a.inGroup(p, role, c.GroupID)
	if fault.CodeOf(err) == fault.NotFound {
		return noClient(clientID)
	}
	return err
}

// ofSchedule is nil when p has the role in the zone of a schedule.
func (a *API) ofSchedule(p auth.Principal, role auth.Role, id string) error {
	s := a.d.Projection.Snapshot().Schedule(id)
	if s == nil {
		if ofZones(p) {
			return noSchedule(id)
		}
		return tooLow(p, role)
	}
	err := a.inGroup(p, role, s.GroupID)
	if fault.CodeOf(err) == fault.NotFound {
		return noSchedule(id)
	}
	return err
}

// ofZones says that p has a role in single zones alone: the rest does not exist for p.
func ofZones(p auth.Principal) bool { return p.Limited() && p.Somewhere() > auth.RoleNone }

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

// sees says whether the caller may read what is of a group, or of none ("").
func sees(ctx context.Context, groupID string) bool {
	return auth.PrincipalOf(ctx).In(groupID) >= auth.RoleViewer
}

// demand is nil when the caller has a role in a group that the body names.
func (a *API) demand(ctx context.Context, role auth.Role, groupID string) error {
	return a.inGroup(auth.PrincipalOf(ctx), role, groupID)
}

// mayPlace looks at the groups that a change of a client names. Moving it needs the role
// in both; out of every zone, everywhere: nobody of the zone could bring it back.
func (a *API) mayPlace(ctx context.Context, c *model.Client, b patchClientBody) error {
	if b.GroupID != nil && *b.GroupID != c.GroupID {
		if p := auth.PrincipalOf(ctx); *b.GroupID == "" && p.Role < auth.RoleOperator {
			return tooLow(p, auth.RoleOperator)
		}
		if err := a.demand(ctx, auth.RoleOperator, *b.GroupID); err != nil {
			return err
		}
	}
	if b.GroupID != nil {
		if err := a.mayTake(ctx, c, *b.GroupID); err != nil {
			return err
		}
	}
	if to := b.AutoStart.value; to != nil {
		return a.demand(ctx, auth.RoleOperator, to.GroupID)
	}
	return nil
}

// mayTake is nil when the caller may make a client be at home in another group than now:
// who operates the zone in which it is a guest does not take it from its own.
func (a *API) mayTake(ctx context.Context, c *model.Client, groupID string) error {
	if p := auth.PrincipalOf(ctx); c.HomeID != "" && c.HomeID != groupID && p.In(c.HomeID) < auth.RoleOperator {
		return fault.New(fault.Forbidden, "%q belongs to another zone; who operates that one as well can put it somewhere else", clip(c.DisplayName()))
	}
	return nil
}

// mayHear is nil when the caller may have the uri played: what a device captures can be
// heard by who may play in its zone.
func (a *API) mayHear(ctx context.Context, uri string) error {
	id, ok := playuri.Source(uri)
	if !ok {
		return nil
	}
	p := auth.PrincipalOf(ctx)
	if a.d.Projection.Snapshot().Client(id) == nil && p.Role >= auth.RoleOperator {
		return nil // the stream service says what is wrong with it
	}
	return a.withClient(p, auth.RoleOperator, id)
}

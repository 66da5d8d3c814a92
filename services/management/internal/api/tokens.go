package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/ledger"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

type createToken struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"64" pattern:"^ *[A-Za-z0-9][A-Za-z0-9 ._-]*$" doc:"Who or what uses it; shown in the audit ledger." example:"night manager"`
		Role string `json:"role" enum:"none,viewer,operator,admin" doc:"What it may do everywhere; none with zones for a token of these alone."`

		Zones     *[]model.ZoneRole `json:"zones,omitempty" nullable:"false" maxItems:"200" doc:"What it may do in single groups beyond that."`
		ExpiresAt *time.Time        `json:"expires_at,omitempty" doc:"From when on it is not valid; it has no end when left out." example:"2027-01-31T00:00:00Z"`
	}
}

type createdToken struct {
	Location string `header:"Location"`
	Body     model.NewToken
}

type tokenPath struct {
	ID string `path:"token_id"`
}

func (a *API) tokenRoutes() {
	register(a, route{
		id: "list-tokens", method: http.MethodGet, path: "/api/v1/tokens", tag: tagTokens, role: auth.RoleAdmin,
		summary: "All tokens", doc: "Without their secrets, and without the first admin token, which is in the data directory.",
	}, func(context.Context, *nothing) (*body[model.Tokens], error) {
		out := model.Tokens{Tokens: []model.Token{}}
		for _, t := range a.d.Tokens.List() {
			out.Tokens = append(out.Tokens, a.showToken(t))
		}
		return answer(out), nil
	})
	register(a, route{
		id: "create-token", method: http.MethodPost, path: "/api/v1/tokens", tag: tagTokens, role: auth.RoleAdmin, status: http.StatusCreated,
		summary: "Make a token", doc: "The answer holds the secret this once; only a hash of it is kept.",
		errors: []int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity},
	}, a.createToken)
	register(a, route{
		id: "delete-token", method: http.MethodDelete, path: "/api/v1/tokens/{token_id}", tag: tagTokens, role: auth.RoleAdmin, status: http.StatusNoContent,
		summary: "Delete a token", doc: "It is not valid any more from this moment on.",
		errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, a.deleteToken)
}

func (a *API) showToken(t auth.Token) model.Token {
	out := model.Token{
		TokenID: t.ID, Name: t.Name, Role: t.Role.String(), Zones: showZones(t.Zones),
		CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy, ExpiresAt: t.ExpiresAt,
	}
	if at := a.d.Tokens.LastUsed(t.ID); !at.IsZero() {
		out.LastUsedAt = &at
	}
	return out
}

// createToken writes its line into the ledger before the token exists: no
// credential without a trace.
func (a *API) createToken(ctx context.Context, in *createToken) (*createdToken, error) {
	t := auth.Token{ID: newID(), Name: in.Body.Name, CreatedBy: who(ctx)}
	var err error
	if t.Role, t.Zones, err = a.scope(in.Body.Role, in.Body.Zones); err != nil {
		return nil, err
	}
	if at := in.Body.ExpiresAt; at != nil {
		if !at.After(a.d.Clock.Now()) {
			return nil, badField("body.expires_at", "is in the past")
		}
		end := at.UTC()
		t.ExpiresAt = &end
	}
	if err := a.d.Tokens.Free(t.Name); err != nil {
		return nil, err
	}
	detail := fmt.Sprintf("token %q (%s) with %s", t.Name, t.ID, scopeText(t.Role, t.Zones))
	if t.ExpiresAt != nil {
		detail += ", until " + t.ExpiresAt.Format(time.RFC3339)
	}
	if err := a.record(ctx, "token.created", detail); err != nil {
		return nil, err
	}
	t, secret, err := a.d.Tokens.Create(ctx, t)
	if err != nil {
		a.act(ctx, "token.create_failed", "", detail)
		return nil, err
	}
	return &createdToken{
		Location: "/api/v1/tokens/" + t.ID,
		Body:     model.NewToken{Token: a.showToken(t), Secret: secret},
	}, nil
}

// scope checks what a user or a token may do.
func (a *API) scope(role string, zones *[]model.ZoneRole) (auth.Role, map[string]auth.Role, error) {
	r, ok := auth.ParseRole(role)
	if !ok {
		return r, nil, badField("body.role", "is none of none, viewer, operator, admin")
	}
	out := map[string]auth.Role{}
	if zones == nil {
		return r, out, nil
	}
	snap := a.d.Projection.Snapshot()
	for i, z := range *zones {
		at := indexed("body.zones", i)
		if snap.Group(z.GroupID) == nil {
			return r, nil, badField(at+".group_id", fmt.Sprintf("there is no group %q", clip(z.GroupID)))
		}
		if _, twice := out[z.GroupID]; twice {
			return r, nil, badField(at+".group_id", "is named twice")
		}
		if out[z.GroupID], ok = auth.ParseRole(z.Role); !ok || out[z.GroupID] < auth.RoleViewer || out[z.GroupID] > auth.RoleOperator {
			return r, nil, badField(at+".role", "is none of viewer, operator")
		}
	}
	return r, out, nil
}

// scopeText is a scope for the ledger.
func scopeText(role auth.Role, zones map[string]auth.Role) string {
	out := "the role " + role.String()
	for _, id := range slices.Sorted(maps.Keys(zones)) {
		out += fmt.Sprintf(", %s in %s", zones[id], id)
	}
	return out
}

func (a *API) deleteToken(ctx context.Context, in *tokenPath) (*struct{}, error) {
	t, err := a.d.Tokens.Delete(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	a.act(ctx, "token.deleted", "", fmt.Sprintf("token %q (%s)", t.Name, t.ID))
	return nil, nil
}

// record is act for what must not happen without its line in the ledger.
func (a *API) record(ctx context.Context, kind, detail string) error {
	return a.recordAs(ctx, who(ctx), kind, detail)
}

// recordAs is record in the name of somebody who is not signed in yet.
func (a *API) recordAs(ctx context.Context, actor, kind, detail string) error {
	err := a.d.Ledger.Record(ctx, ledger.Act{Actor: actor, Kind: kind, Detail: detail})
	if err != nil {
		if c := fault.CodeOf(err); c == fault.Unavailable || c == fault.Timeout {
			return fault.Wrap(c, err, "the audit ledger (pairing service) does not answer, and this must leave a trace; try again in a moment")
		}
		return err
	}
	a.logAct(ctx, kind, "", detail)
	return nil
}

func newID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

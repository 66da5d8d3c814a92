package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/ledger"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

type createToken struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9 ._-]*$" doc:"Who or what uses it; shown in the audit ledger." example:"night manager"`
		Role string `json:"role" enum:"viewer,operator,admin"`
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
			out.Tokens = append(out.Tokens, showToken(t))
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

func showToken(t auth.Token) model.Token {
	return model.Token{TokenID: t.ID, Name: t.Name, Role: t.Role, CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy}
}

// createToken writes its line into the ledger before the token exists: no
// credential without a trace.
func (a *API) createToken(ctx context.Context, in *createToken) (*createdToken, error) {
	role, ok := auth.ParseRole(in.Body.Role)
	if !ok {
		return nil, badField("body.role", "is none of viewer, operator, admin")
	}
	name := strings.TrimSpace(in.Body.Name)
	if err := a.d.Tokens.Free(name); err != nil {
		return nil, err
	}
	id := newID()
	detail := fmt.Sprintf("token %q (%s) with the role %s", name, id, role)
	if err := a.record(ctx, "token.created", detail); err != nil {
		return nil, err
	}
	t, secret, err := a.d.Tokens.Create(ctx, id, name, role, who(ctx), a.d.Clock.Now())
	if err != nil {
		a.act(ctx, "token.create_failed", "", detail)
		return nil, err
	}
	return &createdToken{
		Location: "/api/v1/tokens/" + id,
		Body:     model.NewToken{Token: showToken(t), Secret: secret},
	}, nil
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

package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

const (
	// maxTokens is the most that one request enrols.
	maxTokens = 1000
	// maxToken is the longest token in bytes; one has some 110.
	maxToken = 512
)

type enrolTokens struct {
	Body struct {
		Tokens []string `json:"tokens" nullable:"false" minItems:"1" maxItems:"1000" doc:"Pairing tokens (SP:0…), as they stand on the devices or in their leaflets."`
	}
}

func (a *API) enrolRoutes() {
	const path = "/api/v1/pairing/tokens"
	register(a, route{
		id: "enrol-tokens", method: http.MethodPost, path: path, tag: tagPairing, role: auth.RoleAdmin, status: http.StatusAccepted,
		summary: "Enrol many devices", doc: "Each device is paired as soon as it is seen. Every token gets a result of its own: one that cannot be read does not keep the others out.",
		errors:     []int{http.StatusBadRequest, http.StatusUnprocessableEntity},
		idempotent: true,
	}, a.enrolTokens)
	register(a, route{
		id: "list-enrolled-tokens", method: http.MethodGet, path: path, tag: tagPairing, role: auth.RoleAdmin,
		summary: "Tokens that wait", doc: "For their device, with what became of each; without their secrets.",
	}, a.listTokens)
	register(a, route{
		id: "remove-enrolled-token", method: http.MethodDelete, path: path + "/{client_id}", tag: tagPairing, role: auth.RoleAdmin, status: http.StatusNoContent,
		summary: "Take a token back", doc: "Its device is not paired by itself any more. A device that was paired already stays paired.",
		errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, a.removeToken)
}

func (a *API) enrolTokens(ctx context.Context, in *enrolTokens) (*body[model.EnrolResults], error) {
	req := &pb.EnrolRequest{Actor: who(ctx), SealedTokens: make([][]byte, 0, len(in.Body.Tokens))}
	if len(in.Body.Tokens) > maxTokens {
		return nil, badField("body.tokens", fmt.Sprintf("holds more than %d tokens", maxTokens))
	}
	for i, t := range in.Body.Tokens {
		if len(t) > maxToken {
			return nil, badField(indexed("body.tokens", i), fmt.Sprintf("is longer than %d bytes", maxToken))
		}
		sealed, err := a.seal(t)
		if err != nil {
			return nil, err
		}
		req.SealedTokens = append(req.SealedTokens, sealed)
	}
	resp := &pb.EnrolResponse{}
	if err := a.ask(ctx, "pairing", subject.PairingEnrol, req, resp); err != nil {
		return nil, err
	}
	if n := len(resp.GetResults()); n != len(in.Body.Tokens) {
		return nil, fault.New(fault.Internal, "pairing answered %d results for %d tokens", n, len(in.Body.Tokens))
	}
	out := model.EnrolResults{Results: make([]model.EnrolResult, 0, len(resp.GetResults()))}
	for i, r := range resp.GetResults() {
		out.Results = append(out.Results, model.EnrolResult{Index: i, ClientID: r.GetClientId(), State: r.GetState(), Error: r.GetError()})
	}
	a.logAct(ctx, "pairing.tokens_added", "", fmt.Sprintf("%d tokens", len(in.Body.Tokens)))
	return answer(out), nil
}

func (a *API) listTokens(ctx context.Context, _ *nothing) (*body[model.Enrolments], error) {
	resp := &pb.ListEnrolmentsResponse{}
	if err := a.ask(ctx, "pairing", subject.PairingEnrolments, &pb.ListEnrolmentsRequest{}, resp); err != nil {
		return nil, err
	}
	snap := a.d.Projection.Snapshot()
	out := model.Enrolments{Tokens: make([]model.Enrolment, 0, len(resp.GetEnrolments()))}
	for _, e := range resp.GetEnrolments() {
		t := buildEnrolment(e)
		if c := snap.Client(t.ClientID); c != nil && (c.Label != "" || c.Name != "") {
			t.Name = c.DisplayName()
		}
		out.Tokens = append(out.Tokens, t)
	}
	return answer(out), nil
}

func buildEnrolment(e *pb.Enrolment) model.Enrolment {
	t := model.Enrolment{
		ClientID: e.GetClientId(), Fingerprint: e.GetFingerprint(), State: e.GetState(), Detail: e.GetDetail(),
		Attempts: e.GetAttempts(), Actor: e.GetActor(), AddedAt: e.GetAddedAt().AsTime().UTC(),
	}
	if e.GetUpdatedAt() != nil {
		at := e.GetUpdatedAt().AsTime().UTC()
		t.UpdatedAt = &at
	}
	return t
}

func (a *API) removeToken(ctx context.Context, in *ClientPath) (*struct{}, error) {
	err := a.ask(ctx, "pairing", subject.PairingEnrolRemove, &pb.ClientRequest{ClientId: in.ID, Actor: who(ctx)}, &pb.Empty{})
	if fault.CodeOf(err) == fault.NotFound {
		return nil, fault.New(fault.NotFound, "no token waits for the device %q; GET /api/v1/pairing/tokens lists those that do", clip(in.ID))
	}
	if err != nil {
		return nil, err
	}
	a.logAct(ctx, "pairing.token_removed", in.ID, "")
	return nil, nil
}

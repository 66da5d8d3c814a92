package api

import (
	"context"
	"net/http"

	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

type approveClient struct {
	ClientPath
	Body *struct {
		Source *bool   `json:"source,omitempty" doc:"Also allow it to send audio, such as a line-in; default false."`
		Label  *string `json:"label,omitempty" maxLength:"100" doc:"The operator's name for the device."`
	}
}

func (a *API) trustRoutes() {
	register(a, route{
		id: "get-inbox", method: http.MethodGet, path: "/api/v1/inbox", tag: tagTrust, role: auth.RoleViewer,
		summary: "Devices that wait", doc: "For approval or pairing, the longest waiting first. Compare the fingerprint with the device: a name can be claimed by anybody.",
	}, func(context.Context, *nothing) (*body[model.Inbox], error) {
		return answer(a.d.Projection.Snapshot().Waiting(a.d.Clock.Now())), nil
	})
	errors := []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
	register(a, route{
		id: "approve-client", method: http.MethodPost, path: "/api/v1/clients/{client_id}/approve", tag: tagTrust, role: auth.RoleAdmin,
		summary: "Approve a device", doc: "Lets this key play without pairing. Approving twice changes nothing.",
		errors: append([]int{http.StatusBadRequest}, errors...),
	}, a.approve)
	register(a, route{
		id: "deny-client", method: http.MethodPost, path: "/api/v1/clients/{client_id}/deny", tag: tagTrust, role: auth.RoleAdmin,
		summary: "Deny a device", doc: "It leaves the inbox and gets no roles. Approving it later is possible.", errors: errors,
	}, a.decide("client.denied", subject.PairingDeny))
	register(a, route{
		id: "revoke-approval", method: http.MethodDelete, path: "/api/v1/clients/{client_id}/approval", tag: tagTrust, role: auth.RoleAdmin,
		summary: "Revoke an approval", doc: "It stops playing at once and waits in the inbox again.", errors: errors,
	}, a.decide("client.revoked", subject.PairingRevoke))
}

func (a *API) approve(ctx context.Context, in *approveClient) (*body[*model.Client], error) {
	c, err := a.client(in.ID)
	if err != nil {
		return nil, err
	}
	req := &pb.ApproveRequest{ClientId: in.ID, Actor: who(ctx)}
	if b := in.Body; b != nil {
		req.Source = b.Source != nil && *b.Source
		if b.Label != nil {
			req.Label = *b.Label
		}
	}
	t := &pb.TrustRecord{}
	if err := a.ask(ctx, "pairing", subject.PairingApprove, req, t); err != nil {
		return nil, err
	}
	a.logAct(ctx, "client.approved", in.ID, c.DisplayName())
	return a.afterDecision(ctx, c, t)
}

// decide builds the handler of a decision that takes nothing but the client.
func (a *API) decide(kind, subj string) func(context.Context, *ClientPath) (*body[*model.Client], error) {
	return func(ctx context.Context, in *ClientPath) (*body[*model.Client], error) {
		c, err := a.client(in.ID)
		if err != nil {
			return nil, err
		}
		t := &pb.TrustRecord{}
		if err := a.ask(ctx, "pairing", subj, &pb.ClientRequest{ClientId: in.ID, Actor: who(ctx)}, t); err != nil {
			return nil, err
		}
		a.logAct(ctx, kind, in.ID, c.DisplayName())
		return a.afterDecision(ctx, c, t)
	}
}

// afterDecision answers with the client as the decision leaves it.
func (a *API) afterDecision(ctx context.Context, c *model.Client, t *pb.TrustRecord) (*body[*model.Client], error) {
	want := readmodel.TrustName(t)
	snap := a.await(ctx, func(s *readmodel.Snapshot) bool {
		now := s.Client(c.ClientID)
		return now == nil || now.Trust == want && now.Label == t.GetLabel() && now.Waiting == t.GetWaitingReason()
	})
	if now := snap.Client(c.ClientID); now != nil {
		c = now
	}
	return answer(c), nil
}

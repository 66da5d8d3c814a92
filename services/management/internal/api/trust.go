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
		summary: "Approve a device", doc: "Lets this key play without pairing, for good or until it ends. Approving again replaces scopes and end. A key that a warning is held against is approved only when the body names the warning: 409 otherwise. Nothing of it remains when the device is paired.",
		errors: append([]int{http.StatusBadRequest}, errors...),
	}, a.approve)
	register(a, route{
		id: "deny-client", method: http.MethodPost, path: "/api/v1/clients/{client_id}/deny", tag: tagTrust, role: auth.RoleAdmin,
		summary: "Deny a device", doc: "Not now: it leaves the inbox and gets no roles. It may knock again later. Approving it is possible at any time.", errors: errors,
	}, a.decide("client.denied", subject.PairingDeny))
	register(a, route{
		id: "block-client", method: http.MethodPost, path: "/api/v1/clients/{client_id}/block", tag: tagTrust, role: auth.RoleAdmin,
		summary: "Block a device", doc: "Never: it gets no roles, its session ends, and it does not show up in the inbox again. Approving or forgetting it takes the block away.", errors: errors,
	}, a.decide("client.blocked", subject.PairingBlock))
	register(a, route{
		id: "unpair-client", method: http.MethodPost, path: "/api/v1/clients/{client_id}/unpair", tag: tagTrust, role: auth.RoleAdmin,
		summary: "Unpair a device", doc: "The pairing is of no use from this moment on, and the device is told (server/unpair): now, or when it next appears. Until then it shows as unpairing. 409 when it is not paired.", errors: errors,
	}, a.decide("client.unpaired", subject.PairingUnpair))
	register(a, route{
		id: "revoke-approval", method: http.MethodDelete, path: "/api/v1/clients/{client_id}/approval", tag: tagTrust, role: auth.RoleAdmin,
		summary: "Revoke an approval", doc: "It stops playing at once and waits in the inbox again.", errors: errors,
	}, a.decide("client.revoked", subject.PairingRevoke))
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
	snap := a.await(ctx, func(s *readmodel.Snapshot) bool {
		now := s.Client(c.ClientID)
		return now == nil || readmodel.Shows(now, t)
	})
	if now := snap.Client(c.ClientID); now != nil {
		c = now
	}
	return answer(c), nil
}

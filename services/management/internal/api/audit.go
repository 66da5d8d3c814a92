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

type auditQuery struct {
	Since uint64 `query:"since" doc:"Events after this id; from the beginning when left out."`
	Limit uint32 `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func (a *API) auditRoutes() {
	register(a, route{
		id: "get-audit", method: http.MethodGet, path: "/api/v1/audit", tag: tagAudit, role: auth.RoleViewer,
		summary: "The audit ledger", doc: "Every trust decision and every administrative act, ordered by id. Read on with since = the last id.",
		errors: []int{http.StatusUnprocessableEntity},
	}, a.audit)
}

func (a *API) audit(ctx context.Context, in *auditQuery) (*body[model.Audit], error) {
	reply := &pb.AuditListResponse{}
	if err := a.ask(ctx, "pairing", subject.PairingAuditList, &pb.AuditListRequest{Since: in.Since, Limit: in.Limit}, reply); err != nil {
		return nil, err
	}
	out := model.Audit{Events: make([]model.AuditEvent, 0, len(reply.GetEvents()))}
	for _, e := range reply.GetEvents() {
		out.Events = append(out.Events, readmodel.BuildAudit(e))
	}
	return answer(out), nil
}

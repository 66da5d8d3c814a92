package api

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// verifyPatience bounds a check: several million lines, part by part. Each part is
// asked for with the limit of any request, so that a service that does not answer is
// noticed as soon as elsewhere.
const verifyPatience = 2 * time.Minute

type auditVerifyQuery struct {
	HeadID   uint64 `query:"head_id" doc:"Number of a line that was written down earlier, from the log line \"audit head\"."`
	HeadHash string `query:"head_hash" pattern:"^([0-9a-fA-F]{64})?$" doc:"That line's hash, 64 hexadecimal digits."`
}

func (a *API) auditVerifyRoutes() {
	register(a, route{
		id: "verify-audit", method: http.MethodGet, path: "/api/v1/audit/verify", tag: tagAudit, role: auth.RoleViewer,
		summary: "Check the audit ledger", patience: verifyPatience,
		doc: "Walks the chain of hashes from the first line to the last. A line that was changed, removed, reordered or inserted, and an end that was cut off, is named. " +
			"Who can write to the database can also forge the whole chain: give a head that was kept elsewhere to notice that.",
		errors: []int{http.StatusUnprocessableEntity},
	}, a.verifyAudit)
}

func (a *API) verifyAudit(ctx context.Context, in *auditVerifyQuery) (*body[model.AuditCheck], error) {
	req := &pb.AuditVerifyRequest{HeadId: in.HeadID}
	if (in.HeadID == 0) != (in.HeadHash == "") {
		return nil, fault.New(fault.OutOfRange, "a head is a number and a hash: give head_id and head_hash, both or neither").
			WithField("query.head_id", "does not go without head_hash, nor that without it")
	}
	var err error
	if req.HeadHash, err = hex.DecodeString(in.HeadHash); err != nil {
		return nil, fault.New(fault.OutOfRange, "head_hash is not hexadecimal").WithField("query.head_hash", "is not hexadecimal")
	}
	var lines uint64
	for {
		reply := &pb.AuditVerifyResponse{}
		if err := a.askInTime(ctx, "pairing", subject.PairingAuditVerify, req, reply); err != nil {
			return nil, err
		}
		lines += reply.GetLines()
		if !reply.GetMore() {
			return answer(auditCheck(lines, reply)), nil
		}
		req.AfterId, req.AfterHash = reply.GetHeadId(), reply.GetHeadHash()
	}
}

func auditCheck(lines uint64, r *pb.AuditVerifyResponse) model.AuditCheck {
	return model.AuditCheck{
		OK: r.GetOk(), Lines: lines, HeadID: r.GetHeadId(), HeadHash: hex.EncodeToString(r.GetHeadHash()),
		BrokenAt: r.GetBrokenAt(), Problem: r.GetProblem(),
	}
}

// askInTime is ask with the limit of one request, for an operation of several.
func (a *API) askInTime(ctx context.Context, service, subj string, req, resp proto.Message) error {
	ctx, cancel := context.WithTimeout(ctx, a.d.RequestTimeout)
	defer cancel()
	return a.ask(ctx, service, subj, req, resp)
}

// patient lets an operation take its time: the server's own limits are for the others.
func (a *API) patient(limit time.Duration) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		_, w := humago.Unwrap(c)
		rc := http.NewResponseController(w)
		_ = errors.Join(rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Now().Add(limit))) // else the usual limits stand
		ctx, cancel := context.WithTimeout(c.Context(), limit)
		defer cancel()
		next(huma.WithContext(c, ctx))
	}
}

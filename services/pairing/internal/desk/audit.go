package desk

import (
	"context"
	"regexp"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

const (
	defaultAudit = 100
	maxAudit     = 1000
)

// auditKind is the form of a kind: "client.approved", "group.member_added".
var auditKind = regexp.MustCompile(`^[a-z0-9_-]{1,40}(\.[a-z0-9_-]{1,40}){1,3}$`)

// AppendAudit takes down an administrative act of another service.
func (d *Desk) AppendAudit(ctx context.Context, req *pb.AuditAppendRequest) (*pb.AuditEvent, error) {
	actor, err := checkActor(req.GetActor())
	if err != nil {
		return nil, err
	}
	if !auditKind.MatchString(req.GetKind()) {
		return nil, fault.New(fault.Invalid, "an audit kind has the form thing.what").WithField("kind", "has another form")
	}
	if req.GetClientId() != "" {
		if err := checkClient(req.GetClientId()); err != nil {
			return nil, err
		}
	}
	var e Event
	err = d.Store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		e, err = d.append(ctx, tx, actor, req.GetKind(), req.GetClientId(), req.GetDetail())
		return err
	})
	if err != nil {
		return nil, err
	}
	d.Announcer.Kick()
	return auditMessage(e), nil
}

// ListAudit pages through the ledger in order.
func (d *Desk) ListAudit(ctx context.Context, req *pb.AuditListRequest) (*pb.AuditListResponse, error) {
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultAudit
	}
	if limit > maxAudit {
		return nil, fault.New(fault.OutOfRange, "limit must be 1 to %d", maxAudit).WithField("limit", "too large")
	}
	var events []Event
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		events, err = tx.Audit(ctx, req.GetSince(), limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &pb.AuditListResponse{}
	for _, e := range events {
		out.Events = append(out.Events, auditMessage(e))
	}
	return out, nil
}

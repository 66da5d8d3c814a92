package desk

import (
	"context"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// Kinds of audit lines that more than one path writes.
const (
	auditApprovalEnded   = "client.approval_ended"
	auditUnpairDelivered = "client.unpair_delivered"
)

// ended is the ruling about an approval that came to its end; why "" is none.
func (d *Desk) ended(before, next trust.Client, why string) ruling {
	if why == "" {
		return ruling{next: next}
	}
	return ruling{next: next, audit: auditApprovalEnded, detail: why + ": " + describe(before) + terms(before, before), event: "expired"}
}

// endedBy is whose doing the end was.
func endedBy(why string) string {
	if why == trust.EndedByTime {
		return trust.ActorSystem
	}
	return trust.ActorDevice
}

// lapseBatch bounds how many approvals one Lapse ends; the next one goes on.
const lapseBatch = 100

// Lapse ends the approvals whose time has passed, so that sessions that live from
// them lose their roles. Whether an approval holds never depends on it: every
// admission looks at the time itself.
func (d *Desk) Lapse(ctx context.Context) error {
	now := d.now()
	var ids []string
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		ids, err = tx.ApprovalsOver(ctx, now, lapseBatch)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := d.lapse(ctx, id, now); err != nil {
			return err
		}
	}
	return nil
}

func (d *Desk) lapse(ctx context.Context, id string, now time.Time) error {
	r, err := d.settle(ctx, id, trust.ActorSystem, func(c trust.Client) (ruling, error) {
		next, why := c.Lapse(d.rules(), now)
		return d.ended(c, next, why), nil
	})
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	if err != nil || r.audit == "" {
		return err
	}
	d.note(ctx, trust.ActorSystem, r)
	d.Announcer.Kick()
	return nil
}

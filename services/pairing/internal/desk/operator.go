package desk

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// ruling is what a decision comes to. A zero audit kind means that nothing
// changed and nothing is written.
type ruling struct {
	next       trust.Client
	audit      string // kind of the audit line
	detail     string
	event      string // kind of TrustChanged; "" for none
	disconnect bool
	// shown is next for everyone; settle makes it.
	shown *pb.TrustRecord
	// record changes the pairing record in the same transaction; nil: it stays.
	record func(context.Context, Tx) error
}

// decide runs one operator's decision and waits until everyone could have heard.
func (d *Desk) decide(ctx context.Context, id, actor string, rule func(trust.Client) (ruling, error)) (*pb.TrustRecord, error) {
	if err := checkClient(id); err != nil {
		return nil, err
	}
	actor, err := checkActor(actor)
	if err != nil {
		return nil, err
	}
	r, err := d.settle(ctx, id, actor, rule)
	if err != nil {
		return nil, err
	}
	d.note(ctx, actor, r)
	if r.audit != "" {
		d.Announcer.Flush(ctx)
	}
	return r.shown, nil
}

// settle reads, rules, writes, audits and announces in one transaction.
func (d *Desk) settle(ctx context.Context, id, actor string, rule func(trust.Client) (ruling, error)) (r ruling, err error) {
	err = d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockClient(id)); err != nil {
			return err
		}
		c, err := load(ctx, tx, id)
		if err != nil {
			return err
		}
		if r, err = rule(c); err != nil {
			return err
		}
		if r.shown, err = RecordOf(ctx, tx, r.next); err != nil || r.audit == "" {
			return err
		}
		if r.record != nil {
			if err := r.record(ctx, tx); err != nil {
				return err
			}
		}
		if err := tx.SaveClient(ctx, r.next); err != nil {
			return err
		}
		return d.publish(ctx, tx, actor, r)
	})
	return r, err
}

// publish writes the audit line and the announcements of a ruling.
func (d *Desk) publish(ctx context.Context, tx Tx, actor string, r ruling) error {
	if _, err := d.append(ctx, tx, actor, r.audit, r.next.ID, r.detail); err != nil {
		return err
	}
	items := []Announcement{{Kind: AnnounceClient, Key: r.next.ID}}
	if r.event != "" {
		items = append(items, trustAnnouncement(r.next.ID, r.next.State(), r.event, r.disconnect))
	}
	return tx.Enqueue(ctx, items...)
}

// note logs and counts a decision.
func (d *Desk) note(ctx context.Context, actor string, r ruling) {
	if r.audit == "" {
		return
	}
	d.Metrics.decisions.WithLabelValues(r.audit).Inc()
	d.log(ctx, r.next.ID).Info(r.audit, "actor", actor, obs.KeyName, r.next.Name, obs.KeyState, r.next.State().String())
}

// Approve lets a device be used unpaired, or gives a paired one the source role.
func (d *Desk) Approve(ctx context.Context, req *pb.ApproveRequest) (*pb.TrustRecord, error) {
	if err := checkLabel(req.GetLabel()); err != nil {
		return nil, err
	}
	t := trust.Terms{
		Label: req.GetLabel(), Source: req.GetSource(), Controller: req.GetController(), Warning: req.GetAcceptWarning(),
		UntilDisconnect: req.GetUntilDisconnect(), Actor: trust.Clean(req.GetActor(), maxActor),
	}
	if at := req.GetEndsAt(); at != nil {
		if err := at.CheckValid(); err != nil {
			return nil, fault.New(fault.OutOfRange, "the end of the approval is no time").WithField("ends_at", "is no time")
		}
		t.Ends = at.AsTime().Truncate(time.Microsecond)
	}
	return d.decide(ctx, req.GetClientId(), req.GetActor(), func(c trust.Client) (ruling, error) {
		next, changed, err := c.Approve(t, d.rules(), d.now())
		if err != nil || !changed {
			return ruling{next: next}, err
		}
		return ruling{next: next, audit: "client.approved", detail: describe(next) + terms(c, next), event: "approved"}, nil
	})
}

// terms says in words what an approval was given for.
func terms(before, after trust.Client) string {
	var b strings.Builder
	if a := after.Approval; a != nil {
		for _, scope := range []struct {
			given bool
			name  string
		}{{a.Source, "source"}, {a.Controller, "controller"}} {
			if scope.given {
				b.WriteString(", with " + scope.name)
			}
		}
		if a.UntilDisconnect {
			b.WriteString(", until it disconnects")
		}
		if !a.Ends.IsZero() {
			b.WriteString(", until " + a.Ends.Format(time.RFC3339))
		}
	}
	if before.Warning != "" {
		b.WriteString(", in spite of " + before.Warning)
	}
	if before.State() == trust.Denied {
		b.WriteString(", was " + was(before))
	}
	return b.String()
}

// was names the state of before, and a block as such.
func was(c trust.Client) string {
	if c.Blocked() {
		return "blocked"
	}
	return c.State().String()
}

// Deny refuses a device until further notice.
func (d *Desk) Deny(ctx context.Context, req *pb.ClientRequest) (*pb.TrustRecord, error) {
	return d.decide(ctx, req.GetClientId(), req.GetActor(), func(c trust.Client) (ruling, error) {
		next, err := c.Deny(d.now())
		return ruling{next: next, audit: "client.denied", detail: describe(c), event: "denied", disconnect: true}, err
	})
}

// Block refuses a device for good: it does not come into the inbox again.
func (d *Desk) Block(ctx context.Context, req *pb.ClientRequest) (*pb.TrustRecord, error) {
	return d.decide(ctx, req.GetClientId(), req.GetActor(), func(c trust.Client) (ruling, error) {
		next, changed := c.Block(d.now())
		if !changed {
			return ruling{next: next}, nil
		}
		return ruling{next: next, audit: "client.blocked", detail: "was " + was(c) + ": " + describe(c), event: "blocked", disconnect: true}, nil
	})
}

// Revoke takes an approval back.
func (d *Desk) Revoke(ctx context.Context, req *pb.ClientRequest) (*pb.TrustRecord, error) {
	return d.decide(ctx, req.GetClientId(), req.GetActor(), func(c trust.Client) (ruling, error) {
		next, changed, err := c.Revoke(d.rules(), d.now())
		if err != nil || !changed {
			return ruling{next: next}, err
		}
		return ruling{next: next, audit: "client.revoked", detail: describe(c), event: "revoked"}, nil
	})
}

// Label names a device; an empty label takes the name away.
func (d *Desk) Label(ctx context.Context, req *pb.SetLabelRequest) (*pb.TrustRecord, error) {
	if err := checkLabel(req.GetLabel()); err != nil {
		return nil, err
	}
	if err := d.unlabelled(ctx, req.GetClientId()); err != nil {
		return nil, err
	}
	return d.decide(ctx, req.GetClientId(), req.GetActor(), func(c trust.Client) (ruling, error) {
		if c.Label == req.GetLabel() {
			return ruling{next: c}, nil
		}
		r := ruling{next: c, audit: "client.labelled", detail: fmt.Sprintf("%q instead of %q", req.GetLabel(), c.Label)}
		r.next.Label = req.GetLabel()
		return r, nil
	})
}

// Forget removes everything about a device, its pairing record and a token that
// waits for it included, and ends its session.
func (d *Desk) Forget(ctx context.Context, req *pb.ClientRequest) (*pb.Empty, error) {
	id := req.GetClientId()
	if err := checkClient(id); err != nil {
		return nil, err
	}
	actor, err := checkActor(req.GetActor())
	if err != nil {
		return nil, err
	}
	var r ruling
	err = d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockPersonas, LockClient(id)); err != nil {
			return err
		}
		c, err := load(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := d.leavePersona(ctx, tx, actor, id); err != nil {
			return err
		}
		if err := tx.DeletePairingRecord(ctx, id); err != nil {
			return err
		}
		if err := d.dropEnrolment(ctx, tx, actor, id); err != nil {
			return err
		}
		if err := tx.DeleteClient(ctx, id); err != nil {
			return err
		}
		r = ruling{next: trust.Client{ID: id, Facts: c.Facts}, audit: "client.forgotten", event: "forgotten", disconnect: true,
			detail: "was " + was(c) + ": " + describe(c)}
		return d.publish(ctx, tx, actor, r)
	})
	if err != nil {
		return nil, err
	}
	d.note(ctx, actor, r)
	d.Announcer.Flush(ctx)
	return &pb.Empty{}, nil
}

func checkLabel(label string) error {
	if trust.Clean(label, trust.MaxText) != label {
		return fault.New(fault.OutOfRange, "a label is at most %d printable characters without leading, trailing or double spaces", trust.MaxText).
			WithField("label", "too long, or with characters that do not print")
	}
	return nil
}

// describe names a device in the ledger, so that a line stays readable after the
// record is gone.
func describe(c trust.Client) string {
	parts := []string{fmt.Sprintf("name %q", c.Name), "key " + fingerprint(c.ID)}
	if c.Label != "" {
		parts = append(parts, fmt.Sprintf("label %q", c.Label))
	}
	if c.Address != "" {
		parts = append(parts, "at "+c.Address)
	}
	return strings.Join(parts, ", ")
}

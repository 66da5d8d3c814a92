package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/platform/obs"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// errTakeOpen: the key turned out to be open, so the decision needs LockOpen too.
var errTakeOpen = errors.New("needs the lock on open keys")

// assessment is what one look at the store and one knock come to.
type assessment struct {
	old     *trust.Client
	next    trust.Client
	verdict trust.Verdict
	// examined: other keys were looked at, which needs LockOpen to be written.
	examined bool
	// endpoint is what the device inherits; nil without a persona.
	endpoint *pb.Endpoint
}

// entered: the device was not in the inbox before and is now.
func (a assessment) entered() bool {
	return a.next.Waiting != nil && (a.old == nil || a.old.Waiting == nil)
}

// Admit takes a sighting down and says what the session may activate. When the
// store cannot be read it answers Unavailable: it never guesses.
func (d *Desk) Admit(ctx context.Context, req *pb.AdmitRequest) (*pb.AdmitResponse, error) {
	if err := checkClient(req.GetClientId()); err != nil {
		return nil, err
	}
	k, now := knockOf(req), d.now()
	var a assessment
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		a, err = d.assess(ctx, tx, k, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	if a.old == nil || !a.old.Same(a.next, seenResolution) {
		if a, err = d.record(ctx, k, now, a.examined); err != nil {
			return nil, err
		}
		d.Announcer.Kick()
		if a.entered() {
			d.trim(ctx)
		}
	}
	if err := d.succeeded(ctx, req); err != nil {
		return nil, err
	}
	d.tell(ctx, a)
	v := a.verdict
	if d.Seen != nil && v.State != trust.Paired {
		d.Seen(k.ID)
	}
	return &pb.AdmitResponse{
		State: stateOf(v.State), AllowedFamilies: v.Families, Warning: v.Warning, Reason: v.Reason,
		Unpair: v.Unpair, ReportEnd: v.ReportEnd, EndsAt: ends(a.next), Endpoint: a.endpoint,
	}, nil
}

func knockOf(req *pb.AdmitRequest) trust.Knock {
	info := req.GetDeviceInfo()
	return trust.Knock{
		ID: req.GetClientId(),
		Facts: trust.Facts{
			Name: req.GetName(), Manufacturer: info.GetManufacturer(), ProductName: info.GetProductName(),
			SoftwareVersion: info.GetSoftwareVersion(), MAC: info.GetMacAddress(), Address: req.GetAddress(),
			Roles: req.GetSupportedRoles(), UnpairedAccess: req.GetUnpairedAccess(),
		}.Clean(),
		Category: req.GetPskCategory(), Mismatch: req.GetCredentialMismatch(),
		Refresh: req.GetRefresh(), Session: trust.Clean(req.GetSessionId(), trust.MaxText),
	}
}

// assess reads what the decision needs. Other keys matter for some only.
func (d *Desk) assess(ctx context.Context, tx Tx, k trust.Knock, now time.Time) (assessment, error) {
	var a assessment
	c, err := tx.Client(ctx, k.ID)
	switch {
	case err == nil:
		a.old = &c
	case !errors.Is(err, ErrNotFound):
		return a, err
	}
	s, err := LoadSettings(ctx, tx)
	if err != nil {
		return a, err
	}
	p := d.policy(s)
	var known trust.Known
	room := false
	if a.examined = trust.Examined(a.old, k); a.examined {
		if known, err = tx.Known(ctx, k.ID, k.Name, k.MAC); err != nil {
			return a, err
		}
	}
	if a.examined && p.Optional {
		n, err := tx.PolicyApprovals(ctx)
		if err != nil {
			return a, err
		}
		room = n < d.Limits.PolicyApprovalLimit
	}
	a.next, a.verdict = trust.Admit(a.old, k, known, p, room, now)
	place, active, err := endpointOf(ctx, tx, k.ID)
	a.endpoint = endpointMessage(place, active)
	return a, err
}

// record assesses again under locks and writes.
func (d *Desk) record(ctx context.Context, k trust.Knock, now time.Time, open bool) (assessment, error) {
	for {
		var a assessment
		err := d.Store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
			locks := []Lock{LockClient(k.ID)}
			if open {
				locks = []Lock{LockOpen, LockClient(k.ID)}
			}
			if err := tx.Lock(ctx, locks...); err != nil {
				return err
			}
			if a, err = d.assess(ctx, tx, k, now); err != nil {
				return err
			}
			if a.examined && !open {
				return errTakeOpen
			}
			return d.write(ctx, tx, a)
		})
		if errors.Is(err, errTakeOpen) {
			open = true
			continue
		}
		return a, err
	}
}

func (d *Desk) write(ctx context.Context, tx Tx, a assessment) error {
	if a.verdict.Lost {
		if err := tx.DeletePairingRecord(ctx, a.next.ID); err != nil {
			return err
		}
	}
	if err := tx.SaveClient(ctx, a.next); err != nil {
		return err
	}
	for _, line := range a.lines() {
		if _, err := d.append(ctx, tx, line.Actor, line.Kind, a.next.ID, line.Detail); err != nil {
			return err
		}
	}
	items := []Announcement{{Kind: AnnounceClient, Key: a.next.ID}}
	if a.verdict.Ended != "" || a.verdict.Withdrawn { // other sessions, and memories of gateways
		items = append(items, trustAnnouncement(a.next.ID, a.next.State(), "expired", false))
	}
	return tx.Enqueue(ctx, items...)
}

// lines are what the ledger says of a knock that changed how far a key may go.
func (a assessment) lines() []Event {
	var out []Event
	v := a.verdict
	if v.Lost {
		out = append(out, Event{Actor: trust.ActorDevice, Kind: auditUnpairDelivered,
			Detail: "the device did not have the record any more: " + describe(a.next)})
	}
	if v.Ended != "" {
		out = append(out, Event{Actor: endedBy(v.Ended), Kind: auditApprovalEnded,
			Detail: v.Ended + ": " + describe(*a.old) + terms(*a.old, *a.old)})
	}
	if v.Withdrawn {
		out = append(out, Event{Actor: trust.ActorPolicy, Kind: auditApprovalEnded,
			Detail: v.Warning + ": " + describe(a.next) + fmt.Sprintf(", was name %q", a.old.Name)})
	}
	if v.ByPolicy {
		out = append(out, Event{Actor: trust.ActorPolicy, Kind: "client.approved",
			Detail: "first seen under policy optional: " + describe(a.next)})
	}
	return out
}

// tell logs what changed, so that the on-call person sees each device once.
func (d *Desk) tell(ctx context.Context, a assessment) {
	v := a.verdict
	d.Metrics.admits.WithLabelValues(v.State.String()).Inc()
	if a.old != nil && a.old.State() == v.State && a.old.Warning == v.Warning && !a.entered() {
		return
	}
	l := d.log(ctx, a.next.ID).With(obs.KeyState, v.State.String(), obs.KeyName, a.next.Name, obs.KeyReason, v.Reason)
	if v.Warning != "" && (a.old == nil || a.old.Warning == "") {
		d.Metrics.warnings.WithLabelValues(v.Warning).Inc()
		l.Warn("client is suspicious", "warning", v.Warning)
		return
	}
	if v.State == trust.CredentialMismatch {
		l.Warn("client could not use its pairing record")
		return
	}
	l.Info("client admitted")
}

// trim enforces the bound of the inbox. Each entry goes in a transaction of its
// own, under its own lock, so that it cannot race with a decision about it. What
// fails here is left to the sweep.
func (d *Desk) trim(ctx context.Context) {
	var ids []string
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		ids, err = tx.InboxOverflow(ctx, d.Limits.InboxLimit)
		return err
	})
	for _, id := range ids {
		if err == nil {
			err = d.drop(ctx, id, func(trust.Client) bool { return true }, false)
		}
	}
	if err != nil {
		d.Log.Warn("the inbox is over its limit and could not be trimmed", obs.KeyErr, err)
		return
	}
	if len(ids) > 0 {
		d.Metrics.dropped.Add(float64(len(ids)))
		d.Announcer.Kick()
	}
}

// drop takes a device out of the inbox: a record that nobody decided about goes
// altogether, any other only stops waiting. gone decides under the lock.
func (d *Desk) drop(ctx context.Context, id string, gone func(trust.Client) bool, event bool) error {
	return d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockClient(id)); err != nil {
			return err
		}
		c, err := tx.Client(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if c.Waiting == nil || !gone(c) {
			return nil
		}
		if c.Open() {
			err = tx.DeleteClient(ctx, id)
		} else {
			c.Waiting = nil
			err = tx.SaveClient(ctx, c)
		}
		if err != nil {
			return err
		}
		items := []Announcement{{Kind: AnnounceClient, Key: id}}
		if event {
			items = append(items, trustAnnouncement(id, c.State(), "expired", false))
		}
		return tx.Enqueue(ctx, items...)
	})
}

// Sweep takes expired entries out of the inbox and enforces its bound. A device
// that is still connected hears of it through its gateway and knocks again.
func (d *Desk) Sweep(ctx context.Context) error {
	const batch = 100
	now := d.now()
	var ids []string
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		ids, err = tx.InboxExpired(ctx, now, batch)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		expired := func(c trust.Client) bool { return !c.Waiting.Expires.After(now) }
		if err := d.drop(ctx, id, expired, true); err != nil {
			return err
		}
	}
	if len(ids) > 0 {
		d.Log.Info("inbox entries expired", obs.KeyCount, len(ids))
		d.Announcer.Kick()
	}
	d.trim(ctx)
	return nil
}

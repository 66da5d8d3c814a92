package trust

import (
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Approve is the operator's yes. It ends a denial and clears a warning. A label
// of "" keeps the present one. For a paired client it only sets the source scope.
// changed is false when the record already said all of it. Conflict when the
// approval could not have any effect.
func (c Client) Approve(label string, source bool, actor string, p Policy, now time.Time) (next Client, changed bool, err error) {
	if c.State() == CredentialMismatch {
		return c, false, fault.New(fault.Conflict,
			"client %s has a pairing record that the device could not use (credential_mismatch): pair it again, or forget it first", c.ID)
	}
	n := c.clone()
	n.Decision = DecidedApproved
	n.Warning = ""
	if label != "" {
		n.Label = label
	}
	switch {
	case c.Paired && !source:
		n.Approval = nil
	case c.Approval == nil || c.Approval.Source != source || c.Approval.Actor == ActorPolicy:
		n.Approval = &Approval{Source: source, Actor: actor, At: now}
	}
	changed = c.Decision != n.Decision || c.Warning != n.Warning || c.Label != n.Label || !sameApproval(c.Approval, n.Approval)
	if !changed {
		return c, false, nil
	}
	if c.Decision != DecidedApproved {
		n.DecidedAt = now
	}
	n.wait(p, now)
	return n, true, nil
}

func sameApproval(a, b *Approval) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Source == b.Source && a.Actor == b.Actor && a.At.Equal(b.At)
}

// Deny is the operator's "not now": nothing is allowed, whatever is on record,
// until an operator approves or forgets the client. It leaves the inbox and may
// show up there again when it knocks after the inbox's time has passed.
func (c Client) Deny(now time.Time) Client {
	n := c.clone()
	n.Decision, n.DecidedAt = DecidedDenied, now
	n.Approval, n.Waiting = nil, nil
	return n
}

// Revoke takes an approval back. changed is false when that was done already.
// Conflict when there was none to take.
func (c Client) Revoke(p Policy, now time.Time) (next Client, changed bool, err error) {
	if c.Approval == nil && c.Decision == DecidedRevoked {
		return c, false, nil
	}
	if c.Approval == nil {
		return c, false, fault.New(fault.Conflict, "client %s has no approval to revoke: it is %s", c.ID, c.State())
	}
	n := c.clone()
	n.Approval = nil
	n.Decision, n.DecidedAt = DecidedRevoked, now
	n.wait(p, now)
	return n, true, nil
}

package trust

import (
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Terms are what an operator's yes says.
type Terms struct {
	Label      string // "": keeps the present one
	Source     bool
	Controller bool
	// Warning is the warning that the operator names and accepts.
	Warning         string
	UntilDisconnect bool
	Ends            time.Time // zero: no end
	Actor           string
}

func (t Terms) approval(now time.Time) Approval {
	return Approval{
		Source: t.Source, Controller: t.Controller, Actor: t.Actor, At: now,
		Ends: t.Ends, UntilDisconnect: t.UntilDisconnect,
	}
}

// same reports whether a says what other says, whoever said it and when.
func (a *Approval) same(other Approval) bool {
	return a.Source == other.Source && a.Controller == other.Controller &&
		a.Ends.Equal(other.Ends) && a.UntilDisconnect == other.UntilDisconnect
}

// Approve is the operator's yes. It ends a denial and a block. For a paired client
// it only sets the source scope. changed is false when the record already said all
// of it. Conflict when a warning is held against the key and t does not name it,
// or when the approval could not have any effect; OutOfRange when it would have
// ended already.
func (c Client) Approve(t Terms, p Policy, now time.Time) (next Client, changed bool, err error) {
	if err := c.mayApprove(t, now); err != nil {
		return c, false, err
	}
	n := c.clone()
	n.Decision = DecidedApproved
	switch {
	case c.Paired && c.State() == Denied:
		n.Decision = DecidedPaired
	case c.Paired: // about source alone
		n.Decision = c.Decision
	}
	n.Warning = ""
	if t.Label != "" {
		n.Label = t.Label
	}
	want := t.approval(now)
	switch {
	case c.Paired && !t.Source:
		n.Approval = nil
	case c.Approval == nil || !c.Approval.same(want) || c.Approval.Actor == ActorPolicy:
		n.Approval = &want
	}
	changed = c.Decision != n.Decision || c.Warning != n.Warning || c.Label != n.Label || !sameApproval(c.Approval, n.Approval)
	if !changed {
		return c, false, nil
	}
	if c.Decision != n.Decision {
		n.DecidedAt = now
	}
	n.wait(p, now)
	return n, true, nil
}

func (c *Client) mayApprove(t Terms, now time.Time) error {
	if !t.Ends.IsZero() && !t.Ends.After(now) {
		return fault.New(fault.OutOfRange, "the approval would have ended already: give a time that is still to come").
			WithField("ends_at", "is in the past")
	}
	if c.State() == CredentialMismatch {
		return fault.New(fault.Conflict,
			"client %s has a pairing record that the device could not use (credential_mismatch): pair it again, or forget it first", c.ID)
	}
	if t.Warning != "" && t.Warning != WarnNameReused && t.Warning != WarnIdentityChanged {
		return fault.New(fault.OutOfRange, "there is no warning of that name: choose %s or %s", WarnNameReused, WarnIdentityChanged).
			WithField("accept_warning", "is no warning")
	}
	if c.Warning == "" || c.Warning == t.Warning {
		return nil
	}
	return fault.New(fault.Conflict,
		"the warning %s is held against client %s: %s. Pair it, which proves who it is, or accept the warning by its name (accept_warning: %q; --accept-warning %s)",
		c.Warning, c.ID, meaning(c.Warning), c.Warning, c.Warning)
}

// meaning says in words what a warning is about.
func meaning(warning string) string {
	if warning == WarnIdentityChanged {
		return "it shows the MAC address of a known device, with another key; it may be that device after a factory reset, or another one that pretends"
	}
	return "it uses the name of a known device, with another key; it may be a new device of the same name, or one that pretends"
}

func sameApproval(a, b *Approval) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.same(*b) && a.Actor == b.Actor && a.At.Equal(b.At) && a.Session == b.Session
}

// wayOut tells how a denial or a block ends.
const wayOut = "approve it to lift that, or forget it"

// Deny is the operator's "not now": nothing is allowed, whatever is on record,
// until an operator approves or forgets the client. It leaves the inbox and may
// show up there again when it knocks after the inbox's time has passed. Conflict
// for a blocked client, which a denial would set free in part.
func (c Client) Deny(now time.Time) (Client, error) {
	if c.Blocked() {
		return c, fault.New(fault.Conflict, "client %s is blocked, which is more than denied: %s", c.ID, wayOut)
	}
	n := c.clone()
	n.Decision, n.DecidedAt = DecidedDenied, now
	n.Approval, n.Waiting = nil, nil
	return n, nil
}

// Block is the operator's "never": as [Client.Deny], and the client does not show
// up in the inbox again. changed is false when it was blocked already.
func (c Client) Block(now time.Time) (next Client, changed bool) {
	if c.Blocked() {
		return c, false
	}
	n := c.clone()
	n.Decision, n.DecidedAt = DecidedBlocked, now
	n.Approval, n.Waiting = nil, nil
	return n, true
}

// Revoke takes an approval back. changed is false when that was done already.
// Conflict when there was none to take.
func (c Client) Revoke(p Policy, now time.Time) (next Client, changed bool, err error) {
	if c.Approval == nil && c.Decision == DecidedRevoked {
		return c, false, nil
	}
	if c.Approval == nil {
		return c, false, fault.New(fault.Conflict, "client %s has no approval to revoke: it is %s", c.ID, c.standing())
	}
	n := c.clone()
	n.Approval = nil
	n.Decision, n.DecidedAt = DecidedRevoked, now
	n.wait(p, now)
	return n, true, nil
}

// standing is the state in words, with the way out where there is one.
func (c *Client) standing() string {
	switch {
	case c.Blocked():
		return "blocked; " + wayOut
	case c.Decision == DecidedDenied:
		return "denied; " + wayOut
	case c.State() == Paired:
		return "paired; unpair it to end that"
	}
	return c.State().String()
}

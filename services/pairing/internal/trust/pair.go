package trust

import "time"

// PairUndone takes back a [Client.PairedNow] that came to nothing: before is the
// client as that found it. What the device said about itself since, and what an
// operator decided since, stays: a record that comes back is one to tell the device of
// if the client was unpaired meanwhile. A warning that nothing has answered comes back.
func (c Client) PairUndone(before Client) Client {
	n, b := c.clone(), before.clone()
	n.Paired, n.PairedAt, n.Unpairing = b.Paired, b.PairedAt, b.Unpairing
	if c.Unpairing && b.Paired {
		n.Paired, n.PairedAt, n.Unpairing = false, time.Time{}, true
	}
	n.Mismatch = n.Paired && b.Mismatch
	if c.Decision != DecidedPaired {
		if n.Approval == nil {
			n.Warning = b.Warning
		}
		return n
	}
	n.Approval, n.Waiting = b.Approval, b.Waiting
	n.Warning, n.Decision, n.DecidedAt = b.Warning, b.Decision, b.DecidedAt
	return n
}

// Allowed are the role families that a running session of the client may have, if it
// is keyed by a PSK of the given category, without taking anything down.
// unpairedAccess is what the client says at present.
func (c Client) Allowed(category, session string, unpairedAccess bool, p Policy, now time.Time) []string {
	facts := c.Facts
	facts.UnpairedAccess = unpairedAccess
	p.Optional = false // nobody is approved by asking
	k := Knock{ID: c.ID, Facts: facts, Category: category, Mismatch: c.Mismatch, Refresh: true, Session: session}
	_, v := Admit(&c, k, Known{}, p, false, now)
	return v.Families
}

package trust

import (
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
)

// MayPair is nil when a pairing with the client may begin or be completed.
// Conflict, with the way out, for a denied or blocked client.
func (c *Client) MayPair() error {
	if c.State() != Denied {
		return nil
	}
	what := "denied"
	if c.Blocked() {
		what = "blocked"
	}
	return fault.New(fault.Conflict, "client %s is %s, so it cannot be paired: %s first", c.ID, what, wayOut)
}

// PairedNow is the client when the pairing record of a completed attempt is stored
// in the same transaction. The record replaces whatever was there: the approval is
// discarded, scopes included, a warning is settled, an unpairing is over. Conflict
// as [Client.MayPair]: an operator may have denied it meanwhile.
func (c Client) PairedNow(now time.Time) (Client, error) {
	if err := c.MayPair(); err != nil {
		return c, err
	}
	n := c.clone()
	n.Paired, n.PairedAt, n.Mismatch, n.Unpairing = true, now, false, false
	n.Approval, n.Waiting, n.Warning = nil, nil, ""
	n.Decision, n.DecidedAt = DecidedPaired, now
	return n, nil
}

// Unpair takes the pairing back: the record allows nothing any more and is kept
// until the device has been told. A denial or block stands. changed is false when
// that was done already. Conflict without a record.
func (c Client) Unpair(now time.Time) (next Client, changed bool, err error) {
	switch {
	case c.Unpairing:
		return c, false, nil
	case !c.Paired:
		return c, false, fault.New(fault.Conflict, "client %s has no pairing record: it is %s", c.ID, c.standing())
	}
	n := c.clone()
	n.Paired, n.PairedAt, n.Mismatch, n.Unpairing = false, time.Time{}, false, true
	n.Approval, n.Waiting = nil, nil
	if c.State() != Denied {
		n.Decision, n.DecidedAt = DecidedRevoked, now
	}
	return n, true, nil
}

// UnpairTold is the client once its device has dropped the record. changed is
// false when none was to be dropped.
func (c Client) UnpairTold() (next Client, changed bool) {
	if !c.Unpairing {
		return c, false
	}
	n := c.clone()
	n.Unpairing = false
	return n, true
}

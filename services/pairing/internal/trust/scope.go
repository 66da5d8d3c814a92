package trust

import (
	"slices"
	"time"
)

// Role families (specification: Role Versioning).
const (
	FamilySource     = "source"
	FamilyController = "controller"
)

// baseFamilies are allowed to every trusted client; source and controller are
// decided by themselves.
var baseFamilies = [...]string{"player", "metadata", "artwork", "visualizer", "color"}

// families are what the record allows to a session.
func (c *Client) families(k Knock, p Policy) []string {
	if c.Unpairing {
		return nil
	}
	controller := false
	switch c.State() {
	case Paired:
		if !c.proves(k) {
			return nil
		}
		controller = true
	case Approved:
		if !c.UnpairedAccess {
			return nil
		}
		controller = !p.ControllerPairedOnly || c.Approval.Controller
	default:
		return nil
	}
	out := slices.Clone(baseFamilies[:])
	if controller {
		out = append(out, FamilyController)
	}
	if c.Approval != nil && c.Approval.Source {
		out = append(out, FamilySource)
	}
	return out
}

// proves reports whether a session may use a paired client's rights: it is keyed by
// the record, or it runs and was keyed anew for an attempt, on a device whose
// unpaired access lets playback go on beside pairing (specification:
// server/activate, the table of activity sets).
func (c *Client) proves(k Knock) bool {
	switch {
	case k.Mismatch:
		return false
	case k.Category == CategoryLongTerm:
		return true
	case k.Category == CategoryPairing, k.Category == CategorySentinel:
		return k.Refresh && c.UnpairedAccess
	}
	return false
}

// Why an approval ended.
const (
	EndedByTime       = "its time has passed"
	EndedByDisconnect = "the device disconnected"
)

// over says why the approval does not hold any more at this knock; "" when it does.
// An opening ends an approval until disconnect even when the end of the session
// was never reported (its gateway died).
func (c *Client) over(k Knock, now time.Time) string {
	if reason := c.past(now); reason != "" {
		return reason
	}
	a := c.Approval
	if a != nil && a.UntilDisconnect && (!k.Refresh || a.Session != "" && a.Session != k.Session) {
		return EndedByDisconnect
	}
	return ""
}

func (c *Client) past(now time.Time) string {
	if c.Approval != nil && !c.Approval.Ends.IsZero() && !c.Approval.Ends.After(now) {
		return EndedByTime
	}
	return ""
}

// hold binds an approval until disconnect to the session that first asks under it.
func (c *Client) hold(k Knock) {
	if a := c.Approval; a != nil && a.UntilDisconnect && a.Session == "" && k.Refresh {
		a.Session = k.Session
	}
}

func (c *Client) end(now time.Time) {
	c.Approval = nil
	c.Decision, c.DecidedAt = DecidedExpired, now
}

// Lapse ends the approval when its time has passed. why is "" when it did not end.
func (c Client) Lapse(p Policy, now time.Time) (next Client, why string) {
	if why = c.past(now); why == "" {
		return c, ""
	}
	n := c.clone()
	n.end(now)
	n.wait(p, now)
	return n, why
}

// SessionEnded ends an approval that lasts as long as the session. why is "" when
// there is none.
func (c Client) SessionEnded(session string, p Policy, now time.Time) (next Client, why string) {
	a := c.Approval
	if a == nil || !a.UntilDisconnect || session == "" || a.Session != session {
		return c, ""
	}
	n := c.clone()
	n.end(now)
	n.wait(p, now)
	return n, EndedByDisconnect
}

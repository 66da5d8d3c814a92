package trust

import (
	"net"
	"slices"
	"time"
)

// Categories of the PSK that a handshake matched (specification: Pre-Shared Key).
const (
	CategoryLongTerm = "lt"
	CategoryPairing  = "pr"
	CategorySentinel = "sn"
)

// Policy is what the operator set for everyone.
type Policy struct {
	// Optional approves and pins open keys by itself (trust on first use).
	Optional bool
	// ControllerPairedOnly keeps the controller role from approved devices whose
	// approval does not name it.
	ControllerPairedOnly bool
	// InboxTTL is how long a device waits after its last knock. A denied device
	// shows up again that long after the denial.
	InboxTTL time.Duration
}

// Knock is one device at the door: an authenticated session that asks what it
// may do.
type Knock struct {
	ID string
	Facts
	Category string // what the handshake matched last
	Mismatch bool   // a long-term PSK was referenced and the Sentinel matched
	Refresh  bool   // the session runs already, and asks again
	Session  string // "" during the opening
}

// Known says whether other keys have been seen under what this one claims.
type Known struct {
	Name bool // a name or a label
	MAC  bool
}

// Verdict is the answer to a Knock, and what came to pass with it.
type Verdict struct {
	State    State
	Families []string // empty: no activities, no roles
	Warning  string
	Reason   string
	// Unpair: the session is keyed by a record that was unpaired; tell the device.
	Unpair bool
	// ReportEnd: an approval lasts as long as this session.
	ReportEnd bool

	// ByPolicy: this knock was approved by the policy just now.
	ByPolicy bool
	// Withdrawn: the policy's approval was taken back just now, because the key
	// took on the name or MAC address of another.
	Withdrawn bool
	// Ended says why an approval ended just now; "" when none did.
	Ended string
	// Lost: the device answered that it does not hold the unpaired record any
	// more. The record is to be deleted.
	Lost bool
}

// Examined reports whether a knock of c is to be compared with what other keys
// claim: a key that nobody decided about, and one that the policy alone approved
// when it now says another name or MAC address. old may be nil.
func Examined(old *Client, k Knock) bool {
	if old == nil || old.Open() {
		return true
	}
	return old.Approval != nil && old.Approval.Actor == ActorPolicy &&
		(NameKey(old.Name) != NameKey(k.Name) || old.MAC != k.MAC)
}

// Admit takes down what the knock says and decides. old is nil for a key without
// a record. room is false when the policy has approved as many keys as it may.
// known matters for keys that are [Examined] only. old is not changed.
func Admit(old *Client, k Knock, known Known, p Policy, room bool, now time.Time) (Client, Verdict) {
	c := Client{ID: k.ID, FirstSeen: now}
	if old != nil {
		c = old.clone()
	}
	v := Verdict{}
	examined := Examined(old, k)
	c.Facts = k.Facts
	c.LastSeen = now
	v.Lost = c.meet(k)
	if v.Ended = c.over(k, now); v.Ended != "" {
		c.end(now)
	}
	if examined && c.Warning == "" {
		c.Warning = warning(known)
		if c.Warning != "" && c.Approval != nil {
			c.Approval, v.Withdrawn = nil, true
		}
	}
	c.hold(k)
	// Keyed by a record that is gone or of no use by now: the session proves
	// nothing that we still hold.
	stale := !c.Paired && k.Category == CategoryLongTerm
	if p.Optional && room && c.Open() && c.Warning == "" && c.UnpairedAccess && k.Category == CategorySentinel {
		c.Approval = &Approval{Actor: ActorPolicy, At: now}
		v.ByPolicy = true
	}
	c.wait(p, now)
	v.State, v.Warning, v.Reason = c.State(), c.Warning, c.reason()
	v.Unpair = stale && c.Unpairing && !k.Mismatch
	if stale && !c.Unpairing {
		v.Reason = "the pairing record of this session was removed"
	}
	if !stale {
		v.Families = c.families(k, p)
	}
	v.ReportEnd = c.Approval != nil && c.Approval.UntilDisconnect
	return c, v
}

// meet takes down what the handshake says about the pairing record, and reports
// whether an unpaired one can go because the device has lost it.
//
// Only the long-term PSK and the Sentinel Fallback say anything: a session that
// this server re-keyed to a pairing PSK or to the Sentinel, for an attempt, is
// neither a proof that the record works nor a mismatch.
func (c *Client) meet(k Knock) (lost bool) {
	switch {
	case c.Unpairing && k.Mismatch && k.Category == CategorySentinel:
		c.Unpairing = false
		return true
	case !c.Paired:
	case k.Mismatch:
		c.Mismatch = true
	case k.Category == CategoryLongTerm:
		c.Mismatch = false
	}
	return false
}

func warning(known Known) string {
	switch {
	case known.MAC:
		return WarnIdentityChanged
	case known.Name:
		return WarnNameReused
	}
	return ""
}

// waitReason says why the device waits; "" when it does not.
func (c *Client) waitReason(p Policy, now time.Time) string {
	switch c.State() {
	case Paired:
		return ""
	case CredentialMismatch:
		return WaitCredentialMismatch
	case Denied:
		if c.Blocked() || now.Sub(c.DecidedAt) < p.InboxTTL {
			return ""
		}
		return WaitDenied
	case Approved:
		if !c.UnpairedAccess {
			return WaitPairingRequired
		}
		return ""
	}
	switch {
	case c.Unpairing:
		return "" // it is being told, and comes back as a stranger
	case c.Warning != "":
		return c.Warning
	case c.Decision == DecidedRevoked:
		return WaitRevoked
	case c.Decision == DecidedExpired:
		return WaitApprovalEnded
	case !c.UnpairedAccess:
		return WaitPairingRequired
	}
	return WaitNew
}

// wait puts the device into the inbox, renews its entry, or takes it out.
func (c *Client) wait(p Policy, now time.Time) {
	reason := c.waitReason(p, now)
	if reason == "" {
		c.Waiting = nil
		return
	}
	since := now
	if c.Waiting != nil {
		since = c.Waiting.Since
	}
	c.Waiting = &Waiting{Reason: reason, Since: since, Knocked: now, Expires: now.Add(p.InboxTTL)}
}

// reason is a sentence for the log and the operator.
func (c *Client) reason() string {
	switch {
	case c.Blocked():
		return "blocked by the operator"
	case c.Decision == DecidedDenied:
		return "denied by the operator"
	case c.Unpairing:
		return "unpaired by the operator; the device is told when it can be"
	}
	switch c.State() {
	case CredentialMismatch:
		return "the device could not use its pairing record; pair it again"
	case Paired:
		return "paired"
	case Approved:
		if !c.UnpairedAccess {
			return "approved, but the device admits only paired servers; pair it"
		}
		if c.Approval.Actor == ActorPolicy {
			return "approved by the policy"
		}
		return "approved by the operator"
	}
	switch {
	case c.Warning == WarnIdentityChanged:
		return "a known MAC address with another key waits for the operator"
	case c.Warning == WarnNameReused:
		return "a known name with another key waits for the operator"
	case c.Decision == DecidedRevoked:
		return "its approval or pairing was taken back"
	case c.Decision == DecidedExpired:
		return "its approval has ended"
	case !c.UnpairedAccess:
		return "the device admits only paired servers; it waits for pairing"
	}
	return "waits for approval"
}

// Same reports whether next says nothing new about c but the time of the knock,
// and that time is less than resolution after the one on record. Then the record
// need not be written again.
func (c *Client) Same(next Client, resolution time.Duration) bool {
	return next.LastSeen.Sub(c.LastSeen) < resolution &&
		c.Name == next.Name && c.Manufacturer == next.Manufacturer && c.ProductName == next.ProductName &&
		c.SoftwareVersion == next.SoftwareVersion && c.MAC == next.MAC && host(c.Address) == host(next.Address) &&
		c.UnpairedAccess == next.UnpairedAccess && slices.Equal(c.Roles, next.Roles) &&
		c.Warning == next.Warning && c.Decision == next.Decision &&
		c.Mismatch == next.Mismatch && c.Unpairing == next.Unpairing &&
		sameApproval(c.Approval, next.Approval) &&
		(c.Waiting == nil) == (next.Waiting == nil) &&
		(c.Waiting == nil || c.Waiting.Reason == next.Waiting.Reason)
}

// host drops the port of an address: a device that dials in has another one each time.
func host(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return addr
}

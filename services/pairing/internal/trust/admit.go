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

// Role families (specification: Role Versioning).
const (
	FamilySource     = "source"
	FamilyController = "controller"
)

// baseFamilies are allowed to every trusted client; source and controller are
// decided by themselves.
var baseFamilies = [...]string{"player", "metadata", "artwork", "visualizer", "color"}

// Policy is what the operator set for everyone.
type Policy struct {
	// Optional approves and pins open keys by itself (trust on first use).
	Optional bool
	// ControllerPairedOnly keeps the controller role from approved devices.
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
	Category string // what the handshake matched
	Mismatch bool   // a long-term PSK was referenced and the Sentinel matched
}

// Known says whether other keys have been seen under what this one claims.
type Known struct {
	Name bool // a name or a label
	MAC  bool
}

// Verdict is the answer to a Knock.
type Verdict struct {
	State    State
	Families []string // empty: no activities, no roles
	Warning  string
	Reason   string
	// ByPolicy: this knock was approved by the policy just now.
	ByPolicy bool
}

// Admit takes down what the knock says and decides. old is nil for a key without
// a record. room is false when the policy has approved as many keys as it may.
// known matters for open keys only. old is not changed.
func Admit(old *Client, k Knock, known Known, p Policy, room bool, now time.Time) (Client, Verdict) {
	c := Client{ID: k.ID, FirstSeen: now}
	if old != nil {
		c = old.clone()
	}
	c.Facts = k.Facts
	c.LastSeen = now
	// With a record, everything but its own PSK is a mismatch: the specification
	// allows no roles on such a session while the record exists.
	c.Mismatch = c.Paired && (k.Mismatch || k.Category != CategoryLongTerm)

	if c.Open() && c.Warning == "" {
		c.Warning = warning(known)
	}
	v := Verdict{}
	if !c.Paired && k.Category == CategoryLongTerm {
		// Keyed by a record that is gone by now: the session proves nothing that
		// we still hold.
		c.wait(p, now)
		v.State, v.Warning = c.State(), c.Warning
		v.Reason = "the pairing record of this session was removed"
		return c, v
	}
	if p.Optional && room && c.Open() && c.Warning == "" && c.UnpairedAccess && k.Category == CategorySentinel {
		c.Approval = &Approval{Actor: ActorPolicy, At: now}
		v.ByPolicy = true
	}
	c.wait(p, now)
	v.State, v.Warning = c.State(), c.Warning
	v.Families = c.families(p)
	v.Reason = c.reason()
	return c, v
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

// families are what the record allows, for a session that matches the record.
func (c *Client) families(p Policy) []string {
	controller := false
	switch c.State() {
	case Paired:
		controller = true
	case Approved:
		if !c.UnpairedAccess {
			return nil
		}
		controller = !p.ControllerPairedOnly
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

// waitReason says why the device waits; "" when it does not.
func (c *Client) waitReason(p Policy, now time.Time) string {
	switch c.State() {
	case Paired:
		return ""
	case CredentialMismatch:
		return WaitCredentialMismatch
	case Denied:
		if now.Sub(c.DecidedAt) < p.InboxTTL {
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
	case c.Warning != "":
		return c.Warning
	case c.Decision == DecidedRevoked:
		return WaitRevoked
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
	switch c.State() {
	case Denied:
		return "denied by the operator"
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
		return "its approval was revoked"
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
		c.Warning == next.Warning && c.Mismatch == next.Mismatch &&
		(c.Approval == nil) == (next.Approval == nil) &&
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

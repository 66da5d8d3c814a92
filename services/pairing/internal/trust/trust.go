// Package trust decides how far a device may go. It is a pure function of what
// is on record, what the device just said and the policy: no clock, no storage,
// no bus. Everything that it forbids stays forbidden wherever it is called from.
//
// Invariants, which the model test walks:
//
//   - no role family is allowed without a pairing record or an approval that has
//     not ended;
//   - a denied, blocked or revoked key, and one whose approval ended or whose
//     pairing was taken back, is never approved again by the policy;
//   - a key that appears under a known name or MAC address is never approved by
//     the policy, nor by an approval that does not name the warning;
//   - a record whose holder answered with the Sentinel PSK allows nothing
//     (specification: Sentinel Fallback);
//   - a record that was unpaired allows nothing; it is kept to tell the device.
package trust

import "time"

// State is how far a client may go.
type State int

// The states, as the bus and the API name them.
const (
	Unapproved State = iota
	Approved
	Paired
	CredentialMismatch
	Denied
)

// String is the state's name in the database and the API.
func (s State) String() string {
	switch s {
	case Approved:
		return "approved"
	case Paired:
		return "paired"
	case CredentialMismatch:
		return "credential_mismatch"
	case Denied:
		return "denied"
	default:
		return "unapproved"
	}
}

// Warnings: why a key is suspicious. A warning stays until the key is paired, or
// approved by a decision that names it.
const (
	WarnNameReused      = "name_reused_by_new_key"
	WarnIdentityChanged = "identity_changed"
)

// Reasons for which a device waits in the inbox; the two warnings are reasons too.
const (
	WaitNew                = "new"
	WaitCredentialMismatch = "credential_mismatch"
	WaitRevoked            = "revoked"
	WaitDenied             = "denied"
	WaitPairingRequired    = "pairing_required"
	WaitApprovalEnded      = "approval_ended"
)

// Decision is the last thing an operator decided about a key.
type Decision string

// The decisions.
const (
	Undecided       Decision = ""
	DecidedApproved Decision = "approved"
	DecidedDenied   Decision = "denied"  // not now
	DecidedBlocked  Decision = "blocked" // never
	DecidedRevoked  Decision = "revoked" // an approval or a pairing was taken back
	DecidedExpired  Decision = "expired" // an approval came to the end that it was given
	DecidedPaired   Decision = "paired"
)

// Actors of approvals and audit lines that are no person.
const (
	// ActorPolicy stands for the policy "optional".
	ActorPolicy = "policy"
	// ActorSystem is the server itself, when a time has come that an operator set.
	ActorSystem = "system"
	// ActorDevice is the client of the line.
	ActorDevice = "device"
)

// Facts are what a device says about itself, cleaned by [Facts.Clean].
type Facts struct {
	Name            string
	Manufacturer    string
	ProductName     string
	SoftwareVersion string
	MAC             string // "" or aa:bb:cc:dd:ee:ff
	Address         string // peer host:port
	Roles           []string
	UnpairedAccess  bool
}

// Approval is an operator's (or the policy's) word that a key may be used unpaired.
type Approval struct {
	// Source also allows the source role. For a paired client it is the only
	// thing that an approval adds.
	Source bool
	// Controller allows the controller role whatever the policy.
	Controller bool
	Actor      string
	At         time.Time
	// Ends is when it stops to hold; zero: no end of that kind.
	Ends time.Time
	// UntilDisconnect: it holds as long as Session does, which is "" until the
	// session of the moment has asked for admission.
	UntilDisconnect bool
	Session         string
}

// Waiting is an entry of the inbox.
type Waiting struct {
	Reason  string
	Since   time.Time
	Knocked time.Time
	Expires time.Time
}

// Client is all that is on record about one key, except secrets.
type Client struct {
	ID    string
	Label string
	Facts
	FirstSeen, LastSeen time.Time
	Warning             string
	Decision            Decision
	DecidedAt           time.Time
	// Paired: a pairing record exists, since PairedAt. Mismatch: its holder last
	// answered with another key.
	Paired   bool
	PairedAt time.Time
	Mismatch bool
	// Unpairing: a pairing record exists that allows nothing any more. It is kept
	// to tell the device (specification: server/unpair). Never with Paired.
	Unpairing bool
	Approval  *Approval
	Waiting   *Waiting
}

// Blocked reports whether the key is denied for good.
func (c *Client) Blocked() bool { return c.Decision == DecidedBlocked }

// State is derived, so that it cannot disagree with what it follows from. A
// denial stands above everything else. Whether an approval has ended is not seen
// here: that needs the time, and is written down when it is found ([Admit],
// [Client.Lapse]).
func (c *Client) State() State {
	switch {
	case c.Decision == DecidedDenied, c.Blocked():
		return Denied
	case c.Paired && c.Mismatch:
		return CredentialMismatch
	case c.Paired:
		return Paired
	case c.Approval != nil:
		return Approved
	default:
		return Unapproved
	}
}

// Open reports whether nobody has decided about this key yet: neither an
// operator, nor the policy, nor a pairing. Only such keys are the policy's to
// approve, and only such records may be dropped to make room.
func (c *Client) Open() bool {
	return c.Decision == Undecided && c.Approval == nil && !c.Paired && !c.Unpairing
}

// clone copies c so deeply that the copy shares nothing that this package changes.
func (c Client) clone() Client {
	if c.Approval != nil {
		a := *c.Approval
		c.Approval = &a
	}
	if c.Waiting != nil {
		w := *c.Waiting
		c.Waiting = &w
	}
	return c
}

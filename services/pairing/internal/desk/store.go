package desk

import (
	"context"
	"errors"
	"time"

	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// ErrNotFound is what a Tx answers for a thing that is not there.
var ErrNotFound = errors.New("not found")

// Store is what the desk needs of a database. PostgreSQL and SQLite implement
// it (internal/store) and pass one conformance suite (internal/store/storetest).
// Safe for concurrent use.
//
// Every error of View and Update that says the database could not be used is a
// *fault.Error with code Unavailable, whose message a person understands; errors
// of fn are returned as they are. The context that fn is given also ends when the
// store's own bound for one operation has passed.
type Store interface {
	// View reads. Each call of the Tx sees its own snapshot.
	View(ctx context.Context, fn func(context.Context, Tx) error) error
	// Update runs fn in one transaction, which commits when fn returns nil. fn may
	// run more than once (after a serialization failure) and must not act on
	// anything but the Tx.
	Update(ctx context.Context, fn func(context.Context, Tx) error) error
	// Name is "PostgreSQL" or "SQLite".
	Name() string
	// Close waits for running transactions.
	Close()
}

// Lock names a thing that one transaction at a time may change. Take Open before
// Client (and see LockPersonas); take every lock before reading what it protects.
type Lock string

// The locks of the desk. LockClient is per key.
const (
	// LockIdentity: the creation of the deployment's identity, and the settings.
	LockIdentity Lock = "identity"
	// LockOpen: decisions about keys that nobody decided about yet. They look at
	// all other keys, so they follow one another.
	LockOpen Lock = "open"
	// LockEnrolments: changes of enrolments. It is taken alone.
	LockEnrolments Lock = "enrolments"
)

// LockClient is the lock of one key.
func LockClient(id string) Lock { return Lock("client:" + id) }

// Tx is one view or one transaction.
type Tx interface {
	// Lock holds the locks until the transaction ends. No-op in a View.
	Lock(ctx context.Context, locks ...Lock) error

	// Empty reports whether the store holds nothing that matters yet.
	Empty(ctx context.Context) (bool, error)
	// Identity is ErrNotFound before CreateIdentity.
	Identity(ctx context.Context) (Identity, error)
	CreateIdentity(ctx context.Context, id Identity) error

	Settings(ctx context.Context) (map[string]string, error)
	PutSetting(ctx context.Context, name, value string) error

	// Client is ErrNotFound for a key without a record.
	Client(ctx context.Context, id string) (trust.Client, error)
	// SaveClient writes the client, its approval and its inbox entry. It does not
	// touch pairing records.
	SaveClient(ctx context.Context, c trust.Client) error
	// DeleteClient removes the client with its approval and inbox entry; it fails
	// while a pairing record exists.
	DeleteClient(ctx context.Context, id string) error
	// Clients lists ids in order, after the given one.
	Clients(ctx context.Context, after string, limit int) ([]string, error)
	// Known says whether a key other than id was seen under name or mac, or a label
	// like name was given to one. Empty arguments match nothing.
	Known(ctx context.Context, id, name, mac string) (trust.Known, error)
	// PolicyApprovals counts approvals that the policy gave.
	PolicyApprovals(ctx context.Context) (int, error)
	// Approved lists clients that have an approval and no record to be
	// used: those whose roles hang on the policies.
	Approved(ctx context.Context) ([]string, error)
	// ApprovalsOver lists clients whose approval ended at or before now, the longest
	// over first.
	ApprovalsOver(ctx context.Context, now time.Time, limit int) ([]string, error)

	// InboxOverflow lists entries beyond keep, those that knocked least lately first.
	InboxOverflow(ctx context.Context, keep int) ([]string, error)
	// InboxExpired lists entries that expired at or before now.
	InboxExpired(ctx context.Context, now time.Time, limit int) ([]string, error)

	// PairingRecord is the sealed long-term PSK, or ErrNotFound. A record that was
	// unpaired is there until it is deleted.
	PairingRecord(ctx context.Context, id string) ([]byte, error)
	// MarkUnpairing makes the record one that allows nothing any more
	// (trust.Client.Unpairing), or answers ErrNotFound.
	MarkUnpairing(ctx context.Context, id string) error
	// PutPairingRecord replaces the record of an existing client, an unpaired one
	// included.
	PutPairingRecord(ctx context.Context, id string, sealed []byte, at time.Time) error
	// DeletePairingRecord is no error when there is none.
	DeletePairingRecord(ctx context.Context, id string) error

	// AppendAudit gives the event its id and its place in the hash chain.
	AppendAudit(ctx context.Context, e Event) (Event, error)
	// Audit lists events with a greater id than since, in order.
	Audit(ctx context.Context, since uint64, limit int) ([]Event, error)
	// AuditPage is Audit for ids of any sign, as they are on record.
	AuditPage(ctx context.Context, after int64, limit int) ([]Event, error)
	// AuditHead is the end of the chain as it was written down with the last line.
	AuditHead(ctx context.Context) (Head, error)

	EnrolmentTx
	PersonaTx

	// Enqueue adds to the outbox: what must be announced once this commits.
	Enqueue(ctx context.Context, items ...Announcement) error
	// Outbox lists the oldest announcements.
	Outbox(ctx context.Context, limit int) ([]Announcement, error)
	// Announced removes announcements.
	Announced(ctx context.Context, seqs ...int64) error
}

// Identity is the sealed identity of the deployment.
type Identity struct {
	ServerID string
	Sealed   []byte
	Created  time.Time
}

// Event is one line of the audit ledger. Hash covers Prev and all other fields.
type Event struct {
	ID         uint64
	At         time.Time // microseconds
	Actor      string
	Kind       string
	ClientID   string
	Detail     string
	Prev, Hash []byte
}

// Head names a line of the ledger: the last one, or one that was written down
// elsewhere. Whoever knows it can tell whether the ledger still holds that line.
type Head struct {
	ID   uint64 // 0: an empty ledger
	Hash []byte // SHA-256; empty for an empty ledger
}

// Kinds of announcements.
const (
	// AnnounceClient: write KV "trust" of client Key anew from the store.
	AnnounceClient = "client"
	// AnnounceSettings: write KV "settings" anew from the store.
	AnnounceSettings = "settings"
	// AnnounceTrust: publish Payload (TrustChanged) for client Key.
	AnnounceTrust = "trust"
	// AnnounceAudit: publish Payload (AuditEvent).
	AnnounceAudit = "audit"
)

// Announcement is one entry of the outbox.
type Announcement struct {
	Seq     int64
	Kind    string
	Key     string
	Payload []byte
}

// Package desk is where trust is decided and written down: every decision, its
// audit line and what must be announced of it commit in one transaction of the
// [Store]; announcing (KV, events) follows the commit and is repaired from the
// outbox after a crash.
//
// What the decisions are is package trust's business; the desk loads, locks,
// asks, and saves. It is safe for concurrent use, and several instances may work
// on one database.
package desk

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// seenResolution is how exact last_seen_at is on record. A device that comes back
// within it and says nothing new costs no write, so that a venue that reconnects
// at once does not queue up at the database.
const seenResolution = time.Minute

// maxActor and maxDetail bound what callers put into the audit ledger, in code points.
const (
	maxActor  = 128
	maxDetail = 1000
)

// Announcer carries out what the outbox holds.
type Announcer interface {
	// Kick starts it and does not wait.
	Kick()
	// Flush waits until what was in the outbox is announced, within a bound of its
	// own. Failing is no error: the outbox stays and is tried again.
	Flush(ctx context.Context)
}

// Limits are the bounds and rules that the configuration sets.
type Limits struct {
	InboxTTL            time.Duration
	InboxLimit          int
	PolicyApprovalLimit int
}

// Options of a desk. All fields but Seen are required.
type Options struct {
	Store     Store
	Announcer Announcer
	Clock     clockwork.Clock
	Log       *slog.Logger
	Metrics   *Metrics
	Limits    Limits
	// Seen is called for every client that was admitted and is not paired; it must
	// not wait. nil: nobody asks.
	Seen func(clientID string)
}

// Desk answers the requests of the pairing service.
type Desk struct {
	Options
	key  secret.Key
	keys atomic.Pointer[serverKeys]
}

// New makes a desk for an opened identity.
func New(o Options, v Vault) *Desk {
	d := &Desk{Options: o, key: v.Key}
	d.keys.Store(&serverKeys{current: v.Identity, sealing: []secret.SealingKey{v.Sealing}})
	return d
}

// SealingKey is the public key to which secrets on their way to pairing are sealed. It
// changes with the server's key.
func (d *Desk) SealingKey() []byte { return d.keys.Load().sealing[0].Public() }

// ServerID is the deployment's identity, as this instance saw it last.
func (d *Desk) ServerID() string { return d.keys.Load().id() }

func (d *Desk) now() time.Time { return d.Clock.Now().UTC().Truncate(time.Microsecond) }

// rules are what decisions of operators need of the policy.
func (d *Desk) rules() trust.Policy { return trust.Policy{InboxTTL: d.Limits.InboxTTL} }

// policy is what admissions need of it.
func (d *Desk) policy(s Settings) trust.Policy {
	p := d.rules()
	p.Optional = s.Policy == policyOptional
	p.ControllerPairedOnly = s.Controller != controllerApproved
	return p
}

// checkClient refuses what is no client_id (specification: Identities).
func checkClient(id string) error {
	if _, err := noise.ParsePublicKey(id); err != nil {
		return fault.New(fault.Invalid, "client_id must be a Curve25519 key as 43 characters of base64url").
			WithField("client_id", "not a key")
	}
	return nil
}

func checkActor(actor string) (string, error) {
	if actor = trust.Clean(actor, maxActor); actor == "" {
		return "", fault.New(fault.Invalid, "the request does not say who asks").WithField("actor", "is empty")
	}
	return actor, nil
}

// load reads a client or answers NotFound.
func load(ctx context.Context, tx Tx, id string) (trust.Client, error) {
	c, err := tx.Client(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return c, fault.New(fault.NotFound, "client %s is not known: it has not connected yet, or was forgotten", id)
	}
	return c, err
}

// append writes an audit line and announces it.
func (d *Desk) append(ctx context.Context, tx Tx, actor, kind, clientID, detail string) (Event, error) {
	e, err := tx.AppendAudit(ctx, Event{
		At: d.now(), Actor: actor, Kind: kind, ClientID: clientID, Detail: trust.Clean(detail, maxDetail),
	})
	if err != nil {
		return e, err
	}
	return e, tx.Enqueue(ctx, auditAnnouncement(e))
}

func (d *Desk) log(ctx context.Context, clientID string) *slog.Logger {
	l := d.Log.With(obs.KeyTrace, bus.TraceID(ctx))
	if clientID != "" {
		l = l.With(obs.KeyClient, clientID)
	}
	return l
}

// Identity seals the server's private keys to the asking instance.
func (d *Desk) Identity(ctx context.Context, req *pb.IdentityRequest) (*pb.IdentityResponse, error) {
	var keys *serverKeys
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		keys, err = d.serverKeys(ctx, tx)
		return err
	})
	if fault.CodeOf(err) == fault.Unavailable { // gateways may start without the database
		keys, err = d.keys.Load(), nil
	}
	if err != nil {
		return nil, err
	}
	var sealed []*pb.SealedIdentity
	for _, key := range keys.all() {
		raw := key.Bytes()
		box, err := secret.SealTo(req.GetRecipientKey(), raw)
		clear(raw)
		if err != nil {
			return nil, fault.New(fault.Invalid, "%v", err).WithField("recipient_key", "not usable")
		}
		sealed = append(sealed, &pb.SealedIdentity{ServerId: key.Public().ID(), SealedPrivateKey: box})
	}
	d.Log.Info("identity handed to an instance", obs.KeyInstance, trust.Clean(req.GetInstanceId(), maxActor))
	return &pb.IdentityResponse{ServerId: sealed[0].GetServerId(), SealedPrivateKey: sealed[0].GetSealedPrivateKey(), Former: sealed[1:]}, nil
}

// Credential says which PSK to reference in Noise message 1. A record that
// cannot be read is an error, never the Sentinel: a paired device must not be
// treated as an unpaired one.
func (d *Desk) Credential(ctx context.Context, req *pb.CredentialRequest) (*pb.CredentialResponse, error) {
	id := req.GetClientId()
	if err := checkClient(id); err != nil {
		return nil, err
	}
	if len(req.GetRecipientKey()) != 32 {
		return nil, fault.New(fault.Invalid, "recipient_key must be an X25519 public key of 32 bytes").
			WithField("recipient_key", "not usable")
	}
	var record []byte
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		record, err = tx.PairingRecord(ctx, id)
		return err
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	server, knownErr := d.presented(ctx, id)
	if knownErr != nil {
		return nil, knownErr
	}
	if err != nil {
		return &pb.CredentialResponse{Category: trust.CategorySentinel, ServerId: server}, nil
	}
	raw, err := d.key.Open(record, pskPlace(id))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the pairing record of %s cannot be opened", id)
	}
	defer clear(raw)
	sealed, err := secret.SealTo(req.GetRecipientKey(), raw)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%v", err).WithField("recipient_key", "not usable")
	}
	return &pb.CredentialResponse{Category: trust.CategoryLongTerm, SealedPsk: sealed, ServerId: server}, nil
}

func pskPlace(id string) secret.Place {
	return secret.Place{Table: "pairing_records", Column: "sealed_psk", Row: id}
}

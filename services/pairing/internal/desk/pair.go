package desk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// PairingRecord is a pairing record as it is stored.
type PairingRecord struct {
	Sealed []byte
	At     time.Time
	// Unpairing: it allows nothing any more (trust.Client.Unpairing).
	Unpairing bool
}

// Pairing is a verified attempt whose record is to be stored.
type Pairing struct {
	ClientID, Actor string
	Method, Format  string
	// Sealed is the new long-term PSK as SealRecord sealed it. It also names the
	// pairing: storing the same one twice is storing it once.
	Sealed []byte
}

// Pairable is the client, when an attempt with it may begin: NotFound, or Conflict
// with the reason.
func (d *Desk) Pairable(ctx context.Context, id string) (trust.Client, error) {
	if err := checkClient(id); err != nil {
		return trust.Client{}, err
	}
	c, err := d.Client(ctx, id)
	if err != nil {
		return c, err
	}
	return c, c.MayPair()
}

// CheckActor cleans the name of who asks; Invalid when there is none.
func CheckActor(actor string) (string, error) { return checkActor(actor) }

// Allowed are the role families that trust allows a session of the client, keyed by
// a PSK of the given category. Without the settings the strict policy holds; the
// gateway asks for admission again anyway.
func (d *Desk) Allowed(ctx context.Context, c trust.Client, category, session string, unpairedAccess bool) []string {
	p := d.rules()
	p.ControllerPairedOnly = true
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) error {
		s, err := LoadSettings(ctx, tx)
		if err == nil {
			p = d.policy(s)
		}
		return err
	})
	if err != nil {
		d.log(ctx, c.ID).Warn("the settings cannot be read; the strict controller policy is taken", obs.KeyErr, err)
	}
	return c.Allowed(category, session, unpairedAccess, p, d.now())
}

// OpenSealed opens what was sealed to ServerSettings.sealing_key; Invalid otherwise.
func (d *Desk) OpenSealed(sealed []byte) ([]byte, error) {
	plain, err := d.keys.Load().openSealed(sealed)
	if err != nil && d.refreshKeys() == nil { // another instance may have rotated them
		plain, err = d.keys.Load().openSealed(sealed)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "the request holds a secret that does not open: "+
			"seal it to the sealing_key of the present settings")
	}
	return plain, nil
}

// SealRecord seals a new long-term PSK for its place in the store.
func (d *Desk) SealRecord(id string, psk noise.PSK) ([]byte, error) {
	raw := psk.Bytes()
	defer clear(raw)
	return d.key.Seal(raw, pskPlace(id))
}

// Client is what is on record about a client; NotFound when nothing is.
func (d *Desk) Client(ctx context.Context, id string) (trust.Client, error) {
	var c trust.Client
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		c, err = load(ctx, tx, id)
		return err
	})
	return c, err
}

// StateOf is a client's state as the bus names it.
func StateOf(c trust.Client) pb.TrustState { return stateOf(c.State()) }

// Undo is what it takes to take a Pair back.
type Undo struct {
	pairing    Pairing
	before     trust.Client
	superseded *PairingRecord
}

// Replaced reports whether the pairing replaced a record.
func (u *Undo) Replaced() bool { return u.superseded != nil }

// Pair stores the record of a verified attempt in one transaction: it replaces the
// one before, removes the approval, clears warning, decision and inbox entry, writes
// the audit line and what must be announced. NotFound when the client was forgotten,
// Conflict when it was denied meanwhile: then nothing is stored. After Unavailable
// it is not known whether it was stored; Pair may be called again with the same
// pairing. It does not announce: the caller does, when the session is re-keyed.
func (d *Desk) Pair(ctx context.Context, p Pairing) (*Undo, error) {
	u := &Undo{pairing: p}
	var next trust.Client
	again := false
	err := d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		again = false
		if err := tx.Lock(ctx, LockClient(p.ClientID)); err != nil {
			return err
		}
		c, err := load(ctx, tx, p.ClientID)
		if err != nil {
			return err
		}
		old, err := tx.StoredPairing(ctx, p.ClientID)
		if err == nil && bytes.Equal(old.Sealed, p.Sealed) {
			again = true
			return nil
		}
		u.before, u.superseded = c, nil
		switch {
		case err == nil:
			u.superseded = &old
		case !errors.Is(err, ErrNotFound):
			return err
		}
		now := d.now()
		if next, err = c.PairedNow(now); err != nil {
			return err
		}
		if err := tx.PutPairingRecord(ctx, p.ClientID, p.Sealed, now); err != nil {
			return err
		}
		if err := tx.SaveClient(ctx, next); err != nil {
			return err
		}
		return d.publish(ctx, tx, p.Actor, ruling{next: next, audit: "client.paired", detail: pairedDetail(p, c, u), event: "paired"})
	})
	if u.before.ID == "" {
		u = nil
	}
	if err != nil {
		return u, err
	}
	if !again {
		d.Metrics.decisions.WithLabelValues("client.paired").Inc()
		d.log(ctx, p.ClientID).Info("client.paired", "actor", p.Actor, "method", p.Method, obs.KeyName, next.Name, "replaced_record", u.Replaced())
	}
	return u, nil
}

// Announce waits, within a bound, until what was decided is announced.
func (d *Desk) Announce(ctx context.Context) { d.Announcer.Flush(ctx) }

func pairedDetail(p Pairing, c trust.Client, u *Undo) string {
	s := "by " + p.Method
	if p.Format != "" {
		s += " (" + p.Format + ")"
	}
	s += ", " + describe(c)
	if u.Replaced() {
		s += ", in place of an earlier record"
	}
	if c.Approval != nil {
		s += ", its approval is discarded"
	}
	if c.Warning != "" {
		s += fmt.Sprintf(", in spite of %s", c.Warning)
	}
	return s
}

// UndoPair takes a Pair back whose attempt ended before the device heard of it: the
// record goes, and what it replaced comes back. It changes nothing when the store
// holds another record by now, or none.
func (d *Desk) UndoPair(ctx context.Context, u *Undo, why string) error {
	p := u.pairing
	changed := false
	err := d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		changed = false
		if err := tx.Lock(ctx, LockClient(p.ClientID)); err != nil {
			return err
		}
		now, err := tx.StoredPairing(ctx, p.ClientID)
		if errors.Is(err, ErrNotFound) || err == nil && !bytes.Equal(now.Sealed, p.Sealed) {
			return nil
		}
		if err != nil {
			return err
		}
		c, err := load(ctx, tx, p.ClientID)
		if err != nil {
			return err
		}
		next := c.PairUndone(u.before)
		if u.superseded != nil {
			err = tx.PutPairingRecord(ctx, p.ClientID, u.superseded.Sealed, u.superseded.At)
			if err == nil && next.Unpairing {
				err = tx.MarkUnpairing(ctx, p.ClientID)
			}
		} else {
			err = tx.DeletePairingRecord(ctx, p.ClientID)
		}
		if err != nil {
			return err
		}
		if err := tx.SaveClient(ctx, next); err != nil {
			return err
		}
		changed = true
		return d.publish(ctx, tx, p.Actor, ruling{next: next, audit: "client.pairing_undone", detail: why + ", " + describe(next), event: "unpaired"})
	})
	if err == nil && changed {
		d.log(ctx, p.ClientID).Warn("client.pairing_undone", "actor", p.Actor, obs.KeyReason, why)
		d.Announcer.Flush(ctx)
	}
	return err
}

// SealTo seals a PSK to an instance's key, so that it can cross the bus.
func SealTo(recipient []byte, psk noise.PSK) ([]byte, error) {
	raw := psk.Bytes()
	defer clear(raw)
	return secret.SealTo(recipient, raw)
}

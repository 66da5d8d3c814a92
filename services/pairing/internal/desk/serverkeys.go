package desk

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/roster"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/internal/persona"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
)

// serverKeys are the opened keys of the server. They are replaced as a whole: another
// instance may have rotated them.
type serverKeys struct {
	current *noise.PrivateKey
	former  []*noise.PrivateKey // the latest first
	// sealing follow from them, in the same order.
	sealing []secret.SealingKey
}

func (k *serverKeys) id() string { return k.current.Public().ID() }

func (k *serverKeys) all() []*noise.PrivateKey {
	return append([]*noise.PrivateKey{k.current}, k.former...)
}

// has reports whether the server still holds the key of that server_id.
func (k *serverKeys) has(id string) bool {
	for _, key := range k.all() {
		if key.Public().ID() == id {
			return true
		}
	}
	return false
}

// serverKeys are the keys that the store holds. They are opened when they differ from
// those that were opened last.
func (d *Desk) serverKeys(ctx context.Context, tx Tx) (*serverKeys, error) {
	id, err := tx.Identity(ctx)
	if err != nil {
		return nil, err
	}
	former, err := tx.FormerIdentities(ctx)
	if err != nil {
		return nil, err
	}
	if k := d.keys.Load(); k != nil && k.id() == id.ServerID && len(k.former) == len(former) {
		return k, nil
	}
	k := &serverKeys{}
	if k.current, err = openIdentity(d.key, id, IdentityPlace(id.ServerID)); err != nil {
		return nil, err
	}
	for _, f := range former {
		key, err := openIdentity(d.key, f, formerPlace(f.ServerID))
		if err != nil {
			return nil, err
		}
		k.former = append(k.former, key)
	}
	for _, key := range k.all() {
		raw := key.Bytes()
		s, err := secret.NewSealingKey(raw)
		clear(raw)
		if err != nil {
			return nil, err
		}
		k.sealing = append(k.sealing, s)
	}
	d.keys.Store(k)
	return k, nil
}

// openSealed opens what was sealed to the deployment, before a rotation or after it.
func (k *serverKeys) openSealed(sealed []byte) ([]byte, error) {
	for _, s := range k.sealing {
		if plain, err := s.Open(sealed); err == nil {
			return plain, nil
		}
	}
	return nil, secret.ErrNotForUs
}

// refreshKeys reads the server's keys again. The store bounds how long that takes.
func (d *Desk) refreshKeys() error {
	return d.Store.View(context.Background(), func(ctx context.Context, tx Tx) error {
		_, err := d.serverKeys(ctx, tx)
		return err
	})
}

func openIdentity(key secret.Key, id Identity, at secret.Place) (*noise.PrivateKey, error) {
	raw, err := key.Open(id.Sealed, at)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the server key %s cannot be opened", id.ServerID)
	}
	defer clear(raw)
	priv, err := noise.NewPrivateKey(raw)
	if err == nil && priv.Public().ID() != id.ServerID {
		err = errors.New("the private key does not belong to the recorded server_id")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the server key %s is damaged", id.ServerID)
	}
	return priv, nil
}

// EnsureServerPersona makes the persona that signs the set of the server's keys, when
// there is none: on first start, or on the first start of a version that has personas.
func EnsureServerPersona(ctx context.Context, s Store, v Vault, now time.Time) error {
	now = now.UTC().Truncate(time.Microsecond)
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	defer clear(priv)
	return s.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockIdentity, LockPersonas); err != nil {
			return err
		}
		if _, err := tx.ServerPersona(ctx); !errors.Is(err, ErrNotFound) {
			return err
		}
		id, err := tx.Identity(ctx)
		if err != nil {
			return err
		}
		settings, err := LoadSettings(ctx, tx)
		if err != nil {
			return err
		}
		p, err := persona.New(roster.Server, settings.Name, pub, now)
		if err == nil {
			p, err = p.Add(id.ServerID, now)
		}
		if err == nil {
			p, err = p.Signed(priv, now)
		}
		if err != nil {
			return fmt.Errorf("make the server's persona: %w", err)
		}
		if p.Sealed, err = v.Key.Seal(priv.Seed(), personaPlace(p.ID)); err != nil {
			return err
		}
		if err := tx.SavePersona(ctx, p); err != nil {
			return err
		}
		// No audit line: like the settings' first values it comes with the identity.
		return tx.Enqueue(ctx, Announcement{Kind: AnnouncePersona, Key: p.ID}, Announcement{Kind: AnnounceSettings})
	})
}

// RotateServerKey gives the server a new key. Paired devices are presented the key that
// they know until they were told; sessions of all others end, so that they see the new
// one. Conflict when too many devices know former keys only.
func (d *Desk) RotateServerKey(ctx context.Context, req *pb.RotateServerKeyRequest) (*pb.ServerSettings, error) {
	actor, err := checkActor(req.GetActor())
	if err != nil {
		return nil, err
	}
	priv, err := noise.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	var was string
	err = d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockIdentity, LockPersonas); err != nil {
			return err
		}
		id, err := tx.Identity(ctx)
		if err != nil {
			return err
		}
		was = id.ServerID
		if err := d.replaceIdentity(ctx, tx, id, priv); err != nil {
			return err
		}
		done, old, err := d.listKeys(ctx, tx)
		if err != nil {
			return err
		}
		done.detail = fmt.Sprintf("server_id %s instead of %s", priv.Public().ID(), was)
		if err := d.keep(ctx, tx, actor, old, done); err != nil {
			return err
		}
		return d.endUnrecorded(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	d.Metrics.decisions.WithLabelValues("identity.rotated").Inc()
	d.log(ctx, "").Warn("identity.rotated", "actor", actor, "server_id", priv.Public().ID(), "former", was)
	d.Announcer.Flush(ctx)
	return d.Settings(ctx)
}

// replaceIdentity seals and stores a new key. Former keys that no device needs go.
func (d *Desk) replaceIdentity(ctx context.Context, tx Tx, was Identity, priv *noise.PrivateKey) error {
	old, err := openIdentity(d.key, was, IdentityPlace(was.ServerID))
	if err != nil {
		return err
	}
	if was.Sealed, err = sealIdentity(d.key, old, formerPlace(was.ServerID)); err != nil {
		return err
	}
	next := Identity{ServerID: priv.Public().ID(), Created: d.now()}
	if next.Sealed, err = sealIdentity(d.key, priv, IdentityPlace(next.ServerID)); err != nil {
		return err
	}
	if err := tx.ReplaceIdentity(ctx, was, next, d.now()); err != nil {
		return err
	}
	return tx.DropUnusedIdentities(ctx)
}

func sealIdentity(key secret.Key, priv *noise.PrivateKey, at secret.Place) ([]byte, error) {
	raw := priv.Bytes()
	defer clear(raw)
	return key.Seal(raw, at)
}

func formerPlace(serverID string) secret.Place {
	return secret.Place{Table: "former_identities", Column: "sealed_key", Row: serverID}
}

// listKeys makes the server persona list the keys that the store holds now.
func (d *Desk) listKeys(ctx context.Context, tx Tx) (deed, *persona.Persona, error) {
	pid, err := tx.ServerPersona(ctx)
	if err != nil {
		return deed{}, nil, err
	}
	old, err := tx.Persona(ctx, pid)
	if err != nil {
		return deed{}, nil, err
	}
	k, err := d.openStored(ctx, tx)
	if err != nil {
		return deed{}, nil, err
	}
	if len(k) > roster.MaxDevices {
		return deed{}, nil, fault.New(fault.Conflict,
			"paired devices still know %d former server keys, more than a roster lists: let them connect once, or unpair them, before another rotation", len(k)-1)
	}
	s, err := LoadSettings(ctx, tx)
	if err != nil {
		return deed{}, nil, err
	}
	next := old
	next.Name, next.Devices = s.Name, nil
	for i, id := range k {
		added := id.Created
		next.Devices = append(next.Devices, persona.Device{ID: id.ServerID, Active: i == 0, Added: added})
	}
	if next, err = d.signed(next); err != nil {
		return deed{}, nil, err
	}
	return deed{next: next, audit: "identity.rotated"}, &old, nil
}

// openStored lists the stored identities, the present one first.
func (d *Desk) openStored(ctx context.Context, tx Tx) ([]Identity, error) {
	id, err := tx.Identity(ctx)
	if err != nil {
		return nil, err
	}
	former, err := tx.FormerIdentities(ctx)
	return append([]Identity{id}, former...), err
}

// endUnrecorded ends the sessions of all devices without a pairing record.
func (d *Desk) endUnrecorded(ctx context.Context, tx Tx) error {
	const page = 500
	for after := ""; ; {
		ids, err := tx.Unrecorded(ctx, after, page)
		if err != nil {
			return err
		}
		for _, id := range ids {
			c, err := tx.Client(ctx, id)
			if err != nil {
				return err
			}
			if err := tx.Enqueue(ctx, trustAnnouncement(id, c.State(), "identity", true)); err != nil {
				return err
			}
			after = id
		}
		if len(ids) < page {
			return nil
		}
	}
}

// serverFacts adds to the settings what follows from the server's keys.
func (d *Desk) serverFacts(ctx context.Context, tx Tx, out *pb.ServerSettings) error {
	keys, err := d.serverKeys(ctx, tx)
	if err != nil {
		return err
	}
	raw := keys.current.Bytes()
	defer clear(raw)
	id, err := persona.AgeIdentity(raw)
	if err != nil {
		return err
	}
	out.ServerId, out.SealingKey, out.Recipient = keys.id(), keys.sealing[0].Public(), id.Recipient().String()
	pid, err := tx.ServerPersona(ctx)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := tx.Persona(ctx, pid)
	out.Roster, out.RosterSeq = p.Roster, p.Seq
	return err
}

package desk

import (
	"context"
	"errors"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// maxTries is how often a device that was told of the present server key is presented
// it without success, before it gets the key again that it surely knows.
const maxTries = 2

// presented is the server key to present to a device, and takes down that it was. A
// device that knows a former key sees that one until it was told of its successor; when
// the successor then fails, the former one is presented again, and the device is told
// anew on that session.
func (d *Desk) presented(ctx context.Context, id string) (string, error) {
	var known KnownServer
	var keys *serverKeys
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		if keys, err = d.serverKeys(ctx, tx); err != nil {
			return err
		}
		known, err = tx.KnownServer(ctx, id)
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return keys.id(), nil
	case err != nil:
		return "", err
	case known.ServerID == "" || !keys.has(known.ServerID):
		return keys.id(), nil
	case !known.Told:
		return known.ServerID, nil
	}
	next := known
	out := keys.id()
	if next.Tries++; known.Tries >= maxTries {
		next, out = KnownServer{ServerID: known.ServerID, FellBack: true}, known.ServerID
	}
	err = d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockClient(id)); err != nil {
			return err
		}
		return tx.SetKnownServer(ctx, id, next)
	})
	return out, err
}

// succeeded takes down that a device accepted the present server key: it was told, was
// presented it, and came through with its long-term PSK.
func (d *Desk) succeeded(ctx context.Context, req *pb.AdmitRequest) error {
	if req.GetRefresh() || req.GetCredentialMismatch() || req.GetPskCategory() != trust.CategoryLongTerm {
		return nil
	}
	id := req.GetClientId()
	proven := func(k KnownServer) bool { return k.ServerID != "" && k.Told && k.Tries > 0 }
	var known KnownServer
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		known, err = tx.KnownServer(ctx, id)
		return err
	})
	if errors.Is(err, ErrNotFound) || err == nil && !proven(known) {
		return nil
	}
	if err != nil {
		return err
	}
	err = d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockClient(id)); err != nil {
			return err
		}
		k, err := tx.KnownServer(ctx, id)
		if err != nil || !proven(k) {
			return err
		}
		return tx.SetKnownServer(ctx, id, KnownServer{})
	})
	if err == nil {
		d.log(ctx, id).Info("device accepted the server's new key", "former", known.ServerID)
	}
	return err
}

// rosterTold takes down that a device was sent the server's present roster: its next
// handshake presents the present key. Its session ends, so that this is now; but not
// again for a device that did not take the key, which would come and go for ever.
func (d *Desk) rosterTold(ctx context.Context, id string, seq uint64) error {
	err := d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockClient(id)); err != nil {
			return err
		}
		k, err := tx.KnownServer(ctx, id)
		if errors.Is(err, ErrNotFound) || err == nil && (k.ServerID == "" || k.Told) {
			return nil
		}
		if err != nil {
			return err
		}
		pid, err := tx.ServerPersona(ctx)
		if err != nil {
			return err
		}
		p, err := tx.Persona(ctx, pid)
		if err != nil || p.Seq != seq {
			return err // an older roster does not list the present key
		}
		next := KnownServer{ServerID: k.ServerID, Told: true}
		if err := tx.SetKnownServer(ctx, id, next); err != nil || k.FellBack {
			return err
		}
		c, err := tx.Client(ctx, id)
		if err != nil {
			return err
		}
		return tx.Enqueue(ctx, trustAnnouncement(id, c.State(), "identity", true))
	})
	if err == nil {
		d.Announcer.Kick()
	}
	return err
}

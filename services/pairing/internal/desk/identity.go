package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
)

// Vault is the opened deployment key and the opened identity.
type Vault struct {
	Key      secret.Key
	Identity *noise.PrivateKey
	// Sealing follows from Identity.
	Sealing secret.SealingKey
	// Created: this call made the identity.
	Created bool
}

// IdentityError says that the identity cannot be opened, and what to do. It does
// not go away by trying again, and nobody may answer it with a new identity:
// every paired device would be lost.
type IdentityError struct {
	msg string
	err error
}

// Error is a sentence or two for the operator.
func (e *IdentityError) Error() string { return e.msg }

// Unwrap is the cause.
func (e *IdentityError) Unwrap() error { return e.err }

// OpenVault opens the identity, or makes it when the store is empty. Instances
// that start at once agree on one. Errors are *IdentityError, or Unavailable
// when the store could not be used.
func OpenVault(ctx context.Context, s Store, src secret.Source, now time.Time) (Vault, error) {
	v, err := openVault(ctx, s, src)
	if errors.Is(err, ErrNotFound) {
		v, err = createVault(ctx, s, src, now)
	}
	if err == nil {
		raw := v.Identity.Bytes()
		defer clear(raw)
		v.Sealing, err = secret.NewSealingKey(raw)
	}
	return v, identityError(err)
}

func openVault(ctx context.Context, s Store, src secret.Source) (Vault, error) {
	var id Identity
	err := s.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		id, err = tx.Identity(ctx)
		return err
	})
	if err != nil {
		return Vault{}, err
	}
	return unseal(id, src)
}

func unseal(id Identity, src secret.Source) (Vault, error) {
	key, err := src.Load(false)
	if err != nil {
		return Vault{}, &IdentityError{msg: err.Error(), err: err}
	}
	v, err := OpenIdentity(id, key)
	if errors.Is(err, secret.ErrWrongKey) && interrupted(id, src) {
		_, path, _ := src.Next()
		return Vault{}, &IdentityError{err: err, msg: fmt.Sprintf("the deployment key does not fit this database, but %s does: "+
			"a change of the key was cut off; run 'tutti deployment-key rotate' again, it only puts the new key in place", path)}
	}
	return v, err
}

// OpenIdentity opens the identity with its key. Errors are *IdentityError.
func OpenIdentity(id Identity, key secret.Key) (Vault, error) {
	raw, err := key.Open(id.Sealed, IdentityPlace(id.ServerID))
	switch {
	case errors.Is(err, secret.ErrWrongKey):
		return Vault{}, &IdentityError{err: err, msg: fmt.Sprintf("the deployment key does not fit this database: %v; "+
			"give the key that the database was made with (--deployment-key-file)", err)}
	case err != nil:
		return Vault{}, &IdentityError{err: err, msg: fmt.Sprintf("the server's identity in the database is damaged: %v; "+
			"restore the database from a backup (no new identity is made: every paired device would be lost)", err)}
	}
	defer clear(raw)
	priv, err := noise.NewPrivateKey(raw)
	if err == nil && priv.Public().ID() != id.ServerID {
		err = errors.New("the private key does not belong to the recorded server_id")
	}
	if err != nil {
		return Vault{}, &IdentityError{err: err, msg: fmt.Sprintf("the server's identity in the database is damaged: %v; "+
			"restore the database from a backup", err)}
	}
	return Vault{Key: key, Identity: priv}, nil
}

// interrupted tells whether a rotation of the deployment key changed the database and
// did not come to put the new key in place.
func interrupted(id Identity, src secret.Source) bool {
	next, _, ok := src.Next()
	if !ok {
		return false
	}
	raw, err := next.Open(id.Sealed, IdentityPlace(id.ServerID))
	clear(raw)
	return err == nil
}

// createVault runs under a lock; who comes second finds the identity there.
func createVault(ctx context.Context, s Store, src secret.Source, now time.Time) (Vault, error) {
	var v Vault
	err := s.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockIdentity); err != nil {
			return err
		}
		id, err := tx.Identity(ctx)
		if err == nil {
			v, err = unseal(id, src)
			return err
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		empty, err := tx.Empty(ctx)
		if err != nil {
			return err
		}
		if !empty {
			return &IdentityError{msg: "the database holds clients or audit lines but no server identity: " +
				"it is damaged or only half restored; restore it from a backup (no new identity is made)"}
		}
		v, err = mint(ctx, tx, src, now)
		return err
	})
	return v, err
}

func mint(ctx context.Context, tx Tx, src secret.Source, now time.Time) (Vault, error) {
	key, err := src.Load(true)
	if err != nil {
		return Vault{}, &IdentityError{msg: err.Error(), err: err}
	}
	priv, err := noise.GenerateKey(nil)
	if err != nil {
		return Vault{}, err
	}
	id := priv.Public().ID()
	raw := priv.Bytes()
	defer clear(raw)
	sealed, err := key.Seal(raw, IdentityPlace(id))
	if err != nil {
		return Vault{}, err
	}
	now = now.UTC().Truncate(time.Microsecond)
	if err := tx.CreateIdentity(ctx, Identity{ServerID: id, Sealed: sealed, Created: now}); err != nil {
		return Vault{}, err
	}
	e, err := tx.AppendAudit(ctx, Event{
		At: now, Actor: "system", Kind: "identity.created",
		Detail: "server_id " + id + ", deployment key id " + key.ID(),
	})
	if err != nil {
		return Vault{}, err
	}
	return Vault{Key: key, Identity: priv, Created: true}, tx.Enqueue(ctx, auditAnnouncement(e))
}

// IdentityPlace is where the sealed identity stands.
func IdentityPlace(serverID string) secret.Place {
	return secret.Place{Table: "identity", Column: "sealed_key", Row: serverID}
}

// identityError lets store trouble through; everything else stops the service.
func identityError(err error) error {
	var ie *IdentityError
	var f *fault.Error
	switch {
	case err == nil, errors.As(err, &ie), errors.As(err, &f),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return &IdentityError{msg: "the server's identity cannot be opened: " + err.Error(), err: err}
}

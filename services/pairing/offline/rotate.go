package offline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
)

// Rotation is what a change of the deployment key did.
type Rotation struct {
	OldID, NewID string
	Values       int    // sealed values that were sealed anew
	KeyFile      string // where the new key is
	InPlace      bool   // it took the place of the old one in the data directory
	Finished     bool   // an earlier rotation had changed the database already
}

// RotateKey seals every secret of a store under another deployment key, in one
// transaction with its line in the ledger. newKeyFile holds the new key; a file that
// does not exist is made (mode 0600). It may be empty when the old key is the one in
// the data directory: then the new key takes its place.
//
// The new key is in its file before the transaction commits, so a crash loses
// nothing: before the commit the old key fits, after it the new one, and the
// service's message at start, and a second RotateKey, say which.
func RotateKey(ctx context.Context, p Place, newKeyFile string) (Rotation, error) {
	r, err := rotate(ctx, p, newKeyFile, func(string) error { return nil })
	if err != nil {
		return r, fmt.Errorf("the deployment key was not changed: %w", err)
	}
	return r, nil
}

// rotate is RotateKey; reached is told each step that is done, and may break off.
func rotate(ctx context.Context, p Place, newKeyFile string, reached func(step string) error) (r Rotation, err error) {
	r.InPlace = newKeyFile == ""
	if r.InPlace {
		if !p.keyInDataDir() {
			return r, errors.New("name a file for the new key with --new-key-file: the old one was given from outside, so it cannot be replaced from here")
		}
		newKeyFile = filepath.Join(p.DataDir, secret.NextKeyFile)
	}
	r.KeyFile = newKeyFile
	s, err := store.OpenForChange(ctx, p.DatabaseURL, p.DataDir)
	if err != nil {
		return r, err
	}
	defer s.Close()
	if err := reseal(ctx, s, p, &r, reached); err != nil {
		return r, err
	}
	if !r.InPlace {
		return r, nil
	}
	r.KeyFile = filepath.Join(p.DataDir, secret.DefaultKeyFile)
	if err := secret.Replace(newKeyFile, r.KeyFile); err != nil {
		return r, fmt.Errorf("the database is sealed under the new key in %s, but it could not take the place of the old one: %w; "+
			"run the command again, or move the file by hand", newKeyFile, err)
	}
	return r, reached("renamed")
}

func reseal(ctx context.Context, s store.Store, p Place, r *Rotation, reached func(step string) error) error {
	id, err := identityOf(ctx, s)
	if err != nil {
		return err
	}
	from, err := p.source().Load(false)
	if err != nil {
		return err
	}
	_, err = from.Open(id.Sealed, desk.IdentityPlace(id.ServerID))
	if errors.Is(err, secret.ErrWrongKey) {
		return finished(id, from, r, err)
	}
	if err != nil {
		return err
	}
	to, err := secret.LoadOrCreate(r.KeyFile)
	if err != nil {
		return err
	}
	if r.OldID, r.NewID = from.ID(), to.ID(); r.OldID == r.NewID {
		return fmt.Errorf("%s holds the key that is in use already; name a file that does not exist, and it is made", r.KeyFile)
	}
	if err := reached("key written"); err != nil {
		return err
	}
	err = s.Rewrite(ctx, func(ctx context.Context, w *store.Whole) error {
		if err := w.Tx().Lock(ctx, desk.LockIdentity); err != nil {
			return err
		}
		if r.Values, err = w.Reseal(ctx, from, to); err != nil {
			return err
		}
		_, err := desk.Note(ctx, w.Tx(), now(), "command line", "deploymentkey.rotated",
			fmt.Sprintf("deployment key id %s instead of %s, %d sealed values", r.NewID, r.OldID, r.Values))
		if err != nil {
			return err
		}
		return reached("resealed")
	})
	if err != nil {
		return err
	}
	return reached("committed")
}

// finished handles a database that the given key does not fit: perhaps an earlier
// rotation committed and was cut off before the key took its place.
func finished(id desk.Identity, from secret.Key, r *Rotation, wrong error) error {
	if _, err := os.Stat(r.KeyFile); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the deployment key does not fit this database: %w", wrong)
	}
	to, err := secret.LoadOrCreate(r.KeyFile)
	if err != nil {
		return err
	}
	if _, err := to.Open(id.Sealed, desk.IdentityPlace(id.ServerID)); err != nil {
		return fmt.Errorf("neither the deployment key nor the one in %s fits this database: %w", r.KeyFile, wrong)
	}
	r.OldID, r.NewID, r.Finished = from.ID(), to.ID(), true
	return nil
}

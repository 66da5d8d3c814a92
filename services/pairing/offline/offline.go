// Package offline is what is done to the store of a pairing service while no service
// runs on it: checking the ledger, changing the deployment key, restoring a backup.
//
// Every function says in its error what is wrong and what to do; none of them makes
// a new identity.
package offline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
)

// Place names a store and the key that seals its secrets, as pairing.Config does.
type Place struct {
	// DatabaseURL is a PostgreSQL URL; empty means SQLite in DataDir.
	DatabaseURL string
	// DataDir also holds the deployment key when none is given.
	DataDir string
	// KeyFile holds the deployment key; Key is the key itself in a text form. At most
	// one of them.
	KeyFile, Key string
}

func (p Place) source() secret.Source {
	return secret.Source{File: p.KeyFile, Text: p.Key, DataDir: p.DataDir}
}

// keyInDataDir tells whether the key is the one that the service made for itself.
func (p Place) keyInDataDir() bool { return p.KeyFile == "" && p.Key == "" }

// Head names a line of the audit ledger.
type Head struct {
	ID   uint64
	Hash []byte // SHA-256
}

// Report is what a check of the ledger found.
type Report struct {
	OK       bool
	Lines    uint64 // in order
	Head     Head   // the last line in order
	BrokenAt uint64 // number of the first wrong line; 0: none
	Problem  string // in words
	Database string // "PostgreSQL" or "SQLite"
}

// VerifyAudit walks the ledger of a store. It changes nothing, and a server may run.
// known is a head that was written down earlier; zero: none.
func VerifyAudit(ctx context.Context, p Place, known Head) (Report, error) {
	s, err := store.OpenForReading(ctx, p.DatabaseURL, p.DataDir)
	if err != nil {
		return Report{}, err
	}
	defer s.Close()
	r, err := desk.VerifyLedger(ctx, s, desk.Head(known))
	return report(r, s.Name()), err
}

func report(r desk.Report, database string) Report {
	return Report{OK: r.OK(), Lines: r.Lines, Head: Head(r.Head), BrokenAt: r.BrokenAt, Problem: r.Problem, Database: database}
}

// KeyID names the deployment key without telling it: 16 hexadecimal digits.
func KeyID(p Place) (string, error) {
	k, err := p.source().Load(false)
	if err != nil {
		return "", err
	}
	return k.ID(), nil
}

// identityOf reads the sealed identity.
func identityOf(ctx context.Context, s store.Store) (id desk.Identity, err error) {
	err = s.View(ctx, func(ctx context.Context, tx desk.Tx) error {
		id, err = tx.Identity(ctx)
		return err
	})
	if errors.Is(err, desk.ErrNotFound) {
		err = fmt.Errorf("this %s database holds no server identity: is it the right one?", s.Name())
	}
	return id, err
}

// now is the wall clock: what is noted in the ledger.
func now() time.Time { return time.Now() }

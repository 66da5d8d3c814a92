package offline

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
)

// RestoringDir is the folder in a data directory in which a restore builds what it
// then puts in place. While it is there, no service starts on the data directory.
const RestoringDir = store.RestoringDir

// SQLiteFile is the name of the database in a data directory.
const SQLiteFile = store.SQLiteFile

// The names of the deployment key in a data directory: the one in use, and one that a
// rotation is about to put in its place.
const (
	KeyFile     = secret.DefaultKeyFile
	NextKeyFile = secret.NextKeyFile
)

// Restore is what a restore works with.
type Restore struct {
	// Place is the empty store. Without a given key, one is made in DataDir.
	Place
	// Header and Trust are the records that the backup began with.
	Header backup.Header
	Trust  backup.Trust
	// Next gives the records after them; io.EOF at the end, which it must reach only
	// when the whole file was checked.
	Next func() (backup.Record, error)
	// Entry takes what belongs into the buckets.
	Entry func(context.Context, backup.Entry) error
	// AcceptBroken takes a backup whose ledger does not verify; that is noted.
	AcceptBroken bool
	// BeforeCommit runs when all is written and checked, and before it counts.
	BeforeCommit func() error
	// Progress is told about long work; may be nil.
	Progress func(format string, a ...any)
}

// Restored is what a restore did.
type Restored struct {
	Rows    map[string]int // by table
	KeyID   string
	Audit   Report // of the backup's ledger
	Head    Head   // the ledger's end, now
	Migrate bool   // the schema was of an older version
}

// CheckDatabase says what keeps a restore of a backup from a PostgreSQL; it changes
// nothing.
func CheckDatabase(ctx context.Context, url string, t backup.Trust) error {
	return store.CheckEmpty(ctx, url, t.Schema)
}

// progressEvery is how many rows pass between two lines of progress.
const progressEvery = 20_000

// Run fills the store in one transaction, checks the ledger and the identity, and
// notes the restore in the ledger. After an error the store is as empty as before.
func (r Restore) Run(ctx context.Context) (Restored, error) {
	if r.Progress == nil {
		r.Progress = func(string, ...any) {}
	}
	var out Restored
	newest, err := store.Newest()
	if err != nil {
		return out, err
	}
	if r.Trust.Schema > newest {
		return out, fmt.Errorf("the backup: %w (its tables have version %d, this program knows %d)", backup.ErrNewer, r.Trust.Schema, newest)
	}
	if r.Trust.Schema < 1 {
		return out, fmt.Errorf("the backup: %w: it does not say which tables it holds", backup.ErrForm)
	}
	s, err := store.OpenEmpty(ctx, r.DatabaseURL, r.DataDir, r.Trust.Schema)
	if err != nil {
		return out, err
	}
	err = r.into(ctx, s, &out)
	s.Close()
	if err != nil || r.Trust.Schema == newest {
		return out, err
	}
	r.Progress("bringing the tables from version %d to %d", r.Trust.Schema, newest)
	out.Migrate = true
	return out, store.Finish(ctx, r.DatabaseURL, r.DataDir)
}

func (r Restore) into(ctx context.Context, s store.Store, out *Restored) error {
	key, err := r.source().Load(true)
	if err != nil {
		return err
	}
	out.KeyID = key.ID()
	return s.Rewrite(ctx, func(ctx context.Context, w *store.Whole) error {
		if err := w.Tx().Lock(ctx, desk.LockIdentity); err != nil {
			return err
		}
		if err := r.fill(ctx, w, key, out); err != nil {
			return err
		}
		if err := r.check(ctx, w, key, out); err != nil {
			return err
		}
		if err := r.note(ctx, w, out); err != nil {
			return err
		}
		if r.BeforeCommit == nil {
			return nil
		}
		return r.BeforeCommit()
	})
}

// fill reads the backup to its end.
func (r Restore) fill(ctx context.Context, w *store.Whole, key secret.Key, out *Restored) error {
	l, err := w.Load(ctx, key)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			out.Rows, err = l.Done(ctx)
			return err
		}
		if err != nil {
			return err
		}
		switch {
		case rec.Row != nil:
			err = l.Add(ctx, *rec.Row)
		case rec.Entry != nil:
			err = r.Entry(ctx, *rec.Entry)
		case rec.End == nil:
			err = fmt.Errorf("the backup: %w: a record is in the wrong place", backup.ErrForm)
		}
		if err != nil {
			return err
		}
		if n%progressEvery == 0 {
			r.Progress("%d records", n)
		}
	}
}

// check refuses a backup whose identity does not open or whose ledger is broken.
func (r Restore) check(ctx context.Context, w *store.Whole, key secret.Key, out *Restored) error {
	id, err := w.Identity(ctx)
	if errors.Is(err, desk.ErrNotFound) {
		return fmt.Errorf("the backup: %w: there is no server identity in it", backup.ErrForm)
	}
	if err != nil {
		return err
	}
	if _, err := desk.OpenIdentity(id, key); err != nil {
		return err
	}
	if id.ServerID != r.Trust.ServerID {
		return fmt.Errorf("the backup: %w: it holds another identity than it says", backup.ErrForm)
	}
	r.Progress("checking the audit ledger")
	audit, err := desk.VerifyLedger(ctx, w, desk.Head{ID: r.Trust.HeadID, Hash: r.Trust.HeadHash})
	if err != nil {
		return err
	}
	if out.Audit = report(audit, w.Name); audit.OK() || r.AcceptBroken {
		return nil
	}
	return fmt.Errorf("the audit ledger in this backup is broken: %s; somebody changed the database before the backup was made. "+
		"Take an older backup, or restore this one with --accept-broken-audit, which is noted in the ledger", audit.Problem)
}

// note writes into the ledger that it was restored.
func (r Restore) note(ctx context.Context, w *store.Whole, out *Restored) error {
	lines := []struct{ kind, detail string }{}
	if !out.Audit.OK {
		if err := w.MendHead(ctx); err != nil {
			return err
		}
		lines = append(lines, struct{ kind, detail string }{"audit.broken_accepted", out.Audit.Problem})
	}
	lines = append(lines, struct{ kind, detail string }{"backup.restored", fmt.Sprintf(
		"backup of %s by %s, audit head %d %s, from %s to %s, deployment key id %s",
		r.Header.MadeAt.UTC().Format("2006-01-02 15:04:05"), r.Header.Actor, r.Trust.HeadID, hex.EncodeToString(r.Trust.HeadHash),
		r.Trust.Database, w.Name, out.KeyID)})
	for _, l := range lines {
		e, err := desk.Note(ctx, w.Tx(), now(), "command line", l.kind, l.detail)
		if err != nil {
			return err
		}
		out.Head = Head{e.ID, e.Hash}
	}
	return nil
}

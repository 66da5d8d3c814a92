package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// RestoringDir is the folder in a data directory in which a restore builds what it
// puts in place at its end. While it is there, the data directory is not whole.
const RestoringDir = "restoring"

// How this program's connections call themselves: a command that needs the
// database for itself recognises a running server by it.
const (
	serverName  = "tutti-pairing"
	offlineName = "tutti-offline"
)

// stopGrace is how long a server that was just stopped may still be seen at the
// database.
const stopGrace = 3 * time.Second

// mode says how a store is opened; the zero value is a server's.
type mode struct {
	exclusive  bool  // refuse while a server uses it
	existing   bool  // do not make what is not there
	keepSchema bool  // do not migrate
	upTo       int64 // migrate to this version; 0: the newest
}

func (m mode) application() string {
	if m.exclusive || m.existing {
		return offlineName
	}
	return serverName
}

func (m mode) up(ctx context.Context, p *goose.Provider) error {
	var err error
	if m.upTo > 0 {
		_, err = p.UpTo(ctx, m.upTo)
	} else {
		_, err = p.Up(ctx)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// makeFile makes an empty database file where there is none.
func (m mode) makeFile(path string) error {
	if m.existing {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return errors.New("it does not exist: is this the server's data directory?")
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// lockUse takes the lock that a server shares with other servers and a command has
// alone. It ends with the process, however that ends.
func (m mode) lockUse(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".use", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	how, why := syscall.LOCK_SH, "a tutti command works on it (a restore, a rotation of the key): start again when that has ended"
	if m.exclusive {
		how, why = syscall.LOCK_EX, "a server uses it: stop that one first"
	}
	err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New(why)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// A restore puts the database in place, or commits it, last. A data directory that
// still has its mark is whole when the database holds something, and not before.

func marked(dataDir string) bool {
	if dataDir == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(dataDir, RestoringDir))
	return err == nil
}

func notWhole(dataDir string) error {
	return &RefusedError{fmt.Sprintf("a restore into %s did not come to its end, so what is there is not whole: "+
		"run 'tutti restore' again, or empty the folder to begin anew", dataDir)}
}

// checkFile refuses a marked data directory without a database, before one is made.
func checkFile(url, dataDir string) error {
	if url != "" || !marked(dataDir) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dataDir, SQLiteFile)); err != nil {
		return notWhole(dataDir)
	}
	return nil
}

// checkContent refuses a marked data directory whose database is empty.
func checkContent(ctx context.Context, s Store, dataDir string) error {
	if !marked(dataDir) {
		return nil
	}
	return s.View(ctx, func(ctx context.Context, tx desk.Tx) error {
		empty, err := tx.Empty(ctx)
		if err == nil && empty {
			err = notWhole(dataDir)
		}
		return err
	})
}

// OpenForReading opens a database that exists, as it is: it makes nothing and
// migrates nothing. A server may run on it.
func OpenForReading(ctx context.Context, url, dataDir string) (Store, error) {
	s, err := open(ctx, url, dataDir, mode{existing: true, keepSchema: true})
	if err != nil {
		return nil, err
	}
	return s, closeOn(s, hasSchema(ctx, s))
}

// OpenForChange opens a database that exists and migrates it, for a command that
// needs it for itself. It refuses while a server uses it.
func OpenForChange(ctx context.Context, url, dataDir string) (Store, error) {
	s, err := open(ctx, url, dataDir, mode{existing: true, exclusive: true, keepSchema: true})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(hasSchema(ctx, s), unused(ctx, s)); err != nil {
		return nil, closeOn(s, err)
	}
	s.Close()
	return open(ctx, url, dataDir, mode{exclusive: true})
}

// OpenEmpty opens a database for a restore and brings its schema to a version. It
// refuses one that is used, holds anything, or has another schema.
func OpenEmpty(ctx context.Context, url, dataDir string, schema int64) (Store, error) {
	s, err := open(ctx, url, dataDir, mode{exclusive: true, keepSchema: true})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(unused(ctx, s), isEmpty(ctx, s, schema)); err != nil {
		return nil, closeOn(s, err)
	}
	s.Close()
	return open(ctx, url, dataDir, mode{exclusive: true, upTo: schema})
}

// CheckEmpty is what OpenEmpty would refuse; it changes nothing.
func CheckEmpty(ctx context.Context, url string, schema int64) error {
	s, err := open(ctx, url, "", mode{exclusive: true, keepSchema: true})
	if err != nil {
		return err
	}
	defer s.Close()
	return errors.Join(unused(ctx, s), isEmpty(ctx, s, schema))
}

// Finish brings a restored database to the newest schema.
func Finish(ctx context.Context, url, dataDir string) error {
	s, err := open(ctx, url, dataDir, mode{exclusive: true})
	if err != nil {
		return err
	}
	s.Close()
	return nil
}

func closeOn(s Store, err error) error {
	if err != nil {
		s.Close()
	}
	return err
}

// Newest is the version of the newest schema that this program knows.
func Newest() (int64, error) {
	entries, err := migrations.ReadDir("migrations/sqlite")
	if err != nil || len(entries) == 0 {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	return goose.NumericComponent(entries[len(entries)-1].Name())
}

// hasSchema refuses a database that holds nothing of ours.
func hasSchema(ctx context.Context, s Store) error {
	return s.Snapshot(ctx, func(ctx context.Context, w *Whole) error {
		tables, err := w.Tables(ctx)
		if err == nil && !hasTable(tables, "audit") {
			err = &RefusedError{"this " + s.Name() + " database holds no Tutti server: is it the right one?"}
		}
		return err
	})
}

func hasTable(tables []Table, name string) bool {
	for _, t := range tables {
		if t.Name == name {
			return true
		}
	}
	return false
}

// isEmpty refuses a database that holds anything, or a schema other than wanted.
func isEmpty(ctx context.Context, s Store, schema int64) error {
	return s.Snapshot(ctx, func(ctx context.Context, w *Whole) error {
		tables, err := w.Tables(ctx)
		if err != nil || len(tables) == 0 {
			return err
		}
		if !hasTable(tables, "audit") {
			return &RefusedError{"this " + s.Name() + " database holds tables of another program: name an empty one"}
		}
		held, err := w.holds(ctx, tables)
		if err != nil {
			return err
		}
		if held {
			return &RefusedError{"this " + s.Name() + " database holds a server already, and a restore never overwrites one: name an empty database or data directory"}
		}
		v, err := w.Version(ctx)
		if err == nil && v != schema {
			err = &RefusedError{fmt.Sprintf("this %s database is empty, but has the tables of another version of Tutti (schema %d instead of %d): "+
				"drop it and make it anew", s.Name(), v, schema)}
		}
		return err
	})
}

// holds tells whether any table has a row, but for the one that every new database has.
func (w *Whole) holds(ctx context.Context, tables []Table) (held bool, err error) {
	for _, t := range tables {
		if t.Name == "audit_head" {
			continue
		}
		err := w.q.queryRow(ctx, []any{&held}, "SELECT EXISTS (SELECT 1 FROM "+ident(t.Name)+")")
		if err != nil || held {
			return held, err
		}
	}
	return false, nil
}

// unused refuses a PostgreSQL at which a server works; SQLite has its lock.
func unused(ctx context.Context, s Store) error {
	p, ok := s.(*Postgres)
	if !ok {
		return nil
	}
	for end := time.Now().Add(stopGrace); ; {
		var n int64
		err := p.pool.QueryRow(ctx, `
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1`, serverName).Scan(&n)
		if err != nil {
			return p.explain(err)
		}
		if n == 0 {
			return nil
		}
		if time.Now().After(end) {
			return &RefusedError{fmt.Sprintf("a server uses %s (%d connections): stop the pairing service first", p.who, n)}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

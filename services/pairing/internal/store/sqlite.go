package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// SQLiteFile is the database's name in the data directory.
const SQLiteFile = "trust.db"

// readers is how many connections read beside the one that writes.
const readers = 4

// SQLite is the store of a single process: one writer, write-ahead log, every
// commit synced to disk.
type SQLite struct {
	path  string
	write *sql.DB // one connection; transactions take the write lock at once
	read  *sql.DB
	use   *os.File // its lock says that somebody works on the database
}

var _ desk.Store = (*SQLite)(nil)

// OpenSQLite opens or creates the database in dataDir (mode 0600) and migrates it.
func OpenSQLite(ctx context.Context, dataDir string) (*SQLite, error) {
	return openSQLite(ctx, dataDir, mode{})
}

func openSQLite(ctx context.Context, dataDir string, m mode) (*SQLite, error) {
	path := filepath.Join(dataDir, SQLiteFile)
	fail := func(err error) (*SQLite, error) {
		return nil, &RefusedError{fmt.Sprintf("SQLite database %s cannot be used: %v", path, err)}
	}
	if err := m.makeFile(path); err != nil {
		return fail(err)
	}
	s := &SQLite{path: path}
	var err error
	if s.use, err = m.lockUse(path); err != nil {
		return fail(err)
	}
	if s.write, err = sql.Open("sqlite", dsn(path, "_txlock=immediate")); err != nil {
		s.Close()
		return fail(err)
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", dsn(path, "_pragma=query_only(1)")); err != nil {
		s.Close()
		return fail(err)
	}
	s.read.SetMaxOpenConns(readers)
	if err := s.migrate(ctx, m); err != nil {
		s.Close()
		return fail(err)
	}
	return s, nil
}

// dsn is the name of the database with what every connection is set to. What does not fit
// into SQLite's memory for one statement would go to the system's folder for temporary
// files, unsealed, and in a container there is none: it stays in memory. The largest is
// the sort of a page of the ledger.
func dsn(path, extra string) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String() +
		"?_pragma=busy_timeout(3000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&_pragma=recursive_triggers(1)&_pragma=temp_store(memory)&" + extra
}

// migrate holds a file lock, so that two processes that start at once on one
// directory migrate one after the other.
func (s *SQLite) migrate(ctx context.Context, m mode) error {
	if m.keepSchema {
		return nil
	}
	f, err := os.OpenFile(s.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // releases the lock
	if err := lockFile(ctx, f); err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, s.write, migrationsFor("sqlite"))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	return m.up(ctx, p)
}

func lockFile(ctx context.Context, f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for another process that migrates: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Name implements desk.Store.
func (s *SQLite) Name() string { return "SQLite" }

// Close implements desk.Store.
func (s *SQLite) Close() {
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			_ = db.Close()
		}
	}
	_ = s.use.Close() // frees the lock
}

// View implements desk.Store.
func (s *SQLite) View(ctx context.Context, fn func(context.Context, desk.Tx) error) error {
	return bounded(ctx, s.who(), func(ctx context.Context) error {
		return s.explain(fn(ctx, tx{sqliteQ{s.read}}))
	})
}

// Update implements desk.Store.
func (s *SQLite) Update(ctx context.Context, fn func(context.Context, desk.Tx) error) error {
	return bounded(ctx, s.who(), func(ctx context.Context) error {
		t, err := s.write.BeginTx(ctx, nil)
		if err != nil {
			return s.explain(fmt.Errorf("begin: %w", err))
		}
		defer func() { _ = t.Rollback() }() // after a commit: no effect
		if err := fn(ctx, tx{sqliteQ{t}}); err != nil {
			return s.explain(err)
		}
		if err := t.Commit(); err != nil {
			return s.explain(fmt.Errorf("commit: %w", err))
		}
		return nil
	})
}

func (s *SQLite) who() string { return "SQLite database " + s.path }

// explain codes the errors that mean "cannot be used now": busy, locked, full,
// I/O, read-only, corrupt.
func (s *SQLite) explain(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return err
	}
	switch se.Code() & 0xff {
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED, sqlitelib.SQLITE_FULL, sqlitelib.SQLITE_IOERR,
		sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_NOTADB,
		sqlitelib.SQLITE_NOMEM, sqlitelib.SQLITE_PERM:
		return &fault.Error{Code: fault.Unavailable, Msg: s.who() + " cannot be used: " + se.Error(), Err: nil}
	}
	return err
}

// sqlConn is what *sql.DB and *sql.Tx share.
type sqlConn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

type sqliteQ struct{ c sqlConn }

// lock: the transaction holds the only write lock there is.
func (sqliteQ) lock(context.Context, []desk.Lock) error { return nil }

func (q sqliteQ) exec(ctx context.Context, s string, args ...any) (int64, error) {
	res, err := q.c.ExecContext(ctx, s, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (q sqliteQ) query(ctx context.Context, s string, args ...any) (rows, error) {
	r, err := q.c.QueryContext(ctx, s, args...)
	if err != nil {
		return nil, err
	}
	return sqliteRows{r}, nil
}

func (q sqliteQ) queryRow(ctx context.Context, dest []any, s string, args ...any) error {
	err := q.c.QueryRowContext(ctx, s, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return desk.ErrNotFound
	}
	return err
}

type sqliteRows struct{ *sql.Rows }

func (r sqliteRows) close() { _ = r.Close() }

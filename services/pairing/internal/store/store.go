// Package store keeps trust in PostgreSQL or in SQLite. Both run the same
// statements (tx*.go); what differs is how a transaction begins, how locks are
// taken and how errors read (postgres.go, sqlite.go). Migrations are embedded and
// run by goose when a store is opened.
package store

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

//go:embed migrations
var migrations embed.FS

const (
	// opTimeout bounds one view or transaction, waiting for a connection included.
	opTimeout = 4 * time.Second
	// replyMargin is kept of a request's own deadline, so that the requester hears
	// the reason instead of a timeout.
	replyMargin = 300 * time.Millisecond
)

// RefusedError says that the database answered and will not let us in, or that
// its URL cannot be used: trying again does not help.
type RefusedError struct{ msg string }

// Error is one sentence without the password.
func (e *RefusedError) Error() string { return e.msg }

// Open opens the PostgreSQL that url names, or SQLite in dataDir when url is empty.
// A data directory in which a restore broke off is refused.
func Open(ctx context.Context, url, dataDir string) (Store, error) {
	if err := checkFile(url, dataDir); err != nil {
		return nil, err
	}
	s, err := open(ctx, url, dataDir, mode{})
	if err != nil {
		return nil, err
	}
	if err := checkContent(ctx, s, dataDir); err != nil {
		return nil, closeOn(s, err)
	}
	return s, nil
}

func open(ctx context.Context, url, dataDir string, m mode) (Store, error) {
	if url == "" {
		s, err := openSQLite(ctx, dataDir, m)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	p, err := openPostgres(ctx, url, m)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func migrationsFor(dir string) fs.FS {
	sub, err := fs.Sub(migrations, "migrations/"+dir)
	if err != nil {
		panic(err) // the folder is embedded: a mistake of the build
	}
	return sub
}

// bounded gives an operation its deadline, and turns a deadline that passed into
// the reason. The caller's own cancellation stays what it is.
func bounded(ctx context.Context, who string, fn func(ctx context.Context) error) error {
	limit := opTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		limit = min(limit, max(left-replyMargin, left/2))
	}
	opCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := fn(opCtx)
	if err == nil || errors.Is(err, desk.ErrNotFound) {
		return err
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	if ctx.Err() == nil && errors.Is(opCtx.Err(), context.DeadlineExceeded) {
		return fault.New(fault.Unavailable, "%s does not answer: nothing came back within %s", who, limit.Round(time.Millisecond))
	}
	return err
}

// queryer is what both drivers can do inside and outside a transaction.
// Placeholders are $1, $2, ….
type queryer interface {
	exec(ctx context.Context, sql string, args ...any) (affected int64, err error)
	query(ctx context.Context, sql string, args ...any) (rows, error)
	// queryRow scans one row; desk.ErrNotFound when there is none.
	queryRow(ctx context.Context, dest []any, sql string, args ...any) error
	lock(ctx context.Context, locks []desk.Lock) error
}

type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	close()
}

// tx implements desk.Tx on any queryer.
type tx struct{ q queryer }

var _ desk.Tx = tx{}

// Lock implements desk.Tx.
func (t tx) Lock(ctx context.Context, locks ...desk.Lock) error { return t.q.lock(ctx, locks) }

// collect scans all rows of one query.
func collect[T any](ctx context.Context, q queryer, scan func(rows) (T, error), sql string, args ...any) ([]T, error) {
	r, err := q.query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var out []T
	for r.Next() {
		v, err := scan(r)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, r.Err()
}

func scanString(r rows) (s string, err error) { err = r.Scan(&s); return s, err }

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

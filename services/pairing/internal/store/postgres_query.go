package store

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// pgConn is what *pgxpool.Pool and pgx.Tx share.
type pgConn interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

type pgQ struct {
	c    pgConn
	inTx bool
}

// lock takes advisory locks that end with the transaction. Two names that hash
// alike only wait for each other.
func (q pgQ) lock(ctx context.Context, locks []desk.Lock) error {
	if !q.inTx {
		return nil
	}
	for _, l := range locks {
		if _, err := q.c.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "tutti-pairing:"+string(l)); err != nil {
			return err
		}
	}
	return nil
}

func (q pgQ) exec(ctx context.Context, s string, args ...any) (int64, error) {
	tag, err := q.c.Exec(ctx, s, args...)
	return tag.RowsAffected(), err
}

func (q pgQ) query(ctx context.Context, s string, args ...any) (rows, error) {
	r, err := q.c.Query(ctx, s, args...)
	if err != nil {
		return nil, err
	}
	return pgRows{r}, nil
}

func (q pgQ) queryRow(ctx context.Context, dest []any, s string, args ...any) error {
	err := q.c.QueryRow(ctx, s, args...).Scan(dest...)
	if errors.Is(err, pgx.ErrNoRows) {
		return desk.ErrNotFound
	}
	return err
}

type pgRows struct{ pgx.Rows }

func (r pgRows) close() { r.Close() }

// isEOF recognises a connection that the other side closed or reset.
func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

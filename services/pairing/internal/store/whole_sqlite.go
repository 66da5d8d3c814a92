package store

import (
	"context"
	"database/sql"
	"fmt"
)

// whole runs fn in a transaction of db, which sees one moment of the database.
func (s *SQLite) whole(ctx context.Context, db *sql.DB, fn func(context.Context, *Whole) error) error {
	ctx, cancel := context.WithTimeout(ctx, wholeTimeout)
	defer cancel()
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return s.explain(fmt.Errorf("begin: %w", err))
	}
	defer func() { _ = t.Rollback() }() // after a commit: no effect
	if err := fn(ctx, &Whole{q: sqliteQ{t}, d: sqliteDialect{}, Name: s.Name()}); err != nil {
		return s.explain(err)
	}
	if err := t.Commit(); err != nil {
		return s.explain(fmt.Errorf("commit: %w", err))
	}
	return nil
}

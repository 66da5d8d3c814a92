package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
)

// wholeTimeout bounds one reading or writing of everything.
const wholeTimeout = 5 * time.Minute

// Store is a desk.Store that can also be read and written as a whole, for backups
// and for another deployment key.
type Store interface {
	desk.Store
	// Snapshot reads everything as it is at one moment.
	Snapshot(ctx context.Context, fn func(context.Context, *Whole) error) error
	// Rewrite runs fn in one transaction, which commits when fn returns nil; it is
	// not bounded by the time of one decision. fn runs once.
	Rewrite(ctx context.Context, fn func(context.Context, *Whole) error) error
}

var (
	_ Store = (*SQLite)(nil)
	_ Store = (*Postgres)(nil)
)

// Whole is the database as tables and rows.
type Whole struct {
	q queryer
	d dialect
	// Name is the database's: "PostgreSQL" or "SQLite".
	Name string
}

// Tx is the same transaction as the desk sees it.
func (w *Whole) Tx() desk.Tx { return tx{w.q} }

// View implements desk.Viewer inside the transaction.
func (w *Whole) View(ctx context.Context, fn func(context.Context, desk.Tx) error) error {
	return fn(ctx, w.Tx())
}

// Identity is the sealed identity; desk.ErrNotFound when there is none. It asks for
// nothing but what the first schema has: a restore works at the version of its backup.
func (w *Whole) Identity(ctx context.Context) (id desk.Identity, err error) {
	err = w.q.queryRow(ctx, []any{&id.ServerID, &id.Sealed}, `SELECT server_id, sealed_key FROM identity WHERE one = 1`)
	if err != nil {
		return id, fmt.Errorf("read the identity: %w", err)
	}
	return id, nil
}

// MendHead sets the recorded end of the ledger to its last line, for a ledger that is
// known to be broken: the next line must have a number.
func (w *Whole) MendHead(ctx context.Context) error {
	_, err := w.q.exec(ctx, `
UPDATE audit_head SET id = (SELECT id FROM audit ORDER BY id DESC LIMIT 1), hash = (SELECT hash FROM audit ORDER BY id DESC LIMIT 1)
 WHERE one = 1 AND EXISTS (SELECT 1 FROM audit WHERE id >= audit_head.id)`)
	if err != nil {
		return fmt.Errorf("set the end of the audit ledger: %w", err)
	}
	return nil
}

// Version is the number of the last migration.
func (w *Whole) Version(ctx context.Context) (int64, error) {
	v, err := version(ctx, w.q)
	if err != nil {
		return 0, fmt.Errorf("read the version of the schema: %w", err)
	}
	return v, nil
}

// Tables lists the tables that a backup holds, each after those it refers to.
func (w *Whole) Tables(ctx context.Context) ([]Table, error) {
	all, err := w.d.tables(ctx, w.q)
	if err != nil {
		return nil, err
	}
	return ordered(all)
}

// each calls fn for every row of a table, in the order of its key. fn must not use
// the transaction.
func (w *Whole) each(ctx context.Context, t Table, fn func(row []any) error) error {
	r, err := w.q.query(ctx, t.selectAll())
	if err != nil {
		return fmt.Errorf("read table %s: %w", t.Name, err)
	}
	defer r.close()
	for r.Next() {
		row, err := t.cells(r)
		if err != nil {
			return err
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return r.Err()
}

// Reseal opens every sealed value with one key and seals it under another. It
// returns how many there were.
func (w *Whole) Reseal(ctx context.Context, from, to secret.Key) (n int, err error) {
	tables, err := w.Tables(ctx)
	if err != nil {
		return 0, err
	}
	for _, t := range tables {
		more, err := w.resealTable(ctx, t, from, to)
		if err != nil {
			return 0, err
		}
		n += more
	}
	return n, nil
}

// change is a value that takes the place of another.
type change struct {
	column string
	value  any
	key    []any
}

func (w *Whole) resealTable(ctx context.Context, t Table, from, to secret.Key) (int, error) {
	var changes []change
	err := w.each(ctx, t, func(row []any) error {
		at := t.lookup(row)
		for i, c := range t.Columns {
			place, ok := placeOf(t.Name, c.Name, at)
			if !ok || row[i] == nil {
				continue
			}
			plain, err := unseal(from, row[i], place)
			if err != nil {
				return err
			}
			v, err := seal(to, plain, place)
			clear(plain)
			if err != nil {
				return err
			}
			ch := change{column: c.Name, value: v}
			for _, k := range t.Key {
				ch.key = append(ch.key, at(k))
			}
			changes = append(changes, ch)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, ch := range changes {
		if err := w.put(ctx, t, ch); err != nil {
			return 0, err
		}
	}
	return len(changes), nil
}

func (w *Whole) put(ctx context.Context, t Table, ch change) error {
	s := "UPDATE " + ident(t.Name) + " SET " + ident(ch.column) + " = $1"
	for i, k := range t.Key {
		s += map[bool]string{true: " WHERE ", false: " AND "}[i == 0] + ident(k) + fmt.Sprintf(" = $%d", i+2)
	}
	n, err := w.q.exec(ctx, s, append([]any{ch.value}, ch.key...)...)
	if err == nil && n != 1 {
		err = fmt.Errorf("%d rows instead of one", n)
	}
	if err != nil {
		return fmt.Errorf("write %s.%s: %w", t.Name, ch.column, err)
	}
	return nil
}

// lookup finds a value of a row by its column.
func (t Table) lookup(row []any) func(column string) any {
	return func(column string) any {
		for i, c := range t.Columns {
			if c.Name == column {
				return row[i]
			}
		}
		return nil
	}
}

// Snapshot implements Store.
func (s *SQLite) Snapshot(ctx context.Context, fn func(context.Context, *Whole) error) error {
	return s.whole(ctx, s.read, fn)
}

// Rewrite implements Store.
func (s *SQLite) Rewrite(ctx context.Context, fn func(context.Context, *Whole) error) error {
	return s.whole(ctx, s.write, fn)
}

// Snapshot implements Store.
func (p *Postgres) Snapshot(ctx context.Context, fn func(context.Context, *Whole) error) error {
	return p.whole(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

// Rewrite implements Store.
func (p *Postgres) Rewrite(ctx context.Context, fn func(context.Context, *Whole) error) error {
	return p.whole(ctx, pgx.TxOptions{}, fn)
}

func (p *Postgres) whole(ctx context.Context, o pgx.TxOptions, fn func(context.Context, *Whole) error) error {
	ctx, cancel := context.WithTimeout(ctx, wholeTimeout)
	defer cancel()
	return p.explain(pgx.BeginTxFunc(ctx, p.pool, o, func(t pgx.Tx) error {
		return fn(ctx, &Whole{q: pgQ{t, true}, d: postgresDialect{}, Name: p.Name()})
	}))
}

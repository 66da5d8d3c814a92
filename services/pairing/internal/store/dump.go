package store

import (
	"context"
	"fmt"

	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
)

// Dump writes every row; sealed values are opened with key. The caller wrote what
// comes before, and ends the sequence.
func (w *Whole) Dump(ctx context.Context, key secret.Key, out *backup.Writer) error {
	tables, err := w.Tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		err := w.each(ctx, t, func(row []any) error {
			r, err := t.export(row, key)
			if err != nil {
				return err
			}
			defer wipe(r)
			return out.Row(r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// export makes a row of a backup.
func (t Table) export(row []any, key secret.Key) (backup.Row, error) {
	out := backup.Row{Table: t.Name, Values: map[string]backup.Value{}}
	at := t.lookup(row)
	for i, c := range t.Columns {
		v := row[i]
		if place, ok := placeOf(t.Name, c.Name, at); ok && v != nil {
			plain, err := unseal(key, v, place)
			if err != nil {
				return out, err
			}
			v = backup.Secret(plain)
		}
		out.Values[c.Name] = backup.Value{V: v}
	}
	return out, nil
}

func wipe(r backup.Row) {
	for _, v := range r.Values {
		if s, ok := v.V.(backup.Secret); ok {
			clear(s)
		}
	}
}

// Loader writes rows of a backup into an empty database of the same schema.
type Loader struct {
	w      *Whole
	key    secret.Key
	tables map[string]Table
	rows   map[string]int
}

// Load begins to fill the database. It clears what the migrations themselves put
// into it.
func (w *Whole) Load(ctx context.Context, key secret.Key) (*Loader, error) {
	tables, err := w.Tables(ctx)
	if err != nil {
		return nil, err
	}
	l := &Loader{w: w, key: key, tables: map[string]Table{}, rows: map[string]int{}}
	for i := len(tables) - 1; i >= 0; i-- { // who is referred to comes last
		t := tables[i]
		l.tables[t.Name] = t
		if _, err := w.q.exec(ctx, "DELETE FROM "+ident(t.Name)); err != nil {
			return nil, fmt.Errorf("clear table %s: %w", t.Name, err)
		}
	}
	return l, nil
}

// Add writes one row; secrets are sealed under the key. It demands every column and
// knows no other.
func (l *Loader) Add(ctx context.Context, r backup.Row) error {
	t, ok := l.tables[r.Table]
	if !ok {
		return fmt.Errorf("%w: it holds a table %q, which this schema does not have", backup.ErrForm, r.Table)
	}
	if len(r.Values) != len(t.Columns) {
		return fmt.Errorf("%w: a row of table %s has %d columns instead of %d", backup.ErrForm, t.Name, len(r.Values), len(t.Columns))
	}
	args := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		v, err := l.value(t, c, r)
		if err == nil {
			args[i], err = l.w.d.arg(c, v)
		}
		if err != nil {
			return fmt.Errorf("%w: table %s: %w", backup.ErrForm, t.Name, err)
		}
	}
	if _, err := l.w.q.exec(ctx, l.w.d.insert(t), args...); err != nil {
		return fmt.Errorf("write table %s: %w", t.Name, err)
	}
	l.rows[t.Name]++
	return nil
}

func (l *Loader) value(t Table, c Column, r backup.Row) (any, error) {
	v, ok := r.Values[c.Name]
	if !ok {
		return nil, fmt.Errorf("column %s is missing", c.Name)
	}
	place, sealed := placeOf(t.Name, c.Name, func(column string) any { return r.Values[column].V })
	plain, open := v.V.(backup.Secret)
	switch {
	case open && sealed:
		return seal(l.key, plain, place)
	case open, sealed && v.V != nil:
		return nil, fmt.Errorf("column %s holds a secret in the wrong place", c.Name)
	}
	return v.V, nil
}

// Done ends the filling and says how many rows each table got.
func (l *Loader) Done(ctx context.Context) (map[string]int, error) {
	for _, t := range l.tables {
		if err := l.w.d.renumber(ctx, l.w.q, t); err != nil {
			return nil, err
		}
	}
	return l.rows, nil
}

// Trust describes the database at the head of a backup.
func (w *Whole) Trust(ctx context.Context) (backup.Trust, error) {
	out := backup.Trust{Database: w.Name}
	var err error
	if out.Schema, err = w.Version(ctx); err != nil {
		return out, err
	}
	id, err := w.Identity(ctx)
	if err != nil {
		return out, err
	}
	head, err := w.Tx().AuditHead(ctx)
	out.ServerID, out.Fingerprint = id.ServerID, desk.Fingerprint(id.ServerID)
	out.HeadID, out.HeadHash = head.ID, head.Hash
	return out, err
}

package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Kind is the kind of a column, the same for every database.
type Kind string

// The kinds of columns that migrations may use.
const (
	KindText  Kind = "text"
	KindInt   Kind = "int"
	KindBool  Kind = "bool" // SQLite keeps it as an integer
	KindBytes Kind = "bytes"
)

// Column is one column of a table.
type Column struct {
	Name    string
	Kind    Kind
	NotNull bool
	// Generated: the database numbers the rows itself.
	Generated bool
}

// Table is one table as the database describes it.
type Table struct {
	Name    string
	Columns []Column
	Key     []string // primary key, in order
	refs    []string // tables that its foreign keys point to
}

// Transient tables are no part of a backup: announcements that were not made yet
// (every start compares the buckets with the database anyway), and goose's own.
func transient(table string) bool { return table == "outbox" || table == gooseTable }

const gooseTable = "goose_db_version"

// dialect is how one database describes itself.
type dialect interface {
	// tables lists the tables of the schema, but for transient ones, in no order.
	tables(ctx context.Context, q queryer) ([]Table, error)
	// insert is the statement that adds a row with all columns.
	insert(t Table) string
	// arg converts a value of a backup for a column.
	arg(c Column, v any) (any, error)
	// renumber makes generated numbers go on after the largest.
	renumber(ctx context.Context, q queryer, t Table) error
}

// ordered sorts tables so that each comes after those it refers to.
func ordered(tables []Table) ([]Table, error) {
	slices.SortFunc(tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	var out []Table
	done := map[string]bool{}
	for len(out) < len(tables) {
		before := len(out)
		for _, t := range tables {
			ready := !done[t.Name] && !slices.ContainsFunc(t.refs, func(r string) bool { return r != t.Name && !done[r] })
			if ready {
				out, done[t.Name] = append(out, t), true
			}
		}
		if len(out) == before {
			return nil, fmt.Errorf("the tables of the database refer to each other in a circle")
		}
	}
	return out, nil
}

func (t Table) column(name string) (Column, bool) {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}, false
	}
	return t.Columns[i], true
}

// names are the columns' names, fit for a statement.
func (t Table) names() string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = ident(c.Name)
	}
	return strings.Join(out, ", ")
}

// ident quotes a name of the catalogue. Migrations use no name with a quote in it.
func ident(name string) string { return `"` + name + `"` }

// selectAll reads all rows in the order of the key.
func (t Table) selectAll() string {
	s := "SELECT " + t.names() + " FROM " + ident(t.Name)
	for i, k := range t.Key {
		s += map[bool]string{true: " ORDER BY ", false: ", "}[i == 0] + ident(k)
	}
	return s
}

func marks(n int) string {
	m := make([]string, n)
	for i := range m {
		m[i] = fmt.Sprintf("$%d", i+1)
	}
	return strings.Join(m, ", ")
}

// version is the number of the last migration; 0 for a database without tables.
func version(ctx context.Context, q queryer) (v int64, err error) {
	err = q.queryRow(ctx, []any{&v}, `SELECT coalesce(max(version_id), 0) FROM `+gooseTable+` WHERE is_applied`)
	return v, err
}

// cells reads one row as values of a backup: nil, int64, string or []byte.
func (t Table) cells(r rows) ([]any, error) {
	out := make([]any, len(t.Columns))
	dest := make([]any, len(out))
	for i := range out {
		dest[i] = &out[i]
	}
	if err := r.Scan(dest...); err != nil {
		return nil, fmt.Errorf("read table %s: %w", t.Name, err)
	}
	for i, c := range t.Columns {
		v, err := plainValue(c, out[i])
		if err != nil {
			return nil, fmt.Errorf("read %s.%s: %w", t.Name, c.Name, err)
		}
		out[i] = v
	}
	return out, nil
}

// plainValue brings a driver's value to the few types of a backup.
func plainValue(c Column, v any) (any, error) {
	switch x := v.(type) {
	case nil:
		if c.Kind == KindBytes && c.NotNull {
			return []byte{}, nil // SQLite reads an empty value back as none
		}
		return nil, nil
	case bool:
		if x {
			return int64(1), nil
		}
		return int64(0), nil
	case int16:
		return int64(x), nil
	case int32:
		return int64(x), nil
	case int64:
		return x, nil
	case string:
		if c.Kind == KindBytes {
			return []byte(x), nil
		}
		return x, nil
	case []byte:
		if c.Kind == KindText {
			return string(x), nil
		}
		return slices.Clone(x), nil
	}
	return nil, fmt.Errorf("a value of type %T cannot be backed up", v)
}

package store

import (
	"context"
	"fmt"
	"strings"
)

type sqliteDialect struct{}

func (sqliteDialect) tables(ctx context.Context, q queryer) ([]Table, error) {
	names, err := collect(ctx, q, scanString,
		`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	var out []Table
	for _, n := range names {
		if transient(n) {
			continue
		}
		t := Table{Name: n}
		if t.Columns, t.Key, err = sqliteColumns(ctx, q, n); err != nil {
			return nil, err
		}
		t.refs, err = collect(ctx, q, scanString, `SELECT "table" FROM pragma_foreign_key_list($1)`, n)
		if err != nil {
			return nil, fmt.Errorf("describe table %s: %w", n, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func sqliteColumns(ctx context.Context, q queryer, table string) (columns []Column, key []string, err error) {
	var name, declared string
	var notNull, pk int64
	keyed := map[int64]string{}
	columns, err = collect(ctx, q, func(r rows) (Column, error) {
		if err := r.Scan(&name, &declared, &notNull, &pk); err != nil {
			return Column{}, err
		}
		if pk > 0 {
			keyed[pk] = name
		}
		kind, ok := map[string]Kind{"TEXT": KindText, "INTEGER": KindInt, "INT": KindInt, "BLOB": KindBytes}[strings.ToUpper(declared)]
		if !ok {
			return Column{}, fmt.Errorf("column %s has the type %s, which a backup does not know", name, declared)
		}
		return Column{Name: name, Kind: kind, NotNull: notNull != 0}, nil
	}, `SELECT name, type, "notnull", pk FROM pragma_table_info($1) ORDER BY cid`, table)
	if err != nil {
		return nil, nil, fmt.Errorf("describe table %s: %w", table, err)
	}
	for i := range int64(len(keyed)) {
		key = append(key, keyed[i+1])
	}
	return columns, key, nil
}

func (sqliteDialect) insert(t Table) string {
	return "INSERT INTO " + ident(t.Name) + " (" + t.names() + ") VALUES (" + marks(len(t.Columns)) + ")"
}

func (sqliteDialect) arg(c Column, v any) (any, error) { return checked(c, v) }

// renumber has nothing to do: SQLite goes on after the largest.
func (sqliteDialect) renumber(context.Context, queryer, Table) error { return nil }

// checked refuses a value that does not fit its column: SQLite's tables are strict,
// but a clear word is better than the driver's.
func checked(c Column, v any) (any, error) {
	ok := false
	switch x := v.(type) {
	case nil:
		ok = !c.NotNull
	case int64:
		ok = c.Kind == KindInt || c.Kind == KindBool && (x == 0 || x == 1)
	case string:
		ok = c.Kind == KindText
	case []byte:
		ok = c.Kind == KindBytes
	}
	if !ok {
		return nil, fmt.Errorf("column %s takes no value of type %T", c.Name, v)
	}
	return v, nil
}

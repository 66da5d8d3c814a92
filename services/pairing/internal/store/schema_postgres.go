package store

import (
	"context"
	"fmt"
)

type postgresDialect struct{}

func (postgresDialect) tables(ctx context.Context, q queryer) ([]Table, error) {
	names, err := collect(ctx, q, scanString, `
SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	var out []Table
	for _, n := range names {
		if transient(n) {
			continue
		}
		t := Table{Name: n}
		if t.Columns, err = postgresColumns(ctx, q, n); err != nil {
			return nil, err
		}
		t.Key, err = collect(ctx, q, scanString, `
SELECT a.attname::text FROM pg_index i
  JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(num, pos) ON true
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
 WHERE i.indisprimary AND i.indrelid = to_regclass($1) ORDER BY k.pos`, n)
		if err != nil {
			return nil, fmt.Errorf("describe table %s: %w", n, err)
		}
		t.refs, err = collect(ctx, q, scanString, `
SELECT r.relname::text FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid
 WHERE c.contype = 'f' AND c.conrelid = to_regclass($1)`, n)
		if err != nil {
			return nil, fmt.Errorf("describe table %s: %w", n, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func postgresColumns(ctx context.Context, q queryer, table string) ([]Column, error) {
	out, err := collect(ctx, q, func(r rows) (Column, error) {
		var c Column
		var typ string
		if err := r.Scan(&c.Name, &typ, &c.NotNull, &c.Generated); err != nil {
			return c, err
		}
		kind, ok := map[string]Kind{"text": KindText, "smallint": KindInt, "integer": KindInt, "bigint": KindInt,
			"boolean": KindBool, "bytea": KindBytes}[typ]
		if !ok {
			return c, fmt.Errorf("column %s has the type %s, which a backup does not know", c.Name, typ)
		}
		c.Kind = kind
		return c, nil
	}, `
SELECT column_name::text, data_type::text, is_nullable = 'NO', is_identity = 'YES' FROM information_schema.columns
 WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`, table)
	if err != nil {
		return nil, fmt.Errorf("describe table %s: %w", table, err)
	}
	return out, nil
}

func (postgresDialect) insert(t Table) string {
	return "INSERT INTO " + ident(t.Name) + " (" + t.names() + ") OVERRIDING SYSTEM VALUE VALUES (" + marks(len(t.Columns)) + ")"
}

func (postgresDialect) arg(c Column, v any) (any, error) {
	v, err := checked(c, v)
	if n, ok := v.(int64); ok && c.Kind == KindBool {
		return n == 1, err
	}
	return v, err
}

func (postgresDialect) renumber(ctx context.Context, q queryer, t Table) error {
	for _, c := range t.Columns {
		if !c.Generated {
			continue
		}
		_, err := q.exec(ctx, `SELECT setval(pg_get_serial_sequence($1, $2), (SELECT coalesce(max(`+ident(c.Name)+`), 0) + 1 FROM `+ident(t.Name)+`), false)`,
			t.Name, c.Name)
		if err != nil {
			return fmt.Errorf("number the rows of %s: %w", t.Name, err)
		}
	}
	return nil
}

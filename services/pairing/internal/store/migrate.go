package store

import "context"

// MigratePostgres brings the database at url to the newest schema that this program
// knows, and returns its version before (0: it was empty) and after. It is safe beside
// running instances of this version and the one before; several wait for each other.
func MigratePostgres(ctx context.Context, url string) (from, to int64, err error) {
	before, err := openPostgres(ctx, url, mode{keepSchema: true})
	if err != nil {
		return 0, 0, err
	}
	from, err = before.version(ctx)
	before.Close()
	if err != nil {
		return 0, 0, err
	}
	p, err := OpenPostgres(ctx, url)
	if err != nil {
		return from, from, err
	}
	defer p.Close()
	to, err = p.version(ctx)
	return from, to, err
}

// version is 0 for a database without our tables.
func (p *Postgres) version(ctx context.Context) (v int64, err error) {
	var there bool
	if err := p.pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, gooseTable).Scan(&there); err != nil || !there {
		return 0, p.explain(err)
	}
	err = p.pool.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM `+gooseTable+` WHERE is_applied`).Scan(&v)
	return v, p.explain(err)
}

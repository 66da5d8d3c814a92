package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

const (
	// poolSize is small: a decision takes milliseconds, and every instance of the
	// service has its own pool.
	poolSize = 10
	// connectTimeout is below opTimeout, so that a host that swallows packets is
	// named as such.
	connectTimeout = 3 * time.Second
	// maxTries bounds retries after a serialization failure or a deadlock.
	maxTries = 5
	// patience is how long a transaction that has changed nothing is tried again after
	// the connection broke: a restart of the database takes about that long. After it
	// the caller is told, and decides itself. Without a connection it counts from the
	// beginning: who waited connectTimeout in vain is told whom for.
	patience = 1500 * time.Millisecond
	// reconnectPause is between two such tries.
	reconnectPause = 100 * time.Millisecond
)

// Postgres is the store that several instances share.
type Postgres struct {
	pool *pgxpool.Pool
	who  string
}

var _ desk.Store = (*Postgres)(nil)

// OpenPostgres connects and migrates under an advisory lock, so that several
// instances may start at once. A *RefusedError will not go away by itself; an
// Unavailable one may.
func OpenPostgres(ctx context.Context, url string) (*Postgres, error) {
	return openPostgres(ctx, url, mode{})
}

func openPostgres(ctx context.Context, url string, m mode) (*Postgres, error) {
	p, err := connect(ctx, url, m.application())
	if err != nil {
		return nil, err
	}
	if err := p.migrate(ctx, m); err != nil {
		p.pool.Close()
		if refused := p.refused(err); refused != nil {
			return nil, refused
		}
		return nil, p.explain(err)
	}
	return p, nil
}

// CheckPostgres says in one sentence what keeps us from the database; nil when
// nothing does. It changes nothing.
func CheckPostgres(ctx context.Context, url string) error {
	p, err := connect(ctx, url, serverName)
	if err != nil {
		return err
	}
	p.pool.Close()
	return nil
}

func connect(ctx context.Context, url, application string) (*Postgres, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The parser's own message may quote a part of the password.
		return nil, &RefusedError{"the database URL cannot be read: it must look like " +
			"postgres://user:password@host:5432/database, with special characters of the password percent-encoded"}
	}
	cfg.MaxConns = poolSize
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = application
	}
	cc := cfg.ConnConfig
	if cc.ValidateConnect == nil {
		// Of several hosts, the one that takes writes: after a fail-over that is another.
		// A URL with target_session_attrs decides itself.
		cc.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	p := &Postgres{who: fmt.Sprintf("PostgreSQL at %s (database %q, user %q)", hosts(cc), cc.Database, cc.User)}
	if p.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, p.unavailable(err)
	}
	pingCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := p.pool.Ping(pingCtx); err != nil {
		p.pool.Close()
		if refused := p.refused(err); refused != nil {
			return nil, refused
		}
		return nil, p.unavailable(err)
	}
	return p, nil
}

// hosts names every address of the URL, each once.
func hosts(cc *pgx.ConnConfig) string {
	out := []string{net.JoinHostPort(cc.Host, strconv.Itoa(int(cc.Port)))}
	for _, f := range cc.Fallbacks {
		if at := net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port))); !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	return strings.Join(out, ", ")
}

func (p *Postgres) migrate(ctx context.Context, how mode) error {
	if how.keepSchema {
		return nil
	}
	db := stdlib.OpenDBFromPool(p.pool)
	defer func() { _ = db.Close() }()
	m, err := goose.NewProvider(goose.DialectPostgres, db, migrationsFor("postgres"), goose.WithSessionLocker(sessionLock{}))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	return how.up(ctx, m)
}

// sessionLock makes instances that start at once migrate one after the other. It
// waits in the database, where goose's own would poll every few seconds.
type sessionLock struct{}

// SessionLock implements goose's lock.SessionLocker.
func (sessionLock) SessionLock(ctx context.Context, c *sql.Conn) error {
	_, err := c.ExecContext(ctx, `SELECT pg_advisory_lock(hashtextextended('tutti-pairing:migrations', 0))`)
	return err
}

// SessionUnlock implements goose's lock.SessionLocker.
func (sessionLock) SessionUnlock(ctx context.Context, c *sql.Conn) error {
	_, err := c.ExecContext(ctx, `SELECT pg_advisory_unlock(hashtextextended('tutti-pairing:migrations', 0))`)
	return err
}

// Name implements desk.Store.
func (p *Postgres) Name() string { return "PostgreSQL" }

// Close implements desk.Store.
func (p *Postgres) Close() { p.pool.Close() }

// View implements desk.Store.
func (p *Postgres) View(ctx context.Context, fn func(context.Context, desk.Tx) error) error {
	return bounded(ctx, p.who, func(ctx context.Context) error {
		return p.explain(fn(ctx, tx{pgQ{p.pool, false}}))
	})
}

// Update implements desk.Store. A transaction that surely changed nothing is tried again:
// after a conflict with another, or when the connection broke before it was committed.
// Whether a commit took effect whose answer was lost nobody knows; that one is not.
func (p *Postgres) Update(ctx context.Context, fn func(context.Context, desk.Tx) error) error {
	return bounded(ctx, p.who, func(ctx context.Context) error {
		since, broke := time.Now(), false // what patience counts from
		for try := 1; ; try++ {
			began, committing := false, false
			err := pgx.BeginFunc(ctx, p.pool, func(t pgx.Tx) error {
				began = true
				err := fn(ctx, tx{pgQ{t, true}})
				committing = err == nil
				return err
			})
			if isReadOnly(err) {
				p.pool.Reset() // these connections lead to a server that has become a standby
			}
			if began && !broke && p.away(err) {
				since, broke = time.Now(), true
			}
			var wait time.Duration
			switch {
			case err == nil:
				return nil
			case retryable(err) && try < maxTries:
				wait = rand.N(10 * time.Millisecond * time.Duration(try))
			case !committing && p.away(err) && time.Since(since) < patience:
				wait = reconnectPause
			default:
				return p.explain(err)
			}
			select {
			case <-ctx.Done():
				return p.explain(err)
			case <-time.After(wait):
			}
		}
	})
}

// away tells whether err says that the database cannot be used now.
func (p *Postgres) away(err error) bool {
	return fault.CodeOf(p.explain(err)) == fault.Unavailable
}

// isReadOnly recognises a server that takes no writes: a standby, or a primary that has
// become one.
func isReadOnly(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.Code == "25006" || err != nil && strings.Contains(err.Error(), "read only connection")
}

// retryable: serialization failure, deadlock.
func retryable(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && (pe.Code == "40001" || pe.Code == "40P01")
}

// refused recognises answers that a retry does not change.
func (p *Postgres) refused(err error) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return nil
	}
	hint := ""
	switch pe.Code {
	case "28P01", "28000":
		hint = "check the user and the password in the database URL"
	case "3D000":
		hint = "create the database first, or correct its name in the database URL"
	case "42501":
		hint = "grant the user CREATE and USAGE on the schema"
	default:
		return nil
	}
	return &RefusedError{fmt.Sprintf("%s refuses: %s; %s", p.who, pe.Message, hint)}
}

// explain codes the errors that mean "cannot be used now". The rest stays.
func (p *Postgres) explain(err error) error {
	if err == nil || errors.Is(err, desk.ErrNotFound) {
		return err
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch pe.Code[:2] {
		// connection exception, no resources, operator intervention, system error,
		// authorization (the role was locked while we ran), read-only after a fail-over
		case "08", "53", "57", "58", "28", "25":
			return p.unavailable(err)
		}
		return err
	}
	var ne net.Error
	if isReadOnly(err) {
		return p.unavailable(err)
	}
	if pgconn.Timeout(err) || errors.As(err, &ne) || connectionLost(err) {
		return p.unavailable(err)
	}
	return err
}

func connectionLost(err error) bool {
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) || errors.Is(err, net.ErrClosed) {
		return true
	}
	// pgx has no type for a connection that broke during a query; its cause is an
	// io error, or the query was never sent.
	return pgconn.SafeToRetry(err) || isEOF(err)
}

// unavailable keeps the innermost cause alone: what wraps it repeats addresses
// and, in some paths, connection strings.
func (p *Postgres) unavailable(err error) error {
	if isReadOnly(err) {
		return &fault.Error{Code: fault.Unavailable, Msg: p.who + ": connected to a standby, which takes no writes; " +
			"name the primary, or all servers separated by commas, in the database URL"}
	}
	cause := "connection lost"
	var pe *pgconn.PgError
	var oe *net.OpError
	var de *net.DNSError
	switch {
	case errors.As(err, &pe):
		cause = pe.Message
	case errors.As(err, &de):
		cause = de.Error()
	case errors.As(err, &oe) && oe.Err != nil:
		cause = oe.Err.Error()
	case pgconn.Timeout(err):
		cause = "nothing came back in time"
	}
	return &fault.Error{Code: fault.Unavailable, Msg: p.who + " does not answer: " + cause}
}

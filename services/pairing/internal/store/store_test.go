package store

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/store/storetest"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLiteConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		dir := filepath.Join(t.TempDir(), "new", "odd name?&#%20")
		return storetest.Backend{
			Open: func(t *testing.T) desk.Store {
				s, err := OpenSQLite(t.Context(), dir)
				if err != nil {
					t.Error(err)
					return nil
				}
				t.Cleanup(s.Close)
				return s
			},
			Raw: func(t *testing.T, sql string) error {
				s, err := OpenSQLite(t.Context(), dir)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				_, err = s.write.ExecContext(t.Context(), sql)
				return err
			},
		}
	})
}

func TestPostgresConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		url := pgtest.Start(t)
		return storetest.Backend{
			Open: func(t *testing.T) desk.Store {
				s, err := OpenPostgres(t.Context(), url)
				if err != nil {
					t.Error(err)
					return nil
				}
				t.Cleanup(s.Close)
				return s
			},
			Raw: func(t *testing.T, sql string) error { return rawPostgres(t, url, sql) },
		}
	})
}

func rawPostgres(t *testing.T, url, sql string) error {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	_, err = c.Exec(t.Context(), sql)
	return err
}

func TestPostgresLedgerCannotBeTruncated(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t)
	s, err := OpenPostgres(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := rawPostgres(t, url, "TRUNCATE audit"); err == nil || !strings.Contains(err.Error(), "append-only") {
		t.Fatalf("TRUNCATE: %v", err)
	}
}

func TestSQLiteFilesArePrivateAndDurable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, err := os.Stat(filepath.Join(dir, SQLiteFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode of the database: %v %v", info.Mode(), err)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "recursive_triggers": "1"} {
		var got string
		if err := s.write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %q %v, want %q", pragma, got, err, want)
		}
	}
}

func TestSQLiteThatIsNoDatabaseIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, SQLiteFile), []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenSQLite(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), SQLiteFile) || fault.CodeOf(err) == fault.Unavailable {
		t.Fatalf("got %v, want a refusal that names the file", err)
	}
}

func TestDatabaseURLErrorsAreOneSentenceWithoutThePassword(t *testing.T) {
	t.Parallel()
	server, err := pgtest.ServerURL()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	at := func(user, hostport, db string) string {
		return "postgres://" + user + ":hunter2@" + hostport + "/" + db + "?sslmode=disable"
	}
	host := hostPort(cfg)
	tests := []struct{ name, url, want string }{
		{"nobody listens", at("tutti", "127.0.0.1:1", "x"), "does not answer: connect: connection refused"},
		{"no such host", at("tutti", "host.invalid:5432", "x"), "does not answer: "},
		{"no such database", at(cfg.User, host, "absent_db"), `database "absent_db" does not exist`},
		{"no such user", at("absent_user", host, "postgres"), "absent_user"},
		{"no URL", "postgres://tutti:hunter2@host:port/x", "cannot be read"},
		{"password breaks the URL", "postgres://tutti:hunter2/x@host/x", "cannot be read"},
		{"another database", "mysql://tutti:hunter2@host/x", "cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, open := range map[string]func() error{
				"open":  func() error { _, err := OpenPostgres(t.Context(), tt.url); return err },
				"check": func() error { return CheckPostgres(t.Context(), tt.url) },
			} {
				err := open()
				if err == nil {
					t.Fatalf("%s: no error", name)
				}
				msg := err.Error()
				if strings.Contains(msg, "hunter2") || strings.Contains(msg, "\n") || !strings.Contains(msg, tt.want) {
					t.Errorf("%s: %q, want one sentence with %q", name, msg, tt.want)
				}
				t.Log(msg)
			}
		})
	}
}

func hostPort(cfg *pgx.ConnConfig) string {
	return net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))
}

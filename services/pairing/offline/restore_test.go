package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

// dump is a store as records, secrets open.
func dump(t *testing.T, p Place) []backup.Record {
	t.Helper()
	s := openStore(t, p)
	defer s.Close()
	key, err := p.source().Load(false)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = s.Snapshot(t.Context(), func(ctx context.Context, w *store.Whole) error {
		out := backup.NewWriter(&b)
		trust, err := w.Trust(ctx)
		if err == nil {
			err = errors.Join(out.Header(backup.Header{Actor: "token:admin", MadeAt: time.Now()}), out.Trust(trust), w.Dump(ctx, key, out))
		}
		if err == nil {
			_, err = out.End()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return read(t, &b)
}

func read(t *testing.T, in io.Reader) (all []backup.Record) {
	t.Helper()
	r, err := backup.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
	}
}

// restoreOf prepares a restore of records.
func restoreOf(p Place, records []backup.Record) Restore {
	rest := records[2:]
	return Restore{
		Place: p, Header: *records[0].Header, Trust: *records[1].Trust,
		Entry: func(context.Context, backup.Entry) error { return nil },
		Next: func() (backup.Record, error) {
			if len(rest) == 0 {
				return backup.Record{}, io.EOF
			}
			rec := rest[0]
			rest = rest[1:]
			return rec, nil
		},
	}
}

// rowsOf are the rows as text, in one order for all databases, without what a restore
// adds by itself.
func rowsOf(records []backup.Record, upTo uint64) []string {
	var out []string
	for _, r := range records {
		if r.Row == nil || r.Row.Table == "audit_head" {
			continue
		}
		if id, ok := r.Row.Values["id"].V.(int64); ok && r.Row.Table == "audit" && uint64(id) > upTo {
			continue
		}
		var cols []string
		for c, v := range r.Row.Values {
			if s, ok := v.V.(backup.Secret); ok {
				v.V = fmt.Sprintf("secret %x", []byte(s))
			}
			cols = append(cols, fmt.Sprintf("%s=%#v", c, v.V))
		}
		slices.Sort(cols)
		out = append(out, r.Row.Table+" "+strings.Join(cols, " "))
	}
	sort.Strings(out)
	return out
}

// TestMoveHouse is the drill: a server moves to the other kind of database and back,
// and nothing of it is lost.
func TestMoveHouse(t *testing.T) {
	for _, way := range []string{"sqlite to postgres", "postgres to sqlite", "sqlite to sqlite", "postgres to postgres"} {
		t.Run(way, func(t *testing.T) {
			from, to, _ := strings.Cut(way, " to ")
			place := func(kind string) Place {
				p := Place{DataDir: t.TempDir()}
				if kind == "postgres" {
					p.DatabaseURL = pgtest.Start(t)
				}
				return p
			}
			home, there := place(from), place(to)
			id, psks := furnish(t, home)
			ledgerOf(t, home, 30)
			was := dump(t, home)
			got, err := restoreOf(there, was).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			checkServer(t, there, id, psks)
			head := was[1].Trust.HeadID
			is := dump(t, there)
			if a, b := rowsOf(was, head), rowsOf(is, head); !reflect.DeepEqual(a, b) {
				t.Errorf("the rows differ:\nbefore\n%s\nafter\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
			}
			if len(rowsOf(was, head)) < 40 {
				t.Errorf("only %d rows: is anything compared?", len(rowsOf(was, head)))
			}
			if oldKey, _ := KeyID(home); oldKey == got.KeyID {
				t.Error("the new place has the old deployment key")
			}
			e := lastLine(t, there)
			if e.Kind != "backup.restored" || e.ID != head+1 || !strings.Contains(e.Detail, got.KeyID) {
				t.Errorf("the ledger ends with %+v", e)
			}
			// The chain goes on over the move, and the old head is still in it.
			ledgerOf(t, there, 3)
			if r := verify(t, there, Head{head, was[1].Trust.HeadHash}); !r.OK || r.Lines != head+4 {
				t.Errorf("the ledger: %+v", r)
			}
		})
	}
}

func TestARestoreNeverOverwritesAServer(t *testing.T) {
	forEachStore(t, func(t *testing.T, p Place) {
		id, psks := furnish(t, p)
		records := dump(t, p)
		if _, err := restoreOf(p, records).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "holds a server already") {
			t.Fatalf("got %v", err)
		}
		checkServer(t, p, id, psks)
	})
}

// TestAFailedRestoreLeavesNothing: whatever breaks it off, the database is as empty
// as before, and a second try works.
func TestAFailedRestoreLeavesNothing(t *testing.T) {
	home := Place{DataDir: t.TempDir()}
	id, psks := furnish(t, home)
	good := dump(t, home)
	broken := errors.New("the file ends here")
	cases := []struct {
		name, want string
		change     func(r *Restore)
	}{
		{"truncated", "ends here", func(r *Restore) {
			next, n := r.Next, 0
			r.Next = func() (backup.Record, error) {
				if n++; n > 6 {
					return backup.Record{}, broken
				}
				return next()
			}
		}},
		{"a newer schema", "newer version of Tutti", func(r *Restore) { r.Trust.Schema = 10_000 }},
		{"an unknown table", "does not have", func(r *Restore) { r.Next = first(r.Next, backup.Row{Table: "planets"}) }},
		{"a missing column", "columns instead of", func(r *Restore) { r.Next = first(r.Next, backup.Row{Table: "settings"}) }},
		{"a secret in the wrong place", "wrong place", func(r *Restore) {
			r.Next = first(r.Next, backup.Row{Table: "settings", Values: map[string]backup.Value{"name": {V: "x"}, "value": {V: backup.Secret("s")}}})
		}},
		{"a wrong type", "takes no value", func(r *Restore) {
			r.Next = first(r.Next, backup.Row{Table: "settings", Values: map[string]backup.Value{"name": {V: "x"}, "value": {V: int64(1)}}})
		}},
		{"another identity than it says", "another identity", func(r *Restore) { r.Trust.ServerID = "x" }},
		{"another ledger than it says", "is broken", func(r *Restore) { r.Trust.HeadHash = make([]byte, 32) }},
		{"no rows at all", "no server identity", func(r *Restore) { r.Next = func() (backup.Record, error) { return backup.Record{}, io.EOF } }},
		{"the last step fails", "ends here", func(r *Restore) { r.BeforeCommit = func() error { return broken } }},
	}
	forEachStore(t, func(t *testing.T, p Place) {
		for _, tc := range cases {
			r := restoreOf(p, good)
			tc.change(&r)
			if _, err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%s: got %v, want %q", tc.name, err, tc.want)
			}
		}
		if _, err := restoreOf(p, good).Run(t.Context()); err != nil {
			t.Fatalf("after all failures: %v", err)
		}
		checkServer(t, p, id, psks)
	})
}

func first(next func() (backup.Record, error), row backup.Row) func() (backup.Record, error) {
	done := false
	return func() (backup.Record, error) {
		if !done {
			done = true
			return backup.Record{Row: &row}, nil
		}
		return next()
	}
}

func TestABrokenLedgerIsRestoredOnlyOnDemandAndNoted(t *testing.T) {
	for name, sql := range map[string]string{
		"a line changed":    "UPDATE audit SET detail = 'nothing happened' WHERE id = 4",
		"the tail cut off":  "DELETE FROM audit WHERE id > 5",
		"the end set back":  "UPDATE audit_head SET id = 3, hash = (SELECT hash FROM audit WHERE id = 3)",
		"one line inserted": "INSERT INTO audit (id, at_us, actor, kind, client_id, detail, prev_hash, hash) SELECT 70, at_us, actor, kind, client_id, detail, prev_hash, hash FROM audit WHERE id = 2",
	} {
		t.Run(name, func(t *testing.T) {
			forEachStore(t, func(t *testing.T, p Place) {
				home := Place{DataDir: t.TempDir()}
				id, psks := furnish(t, home)
				ledgerOf(t, home, 5)
				unlockLedger(t, home)
				raw(t, home, sql)
				records := dump(t, home)
				if _, err := restoreOf(p, records).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--accept-broken-audit") {
					t.Fatalf("got %v", err)
				}
				r := restoreOf(p, records)
				r.AcceptBroken = true
				got, err := r.Run(t.Context())
				if err != nil || got.Audit.OK {
					t.Fatalf("accepted: %+v, %v", got, err)
				}
				checkServer(t, p, id, psks)
				s := openStore(t, p)
				defer s.Close()
				var kinds []string
				err = s.View(t.Context(), func(ctx context.Context, tx desk.Tx) error {
					all, err := tx.Audit(ctx, 0, 1000)
					for _, e := range all[max(0, len(all)-2):] {
						kinds = append(kinds, e.Kind)
					}
					return err
				})
				if err != nil || !slices.Equal(kinds, []string{"audit.broken_accepted", "backup.restored"}) {
					t.Fatalf("the ledger ends with %v, %v", kinds, err)
				}
			})
		})
	}
}

// A restore that was broken off leaves a mark, and no service starts on it.
func TestNoServiceStartsOnAHalfRestoredDataDirectory(t *testing.T) {
	forEachStore(t, func(t *testing.T, p Place) {
		if err := os.Mkdir(filepath.Join(p.DataDir, RestoringDir), 0o700); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first try must not make what the second takes for a database
			if _, err := store.Open(t.Context(), p.DatabaseURL, p.DataDir); err == nil || !strings.Contains(err.Error(), "tutti restore") {
				t.Fatalf("got %v", err)
			}
		}
		// The database comes last: when it is there, only the mark was left behind.
		if err := os.Remove(filepath.Join(p.DataDir, RestoringDir)); err != nil {
			t.Fatal(err)
		}
		id, psks := furnish(t, p)
		if err := os.Mkdir(filepath.Join(p.DataDir, RestoringDir), 0o700); err != nil {
			t.Fatal(err)
		}
		checkServer(t, p, id, psks)
	})
}

func TestARestoreTakesTheGivenKey(t *testing.T) {
	home := Place{DataDir: t.TempDir()}
	id, psks := furnish(t, home)
	p := Place{DataDir: t.TempDir(), KeyFile: filepath.Join(t.TempDir(), "key")}
	if _, err := restoreOf(p, dump(t, home)).Run(t.Context()); err == nil {
		t.Fatal("a key file that does not exist was taken")
	}
	key, err := secret.LoadOrCreate(p.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	got, err := restoreOf(p, dump(t, home)).Run(t.Context())
	if err != nil || got.KeyID != key.ID() {
		t.Fatalf("got %+v, %v", got, err)
	}
	checkServer(t, p, id, psks)
}

// TestABackupOfAnOlderVersionIsMigrated restores what the first schema held.
func TestABackupOfAnOlderVersionIsMigrated(t *testing.T) {
	newest, err := store.Newest()
	if err != nil {
		t.Fatal(err)
	}
	if newest == 1 {
		t.Fatal("there is one schema only: nothing older to restore")
	}
	home := Place{DataDir: t.TempDir()}
	key, err := home.source().Load(true)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := identity.Public().ID()
	s, err := store.OpenEmpty(t.Context(), "", home.DataDir, 1)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(ctx context.Context, tx desk.Tx) error {
		sealed, err := key.Seal(identity.Bytes(), desk.IdentityPlace(id))
		if err != nil {
			return err
		}
		_, err = desk.Note(ctx, tx, time.Now(), "system", "identity.created", "in the first version")
		return errors.Join(err, tx.CreateIdentity(ctx, desk.Identity{ServerID: id, Sealed: sealed, Created: time.Now()}))
	})
	var b bytes.Buffer
	err = s.Snapshot(t.Context(), func(ctx context.Context, w *store.Whole) error {
		out := backup.NewWriter(&b)
		trust, err := w.Trust(ctx)
		if err := errors.Join(err, out.Header(backup.Header{}), out.Trust(trust), w.Dump(ctx, key, out)); err != nil {
			return err
		}
		_, err = out.End()
		return err
	})
	s.Close()
	if err != nil {
		t.Fatal(err)
	}
	records := read(t, &b)
	if got := records[1].Trust.Schema; got != 1 {
		t.Fatalf("the backup has schema %d", got)
	}
	forEachStore(t, func(t *testing.T, p Place) {
		got, err := restoreOf(p, records).Run(t.Context())
		if err != nil || !got.Migrate {
			t.Fatalf("got %+v, %v", got, err)
		}
		checkServer(t, p, id, nil)
		if dump(t, p)[1].Trust.Schema != newest {
			t.Error("the tables were not brought to the newest version")
		}
	})
}

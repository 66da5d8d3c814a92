package store

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

func tablesOf(t *testing.T, url, dir string) (tables []Table) {
	t.Helper()
	s, err := Open(t.Context(), url, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Snapshot(t.Context(), func(ctx context.Context, w *Whole) (err error) {
		tables, err = w.Tables(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// A backup of one database is restored into the other, so both must have the same
// tables and columns; only truth values may be integers in SQLite.
func TestBothDatabasesHaveTheSameTables(t *testing.T) {
	t.Parallel()
	lite, pg := tablesOf(t, "", t.TempDir()), tablesOf(t, pgtest.Start(t), "")
	describe := func(tables []Table) (out []string) {
		for _, t := range tables {
			for _, c := range t.Columns {
				kind := c.Kind
				if kind == KindBool {
					kind = KindInt
				}
				out = append(out, t.Name+"."+c.Name+" "+string(kind)+map[bool]string{true: " not null"}[c.NotNull || slices.Contains(t.Key, c.Name)])
			}
			out = append(out, t.Name+" key "+strings.Join(t.Key, ","))
		}
		slices.Sort(out)
		return out
	}
	a, b := describe(lite), describe(pg)
	if !slices.Equal(a, b) {
		t.Errorf("the schemas differ:\nSQLite\n%s\nPostgreSQL\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	if len(lite) < 8 {
		t.Fatalf("only %d tables", len(lite))
	}
	for i, x := range lite {
		for _, ref := range x.refs {
			if ref != x.Name && !slices.ContainsFunc(lite[:i], func(y Table) bool { return y.Name == ref }) {
				t.Errorf("table %s comes before %s, which it refers to", x.Name, ref)
			}
		}
	}
}

// A column that is sealed and not in the list would be lost with the next rotation of
// the deployment key.
func TestEverySealedColumnIsInTheList(t *testing.T) {
	t.Parallel()
	listed := map[string]SealedColumn{}
	for _, s := range SealedColumns() {
		listed[s.Table+"."+s.Column] = s
	}
	tables := tablesOf(t, "", t.TempDir())
	for _, x := range tables {
		for _, c := range x.Columns {
			name := x.Name + "." + c.Name
			if s, ok := listed[name]; ok {
				if _, there := x.column(s.Row); !there {
					t.Errorf("%s is listed with the row %s, which is no column", name, s.Row)
				}
				delete(listed, name)
			} else if strings.HasPrefix(c.Name, "sealed_") {
				t.Errorf("%s is sealed, but not in SealedColumns: a rotation of the deployment key would lose it", name)
			}
		}
	}
	for name := range listed {
		t.Errorf("%s is in SealedColumns, but no column", name)
	}
}

func TestTheNewestMigrationIsTheSchemasVersion(t *testing.T) {
	t.Parallel()
	newest, err := Newest()
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"", pgtest.Start(t)} {
		s, err := Open(t.Context(), url, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		err = s.Snapshot(t.Context(), func(ctx context.Context, w *Whole) error {
			v, err := w.Version(ctx)
			if v != newest {
				t.Errorf("%s: version %d, want %d", s.Name(), v, newest)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

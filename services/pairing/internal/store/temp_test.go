package store

import (
	"database/sql"
	"testing"
)

// The system's folder for temporary files may not be writable, and what lies there is not
// sealed: SQLite's own stay in memory, on every connection.
func TestSQLiteKeepsItsTemporaryFilesInMemory(t *testing.T) {
	t.Parallel()
	s, err := OpenSQLite(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for name, db := range map[string]*sql.DB{"write": s.write, "read": s.read} {
		var where int
		if err := db.QueryRowContext(t.Context(), "PRAGMA temp_store").Scan(&where); err != nil || where != 2 {
			t.Errorf("%s: temp_store is %d, %v; want 2, memory", name, where, err)
		}
	}
}

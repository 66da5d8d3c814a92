// Package pgtest gives tests a PostgreSQL of their own.
package pgtest

import "testing"

// Start returns the URL of a fresh, empty database that is dropped at the end of
// the test. It never skips.
func Start(t testing.TB) string {
	t.Helper()
	t.Fatal("pgtest: not built yet")
	return ""
}

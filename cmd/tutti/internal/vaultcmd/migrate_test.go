package vaultcmd

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

func migrate(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "tutti", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands()...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"migrate"}, args...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestMigrateAnEmptyDatabaseAndAgain(t *testing.T) {
	url := pgtest.Start(t)
	out, err := migrate(t, "--database-url", url)
	if err != nil || !strings.Contains(out, "was empty") {
		t.Fatalf("an empty database: %v, %q", err, out)
	}
	out, err = migrate(t, "--database-url", url)
	if err != nil || !strings.Contains(out, "nothing to do") {
		t.Errorf("again: %v, %q", err, out)
	}
	if _, err = migrate(t); err == nil || !strings.Contains(err.Error(), "--database-url") {
		t.Errorf("without a database: %v", err)
	}
	if _, err = migrate(t, "--database-url", "postgres://tutti:secret@127.0.0.1:1/none"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a database that is away: %v", err)
	}
}

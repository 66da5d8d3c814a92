package ctlcmd

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/vaultcmd"
	"github.com/tutti-audio/tutti/platform/config"
)

// verifyLimit bounds a check: some million lines.
const verifyLimit = 3 * time.Minute

// databaseConfig is read for --offline.
type databaseConfig struct {
	DatabaseURL string `config:"database-url" secret:"true" usage:"with --offline: PostgreSQL URL; empty: SQLite in the data directory"`
}

func auditVerifyCommand() *cobra.Command {
	o, db, known, offline := &options{}, &databaseConfig{}, "", false
	c := &cobra.Command{
		Use: "verify", Short: "Check that nobody changed the audit ledger",
		Long: `Walks the ledger's chain of hashes and names the first line that was changed,
removed, reordered or inserted, or an end that was cut off. Exit status 1 when it is
broken.

Who can write to the database can also forge the whole chain. Give --head with a line
that was written down before (the server logs "audit head" with id and hash, and this
command prints it) to notice that, too.

With --offline it reads the database itself, of a stopped server or a running one.`,
		Example: `  tutti audit verify
  tutti audit verify --head 1204:9f2c4e...
  tutti audit verify --offline --data-dir /var/lib/tutti`,
		Args: usageArgs(cobra.NoArgs), SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			head, err := vaultcmd.ParseHead(known)
			if err != nil {
				return usageError{err}
			}
			if err := config.Load(cmd.Flags(), db); err != nil {
				return usageError{err}
			}
			if !offline {
				return verifyOnline(cmd.Context(), *o, head, cmd.OutOrStdout())
			}
			dir := o.dataDir
			if dir == "" {
				dir = os.Getenv("TUTTI_DATA_DIR")
			}
			check, err := vaultcmd.VerifyOffline(cmd.Context(), vaultcmd.Place{DataDir: dir, DatabaseURL: db.DatabaseURL}, head)
			if err != nil {
				return err
			}
			return o.showCheck(cmd.OutOrStdout(), check)
		},
	}
	o.bind(c)
	config.MustBind(c.Flags(), db)
	c.Flags().StringVar(&known, "head", "", "a line that the ledger must hold: ID:HASH")
	c.Flags().BoolVar(&offline, "offline", false, "read the database itself instead of asking the server")
	c.SetFlagErrorFunc(badFlag)
	return c
}

func verifyOnline(ctx context.Context, o options, head vaultcmd.Head, out io.Writer) error {
	api, err := connect(o)
	if err != nil {
		return err
	}
	defer api.http.CloseIdleConnections()
	path := "/api/v1/audit/verify"
	if head.ID > 0 {
		path += fmt.Sprintf("?head_id=%d&head_hash=%s", head.ID, hex.EncodeToString(head.Hash))
	}
	ctx, cancel := context.WithTimeout(ctx, verifyLimit)
	defer cancel()
	resp, err := api.send(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var check vaultcmd.Check
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&check); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w; is the server another version than this command?", api.base, err)
	}
	return o.showCheck(out, check)
}

// showCheck prints the result; a broken ledger is an error with what to do.
func (o options) showCheck(out io.Writer, c vaultcmd.Check) error {
	if o.json {
		if err := json.NewEncoder(out).Encode(c); err != nil {
			return err
		}
	}
	if !c.OK {
		return fmt.Errorf("the audit ledger is broken: %s. %d lines before that are in order. Somebody with access to the database changed it: "+
			"keep a copy of it as it is, compare with a backup ('tutti restore' onto an empty place, 'tutti audit --since %d'), "+
			"and change the database's password", c.Problem, c.Lines, max(c.BrokenAt, 1)-1)
	}
	if o.json {
		return nil
	}
	if c.Lines == 0 {
		_, err := fmt.Fprintln(out, "The audit ledger is empty.")
		return err
	}
	_, err := fmt.Fprintf(out, "The audit ledger is whole: %d lines, head %d:%s\nKeep the head elsewhere; with --head it shows that nothing before it was forged.\n", c.Lines, c.HeadID, c.HeadHash)
	return err
}

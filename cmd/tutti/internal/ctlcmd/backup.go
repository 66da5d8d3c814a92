package ctlcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/passphrase"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/vaultcmd"
)

const (
	// backupLimit bounds the making and the download.
	backupLimit = 12 * time.Minute
	// progressEvery is how much of a backup comes between two lines of progress.
	progressEvery = 8 << 20
)

func backupCommand() *cobra.Command {
	file, force := "", false
	c := command("backup <file>", "Write everything that matters into one sealed file",
		`Writes one file, sealed with a passphrase: the server's identity, all trust with
its secrets, settings, the audit ledger, groups, formats, API tokens (hashed) and added
addresses. The running server makes it, without a pause. 'tutti restore' brings it
back, on SQLite or PostgreSQL. Music is not in it.

The passphrase is asked for twice. Whoever has the file and the passphrase has the
server: keep them apart. The file is opened once after it was written, so that it is
known to be whole.`,
		`  tutti backup casa-verde.backup
  tutti backup casa-verde.backup --passphrase-file /run/secrets/backup
  tutti backup inspect casa-verde.backup`,
		cobra.ExactArgs(1), func(r *run, args []string) error {
			if _, err := os.Stat(args[0]); err == nil && !force {
				return usagef("%s exists: name another file, or overwrite it with --force", args[0])
			}
			pass, err := passphrase.Source{File: file, Confirm: true}.Read(r.ctx)
			if err != nil {
				return err
			}
			return r.backup(args[0], pass)
		})
	c.Flags().StringVar(&file, "passphrase-file", "", passphrase.FlagUsage)
	c.Flags().BoolVar(&force, "force", false, "overwrite the file")
	c.AddCommand(vaultcmd.InspectCommand())
	return c
}

// backup downloads to a file beside the named one, checks it, and then gives it its
// name: what has the name is whole.
func (r *run) backup(name, pass string) error {
	partial := name + ".partial"
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the backup cannot be written: %w", err)
	}
	defer func() { _ = os.Remove(partial) }() // after the rename there is nothing to remove
	n, err := r.download(f, pass)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	r.progress("checking what was written")
	contents, err := vaultcmd.Inspect(partial, pass)
	if err != nil {
		return fmt.Errorf("the backup that was written does not open: %w", err)
	}
	if err := os.Rename(partial, name); err != nil {
		return fmt.Errorf("the backup cannot be written: %w", err)
	}
	raw, err := json.Marshal(struct {
		File  string            `json:"file"`
		Bytes int64             `json:"bytes"`
		In    vaultcmd.Contents `json:"contents"`
	}{name, n, contents})
	if err != nil {
		return err
	}
	return r.show(raw, func() error {
		_, err := fmt.Fprintf(r.out, "%s: %d bytes\n", name, n)
		return errors.Join(err, contents.Print(r.out))
	})
}

// download asks for the backup and copies it.
func (r *run) download(w io.Writer, pass string) (int64, error) {
	ctx, cancel := context.WithTimeout(r.ctx, backupLimit)
	defer cancel()
	r.progress("the server collects and seals")
	resp, err := r.api.send(ctx, http.MethodPost, "/api/v1/backup", map[string]string{"passphrase": pass}, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	var n int64
	for {
		m, err := io.CopyN(w, resp.Body, progressEvery)
		n += m
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, fmt.Errorf("the backup broke off after %d bytes: %w; the server's log has the reason", n, err)
		}
		r.progress("%d MiB so far", n>>20)
	}
}

// progress tells a person about long work; it is no part of the output.
func (r *run) progress(format string, a ...any) {
	if !r.json {
		_, _ = fmt.Fprintf(os.Stderr, format+"\n", a...)
	}
}

package vaultcmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/services/pairing/offline"
)

func keyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "deployment-key", Short: "Change the key that seals secrets at rest, or show its id",
		Example: "  tutti deployment-key rotate\n  tutti deployment-key show-id", SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return app.Usage(errors.New("say what to do: tutti deployment-key rotate|show-id (see 'tutti deployment-key --help')"))
		},
	}
	c.AddCommand(rotateCommand(), showIDCommand())
	return c
}

type rotateConfig struct {
	Place
	NewKeyFile string
}

func rotateCommand() *cobra.Command {
	cfg := &rotateConfig{}
	c := command("rotate", "Seal every secret under a new deployment key",
		`Opens every secret in the database with the deployment key and seals it under a
new one, in one transaction, with a line in the audit ledger. Stop the server (all
instances of the pairing service) first.

With the key in the data directory, the new key takes its place. With a key from
elsewhere (a file, a secret of Kubernetes or compose), --new-key-file names a file
for the new one; hand that to the service afterwards. An interrupted rotation loses
nothing: run the same command again. Old copies of the database still need the old
key; files of 'tutti backup' need none.`,
		`  tutti deployment-key rotate
  tutti deployment-key rotate --database-url postgres://tutti@db/tutti --deployment-key-file old.key --new-key-file new.key`,
		cobra.NoArgs, func(cmd *cobra.Command, _ []string) error { return rotate(cmd, cfg) }, &cfg.Place)
	c.Flags().StringVar(&cfg.NewKeyFile, "new-key-file", "", "file with the new key; made when it does not exist (default: the new key takes the old one's place in the data directory)")
	return c
}

func rotate(cmd *cobra.Command, cfg *rotateConfig) error {
	if err := cfg.complete(); err != nil {
		return err
	}
	release, err := cfg.lock()
	if err != nil {
		return err
	}
	defer release()
	r, err := offline.RotateKey(cmd.Context(), cfg.offline(), cfg.NewKeyFile)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if r.Finished {
		_, _ = fmt.Fprintf(out, "The database was sealed under the new key (id %s) already.\n", r.NewID)
	} else {
		_, _ = fmt.Fprintf(out, "%d secrets are sealed under the new deployment key (id %s instead of %s).\n", r.Values, r.NewID, r.OldID)
	}
	if r.InPlace {
		_, err = fmt.Fprintf(out, "It is in %s; start the server as before.\n", r.KeyFile)
	} else {
		_, err = fmt.Fprintf(out, "Start the server with --deployment-key-file %s, or put the content of that file into the secret that the service reads.\n", r.KeyFile)
	}
	return err
}

func showIDCommand() *cobra.Command {
	cfg := &Place{}
	return command("show-id", "Show which deployment key is in use, without telling it",
		"The id names the key, as the audit ledger and error messages do. It helps nobody to open anything.",
		"  tutti deployment-key show-id --deployment-key-file /run/secrets/deployment_key", cobra.NoArgs,
		func(cmd *cobra.Command, _ []string) error {
			if err := cfg.complete(); err != nil {
				return err
			}
			id, err := offline.KeyID(cfg.offline())
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), id)
			}
			return err
		}, cfg)
}

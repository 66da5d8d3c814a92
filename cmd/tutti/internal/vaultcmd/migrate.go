package vaultcmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/services/pairing"
)

// migrateConfig is the database of a deployment of services.
type migrateConfig struct {
	DatabaseURL string `config:"database-url" secret:"true" usage:"PostgreSQL URL"`
}

func migrateCommand() *cobra.Command {
	cfg := &migrateConfig{}
	return command("migrate", "Bring a PostgreSQL database to this version's schema",
		`Instances of the pairing service do the same when they start, and it is safe beside them: several
wait for each other, and the version before goes on working on the new schema. It is for
deployments that migrate in a job of its own, before an upgrade. Make a backup first ('tutti backup').`,
		"  tutti migrate --database-url postgres://tutti@db/tutti", cobra.NoArgs,
		func(cmd *cobra.Command, _ []string) error {
			if cfg.DatabaseURL == "" {
				return app.Usage(errors.New("--database-url is missing (or TUTTI_DATABASE_URL, TUTTI_DATABASE_URL_FILE): name the PostgreSQL database; SQLite is migrated by 'tutti serve'"))
			}
			from, to, err := pairing.MigrateDatabase(cmd.Context(), cfg.DatabaseURL)
			if err != nil {
				return fmt.Errorf("migrate: %w", err)
			}
			switch {
			case from == to:
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "The database has schema %d, the newest: nothing to do.\n", to)
			case from == 0:
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "The database was empty; it has schema %d now.\n", to)
			default:
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "The database went from schema %d to %d.\n", from, to)
			}
			return err
		}, cfg)
}

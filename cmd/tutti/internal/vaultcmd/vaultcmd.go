// Package vaultcmd holds the commands that work on what a server keeps while no server
// runs: the deployment key, restoring a backup, looking into one, checking the audit
// ledger of a stopped server.
package vaultcmd

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/platform/config"
	"github.com/tutti-audio/tutti/services/pairing/offline"
)

// Commands returns the commands of this package that stand by themselves.
func Commands() []*cobra.Command {
	return []*cobra.Command{restoreCommand(), keyCommand(), migrateCommand()}
}

// Place says where a server keeps its trust; flags and environment are those of
// `tutti serve`.
type Place struct {
	DataDir     string `config:"data-dir" usage:"the server's data directory"`
	DatabaseURL string `config:"database-url" secret:"true" usage:"PostgreSQL URL; empty: SQLite in the data directory"`
	KeyFile     string `config:"deployment-key-file" usage:"file with the deployment key; empty: the one in the data directory"`
	Key         string `config:"deployment-key" secret:"true" usage:"the key itself instead of a file"`
}

// complete names the data directory of a server that was started without naming one,
// unless nothing would be looked for in it.
func (p *Place) complete() (err error) {
	if p.DataDir == "" && (p.DatabaseURL == "" || !p.keyGiven()) {
		p.DataDir, err = app.DefaultDataDir()
	}
	return err
}

func (p *Place) keyGiven() bool { return p.KeyFile != "" || p.Key != "" }

func (p *Place) offline() offline.Place {
	return offline.Place{DatabaseURL: p.DatabaseURL, DataDir: p.DataDir, KeyFile: p.KeyFile, Key: p.Key}
}

// lock keeps servers away from an existing data directory.
func (p *Place) lock() (release func(), err error) {
	if p.DataDir == "" {
		return func() {}, nil
	}
	if _, err := os.Stat(p.DataDir); err != nil {
		return nil, fmt.Errorf("the data directory cannot be used: %w; name the server's with --data-dir", err)
	}
	return app.LockDataDir(p.DataDir)
}

// command makes a command whose settings are in the structs of cfgs.
func command(use, short, long, example string, args cobra.PositionalArgs, f func(cmd *cobra.Command, args []string) error, cfgs ...any) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: args, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, cfg := range cfgs {
				if err := config.Load(cmd.Flags(), cfg); err != nil {
					return app.Usage(err)
				}
			}
			return f(cmd, args)
		},
	}
	for _, cfg := range cfgs {
		config.MustBind(c.Flags(), cfg)
	}
	return c
}

// Package doctorcmd holds "tutti doctor": checks of the machine that say what
// is wrong and what to do about it.
package doctorcmd

import (
	"context"

	"github.com/spf13/cobra"
)

// Deps are the checks that belong to packages which this one must not import.
type Deps struct {
	// CheckDatabase connects to a PostgreSQL url and returns a sentence about
	// the server (its version), or why it cannot be used.
	CheckDatabase func(ctx context.Context, url string) (string, error)
}

// New returns the command "doctor".
func New(d Deps) *cobra.Command { return &cobra.Command{Use: "doctor"} }

// Package ctlcmd holds the commands that speak to a running server over the
// operator API: clients, approve, groups, play, stop and their kin.
package ctlcmd

import "github.com/spf13/cobra"

// Commands returns every command of this package, ready to be added to the root.
func Commands() []*cobra.Command { return nil }

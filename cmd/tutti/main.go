// Command tutti plays music in many rooms in perfect time: the server, its
// five services, a player, and the operator's command line in one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/app"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/chaincmd"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/ctlcmd"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/doctorcmd"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/natscmd"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/playercmd"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/vaultcmd"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/services/pairing"
)

// version is set by the linker (-X main.version=...).
var version = "dev"

func main() {
	if err := pretend(); err != nil {
		fmt.Fprintln(os.Stderr, "tutti:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	os.Exit(exitCode(err))
}

// pretend lets tests run several hosts on one kernel: TUTTI_CLOCK_SIM says which clock
// this process's host would have (houseclock.Pretend).
func pretend() error {
	spec := os.Getenv("TUTTI_CLOCK_SIM")
	switch {
	case spec == "":
		return nil
	case os.Getenv("TUTTI_TEST") != "1":
		return errors.New("TUTTI_CLOCK_SIM is set, which only tests may do (TUTTI_TEST=1): unset it, or nothing would play in time")
	}
	return houseclock.Pretend(spec)
}

// root is the whole command line.
func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "tutti",
		Short: "Music in many rooms, in perfect time",
		Long: `Tutti is a server for Sendspin devices: it finds speakers, proves who they are,
encrypts every session, groups them, and plays the same music on all of them on
one clock.`,
		Example: `  tutti serve --demo                 # hear (or see) it work without a speaker
  tutti serve --music /srv/music     # the real thing
  tutti inbox                        # who waits for approval
  tutti pair kitchen                 # proves who it is; 'approve' takes its word
  tutti groups create Downstairs kitchen lobby
  tutti play Downstairs jazz/take-five.flac
  tutti stop --all`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return app.Usage(fmt.Errorf("%w (see '%s --help')", err, cmd.CommandPath()))
	})
	c.AddGroup(
		&cobra.Group{ID: "server", Title: "Server:"},
		&cobra.Group{ID: "operate", Title: "Operate a running server:"},
		&cobra.Group{ID: "device", Title: "Devices and checks:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, cmd := range cmds {
			cmd.GroupID = group
			c.AddCommand(cmd)
		}
	}
	add("server", app.ServeCommand(version, vaultcmd.Restorer{}), app.RunCommand(version, vaultcmd.Restorer{}), app.VersionCommand(version))
	add("server", vaultcmd.Commands()...)
	add("server", natscmd.New())
	add("operate", ctlcmd.Commands()...)
	add("operate", chaincmd.New())
	add("device", playercmd.New(), playercmd.NewSource(), doctorcmd.New(doctorcmd.Deps{CheckDatabase: checkDatabase}), app.HealthcheckCommand())
	return c
}

func checkDatabase(ctx context.Context, url string) (string, error) {
	if err := pairing.CheckDatabase(ctx, url); err != nil {
		return "", err
	}
	return "PostgreSQL answers", nil
}

// exitCode prints err on one line and maps it to the process contract: 0
// success, 1 failure at run time, 2 wrong usage.
func exitCode(err error) int {
	if err == nil || errors.Is(err, context.Canceled) {
		return 0
	}
	status, msg := 1, oneLine(err.Error())
	var coded interface{ ExitCode() int }
	switch {
	case errors.As(err, &coded):
		status = coded.ExitCode()
	case app.IsUsage(err), isCobraUsage(err):
		status = 2
	}
	if isCobraUsage(err) && !strings.Contains(msg, "--help") {
		msg += " (see 'tutti --help')"
	}
	fmt.Fprintln(os.Stderr, "tutti: "+msg)
	return status
}

// oneLine folds the several faults of a joined error, and cobra's suggestions,
// into one line.
func oneLine(msg string) string {
	var parts []string
	for line := range strings.SplitSeq(msg, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	out := strings.Join(parts, "; ")
	return printable(strings.NewReplacer(":; ", ": ", "?; ", "? ", ";; ", "; ").Replace(out))
}

// longestError is how many characters of an error are shown.
const longestError = 1000

// printable takes out what could move the cursor or colour the screen: errors
// name devices, and a device may state any name.
func printable(s string) string {
	r := []rune(s)
	if len(r) > longestError {
		r = append(r[:longestError-1], '…')
	}
	for i, c := range r {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			r[i] = '·'
		}
	}
	return string(r)
}

// isCobraUsage recognises what cobra itself reports: it has no typed errors
// for unknown commands and wrong argument counts.
func isCobraUsage(err error) bool {
	msg := err.Error()
	for _, p := range []string{"unknown command", "accepts ", "requires at least", "invalid argument"} {
		if strings.HasPrefix(msg, p) {
			return true
		}
	}
	return false
}

// Package ctlcmd holds the commands that speak to a running server over the
// operator API: clients, approve, groups, play, stop and their kin.
//
// They know nothing of the server but its HTTP API (checking a ledger offline and
// looking into a backup are package vaultcmd's). Names are resolved leniently
// (Resolve), tables are for people, --json prints what the API said.
package ctlcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Commands returns every command of this package, ready to be added to the root.
func Commands() []*cobra.Command {
	return []*cobra.Command{
		statusCommand(), healthCommand(), topCommand(), clientsCommand(),
		inboxCommand(), pairCommand(), unpairCommand(), approveCommand(), denyCommand(), blockCommand(), forgetCommand(), addCommand(), addressesCommand(),
		personasCommand(), swapCommand(), serverCommand(),
		groupsCommand(), groupCommand(),
		playCommand(), stopCommand(), pauseCommand(), nextCommand(), previousCommand(), seekCommand(),
		announceCommand(), repeatCommand(), shuffleCommand(), volumeCommand(), muteCommand(), tuneCommand(), queueCommand(), historyCommand(), libraryCommand(),
		schedulesCommand(), auditCommand(), eventsCommand(), tokensCommand(), usersCommand(), backupCommand(),
	}
}

// options are the flags that every command has.
type options struct {
	server, token, tokenFile, dataDir string
	tlsCA, tlsFingerprint             string
	json                              bool
	// prefix stands before the names of the flags token and token-file, in a command
	// that has flags of these names itself.
	prefix string
}

// flag is a credential's flag as the user types it.
func (o options) flag(name string) string { return "--" + o.prefix + name }

// run is what a command's function works with.
type run struct {
	ctx  context.Context
	api  *client
	in   io.Reader
	out  io.Writer
	err  io.Writer
	json bool
}

// command makes a cobra command around f. Every command has the connection flags
// and --json.
func command(use, short, long, example string, args cobra.PositionalArgs, f func(r *run, args []string) error) *cobra.Command {
	return commandWith(&options{}, use, short, long, example, args, f)
}

// commandWith is command with options that were prepared.
func commandWith(o *options, use, short, long, example string, args cobra.PositionalArgs, f func(r *run, args []string) error) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: usageArgs(args), SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := connect(*o)
			if err != nil {
				return err
			}
			defer api.http.CloseIdleConnections()
			return f(&run{ctx: cmd.Context(), api: api, in: cmd.InOrStdin(), out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), json: o.json}, args)
		},
	}
	o.bind(c)
	c.SetFlagErrorFunc(badFlag)
	return c
}

func badFlag(cmd *cobra.Command, err error) error {
	return usagef("%w (see '%s --help')", err, cmd.CommandPath())
}

func (o *options) bind(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.server, "server", envOr("TUTTI_SERVER", "http://127.0.0.1:8080"), "address of the server's API (env TUTTI_SERVER)")
	f.StringVar(&o.token, o.prefix+"token", "", "API token; others on this machine can see it: better is "+o.flag("token-file")+" (env TUTTI_TOKEN, else TUTTI_ADMIN_TOKEN)")
	f.StringVar(&o.tokenFile, o.prefix+"token-file", "", "file with the API token (env TUTTI_TOKEN_FILE; default: admin-token in the server's data directory)")
	f.StringVar(&o.dataDir, "data-dir", "", "the server's data directory, where the token is looked for (env TUTTI_DATA_DIR)")
	f.StringVar(&o.tlsCA, "tls-ca", envOr("TUTTI_TLS_CA", ""), "PEM file with what vouches for the server's certificate, of an address with https:// (env TUTTI_TLS_CA)")
	f.StringVar(&o.tlsFingerprint, "tls-fingerprint", envOr("TUTTI_TLS_FINGERPRINT", ""), "SHA-256 of the server's certificate, as the server prints it (env TUTTI_TLS_FINGERPRINT)")
	f.BoolVar(&o.json, "json", false, "print the API's JSON")
}

// parent makes a command that only holds others.
func parent(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, SilenceUsage: true, SilenceErrors: true,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var names []string
			for _, x := range cmd.Commands() {
				names = append(names, x.Name())
			}
			return usagef("say what to do: %s %s (see '%s --help')", cmd.CommandPath(), strings.Join(names, "|"), cmd.CommandPath())
		},
	}
	c.SetFlagErrorFunc(badFlag)
	c.AddCommand(children...)
	return c
}

// show prints raw JSON with --json, else calls human.
func (r *run) show(raw json.RawMessage, human func() error) error {
	if !r.json {
		return human()
	}
	_, err := fmt.Fprintln(r.out, strings.TrimSpace(string(raw)))
	return err
}

// done prints one line for a person, or the API's answer.
func (r *run) done(raw json.RawMessage, format string, a ...any) error {
	return r.show(raw, func() error {
		_, err := fmt.Fprintf(r.out, format+"\n", a...)
		return err
	})
}

// usageError is wrong usage: exit status 2.
type usageError struct{ error }

// ExitCode is the process's exit status for this error.
func (usageError) ExitCode() int { return 2 }

// Unwrap returns the cause.
func (e usageError) Unwrap() error { return e.error }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// usageArgs makes a wrong number of arguments an error of usage with the next step.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			var u usageError
			if errors.As(err, &u) {
				return err
			}
			return usagef("%s: usage is '%s' (see '%s --help')", wrongCount(check, cmd, args), strings.TrimSuffix(cmd.UseLine(), " [flags]"), cmd.CommandPath())
		}
		return nil
	}
}

// wrongCount says what is wrong with the number of words after a command.
func wrongCount(check cobra.PositionalArgs, cmd *cobra.Command, args []string) string {
	for n := len(args) - 1; n >= 0; n-- {
		if check(cmd, args[:n]) == nil {
			return fmt.Sprintf("%q is one word too many for '%s'; a name with spaces is written in quotes", args[n], cmd.CommandPath())
		}
	}
	return fmt.Sprintf("something is missing after '%s'", strings.Join(append([]string{cmd.CommandPath()}, args...), " "))
}

func envOr(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

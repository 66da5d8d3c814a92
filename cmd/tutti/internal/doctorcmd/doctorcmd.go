// Package doctorcmd holds "tutti doctor": checks of the machine that say what
// is wrong and what to do about it.
//
// Each check is a function from the configuration to results; it changes nothing
// that stays. The command runs them all, also when some fail.
package doctorcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/platform/config"
)

// Deps are the checks that belong to packages which this one must not import.
type Deps struct {
	// CheckDatabase connects to a PostgreSQL url and returns a sentence about
	// the server, or why it cannot be used.
	CheckDatabase func(ctx context.Context, url string) (string, error)
}

// Level is how a check went.
type Level string

// The levels. Only Fail makes the command fail.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Result is what one check found.
type Result struct {
	Check  string `json:"check"`            // "multicast eth0"
	Level  Level  `json:"level"`            //
	Found  string `json:"found"`            // what is so
	Advice string `json:"advice,omitempty"` // what to do, unless all is well
}

// settings are those of "tutti serve"; the doctor looks at some of them and
// takes the others so that the same configuration file and environment fit.
type settings struct {
	DataDir     string `config:"data-dir" usage:"the server's data directory"`
	HTTP        string `config:"http" usage:"address of the operator API"`
	Sendspin    string `config:"sendspin" usage:"address where Sendspin devices connect"`
	Music       string `config:"music" usage:"music folder"`
	MDNS        bool   `config:"mdns" usage:"whether mDNS is used"`
	NATS        string `config:"nats" secret:"true" usage:"NATS server URL; empty: embedded"`
	NATSCreds   string `config:"nats-creds" usage:"file with a key for NATS (tools.nk of tutti nats-config, or this service's)"`
	NATSTLSCA   string `config:"nats-tls-ca" usage:"file with the authority that signed the certificate of NATS"`
	NATSTLSCert string `config:"nats-tls-cert" usage:"file with a certificate to show to NATS"`
	NATSTLSKey  string `config:"nats-tls-key" usage:"file with the key of --nats-tls-cert"`
	DatabaseURL string `config:"database-url" secret:"true" usage:"PostgreSQL URL; empty: SQLite"`
	ConfigFile  string `config:"config" usage:"YAML file with the same names as the flags"`

	Name         string        `config:"name"`
	Languages    []string      `config:"languages"`
	Policy       string        `config:"policy"`
	Devices      []string      `config:"device"`
	KeyFile      string        `config:"deployment-key-file"`
	Key          string        `config:"deployment-key" secret:"true"`
	Controllers  string        `config:"controller-policy"`
	Rekey        time.Duration `config:"rekey-interval"`
	MaxSessions  int           `config:"max-sessions"`
	DrainTimeout time.Duration `config:"drain-timeout"`
	AdminToken   string        `config:"admin-token" secret:"true"`
	TLS          string        `config:"tls"`
	TLSCert      string        `config:"tls-cert"`
	TLSKey       string        `config:"tls-key"`
	OIDCIssuer   string        `config:"oidc-issuer"`
	OIDCClient   string        `config:"oidc-client-id"`
	OIDCSecret   string        `config:"oidc-client-secret" secret:"true"`
	OIDCName     string        `config:"oidc-name"`
	OIDCUser     string        `config:"oidc-user-claim"`
	OIDCRole     string        `config:"oidc-role-claim"`
	LeaseTTL     time.Duration `config:"lease-ttl"`
	OIDCAdmins   []string      `config:"oidc-admins"`
	MaxGroups    int           `config:"max-groups"`
	NATSReplicas int           `config:"nats-replicas"`
	InternalHTTP string        `config:"internal-http"`
	Pprof        bool          `config:"pprof"`
	LibraryCache string        `config:"library-cache"`
	Resume       bool          `config:"resume"`
	Demo         bool          `config:"demo"`
	LogLevel     string        `config:"log-level"`
	LogFormat    string        `config:"log-format"`
}

// notLookedAt are flags that the doctor takes and does not show.
func notLookedAt() []string {
	return []string{"name", "languages", "policy", "device", "deployment-key-file", "deployment-key", "controller-policy", "rekey-interval",
		"max-sessions", "max-groups", "admin-token", "admin-token-file",
		"lease-ttl", "nats-replicas", "drain-timeout",
		"internal-http", "pprof", "library-cache", "resume", "demo", "log-level", "log-format"}
}

// checkTimeout bounds one check; they run side by side.
const checkTimeout = 15 * time.Second

// check is one look at the machine.
type check func(ctx context.Context, s settings) []Result

// New returns the command "doctor".
func New(d Deps) *cobra.Command {
	s := settings{HTTP: ":8080", Sendspin: ":8927", MDNS: true}
	asJSON := false
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine: networks, multicast, ports, clock, bus, database, folders",
		Long: `Looks at what Tutti needs and says of each thing whether it is well, what is
wrong, and what to do. It takes the flags and variables of 'tutti serve' and
changes nothing. Exit status 1 when something fails.`,
		Example: `  tutti doctor
  tutti doctor --music /srv/music --nats nats://nats:4222
  tutti doctor --json | jq '.checks[] | select(.level != "ok")'`,
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(cmd.Flags(), &s); err != nil {
				return usageError{err}
			}
			s.complete()
			results := examine(cmd.Context(), s, checks(d))
			if err := report(cmd.OutOrStdout(), results, asJSON); err != nil {
				return err
			}
			return verdict(results)
		},
	}
	config.MustBind(c.Flags(), &s)
	for _, name := range notLookedAt() {
		if f := c.Flags().Lookup(name); f != nil {
			f.Hidden = true
		}
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the results as JSON")
	return c
}

func checks(d Deps) []check {
	return []check{
		checkNetwork, checkMulticast, checkPorts, checkClock, checkBus,
		func(ctx context.Context, s settings) []Result { return checkDatabase(ctx, s, d.CheckDatabase) },
		checkDataDir, checkMusic, checkPrograms,
	}
}

// complete fills what depends on the machine, as the server does.
func (s *settings) complete() {
	if s.DataDir != "" {
		return
	}
	home := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(home) {
		h, err := os.UserHomeDir()
		if err != nil {
			return // checkDataDir says so
		}
		home = filepath.Join(h, ".local", "share")
	}
	s.DataDir = filepath.Join(home, "tutti")
}

// examine runs the checks side by side and keeps their order.
func examine(ctx context.Context, s settings, all []check) []Result {
	found := make([][]Result, len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			found[i] = c(ctx, s)
		})
	}
	wg.Wait()
	var out []Result
	for _, f := range found {
		out = append(out, f...)
	}
	return out
}

func report(w io.Writer, results []Result, asJSON bool) error {
	if asJSON {
		b, err := json.MarshalIndent(map[string]any{"checks": results, "ok": verdict(results) == nil}, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, string(b))
		return err
	}
	width := 0
	for _, r := range results {
		width = max(width, len(r.Check))
	}
	var b strings.Builder
	for _, r := range results {
		fmt.Fprintf(&b, "%-4s  %-*s  %s\n", r.Level, width, r.Check, r.Found)
		if r.Advice != "" {
			fmt.Fprintf(&b, "%-4s  %-*s  → %s\n", "", width, "", r.Advice)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// verdict is an error when a check failed.
func verdict(results []Result) error {
	var failed []string
	for _, r := range results {
		if r.Level == Fail {
			failed = append(failed, r.Check)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d checks failed (%s): see the advice after each", len(failed), len(results), strings.Join(failed, ", "))
}

// usageError is wrong usage: exit status 2.
type usageError struct{ error }

// ExitCode is the process's exit status for this error.
func (usageError) ExitCode() int { return 2 }

// Unwrap returns the cause.
func (e usageError) Unwrap() error { return e.error }

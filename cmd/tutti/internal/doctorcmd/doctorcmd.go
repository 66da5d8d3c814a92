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
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
	Advice string `json:"advice,omitempty"` // what to do, unless all is well; a line for each cause
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

	Devices []string `config:"device" usage:"device to reach: ADDR, ADDR:PORT or ws://ADDR:PORT/PATH; repeatable"`
	DNSSD   []string `config:"dns-sd" usage:"domain whose players a DNS server names: DOMAIN[@SERVER[:PORT]]; repeatable"`

	Name         string        `config:"name"`
	Venue        string        `config:"venue"`
	Languages    []string      `config:"languages"`
	Policy       string        `config:"policy"`
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
	return []string{"name", "languages", "policy", "deployment-key-file", "deployment-key", "controller-policy", "rekey-interval",
		"max-sessions", "max-groups", "admin-token", "admin-token-file",
		"lease-ttl", "nats-replicas", "drain-timeout",
		"oidc-issuer", "oidc-client-id", "oidc-client-secret", "oidc-client-secret-file", "oidc-name", "oidc-user-claim",
		"oidc-role-claim", "oidc-admins", "tls", "tls-cert", "tls-key", "venue",
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
changes nothing. Exit status 1 when something fails.

It asks by mDNS for speakers, servers and anybody else, and listens for 3 s on
each interface where speakers can be (IPv4); it asks the DNS server of every --dns-sd
for the players of the domain. Every speaker that it finds so and every --device is dialled, at most 2 s for TCP and 2 s for the WebSocket; it hangs
up before a session begins. Where nobody answers, it names the likely causes: it
cannot see into switches and access points.`,
		Example: `  tutti doctor
  tutti doctor --device 10.0.20.31          # is the speaker in the other VLAN reached?
  tutti doctor --dns-sd players.example     # are the records of the domain right?
  tutti doctor --music /srv/music --nats nats://nats:4222
  tutti doctor --json | jq '.checks[] | select(.level != "ok")'`,
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(cmd.Flags(), &s); err != nil {
				return usageError{err}
			}
			s.complete()
			shown := newProgress(cmd.ErrOrStderr())
			if asJSON {
				shown = progress{}
			}
			results := examine(cmd.Context(), s, checks(d, shown))
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

func checks(d Deps, p progress) []check {
	return []check{
		checkNetwork,
		func(ctx context.Context, s settings) []Result { return checkDevices(ctx, s, p) },
		checkPorts, checkClock, checkBus,
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

// maxCheck bounds the first column: names of speakers are as long as people like.
const maxCheck = 32

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
		width = max(width, min(len(r.Check), maxCheck)) // a long name pushes its own line aside only
	}
	room := columns(w) - len("warn  ") - width - len("  → ")
	var b strings.Builder
	for _, r := range results {
		for i, l := range fold(r.Found, room) {
			if i == 0 {
				fmt.Fprintf(&b, "%-4s  %-*s  %s\n", r.Level, width, r.Check, l)
			} else {
				fmt.Fprintf(&b, "%-4s  %-*s  %s\n", "", width, "", l)
			}
		}
		if r.Advice == "" {
			continue
		}
		for advice := range strings.SplitSeq(r.Advice, "\n") {
			for i, l := range fold(advice, room) {
				fmt.Fprintf(&b, "%-4s  %-*s  %s %s\n", "", width, "", []string{"→", " "}[min(i, 1)], l)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// columns is the width of the terminal w; of a file or pipe, whose reader wants whole lines, 0.
func columns(w io.Writer) int {
	f, isFile := w.(*os.File)
	if !isFile {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// fold breaks text at spaces into lines of at most room characters; without a terminal, or on
// one that is too narrow for columns, it stays one line.
func fold(text string, room int) []string {
	const narrow = 30
	if room < narrow {
		return []string{text}
	}
	var out []string
	length := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		if len(out) == 0 || length+1+n > room {
			out, length = append(out, word), n
			continue
		}
		out[len(out)-1] += " " + word
		length += 1 + n
	}
	return out
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

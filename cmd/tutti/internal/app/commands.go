package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tutti-audio/tutti/platform/config"
)

// Usage marks err as wrong usage (exit status 2).
func Usage(err error) error { return usageError{err} }

// ServeCommand is `tutti serve`; r opens backups for it.
func ServeCommand(version string, r Restorer) *cobra.Command {
	cfg := Defaults(version)
	cfg.Restorer, cfg.DrainTimeout = r, serveDrain
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the whole server in this process",
		Long: `Runs discovery, session-gateway, pairing, stream and management in one process,
on an embedded NATS server and SQLite below the data directory. With --nats and
--database-url it uses real ones instead; the code is the same.

Every flag can be given as an environment variable (--data-dir is TUTTI_DATA_DIR;
TUTTI_ADMIN_TOKEN_FILE names a file that holds the value) or in the YAML file
named by --config. A flag wins over the environment, that over the file.`,
		Example: `  tutti serve --demo
  tutti serve --music /srv/music --name "Casa Verde"
  tutti serve --music /srv/music --policy optional --device ws://10.0.8.20:8928/sendspin
  TUTTI_DATABASE_URL=postgres://tutti@db/tutti tutti serve --nats nats://nats:4222`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(cmd.Flags(), &cfg); err != nil {
				return Usage(err)
			}
			return Serve(cmd.Context(), cfg, cmd.OutOrStdout(), os.Stderr)
		},
	}
	config.MustBind(c.Flags(), &cfg)
	hide(c, "internal-http")
	hide(c, "pprof")
	return c
}

// RunCommand is `tutti run <service>`; r opens backups for the management service.
func RunCommand(version string, r Restorer) *cobra.Command {
	c := &cobra.Command{
		Use:   "run <service>",
		Short: "Run one of the five services against an external NATS server",
		Example: `  tutti run pairing --nats nats://nats:4222 --database-url postgres://tutti@db/tutti --internal-http :9103
  tutti run stream --nats nats://nats:4222 --music /srv/music
  tutti run session-gateway --nats nats://nats:4222 --sendspin :8927
  tutti run discovery --nats nats://nats:4222
  tutti run management --nats nats://nats:4222 --http :8080`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return Usage(fmt.Errorf("name a service: %s", strings.Join(Services(), ", ")))
			}
			return Usage(fmt.Errorf("there is no service %q: choose one of %s", args[0], strings.Join(Services(), ", ")))
		},
	}
	for _, about := range serviceHelp() {
		c.AddCommand(runServiceCommand(about, version, r))
	}
	return c
}

// help of one `tutti run` command. Flags are those that the service reads beside
// the common ones; it takes the others, too, so that one environment or one file
// serves all five.
type help struct{ name, short, long, example, flags string }

func serviceHelp() []help {
	return []help{
		{"pairing", "Identity, trust, approvals, audit",
			"Keeps the server's identity and who is trusted, in PostgreSQL or SQLite. Back its database and its deployment key up together.",
			`  tutti run pairing --nats nats://nats:4222 --database-url postgres://tutti@db/tutti --internal-http :9103
  TUTTI_DATABASE_URL_FILE=/run/secrets/db TUTTI_DEPLOYMENT_KEY_FILE=/run/secrets/key tutti run pairing --nats nats://nats:4222`,
			"data-dir database-url deployment-key name venue languages policy controller-policy"},
		{"stream", "Groups, queues, decoding, encoding, house clock",
			"Plays: holds the groups and their queues, decodes, encodes, and leads the house clock.",
			"  tutti run stream --nats nats://nats:4222 --music /srv/music", "data-dir music library-cache resume max-groups drain-timeout"},
		{"session-gateway", "Device connections and delivery on time",
			"Holds the devices' encrypted sessions and sends them audio on time. It waits until a stream service leads the house clock.",
			"  tutti run session-gateway --nats nats://nats:4222 --sendspin :8927", "sendspin rekey-interval max-sessions drain-timeout"},
		{"discovery", "mDNS, DNS-SD and static device addresses",
			"Finds devices and advertises the server by mDNS, for which it needs the network that the devices\nare in. Elsewhere it asks a DNS server (--dns-sd), or is given addresses (--device).",
			`  tutti run discovery --nats nats://nats:4222
  tutti run discovery --nats nats://nats:4222 --mdns=false --dns-sd players.example@10.0.8.1
  tutti run discovery --nats nats://nats:4222 --mdns=false --device ws://10.0.8.20:8928/sendspin`, "mdns dns-sd device"},
		{"management", "Operator API",
			"Serves the operator's HTTP API. The other services may come later: what needs them is answered 503 until then.",
			"  tutti run management --nats nats://nats:4222 --http :8080 --data-dir /var/lib/tutti", "data-dir http venue admin-token tls tls-cert tls-key oidc-issuer oidc-client-id oidc-client-secret oidc-name oidc-user-claim oidc-role-claim oidc-admins"},
	}
}

const commonFlags = "config nats lease-ttl internal-http pprof log-level log-format help"

func runServiceCommand(about help, version string, r Restorer) *cobra.Command {
	cfg := Defaults(version)
	cfg.Restorer = r
	c := &cobra.Command{
		Use: about.name, Short: about.short, Long: about.long, Example: about.example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(cmd.Flags(), &cfg); err != nil {
				return Usage(err)
			}
			return RunService(cmd.Context(), about.name, cfg, cmd.OutOrStdout(), os.Stderr)
		},
	}
	config.MustBind(c.Flags(), &cfg)
	reads := strings.Fields(about.flags + " " + commonFlags)
	c.Flags().VisitAll(func(f *pflag.Flag) {
		f.Hidden = f.Hidden || !slices.Contains(reads, strings.TrimSuffix(f.Name, "-file"))
	})
	return c
}

func hide(c *cobra.Command, flag string) {
	if f := c.Flags().Lookup(flag); f != nil {
		f.Hidden = true
	}
}

// VersionCommand is `tutti version`.
func VersionCommand(version string) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version, the Go version and the platform", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			rev := ""
			if bi, ok := debug.ReadBuildInfo(); ok {
				for _, s := range bi.Settings {
					if s.Key == "vcs.revision" && len(s.Value) >= 12 {
						rev = " (" + s.Value[:12] + ")"
					}
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "tutti %s%s, %s, %s/%s\n", version, rev, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

// HealthcheckCommand is what containers without a shell or curl run.
func HealthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "healthcheck [url]", Short: "Ask a service whether it is ready (for container health checks)", Args: cobra.MaximumNArgs(1),
		Example: "  tutti healthcheck http://127.0.0.1:9103/readyz",
		RunE: func(cmd *cobra.Command, args []string) error {
			url := "http://127.0.0.1:8080/readyz"
			if len(args) == 1 {
				url = args[0]
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 3*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return Usage(fmt.Errorf("%q is not a URL: %w", url, err))
			}
			resp, err := probe(req)
			if err != nil {
				return fmt.Errorf("%s does not answer: %w", url, err)
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s answers %s: look at its log", url, resp.Status)
			}
			return nil
		},
	}
}

// probe asks a service of this container. It tells nothing to it, so that on the loopback
// interface its certificate does not matter: one for the name that people use is right.
func probe(req *http.Request) (*http.Response, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if ip := net.ParseIP(req.URL.Hostname()); ip.IsLoopback() || req.URL.Hostname() == "localhost" {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above
	}
	c := &http.Client{Transport: t, CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		if next.URL.Hostname() != req.URL.Hostname() {
			return fmt.Errorf("it is sent on to %s", next.URL.Host)
		}
		return nil
	}}
	defer t.CloseIdleConnections()
	return c.Do(req)
}

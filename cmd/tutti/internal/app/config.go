// Package app puts the five services into one process or one each: the same
// code, wired to an embedded NATS server and SQLite, or to real ones.
package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/platform/obs"
)

// Config is what `tutti serve` and `tutti run` take from flags, environment
// and the configuration file; names and meaning are fixed by the process
// contract of the operator API.
type Config struct {
	DataDir          string        `config:"data-dir" usage:"directory for state: database, bus storage, keys, admin token"`
	HTTP             string        `config:"http" usage:"address of the operator API"`
	Sendspin         string        `config:"sendspin" usage:"address where Sendspin devices connect (path /sendspin)"`
	Music            string        `config:"music" usage:"music folder"`
	LibraryCache     string        `config:"library-cache" usage:"directory where the music folder's index is kept between starts; empty: in the data directory of serve, in memory of run"`
	Name             string        `config:"name" usage:"name of this server, as devices and people see it"`
	Venue            string        `config:"venue" usage:"name of this venue in a chain of several (letters, digits, '-' and '_'), which its events carry; the same for all services of a venue"`
	Languages        []string      `config:"languages" usage:"languages of the operator, BCP 47, most preferred first"`
	Policy           string        `config:"policy" usage:"pairing policy on first start: required or optional"`
	ControllerPolicy string        `config:"controller-policy" usage:"who may control groups from a device: paired_only, or also approved devices"`
	RekeyInterval    time.Duration `config:"rekey-interval" usage:"how long the keys of a device's session are used before they are replaced; negative: as long as it lasts"`
	MDNS             bool          `config:"mdns" usage:"find devices and advertise this server by mDNS"`
	DNSSD            []string      `config:"dns-sd" usage:"domain whose players a DNS server names, for networks that mDNS does not cross: DOMAIN[@SERVER[:PORT]], by default the system's DNS server; repeatable"`
	Devices          []string      `config:"device" usage:"address of a device that mDNS does not reach (ws://host:8928/sendspin); repeatable"`
	NATS             string        `config:"nats" secret:"true" usage:"NATS server URL, or those of a cluster's nodes separated by commas; empty: embedded"`
	NATSReplicas     int           `config:"nats-replicas" usage:"how many nodes of a NATS cluster keep each bucket and stream: 1 or 3; what exists is given more when the number grows"`
	NATSCreds        string        `config:"nats-creds" usage:"file with the key of this service for NATS (tutti nats-config makes it), or a NATS .creds file"`
	NATSTLSCA        string        `config:"nats-tls-ca" usage:"file with the authority that signed the certificate of NATS (PEM); empty: those that this machine trusts"`
	NATSTLSCert      string        `config:"nats-tls-cert" usage:"file with a certificate to show to NATS (PEM)"`
	NATSTLSKey       string        `config:"nats-tls-key" usage:"file with the key of --nats-tls-cert"`
	DatabaseURL      string        `config:"database-url" secret:"true" usage:"PostgreSQL URL; empty: SQLite in the data directory"`
	KeyFile          string        `config:"deployment-key-file" usage:"file with the key that seals secrets at rest; empty: made in the data directory on first start"`
	Key              string        `config:"deployment-key" secret:"true" usage:"the key itself instead of a file: 64 hexadecimal digits"`
	AdminToken       string        `config:"admin-token" secret:"true" usage:"admin token of the operator API; empty: made in the data directory on first start"`
	TLS              string        `config:"tls" usage:"self: serve the operator API over TLS with a certificate that this server makes for itself (browsers need TLS for microphone, camera and their own sound)"`
	TLSCert          string        `config:"tls-cert" usage:"file with the certificate of the operator API (PEM, its own first); read again when it changes"`
	TLSKey           string        `config:"tls-key" usage:"file with the key of --tls-cert"`
	OIDCIssuer       string        `config:"oidc-issuer" usage:"let people sign in with accounts of this OpenID Connect provider (https://…)"`
	OIDCClientID     string        `config:"oidc-client-id" usage:"what the provider knows this server by"`
	OIDCClientSecret string        `config:"oidc-client-secret" secret:"true" usage:"the secret that belongs to it"`
	OIDCName         string        `config:"oidc-name" usage:"what the button says (default \"Single sign-on\")"`
	OIDCUserClaim    string        `config:"oidc-user-claim" usage:"claim with the name of the user here (default email, verified)"`
	OIDCAdmins       []string      `config:"oidc-admins" usage:"names (values of the user claim) of those who become administrators when they first sign in with the provider; repeatable"`
	OIDCRoleClaim    string        `config:"oidc-role-claim" usage:"claim whose values tutti-viewer, tutti-operator and tutti-admin give roles and make users; empty: only users that are here sign in"`
	LeaseTTL         time.Duration `config:"lease-ttl" usage:"how long what a dead process held stays its own before others take over, 1s to 1m; the same for all processes of a deployment (default 2s with --nats, 6s without)"`
	MaxGroups        int           `config:"max-groups" usage:"how many groups this stream instance holds at most; 0: no limit"`
	InternalHTTP     string        `config:"internal-http" usage:"address for /healthz, /readyz and /metrics of a service run alone"`
	Pprof            bool          `config:"pprof" usage:"Go profiles below /debug/pprof/ on --internal-http; only where strangers cannot reach it"`
	MaxSessions      int           `config:"max-sessions" usage:"sessions with devices that one gateway takes at most; a full one leaves devices to the others"`
	DrainTimeout     time.Duration `config:"drain-timeout" usage:"how long a process that is asked to stop may hand over what it holds to others before it stops (0: not at all). Up to 4s are part of the 10 s in which a process ends; a longer time comes before them. With the embedded bus there is nobody to hand over to"`
	Resume           bool          `config:"resume" usage:"after a restart, go on playing what played"`
	Demo             bool          `config:"demo" usage:"also start three virtual rooms and play music that Tutti makes up"`
	LogLevel         string        `config:"log-level" usage:"debug, info, warn or error (default info; with --demo warn)"`
	LogFormat        string        `config:"log-format" usage:"text or json"`
	ConfigFile       string        `config:"config" usage:"YAML file with the same names as the flags"`
	Version          string        `config:"-"`
	// Restorer opens backups for the operator API; nil: it cannot.
	Restorer Restorer `config:"-"`
}

// Defaults is the configuration of a person with a NAS and four rooms; --drain-timeout is
// that of `tutti run` (see serveDrain).
func Defaults(version string) Config {
	return Config{
		HTTP:             ":8080",
		Sendspin:         ":8927",
		Name:             "Tutti",
		Policy:           "required",
		ControllerPolicy: "paired_only",
		RekeyInterval:    12 * time.Hour,
		MDNS:             true,
		InternalHTTP:     ":9100",
		MaxSessions:      20_000,
		DrainTimeout:     20 * time.Second,
		Resume:           true,
		NATSReplicas:     1,
		LogFormat:        "text",
		Version:          version,
	}
}

// Embedded tells whether the bus runs inside this process.
func (c Config) Embedded() bool { return c.NATS == "" }

// embeddedLeaseTTL is the lease TTL where the bus is in this process: nobody waits to
// take over, so a disk that spins up must not look like a death.
const embeddedLeaseTTL = 6 * time.Second

// leaseTTL is the TTL of this process's leases; 0: the default of package lease.
func (c Config) leaseTTL() time.Duration {
	if c.LeaseTTL == 0 && c.Embedded() {
		return embeddedLeaseTTL
	}
	return c.LeaseTTL
}

// Complete fills what depends on the machine (the data directory) and reports
// every fault at once.
func (c *Config) Complete() error {
	if c.DataDir == "" {
		dir, err := dataHome()
		if err != nil {
			return err
		}
		c.DataDir = filepath.Join(dir, "tutti")
		if c.Demo {
			// Virtual rooms do not belong beside a person's real speakers.
			c.DataDir = filepath.Join(dir, "tutti-demo")
		}
	}
	if c.LogLevel == "" {
		c.LogLevel = "info"
		if c.Demo {
			c.LogLevel = "warn" // a newcomer watches the rooms, not the log
		}
	}
	var faults []error
	if _, err := obs.NewLogger(io.Discard, c.LogLevel, c.LogFormat); err != nil {
		faults = append(faults, err)
	}
	if c.ControllerPolicy != "" && c.ControllerPolicy != "approved" && c.ControllerPolicy != "paired_only" {
		faults = append(faults, fmt.Errorf("--controller-policy %q: choose paired_only (the safe one) or approved", c.ControllerPolicy))
	}
	for name, addr := range map[string]string{"http": c.HTTP, "sendspin": c.Sendspin, "internal-http": c.InternalHTTP} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			faults = append(faults, fmt.Errorf("--%s %q is not an address: write host:port or :port", name, addr))
		}
	}
	if c.Policy != "required" && c.Policy != "optional" {
		faults = append(faults, fmt.Errorf("--policy %q: choose required (only devices you approve) or optional (trust on first use)", c.Policy))
	}
	if c.MaxSessions < 1 {
		faults = append(faults, fmt.Errorf("--max-sessions %d: a gateway that takes no device is of no use; choose 1 or more", c.MaxSessions))
	}
	faults = append(faults, c.checkTLS()...)
	if c.LeaseTTL != 0 && (c.LeaseTTL < time.Second || c.LeaseTTL > time.Minute) {
		faults = append(faults, fmt.Errorf("--lease-ttl %v: choose 1s to 1m (shorter finds the dead sooner, longer forgives a slow bus)", c.LeaseTTL))
	}
	faults = append(faults, c.checkNATS()...)
	if c.MaxGroups < 0 {
		faults = append(faults, fmt.Errorf("--max-groups %d: choose 0 (no limit) or more", c.MaxGroups))
	}
	if !venueName(c.Venue) {
		faults = append(faults, fmt.Errorf("--venue %q: write up to 64 letters (a to z), digits, '-' and '_'; it is the VENUE of this venue's NATS configuration", c.Venue))
	}
	if c.Name = strings.TrimSpace(c.Name); c.Name == "" {
		faults = append(faults, errors.New("--name is empty: devices show it, so give the server a name"))
	}
	faults = append(faults, c.checkServices()...)
	if c.Music != "" {
		if st, err := os.Stat(c.Music); err != nil || !st.IsDir() {
			faults = append(faults, fmt.Errorf("--music %s is not a folder: create it or name another", c.Music))
		}
	}
	return errors.Join(faults...)
}

// dataHome is the XDG data home.
func dataHome() (string, error) {
	if d := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return d, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home directory (%w): name one with --data-dir", err)
	}
	return filepath.Join(home, ".local", "share"), nil
}

// venueName reports whether s can name a venue, or is empty: the same name is NATS's domain
// in a chain.
func venueName(s string) bool {
	return len(s) <= 64 && subjectToken(s) == s
}

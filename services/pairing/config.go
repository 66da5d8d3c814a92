package pairing

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
)

// The pairing policies (Config.Policy and the setting "pairing_policy").
const (
	// PolicyRequired lets only paired or explicitly approved devices play.
	PolicyRequired = "required"
	// PolicyOptional approves and pins a key that nothing is held against.
	PolicyOptional = "optional"
)

// The controller policies (Config.ControllerPolicy).
const (
	// ControllerPairedOnly gives the controller role to paired devices alone.
	ControllerPairedOnly = "paired_only"
	// ControllerApproved also gives it to approved devices. With either policy an
	// approval may name the role itself.
	ControllerApproved = "approved"
)

// Config of the pairing service. Zero values take the stated defaults.
type Config struct {
	// InstanceID names this process; unique in the deployment. Required.
	InstanceID string
	// Version is shown by the bus (nats micro ls); default "0.0.0".
	Version string

	// DatabaseURL is a PostgreSQL URL; empty means SQLite in DataDir.
	DatabaseURL string
	// DatabaseWait bounds how long Run keeps trying to reach a database that
	// does not answer at start; 0 means for as long as Run runs. A database that
	// answers and refuses (wrong password, no such database) ends Run at once.
	DatabaseWait time.Duration
	// DataDir holds tutti.db (SQLite) and the deployment key that is made on
	// first start. Required unless DatabaseURL and a deployment key are given.
	DataDir string

	// DeploymentKeyFile holds the key that seals secrets at rest: 32 bytes raw,
	// or as 64 hexadecimal digits, or in base64. A missing file is an error.
	DeploymentKeyFile string
	// DeploymentKey is the key itself in one of the text forms (TUTTI_DEPLOYMENT_KEY).
	// It is an error to give both. With neither, <DataDir>/deployment-key is used,
	// and made on first start, while the store is still empty.
	DeploymentKey SecretText

	// Venue names the deployment in events, for a chain of several; may be empty.
	Venue string
	// ServerName, Languages, Policy and ControllerPolicy are used on first start,
	// and again whenever they differ from what the configuration said the last
	// time; otherwise what the operator set over the API stands. Empty: not
	// configured (then "Tutti", none, "required", "paired_only").
	ServerName       string
	Languages        []string
	Policy           string
	ControllerPolicy string

	// InboxTTL is how long a device waits in the inbox after its last knock;
	// default 7 days, at least a minute.
	InboxTTL time.Duration
	// InboxLimit bounds the inbox; the entry that knocked least lately gives way.
	// Default 500.
	InboxLimit int
	// PolicyApprovalLimit bounds how many keys the policy "optional" approves by
	// itself; later ones wait in the inbox. Default 10000.
	PolicyApprovalLimit int
}

// SecretText is a secret in text form. It does not print.
type SecretText string

// String hides the secret.
func (SecretText) String() string { return "[secret]" }

// GoString hides the secret.
func (SecretText) GoString() string { return "[secret]" }

// LogValue hides the secret.
func (SecretText) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalText hides the secret.
func (SecretText) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// Deps are what the service needs from its process. The caller owns them and
// closes them after Run has returned.
type Deps struct {
	Bus *bus.Conn
	// Leases make pairing attempts unique in the deployment. nil: in this process,
	// which is enough when it is the only one.
	Leases *lease.Manager
	// Clock is the wall clock; default the real one.
	Clock clockwork.Clock
	Log   *slog.Logger
	// Registerer takes this service's metrics; may be nil.
	Registerer prometheus.Registerer
}

// Defaults of Config.
const (
	defaultInboxTTL        = 7 * 24 * time.Hour
	defaultInboxLimit      = 500
	defaultPolicyApprovals = 10_000
)

func (c *Config) setDefaults() {
	if c.Version == "" {
		c.Version = "0.0.0"
	}
	if c.InboxTTL == 0 {
		c.InboxTTL = defaultInboxTTL
	}
	if c.InboxLimit == 0 {
		c.InboxLimit = defaultInboxLimit
	}
	if c.PolicyApprovalLimit == 0 {
		c.PolicyApprovalLimit = defaultPolicyApprovals
	}
}

// check reports all faults together.
func (c *Config) check() error {
	var errs []error
	fail := func(bad bool, format string, a ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("pairing: "+format, a...))
		}
	}
	fail(c.InstanceID == "", "instance id is missing")
	fail(c.DeploymentKeyFile != "" && c.DeploymentKey != "",
		"give either deployment-key-file or TUTTI_DEPLOYMENT_KEY, not both")
	fail(c.DataDir == "" && c.DatabaseURL == "", "data-dir is missing, and there is no database-url")
	fail(c.DataDir == "" && c.DeploymentKeyFile == "" && c.DeploymentKey == "",
		"deployment-key-file is missing, and there is no data-dir to keep a key in")
	fail(c.ControllerPolicy != "" && c.ControllerPolicy != ControllerPairedOnly && c.ControllerPolicy != ControllerApproved,
		"controller-policy must be %q or %q", ControllerPairedOnly, ControllerApproved)
	fail(c.InboxTTL < time.Minute, "inbox-ttl must be at least a minute")
	fail(c.InboxLimit < 1, "inbox-limit must be at least 1")
	fail(c.PolicyApprovalLimit < 1, "policy-approval-limit must be at least 1")
	fail(c.DatabaseWait < 0, "database-wait must not be negative")
	if _, err := c.settings().WithDefaults().Check(); err != nil {
		errs = append(errs, fmt.Errorf("pairing: %w", err))
	}
	return errors.Join(errs...)
}

// CheckName says what is wrong with a server's name.
func CheckName(name string) error { return desk.CheckName(name) }

// CheckLanguages says what is wrong with Config.Languages.
func CheckLanguages(tags []string) error {
	_, err := desk.Languages(tags)
	return err
}

// CheckDeploymentKey says what is wrong with Config.DeploymentKey, without repeating it.
func CheckDeploymentKey(text string) error {
	_, err := secret.ParseKey([]byte(text))
	return err
}

func (c *Config) settings() desk.Settings {
	return desk.Settings{Name: c.ServerName, Languages: c.Languages, Policy: c.Policy, Controller: c.ControllerPolicy}
}

func (c *Config) limits() desk.Limits {
	return desk.Limits{InboxTTL: c.InboxTTL, InboxLimit: c.InboxLimit, PolicyApprovalLimit: c.PolicyApprovalLimit}
}

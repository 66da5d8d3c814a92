package playercmd

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/roster"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// This file is what `tutti player` and `tutti source` have in common: both are devices that
// find or await a server, prove who they are, pair, and tell what happens.

// Ports and path of the specification (Establishing a Connection).
const (
	serverPort = "8927"
	playerPort = "8928"
	path       = "/sendspin"
)

// deviceSettings are the flags of both commands.
type deviceSettings struct {
	Connect        string `config:"connect" usage:"dial this server: ws://HOST:PORT/sendspin, or just HOST"`
	Listen         string `config:"listen" usage:"wait for servers on this address (default :8928 without --connect)"`
	Name           string `config:"name" usage:"name that servers show"`
	Identity       string `config:"identity" usage:"file with key and pairings (default: one per name in the XDG data folder)"`
	UnpairedAccess bool   `config:"unpaired-access" usage:"let servers in that are not paired with this device"`
	Pairing        string `config:"pairing" usage:"code that a server pairs with: dynamic (shown here, new each time; the default), static or none; the pairing token works always"`
	StaticCode     string `config:"static-code" secret:"true" usage:"8 digits that a server pairs with, after a key press here: --pairing static"`
	JSON           bool   `config:"json" usage:"print one JSON event per line on stdout"`
	Suite          string `config:"suite" usage:"cipher suite: chachapoly or aesgcm"`
	NoMDNS         bool   `config:"no-mdns" usage:"do not advertise by mDNS while listening"`
	Strict         bool   `config:"strict" usage:"check the server against the specification and report violations"`
	LogLevel       string `config:"log-level" usage:"debug, info, warn or error, on stderr"`
}

func deviceDefaults() deviceSettings {
	return deviceSettings{Name: hostName(), Suite: "chachapoly", Strict: true, LogLevel: "warn"}
}

// hostName is what a device is called that was given no name.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "Tutti player"
	}
	return name
}

// plan is checked settings.
type plan struct {
	deviceSettings
	url      string // to dial; empty: listen
	suite    noise.Suite
	identity string
	code     pairing.Code // static pairing code
}

// plan checks everything that can be checked before anything is opened. The identity lies
// in a file of this kind of device, so that a player and a source of one name are two.
func (s deviceSettings) plan(kind string) (plan, error) {
	p := plan{deviceSettings: s}
	if s.Connect != "" && s.Listen != "" {
		return p, usage("--connect and --listen exclude each other: choose one direction")
	}
	var err error
	if s.Connect != "" {
		if p.url, err = serverURL(s.Connect); err != nil {
			return p, err
		}
	} else if s.Listen == "" {
		p.Listen = ":" + playerPort
	} else if _, _, err := net.SplitHostPort(s.Listen); err != nil {
		return p, usage("--listen %q is not an address: write host:port or :port", s.Listen)
	}
	if strings.TrimSpace(s.Name) == "" {
		return p, usage("--name is empty: give the %s a name", kind)
	}
	switch s.Suite {
	case "chachapoly":
		p.suite = noise.ChaChaPoly
	case "aesgcm":
		p.suite = noise.AESGCM
	default:
		return p, usage("--suite %q: choose chachapoly or aesgcm", s.Suite)
	}
	if err := p.pairingMethod(); err != nil {
		return p, err
	}
	if p.identity = s.Identity; p.identity == "" {
		p.identity, err = identityPath(kind, s.Name)
	}
	return p, err
}

// identityPath is the default place of the identity: one per kind of device and name, so
// that two players on one machine are two devices.
func identityPath(kind, name string) (string, error) {
	base := os.Getenv("XDG_DATA_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the identity: %w: give --identity FILE", err)
		}
		base = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(base, "tutti", kind+"-"+slug(name)+".json"), nil
}

// slug makes a name fit for files and DNS labels.
func slug(name string) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			return unicode.ToLower(r)
		default:
			return '-'
		}
	}, name)
	if out = strings.Trim(out, "-"); out == "" {
		return "player"
	}
	return out[:min(len(out), 40)]
}

func openStore(path string) (*client.Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make a place for the identity: %w: give another --identity", err)
	}
	store, err := client.OpenStore(path, nil)
	if err != nil {
		return nil, fmt.Errorf("open the identity %s: %w", path, err)
	}
	return store, nil
}

// device is a device at work.
type device struct {
	plan  plan
	store *client.Store
	rep   reporter
	loop  *loop
	keys  *keyboard
	log   *slog.Logger
	c     *client.Client // made by open
}

// newDevice prepares all but the client. quit ends the device; gestures are what its user
// types. Close what it returns.
func newDevice(p plan, clock clockwork.Clock, quit func(), gestures io.Reader, stdout, stderr io.Writer) (*device, error) {
	store, err := openStore(p.identity)
	if err != nil {
		return nil, err
	}
	d := &device{plan: p, store: store, rep: newReporter(p, stdout), keys: newKeyboard(gestures, p.JSON)}
	d.loop = newLoop(clock, d.rep, func() *client.Client { return d.c })
	d.loop.quit = quit
	if d.log, err = obs.NewLogger(d.loop.logTo(d.rep, stderr), p.LogLevel, "text"); err != nil {
		d.close()
		return nil, usageError{err}
	}
	return d, nil
}

// open makes the client of what its job needs, cfg, and of what all devices have.
func (d *device) open(product string, cfg client.Config) (err error) {
	cfg.Name, cfg.DeviceInfo, cfg.Path = d.plan.Name, &wire.DeviceInfo{ProductName: product, Manufacturer: "Tutti"}, path
	cfg.Store, cfg.Suite, cfg.UnpairedAccess = d.store, d.plan.suite, d.plan.UnpairedAccess
	cfg.AcceptSuccessors, cfg.VerifyRoster = true, roster.VerifyServer
	cfg.Pairing, cfg.OnEvent = pairingConfig(d.plan, d.keys.how()), d.loop.onEvent
	cfg.Strict, cfg.Log = d.plan.Strict, d.log
	d.c, err = client.New(cfg)
	return err
}

func (d *device) close() { d.rep.close() }

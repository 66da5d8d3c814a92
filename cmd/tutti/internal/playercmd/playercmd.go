// Package playercmd is `tutti player`: a Sendspin player for a room without one, for
// trying things out, and for tests. It speaks through sendspin/client, decodes with
// audio/decode, keeps time in package deck and plays to ALSA, a WAV file or nowhere.
//
// One goroutine, the loop, owns everything that changes; the client's callbacks only
// post to its mailbox.
package playercmd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/platform/config"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Ports and path of the specification (Establishing a Connection).
const (
	serverPort = "8927"
	playerPort = "8928"
	path       = "/sendspin"
)

// settings are the flags of the command.
type settings struct {
	Connect        string   `config:"connect" usage:"dial this server: ws://HOST:PORT/sendspin, or just HOST"`
	Listen         string   `config:"listen" usage:"wait for servers on this address (default :8928 without --connect)"`
	Name           string   `config:"name" usage:"name that servers show"`
	Identity       string   `config:"identity" usage:"file with key and pairings (default: one per name in the XDG data folder)"`
	Formats        []string `config:"formats" usage:"formats by preference, each codec:rate:depth:channels"`
	Output         string   `config:"output" usage:"null, wav:FILE or alsa[:DEVICE]"`
	UnpairedAccess bool     `config:"unpaired-access" usage:"let servers play that are not paired with this player"`
	Pairing        string   `config:"pairing" usage:"code that a server pairs with: dynamic (shown here, new each time; the default), static or none; the pairing token works always"`
	StaticCode     string   `config:"static-code" secret:"true" usage:"8 digits that a server pairs with, after a key press here: --pairing static"`
	JSON           bool     `config:"json" usage:"print one JSON event per line on stdout"`
	Suite          string   `config:"suite" usage:"cipher suite: chachapoly or aesgcm"`
	Buffer         int      `config:"buffer" usage:"buffer_capacity in bytes"`
	NoMDNS         bool     `config:"no-mdns" usage:"do not advertise by mDNS while listening"`
	Strict         bool     `config:"strict" usage:"check the server against the specification and report violations"`
	LogLevel       string   `config:"log-level" usage:"debug, info, warn or error, on stderr"`
}

func defaults() settings {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "Tutti player"
	}
	return settings{
		Name: name, Output: "null", UnpairedAccess: true, Suite: "chachapoly", Buffer: 2 << 20, Strict: true, LogLevel: "warn",
		Formats: []string{"flac:44100:16:2", "flac:48000:24:2", "pcm:44100:16:2", "pcm:48000:24:2"},
	}
}

// usageError is wrong usage: exit status 2.
type usageError struct{ error }

// ExitCode is the process's status.
func (usageError) ExitCode() int { return 2 }

// Unwrap is the cause.
func (e usageError) Unwrap() error { return e.error }

func usage(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

const long = `Runs a Sendspin player. It dials a server (--connect), or waits for one and
advertises itself by mDNS (--listen). Its key and its settings are kept in a file,
so that a server knows it again.

Outputs:
  null          plays on time, to nowhere
  wav:FILE      records what it plays, bit for bit in the stream's own format, each
                sample at the place of its server timestamp; a change of format or a
                pause of more than a minute starts FILE-2, and so on
  alsa[:DEVICE] plays on a sound card (in builds with -tags alsa)

Pairing: a server that wants to pair gets a code that the player shows, in large
digits or as a QR code. With --static-code it is that code, and each pairing has to be
let in here first. 'tutti player token' prints the token, which pairs without a code.
A server that the player is paired with may be moved to another machine or key: the
player goes along when its signed roster says so.

Keys on a terminal:
  p   let a server pair: with the static code for the next 5 minutes, and after 20
      wrong codes in a row (the signal USR1 does the same)
  c   cancel the pairing
  q   quit

With --json each line on stdout is an event: identity, connecting, listening,
connected, server, synced, activated, rekeyed, group, state, stream_start,
stream_clear, stream_end, stream_lost, recording, stats (every second of a stream), metadata,
controller, pairing_held, pairing_started, pairing_code (code or token, and round),
pairing_ended (outcome, reason), pairing_refused, pairing_window, paired, unpaired,
roster, roster_refused, succeeded, goodbye, disconnected, retrying, chunk_error, violation. A line p, c or q on stdin is
that key. Every flag can be given as an environment variable (--output is
TUTTI_OUTPUT).`

const examples = `  tutti player --connect kitchen-nas.local --name "Desk"
  tutti player --listen :8928 --name "Lobby left" --output alsa:default
  tutti player --listen :8928 --name "Bath" --static-code 40617253 --unpaired-access=false
  tutti player --connect ws://192.0.2.7:8927/sendspin --formats pcm:44100:16:2 --output wav:lobby.wav --json`

// New returns the command.
func New() *cobra.Command {
	s := defaults()
	c := &cobra.Command{
		Use:     "player",
		Short:   "Play what a server sends, on this machine",
		Long:    long,
		Example: examples,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(cmd.Flags(), &s); err != nil {
				return usageError{err}
			}
			p, err := s.plan()
			if err != nil {
				return err
			}
			return run(cmd.Context(), p, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	config.MustBind(c.Flags(), &s)
	c.AddCommand(tokenCommand())
	return c
}

// plan is checked settings.
type plan struct {
	settings
	url      string // to dial; empty: listen
	formats  []wire.AudioFormat
	suite    noise.Suite
	identity string
	code     pairing.Code // static pairing code
	output   string       // kind: null, wav or alsa
	target   string       // file or device
}

// plan checks everything that can be checked before anything is opened.
func (s settings) plan() (plan, error) {
	p := plan{settings: s}
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
		return p, usage("--name is empty: give the player a name")
	}
	if p.formats, err = formats(s.Formats); err != nil {
		return p, err
	}
	switch s.Suite {
	case "chachapoly":
		p.suite = noise.ChaChaPoly
	case "aesgcm":
		p.suite = noise.AESGCM
	default:
		return p, usage("--suite %q: choose chachapoly or aesgcm", s.Suite)
	}
	if s.Buffer < 64<<10 || s.Buffer > 1<<30 {
		return p, usage("--buffer %d: give 65536 to 1073741824 bytes", s.Buffer)
	}
	if err := p.pairingMethod(); err != nil {
		return p, err
	}
	if p.output, p.target, err = output(s.Output); err != nil {
		return p, err
	}
	if p.identity = s.Identity; p.identity == "" {
		if p.identity, err = identityPath(s.Name); err != nil {
			return p, err
		}
	}
	return p, nil
}

func formats(list []string) ([]wire.AudioFormat, error) {
	var out []wire.AudioFormat
	for _, one := range list {
		f, err := pcm.ParseFormat(one)
		if err != nil {
			return nil, usage("--formats: %w", err)
		}
		if !slices.Contains(decode.Codecs(), f.Codec) {
			return nil, usage("--formats: %w", decode.ErrOpus)
		}
		f.BitDepth = decode.Depth(f)
		out = append(out, wire.AudioFormat{Codec: f.Codec, Channels: f.Channels, SampleRate: f.SampleRate, BitDepth: f.BitDepth})
	}
	if len(out) == 0 {
		return nil, usage("--formats is empty: offer at least one, for example flac:48000:24:2")
	}
	return out, nil
}

func output(s string) (kind, target string, err error) {
	kind, target, _ = strings.Cut(s, ":")
	switch {
	case kind == "null" && target == "", kind == "alsa":
		return kind, target, nil
	case kind == "wav" && target != "":
		return kind, target, nil
	case kind == "wav":
		return "", "", usage("--output wav needs a file: wav:FILE")
	}
	return "", "", usage("--output %q: choose null, wav:FILE or alsa[:DEVICE]", s)
}

// identityPath is the default place of the identity: one per name, so that two players
// on one machine are two devices.
func identityPath(name string) (string, error) {
	base := os.Getenv("XDG_DATA_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the identity: %w: give --identity FILE", err)
		}
		base = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(base, "tutti", "player-"+slug(name)+".json"), nil
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

// Package playercmd is `tutti player`: a Sendspin player for a room without one, for
// trying things out, and for tests. It speaks through sendspin/client, decodes with
// audio/decode, keeps time in package deck and plays to ALSA, a WAV file or nowhere.
//
// One goroutine, the loop, owns everything that changes; the client's callbacks only
// post to its mailbox.
package playercmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/platform/config"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// settings are the flags of the command.
type settings struct {
	deviceSettings
	Formats []string `config:"formats" usage:"formats by preference, each codec:rate:depth:channels"`
	Output  string   `config:"output" usage:"null, wav:FILE or alsa[:DEVICE]"`
	Buffer  int      `config:"buffer" usage:"buffer_capacity in bytes"`
}

func defaults() settings {
	d := deviceDefaults()
	d.UnpairedAccess = true
	return settings{
		deviceSettings: d, Output: "null", Buffer: 2 << 20,
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

// playerPlan is checked settings.
type playerPlan struct {
	plan
	formats []wire.AudioFormat
	buffer  int    // bytes
	output  string // kind: null, wav or alsa
	target  string // file or device
}

// plan checks everything that can be checked before anything is opened.
func (s settings) plan() (playerPlan, error) {
	p := playerPlan{buffer: s.Buffer}
	var err error
	if p.plan, err = s.deviceSettings.plan("player"); err != nil {
		return p, err
	}
	if p.formats, err = formats(s.Formats); err != nil {
		return p, err
	}
	if s.Buffer < 64<<10 || s.Buffer > 1<<30 {
		return p, usage("--buffer %d: give 65536 to 1073741824 bytes", s.Buffer)
	}
	p.output, p.target, err = output(s.Output)
	return p, err
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

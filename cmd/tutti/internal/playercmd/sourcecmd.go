package playercmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/spf13/cobra"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/playercmd/deck"
	"github.com/tutti-audio/tutti/platform/config"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// sourceSettings are the flags of `tutti source`.
type sourceSettings struct {
	deviceSettings
	Input     string `config:"input" usage:"what to capture: - (samples on stdin), wav:FILE or tone:HZ"`
	Format    string `config:"format" usage:"codec:rate:depth:channels; of stdin, this is what the samples are"`
	LineSense bool   `config:"line-sense" usage:"tell the server whether there is a signal, so that it can start by itself"`
	SenseDB   int    `config:"sense-db" usage:"level in dB below full scale that counts as a signal"`
}

func sourceDefaults() sourceSettings {
	d := deviceDefaults()
	d.Name += " line-in"
	return sourceSettings{deviceSettings: d, Input: "-", Format: "flac:48000:16:2", LineSense: true, SenseDB: -50}
}

const sourceLong = `Sends what this machine captures to a server, which plays it in any of its rooms: a
turntable or a radio on a line-in, a microphone, another program. It streams only while
a room plays it.

Inputs:
  -         samples on stdin, as arecord, ffmpeg or librespot write them: little-endian,
            packed, of the rate, depth and channels of --format
  wav:FILE  a file in real time, in the file's own rate, depth and channels
  tone:HZ   a test tone

Who may listen: a line-in or a microphone is nobody else's business, so a server has to be
paired with the source. With --unpaired-access=true a server may also be let in by its
operator ('tutti approve NAME --source'); anybody in the network could then run one.

On the server: 'tutti pair NAME', then 'tutti play GROUP source:NAME'. The id is
printed here at the start, and by 'tutti clients'. With --line-sense the server is told
when there is a signal, so that a group can start by itself when the needle comes down.

How long it takes from the input to the speakers: what the speakers themselves need
(their min_buffer_ms) and less than 150 ms. Programs that hand their samples over in
large pieces add to that: give arecord small ones, as in the example.

Keys and events are those of 'tutti player'; the events of its own are
capture_requested, capture_stopped (reason), capture_error, signal (present, level_db)
and capture_stats (every second while streaming).`

const sourceExamples = `  arecord -q -D hw:1 -f S16_LE -r 48000 -c 2 --period-size 480 -t raw | tutti source --connect nas.local --name Turntable
  tutti source --listen :8928 --name "Test tone" --input tone:440 --unpaired-access=true
  ffmpeg -v quiet -i http://192.0.2.9/mic -f s16le -ar 48000 -ac 1 - | tutti source --connect nas --format flac:48000:16:1 --name Door`

// NewSource returns the command `tutti source`.
func NewSource() *cobra.Command {
	s := sourceDefaults()
	c := &cobra.Command{
		Use:     "source",
		Short:   "Send what this machine captures (a line-in, a microphone) to a server",
		Long:    sourceLong,
		Example: sourceExamples,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(cmd.Flags(), &s); err != nil {
				return usageError{err}
			}
			p, f, err := s.plan()
			if err != nil {
				return err
			}
			return runSource(cmd.Context(), s, p, f, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	config.MustBind(c.Flags(), &s)
	return c
}

// plan checks the settings.
func (s sourceSettings) plan() (plan, pcm.Format, error) {
	p, err := s.deviceSettings.plan("source")
	if err != nil {
		return p, pcm.Format{}, err
	}
	if s.SenseDB < -100 || s.SenseDB > 0 {
		return p, pcm.Format{}, usage("--sense-db %d is not in -100 to 0", s.SenseDB)
	}
	f, err := inputFormat(s.Format)
	return p, f, err
}

// runSource captures until ctx or the input ends.
func runSource(ctx context.Context, s sourceSettings, p plan, f pcm.Format, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	clock := clockwork.NewRealClock()
	gestures := stdin
	if s.Input == "-" {
		gestures = strings.NewReader("") // stdin is music
	}
	d, err := newDevice(p, clock, quit, gestures, stdout, stderr)
	if err != nil {
		return err
	}
	defer d.close()
	l := d.loop
	l.warm = true // there is no output to warm up
	l.deck = deck.New(deck.Null{}, 1, func(int64) (int64, bool) { return 0, false })
	if err := d.open("Tutti source", client.Config{Roles: []string{wire.RoleSourceV1}, LineSense: s.LineSense}); err != nil {
		return err
	}
	in, err := openInput(s.Input, f, stdin, clock, d.c.Now)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // read only
	l.status.source = true
	l.source = &recorder{in: in, client: l.client, tell: l.tell, sense: sense{threshold: float64(s.SenseDB)}}
	return capturing(ctx, d, quit)
}

// capturing runs the recorder beside the connection. The end of the input is the end of
// both, after what is on its way is sent.
func capturing(ctx context.Context, d *device, quit func()) error {
	l := d.loop
	recording, stop := context.WithCancel(ctx)
	defer stop()
	over := make(chan error, 1)
	go func() { // ends with recording; a pipe that gives nothing ends with the process
		over <- l.source.run(recording)
		quit()
	}()
	err := d.work(ctx)
	stop()
	if f, ok := l.source.in.(*stream); ok {
		f.unblock()
	}
	select {
	case why := <-over:
		if !errors.Is(why, context.Canceled) && !errors.Is(why, os.ErrClosed) {
			err = errors.Join(err, ended(why))
		}
	case <-l.clock.After(time.Second): // a read that nothing unblocks
	}
	return err
}

// unblock ends a read that waits for another program, where that is possible.
func (s *stream) unblock() {
	if f, ok := s.under.(*os.File); ok {
		_ = f.Close()
	}
}

// captureEvent acts on what the client tells of capturing, and reports it. ok is false for
// other events.
func (l *loop) captureEvent(e client.Event) (ok bool, err error) {
	switch e := e.(type) {
	case client.CaptureRequested:
		l.streaming = true
		l.status.format = l.source.in.Format().String()
		if err := l.source.open(e.Codecs); err != nil {
			return true, l.rep.event("capture_error", fields{"error": err.Error()})
		}
		return true, l.rep.event("capture_requested", fields{"server_id": e.ServerID, "codecs": list(e.Codecs), "format": l.status.format})
	case client.CaptureStopped:
		l.streaming, l.status.format, l.status.level = false, "", ""
		l.source.stop()
		return true, l.rep.event("capture_stopped", fields{"server_id": e.ServerID, "reason": string(e.Reason)})
	}
	return false, nil
}

// captureStats reports the last second of a capture.
func (l *loop) captureStats() error {
	if !l.streaming {
		return nil
	}
	s := l.client().Stats()
	l.status.level = fmt.Sprintf("%.0f dB", float64(l.source.level.Load())/10)
	f := fields{"captured": s.Captured, "dropped": s.CaptureDropped, "level_db": float64(l.source.level.Load()) / 10}
	if s.Synced && !math.IsInf(s.StdDevUS, 0) {
		f["clock_stddev_us"], f["clock_drift_ppm"] = s.StdDevUS, s.DriftPPM
	}
	return l.rep.event("capture_stats", f)
}

// captureSentence words an event about capturing for people.
func captureSentence(name string, f fields) string {
	switch name {
	case "capture_requested":
		return "a room plays this source: sending " + toText(f["format"])
	case "capture_stopped":
		return "nobody plays this source any more (" + toText(f["reason"]) + ")"
	case "capture_error":
		return "nothing is sent: " + toText(f["error"])
	case "signal":
		if f["present"] == true {
			return "there is a signal"
		}
		return "the signal is gone"
	}
	return ""
}

func toText(v any) string {
	s, _ := v.(string)
	return s
}

package playercmd

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/playercmd/deck"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// fields are the details of an event.
type fields map[string]any

// status is what the live line shows.
type status struct {
	server, title, format string
	source                bool   // of `tutti source`
	level                 string // of what it captures
	volume                int
	muted                 bool
	stddev                float64 // of the clock, µs
	stats                 deck.Stats
}

// reporter tells a person or a program what happens. An error is that it cannot.
type reporter interface {
	event(name string, f fields) error
	// panel shows a pairing code until the zero value takes it away.
	panel(p pairingView)
	status(s status)
	// logged prints a line of the log, which goes to the same terminal.
	logged(line string) error
	close()
}

// jsonReporter prints one object per event.
type jsonReporter struct {
	w   io.Writer
	now func() time.Time
}

func (r *jsonReporter) event(name string, f fields) error {
	out := fields{"event": name, "time": r.now().UTC().Format(time.RFC3339Nano)}
	for k, v := range f {
		if s, ok := v.(deck.Stats); ok { // flat, beside the other fields
			b, err := json.Marshal(s)
			if err != nil {
				return err
			}
			if err := json.Unmarshal(b, &out); err != nil {
				return err
			}
			continue
		}
		if x, ok := v.(float64); ok && (math.IsInf(x, 0) || math.IsNaN(x)) {
			continue
		}
		out[k] = v
	}
	b, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("event %s: %w", name, err)
	}
	if _, err := r.w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}

func (r *jsonReporter) panel(pairingView)   {}
func (r *jsonReporter) status(status)       {}
func (r *jsonReporter) logged(string) error { return nil }
func (r *jsonReporter) close()              {}

// isTerminal reports whether w is a terminal that a line can be redrawn on.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// statusLine is at most width characters.
func statusLine(s status, width int) string {
	if s.server == "" {
		return "waiting for a server"
	}
	parts := []string{s.server}
	if s.source {
		return sourceLine(s, width)
	}
	if s.format != "" {
		parts = append(parts, s.format, fmt.Sprintf("buffer %.1f s", float64(s.stats.BufferedMS)/1000), fmt.Sprintf("sync %.1f ms", float64(s.stats.SyncErrorUS)/1000))
		if !math.IsInf(s.stddev, 0) {
			parts = append(parts, fmt.Sprintf("clock ±%.2f ms", s.stddev/1000))
		}
	} else {
		parts = append(parts, "silent")
	}
	volume := fmt.Sprintf("volume %d", s.volume)
	if s.muted {
		volume += " (muted)"
	}
	parts = append(parts, volume)
	if s.title != "" {
		parts = append(parts, "♪ "+s.title)
	}
	line := []rune(strings.Map(printable, strings.Join(parts, " · ")))
	return string(line[:min(len(line), width)])
}

// sourceLine is statusLine of a source.
func sourceLine(s status, width int) string {
	what := "idle: no room plays it"
	if s.format != "" {
		what = "sending " + s.format + " · " + s.level
	}
	line := []rune(strings.Map(printable, s.server+" · "+what))
	return string(line[:min(len(line), width)])
}

// printable keeps what a server says from steering the terminal.
func printable(r rune) rune {
	if r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 {
		return ' '
	}
	return r
}

// sentence words an event for people; "" leaves it out.
func sentence(name string, f fields) string {
	var s string
	switch name {
	case "identity":
		s = fmt.Sprintf("%v, fingerprint %v (%v)", f["name"], f["fingerprint"], f["client_id"])
	case "connecting":
		s = fmt.Sprintf("connecting to %v", f["url"])
	case "retrying":
		s = fmt.Sprintf("no connection (%v); trying on", f["error"])
	case "listening":
		s = fmt.Sprintf("listening on %v", f["address"])
	case "server":
		s = fmt.Sprintf("connected to %v", f["name"])
	case "activated":
		if roles, _ := f["roles"].([]string); len(roles) == 0 {
			if activities, _ := f["activities"].([]string); slices.Contains(activities, wire.ActivityPairing) {
				return "" // the pairing tells more
			}
			s = "the server has not approved this device yet: approve it there (tutti inbox), or pair it (tutti pair)"
		} else {
			s = "ready: " + strings.Join(roles, ", ")
		}
	case "group":
		s = fmt.Sprintf("group %v: %v", f["group_name"], f["playback_state"])
	case "stream_start":
		s = fmt.Sprintf("playing %v %v Hz, %v bits, %v channels", f["codec"], f["sample_rate"], f["bit_depth"], f["channels"])
	case "stream_end":
		s = "the stream ended"
	case "stream_lost":
		s = "the connection is lost: what is buffered plays on"
	case "recording":
		s = fmt.Sprintf("recording to %v", f["file"])
	case "metadata":
		if f["title"] != nil {
			s = fmt.Sprintf("title: %v", f["title"])
		}
	case "goodbye":
		s = fmt.Sprintf("said goodbye: %v", f["reason"])
	case "disconnected":
		s = "connection over"
		if f["error"] != nil {
			s += fmt.Sprintf(": %v", f["error"])
		}
	case "chunk_error", "violation":
		s = fmt.Sprintf("%s: %v%v%v %v", name, orEmpty(f["error"]), orEmpty(f["rule"]), orEmpty(f["method"]), orEmpty(f["detail"]))
	}
	if s == "" {
		s = pairingSentence(name, f)
	}
	if s == "" {
		s = captureSentence(name, f)
	}
	return strings.TrimSpace(strings.Map(printable, s))
}

func orEmpty(v any) any {
	if v == nil {
		return ""
	}
	return v
}

package playercmd

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// textReporter prints a line per event. On a terminal it keeps a live area below: the
// panel with a pairing code, if there is one, and a line with the state.
type textReporter struct {
	w     io.Writer
	live  bool
	width int // of the live area, in columns

	shown []string // the panel
	line  string   // the state
	drawn int      // rows of the live area that are on the terminal now
	vain  string   // why the last attempt to connect failed: told once, not with each
	title string   // what was told last: a seek or an announcement says it again
}

func newTextReporter(w io.Writer) *textReporter {
	r := &textReporter{w: w, live: isTerminal(w), width: 100}
	if f, ok := w.(*os.File); ok && r.live {
		if columns := terminalWidth(f); columns > 1 {
			r.width = columns - 1
		}
	}
	return r
}

const (
	clearLine = "\r\x1b[K"
	clearDown = "\x1b[J"
)

func (r *textReporter) event(name string, f fields) error {
	text := sentence(name, f)
	if r.again(name, text) || text == "" {
		return nil
	}
	return r.logged(text)
}

// again reports whether text was told by the event before of its kind, and remembers it.
func (r *textReporter) again(name, text string) bool {
	last := &r.vain
	switch name {
	case "connected":
		r.vain, r.title = "", ""
		return false
	case "stream_end":
		r.title = ""
		return false
	case "metadata":
		last = &r.title
	case "retrying":
	default:
		return false
	}
	if text == *last {
		return true
	}
	*last = text
	return false
}

// logged prints a line above the live area.
func (r *textReporter) logged(text string) error {
	line := r.line
	if _, err := fmt.Fprintln(r.w, r.erase()+text); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	if r.live && len(r.shown) > 0 { // a code must not blink; the state may
		r.draw(line)
	}
	return nil
}

// erase takes the live area off the terminal and forgets its line, which the next
// status draws again.
func (r *textReporter) erase() string {
	rows := r.drawn
	r.drawn, r.line = 0, ""
	switch rows {
	case 0:
		return ""
	case 1:
		return clearLine
	}
	return fmt.Sprintf("\r\x1b[%dA", rows-1) + clearDown
}

// draw puts the live area on the terminal.
func (r *textReporter) draw(line string) {
	before := r.erase()
	if before == "" {
		before = clearLine
	}
	r.line, r.drawn = line, len(r.shown)+1
	_, _ = fmt.Fprint(r.w, before+strings.Join(append(r.shown[:len(r.shown):len(r.shown)], line), "\n"))
}

func (r *textReporter) status(s status) {
	if !r.live {
		return
	}
	if line := statusLine(s, r.width); line != r.line {
		r.draw(line)
	}
}

func (r *textReporter) panel(p pairingView) {
	line := r.line
	switch {
	case p == pairingView{}:
		r.shown = nil
	case r.live:
		r.shown = codePanel(p, true)
	default: // once, among the lines
		if p.round == 1 {
			_, _ = fmt.Fprintln(r.w, strings.Join(codePanel(p, false), "\n"))
		}
		return
	}
	if !r.live {
		return
	}
	// What is on the terminal has the old panel's height: it goes first.
	_, _ = fmt.Fprint(r.w, r.erase())
	r.draw(line)
}

func (r *textReporter) close() {
	if r.drawn > 0 {
		_, _ = fmt.Fprintln(r.w)
	}
}

// logTo is where the log goes: to stderr, but through the loop when that is the terminal
// on which the reporter keeps its live area.
func (l *loop) logTo(rep reporter, stderr io.Writer) io.Writer {
	if r, ok := rep.(*textReporter); ok && r.live && isTerminal(stderr) {
		return &logLines{l: l, after: stderr}
	}
	return stderr
}

// logLine is a line of the log on its way to the loop.
type logLine string

// logLines posts what is written to it to the loop; after the loop's end it goes on to
// after.
type logLines struct {
	l     *loop
	after io.Writer
}

// Write implements [io.Writer]; a logger writes whole lines.
func (w *logLines) Write(b []byte) (int, error) {
	select {
	case w.l.in <- logLine(strings.TrimSuffix(string(b), "\n")):
		return len(b), nil
	case <-w.l.done:
		return w.after.Write(b)
	}
}

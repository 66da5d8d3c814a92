package doctorcmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows on a terminal what the doctor waits for, on one line that goes again. A nil
// line shows nothing.
type progress struct{ *line }

type line struct {
	w    io.Writer
	mu   sync.Mutex
	stop func() // ends the counting; nil: nothing counts
}

// newProgress shows nothing when w is no terminal: what is there reads the results.
func newProgress(w io.Writer) progress {
	if f, isFile := w.(*os.File); isFile && term.IsTerminal(int(f.Fd())) {
		return progress{&line{w: w}}
	}
	return progress{}
}

const clearLine = "\r\x1b[K"

// say replaces the line.
func (p progress) say(format string, a ...any) {
	if p.line == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, clearLine+format+" …", a...)
}

// count shows text and the seconds left, until they are over or the line ends.
func (p progress) count(ctx context.Context, d time.Duration, text string) {
	if p.line == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for left := d; left > 0; left -= time.Second {
			p.say("%s: %s", text, left)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	p.stop = func() { cancel(); <-done }
}

// end takes the line away.
func (p progress) end() {
	if p.line == nil {
		return
	}
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.w, clearLine)
}

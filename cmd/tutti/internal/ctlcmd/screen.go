package ctlcmd

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"

	"golang.org/x/term"
)

// screen is the terminal while a command owns all of it: the alternate screen, without a
// cursor, keys as they are pressed.
type screen struct {
	out     *os.File
	quit    chan struct{} // closed at q, Esc or Ctrl-C
	resized chan os.Signal

	cancel  context.CancelFunc
	keys    sync.WaitGroup
	restore func()
}

// openScreen takes the terminal; close gives it back. Where in is no terminal, keys are
// not read, and a signal ends the command.
func openScreen(ctx context.Context, out *os.File, in io.Reader) (*screen, error) {
	s := &screen{out: out, quit: make(chan struct{}), resized: make(chan os.Signal, 1), restore: func() {}}
	ctx, s.cancel = context.WithCancel(ctx)
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) && canAwait(in) {
		before, err := term.MakeRaw(int(f.Fd()))
		if err != nil {
			s.cancel()
			return nil, err
		}
		s.restore = func() { _ = term.Restore(int(f.Fd()), before) }
		s.keys.Go(func() { s.readKeys(ctx, f) })
	}
	notifyResize(s.resized)
	_, _ = out.WriteString("\x1b[?1049h\x1b[?25l")
	return s, nil
}

func (s *screen) readKeys(ctx context.Context, in *os.File) {
	var b [16]byte
	for awaitInput(ctx, in) {
		n, err := in.Read(b[:])
		if err != nil {
			return
		}
		for _, k := range b[:n] {
			if k == 'q' || k == 'Q' || k == 3 || k == 27 && n == 1 {
				close(s.quit)
				return
			}
		}
	}
}

func (s *screen) size() (width, height int) {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width < 20 || height < 5 {
		return 80, 24
	}
	return width, height
}

// draw shows lines in place of what was there, in one write, so that nothing flickers.
func (s *screen) draw(lines []string) {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(l + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	_, _ = s.out.WriteString(b.String())
}

func (s *screen) close() {
	s.cancel()
	s.keys.Wait()
	signal.Stop(s.resized)
	_, _ = s.out.WriteString("\x1b[?25h\x1b[?1049l")
	s.restore()
}

package playercmd

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"
)

// The keys of a player, as single key presses on a terminal and as lines on stdin with
// --json.
const (
	keyAllow  = 'p' // the gesture: let a server pair
	keyCancel = 'c'
	keyQuit   = 'q'
)

// keyboard is where the operator's gestures come from.
type keyboard struct {
	in    io.Reader
	lines bool // lines of stdin rather than key presses
}

// newKeyboard looks at how the player was started; nil when nobody can press a key.
func newKeyboard(in io.Reader, json bool) *keyboard {
	f, ok := in.(*os.File)
	switch {
	case json:
		return &keyboard{in: in, lines: true}
	case ok && isTerminal(f):
		return &keyboard{in: in}
	}
	return nil
}

// how tells a person at the server where to go to let it pair.
func (k *keyboard) how() string {
	if k == nil {
		return howWithoutKeyboard
	}
	return "press p on the player's keyboard"
}

// run hands keys over until ctx ends or the input does.
func (k *keyboard) run(ctx context.Context, press func(byte)) {
	if k == nil {
		return
	}
	f, ok := k.in.(*os.File)
	if !ok {
		k.readLines(ctx, k.in, press)
		return
	}
	in := &patient{ctx: ctx, f: f}
	if k.lines {
		k.readLines(ctx, in, press)
		return
	}
	restore := singleKeys(f)
	defer restore()
	for key := make([]byte, 1); ; {
		if _, err := io.ReadFull(in, key); err != nil {
			return
		}
		press(lower(key[0]))
	}
}

// readLines takes the first character of each line. A reader that can be closed is, at
// the end of ctx.
func (k *keyboard) readLines(ctx context.Context, in io.Reader, press func(byte)) {
	if c, ok := in.(io.Closer); ok {
		defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	}
	for s := bufio.NewScanner(in); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" {
			press(lower(line[0]))
		}
	}
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b - 'A' + 'a'
	}
	return b
}

// patient reads from a file without being stuck in it: it looks again and again whether
// there is something, until ctx ends.
type patient struct {
	ctx context.Context
	f   *os.File
}

// Read implements [io.Reader].
func (p *patient) Read(b []byte) (int, error) {
	for p.ctx.Err() == nil {
		ready, err := readable(p.f)
		if err != nil {
			return 0, err
		}
		if ready {
			return p.f.Read(b)
		}
	}
	return 0, p.ctx.Err()
}

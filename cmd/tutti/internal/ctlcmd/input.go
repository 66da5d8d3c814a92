package ctlcmd

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"
)

// input reads what a person types, or a script pipes in, while the command does other
// things. It begins to read when it is first asked for chunks.
type input struct {
	in     io.Reader
	chunks chan []byte // closed at the end of the input
	// rest was read and not used yet: the next lines of a pipe.
	rest []byte

	once   sync.Once
	cancel context.CancelFunc
	done   chan struct{}
}

func newInput(in io.Reader) *input {
	return &input{in: in, chunks: make(chan []byte), done: make(chan struct{})}
}

// terminal is the input's file when a person sits at it; nil otherwise.
func (i *input) terminal() *os.File {
	f, ok := i.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// read begins to read and returns where the chunks come.
func (i *input) read(ctx context.Context) <-chan []byte {
	i.once.Do(func() {
		ctx, i.cancel = context.WithCancel(ctx)
		go i.loop(ctx)
	})
	return i.chunks
}

func (i *input) loop(ctx context.Context) {
	defer close(i.done)
	defer close(i.chunks)
	for {
		if !awaitInput(ctx, i.in) {
			return
		}
		b := make([]byte, 256)
		n, err := i.in.Read(b)
		if n > 0 {
			select {
			case i.chunks <- b[:n]:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// stop ends the reading. A terminal or pipe is left at once; another reader, which only
// tests and embedders have, ends when it next returns.
func (i *input) stop() {
	if i.cancel == nil {
		return
	}
	i.cancel()
	if canAwait(i.in) {
		<-i.done
	}
}

// next takes one character of what was read.
func (i *input) next() (r rune, ok bool) {
	if !utf8.FullRune(i.rest) {
		return 0, false
	}
	r, n := utf8.DecodeRune(i.rest)
	i.rest = i.rest[n:]
	return r, true
}

// errNoInput says that a script's input ended where a code or token was needed.
var errNoInput = errors.New("standard input ended")

// errInterrupted is Ctrl-C at a prompt.
var errInterrupted = errors.New("interrupted")

// line takes the next line of a pipe; ok is false when it is not whole yet. ended says
// that no more will come: what is there is the last line.
func (i *input) line(ended bool) (line string, ok bool) {
	for n, b := range i.rest {
		if b == '\n' || b == '\r' {
			line = string(i.rest[:n])
			i.rest = i.rest[n+1:]
			return line, true
		}
	}
	if ended && len(i.rest) > 0 {
		line, i.rest = string(i.rest), nil
		return line, true
	}
	return "", false
}

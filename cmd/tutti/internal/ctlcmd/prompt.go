package ctlcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/pairtoken"
)

// question is what a person is asked for.
type question struct {
	label string // such as "Code: "
	// digits is the length of a code; 0 for a token.
	digits int
	// token is the version of the token that is wanted, pairtoken.VersionPSK or
	// VersionCode, where digits is 0.
	token byte
}

// check says in words why an answer cannot be right; "" when it may be. It never
// repeats the answer.
func (q question) check(answer string) string {
	switch {
	case q.digits > 0:
		c, err := pairing.ParseDigits(answer, q.digits)
		c.Wipe()
		return words(err)
	case q.token == pairtoken.VersionCode:
		c, err := pairing.ParseQR(answer)
		c.Wipe()
		return words(err)
	}
	_, err := pairtoken.DecodePSK(answer)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, pairtoken.ErrShort):
		return "that pairing token was cut off"
	}
	return "that is no pairing token (SP:0…)"
}

func words(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "pairtoken: ")
}

// prompt is a question that waits for its answer: with an editor at a terminal, by
// whole lines from a pipe.
type prompt struct {
	q      question
	in     *input
	out    io.Writer
	editor editor // nil: lines
	file   *os.File
	before *term.State
}

// ask opens a prompt. The caller closes it.
func (i *input) ask(q question, out io.Writer) (*prompt, error) {
	p := &prompt{q: q, in: i, out: out}
	p.file = i.terminal()
	if p.file == nil {
		return p, nil
	}
	p.editor = &textEditor{label: q.label, hidden: q.token == pairtoken.VersionPSK && q.digits == 0}
	if q.digits > 0 {
		p.editor = newDigitEditor(q.label, q.digits)
	}
	before, err := term.MakeRaw(int(p.file.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal cannot be used for an entry (%w): pipe the code in instead", err)
	}
	p.before = before
	i.rest = nil // what was typed before the question is no answer to it
	p.draw()
	return p, nil
}

// close gives the terminal back.
func (p *prompt) close() {
	if p == nil || p.before == nil {
		return
	}
	_, _ = io.WriteString(p.out, "\r\n")
	_ = term.Restore(int(p.file.Fd()), p.before)
	p.before = nil
	p.editor.wipe()
}

func (p *prompt) draw() {
	line, back := p.editor.view()
	s := "\r\x1b[K" + line
	if back > 0 {
		s += fmt.Sprintf("\x1b[%dD", back)
	}
	_, _ = io.WriteString(p.out, s)
}

// feed takes what was read; more is false at the end of the input. done says that
// answer is whole and well formed. The error is errInterrupted, errNoInput, or says
// what is wrong with a line of a script.
func (p *prompt) feed(chunk []byte, more bool) (answer string, done bool, err error) {
	p.in.rest = append(p.in.rest, chunk...)
	if p.editor == nil {
		return p.feedLine(!more)
	}
	for {
		r, ok := p.in.next()
		if !ok {
			break
		}
		switch p.editor.key(r) {
		case entryCancelled:
			return "", false, errInterrupted
		case entryDone:
			if wrong := p.q.check(p.editor.value()); wrong != "" {
				p.editor.wipe()
				p.hint(wrong)
				continue
			}
			p.draw()
			return p.editor.value(), true, nil
		}
	}
	p.draw()
	if !more {
		return "", false, errNoInput
	}
	return "", false, nil
}

func (p *prompt) hint(s string) {
	if e, ok := p.editor.(*textEditor); ok {
		e.hint = s
	}
}

// feedLine looks for a whole line. Empty lines do not count.
func (p *prompt) feedLine(ended bool) (string, bool, error) {
	for {
		line, ok := p.in.line(ended)
		switch {
		case !ok && ended:
			return "", false, errNoInput
		case !ok:
			return "", false, nil
		case strings.TrimSpace(line) == "":
			continue
		}
		if wrong := p.q.check(line); wrong != "" {
			return "", false, fmt.Errorf("the line from standard input cannot be used: %s", wrong)
		}
		return strings.TrimSpace(line), true, nil
	}
}

// answer asks a question and waits for the answer.
func (i *input) answer(ctx context.Context, q question, out io.Writer) (string, error) {
	p, err := i.ask(q, out)
	if err != nil {
		return "", err
	}
	defer p.close()
	chunks := i.read(ctx)
	if s, done, err := p.feed(nil, true); done || err != nil {
		return s, err
	}
	for {
		select {
		case chunk, more := <-chunks:
			if s, done, err := p.feed(chunk, more); done || err != nil {
				return s, err
			}
		case <-ctx.Done():
			return "", errInterrupted
		}
	}
}

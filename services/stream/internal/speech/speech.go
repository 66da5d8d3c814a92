// Package speech makes text audible with espeak-ng, as a supervised child: bounded in
// time and output, with the text on its standard input.
package speech

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/audio/wav"
	"github.com/tutti-audio/tutti/platform/fault"
)

// Bounds of one text.
const (
	sayTimeout = 15 * time.Second
	maxOutput  = 32 << 20 // bytes: some twelve minutes of its 22.05 kHz mono
	maxWords   = 2 << 10  // bytes of its standard error that are kept
)

// Program is the name of the child.
const Program = "espeak-ng"

// ErrMissing is the cause when espeak-ng is not installed.
var ErrMissing = fault.New(fault.Conflict, "text cannot be spoken here: install Debian's package espeak-ng on the machine that plays, or announce a file")

// Voices are what to try for a BCP 47 tag, in this order: espeak-ng's names are tags,
// too, but it does not know all of them.
func Voices(language string) []string {
	tag := strings.ToLower(language)
	if !valid(tag) {
		tag = ""
	}
	var out []string
	for tag != "" {
		out = append(out, tag)
		i := strings.LastIndexByte(tag, '-')
		tag = tag[:max(i, 0)]
	}
	if !slices.Contains(out, "en") {
		out = append(out, "en")
	}
	return out
}

// valid reports whether a tag is one that may become an argument.
func valid(tag string) bool {
	if tag == "" || len(tag) > 35 || tag[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(tag, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' })
}

// Say speaks text in a language (BCP 47; the nearest voice that there is). The result is
// in memory. It fails with ErrMissing, with fault.OutOfRange for text that gives no
// sound, and when espeak-ng takes too long or gives up.
func Say(ctx context.Context, text, language string) (source.Source, error) {
	path, err := exec.LookPath(Program)
	if err != nil {
		return nil, ErrMissing
	}
	ctx, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	for _, voice := range Voices(language) {
		var out []byte
		if out, err = say(ctx, path, text, voice); err == nil {
			return open(out)
		}
		if ctx.Err() != nil {
			return nil, fault.New(fault.Timeout, "espeak-ng took longer than %v to speak %d bytes of text: announce a shorter one", sayTimeout, len(text))
		}
	}
	return nil, fault.New(fault.Internal, "espeak-ng cannot speak: %v; check it with: espeak-ng hello", err)
}

// say runs the child once.
func say(ctx context.Context, path, text, voice string) ([]byte, error) {
	c := exec.CommandContext(ctx, path, "--stdin", "--stdout", "-b", "1", "-v", voice)
	// Its sound library would make a home for itself where there is none.
	c.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "HOME=/dev/null"}
	c.Dir, c.WaitDelay = "/", time.Second
	c.Stdin = strings.NewReader(printable(text))
	out, words := &bounded{max: maxOutput}, &bounded{max: maxWords, drop: true}
	c.Stdout, c.Stderr = out, words
	err := c.Run()
	switch {
	case out.full:
		return nil, errors.New("the text is too long")
	case err != nil:
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(words.buf.String()))
	case out.buf.Len() == 0: // a voice that it does not have is no error to it
		return nil, errors.New(strings.TrimSpace(words.buf.String()))
	}
	return out.buf.Bytes(), nil
}

// printable takes control characters and markup out of a text.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return ' '
		}
		return r
	}, text) + "\n"
}

// bounded keeps what is written to it up to max, and then fails, or drops the rest.
type bounded struct {
	buf  bytes.Buffer // not embedded: its ReadFrom knows no bound
	max  int
	drop bool
	full bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.buf.Len()+len(p) <= b.max {
		return b.buf.Write(p)
	}
	if b.drop {
		return len(p), nil
	}
	b.full = true
	return 0, io.ErrShortWrite
}

func open(data []byte) (source.Source, error) {
	r, err := wav.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fault.New(fault.Internal, "espeak-ng gave no audio: %v", err)
	}
	if r.Frames() == 0 {
		return nil, fault.New(fault.OutOfRange, "the text gives no sound: write words")
	}
	return &spoken{r}, nil
}

// spoken is a WAVE file in memory as a source.
type spoken struct{ *wav.Reader }

// Info implements source.Source.
func (s *spoken) Info() source.Info {
	f := s.Format()
	return source.Info{SampleRate: f.SampleRate, Channels: f.Channels, BitDepth: f.BitDepth, Frames: s.Frames(), Seekable: true, Codec: "speech"}
}

// Close implements source.Source.
func (s *spoken) Close() error { return nil }

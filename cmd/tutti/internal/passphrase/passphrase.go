// Package passphrase asks for the passphrase of a backup: a file, the environment, or
// a person at a terminal, without echo.
package passphrase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/tutti-audio/tutti/proto/backup"
)

// env is the variable that holds the passphrase; with _FILE, the file that does.
const env = "TUTTI_BACKUP_PASSPHRASE"

// maxFile bounds a file with a passphrase: more is somebody's mistake.
const maxFile = 4096

// FlagUsage explains the flag --passphrase-file.
const FlagUsage = "file with the backup's passphrase (env " + env + " or " + env + "_FILE; default: asked for)"

// Source is where a passphrase may come from. The zero value looks at the environment
// and the terminal.
type Source struct {
	// File is what --passphrase-file named; "" for none.
	File string
	// Confirm asks a person twice: for a new passphrase.
	Confirm bool
	// Terminal asks for one line without echo; nil means the real one. Tests set it.
	Terminal func(ctx context.Context, prompt string) (string, error)
}

// Read returns the passphrase. Errors say where else it could come from.
func (s Source) Read(ctx context.Context) (string, error) {
	p, from, err := s.find(ctx)
	if err != nil {
		return "", err
	}
	if n := utf8.RuneCountInString(p); s.Confirm && n < backup.MinPassphrase {
		return "", fmt.Errorf("the passphrase%s has %d characters: take at least %d, better five or six words", from, n, backup.MinPassphrase)
	}
	if p == "" {
		return "", fmt.Errorf("the passphrase%s is empty", from)
	}
	return p, nil
}

func (s Source) find(ctx context.Context) (p, from string, err error) {
	if s.File != "" {
		p, err = readFile(s.File)
		return p, " in " + s.File, err
	}
	if v := os.Getenv(env); v != "" {
		return v, " in " + env, nil
	}
	if path := os.Getenv(env + "_FILE"); path != "" {
		p, err = readFile(path)
		return p, " in " + path, err
	}
	p, err = s.ask(ctx)
	return p, "", err
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("the passphrase cannot be read: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", fmt.Errorf("the passphrase cannot be read: %w", err)
	}
	if len(b) > maxFile {
		return "", fmt.Errorf("%s is too large for a passphrase", path)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func (s Source) ask(ctx context.Context) (string, error) {
	terminal := s.Terminal
	if terminal == nil {
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return "", fmt.Errorf("there is no terminal to ask for the passphrase: give it with --passphrase-file, %s or %s_FILE", env, env)
		}
		terminal = readTerminal
	}
	first, err := terminal(ctx, "Passphrase of the backup: ")
	if err != nil || !s.Confirm {
		return first, err
	}
	second, err := terminal(ctx, "The same once more: ")
	if err == nil && first != second {
		err = errors.New("the two passphrases differ; nothing was done")
	}
	return first, err
}

// readTerminal reads one line without echo. When ctx ends first it leaves the terminal
// as it was; the reader then waits on until the process ends, for a read of a terminal
// cannot be broken off.
func readTerminal(ctx context.Context, prompt string) (string, error) {
	fd := int(os.Stdin.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("the passphrase cannot be asked for: %w", err)
	}
	_, _ = fmt.Fprint(os.Stderr, prompt)
	type line struct {
		b   []byte
		err error
	}
	got := make(chan line, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		got <- line{b, err}
	}()
	select {
	case l := <-got:
		_, _ = fmt.Fprintln(os.Stderr)
		return string(l.b), l.err
	case <-ctx.Done():
		_ = term.Restore(fd, state)
		_, _ = fmt.Fprintln(os.Stderr)
		return "", ctx.Err()
	}
}

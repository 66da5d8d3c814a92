package passphrase

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// NewPassword asks for a new password of the person named name: twice and without echo
// when in is the process's terminal, else it is the first line of in.
func NewPassword(ctx context.Context, in io.Reader, name string) (string, error) {
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return twice(ctx, name, readTerminal)
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxFile)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("the password cannot be read: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("there is no password on standard input: write it there as one line, or run this at a terminal")
	}
	return line, nil
}

func twice(ctx context.Context, name string, terminal func(ctx context.Context, prompt string) (string, error)) (string, error) {
	first, err := terminal(ctx, "New password of "+name+": ")
	if err != nil {
		return "", err
	}
	second, err := terminal(ctx, "The same once more: ")
	if err == nil && first != second {
		err = errors.New("the two passwords differ; nothing was done")
	}
	return first, err
}

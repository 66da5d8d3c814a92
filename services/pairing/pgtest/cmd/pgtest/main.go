// Command pgtest runs a command with a throw-away PostgreSQL beside it:
//
//	go run ./services/pairing/pgtest/cmd/pgtest -- make test-inner
//
// The command finds the server in TUTTI_TEST_POSTGRES_URL. When that is already
// set, the command just runs. The exit status is the command's.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/tutti-audio/tutti/services/pairing/pgtest"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		_, _ = fmt.Fprintln(os.Stderr, "usage: pgtest -- command [argument ...]")
		os.Exit(2)
	}
	os.Exit(run(args))
}

func run(args []string) int {
	url := os.Getenv(pgtest.EnvURL)
	if url == "" {
		c, err := pgtest.NewCluster(os.Stderr)
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "pgtest:", err)
			return 1
		}
		defer func() { _ = c.Stop() }()
		url = c.URL()
		_, _ = fmt.Fprintln(os.Stderr, pgtest.EnvURL+"="+url)
	}
	// The terminal signals the command too; we only have to outlive it.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)

	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), pgtest.EnvURL+"="+url)
	if err := cmd.Start(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "pgtest:", err)
		return 127
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGTERM {
				_ = cmd.Process.Signal(s)
			}
		case err := <-done:
			return status(err)
		}
	}
}

func status(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	default:
		_, _ = fmt.Fprintln(os.Stderr, "pgtest:", err)
		return 1
	}
}

// Package proc is what the measurements share: child processes of the same binary,
// processor time, and a description of the machine.
package proc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// CPU is the processor time that this process has used, user and system.
func CPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("proc: read processor time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// RSS is the resident memory of this process in bytes.
func RSS() (int64, error) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, fmt.Errorf("proc: read memory: %w", err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0, fmt.Errorf("proc: parse memory: %w", err)
	}
	return resident * int64(os.Getpagesize()), nil
}

// Child is a child process of the same binary that runs one of its roles. It ends
// when its standard input does, so it never outlives its parent.
type Child struct {
	// Out is the child's standard output, line by line.
	Out   *bufio.Scanner
	stdin io.WriteCloser
	cmd   *exec.Cmd
}

// Start runs this binary with args.
func Start(args ...string) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("proc: find own binary: %w", err)
	}
	c := &Child{cmd: exec.Command(self, args...)}
	c.cmd.Stderr = os.Stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("proc: start %s: %w", args[0], err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("proc: start %s: %w", args[0], err)
	}
	c.Out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("proc: start %s: %w", args[0], err)
	}
	return c, nil
}

// Line waits for the child's next line.
func (c *Child) Line() (string, error) {
	if !c.Out.Scan() {
		return "", fmt.Errorf("proc: child ended early: %w", io.ErrUnexpectedEOF)
	}
	return c.Out.Text(), nil
}

// Say sends the child a line.
func (c *Child) Say(line string) error {
	_, err := io.WriteString(c.stdin, line+"\n")
	return err
}

// Stop ends the child and waits for it.
func (c *Child) Stop() error {
	_ = c.stdin.Close()
	return c.cmd.Wait()
}

// Kill ends the child as kill -9 does, and waits for it.
func (c *Child) Kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("proc: kill: %w", err)
	}
	_ = c.cmd.Wait() // it says that it was killed
	return nil
}

// UntilStdinEnds blocks a child until its parent lets it go.
func UntilStdinEnds() { _, _ = io.Copy(io.Discard, os.Stdin) }

// Load is the machine's load average of the last minute, "unknown" where the system does
// not tell.
func Load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// Machine describes the processor, system and Go version, for the head of a table.
func Machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel := ""
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = strings.TrimSpace(string(b))
	}
	return fmt.Sprintf("%d × %s, %s %s, %s", runtime.NumCPU(), model, runtime.GOOS, kernel, runtime.Version())
}

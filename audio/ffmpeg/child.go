package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
	"unicode"
)

// keepWords is how much of what a child says on its standard error is kept: its end,
// which has the reason.
const keepWords = 2 << 10

// reapTime is how long the end of a killed child is waited for. Only one that hangs in
// the kernel (a dead network file system) takes longer; its reaper then waits on.
const reapTime = 3 * time.Second

// child is a running process and those of its group.
type child struct {
	cmd  *exec.Cmd
	out  *os.File // its standard output
	feed io.ReadCloser

	words  tail
	done   chan struct{} // closed when it has been waited for
	err    error         // of Wait; read after done
	detach func() bool
}

// start runs name. The child and all it starts die with ctx, or with close.
func start(ctx context.Context, name string, args []string, in Input, extra []*os.File, memory uint64) (*child, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe for %s: %w", name, err)
	}
	c := &child{cmd: exec.Command(name, args...), out: r, feed: in.Stream, done: make(chan struct{})}
	c.cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")} // no proxy, no settings of ours
	c.cmd.ExtraFiles, c.cmd.Stdout = extra, w
	// exec reads standard error on a goroutine of its own; it must not wait for pipes
	// that a grandchild holds.
	c.cmd.Stderr, c.cmd.WaitDelay = &c.words, time.Second
	c.cmd.SysProcAttr = ownGroup()
	stdin, err := c.stdin()
	if err == nil {
		err = c.cmd.Start()
	}
	_ = w.Close() // the child has its own
	if err != nil {
		_ = r.Close()
		if stdin != nil {
			_ = stdin.Close()
		}
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	limit(c.cmd.Process.Pid, memory)
	go c.supervise(stdin)
	c.detach = context.AfterFunc(ctx, c.kill)
	return c, nil
}

// stdin makes the pipe for Input.Stream; nil when there is none.
func (c *child) stdin() (io.WriteCloser, error) {
	if c.feed == nil {
		return nil, nil
	}
	return c.cmd.StdinPipe()
}

// supervise feeds the child and reaps it.
func (c *child) supervise(stdin io.WriteCloser) {
	defer close(c.done)
	var wg sync.WaitGroup
	if stdin != nil {
		wg.Go(func() {
			_, _ = io.Copy(stdin, c.feed) // the child says what came of it
			_ = stdin.Close()
		})
	}
	c.err = c.cmd.Wait()
	if c.feed != nil {
		_ = c.feed.Close() // wakes a copy that still reads
	}
	wg.Wait()
	killGroup(c.cmd.Process.Pid) // whatever it left behind
}

func (c *child) kill() {
	killGroup(c.cmd.Process.Pid)
	if c.feed != nil {
		_ = c.feed.Close()
	}
}

// close ends the child and waits for it.
func (c *child) close() {
	c.detach()
	select {
	case <-c.done:
	default:
		c.kill()
	}
	_ = c.out.Close()
	t := time.NewTimer(reapTime)
	defer t.Stop()
	select {
	case <-c.done:
	case <-t.C:
	}
}

// exit waits for the child, which has closed its output, and says what went wrong.
func (c *child) exit(within time.Duration) error {
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-c.done:
	case <-t.C:
		c.kill()
		return errors.New("it closed its output and did not end")
	}
	var ee *exec.ExitError
	if errors.As(c.err, &ee) && !ee.Exited() {
		return fmt.Errorf("it was ended by the system (%s)%s", ee, c.words.because())
	}
	if c.err != nil && !errors.Is(c.err, exec.ErrWaitDelay) {
		return fmt.Errorf("it gave up%s", c.words.because())
	}
	return nil
}

// tail keeps the end of what is written to it, within keepWords. Written by exec's
// goroutine, read by the owner of the child.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if len(p) > keepWords {
		p = p[len(p)-keepWords:]
	}
	t.b = append(t.b, p...)
	if len(t.b) > keepWords {
		t.b = append(t.b[:0], t.b[len(t.b)-keepWords:]...)
	}
	return n, nil
}

// because is the last line for an error message, or nothing.
func (t *tail) because() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.b)), "\n")
	last := strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, lines[len(lines)-1])
	if len(last) > 200 {
		last = last[:200]
	}
	if last = strings.ToValidUTF8(strings.ReplaceAll(last, "file:/dev/fd/3: ", ""), ""); last == "" {
		return ""
	}
	return ": " + last
}

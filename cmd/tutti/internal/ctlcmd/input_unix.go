//go:build unix

package ctlcmd

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// pollMS is how long one wait for input takes before it looks whether it is still wanted.
const pollMS = 50

// canAwait reports whether awaitInput can give up on in.
func canAwait(in io.Reader) bool { _, ok := in.(*os.File); return ok }

// awaitInput waits until in can be read without blocking; false when ctx ends first.
func awaitInput(ctx context.Context, in io.Reader) bool {
	f, ok := in.(*os.File)
	for ok && ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, pollMS)
		if err != nil && err != unix.EINTR || n > 0 {
			break
		}
	}
	return ctx.Err() == nil
}

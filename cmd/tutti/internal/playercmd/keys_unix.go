//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package playercmd

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

const howWithoutKeyboard = "send the signal USR1 to the player's process"

// lookEvery is how long one look at the input takes, in ms: the player ends that much
// later at most.
const lookEvery = 100

// readable waits a moment for input that this process may read. A terminal belongs to
// the process group in its foreground: for another one to read from it means to be
// stopped.
func readable(f *os.File) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, lookEvery)
	switch {
	case errors.Is(err, unix.EINTR) || err == nil && n == 0:
		return false, nil
	case err != nil:
		return false, err
	case foreground(f):
		return true, nil
	}
	_, err = unix.Poll(nil, lookEvery) // what is typed is somebody else's
	if errors.Is(err, unix.EINTR) {
		err = nil
	}
	return false, err
}

// foreground reports whether this process may use f as a terminal; true for what is
// none.
func foreground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

// singleKeys makes a terminal give single keys at once, without showing them; Ctrl-C
// stays what it is. restore takes that back.
func singleKeys(f *os.File) (restore func()) {
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil || !foreground(f) {
		return func() {}
	}
	keys := *before
	keys.Lflag &^= unix.ICANON | unix.ECHO
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 1, 0
	if unix.IoctlSetTermios(fd, setTermios, &keys) != nil {
		return func() {}
	}
	return func() {
		if foreground(f) {
			_ = unix.IoctlSetTermios(fd, setTermios, before)
		}
	}
}

// onGestureSignal takes SIGUSR1 for keyAllow, for a player without a keyboard, until
// ctx ends.
func onGestureSignal(ctx context.Context, press func(byte)) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1)
	defer signal.Stop(signals)
	for {
		select {
		case <-signals:
			press(keyAllow)
		case <-ctx.Done():
			return
		}
	}
}

// terminalWidth is the number of columns, 0 when it cannot be told.
func terminalWidth(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

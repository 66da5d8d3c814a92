//go:build unix

package ctlcmd

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyResize has c told when the terminal's size changes.
func notifyResize(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }

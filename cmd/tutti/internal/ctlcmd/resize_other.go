//go:build !unix

package ctlcmd

import "os"

// notifyResize does nothing here: the size is read at each frame.
func notifyResize(chan<- os.Signal) {}

//go:build unix

package vitals

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime is the processor time that the process has used, its own and the kernel's.
func processTime() (time.Duration, bool) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0, false
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), true
}

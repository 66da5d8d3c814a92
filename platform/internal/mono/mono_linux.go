//go:build linux

// Package mono reads the kernel's monotonic clock and the identity of its boot.
//
// Two processes with equal boot ids read the same clock, so their readings can
// be compared and subtracted; that is what deadlines on one host and the house
// clock rely on. CLOCK_MONOTONIC stands still while the machine is suspended.
package mono

import (
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Micros is CLOCK_MONOTONIC in microseconds. Safe for concurrent use; it never
// goes back within one boot.
func Micros() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		// CLOCK_MONOTONIC exists on every Linux that Go runs on.
		panic("mono: clock_gettime: " + err.Error())
	}
	return ts.Sec*1_000_000 + ts.Nsec/1_000
}

// bootID is read once: it cannot change while the process lives.
var bootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	id := strings.TrimSpace(string(b))
	if err != nil || id == "" {
		return processID()
	}
	return id
})

// BootID is the kernel's boot id, or, where it cannot be read, an id of this
// process alone (then nothing is shared with other processes).
func BootID() string { return bootID() }

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
	"time"

	"golang.org/x/sys/unix"
)

// anchor ties the Go runtime's reading of CLOCK_MONOTONIC (fast: no system call)
// to the clock's own value, which only a system call tells.
type anchor struct {
	base  time.Time
	nanos int64 // CLOCK_MONOTONIC at base
}

// anchored is taken once. Both readings are of the same clock, so the anchor
// never drifts; its error is half of the shortest time seen between two
// neighbouring reads, well under a microsecond.
var anchored = sync.OnceValue(func() anchor {
	var best anchor
	shortest := time.Duration(1<<63 - 1)
	for range 64 {
		before := time.Now()
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			// CLOCK_MONOTONIC exists on every Linux that Go runs on.
			panic("mono: clock_gettime: " + err.Error())
		}
		if took := time.Since(before); took < shortest {
			shortest = took
			best = anchor{base: before, nanos: ts.Nano() - int64(took)/2}
		}
	}
	return best
})

// micros is CLOCK_MONOTONIC in microseconds.
func micros() int64 {
	a := anchored()
	return (a.nanos + int64(time.Since(a.base))) / 1_000
}

// ownBootID is read once: it cannot change while the process lives.
var ownBootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	id := strings.TrimSpace(string(b))
	if err != nil || id == "" {
		return processID()
	}
	return id
})

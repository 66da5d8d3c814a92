//go:build !linux

// Package mono reads a monotonic clock and the identity of its origin.
//
// Outside Linux the origin is this process: readings cannot be compared with
// those of another process.
package mono

import (
	"sync"
	"time"
)

var start = sync.OnceValue(time.Now)

// micros is the monotonic time since the first call in microseconds, plus one
// hour so that readings are never near zero.
func micros() int64 { return time.Since(start()).Microseconds() + 3_600_000_000 }

var ownBootID = sync.OnceValue(processID)

package mono

import "sync/atomic"

// pretence stands in for the kernel's clock in tests of several hosts on one machine.
type pretence struct {
	bootID string
	offset int64 // µs
	ppb    int64 // rate difference, parts per 10⁹
}

var pretended atomic.Pointer[pretence]

// Pretend makes this process read the clock of another kernel: the real one's reading,
// faster by ppb parts per 10⁹ (at most 10⁶ either way), plus offset µs. Processes that pretend
// the same agree exactly. It must be called before the first reading.
func Pretend(bootID string, offset, ppb int64) {
	pretended.Store(&pretence{bootID, offset, ppb})
}

// Micros is CLOCK_MONOTONIC in microseconds. Safe for concurrent use; it never
// goes back within one boot.
func Micros() int64 {
	m := micros()
	if p := pretended.Load(); p != nil {
		return m + m/1_000_000_000*p.ppb + m%1_000_000_000*p.ppb/1_000_000_000 + p.offset
	}
	return m
}

// BootID is the kernel's boot id, or, where it cannot be read, an id of this
// process alone (then nothing is shared with other processes).
func BootID() string {
	if p := pretended.Load(); p != nil {
		return p.bootID
	}
	return ownBootID()
}

package mono

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Processes compare their readings, so Micros must be the kernel's clock and not
// merely a clock of the same rate: it lies between two system calls around it.
func TestMicrosIsTheKernelsClock(t *testing.T) {
	read := func() int64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			t.Fatal(err)
		}
		return ts.Nano() / 1_000
	}
	for range 10_000 {
		before, got, after := read(), Micros(), read()
		if got < before-1 || got > after+1 {
			t.Fatalf("Micros is %d, the kernel said %d before and %d after", got, before, after)
		}
	}
}

func BenchmarkMicros(b *testing.B) {
	for b.Loop() {
		Micros()
	}
}

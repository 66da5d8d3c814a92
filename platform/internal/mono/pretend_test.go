package mono

import "testing"

// Two pretended kernels run apart at their rate, and each is monotone.
func TestPretend(t *testing.T) {
	t.Cleanup(func() { pretended.Store(nil) })
	Pretend("other", 5_000_000, 100_000) // 100 ppm
	real := micros()
	got := Micros() - real - 5_000_000
	if want := real / 10_000; got < want || got > want+1_000_000 {
		t.Errorf("ahead by %d µs besides the offset, want %d and what passed in between", got, want)
	}
	if BootID() != "other" {
		t.Errorf("boot id %q", BootID())
	}
	last := Micros()
	for range 100_000 {
		now := Micros()
		if now < last {
			t.Fatalf("went back from %d to %d", last, now)
		}
		last = now
	}
}

package lease_test

import (
	"testing"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
)

// The next life of an embedded server takes over at once what the killed one
// held, with a higher fence.
func TestEvictAllFreesWhatAKilledProcessHeld(t *testing.T) {
	c := bustest.Embedded(t)
	old := acquire(t, manager(t, c, "old"), "group/1")
	next := manager(t, c, "next")
	if err := next.EvictAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := acquire(t, next, "group/1")
	if l.Fence() <= old.Fence() {
		t.Errorf("fence %d after %d", l.Fence(), old.Fence())
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

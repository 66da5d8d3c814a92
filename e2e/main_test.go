package e2e

import (
	"os"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

// eachModeAtOnce is eachMode for tests that wait more than they work: both forms at
// the same time, and beside other tests.
func eachModeAtOnce(t *testing.T, f func(t *testing.T, mode string)) {
	t.Parallel()
	for _, mode := range harness.Modes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f(t, mode)
		})
	}
}

// eachMode runs a test on both forms of the product.
func eachMode(t *testing.T, f func(t *testing.T, mode string)) {
	for _, mode := range harness.Modes() {
		t.Run(mode, func(t *testing.T) { f(t, mode) })
	}
}

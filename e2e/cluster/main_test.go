package cluster

import (
	"os"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/platform/nettest"
)

func TestMain(m *testing.M) {
	if code, inside := nettest.Inside(m, map[string]nettest.Role{"clock": askClock}); inside {
		os.Exit(code)
	}
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

package discovery

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/nettest"
)

func TestMain(m *testing.M) {
	if code, inside := nettest.Inside(m, roles); inside {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

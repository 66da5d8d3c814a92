package cluster

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

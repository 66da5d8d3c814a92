//go:build !alsa || !linux

package playercmd

import (
	"strings"
	"testing"
)

func TestALSAIsNamedWhereItIsMissing(t *testing.T) {
	c := New()
	c.SetArgs([]string{"--output", "alsa", "--identity", t.TempDir() + "/id"})
	c.SilenceErrors, c.SilenceUsage = true, true
	if err := c.ExecuteContext(t.Context()); err == nil || exitCode(err) != 1 || !strings.Contains(err.Error(), "-tags alsa") {
		t.Errorf("got %v", err)
	}
}

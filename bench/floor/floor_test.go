package floor

import (
	"os"
	"testing"
	"time"
)

// TestMain lets the test binary be its own reading child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == RoleReader {
		if err := Reader(); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestFloorRuns(t *testing.T) {
	for _, c := range []string{Plain, ChaCha, GCM} {
		res, err := Run(t.Context(), Config{Shape: Shapes()[0], Cipher: c, Players: 4, Duration: 100 * time.Millisecond})
		if err != nil || res.CoresPer1000 <= 0 {
			t.Errorf("%s: %+v, %v", c, res, err)
		}
	}
	if _, err := Run(t.Context(), Config{Shape: Shapes()[0], Cipher: "none", Players: 1}); err == nil {
		t.Error("unknown cipher passed")
	}
}

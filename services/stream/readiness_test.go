package stream

import (
	"testing"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// TestAHeartbeatSaysWhetherItIsReady: Health finds a process that runs and is of no use by
// its record.
func TestAHeartbeatSaysWhetherItIsReady(t *testing.T) {
	r := embedded(t)
	b, err := bus.OpenBucket[tuttiv1.Instance](t.Context(), r.bus, subject.BucketInstances, bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	until(t, func() string {
		v, _, err := b.Get(t.Context(), subject.InstanceKey("stream", "one"))
		switch {
		case err != nil:
			return err.Error()
		case !v.GetReadiness().GetReady():
			return "its record says that it is not ready: " + v.String()
		}
		return ""
	})
}

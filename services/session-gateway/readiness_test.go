package gateway

import (
	"testing"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// TestAHeartbeatSaysWhetherItIsReady: Health finds a process that runs and is of no use by
// its record.
func TestAHeartbeatSaysWhetherItIsReady(t *testing.T) {
	s := newShards(t, 2)
	g := s.gws[0]
	b, err := bus.OpenBucket[tuttiv1.Instance](t.Context(), g.bus, subject.BucketInstances, bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	says := func() (*tuttiv1.Instance, string) {
		v, _, err := b.Get(t.Context(), subject.InstanceKey(serviceName, "gw-1"))
		if err != nil {
			return nil, err.Error()
		}
		return v, ""
	}
	eventually(t, func() string {
		v, why := says()
		if why == "" && !v.GetReadiness().GetReady() {
			why = "its record says that it is not ready: " + v.String()
		}
		return why
	})
	s.drain(g)
	eventually(t, func() string {
		v, why := says()
		if why == "" && (v.GetReadiness() == nil || v.GetReadiness().GetReady() || v.GetReadiness().GetReason() == "" || !v.GetDraining()) {
			why = "it drains, and its record says: " + v.String()
		}
		return why
	})
}

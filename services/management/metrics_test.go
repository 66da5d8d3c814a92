package management_test

import (
	"fmt"
	"strings"
	"testing"
)

// What the deployment as a whole does is to be seen in the metrics, without a label
// for each device.
func TestMetricsTellTheState(t *testing.T) {
	w := newWorld(t)
	on, off, stranger := w.fakes.device("On"), w.fakes.device("Off", offline), w.fakes.device("Stranger", waiting("new"))
	w.known(on, off, stranger)
	eventually(t, func() error {
		got := string(w.getRaw("/metrics"))
		for _, want := range []string{
			`tutti_management_clients{connected="true"} 2`, `tutti_management_clients{connected="false"} 1`,
			"tutti_management_inbox_waiting 1", "tutti_management_groups_playing 0", `tutti_management_instances{service="management"} 1`, `tutti_management_instances{service="stream"} 0`, `tutti_health_findings{severity="serious"} 0`,
		} {
			if !strings.Contains(got, want) {
				return fmt.Errorf("no %s in the metrics", want)
			}
		}
		if strings.Contains(got, on) {
			t.Fatal("a client's id is in the metrics")
		}
		return nil
	})
}

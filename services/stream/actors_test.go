package stream

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
)

// families are the values of a counter of actors, by its only label.
func families(t *testing.T, reg *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if f.GetName() != name {
				continue
			}
			if len(m.GetLabel()) != 1 || m.GetLabel()[0].GetName() != "family" {
				t.Errorf("%s has the labels %v, want the family alone", name, m.GetLabel())
				continue
			}
			out[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	return out
}

// TestCrashesOfActorsAreCounted: a group whose record cannot be read crashes at its start,
// again and again. All families are there before anything has crashed.
func TestCrashesOfActorsAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := newEmbeddedRig(t)
	r.registerer = reg
	r.service(r.bus, "one")
	crashes := families(t, reg, "tutti_actor_crashes_total")
	for _, f := range []string{"group", "director", "scheduler"} {
		if n, ok := crashes[f]; !ok || n != 0 {
			t.Errorf("crashes of %s at the beginning: %v, there: %v; want 0", f, n, ok)
		}
	}
	garbage, err := bus.OpenBucket[wrapperspb.BytesValue](t.Context(), r.bus, subject.BucketGroups, bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// Its id is no text.
	if _, err := garbage.Put(t.Context(), "torn", &wrapperspb.BytesValue{Value: []byte{0xff}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	go func() { defer close(asked); _ = r.services["one"].reg.Activate(ctx, "torn") }() // it never runs
	defer func() { cancel(); <-asked }()
	until(t, func() string {
		if now := families(t, reg, "tutti_actor_crashes_total"); now["group"] == 0 {
			return fmt.Sprintf("no crash of a group is counted: %v", now)
		}
		return ""
	})
	known := []string{"director", "group", "scheduler"}
	for f := range families(t, reg, "tutti_actor_restarts_total") {
		if !slices.Contains(known, f) {
			t.Errorf("there is a family %q: labels must be bounded", f)
		}
	}
}

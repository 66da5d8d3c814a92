package bus_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
)

func TestWhichCopiesLag(t *testing.T) {
	info := &jetstream.StreamInfo{Cluster: &jetstream.ClusterInfo{Leader: "lead", Replicas: []*jetstream.PeerInfo{
		{Name: "good", Current: true, Active: time.Second},
		{Name: "near", Lag: 3, Active: time.Second},
		{Name: "behind", Lag: 4000, Active: time.Second},
		{Name: "away", Lag: 4000, Active: 4 * time.Second},
		{Name: "off", Lag: 4000, Offline: true},
	}}}
	for node, want := range map[string]bool{"": false, "lead": false, "good": false, "near": false, "behind": true, "away": false, "off": false, "unknown": false} {
		if got := bus.Lags(info, node); got != want {
			t.Errorf("%q: got %v, want %v", node, got, want)
		}
	}
	if bus.Lags(&jetstream.StreamInfo{}, "alone") {
		t.Error("a server that is alone lags behind itself")
	}
}

// Consumers are not put on a node whose copy of the stream catches up, while there are others.
func TestConsumersAvoidANodeThatLags(t *testing.T) {
	cluster := bustest.NewProcessCluster(t, 3)
	c := cluster.Connect()
	var bad atomic.Value
	bad.Store("")
	c.Pretend(func(node string) bool { return node == bad.Load() })
	if err := c.EnsureStream(t.Context(), bus.StreamConfig{Name: "S", Subjects: []string{"t.lag.>"}, Memory: true}); err != nil {
		t.Fatal(err)
	}
	direct, err := nats.Connect(cluster.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	js, err := jetstream.New(direct)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	// A consumer that was drawn on the wrong node goes a moment after its successor was made.
	nodes := func(n int) (out []string) {
		t.Helper()
		eventually(t, "consumers that nobody wants are gone", func() error {
			out = nil
			list := stream.ListConsumers(t.Context())
			for i := range list.Info() {
				out = append(out, i.Cluster.Leader)
			}
			if err := list.Err(); err != nil || len(out) != n {
				return fmt.Errorf("consumers on %v, want %d (%v)", out, n, err)
			}
			return nil
		})
		return out
	}

	if err := c.PublishRaw(t.Context(), "t.lag.x", []byte("0")); err != nil {
		t.Fatal(err)
	}
	collect(t, c, "S", bus.ConsumeOptions{FromAll: true}).wantSeries(t, 0, 1)
	bad.Store(nodes(1)[0])
	const followers = 8 // of which 2 or 3 would be drawn there
	for range followers {
		collect(t, c, "S", bus.ConsumeOptions{FromAll: true}).wantSeries(t, 0, 1)
	}
	there := 0
	all := nodes(followers + 1)
	for _, node := range all {
		if node == bad.Load() {
			there++
		}
	}
	// The one that was there stays. Of the others one in 81 is drawn there four times: more than two are not bad luck.
	if there < 1 || there > 3 {
		t.Errorf("consumers on %v, of which %d on %s", all, there, bad.Load())
	}
}

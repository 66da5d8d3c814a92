package bus

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A consumer lives on one node of a cluster, which NATS draws, and tells what that node's copy of
// the stream holds. The copy of a node that was cut off catches up when the node is back; that
// was seen to take more than 20 s, for which a consumer there looks alive and tells nothing. So
// one that is drawn there is drawn again. Consumers that live already stay where they are: without
// a leader of its metadata NATS makes no new ones, and a bad one is better than none.

const (
	// lagMost is by how many messages a copy may lag; healthy ones do for moments.
	lagMost = 32
	// unheardMost is for how long the stream's leader may not have heard of a copy whose
	// lag it tells. They speak once a second; one that is away is found by its heartbeats.
	unheardMost = 3 * time.Second
	// placements is how many consumers are made at most to get one on a good node.
	placements = 4
)

// lags tells whether a node's copy of a stream catches up with that of the leader, who told info.
func lags(info *jetstream.StreamInfo, node string) bool {
	if info.Cluster == nil || node == "" || node == info.Cluster.Leader {
		return false
	}
	for _, r := range info.Cluster.Replicas {
		if r.Name == node {
			return !r.Offline && r.Active < unheardMost && !r.Current && r.Lag > lagMost
		}
	}
	return false
}

// nodeOf is where a consumer lives; "" when the server is alone.
func nodeOf(cons jetstream.Consumer) string {
	if c := cons.CachedInfo().Cluster; c != nil {
		return c.Leader
	}
	return ""
}

// create makes a consumer, on a node that does not lag if one is drawn.
func (f *follower) create(ctx context.Context, s jetstream.Stream, cc jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	cons, err := s.CreateConsumer(ctx, cc)
	for range placements - 1 {
		if err != nil || !f.c.lags(s.CachedInfo(), nodeOf(cons)) {
			break
		}
		var next jetstream.Consumer
		if next, err = s.CreateConsumer(ctx, cc); err == nil {
			f.forget(cons)
			cons = next
		}
	}
	if cons != nil {
		return cons, nil // one that lags, at the worst
	}
	return nil, err
}

// forget removes a consumer from the server when that is quick; else the server does so after
// consumerIdle.
func (f *follower) forget(cons jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_ = f.c.js.DeleteConsumer(ctx, f.stream, cons.CachedInfo().Name)
}

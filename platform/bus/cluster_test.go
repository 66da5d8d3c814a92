package bus_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
)

// clusterRig is a bucket, an event stream, a memory stream and an endpoint on a cluster,
// with a watch and consumers that run throughout.
type clusterRig struct {
	t      *testing.T
	cl     *bustest.Cluster
	c      *bus.Conn
	b      *bucket
	view   *view
	events *collector
	step   int
	want   []string
}

func newClusterRig(t *testing.T, cl *bustest.Cluster) *clusterRig {
	t.Helper()
	r := &clusterRig{t: t, cl: cl, c: cl.Connect()}
	ctx := t.Context()
	for _, cfg := range []bus.StreamConfig{
		{Name: "EV", Subjects: []string{"t.ev.>"}}, {Name: "MEM", Subjects: []string{"t.mem.>"}, Memory: true},
	} {
		if err := r.c.EnsureStream(ctx, cfg); err != nil {
			t.Fatal(err)
		}
	}
	r.b = open(t, r.c, "state", bus.BucketOptions{History: 1})
	r.view = newView(t, r.b, ">")
	r.events = collect(t, r.c, "EV", bus.ConsumeOptions{FromAll: true})
	svc := service(t, r.c, "echo")
	if err := bus.Handle(svc, "t.echo", func(_ context.Context, q *str) (*str, error) { return q, nil }); err != nil {
		t.Fatal(err)
	}
	return r
}

// work does one of everything, and expects that it is done once.
func (r *clusterRig) work(when string) {
	t := r.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	r.step++
	v := fmt.Sprintf("%d-%s", r.step, when)
	if _, err := r.b.Put(ctx, "k", s(v)); err != nil {
		t.Fatalf("%s: put: %v", when, err)
	}
	got, rev, err := r.b.Get(ctx, "k")
	if err != nil || got.Value != v {
		t.Fatalf("%s: read %v, %v after %s was acknowledged", when, got, err, v)
	}
	if _, err := r.b.Update(ctx, "k", s(v+"!"), rev); err != nil {
		t.Fatalf("%s: update: %v", when, err)
	}
	_, err = r.b.Update(ctx, "k", s("late"), rev)
	wantCode(t, err, fault.Conflict)
	if err := r.c.PublishEvent(ctx, "t.ev.a", s(v)); err != nil {
		t.Fatalf("%s: event: %v", when, err)
	}
	r.want = append(r.want, v)
	if err := r.c.PublishEvent(ctx, "t.mem.a", s(v)); err != nil {
		t.Fatalf("%s: memory stream: %v", when, err)
	}
	if err := r.c.RequestAgain(ctx, "t.echo", s(v), nil); err != nil {
		t.Fatalf("%s: request: %v", when, err)
	}
	r.view.want(t, fmt.Sprintf("map[k:%s!]", v))
	eventually(t, when+": every event came once and in order", func() error {
		got := r.events.all()
		if len(got) != len(r.want) {
			return fmt.Errorf("got %d events %q, want %d", len(got), got, len(r.want))
		}
		for i := range got {
			if !strings.Contains(got[i], r.want[i]) {
				return fmt.Errorf("event %d is %q, want %q", i, got[i], r.want[i])
			}
		}
		return nil
	})
}

// TestClusterNodesStop takes each node away in turn, the leaders of everything among
// them, and brings it back: nothing that was acknowledged is lost, nothing comes twice.
func TestClusterNodesStop(t *testing.T) {
	r := newClusterRig(t, bustest.NewCluster(t, 3))
	r.work("before")
	for _, who := range []struct {
		name string
		node func() int
	}{
		{"meta leader", r.cl.MetaLeader},
		{"leader of the bucket", func() int { return r.cl.StreamLeader("KV_state") }},
		{"leader of the events", func() int { return r.cl.StreamLeader("EV") }},
		{"leader of the memory stream", func() int { return r.cl.StreamLeader("MEM") }},
	} {
		i := who.node()
		r.cl.StopNode(i)
		r.work("without the " + who.name)
		r.cl.StartNode(i)
		r.cl.WaitReady()
		r.cl.WaitCurrent("KV_state", "EV", "MEM")
		r.work("with the " + who.name + " again")
	}
}

// TestClusterNodeKilled kills the leader of a bucket and its events, which takes an
// election, and then the node that this process talks to.
func TestClusterNodeKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short leaves the external nats-server out")
	}
	r := newClusterRig(t, bustest.NewProcessCluster(t, 3))
	r.work("before")
	for _, stream := range []string{"KV_state", "EV"} {
		i := r.cl.StreamLeader(stream)
		r.cl.StopNode(i)
		r.work("after the leader of " + stream + " was killed")
		r.cl.StartNode(i)
		r.cl.WaitReady()
		r.cl.WaitCurrent("KV_state", "EV", "MEM")
		r.work("when it is back")
	}
}

// TestClusterRestarts stops all nodes: files are there again, what was in memory is not,
// and consumers go on with what comes then.
func TestClusterRestarts(t *testing.T) {
	r := newClusterRig(t, bustest.NewCluster(t, 3))
	ctx := t.Context()
	mem := open(t, r.c, "mem", bus.BucketOptions{Memory: true, History: 1})
	view := newView(t, mem, ">")
	tape := collect(t, r.c, "MEM", bus.ConsumeOptions{Subject: "t.mem.>", FromAll: true})
	for i := range 5 {
		if _, err := mem.Put(ctx, fmt.Sprint("k", i), s("before")); err != nil {
			t.Fatal(err)
		}
		r.work("before")
	}
	view.want(t, "map[k0:before k1:before k2:before k3:before k4:before]")
	for i := range r.cl.Size() {
		r.cl.StopNode(i)
	}
	unhealthy(t, r.c)
	for i := range r.cl.Size() {
		r.cl.StartNode(i)
	}
	r.cl.WaitReady()
	r.work("after")
	if _, err := mem.Put(ctx, "k9", s("after")); err != nil {
		t.Fatal(err)
	}
	view.want(t, "map[k9:after]")
	eventually(t, "the memory stream is heard from its new beginning", func() error {
		got := tape.all()
		if n := len(got); n == 0 || !strings.Contains(got[n-1], "after") {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
}

// wantReplicas asks with a client of its own for the number of replicas: a stream whose nodes have
// just become others answers when it has a leader.
func wantReplicas(t *testing.T, url, name string, want int) {
	t.Helper()
	nc, err := nats.Connect(url, nats.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "replicas of stream "+name, func() error {
		st, err := js.Stream(t.Context(), name)
		if err == nil && st.CachedInfo().Config.Replicas != want {
			err = fmt.Errorf("got %d, want %d", st.CachedInfo().Config.Replicas, want)
		}
		return err
	})
}

func makeAll(t *testing.T, c *bus.Conn) error {
	t.Helper()
	ctx := t.Context()
	if _, err := bus.OpenBucket[str](ctx, c, "owned", bus.BucketOptions{History: 1}); err != nil {
		return err
	}
	if _, err := bus.OpenBucket[str](ctx, c, "plain", bus.BucketOptions{}); err != nil {
		return err
	}
	if err := c.EnsureStream(ctx, bus.StreamConfig{Name: "EV", Subjects: []string{"t.ev.>"}}); err != nil {
		return err
	}
	if err := c.EnsureStream(ctx, bus.StreamConfig{Name: "MEM", Subjects: []string{"t.mem.>"}, Memory: true}); err != nil {
		return err
	}
	_, err := c.EnsureObjects(ctx, bus.ObjectsConfig{Name: "clips", MaxBytes: 1 << 20})
	return err
}

// TestReplicasGrow: what exists is given more replicas when the number has grown, and
// keeps them when a process asks for fewer.
func TestReplicasGrow(t *testing.T) {
	cl := bustest.NewCluster(t, 3)
	for _, step := range []struct{ ask, want int }{{1, 1}, {3, 3}, {1, 3}} {
		c := connectWith(t, bus.Config{URL: cl.URL(), Replicas: step.ask})
		if err := makeAll(t, c); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"KV_owned", "KV_plain", "EV", "MEM", "OBJ_clips"} {
			wantReplicas(t, cl.URL(), name, step.want)
		}
	}
}

// TestTooFewNodes: what cannot be made says why and what to do; what exists goes on with
// the replicas that it has.
func TestTooFewNodes(t *testing.T) {
	single := connectWith(t, bus.Config{URL: bustest.StartServer(t).URL(), Replicas: 3})
	err := makeAll(t, single)
	wantCode(t, err, fault.Unavailable)
	for _, part := range []string{"owned", "single server", "--nats-replicas 1"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("a single server: %q does not say %q", err, part)
		}
	}

	cl := bustest.NewCluster(t, 2)
	open(t, connectWith(t, bus.Config{URL: cl.URL()}), "owned", bus.BucketOptions{History: 1})
	c := connectWith(t, bus.Config{URL: cl.URL(), Replicas: 3})
	b := open(t, c, "owned", bus.BucketOptions{History: 1})
	if _, err := b.Put(t.Context(), "k", s("v")); err != nil {
		t.Fatalf("what exists cannot be used by who wants more replicas: %v", err)
	}
	wantReplicas(t, cl.URL(), "KV_owned", 1) // as before
	_, err = bus.OpenBucket[str](t.Context(), c, "new", bus.BucketOptions{History: 1})
	wantCode(t, err, fault.Unavailable)
	for _, part := range []string{"KV_new", "3 replicas", "Start the missing nodes", "--nats-replicas 1"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("two nodes: %q does not say %q", err, part)
		}
	}
}

func connectWith(t *testing.T, cfg bus.Config) *bus.Conn {
	t.Helper()
	c, err := bus.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

package bus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
)

func healthy(t *testing.T, c *bus.Conn) {
	t.Helper()
	eventually(t, "the bus is healthy", c.Healthy)
}

func unhealthy(t *testing.T, c *bus.Conn) {
	t.Helper()
	eventually(t, "the bus is unhealthy", func() error {
		if c.Healthy() == nil {
			return errors.New("still healthy")
		}
		return nil
	})
}

// TestServerComesBack stops the server under a running consumer, watch and
// endpoint, changes things behind the watcher's back, and starts it again. Memory
// streams and buckets are lost on the way, files are not.
func TestServerComesBack(t *testing.T) {
	for _, memory := range []bool{false, true} {
		t.Run(fmt.Sprintf("memory=%v", memory), func(t *testing.T) { comesBack(t, memory) })
	}
}

func comesBack(t *testing.T, memory bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // and not a request's five seconds
	defer cancel()
	srv := bustest.StartServer(t)
	c := bustest.Connect(t, srv)
	healthy(t, c)
	if err := c.EnsureStream(ctx, bus.StreamConfig{Name: "S", Subjects: []string{"t.s.>"}, Memory: memory}); err != nil {
		t.Fatal(err)
	}
	b := open(t, c, "state", bus.BucketOptions{Memory: memory, History: 1})
	v := newView(t, b, ">")
	msgs := collect(t, c, "S", bus.ConsumeOptions{FromAll: true})
	svc := service(t, c, "back")
	if err := bus.Handle(svc, "t.back", func(_ context.Context, r *str) (*str, error) { return r, nil }); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := b.Put(ctx, fmt.Sprint("k", i), s("before")); err != nil {
			t.Fatal(err)
		}
		if err := c.PublishEvent(ctx, "t.s.a", s("before")); err != nil {
			t.Fatal(err)
		}
	}
	v.want(t, "map[k0:before k1:before k2:before k3:before k4:before]")
	heard := func(n int, last string) {
		t.Helper()
		eventually(t, "the consumer hears "+last, func() error {
			if got := msgs.all(); len(got) != n || !strings.Contains(got[n-1], last) {
				return fmt.Errorf("got %q", got)
			}
			return nil
		})
	}
	heard(5, "before") // what it has not heard goes with the server's memory

	srv.Stop()
	unhealthy(t, c)
	wantCode(t, c.Publish(ctx, "t.x", s("")), fault.Unavailable)
	wantCode(t, c.PublishRaw(ctx, "t.s.a", nil), fault.Unavailable)
	short, done := context.WithTimeout(ctx, 20*time.Millisecond)
	defer done()
	wantCode(t, c.Request(short, "t.back", s(""), nil), fault.Unavailable)

	srv.Start()
	// These wait for the connection within their own deadline.
	if _, err := b.Put(ctx, "k0", s("after")); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(ctx, "k1"); err != nil {
		t.Fatal(err)
	}
	if err := c.PublishEvent(ctx, "t.s.a", s("after")); err != nil {
		t.Fatal(err)
	}
	healthy(t, c)
	want := "map[k0:after k2:before k3:before k4:before]"
	if memory {
		want = "map[k0:after]"
	}
	v.want(t, want)
	heard(6, "after")
	if err := c.Request(ctx, "t.back", s("x"), nil); err != nil {
		t.Fatal(err)
	}
}

// TestChangesWhileAway: another process writes while this one is cut off.
func TestChangesWhileAway(t *testing.T) {
	ctx := t.Context()
	srv := bustest.StartServer(t)
	here := bustest.Connect(t, srv)
	b := open(t, here, "away", bus.BucketOptions{})
	for _, k := range []string{"stays", "changes", "goes"} {
		if _, err := b.Put(ctx, k, s("1")); err != nil {
			t.Fatal(err)
		}
	}
	v := newView(t, b, ">")
	v.want(t, "map[changes:1 goes:1 stays:1]")
	srv.Stop()
	unhealthy(t, here)
	srv.Start()
	there := bustest.Connect(t, srv)
	other := open(t, there, "away", bus.BucketOptions{})
	if _, err := other.Put(ctx, "changes", s("2")); err != nil {
		t.Fatal(err)
	}
	if err := other.Delete(ctx, "goes"); err != nil {
		t.Fatal(err)
	}
	v.want(t, "map[changes:2 stays:1]")
}

func TestConnectWaitsForTheServer(t *testing.T) {
	srv := bustest.StartServer(t)
	srv.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := bus.Connect(ctx, bus.Config{URL: srv.URL()})
	wantCode(t, err, fault.Unavailable)

	type result struct {
		c   *bus.Conn
		err error
	}
	got := make(chan result, 1)
	go func() {
		c, err := bus.Connect(t.Context(), bus.Config{URL: srv.URL()})
		got <- result{c, err}
	}()
	srv.Start()
	r := <-got
	if r.err != nil {
		t.Fatal(r.err)
	}
	if err := r.c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.c.Healthy() == nil {
		t.Fatal("a closed connection says that it is healthy")
	}
}

func TestBadAddress(t *testing.T) {
	for _, url := range []string{"", "host", "://"} {
		_, err := bus.Connect(t.Context(), bus.Config{URL: url})
		if err == nil {
			t.Fatalf("address %q was accepted", url)
		}
	}
	_, err := bus.Connect(t.Context(), bus.Config{URL: "nats://u:hunter2@%zz"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("bad address: %v", err)
	}
}

// TestEmbeddedSurvivesKill re-runs this test binary as a child that writes and is
// killed with SIGKILL right after the acknowledgements.
func TestEmbeddedSurvivesKill(t *testing.T) {
	if dir := os.Getenv("TUTTI_TEST_KILL_DIR"); dir != "" {
		writeAndWait(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestEmbeddedSurvivesKill$")
	cmd.Env = append(os.Environ(), "TUTTI_TEST_KILL_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 7)
	if _, err := out.Read(buf); err != nil || string(buf) != "written" {
		t.Fatalf("child said %q, %v", buf, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as asked

	c, err := bus.Connect(t.Context(), bus.Config{Embedded: &bus.EmbeddedConfig{StoreDir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	b := open(t, c, "kill", bus.BucketOptions{})
	for i := range 100 {
		if v, _, err := b.Get(t.Context(), fmt.Sprint("k", i%10)); err != nil || v.Value != fmt.Sprint(90+i%10) {
			t.Fatalf("key k%d: %v %v", i%10, v, err)
		}
	}
}

func writeAndWait(t *testing.T, dir string) {
	c, err := bus.Connect(t.Context(), bus.Config{Embedded: &bus.EmbeddedConfig{StoreDir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, c, "kill", bus.BucketOptions{})
	for i := range 100 {
		if _, err := b.Put(t.Context(), fmt.Sprint("k", i%10), s(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Print("written")
	select {} // until the parent kills us
}

func TestOneServerPerStore(t *testing.T) {
	dir := t.TempDir()
	cfg := bus.Config{Embedded: &bus.EmbeddedConfig{StoreDir: dir}}
	c, err := bus.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Connect(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "another process uses "+dir) {
		t.Fatalf("second server: %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err = bus.Connect(t.Context(), cfg); err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

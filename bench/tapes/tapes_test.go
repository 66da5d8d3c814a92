// Package tapes measures ways to carry tapes over the bus: core NATS, and JetStream memory
// streams with one and three replicas. The numbers of docs/adr/0035 come from it:
//
//	TUTTI_TAPES=1 go test -v -run TestTapes ./tapes
package tapes

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
)

// What is carried: groups tapes of 100 ms chunks, as FLAC at 44.1 kHz makes them.
const (
	groups   = 40
	chunk    = 11_000 // bytes
	gateways = 3
	each     = 100 * time.Millisecond
)

// heard collects how long chunks took from publish to a gateway.
type heard struct {
	mu   sync.Mutex
	took []time.Duration
}

func (h *heard) add(data []byte) {
	d := time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(data))))
	h.mu.Lock()
	h.took = append(h.took, d)
	h.mu.Unlock()
}

// percentile of what is sorted.
func percentile(d []time.Duration, p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[min(int(p*float64(len(d))), len(d)-1)]
}

func cpu(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func connect(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, nats.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// way is one way to carry tapes.
type way struct {
	name     string
	replicas int  // of the stream; 0: core NATS
	wait     bool // for each acknowledgement
}

func TestTapes(t *testing.T) {
	length := 500 * time.Millisecond // as a test: it must work
	if s := os.Getenv("TUTTI_TAPES"); s != "" {
		length = 8 * time.Second
		if n, err := strconv.Atoi(s); err == nil && n > 1 {
			length = time.Duration(n) * time.Second
		}
	}
	c := bustest.NewCluster(t, 3)
	for _, w := range []way{{"core", 0, false}, {"memory R1", 1, false}, {"memory R3", 3, false}, {"memory R1, each acknowledged", 1, true}, {"memory R3, each acknowledged", 3, true}} {
		t.Run(w.name, func(t *testing.T) { measure(t, c, w, length) })
	}
}

func measure(t *testing.T, c *bustest.Cluster, w way, length time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	prefix := fmt.Sprintf("bench%d%v", w.replicas, w.wait)
	pub := connect(t, c.NodeURL(0))
	js, err := jetstream.New(pub)
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{}
	var reached []chan struct{} // of core NATS: a gateway has heard of something
	if w.replicas > 0 {
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: prefix, Subjects: []string{prefix + ".>"}, Storage: jetstream.MemoryStorage,
			Replicas: w.replicas, MaxAge: time.Minute, MaxBytes: 64 << 20}); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = js.DeleteStream(context.Background(), prefix) }()
	}
	for i := range gateways {
		nc := connect(t, c.NodeURL(i%c.Size()))
		if w.replicas == 0 {
			up := make(chan struct{}, 1)
			reached = append(reached, up)
			if _, err := nc.Subscribe(prefix+".>", func(m *nats.Msg) {
				if m.Subject != prefix+".up" {
					h.add(m.Data)
					return
				}
				select {
				case up <- struct{}{}:
				default:
				}
			}); err != nil {
				t.Fatal(err)
			}
		} else {
			gjs, err := jetstream.New(nc)
			if err != nil {
				t.Fatal(err)
			}
			cons, err := gjs.OrderedConsumer(ctx, prefix, jetstream.OrderedConsumerConfig{})
			if err != nil {
				t.Fatal(err)
			}
			cc, err := cons.Consume(func(m jetstream.Msg) { h.add(m.Data()) })
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Stop()
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	for _, up := range reached { // interest travels from node to node, and what comes before it is lost
		for heard := false; !heard; {
			if err := pub.Publish(prefix+".up", nil); err != nil {
				t.Fatal(err)
			}
			select {
			case <-up:
				heard = true
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				t.Fatal("a gateway hears nothing")
			}
		}
	}
	before, began := cpu(t), time.Now()
	var sent int
	var cost []time.Duration
	tick := time.NewTicker(each)
	defer tick.Stop()
	for time.Since(began) < length {
		<-tick.C
		for g := range groups {
			data := make([]byte, chunk)
			binary.BigEndian.PutUint64(data, uint64(time.Now().UnixNano()))
			m := &nats.Msg{Subject: prefix + "." + strconv.Itoa(g), Data: data}
			at := time.Now()
			switch {
			case w.replicas == 0:
				err = pub.PublishMsg(m)
			case w.wait:
				_, err = js.PublishMsg(ctx, m)
			default:
				_, err = js.PublishMsgAsync(m)
			}
			if err != nil {
				t.Fatal(err)
			}
			cost = append(cost, time.Since(at))
			sent++
		}
	}
	if err := pub.FlushWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	want := sent * gateways
	for n := 0; n < want && ctx.Err() == nil; {
		h.mu.Lock()
		n = len(h.took)
		h.mu.Unlock()
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			t.Errorf("%d of %d arrived", n, want)
		}
	}
	used := cpu(t) - before
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.Sort(h.took)
	slices.Sort(cost)
	t.Logf("%-30s %5d chunks: publish p50 %v p99 %v; to a gateway p50 %v p99 %v; CPU of servers, publisher and %d gateways together %v a chunk", w.name, sent,
		percentile(cost, .5).Round(time.Microsecond), percentile(cost, .99).Round(time.Microsecond),
		percentile(h.took, .5).Round(10*time.Microsecond), percentile(h.took, .99).Round(10*time.Microsecond), gateways, (used / time.Duration(sent)).Round(time.Microsecond))
}

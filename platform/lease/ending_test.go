package lease_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/lease"
)

// A process that ends while its renewal is on its way is gone at once: the renewal is taken, and
// not waited for, so the life has a revision that the process does not know.
func TestCloseDuringARenewal(t *testing.T) {
	srv := bustest.StartServer(t)
	direct := bustest.Connect(t, srv)
	addr, lives, answers := watched(t, strings.TrimPrefix(srv.URL(), "nats://"))
	c, err := bus.Connect(t.Context(), bus.Config{URL: "nats://" + addr})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	clock := clockwork.NewFakeClock()
	a, err := lease.NewManager(c, "a", lease.Options{TTL: lasting, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	l := acquire(t, a, "k")
	if err := clock.BlockUntilContext(ctx, 1); err != nil {
		t.Fatal(err)
	}
	begun := lives.Load()
	written := func(what string, n int64) {
		t.Helper()
		within(t, time.Minute, func() error {
			if got := lives.Load() - begun; got < n {
				return fmt.Errorf("%s: %d writes, want %d", what, got, n)
			}
			return nil
		})
	}
	answers.Lock()
	clock.Advance(lasting / 3)
	written("the renewal", 1)
	closed := make(chan error, 1)
	go func() { closed <- a.Close(ctx) }()
	written("the end", 2)
	answers.Unlock()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if next := acquire(t, manager(t, direct, "b"), "k"); next.Fence() <= l.Fence() {
		t.Errorf("fence %d after %d", next.Fence(), l.Fence())
	}
}

// watched is a way to addr that counts what the client writes to the bucket of lives. The
// server's answers wait while answers is locked. It ends with the test.
func watched(t *testing.T, to string) (addr string, lives *atomic.Int64, answers *sync.Mutex) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lives, answers = new(atomic.Int64), new(sync.Mutex)
	var work sync.WaitGroup
	t.Cleanup(work.Wait)
	t.Cleanup(func() { _ = ln.Close() })
	carry := func(client, server net.Conn) {
		end := func() { _ = client.Close(); _ = server.Close() }
		defer end()
		work.Go(func() {
			defer end()
			for buf := make([]byte, 32<<10); ; {
				n, err := server.Read(buf)
				answers.Lock()
				_, werr := client.Write(buf[:n])
				answers.Unlock()
				if err != nil || werr != nil {
					return
				}
			}
		})
		for r := bufio.NewReader(client); ; {
			line, err := r.ReadBytes('\n')
			_, werr := server.Write(line)
			if bytes.HasPrefix(line, []byte("HPUB $KV."+lease.LivesName+".")) {
				lives.Add(1)
			}
			if err != nil || werr != nil {
				return
			}
		}
	}
	work.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			work.Go(func() { carry(client, server) })
		}
	})
	return ln.Addr().String(), lives, answers
}

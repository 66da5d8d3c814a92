package bus_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
)

// A node of a cluster may drop a question for messages because it has not heard of the
// consumer yet. Whoever follows the stream asks again, and does not wait for the consumer
// to be found dead.
func TestTheFirstQuestionForMessagesIsLost(t *testing.T) {
	srv := bustest.StartServer(t)
	direct := bustest.Connect(t, srv)
	if err := direct.EnsureStream(t.Context(), bus.StreamConfig{Name: "S", Subjects: []string{"t.first.>"}, Memory: true}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := direct.Publish(t.Context(), "t.first.x", s(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	stop, err := bus.Subscribe(direct, "$XS.>", func(context.Context, string, *str) {}) // else the question is answered by "no responders"
	if err != nil {
		t.Fatal(err)
	}
	defer stop()

	url, lost := losing(t, strings.TrimPrefix(srv.URL(), "nats://"), "PUB $JS.API.CONSUMER.MSG.NEXT.", "PUB $XS.API.CONSUMER.MSG.NEXT.")
	log := &lockedBuffer{}
	c, err := bus.Connect(t.Context(), bus.Config{URL: "nats://" + url, Name: t.Name(), Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // behind the end of the consumer
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	healthy(t, c)
	got := collect(t, c, "S", bus.ConsumeOptions{FromAll: true})
	eventually(t, "all messages come", func() error {
		if n := len(got.all()); n != 3 {
			return fmt.Errorf("%d of 3", n)
		}
		return nil
	})
	if !lost.Load() {
		t.Error("no question was lost: the test tests nothing")
	}
	if told := log.String(); strings.Contains(told, "no heartbeat received") {
		t.Errorf("it was waited until the consumer was found dead:\n%s", told)
	}
}

// losing is a way to addr on which the first line from the client of each subject that begins
// with what begins with instead, which is as long. It ends with the test.
func losing(t *testing.T, addr, what, instead string) (string, *atomic.Bool) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var lost atomic.Bool
	var work sync.WaitGroup
	t.Cleanup(work.Wait)
	t.Cleanup(func() { _ = ln.Close() })
	carry := func(client, server net.Conn) {
		defer func() { _ = client.Close(); _ = server.Close() }()
		work.Go(func() {
			defer func() { _ = client.Close(); _ = server.Close() }()
			_, _ = io.Copy(client, server)
		})
		seen := map[string]bool{}
		for r := bufio.NewReader(client); ; {
			line, err := r.ReadBytes('\n')
			if subject, _, _ := bytes.Cut(bytes.TrimPrefix(line, []byte("PUB ")), []byte(" ")); bytes.HasPrefix(line, []byte(what)) && !seen[string(subject)] {
				seen[string(subject)] = true
				lost.Store(true)
				copy(line, instead)
			}
			if _, werr := server.Write(line); err != nil || werr != nil {
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
			server, err := net.Dial("tcp", addr)
			if err != nil {
				_ = client.Close()
				continue
			}
			work.Go(func() { carry(client, server) })
		}
	})
	return ln.Addr().String(), &lost
}

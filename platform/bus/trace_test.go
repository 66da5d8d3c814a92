package bus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
)

// captured collects the log of one process.
type captured struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *captured) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

// handled are the requests that have a line, as "subject code" by their trace id.
func (c *captured) handled(t *testing.T, trace string) (out []string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for line := range strings.Lines(c.b.String()) {
		var l struct{ Msg, Subject, Code, Trace string }
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		l.Msg, _ = m["msg"].(string)
		l.Subject, _ = m["subject"].(string)
		l.Code, _ = m["code"].(string)
		l.Trace, _ = m["trace_id"].(string)
		if l.Msg == "bus: request handled" && l.Trace == trace {
			out = append(out, l.Subject+" "+l.Code)
		}
	}
	return out
}

// This is the bus's part of following a request; e2e/trace_test.go follows orders through
// the services themselves. A request goes from one process to a second and a third. Their logs, searched for one trace id, show its way and where it
// failed, and no other request.
func TestARequestPassesItsTraceOn(t *testing.T) {
	server := bustest.StartServer(t)
	process := func() (*bus.Conn, *captured) {
		log := &captured{}
		c, err := bus.Connect(t.Context(), bus.Config{URL: server.URL(), Name: "trace test",
			Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) }) // the test is over
		return c, log
	}
	edge, _ := process()
	first, firstLog := process()
	second, secondLog := process()
	third, thirdLog := process()
	pass := func(c *bus.Conn, to string) func(context.Context, *str) (*str, error) {
		return func(ctx context.Context, r *str) (*str, error) {
			var got str
			err := c.Request(ctx, to, r, &got)
			return &got, err
		}
	}
	handle := func(c *bus.Conn, name string, h func(context.Context, *str) (*str, error)) {
		t.Helper()
		if err := bus.Handle(service(t, c, name), "t."+name+".do", h); err != nil {
			t.Fatal(err)
		}
	}
	handle(first, "first", pass(first, "t.second.do"))
	handle(second, "second", pass(second, "t.third.do"))
	handle(third, "third", func(_ context.Context, r *str) (*str, error) {
		if r.Value == "bad" {
			return nil, fault.New(fault.NotFound, "no such thing")
		}
		return r, nil
	})
	var got str
	eventually(t, "the server knows all three endpoints", func() error {
		return edge.Request(bus.WithTraceID(t.Context(), "trace-warm"), "t.first.do", s("warm"), &got)
	})
	if err := edge.Request(bus.WithTraceID(t.Context(), "trace-good"), "t.first.do", s("good"), &got); err != nil {
		t.Fatal(err)
	}
	if err := edge.Request(bus.WithTraceID(t.Context(), "trace-bad"), "t.first.do", s("bad"), &got); fault.CodeOf(err) != fault.NotFound {
		t.Fatalf("got %v, want not found from the third service", err)
	}
	for name, log := range map[string]*captured{"first": firstLog, "second": secondLog, "third": thirdLog} {
		for trace, code := range map[string]string{"trace-good": "ok", "trace-bad": string(fault.NotFound)} {
			want := "t." + name + ".do " + code
			eventually(t, name+"'s line for "+trace, func() error { // it is written behind the answer
				if lines := log.handled(t, trace); len(lines) != 1 || lines[0] != want {
					return fmt.Errorf("%q, want %q alone", lines, want)
				}
				return nil
			})
		}
	}
}

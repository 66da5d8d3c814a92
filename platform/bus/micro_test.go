package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
)

// TestMicroTools asks what "nats micro ls", "info" and "stats" ask, through the socket
// of an embedded server that listens.
func TestMicroTools(t *testing.T) {
	c, err := bus.Connect(t.Context(), bus.Config{Embedded: &bus.EmbeddedConfig{StoreDir: t.TempDir(), Listen: "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	svc := service(t, c, "pairing")
	if err := bus.Handle(svc, "tutti.v1.pairing.audit.list", func(_ context.Context, r *str) (*str, error) {
		if r.Value == "bad" {
			return nil, fault.New(fault.NotFound, "no such thing")
		}
		return r, nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"good", "bad", "good"} {
		if err := c.Request(t.Context(), "tutti.v1.pairing.audit.list", s(v), nil); (err != nil) != (v == "bad") {
			t.Fatal(err)
		}
	}
	nc, err := nats.Connect("nats://" + c.ListenAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ask := func(verb string, into any) {
		t.Helper()
		m, err := nc.Request("$SRV."+verb+".pairing", nil, time.Minute)
		if err != nil {
			t.Fatalf("%s: %v", verb, err)
		}
		if err := json.Unmarshal(m.Data, into); err != nil {
			t.Fatal(err)
		}
	}
	var info micro.Info
	ask("INFO", &info)
	if info.Name != "pairing" || info.Version != "1.2.3" || info.Metadata["instance_id"] != "i1" ||
		len(info.Endpoints) != 1 || info.Endpoints[0].Name != "audit-list" {
		t.Errorf("info: %+v", info)
	}
	eventually(t, "statistics", func() error {
		var stats micro.Stats
		ask("STATS", &stats)
		if got := string(stats.Endpoints[0].Data); !strings.Contains(got, `"answered":3,"errors":1,"last_error":"not_found"`) {
			return errors.New(got)
		}
		return nil
	})
	// The error is in the headers that every NATS client understands.
	m, err := nc.Request("tutti.v1.pairing.audit.list", []byte("\x0a\x03bad"), time.Minute)
	if err != nil || m.Header.Get(micro.ErrorCodeHeader) != "not_found" || m.Header.Get(micro.ErrorHeader) != "no such thing" || m.Header.Get("Tutti-Trace-Id") == "" {
		t.Errorf("answer: %v %v", m.Header, err)
	}
	// What cannot be decoded is the asker's fault.
	if m, err = nc.Request("tutti.v1.pairing.audit.list", []byte{0xff}, time.Minute); err != nil || m.Header.Get(micro.ErrorCodeHeader) != "invalid" {
		t.Errorf("answer: %v %v", m.Header, err)
	}
}

// TestStopWaits: a service that stops lets running handlers finish, and answers to
// them arrive.
func TestStopWaits(t *testing.T) {
	c, err := bus.Connect(t.Context(), bus.Config{Embedded: &bus.EmbeddedConfig{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	svc, err := c.NewService("slow", "1.0.0", "i")
	if err != nil {
		t.Fatal(err)
	}
	running, release := make(chan struct{}), make(chan struct{})
	if err := bus.Handle(svc, "t.slow", func(context.Context, *str) (*str, error) {
		close(running)
		<-release
		return s("done"), nil
	}); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() { answer <- c.Request(t.Context(), "t.slow", s(""), nil) }()
	<-running
	stopped := make(chan error, 1)
	go func() { stopped <- svc.Stop() }()
	select {
	case <-stopped:
		t.Fatal("Stop did not wait for the handler")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := errors.Join(<-answer, <-stopped); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c.Request(t.Context(), "t.slow", s(""), nil), fault.Unavailable)
}

// TestAnAnswerIsToldFromNone: both are Unavailable, and only one says what is missing.
func TestAnAnswerIsToldFromNone(t *testing.T) {
	c, err := bus.Connect(t.Context(), bus.Config{Embedded: &bus.EmbeddedConfig{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	svc, err := c.NewService("sick", "1.0.0", "i")
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Handle(svc, "t.sick", func(context.Context, *str) (*str, error) {
		return nil, fault.New(fault.Unavailable, "the database is away")
	}); err != nil {
		t.Fatal(err)
	}
	for subject, answered := range map[string]bool{"t.sick": true, "t.nobody": false} {
		err := c.Request(t.Context(), subject, s(""), nil)
		wantCode(t, err, fault.Unavailable)
		if f := fault.From(err); f.Answered != answered || answered && f.Msg != "the database is away" {
			t.Errorf("%s: %+v", subject, f)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	c, err := bus.Connect(b.Context(), bus.Config{Embedded: &bus.EmbeddedConfig{}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(context.Background())
	svc, err := c.NewService("echo", "1.0.0", "i")
	if err != nil {
		b.Fatal(err)
	}
	if err := bus.Handle(svc, "t.echo", func(_ context.Context, r *str) (*str, error) { return r, nil }); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var out str
		if err := c.Request(b.Context(), "t.echo", s("x"), &out); err != nil {
			b.Fatal(err)
		}
	}
	if err := svc.Stop(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPublishRaw(b *testing.B) {
	c, err := bus.Connect(b.Context(), bus.Config{Embedded: &bus.EmbeddedConfig{}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.EnsureStream(b.Context(), bus.StreamConfig{Name: "B", Subjects: []string{"b.>"}, Memory: true, MaxBytes: 64 << 20}); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 17640) // 100 ms of 44.1 kHz, 16 bit, stereo
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := c.PublishRaw(b.Context(), "b.x", data); err != nil {
			b.Fatal(err)
		}
	}
	if err := c.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
}

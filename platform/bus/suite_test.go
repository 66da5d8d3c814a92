package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
)

type (
	str    = wrapperspb.StringValue
	bucket = bus.Bucket[str, *str]
)

func s(v string) *str { return wrapperspb.String(v) }

// eventually polls for a fact, with the last reason when it does not come.
func eventually(t *testing.T, what string, fact func() error) {
	t.Helper()
	var last error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if last = fact(); last == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, last)
}

func wantCode(t *testing.T, err error, want fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != want {
		t.Fatalf("error code: got %q (%v), want %q", got, err, want)
	}
}

// TestSuite runs the same behaviour against every kind of server.
func TestSuite(t *testing.T) {
	kinds := []struct {
		name string
		conn func(t *testing.T) *bus.Conn
	}{
		{"embedded", func(t *testing.T) *bus.Conn { return bustest.Embedded(t) }},
		{"tcp", func(t *testing.T) *bus.Conn { return bustest.Connect(t, bustest.StartServer(t)) }},
		{"process", func(t *testing.T) *bus.Conn {
			if testing.Short() {
				t.Skip("SKIPPED: -short leaves the external nats-server out")
			}
			return bustest.Connect(t, bustest.StartProcess(t))
		}},
		{"cluster", func(t *testing.T) *bus.Conn { return bustest.NewCluster(t, 3).Connect() }},
	}
	cases := []struct {
		name string
		run  func(t *testing.T, c *bus.Conn)
	}{
		{"requests", requests}, {"request errors", requestErrors}, {"late requests are skipped", lateRequests},
		{"exclusive addresses", exclusive}, {"hedged requests", hedged}, {"publish and subscribe", pubsub}, {"bytes", bytesOnTheBus}, {"events", events},
		{"raw stream", rawStream}, {"objects", objects}, {"bucket", bucketBasics}, {"bucket keys", bucketKeys},
		{"watch", watch}, {"watch while values are replaced", replaced}, {"expiry is seen by watchers", expiry}, {"queue group", queueGroup},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			c := k.conn(t)
			for _, tc := range cases {
				t.Run(tc.name, func(t *testing.T) { tc.run(t, c) })
			}
		})
	}
}

func service(t *testing.T, c *bus.Conn, name string) *bus.Service {
	t.Helper()
	svc, err := c.NewService(name, "1.2.3", "i1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := svc.Stop(); err != nil {
			t.Errorf("stop service: %v", err)
		}
	})
	return svc
}

func requests(t *testing.T, c *bus.Conn) {
	svc := service(t, c, "echo")
	var trace atomic.Value
	err := bus.Handle(svc, "t.echo.say", func(ctx context.Context, r *str) (*str, error) {
		trace.Store(bus.TraceID(ctx))
		if at, ok := ctx.Deadline(); !ok || time.Until(at) > bus.RequestTimeout {
			return nil, fmt.Errorf("deadline %v %v", at, ok)
		}
		return s(r.Value + "!"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got str
	if err := c.Request(bus.WithTraceID(t.Context(), "abc"), "t.echo.say", s("hi"), &got); err != nil {
		t.Fatal(err)
	}
	if got.Value != "hi!" || trace.Load() != "abc" {
		t.Fatalf("got %q with trace %v", got.Value, trace.Load())
	}
	if err := c.Request(t.Context(), "t.echo.say", s("hi"), &got); err != nil {
		t.Fatal(err)
	}
	if id, _ := trace.Load().(string); len(id) != 32 {
		t.Fatalf("no trace id was made: %q", id)
	}
}

func requestErrors(t *testing.T, c *bus.Conn) {
	svc := service(t, c, "fail")
	release := make(chan struct{})
	defer close(release)
	err := bus.Handle(svc, "t.fail.do", func(ctx context.Context, r *str) (*str, error) {
		switch r.Value {
		case "coded":
			return nil, fault.Wrap(fault.OutOfRange, errors.New("secret cause"), "volume\nis off").
				WithField("body.volume", "must be 0 to 100\nü").WithRetryAfter(2 * time.Second)
		case "panic":
			panic("boom")
		case "large":
			return s(strings.Repeat("x", 2<<20)), nil
		case "hang":
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, errors.New("secret")
	})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Request(t.Context(), "t.fail.do", s("coded"), nil)
	wantCode(t, err, fault.OutOfRange)
	var e *fault.Error
	if !errors.As(err, &e) || e.Msg != "volume is off" || e.RetryAfter != 2*time.Second ||
		len(e.Fields) != 1 || e.Fields[0] != (fault.Field{Location: "body.volume", Message: "must be 0 to 100\nü"}) {
		t.Fatalf("error did not cross intact: %+v", e)
	}
	for _, how := range []string{"panic", "plain"} {
		err = c.Request(t.Context(), "t.fail.do", s(how), nil)
		wantCode(t, err, fault.Internal)
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "boom") {
			t.Fatalf("the cause crossed the bus: %v", err)
		}
	}
	wantCode(t, c.Request(t.Context(), "t.fail.do", s("large"), nil), fault.TooLarge)
	wantCode(t, c.Request(t.Context(), "t.fail.do", s(strings.Repeat("x", 2<<20)), nil), fault.TooLarge)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	wantCode(t, c.Request(ctx, "t.fail.do", s("hang"), nil), fault.Timeout)
	wantCode(t, c.Request(t.Context(), "t.nobody", s(""), nil), fault.Unavailable)
}

func lateRequests(t *testing.T, c *bus.Conn) {
	var ran atomic.Int64
	release := make(chan struct{})
	stop, err := bus.HandleExclusive(c, "t.late", func(_ context.Context, r *str) (*str, error) {
		ran.Add(1)
		if r.Value == "slow" {
			<-release
		}
		return s(""), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	patient, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	first := make(chan error, 1)
	go func() { first <- c.Request(patient, "t.late", s("slow"), nil) }()
	eventually(t, "the first request runs", func() error {
		if ran.Load() != 1 {
			return fmt.Errorf("ran %d", ran.Load())
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	wantCode(t, c.Request(ctx, "t.late", s("late"), nil), fault.Timeout)
	close(release)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if err := c.Request(t.Context(), "t.late", s("after"), nil); err != nil {
		t.Fatal(err)
	}
	if got := ran.Load(); got != 2 {
		t.Fatalf("handlers ran %d times, want 2: the late request must be skipped", got)
	}
}

// An instance that stands still holds nobody up: copies go to the others.
func hedged(t *testing.T, c *bus.Conn) {
	srv, err := c.NewService("hedged", "1", "a")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	if err := bus.Handle(srv, "t.hedged", func(ctx context.Context, r *str) (*str, error) {
		switch n := asked.Add(1); {
		case r.Value == "no":
			return nil, fault.New(fault.Conflict, "no")
		case n <= 3:
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return s("answer to " + r.Value), nil
	}); err != nil {
		t.Fatal(err)
	}
	got := s("what was there before")
	patient, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	if err := c.RequestHedged(patient, "t.hedged", s("x"), got); err != nil || got.Value != "answer to x" {
		t.Errorf("got %q, %v", got.Value, err)
	}
	// A slow machine may need one more for an answer that takes its time.
	if n := asked.Load(); n < 4 {
		t.Errorf("%d copies were sent, want one for each instance that does not answer and one that is answered", n)
	}
	wantCode(t, c.RequestHedged(t.Context(), "t.hedged", s("no"), nil), fault.Conflict)
	if wantCode(t, c.RequestAny(t.Context(), "t.hedged", s("no"), nil), fault.Conflict); asked.Load() < 6 {
		t.Error("a request was not sent")
	}
	// It asks until the deadline, and says that nobody serves the subject, unless the deadline
	// came while a copy was on its way: what became of that one is not known.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = c.RequestHedged(ctx, "t.nobody", s(""), nil)
	if code := fault.CodeOf(err); code != fault.Unavailable && code != fault.Timeout {
		t.Errorf("nobody serves the subject: %v", err)
	}
	if ctx.Err() == nil {
		t.Errorf("it gave up before the deadline: %v", err)
	}
	// Who can do without an answer is told at once that there is nobody.
	wantCode(t, c.RequestAny(t.Context(), "t.nobody", s(""), nil), fault.Unavailable)
	// The three that hang end with their requester's deadline or with the service.
	if err := srv.Stop(); err != nil {
		t.Error(err)
	}
}

func exclusive(t *testing.T, c *bus.Conn) {
	stop, err := bus.HandleExclusive(c, "t.actor.1", func(_ context.Context, r *str) (*str, error) { return r, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Request(t.Context(), "t.actor.1", s("x"), nil); err != nil {
		t.Fatal(err)
	}
	stop()
	wantCode(t, c.Request(t.Context(), "t.actor.1", s("x"), nil), fault.Unavailable)
}

func pubsub(t *testing.T, c *bus.Conn) {
	got := make(chan string, 10)
	stop, err := bus.Subscribe(c, "t.pub.*", func(ctx context.Context, subject string, m *str) {
		got <- subject + "=" + m.Value + " " + bus.TraceID(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := c.Publish(bus.WithTraceID(t.Context(), "tr"), "t.pub.a", s("1")); err != nil {
		t.Fatal(err)
	}
	if g := <-got; g != "t.pub.a=1 tr" {
		t.Fatalf("got %q", g)
	}
}

func bytesOnTheBus(t *testing.T, c *bus.Conn) {
	got := make(chan string, 10)
	stop, err := c.SubscribeBytes("t.bytes.*", func(data []byte) { got <- string(data) })
	if err != nil {
		t.Fatal(err)
	}
	buf := []byte("one")
	for range 2 {
		if err := c.PublishBytes("t.bytes.a", buf); err != nil {
			t.Fatal(err)
		}
		copy(buf, "two") // the buffer is the caller's again
	}
	if a, b := <-got, <-got; a != "one" || b != "two" {
		t.Fatalf("got %q, %q", a, b)
	}
	stop()
	if err := c.PublishBytes("t.bytes.a", buf); err != nil {
		t.Fatal(err)
	}
}

func events(t *testing.T, c *bus.Conn) {
	// A cluster is asked until the deadline, which may come while a question is on its way: what
	// became of that one is not known.
	err := c.PublishEvent(t.Context(), "t.ev.none", s(""))
	if code := fault.CodeOf(err); code != fault.Unavailable && code != fault.Timeout {
		t.Fatalf("an event that no stream takes: %v", err)
	}
	if err := c.EnsureStream(t.Context(), bus.StreamConfig{Name: "EV", Subjects: []string{"t.ev.>"}, MaxAge: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := c.PublishEvent(t.Context(), "t.ev.a", s("1")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.LastFor(t.Context(), "EV", "t.ev.a"); err != nil {
		t.Fatal(err)
	}
	_, err = c.LastFor(t.Context(), "EV", "t.ev.b")
	wantCode(t, err, fault.NotFound)
}

func rawStream(t *testing.T, c *bus.Conn) {
	ctx := t.Context()
	if err := c.EnsureStream(ctx, bus.StreamConfig{Name: "RAW", Subjects: []string{"t.raw.>"}, Memory: true, MaxBytes: 1 << 24}); err != nil {
		t.Fatal(err)
	}
	const n = 2000
	live := collect(t, c, "RAW", bus.ConsumeOptions{Subject: "t.raw.a", FromNew: true})
	for i := range n {
		if err := c.PublishRaw(ctx, "t.raw.a", fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			if err := c.PublishRaw(ctx, "t.raw.b", []byte("other")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	var last bus.RawMsg
	eventually(t, "the last one is stored", func() (err error) { // also where its acknowledgement was too late
		if last, err = c.LastFor(ctx, "RAW", "t.raw.a"); err == nil && string(last.Data) != fmt.Sprint(n-1) {
			err = fmt.Errorf("the last is %q", last.Data)
		}
		return err
	})
	all := collect(t, c, "RAW", bus.ConsumeOptions{Subject: "t.raw.a", FromAll: true})
	tail := collect(t, c, "RAW", bus.ConsumeOptions{Subject: "t.raw.a", FromLast: true})
	from := collect(t, c, "RAW", bus.ConsumeOptions{Subject: "t.raw.a", FromSeq: last.Seq - 9})
	live.wantSeries(t, 0, n)
	all.wantSeries(t, 0, n)
	from.wantSeries(t, n-10, 10)
	tail.wantSeries(t, n-1, 1)
}

// collector keeps what a consumer delivers.
type collector struct {
	mu  sync.Mutex
	got []string
}

func collect(t *testing.T, c *bus.Conn, stream string, o bus.ConsumeOptions) *collector {
	t.Helper()
	col := &collector{}
	stop, err := c.Consume(t.Context(), stream, o, func(m bus.RawMsg) {
		col.mu.Lock()
		defer col.mu.Unlock()
		col.got = append(col.got, string(m.Data))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return col
}

func (c *collector) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.got...)
}

func (c *collector) wantSeries(t *testing.T, first, n int) {
	t.Helper()
	eventually(t, "series", func() error {
		if got := len(c.all()); got < n {
			return fmt.Errorf("got %d of %d messages", got, n)
		}
		return nil
	})
	for i, v := range c.all() {
		if v != fmt.Sprint(first+i) {
			t.Fatalf("message %d is %q, want %d", i, v, first+i)
		}
	}
}

func queueGroup(t *testing.T, c *bus.Conn) {
	var a, b atomic.Int64
	for i, n := range []*atomic.Int64{&a, &b} {
		svc, err := c.NewService("shared", "not-semver", fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		defer svc.Stop()
		if err := bus.Handle(svc, "t.shared.do", func(context.Context, *str) (*str, error) {
			n.Add(1)
			return s(""), nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range 60 {
		if err := c.Request(t.Context(), "t.shared.do", s(""), nil); err != nil {
			t.Fatal(err)
		}
	}
	if a.Load()+b.Load() != 60 || a.Load() == 0 || b.Load() == 0 {
		t.Fatalf("requests were not shared: %d and %d", a.Load(), b.Load())
	}
}

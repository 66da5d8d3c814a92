package group

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
)

type realHouse struct{}

func (realHouse) NowMicros() int64 { return houseclock.MonotonicMicros() }

// askedHouse counts how often it was asked for the time.
type askedHouse struct {
	realHouse
	asked atomic.Int64
}

func (h *askedHouse) NowMicros() int64 { h.asked.Add(1); return h.realHouse.NowMicros() }

// An order's trace id goes with what it changed, as long as that is not told; what nobody
// ordered carries none of it.
func TestCommandsCarryTheTraceOfTheirOrder(t *testing.T) {
	clock, house := clockwork.NewFakeClock(), &askedHouse{}
	sent := make(chan string)
	fails := make(chan error)
	c := &courier{clientID: "c", groupID: "g", house: house, clock: clock, log: slog.New(slog.DiscardHandler),
		wants: make(chan want, 1), done: make(chan struct{}),
		send: func(ctx context.Context, _ string, cmd *tuttiv1.SessionCommand) error {
			sent <- name(cmd) + " " + bus.TraceID(ctx)
			return <-fails
		}}
	ctx, cancel := context.WithCancel(t.Context())
	defer func() { cancel(); <-c.done }()
	expect := func(want string, err error) {
		t.Helper()
		if got := <-sent; got != want {
			t.Errorf("the session is sent %q, want %q", got, want)
		}
		fails <- err
	}
	w := want{sessionID: "s", trace: "first", group: &tuttiv1.GroupInfo{GroupId: "g"}}
	c.want(w)
	w.trace, w.volume = "", order{seq: 1, value: 5, session: "s"}
	c.want(w) // before anything was told: the first order is in it
	go c.run(ctx, told{})
	expect("group first", fault.New(fault.Unavailable, "its gateway restarts"))
	if err := clock.BlockUntilContext(ctx, 1); err != nil {
		t.Fatal(err)
	}
	c.want(w) // again nobody's, and the first is still not told
	expect("group first", nil)
	w.trace, w.mute = "second", order{seq: 2, value: 1, session: "s"}
	if got := <-sent; got != "player first" {
		t.Errorf("sent %q, want the volume with the first order's id", got)
	}
	c.want(w) // while the volume is on its way
	fails <- nil
	if got := <-sent; got != "player second" {
		t.Errorf("sent %q, want the mute with the second order's id", got)
	}
	before := house.asked.Load() // the courier waits for its answer
	fails <- nil
	until(t, func() string { // it looks for what is missing, and finds nothing
		select {
		case got := <-sent:
			t.Fatalf("sent %q", got)
		default:
		}
		if house.asked.Load() == before {
			return "the courier has not looked again"
		}
		return ""
	})
	w.trace, w.group = "", &tuttiv1.GroupInfo{GroupId: "g", Name: "Loft"}
	c.want(w) // all that was ordered is told
	expect("group ", nil)
}

// What an order has begun is its doing until it is heard.
func TestWhatAMessageGoesBackTo(t *testing.T) {
	begun := func(heard bool) *Group { return &Group{run: &run{epoch: 7, trace: "play", heard: heard}} }
	read := &Group{}
	read.ann.now = &job{id: "a", trace: "announce"}
	for i, x := range []struct {
		g    *Group
		m    Message
		want string
	}{
		{&Group{}, Command{Cmd: &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Volume{}}, Trace: "volume"}, "volume"},
		{&Group{}, Command{Cmd: &tuttiv1.GroupCommand{Command: &tuttiv1.GroupCommand_Get{Get: &tuttiv1.Empty{}}}, Trace: "get"}, ""},
		{begun(false), fromPipeline{7, pipeline.Started{}}, "play"},
		{begun(false), wake{}, "play"},
		{begun(true), fromPipeline{7, pipeline.Begun{}}, ""},
		{begun(true), wake{}, ""},
		{begun(false), presenceChanged{"c"}, ""},
		{&Group{}, wake{}, ""},
		{read, clipRead{id: "a"}, "announce"},
		{read, clipRead{id: "b"}, ""},
	} {
		if got := x.g.cause(x.m); got != x.want {
			t.Errorf("case %d, %T: got %q, want %q", i, x.m, got, x.want)
		}
	}
}

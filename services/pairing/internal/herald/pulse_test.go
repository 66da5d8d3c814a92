package herald

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestAnInstanceThatEndsInTheMiddleOfABeatIsTakenOut: the beat fails because the service
// ends, and not because the bus is away.
func TestAnInstanceThatEndsInTheMiddleOfABeatIsTakenOut(t *testing.T) {
	c, clk := bustest.Embedded(t), clockwork.NewFakeClock()
	ctx, cancel := context.WithCancel(t.Context())
	sup := actor.NewSupervisor(ctx, actor.SupervisorOptions{Clock: clk})
	defer sup.Stop()
	var beats atomic.Int32
	pulse := Pulse{Bus: c, Clock: clk, Log: slog.New(slog.DiscardHandler), InstanceID: "a", Ready: func() error {
		if beats.Add(1) == 2 { // it is asked before the entry is written
			cancel()
		}
		return nil
	}}
	if err := pulse.Start(sup); err != nil {
		t.Fatal(err)
	}
	limit, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	if err := clk.BlockUntilContext(limit, 1); err != nil { // the first one is written
		t.Fatal(err)
	}
	clk.Advance(pulseEvery)
	select {
	case <-ctx.Done():
	case <-limit.Done():
		t.Fatal("there is no second beat")
	}
	sup.Stop()
	b, err := bus.OpenBucket[pb.Instance](t.Context(), c, subject.BucketInstances, bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Get(t.Context(), subject.InstanceKey(service, "a")); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("after the end: %v, want that it is not listed", err)
	}
}

package stream

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/group"
)

// died is an instance whose bus is taken away: as sudden as a kill.
func (r *rig) died(t *testing.T, srv bustest.Server, id string, change ...func(*Config)) (kill func()) {
	t.Helper()
	c := bustest.Connect(t, srv)
	r.service(c, id, change...)
	return func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// TestACommandIsAppliedOnceThroughATakeOver sends a command again, as a sender does whose
// answer was lost with the holder.
func TestACommandIsAppliedOnceThroughATakeOver(t *testing.T) {
	srv := bustest.StartServer(t)
	r := newRig(t, bustest.Connect(t, srv))
	r.ttl = 3 * time.Second
	for i, name := range []string{"1.flac", "2.flac", "3.flac", "4.flac"} {
		r.file(name, 2, int64(i))
	}
	kill := r.died(t, srv, "one")
	a := r.device("a", "flac:44100:16:2")
	g := r.make("House", a)
	r.command(enqueue(g, "1.flac", "2.flac", "3.flac", "4.flac"))
	next := func(id string) *tuttiv1.Group {
		c := simple(g, "next")
		c.CommandId = id
		return r.command(c)
	}
	if x := next("first"); x.GetQueueIndex() != 1 {
		t.Fatalf("after the first: index %d", x.GetQueueIndex())
	}
	if x := next("first"); x.GetQueueIndex() != 1 {
		t.Fatalf("said again to the same holder: index %d", x.GetQueueIndex())
	}
	// It is answered when the record knows it, so nothing is lost with the holder.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	old, rev, err := r.groups.Get(ctx, g)
	if err != nil || old.GetQueueIndex() != 1 || !slices.Contains(old.GetAppliedCommands(), "first") {
		t.Fatalf("the record at the answer: index %d, applied %v, %v", old.GetQueueIndex(), old.GetAppliedCommands(), err)
	}
	kill()
	r.service(r.bus, "two")
	if x := next("first"); x.GetQueueIndex() != 1 || x.GetInstanceId() != "two" {
		t.Fatalf("said again to the next holder (%s): index %d", x.GetInstanceId(), x.GetQueueIndex())
	}
	if x := next("second"); x.GetQueueIndex() != 2 {
		t.Fatalf("another command: index %d", x.GetQueueIndex())
	}
	// What the former holder still writes is refused.
	if _, err := r.groups.Update(ctx, g, old, rev); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("the former holder writes the record: %v", err)
	}
	for i := range 100 { // what is remembered is bounded
		c := &tuttiv1.GroupCommand{GroupId: g, CommandId: fmt.Sprint("volume", i), Command: &tuttiv1.GroupCommand_Repeat{Repeat: []string{"off", "all"}[i%2]}}
		r.command(c)
	}
	if n := len(r.get(g).GetAppliedCommands()); n != 64 {
		t.Errorf("%d commands are remembered", n)
	}
}

// TestACommandInFlightReachesTheNextHolder: the holder takes the command and dies before it
// answers; the sender, which asked once, gets the next holder's answer.
func TestACommandInFlightReachesTheNextHolder(t *testing.T) {
	srv := bustest.StartServer(t)
	r := newRig(t, bustest.Connect(t, srv))
	r.ttl = 2 * time.Second
	r.service(r.bus, "two") // it takes a while, in which the lease of the other one could be lost
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	const g = "house"
	doomed := bustest.Connect(t, srv)
	lm, err := lease.NewManager(doomed, "one", lease.Options{TTL: r.ttl})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lm.Acquire(ctx, group.LeaseKey(g)); err != nil {
		t.Fatal(err)
	}
	took := make(chan string, 8)
	stop, err := bus.HandleExclusive(doomed, subject.Group(g), func(ctx context.Context, c *tuttiv1.GroupCommand) (*tuttiv1.GroupReply, error) {
		took <- c.GetCommandId()
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if _, err := r.groups.Put(ctx, g, &tuttiv1.Group{GroupId: g, Name: "House"}); err != nil {
		t.Fatal(err)
	}
	until(t, func() string {
		if held, _ := r.services["two"].placer.groups.Held(); held[group.LeaseKey(g)].Owner != "one" {
			return "the other instance has not heard of the holder"
		}
		return ""
	})
	answered := make(chan *tuttiv1.Group, 1)
	go func() {
		reply := &tuttiv1.GroupReply{}
		if err := r.bus.Request(ctx, subject.StreamCommand, &tuttiv1.GroupCommand{GroupId: g,
			Command: &tuttiv1.GroupCommand_Rename{Rename: "Garden"}}, reply); err != nil {
			t.Errorf("the command: %v", err)
		}
		answered <- reply.GetGroup()
	}()
	var id string
	select {
	case id = <-took:
	case x := <-answered:
		t.Fatalf("the holder did not take the command; it was answered by %q", x.GetInstanceId())
	}
	if err := doomed.Close(ctx); err != nil {
		t.Fatal(err)
	}
	x := <-answered
	if x.GetName() != "Garden" || x.GetInstanceId() != "two" || !slices.Contains(x.GetAppliedCommands(), id) {
		t.Errorf("answered by %s: name %q, applied %v, want %s in it", x.GetInstanceId(), x.GetName(), x.GetAppliedCommands(), id)
	}
}

// TestOrdersOfAFormerDirectorAreRefused: and counted.
func TestOrdersOfAFormerDirectorAreRefused(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := newEmbeddedRig(t)
	r.registerer = reg
	earlier, err := lease.NewManager(r.bus, "earlier", lease.Options{TTL: r.ttl})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // so that there are fences before the director's
		if _, err := earlier.Acquire(t.Context(), fmt.Sprint("other", i)); err != nil {
			t.Fatal(err)
		}
	}
	r.service(r.bus, "one")
	a := r.device("a", "flac:44100:16:2")
	g := r.make("House", a)
	until(t, func() string {
		if x := r.get(g); x.GetDirectorFence() == 0 {
			// Its members came with its creation: another word of the director's.
			ask[tuttiv1.GroupReply](r, subject.StreamRemoveMember, &tuttiv1.GroupMemberRequest{GroupId: g, ClientId: a.id})
			return "the group has heard no director"
		}
		return ""
	})
	x := r.get(g)
	order := func(c *tuttiv1.GroupCommand) error {
		return try(r, subject.Group(g), c, &tuttiv1.GroupReply{})
	}
	if err := order(&tuttiv1.GroupCommand{GroupId: g, Fence: x.GetDirectorFence() - 1,
		Command: &tuttiv1.GroupCommand_Membership{Membership: &tuttiv1.Membership{Members: []string{a.id}}}}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a former director's word: %v", err)
	}
	if m := r.get(g).GetMembers(); len(m) != 0 {
		t.Errorf("members after it: %v", m)
	}
	schedule := func(fence uint64) error {
		return order(&tuttiv1.GroupCommand{GroupId: g, Fence: fence, Command: &tuttiv1.GroupCommand_Schedule{Schedule: &tuttiv1.ScheduleOrder{}}})
	}
	if err := schedule(x.GetDirectorFence() + 100); err != nil {
		t.Errorf("the scheduler's word: %v", err)
	}
	if err := schedule(x.GetDirectorFence() + 99); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a former scheduler's word: %v", err)
	}
	if n := fenced(t, reg, "group_order"); n != 2 {
		t.Errorf("%v orders were counted as fenced, want 2", n)
	}
}

// fenced reads tutti_fenced_total of one receiver.
func fenced(t *testing.T, reg prometheus.Gatherer, receiver string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tutti_fenced_total" && m.GetLabel()[0].GetValue() == receiver {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

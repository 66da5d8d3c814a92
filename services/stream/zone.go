package stream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/calendar"
	"github.com/tutti-audio/tutti/services/stream/internal/schedule"
)

// Orders that fail.
const (
	orderTimeout = 20 * time.Second // with what a stranger's server needs to answer
	// A group that does not answer is asked again after askAgain; a title that cannot be
	// played is tried again after playAgain, then ever later, up to playAgainMax.
	askAgain     = 5 * time.Second
	playAgain    = 30 * time.Second
	playAgainMax = 5 * time.Minute
)

// zone is what is under way with one group.
type zone struct {
	busy   bool      // an order is on its way
	wait   bool      // it did not answer, and is asked again in a moment
	due    time.Time // when it must be looked at; zero: not by itself
	silent bool      // it does not answer, and the log says so
	failed failure
}

// failure is a daypart whose music could not be played.
type failure struct {
	mark  string // of the daypart; "" none
	why   string
	next  time.Time // of the next try
	pause time.Duration
}

// ordered is what came of an order.
type ordered struct {
	id    string
	o     *tuttiv1.ScheduleOrder
	began bool           // it was to begin or end a daypart
	g     *tuttiv1.Group // after it; nil with an error
	why   string         // its music cannot be played
	err   error
}

// look compares what a group's schedule asks for with what the group says of itself, and
// has it told what is missing.
func (a *scheduler) look(id string) {
	g := a.known[id]
	if g == nil {
		return
	}
	z := a.zones[id]
	if z == nil {
		z = &zone{}
		a.zones[id] = z
	}
	if z.busy || z.wait {
		return
	}
	now := a.s.d.Wall.Now()
	o, until := schedule.Wanted(a.book.Of(id), now)
	if home := a.home(g); home != nil {
		w, u := schedule.Wanted(home, now)
		o.VolumeCap, until = w.VolumeCap, u
	}
	z.due = a.guests(o, g, now, until)
	a.retry(z, o, g.GetSchedule(), now)
	if !schedule.Missing(o, g) {
		return
	}
	began := schedule.Begins(o, g.GetSchedule())
	if !began && !o.GetRetry() {
		o.Play = nil
	}
	z.busy = true
	name, had, from := "schedule", g.VolumeCap, g.GetSchedule()
	if p := a.book.Of(id); p != nil {
		name = p.Schedule().GetName()
	}
	a.wg.Go(func() {
		m := a.s.give(a.base, a.fence, id, name, o)
		m.began = began
		if m.err == nil {
			a.s.auditOrder(a.base, name, m, had, from)
		}
		_ = a.self.Send(a.base, m) // fails only at the end
	})
}

// home is the plan of the zone that a device has left by itself (client/leave, in use by
// something else): it stands where it stood, so quiet hours hold for it all the same.
func (a *scheduler) home(g *tuttiv1.Group) *calendar.Plan {
	if !g.GetSolo() || !slices.Contains(g.GetMembers(), g.GetPreviousClientId()) {
		return nil
	}
	return a.book.Of(g.GetPreviousGroupId())
}

// guests adds the quiet hours of the home zones of a group's members to its order. It
// returns when that may change, or until when that is sooner.
func (a *scheduler) guests(o *tuttiv1.ScheduleOrder, g *tuttiv1.Group, now, until time.Time) time.Time {
	plans := map[string]*tuttiv1.ScheduleOrder{} // of a home zone at now
	for _, id := range g.GetMembers() {
		_, held := g.GetVolumeCaps()[id]
		home := a.homes[id]
		if home == g.GetGroupId() {
			if held { // what an order brought that overtook the director's word
				o.VolumeCaps = with(o.VolumeCaps, id, schedule.NoCap)
			}
			continue
		}
		w := plans[home]
		if w == nil {
			var change time.Time
			if w, change = schedule.Wanted(a.book.Of(home), now); !change.IsZero() {
				until = soonest(until, change)
			}
			plans[home] = w
		}
		limit := int32(schedule.NoCap)
		if w.VolumeCap != nil {
			limit = w.GetVolumeCap()
		} else if !held {
			continue
		}
		o.VolumeCaps = with(o.VolumeCaps, id, limit)
	}
	return until
}

// with is caps with one more, made when there are none.
func with(caps map[string]int32, id string, limit int32) map[string]int32 {
	if caps == nil {
		caps = map[string]int32{}
	}
	caps[id] = limit
	return caps
}

// learn takes what a group says of itself, in its record or in the answer to an order, which
// overtake each other: ok is false when it has said something later already. It returns the
// other groups that this matters to.
func (a *scheduler) learn(g *tuttiv1.Group) (groups []string, ok bool) {
	id := g.GetGroupId()
	have := a.known[id]
	if have.GetFence() == g.GetFence() && have.GetUpdatedAt().AsTime().After(g.GetUpdatedAt().AsTime()) {
		return nil, false
	}
	a.known[id] = g
	return a.settle(have, g), true
}

// settle notes whose home a group is, now and before, and returns the other groups in which
// these clients are: what holds for them there may have changed.
func (a *scheduler) settle(before, now *tuttiv1.Group) (groups []string) {
	id := cmp.Or(now.GetGroupId(), before.GetGroupId())
	moved := map[string]bool{}
	for _, c := range before.GetAssigned() {
		if a.homes[c] == id && !slices.Contains(now.GetAssigned(), c) {
			delete(a.homes, c)
			moved[c] = true
		}
	}
	for _, c := range now.GetAssigned() {
		if a.homes[c] != id {
			a.homes[c], moved[c] = id, true
		}
	}
	if len(moved) == 0 {
		return nil
	}
	return a.having(func(c string) bool { return moved[c] })
}

// having lists the groups that have a member of a kind.
func (a *scheduler) having(kind func(client string) bool) (groups []string) {
	for id, g := range a.known {
		if slices.ContainsFunc(g.GetMembers(), kind) {
			groups = append(groups, id)
		}
	}
	return groups
}

// abroad adds to groups those in which clients are whose home is one of them.
func (a *scheduler) abroad(groups []string) []string {
	out := append(slices.Clone(groups), a.having(func(c string) bool { return slices.Contains(groups, a.homes[c]) })...)
	slices.Sort(out)
	return slices.Compact(out)
}

func soonest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// retry adds to an order what is known of a daypart that could not be played.
func (a *scheduler) retry(z *zone, o *tuttiv1.ScheduleOrder, have *tuttiv1.GroupSchedule, now time.Time) {
	f := &z.failed
	mine := o.GetApply() && o.GetMark() != "" && o.GetMark() == have.GetMark()
	if mine && f.mark != o.GetMark() && have.GetError() != "" && o.GetPlay() != nil { // another scheduler's failure
		*f = failure{mark: o.GetMark(), why: have.GetError(), next: now.Add(playAgain), pause: playAgain}
	}
	if f.mark == "" {
		return
	}
	if !mine || have.GetOverridden() { // it is over, or a person has chosen what to hear
		*f = failure{}
		return
	}
	if o.Show.Error = f.why; now.Before(f.next) {
		z.due = soonest(z.due, f.next)
		return
	}
	o.Retry, o.Show.Error = true, ""
}

// ordered takes what came of an order.
func (a *scheduler) ordered(m ordered) {
	z := a.zones[m.id]
	if z == nil {
		return // the group is gone
	}
	z.busy = false
	switch code := fault.CodeOf(m.err); {
	case code == fault.NotFound: // deleted: its news are on their way
		a.rest(m.id, z)
	case m.err != nil:
		a.rest(m.id, z)
		if !z.silent {
			a.s.d.Log.Warn("a group does not follow its schedule yet", obs.KeyGroup, m.id, obs.KeyErr, m.err)
		}
		z.silent = true
	default:
		z.silent = false
		var others []string
		if a.known[m.id].GetFence() <= m.g.GetFence() {
			others, _ = a.learn(m.g)
		}
		for _, id := range others {
			if id != m.id {
				a.look(id)
			}
		}
		switch f := &z.failed; {
		case m.why == "" && (m.began || m.o.GetRetry()):
			*f = failure{}
		case m.why != "":
			if f.why != m.why || f.mark != m.o.GetMark() {
				a.s.d.Log.Warn("a daypart cannot be played", obs.KeyGroup, m.id, "daypart", m.o.GetShow().GetDaypart(), obs.KeyErr, m.why)
			}
			if f.mark != m.o.GetMark() {
				f.pause = playAgain / 2
			}
			f.mark, f.why, f.pause = m.o.GetMark(), m.why, min(2*f.pause, playAgainMax)
			f.next = a.s.d.Wall.Now().Add(f.pause)
		}
	}
	a.look(m.id)
}

// rest has a group looked at again after askAgain, and not before: a matter of the timers'
// clock, whatever the time of day does meanwhile.
func (a *scheduler) rest(id string, z *zone) {
	z.wait = true
	over := a.s.d.Clock.After(askAgain)
	a.wg.Go(func() {
		select {
		case <-over:
			_ = a.self.Send(a.base, zoneRested{id}) // fails only at the end
		case <-a.base.Done():
		}
	})
}

// give gives an order to a group. Where its music cannot be played, the rest of the order
// counts, and the group shows why.
func (s *Service) give(ctx context.Context, fence uint64, id, name string, o *tuttiv1.ScheduleOrder) ordered {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	m := ordered{id: id, o: o}
	ask := s.orders(fence)
	c := &tuttiv1.GroupCommand{GroupId: id, Actor: scheduleActor + name, Command: &tuttiv1.GroupCommand_Schedule{Schedule: proto.CloneOf(o)}}
	var failed error
	if o.GetPlay() != nil {
		failed = s.resolve(ctx, c)
	}
	if failed == nil {
		m.g, m.err = ask(ctx, c)
		switch fault.CodeOf(m.err) {
		case "", fault.Unavailable, fault.Timeout:
			return m
		}
		if o.GetPlay() == nil {
			return m
		}
		failed = m.err
	}
	// The answer of an earlier try may be a long one; the group's record is kept small.
	m.why = clipped(failed.Error(), 300)
	without := proto.CloneOf(o)
	without.Play, without.Retry, without.Show.Error = nil, false, m.why
	c.Command, c.CommandId = &tuttiv1.GroupCommand_Schedule{Schedule: without}, ""
	m.g, m.err = ask(ctx, c)
	return m
}

// scheduleActor is the prefix of the actor of what the scheduler does.
const scheduleActor = "schedule:"

func clipped(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// auditOrder writes what the scheduler did into the ledger. When pairing is away for long
// the log has it alone: music does not wait for it.
func (s *Service) auditOrder(ctx context.Context, name string, m ordered, had *int32, from *tuttiv1.GroupSchedule) {
	says := func(kind, detail string) {
		line := fmt.Sprintf("group %q (%s): %s", m.g.GetName(), m.id, detail)
		s.d.Log.Info("schedule", obs.KeyGroup, m.id, "schedule", name, "kind", kind, "detail", detail)
		s.audit(ctx, &tuttiv1.AuditAppendRequest{Actor: scheduleActor + name, Kind: kind, Detail: line})
	}
	show := m.o.GetShow()
	switch {
	case m.why != "" && (m.began || from.GetError() == ""):
		says("schedule.failed", fmt.Sprintf("daypart %q cannot be played: %s", show.GetDaypart(), m.why))
	case m.why != "":
	case m.began && m.o.GetMark() == "":
		says("schedule.daypart_ended", "no daypart follows")
	case m.began || m.o.GetRetry() && m.g.GetSchedule().GetPlaying() == m.o.GetPlay().GetUri():
		says("schedule.daypart_began", fmt.Sprintf("daypart %q%s", show.GetDaypart(), orderWords(m.o)))
	}
	switch now := m.o.VolumeCap; {
	case now == nil && had != nil:
		says("schedule.quiet_hours_ended", "the volume is not capped any more")
	case now != nil && (had == nil || *had != *now):
		says("schedule.quiet_hours_began", fmt.Sprintf("no player is louder than %d", *now))
	}
}

// orderWords says what a daypart begins with.
func orderWords(o *tuttiv1.ScheduleOrder) string {
	var b strings.Builder
	switch {
	case o.GetStop():
		b.WriteString(": silence")
	case o.GetPlay() != nil:
		fmt.Fprintf(&b, ": plays %s", clipped(o.GetPlay().GetUri(), 200))
	}
	if o.Volume != nil {
		fmt.Fprintf(&b, ", volume %d", o.GetVolume())
	}
	return b.String()
}

// audit appends a line to the ledger, with a few tries.
func (s *Service) audit(ctx context.Context, r *tuttiv1.AuditAppendRequest) {
	for try := 1; ; try++ {
		err := s.d.Bus.Request(ctx, subject.PairingAuditAppend, r, &tuttiv1.AuditEvent{})
		if err == nil || ctx.Err() != nil {
			return
		}
		if code := fault.CodeOf(err); try == 3 || code != fault.Unavailable && code != fault.Timeout {
			s.d.Log.Warn("audit line lost", "actor", r.GetActor(), "kind", r.GetKind(), "detail", r.GetDetail(), obs.KeyErr, err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-s.d.Clock.After(time.Second):
		}
	}
}

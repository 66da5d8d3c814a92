package group

import (
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
)

// The common send-ahead of a group is the maximum of what its players ask for
// (specification, Server Audio Send Constraints), fixed at a start and followed while the
// stream runs (ADR 0018): it grows promptly, shrinks slowly, and takes no notice of
// fluctuations, so that a player that measures all the time moves nobody.
const (
	// A change is small below the larger of smallUS and a smallPart-th, but never above
	// smallMostUS. Our own margin, which is on top of the lead, covers it.
	smallUS, smallPart, smallMostUS = 10_000, 20, 50_000
	// leadEveryUS is the least time between two recomputations.
	leadEveryUS = 2_000_000
	// shrinkUS is how long less must be asked for before it counts.
	shrinkUS = 10_000_000
	// liveMarginUS is our own share of a live stream's lead: a chunk of 20 ms, the bus, and
	// a write.
	liveMarginUS = 60_000
)

// ask is what the players of a group need, and which of them needs most.
type ask struct {
	us     int64
	client string
}

// asks is the largest send-ahead of the members: what they must have for a live source,
// what they would like for a buffered one.
func (g *Group) asks(live bool) (a ask) {
	need := presence.Full
	if live {
		need = presence.Must
	}
	for _, id := range g.rec.GetMembers() {
		m := g.members[id]
		if m == nil || !m.streams {
			continue
		}
		if us := need(m.p.GetPlayer()); us > a.us || a.client == "" {
			a = ask{us, id}
		}
	}
	return a
}

// leads is what the pipeline needs to know: the members' asks with our own margin.
func (g *Group) leads() (buffered, live int64) {
	return g.asks(false).us + g.MarginUS, g.asks(true).us + g.liveMargin()
}

func (g *Group) liveMargin() int64 { return min(g.MarginUS, liveMarginUS) }

// sendAhead is the common send-ahead in force, and what leads to the next one.
type sendAhead struct {
	ask
	atUS   int64 // when it came into force
	lessUS int64 // since when less would do; 0: it would not
	most   ask   // most that was asked for since then
}

// follow takes what is asked for at house time now. changed says that the send-ahead is
// another one now; again is when to ask again even if nothing happens, 0 for never. A
// live stream keeps what it has: a player that hears nothing is better than one that
// misses something.
func (s *sendAhead) follow(a ask, live bool, now int64) (changed bool, again int64) {
	small := min(max(smallUS, s.us/smallPart), smallMostUS)
	switch {
	case a.us > s.us+small:
		if wait := s.atUS + leadEveryUS; now < wait {
			return false, wait
		}
		if live { // every growth is heard: make room for the next small ones
			a.us += small
		}
		*s = sendAhead{ask: a, atUS: now}
		return true, 0
	case a.us >= s.us-small || live:
		s.lessUS = 0
		return false, 0
	case s.lessUS == 0:
		s.lessUS, s.most = now, a
	case a.us > s.most.us:
		s.most = a
	}
	if due := max(s.lessUS+shrinkUS, s.atUS+leadEveryUS); now < due {
		return false, due
	}
	*s = sendAhead{ask: s.most, atUS: now}
	return true, 0
}

// followLead keeps the lead of the stream that runs in line with its members.
func (g *Group) followLead(now int64) {
	g.leadAgainUS = 0
	r := g.run
	if r == nil {
		return
	}
	before := g.ahead.us
	changed, again := g.ahead.follow(g.asks(r.live), r.live, now)
	g.leadAgainUS = again
	if !changed {
		return
	}
	g.touched = true
	buffered, live := g.leads()
	if r.live {
		live = g.ahead.us + g.liveMargin()
	} else {
		buffered = g.ahead.us + g.MarginUS
	}
	r.p.SetLead(buffered, live, g.liveFloor())
	if s := g.stream; s != nil && s.epoch == r.epoch {
		s.leadUS = buffered
		if r.live {
			s.leadUS = live
		}
	}
	g.log.Info("common send-ahead changed", "from_ms", before/1000, "to_ms", g.ahead.us/1000, obs.KeyClient, g.ahead.client, "live", r.live)
}

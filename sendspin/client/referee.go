package client

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"

	"github.com/tutti-audio/tutti/sendspin/player"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const (
	// crossing is how long a server may go on by an earlier client/state: the two
	// directions cross, and the server may hand the state to another process first.
	crossing = int64(2_000_000)
	// promptly is what "MUST promptly send" allows.
	promptly = int64(10_000_000)
	// clockSlack is added to the time filter's uncertainty where two clocks are
	// compared.
	clockSlack = int64(5_000)
	// longestChunk is the upper chunk duration bound.
	longestChunk = int64(150_000)
	// farthest is how far ahead a scheduled update may be.
	farthest = int64(20_000_000)
)

// referee compares what a server sends with what the specification lets it send, and
// reports the difference. It belongs to the core and changes nothing in the session.
//
// Rules about the player's buffer are checked on the server's own clock: a chunk
// carries the moment of its transmission, timestamp minus send_ahead, so that no
// uncertainty of the time filter blurs them.
type referee struct {
	s *session

	availableAt   int64 // when available: true was reported first; never before
	unavailableAt int64 // when available: false was reported last; never while available
	commandsFrom  bool  // an initial client/state was sent

	sourceFrom bool // a client/state with the source object was sent since the role became active

	needState  map[string]int64 // role families that must get a server/state, and by when
	needGroup  int64            // when group/update is overdue
	groupAsked bool             // needGroup was set once
	hadState   map[string]bool  // families that had a server/state since they became active

	accounting *player.Accounting
	timings    []reportedTiming // that the server may go by, oldest first
	audio      audioTrack
	artwork    artworkRules
	visual     visualTrack
}

func newReferee(s *session) *referee {
	return &referee{
		s: s, availableAt: never, unavailableAt: never, needGroup: never,
		needState: map[string]int64{}, hadState: map[string]bool{},
		accounting: player.New(s.core.cfg.BufferCapacity),
		artwork:    artworkRules{configBy: never}, visual: newVisualTrack(),
	}
}

// report tells a violation.
func (r *referee) report(rule, detail string) {
	k := r.s.core
	k.stats.violations.Add(1)
	k.cfg.Log.Warn("server breaks a rule", "server_id", r.s.serverID, "rule", rule, "detail", detail)
	k.emit(Violation{ServerID: r.s.serverID, Rule: rule, Detail: detail})
}

func (r *referee) check(ok bool, rule, format string, args ...any) {
	if !ok {
		r.s.broken(rule, format, args...)
	}
}

// encoding checks that a message holds nothing but what the specification defines:
// strict encoding of what was understood has to give the same JSON.
func (r *referee) encoding(m wire.Message, body []byte) {
	if _, ok := m.(*wire.Unknown); ok {
		return
	}
	again, err := r.s.core.codec.Encode(m)
	if err != nil {
		r.report("Communication", err.Error())
		return
	}
	r.check(sameJSON(again, body), "Communication", "%s holds fields or values that the specification does not define: %s", m.Type(), body)
}

func sameJSON(a, b []byte) bool {
	var x, y any
	for _, p := range []struct {
		raw []byte
		v   *any
	}{{a, &x}, {b, &y}} {
		d := json.NewDecoder(bytes.NewReader(p.raw))
		d.UseNumber()
		if d.Decode(p.v) != nil {
			return false
		}
	}
	return reflect.DeepEqual(x, y)
}

// activate checks a server/activate beyond its admissibility.
func (r *referee) activate(m *wire.ServerActivate, first bool) {
	const rule = "server/activate"
	r.check(!first || m.ActiveRoles != nil, rule, "the first one leaves out active_roles")
	families := map[string]bool{}
	for _, role := range m.ActiveRoles {
		family, version := wire.ParseRole(role)
		r.check(slices.Contains(r.s.core.cfg.Roles, role), rule, "role %q is not one that the client lists", role)
		r.check(version != "" && !families[family], rule, "role family %q is active twice", family)
		families[family] = true
	}
}

// applied notes what the server owes after an activation.
func (r *referee) applied(added []string, at int64) {
	if wire.ActiveFamily(added, wire.RoleArtwork) != "" {
		r.artwork = artworkRules{configBy: never} // until the client/state that the activation asks for
	}
	r.sourceApplied(added)
	if !r.groupAsked {
		r.groupAsked, r.needGroup = true, at+promptly
	}
	if wire.ActiveFamily(added, wire.RoleVisualizer) != "" {
		r.visual.asked = nil // the server waits for a new client/state
	}
	for _, family := range []string{wire.RoleMetadata, wire.RoleController, wire.RoleColor} {
		active := wire.ActiveFamily(r.s.roles, family) != ""
		switch {
		case wire.ActiveFamily(added, family) != "":
			r.needState[family] = at + promptly
			r.hadState[family] = false
		case !active:
			delete(r.needState, family)
		}
	}
}

// transmitted checks that a transmit time is not in the future.
func (r *referee) transmitted(server, at int64, rule string) {
	if f := r.s.timing.filter; f.Converged() {
		early := server - f.ServerTime(at)
		r.check(early <= r.slack(), rule, "server_transmitted is %d µs after its arrival", early)
	}
}

// slack is how far two readings of the same moment may be apart.
func (r *referee) slack() int64 {
	return clockSlack + int64(math.Min(3*r.s.timing.filter.StdDev(), 1e9))
}

func (r *referee) serverTime(m *wire.ServerTime, expected bool) {
	const rule = "server/time"
	r.check(expected || r.s.timing.Lost() > 0, rule, "it answers no client/time that is outstanding")
	r.check(m.ServerTransmitted >= m.ServerReceived, rule, "it was transmitted %d µs before the question was received", m.ServerReceived-m.ServerTransmitted)
}

func (r *referee) serverCommand(m *wire.ServerCommand, at int64) {
	const rule = "server/command"
	r.check(m.App == nil, rule, "it commands a role that is not active")
	r.sourceCommand(m.Source, at)
	if m.Player == nil {
		return
	}
	r.check(wire.ActiveFamily(r.s.roles, wire.RolePlayer) != "", rule, "the player role is not active")
	r.check(r.commandsFrom, rule, "a player command before the initial client/state")
	r.check(slices.Contains(r.s.core.cfg.Commands, m.Player.Command), rule, "command %q is not among supported_commands", m.Player.Command)
}

func (r *referee) groupUpdate() {
	r.needGroup, r.groupAsked = never, true
}

// deadline is when tick next finds something overdue.
func (r *referee) deadline() int64 {
	d := min(r.needGroup, r.artwork.configBy, r.visual.overdue)
	for _, by := range r.needState {
		d = min(d, by)
	}
	return d
}

// tick reports what is overdue.
func (r *referee) tick(now int64) {
	if now >= r.needGroup {
		r.needGroup = never
		r.s.broken("group/update", "none came after the first server/activate")
	}
	r.artworkTick(now)
	r.visualTick(now)
	for family, by := range r.needState {
		if now >= by {
			delete(r.needState, family)
			r.s.broken("server/state", "no %s object came after the role became active", family)
		}
	}
}

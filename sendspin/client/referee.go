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

// reportedTiming is what the client said about its timing, in µs. The server may not
// have heard of it yet.
type reportedTiming struct {
	delay, buffer int64
	at            int64 // client's clock
}

// audioTrack follows the timeline of the player stream.
type audioTrack struct {
	nextSample int64 // least timestamp of the next chunk
	started    bool  // nextSample holds
	trigger    int64 // server_transmitted of a start from empty or a clear; 0 afterwards
	needsLead  bool
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

// reported notes a client/state that was sent.
func (r *referee) reported(m *wire.ClientState, now int64) {
	r.commandsFrom = true
	r.sourceFrom = r.sourceFrom || m.Source != nil
	if m.Available {
		r.availableAt, r.unavailableAt = min(r.availableAt, now), never
	} else if r.unavailableAt == never {
		r.unavailableAt = now
	}
	r.artworkReported(m.Artwork, now)
	if m.Visualizer != nil {
		r.visualReported(m.Visualizer, now)
	}
	if m.Player == nil {
		return
	}
	t := reportedTiming{delay: int64(m.Player.OutputDelayMS) * 1000, buffer: int64(m.Player.MinBufferMS) * 1000, at: now}
	if n := len(r.timings); n > 0 && r.timings[n-1].delay == t.delay && r.timings[n-1].buffer == t.buffer {
		return
	}
	r.timings = append(r.timings, t)
}

// known drops the timings that the server cannot go by any more.
func (r *referee) known(now int64) []reportedTiming {
	for len(r.timings) > 1 && now > r.timings[1].at+crossing {
		r.timings = r.timings[1:]
	}
	return r.timings
}

// longestDelay returns the largest output delay that the server may go by. It
// completes chunks the earliest, so it allows the server most.
func (r *referee) longestDelay(now int64) (us int64) {
	for _, t := range r.known(now) {
		us = max(us, t.delay)
	}
	return us
}

// leastLead returns the smallest start lead that the server may go by.
func (r *referee) leastLead(now int64) int64 {
	least := never
	for _, t := range r.known(now) {
		least = min(least, t.delay+t.buffer)
	}
	return least
}

// mayStart reports whether the server may go by available: true.
func (r *referee) mayStart(now int64) bool {
	return r.availableAt != never && (r.unavailableAt == never || now <= r.unavailableAt+crossing)
}

func (r *referee) streamStart(m *wire.StreamStart, active bool, at int64) {
	const rule = "stream/start"
	r.transmitted(m.ServerTransmitted, at, rule)
	r.check(r.mayStart(at), rule, "the client has not reported available: true")
	r.check(m.Player != nil || m.Artwork != nil || m.Visualizer != nil, rule, "no role of this client in it")
	r.check(m.App == nil, rule, "it starts a role that is not active")
	r.artworkStart(m.Artwork, at)
	if m.Visualizer != nil {
		r.visualStart(m.Visualizer, at)
	}
	if m.Player == nil {
		return
	}
	r.check(wire.ActiveFamily(r.s.roles, wire.RolePlayer) != "", rule, "the player role is not active")
	support := wire.PlayerSupport{Formats: r.s.core.cfg.Formats}
	r.check(support.Lists(m.Player.Format), rule, "format %s is not one that the client lists", m.Player.Format)
	if m.Player.Format.Codec == wire.CodecFLAC {
		r.flacHeader(m.Player)
	}
	if !active {
		r.accounting.Reset()
		r.audio = audioTrack{trigger: m.ServerTransmitted, needsLead: true}
	}
}

// flacHeader checks that a codec header is "fLaC" and a STREAMINFO that agrees with
// the stream.
func (r *referee) flacHeader(p *wire.PlayerStream) {
	const rule = "Codec framing"
	h := p.CodecHeader
	if len(h) < 42 || string(h[:4]) != "fLaC" || h[4]&0x7f != 0 || int(h[5])<<16|int(h[6])<<8|int(h[7]) != 34 {
		r.s.broken(rule, "the FLAC codec header is not fLaC and STREAMINFO")
		return
	}
	rate := int(h[18])<<12 | int(h[19])<<4 | int(h[20])>>4
	channels := int(h[20]>>1)&7 + 1
	depth := int(h[20]&1)<<4 | int(h[21])>>4 + 1
	got := wire.AudioFormat{Codec: wire.CodecFLAC, Channels: channels, SampleRate: rate, BitDepth: depth}
	r.check(got == p.Format, rule, "STREAMINFO says %s, stream/start %s", got, p.Format)
}

func (r *referee) streamClear(m *wire.StreamClear, at int64) {
	const rule = "stream/clear"
	r.transmitted(m.ServerTransmitted, at, rule)
	r.targets(rule, m.Roles, wire.RolePlayer, wire.RoleVisualizer)
	if r.s.streaming(wire.RolePlayer) && targets(m.Roles, wire.RolePlayer) {
		r.accounting.Reset()
		r.audio = audioTrack{trigger: m.ServerTransmitted, needsLead: true}
	}
	if targets(m.Roles, wire.RoleVisualizer) {
		r.visual.restart()
	}
}

func (r *referee) streamEnd(m *wire.StreamEnd) {
	r.targets("stream/end", m.Roles, wire.RolePlayer, wire.RoleArtwork, wire.RoleVisualizer)
	if targets(m.Roles, wire.RolePlayer) {
		r.accounting.Reset()
		r.audio = audioTrack{}
	}
	if targets(m.Roles, wire.RoleArtwork) {
		r.artworkEnd()
	}
	if targets(m.Roles, wire.RoleVisualizer) {
		r.visualEnded()
	}
}

// targets checks that the roles of a clear or an end, which may be one of families, have
// active streams.
func (r *referee) targets(rule string, roles []string, families ...string) {
	if len(roles) == 0 {
		r.check(slices.ContainsFunc(families, r.s.streaming), rule, "no stream is active")
	}
	for _, role := range roles {
		r.check(slices.Contains(families, role) && r.s.streaming(role), rule, "role %q has no active stream", role)
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

// chunk checks an audio chunk.
func (r *referee) chunk(c wire.AudioChunk, st *stream, at int64) {
	const rule = "Audio Chunks (Binary)"
	if st == nil {
		r.s.broken(rule, "a chunk outside of an active player stream")
		return
	}
	r.check(r.mayStart(at), rule, "a chunk while the client is not available")
	samples, err := chunkSamples(st.format, c.Data)
	if err != nil {
		r.s.broken("Codec framing", "%v", err)
		return
	}
	duration := int64(samples) * 1_000_000 / int64(st.format.SampleRate)
	r.check(duration <= longestChunk, "Server Audio Send Constraints", "a chunk of %d µs, at most %d are allowed", duration, longestChunk)
	r.timeline(c.Timestamp, duration, at)
	r.sendAhead(c, at)
	r.capacity(c, duration, at)
}

// timeline checks that timestamps go on where the last chunk ended, or later, and
// that the first one leaves the player its lead.
func (r *referee) timeline(timestamp, duration, at int64) {
	const rule = "Server Audio Send Constraints"
	t := &r.audio
	if t.started {
		// Chunks that do not last whole microseconds round by up to one.
		r.check(timestamp >= t.nextSample-2, rule, "a chunk starts %d µs before the last one ends", t.nextSample-timestamp)
	}
	t.nextSample, t.started = timestamp+duration, true
	if !t.needsLead {
		return
	}
	t.needsLead = false
	lead, least := timestamp-t.trigger, r.leastLead(at)
	r.check(lead >= least, rule, "the first chunk comes %d µs after its trigger, min_buffer_ms and output_delay_ms ask for %d", lead, least)
}

// sendAhead checks that the transmit time is not after the arrival.
func (r *referee) sendAhead(c wire.AudioChunk, at int64) {
	f := r.s.timing.filter
	if !f.Converged() {
		return
	}
	now := f.ServerTime(at)
	if wire.SendAheadMeasured(c.SendAhead) {
		early := c.Timestamp - int64(c.SendAhead) - now
		r.check(early <= r.slack(), "Transmit timestamps", "send_ahead puts the transmission %d µs after the arrival", early)
		return
	}
	if c.SendAhead == 0 {
		r.check(c.Timestamp <= now+r.slack(), "Audio Chunks (Binary)", "send_ahead is 0, %d µs before the timestamp", c.Timestamp-now)
	}
}

// capacity checks the buffer accounting at the moment of transmission.
func (r *referee) capacity(c wire.AudioChunk, duration, at int64) {
	size := wire.AudioHeaderLen + len(c.Data)
	var now int64 // 0: no later than any chunk before
	if wire.SendAheadMeasured(c.SendAhead) {
		now = c.Timestamp - int64(c.SendAhead)
	} else if f := r.s.timing.filter; f.Converged() {
		now = f.ServerTime(at)
	}
	// A longer delay completes chunks earlier, so the longest possible one is lenient.
	r.accounting.SetOutputDelay(r.longestDelay(at), now)
	r.check(r.accounting.CanSend(size, now), "Player Buffer Accounting",
		"a chunk of %d bytes on top of %d outstanding ones exceeds buffer_capacity %d", size, r.accounting.Count(now), r.accounting.Capacity())
	r.accounting.Sent(c.Timestamp, duration, size, now)
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

func (r *referee) serverState(m *wire.ServerState, at int64) {
	if m.Metadata != nil {
		r.roleState(wire.RoleMetadata, &m.Metadata.Timestamp, at)
	}
	if m.Color != nil {
		r.roleState(wire.RoleColor, &m.Color.Timestamp, at)
		r.contrastRules(m.Color)
	}
	if m.Controller != nil {
		r.roleState(wire.RoleController, nil, at)
	}
	for key := range m.App {
		r.check(wire.ActiveFamily(r.s.roles, key) != "", "server/state", "it has a role that is not active")
	}
}

// roleState checks one object of a server/state.
func (r *referee) roleState(family string, timestamp *int64, at int64) {
	const rule = "server/state"
	r.check(wire.ActiveFamily(r.s.roles, family) != "", rule, "the %s role is not active", family)
	first := !r.hadState[family]
	r.hadState[family] = true
	delete(r.needState, family)
	f := r.s.timing.filter
	if timestamp == nil || !f.Converged() {
		return
	}
	ahead := *timestamp - f.ServerTime(at)
	r.check(!first || ahead <= r.slack(), rule, "the first %s object is scheduled %d µs ahead", family, ahead)
	r.check(ahead <= farthest+r.slack(), rule, "the %s object is scheduled %d µs ahead, 20 s are the limit", family, ahead)
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

package group

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
)

// member is one client of the group, present or not.
type member struct {
	id      string
	courier *courier
	p       *tuttiv1.ClientPresence // latest; nil when the client is not known
	tuning  *tuttiv1.ClientTuning   // the operator's choices; nil when there are none
	streams bool                    // it can be sent audio now, as this
	spec    rendition.Spec
	movedUS int64 // when spec changed last while it sounded
	volume  order
	mute    order
	// hope is the volume that was asked for and not yet reported back, until hopeUS.
	hope    int
	hopeUS  int64
	visual  pipeline.Visual // the tape that its visualizer reads; its ID is "" without
	watches bool            // it asks for data of it
}

// hopeTime is how long a requested volume counts before the player reports it.
const hopeTime = 2_000_000

// shared is what all members are told, as it was handed out last.
type shared struct {
	group       *tuttiv1.GroupInfo
	metadata    *tuttiv1.MetadataState
	metaKey     metaKey
	coming      *tuttiv1.MetadataState // the scheduled update; nil: none
	artwork     *tuttiv1.ArtworkShow
	color       *tuttiv1.ColorState
	comingColor *tuttiv1.ColorState
	controller  *tuttiv1.ControllerState
	stream      stream
	starts      map[string]*tuttiv1.StreamStart // of stream's epoch, by rendition id
	visuals     []pipeline.Visual               // the visual tapes that are made
}

// join makes a member and its courier.
func (g *Group) join(id string) {
	m := &member{id: id, courier: &courier{clientID: id, groupID: g.id, fence: g.fence, send: g.Send, house: g.House,
		clock: g.Clock, log: g.log, wants: make(chan want, 1), done: make(chan struct{})}}
	g.members[id] = m
	g.look(m)
	var t told
	if st := m.p.GetStream(); st.GetGroupId() == g.id && m.p.GetConnected() {
		// An earlier holder started it: it must be cleared when the epoch differs.
		t.sessionID = m.p.GetSessionId()
		t.stream = &tuttiv1.StreamStart{RenditionId: st.GetRenditionId(), Format: st.GetFormat(), Epoch: st.GetEpoch()}
	}
	if m.p.GetDisplay().GetArtwork() && m.p.GetConnected() {
		t.sessionID, t.artwork = m.p.GetSessionId(), &tuttiv1.ArtworkShow{Active: true}
	}
	if m.p.GetDisplay().GetVisualizer() && m.p.GetConnected() {
		t.sessionID, t.visual = m.p.GetSessionId(), &tuttiv1.VisualStart{} // of an epoch that is not known
	}
	g.wg.Go(func() { m.courier.run(g.ctx, t) })
	g.dirty[id] = true
}

// part ends a member's stream. Its courier ends when the session knows, or cannot.
func (g *Group) part(id string) *courier {
	m := g.members[id]
	delete(g.members, id)
	delete(g.later, id)
	g.revisual = true
	w := want{last: true, trace: g.trace}
	if presence.Active(m.p) {
		w.sessionID = m.p.GetSessionId()
	}
	m.courier.want(w)
	return m.courier
}

// watch asks the hub for news of the members.
func (g *Group) watch() {
	self, ctx := g.self, g.ctx
	g.Hub.Watch(g.id, g.rec.GetMembers(), func(id string) { _ = self.Send(ctx, presenceChanged{id}) })
	for _, m := range g.members { // what changed before the watch
		g.look(m)
	}
}

// presence takes news of a member. It is false when they change nothing here: gateways
// write a player's buffer level often, and a group may have thousands of players.
func (g *Group) presence(id string) bool {
	m := g.members[id]
	if m == nil {
		return false
	}
	before := m.p
	if same(before, g.Hub.Get(id)) && proto.Equal(m.tuning, g.Hub.Tuning(id)) {
		return false
	}
	g.look(m)
	// A player that has no other member beside it and is taken over by something else
	// stops the music (specification, available: false).
	lost := before.GetAvailable() && !m.p.GetAvailable() && m.p.GetConnected() && before.GetSessionId() == m.p.GetSessionId()
	if lost && len(g.members) == 1 && (g.s.Mode == playback.Playing || g.resuming) {
		g.log.Info("playback stops: the only member is in use by something else", obs.KeyClient, id)
		g.resuming, g.touched = false, true
		_ = g.apply(playback.Pause{}) // fails when it only waited to resume
	}
	return true
}

// same reports whether two presences of a client are the same to a group.
func same(a, b *tuttiv1.ClientPresence) bool {
	return a != nil && b != nil && a.GetSessionId() == b.GetSessionId() && a.GetConnected() == b.GetConnected() &&
		a.GetAvailable() == b.GetAvailable() && (a.Available == nil) == (b.Available == nil) &&
		slices.Equal(a.GetActiveRoles(), b.GetActiveRoles()) &&
		proto.Equal(a.GetPlayer(), b.GetPlayer()) && proto.Equal(a.GetPlayerSupport(), b.GetPlayerSupport()) &&
		proto.Equal(a.GetVisualizer(), b.GetVisualizer()) && proto.Equal(a.GetLimits(), b.GetLimits())
}

// look reads a member's presence and decides what it can be sent.
func (g *Group) look(m *member) {
	old, streams, spec := m.p, m.streams, m.spec
	m.p, m.tuning = g.Hub.Get(m.id), g.Hub.Tuning(m.id)
	g.dirty[m.id] = true
	g.lookVisual(m)
	m.streams = presence.CanStream(m.p)
	if m.streams {
		m.spec, m.streams = g.respec(m, old, streams)
		if !m.streams && (old == nil || streams || old.GetSessionId() != m.p.GetSessionId()) {
			g.log.Warn("player lists no format that can be produced", obs.KeyClient, m.id)
		}
	}
	if p := presence.Player(m.p); p != nil && int(p.GetVolume()) == m.hope {
		m.hopeUS = 0
	}
	if streams != m.streams || streams && spec != m.spec {
		g.touched = true
		g.setRenditions()
		g.log.Info("member's audio", obs.KeyClient, m.id, "receives", m.streams, obs.KeyRendition, m.spec.ID())
	}
	if old.GetPlayer().GetVolume() != m.p.GetPlayer().GetVolume() || old.GetPlayer().GetMuted() != m.p.GetPlayer().GetMuted() {
		g.touched = true
	}
}

// silence is why a member that is there and available gets no audio, for the operator;
// "" when it does, or has no part in it.
func (m *member) silence() string {
	switch {
	case m.streams || !presence.Active(m.p) || !m.p.GetAvailable() || m.p.GetPlayerSupport() == nil:
		return ""
	case !presence.HasRole(m.p, "player"):
		return "its player role is not active"
	case m.p.GetPlayer() == nil:
		return "it has not reported its player state yet"
	}
	return "it lists no format that this server can produce"
}

// shareOut hands every member that is concerned what it should know now.
func (g *Group) shareOut(now int64) {
	if g.resuming && slices.ContainsFunc(slices.Collect(maps.Values(g.members)), func(m *member) bool { return m.streams }) {
		g.resuming = false
		if err := g.apply(playback.Resume{}); err != nil {
			g.log.Warn("playback does not resume", obs.KeyErr, err)
		}
	}
	if g.refresh(now) {
		for id := range g.members {
			g.dirty[id] = true
		}
	}
	for id := range g.dirty {
		if m := g.members[id]; m != nil {
			m.courier.want(g.want(m))
		}
	}
	clear(g.dirty)
}

// refresh recomputes what is shared, and reports whether it differs.
func (g *Group) refresh(now int64) bool {
	changed := g.refreshVisual()
	if info := g.info(); !proto.Equal(info, g.shared.group) {
		g.shared.group, changed = info, true
	}
	if key := g.metaKey(); key != g.shared.metaKey || g.shared.metadata == nil {
		g.shared.metaKey = key
		g.shared.metadata, changed = metadata(key, now), true
	}
	if next := g.comingMetadata(now); !proto.Equal(next, g.shared.coming) {
		g.shared.coming, changed = next, true
	}
	if g.refreshArt(now) {
		changed = true
	}
	if c := g.controller(now); !proto.Equal(c, g.shared.controller) {
		g.shared.controller, changed, g.touched = c, true, true
	}
	var s stream
	if g.stream != nil {
		s = *g.stream
	}
	if s != g.shared.stream {
		if s.epoch != g.shared.stream.epoch {
			g.shared.starts = nil
		}
		g.shared.stream, changed = s, true
	}
	return changed
}

// want is what one member should know.
func (g *Group) want(m *member) want {
	if !presence.Active(m.p) {
		return want{}
	}
	w := want{trace: g.trace, sessionID: m.p.GetSessionId(), group: g.infoFor(m.id), metadata: g.shared.metadata, coming: g.shared.coming, controller: g.shared.controller,
		volume: m.volume, mute: m.mute}
	s := g.shared.stream
	w.endAt = s.endUS
	if s.epoch != 0 && m.streams { // one that ends, too: it may not have been told of it yet
		spec := m.spec
		if s.short {
			spec = short(spec)
		}
		w.stream = g.start(spec)
	}
	g.wantVisual(m, &w)
	g.wantArt(m, &w)
	return w
}

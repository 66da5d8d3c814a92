package client

import (
	"errors"
	"slices"

	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// json deals with a JSON message.
func (s *session) json(body []byte, at int64) {
	m, err := s.core.codec.DecodeFromServer(body)
	err = wire.ActiveFault(err, func(family string) bool { return wire.ActiveFamily(s.roles, family) != "" })
	if err != nil {
		var field *wire.FieldError
		if errors.As(err, &field) {
			s.protocolError("Communication", "%v", field)
		} else {
			s.fail(err)
		}
		return
	}
	if s.referee != nil {
		s.referee.encoding(m, body)
	}
	switch s.phase {
	case awaitHello:
		s.firstMessage(m)
	case awaitActivate:
		if a, ok := m.(*wire.ServerActivate); ok {
			s.activate(a, at)
			return
		}
		s.protocolError("Communication", "%q came before the first server/activate", m.Type())
	default:
		s.message(m, at)
	}
}

// firstMessage takes server/hello and answers it.
func (s *session) firstMessage(m wire.Message) {
	h, ok := m.(*wire.ServerHello)
	if !ok {
		s.protocolError("Communication", "the first message is %q, not server/hello", m.Type())
		return
	}
	s.proven()
	s.inputs = h.Source
	s.core.emit(ServerInfo{ServerID: s.serverID, Name: h.Name, Languages: h.Languages})
	s.phase, s.access = awaitActivate, s.core.unpaired
	s.send(s.core.hello())
}

// message deals with a message after the first server/activate.
func (s *session) message(m wire.Message, at int64) {
	switch m := m.(type) {
	case *wire.ServerActivate:
		s.activate(m, at)
	case *wire.ServerTime:
		s.serverTime(m, at)
	case *wire.ServerState:
		s.serverState(m, at)
	case *wire.ServerCommand:
		s.serverCommand(m, at)
	case *wire.StreamStart:
		s.streamStart(m, at)
	case *wire.StreamClear:
		s.streamClear(m, at)
	case *wire.StreamEnd:
		s.streamEnd(m)
	case *wire.GroupUpdate:
		if s.referee != nil {
			s.referee.groupUpdate()
		}
		s.group = m
		s.tell(GroupChanged{Group: *m})
	case *wire.ServerUnpair:
		s.unpair()
	case *wire.Unknown:
		s.unknown(m)
	case *wire.PairAbort, *wire.ServerPairInit, *wire.ServerPairAuth, *wire.ServerPairConfirm, *wire.ServerPairFinalize:
		s.pairingMessage(m)
	default:
		s.protocolError("Communication", "%q is out of order", m.Type())
	}
}

func (s *session) unknown(m *wire.Unknown) {
	if m.WrongDirection {
		s.protocolError("Communication", "%q is a client's message", m.Name)
		return
	}
	s.broken("Communication", "message type %q is not defined", m.Name)
}

// unpair removes the record that keys the session.
func (s *session) unpair() {
	if s.referee != nil {
		s.referee.unpair()
	}
	if !paired(s.matched) {
		return
	}
	k := s.core
	if err := k.cfg.Store.RemoveRecord(s.serverID); err != nil {
		k.cfg.Log.Error("pairing record is not removed", "server_id", s.serverID, "error", err)
	} else {
		k.cfg.Log.Info("unpaired", "server_id", s.serverID)
		k.emit(Unpaired{ServerID: s.serverID})
	}
	s.bye(wire.GoodbyeUnpaired)
}

// activate judges a server/activate and applies it. It ends an attempt of this
// connection, admissible or not.
func (s *session) activate(m *wire.ServerActivate, at int64) {
	k := s.core
	owed := s.flow != nil && s.flow.State() == pairing.ClientSucceeded
	if s.flow != nil {
		s.drive(s.flow.Receive(m))
	}
	rekeyed := s.rekeyed()
	if s.phase == over {
		return
	}
	if m.Has(wire.ActivityPairing) {
		s.index++
	}
	a := activation{matched: s.matched, unpaired: k.unpaired, offers: k.cfg.Pairing.methods(), msg: m, roles: m.ActiveRoles}
	first := !s.activated
	s.activated = true
	if s.phase == awaitActivate {
		s.phase = provisional
	}
	verdict := a.judge()
	if s.referee != nil {
		s.referee.activate(m, first)
		s.referee.judged(verdict, m, first)
		s.referee.promoted(owed, rekeyed)
	}
	switch verdict {
	case pairingRequired:
		s.bye(wire.GoodbyePairingRequired)
		return
	case unauthorized:
		s.bye(wire.GoodbyeUnauthorized)
		return
	case methodRefused:
		s.startAttempt(m) // which answers pair/abort; what the activation declares is not applied
		return
	}
	roles := s.effectiveRoles(a, first)
	if s.phase == provisional && !k.admit(s, m) || k.beside == s && !m.Has(wire.ActivityPairing) && !k.readmit(s, m) {
		return
	}
	s.apply(m.Activities, roles, at)
	if m.Has(wire.ActivityPairing) {
		s.startAttempt(m)
	}
}

// effectiveRoles are the roles that are active from now on: those of the message, or
// without them the ones before, as far as the connection can still play.
func (s *session) effectiveRoles(a activation, first bool) []string {
	if a.roles == nil {
		if first || !a.playbackCapable() {
			return nil
		}
		return s.roles
	}
	var roles []string
	for _, role := range a.roles {
		family, _ := wire.ParseRole(role)
		if slices.Contains(s.core.cfg.Roles, role) && wire.ActiveFamily(roles, family) == "" {
			roles = append(roles, role)
		}
	}
	return roles
}

// apply makes the activation take effect.
func (s *session) apply(activities, roles []string, at int64) {
	k := s.core
	var removed, added []string
	for _, role := range s.roles {
		if !slices.Contains(roles, role) {
			removed = append(removed, role)
		}
	}
	for _, role := range roles {
		if !slices.Contains(s.roles, role) {
			added = append(added, role)
		}
	}
	if slices.Contains(removed, wire.RolePlayerV1) {
		if s.referee != nil {
			s.referee.check(s.stream.Load() == nil, "server/activate", "the player role is removed while its stream is active")
		}
		s.endStream(false)
	}
	if slices.Contains(removed, wire.RoleArtworkV1) {
		if s.referee != nil {
			s.referee.check(!s.artwork.active, "server/activate", "the artwork role is removed while its stream is active")
		}
		s.artworkEnd()
	}
	if slices.Contains(removed, wire.RoleVisualizerV1) {
		if s.referee != nil {
			s.referee.check(s.visual == nil, "server/activate", "the visualizer role is removed while its stream is active")
			s.referee.visualEnded()
		}
		s.endVisual()
	}
	s.dropDisplays(removed)
	s.activities, s.roles = activities, roles
	if slices.Contains(removed, wire.RoleSourceV1) {
		s.stopCapture(CaptureRoleRemoved)
	}
	copied := slices.Clone(roles)
	s.publishHolder()
	s.timing.Begin(at)
	k.cfg.Log.Info("activated", "server_id", s.serverID, "activities", activities, "roles", roles)
	if s.referee != nil {
		s.referee.applied(added, at)
	}
	k.emit(Activated{ServerID: s.serverID, Activities: slices.Clone(activities), Roles: copied, Removed: removed})
	if len(added) > 0 || s.stale {
		s.report()
	}
}

// report sends client/state, or notes that it is due once the clock is synchronized:
// a player or source must not say that it is available before.
func (s *session) report() {
	k := s.core
	if s.phase != admitted || len(s.roles) == 0 {
		return
	}
	available := s.available()
	isPlayer := wire.ActiveFamily(s.roles, wire.RolePlayer) != ""
	isSource := wire.ActiveFamily(s.roles, wire.RoleSource) != ""
	if (isPlayer || isSource) && available && !s.timing.filter.Converged() {
		s.owes = true
		return
	}
	m := &wire.ClientState{Available: available}
	if isPlayer {
		m.Player = k.playerState()
	}
	if wire.ActiveFamily(s.roles, wire.RoleArtwork) != "" {
		m.Artwork = k.artworkState()
	}
	if wire.ActiveFamily(s.roles, wire.RoleVisualizer) != "" {
		m.Visualizer = k.visualState()
	}
	if isSource {
		m.Source = k.sourceState()
	}
	s.owes, s.stale, s.reported = false, false, true
	s.send(m)
	if s.referee != nil {
		s.referee.reported(m, k.cfg.Now())
	}
}

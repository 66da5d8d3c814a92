package client

import (
	"slices"

	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// maxProvisional caps the connections that wait for admission at once; more are
// refused as if they were of lower priority (section Multiple servers).
const maxProvisional = 8

// Ranks of connections for admission, by their highest activity.
const (
	rankEmpty = iota
	rankPairing
	rankPlayback
)

func rank(activities []string) int {
	switch {
	case slices.Contains(activities, wire.ActivityPlayback):
		return rankPlayback
	case slices.Contains(activities, wire.ActivityPairing):
		return rankPairing
	}
	return rankEmpty
}

// contender is a connection as admission sees it.
type contender struct {
	serverID   string
	activities []string
	attempting bool // a pairing attempt runs on it
}

// displaces reports whether an incoming connection takes the place of the admitted one:
// it does with the same or a higher rank, but not that of a pairing attempt. Among two
// without activities only the last-playback server does.
func (in contender) displaces(holder contender, lastPlayback string) bool {
	a, b := rank(in.activities), rank(holder.activities)
	if a == rankEmpty && b == rankEmpty {
		return in.serverID == lastPlayback && holder.serverID != lastPlayback
	}
	return a >= b && !holder.attempting
}

// standsBeside reports whether an incoming connection may pair while the holder plays.
func (in contender) standsBeside(holder contender) bool {
	return rank(in.activities) == rankPairing && rank(holder.activities) == rankPlayback
}

func (s *session) contender(activities []string) contender {
	return contender{serverID: s.serverID, activities: activities, attempting: s.attempting()}
}

// provisionals counts the connections that are not admitted yet.
func (k *core) provisionals() int {
	n := 0
	for _, s := range k.sessions {
		if s.phase < admitted {
			n++
		}
	}
	return n
}

// pairedSessions counts the connections that a record backs. There have to be fewer
// than records, so that one can always be evicted (section Pairing Records).
func (k *core) pairedSessions() int {
	n := 0
	for _, s := range k.sessions {
		if s.phase != over && paired(s.matched) {
			n++
		}
	}
	return n
}

// capPaired makes room when a re-handshake made a session a paired one too many: those
// that wait for admission go first.
func (k *core) capPaired(s *session) {
	for _, o := range slices.Clone(k.sessions) {
		if k.pairedSessions() < k.cfg.Store.maxRecords() {
			return
		}
		if o != s && o.phase < admitted && paired(o.matched) {
			o.bye(wire.GoodbyeConcurrentAttempt)
		}
	}
	if k.pairedSessions() >= k.cfg.Store.maxRecords() {
		s.bye(wire.GoodbyeConcurrentAttempt)
	}
}

// admit decides whether a connection gets the client's one place, or the one beside it,
// after its first admissible server/activate. The one that loses is told and closed.
func (k *core) admit(s *session, m *wire.ServerActivate) bool {
	holder := k.holder
	if holder == nil || !s.arbitrate {
		k.place(s)
		return true
	}
	in, other := s.contender(m.Activities), holder.contender(holder.activities)
	switch {
	case rank(m.Activities) == rankPairing && k.attempting():
		s.turnAway(m)
		return false
	case in.displaces(other, k.cfg.Store.LastPlayback()):
		k.displace(s)
	case k.beside == nil && in.standsBeside(other):
		k.cfg.Log.Info("another server pairs beside the one that plays", "server_id", s.serverID, "holder", holder.serverID)
		k.beside, s.phase = s, admitted
	default:
		s.turnAway(m)
		return false
	}
	return true
}

// readmit arbitrates the connection beside the holder, which has left pairing, as if it
// were incoming.
func (k *core) readmit(s *session, m *wire.ServerActivate) bool {
	k.beside = nil
	if !s.contender(m.Activities).displaces(k.holder.contender(k.holder.activities), k.cfg.Store.LastPlayback()) {
		s.turnAway(m)
		return false
	}
	k.displace(s)
	s.takePlace()
	return true
}

// displace gives a session the holder's place.
func (k *core) displace(s *session) {
	beside := k.beside
	k.beside = nil // it does not move up
	k.successor = s.serverID
	k.holder.makeWay()
	k.successor = ""
	k.beside = beside
	k.place(s)
}

// place makes a session the holder.
func (k *core) place(s *session) {
	k.holder = s
	s.phase = admitted
	if k.carried != "" && k.carried != s.serverID {
		k.carried = ""
		k.stats.filter.Store(nil)
		k.emit(StreamEnded{})
	}
	id := s.serverID
	k.stats.serverID.Store(&id)
}

// turnAway refuses an incoming connection: pairing with pair/abort, the rest with
// client/goodbye.
func (s *session) turnAway(m *wire.ServerActivate) {
	k := s.core
	k.cfg.Log.Info("connection refused, another server has this client", "server_id", s.serverID, "holder", k.holder.serverID)
	if rank(m.Activities) != rankPairing {
		s.bye(wire.GoodbyeConcurrentAttempt)
		return
	}
	k.emit(PairingRefused{ServerID: s.serverID, Method: m.Pairing.Method, Format: m.Pairing.Format, Reason: wire.AbortConcurrentAttempt})
	s.send(&wire.PairAbort{Reason: wire.AbortConcurrentAttempt})
	s.close(normalClosure)
}

// makeWay closes the holder for another connection. One that is there to pair gets
// pair/abort, unless it has paired already.
func (s *session) makeWay() {
	if rank(s.activities) != rankPairing || s.flow != nil && s.flow.State() == pairing.ClientSucceeded {
		s.bye(wire.GoodbyeAnotherServer)
		return
	}
	if s.flow != nil {
		s.drive(s.flow.Displace())
	}
	s.send(&wire.PairAbort{Reason: wire.AbortConcurrentAttempt}) // if there was no attempt to give up
	s.close(normalClosure)
}

// dismiss takes its place from a session that is over. Who pairs beside it moves up.
func (s *session) dismiss() {
	k := s.core
	if k.holder != s && k.beside != s {
		return
	}
	lost := s.stream.Load() != nil && s.lost() && k.holder == s
	s.endStream(lost)
	s.artworkEnd()
	s.endVisual()
	s.stopCapture(CaptureDisconnected)
	s.dropDisplays(s.roles)
	if k.beside == s {
		k.beside = nil
		return
	}
	k.holder = nil
	k.stats.roles.Store(nil)
	k.stats.serverID.Store(nil)
	if k.carried = ""; lost {
		k.carried = s.serverID
	} else {
		k.stats.filter.Store(nil)
	}
	if next := k.beside; next != nil {
		k.beside = nil
		k.place(next)
		next.takePlace()
		next.publishHolder()
		next.report()
	}
}

// lost reports whether a session that is over ended without anybody's will: by the network,
// or because the same server took its place with another connection.
func (s *session) lost() bool {
	return s.goodbyeReason == "" || s.goodbyeReason == wire.GoodbyeAnotherServer && s.core.successor == s.serverID
}

// available is what the session's server is told: beside a server that plays, another
// one cannot.
func (s *session) available() bool { return s.core.available && s.core.beside != s }

// tell tells an event about what the server plays and shows, which is the holder's
// business.
func (s *session) tell(e Event) {
	if k := s.core; k.holder == nil || k.holder == s {
		k.emit(e)
	}
}

// takePlace tells what the session has got while it stood beside the holder. Its server
// is owed a client/state.
func (s *session) takePlace() {
	s.stale = true
	s.refresh()
	if s.timing.filter.Count() > 0 {
		s.shareFilter()
	}
	if s.group != nil {
		s.tell(GroupChanged{Group: *s.group})
	}
	if st := s.stream.Load(); st != nil {
		s.tell(StreamStarted{Format: st.format, CodecHeader: st.header})
	}
	s.tellArtwork()
	if s.visual != nil {
		s.tell(VisualStarted{Stream: s.visual.config})
	}
	if s.metadata.have {
		s.tell(MetadataChanged{Metadata: s.metadata.current})
	}
	if s.color.have {
		s.tell(ColorChanged{Color: s.color.current})
	}
	if s.controller != nil {
		s.tell(ControllerChanged{State: s.controller})
	}
}

// publishHolder tells the other goroutines, and the store, what the holder is up to.
func (s *session) publishHolder() {
	k := s.core
	if k.holder != s {
		return
	}
	roles := slices.Clone(s.roles)
	k.stats.roles.Store(&roles)
	if slices.Contains(s.activities, wire.ActivityPlayback) {
		if err := k.cfg.Store.setLastPlayback(s.serverID); err != nil {
			k.cfg.Log.Error("last-playback server is not stored", "error", err)
		}
	}
}

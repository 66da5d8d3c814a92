package client

import (
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// maxProvisional caps the connections that wait for admission at once; more are
// refused as if they were of lower priority (section Multiple servers).
const maxProvisional = 8

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

// admit decides whether a connection gets the client's one place, after its first
// admissible server/activate. The one that loses is told and closed. Activations for
// pairing do not get here: they are refused before.
func (k *core) admit(s *session, activities []string) bool {
	holder := k.holder
	if holder != nil && s.arbitrate {
		in := contender{serverID: s.serverID, activities: activities}
		if !in.displaces(contender{serverID: holder.serverID, activities: holder.activities}, k.cfg.Store.LastPlayback()) {
			k.cfg.Log.Info("connection refused, another server has this client", "server_id", s.serverID, "holder", holder.serverID)
			s.bye(wire.GoodbyeConcurrentAttempt)
			return false
		}
		holder.bye(wire.GoodbyeAnotherServer)
	}
	k.holder = s
	s.phase = admitted
	id := s.serverID
	k.stats.serverID.Store(&id)
	return true
}

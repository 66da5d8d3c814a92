package client

import (
	"fmt"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

func errNotListed(f wire.AudioFormat) error {
	return fmt.Errorf("client: the server started a stream in %s, which this client did not list", f)
}

// scheduled is a state object with at most one pending update (sections Scheduled
// metadata updates and Scheduled color updates).
type scheduled[T any] struct {
	current, pending *T
	at               int64 // server time of the pending update
	have             bool  // had one since the role became active
}

// take applies an object or makes it the pending update. due is its timestamp on the
// client's clock.
func (d *scheduled[T]) take(obj *T, at, due, now int64) (applied bool) {
	d.have = true
	if due > now {
		d.pending, d.at = obj, at
		return false
	}
	d.current, d.pending = obj, nil
	return true
}

// due applies the pending update when its moment has come.
func (d *scheduled[T]) due(clientTime func(int64) int64, now int64) bool {
	if d.pending == nil || clientTime(d.at) > now {
		return false
	}
	d.current, d.pending = d.pending, nil
	return true
}

// clientTime translates a server time by the best estimate of now; without any
// measurement everything is now.
func (s *session) clientTime(server int64) int64 {
	if s.timing.filter.Count() == 0 {
		return 0
	}
	return s.timing.filter.ClientTime(server)
}

// serverState takes the objects of the display and controller roles.
func (s *session) serverState(m *wire.ServerState, at int64) {
	if s.referee != nil {
		s.referee.serverState(m, at)
	}
	active := func(family string) bool { return wire.ActiveFamily(s.roles, family) != "" }
	if m.Metadata != nil && active(wire.RoleMetadata) {
		hadPending := s.metadata.pending != nil
		applied := s.metadata.take(m.Metadata, m.Metadata.Timestamp, s.clientTime(m.Metadata.Timestamp), at)
		if !applied || hadPending {
			s.tell(MetadataPending{Metadata: s.metadata.pending})
		}
		if applied {
			s.tell(MetadataChanged{Metadata: s.metadata.current})
		}
	}
	if m.Color != nil && active(wire.RoleColor) {
		hadPending := s.color.pending != nil
		applied := s.color.take(m.Color, m.Color.Timestamp, s.clientTime(m.Color.Timestamp), at)
		if !applied || hadPending {
			s.tell(ColorPending{Color: s.color.pending})
		}
		if applied {
			s.tell(ColorChanged{Color: s.color.current})
		}
	}
	if m.Controller != nil && active(wire.RoleController) {
		s.controller = m.Controller
		s.tell(ControllerChanged{State: m.Controller})
	}
	if object, ok := m.App[familySuccessors]; ok && s.core.cfg.AcceptSuccessors {
		s.takeRoster(object)
	}
}

// displayDeadline is when a pending update is due.
func (s *session) displayDeadline() int64 {
	d := never
	if s.metadata.pending != nil {
		d = min(d, s.clientTime(s.metadata.at))
	}
	if s.color.pending != nil {
		d = min(d, s.clientTime(s.color.at))
	}
	return d
}

func (s *session) tickDisplays(now int64) {
	if s.metadata.due(s.clientTime, now) {
		s.tell(MetadataChanged{Metadata: s.metadata.current})
		s.tell(MetadataPending{})
	}
	if s.color.due(s.clientTime, now) {
		s.tell(ColorChanged{Color: s.color.current})
		s.tell(ColorPending{})
	}
}

// dropDisplays discards the state of removed roles, with what is pending.
func (s *session) dropDisplays(removed []string) {
	for _, role := range removed {
		family, _ := wire.ParseRole(role)
		switch {
		case family == wire.RoleMetadata && s.metadata.have:
			s.metadata = scheduled[wire.Metadata]{}
			s.tell(MetadataChanged{})
		case family == wire.RoleColor && s.color.have:
			s.color = scheduled[wire.Color]{}
			s.tell(ColorChanged{})
		case family == wire.RoleController && s.controller != nil:
			s.controller = nil
			s.tell(ControllerChanged{})
		}
	}
}

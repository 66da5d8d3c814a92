package machine

import (
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// A client must hear of its group promptly after the first server/activate, and
// of the state of each role that becomes active. The stream service tells both,
// normally within milliseconds. It tells nothing to a client without roles, and
// nothing while it is away; then the session says what is true anyway: the client
// is alone, nothing plays, and there is nothing to control.

// soloPrefix and soloLength make the id of the group that the stream service
// would make for this client alone, so that its own word is no change later.
const (
	soloPrefix = "solo-"
	soloLength = 16
)

// Overdue sends what the client is owed and nobody has told so far. now is house
// clock µs. Call it a moment after each Admit that activated something.
func (m *Machine) Overdue(now int64) []Effect {
	if !m.activated {
		return nil
	}
	out := m.provisionalGroup()
	state := &wire.ServerState{}
	if m.has(wire.RoleMetadata) && !m.meta.sent {
		m.meta.sent = true
		m.meta.put(&wire.Metadata{Timestamp: now}, now, now)
		state.Metadata = m.meta.current
	}
	if m.has(wire.RoleColor) && !m.color.sent {
		m.color.sent = true
		m.color.put(&wire.Color{Timestamp: now}, now, now)
		state.Color = m.color.current
	}
	if m.has(wire.RoleController) && m.controller == nil {
		m.controller = &wire.ControllerState{SupportedCommands: []string{}, Volume: 100, Repeat: wire.RepeatOff}
		state.Controller = m.controller
	}
	if state.Metadata != nil || state.Controller != nil || state.Color != nil {
		out = append(out, Send{state})
	}
	if m.resumes {
		if m.resumes = false; m.setActivities() {
			out = append(out, m.activate(), Changed{})
		}
	}
	return out
}

// provisionalGroup tells a client whose group nobody named that it is alone.
func (m *Machine) provisionalGroup() []Effect {
	if m.group != nil || m.groupWant != nil {
		return nil
	}
	id := m.cfg.ClientID
	m.group = &wire.GroupUpdate{
		PlaybackState: wire.PlaybackStopped,
		GroupID:       soloPrefix + id[:min(len(id), soloLength)],
		GroupName:     m.cfg.Hello.Name,
	}
	return []Effect{Send{m.group}}
}

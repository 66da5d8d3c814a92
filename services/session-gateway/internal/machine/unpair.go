package machine

import "github.com/tutti-audio/tutti/sendspin/wire"

// unpair takes the roles, drops the server's record from the client (specification,
// server/unpair) and waits for its goodbye. now is house clock µs.
func (m *Machine) unpair(now int64) []Effect {
	if m.leaving {
		return nil
	}
	m.leaving = true
	var out []Effect
	if !m.activated || len(m.roles) > 0 {
		out = m.transition(now, false)
	}
	return append(out, Send{&wire.ServerUnpair{}}, Unpairing{}, Changed{})
}

// ReportsEnd reports whether pairing wants to know when the session ends.
func (m *Machine) ReportsEnd() bool { return m.reportEnd }

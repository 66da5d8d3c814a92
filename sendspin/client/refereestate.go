package client

import "github.com/tutti-audio/tutti/sendspin/wire"

// serverState checks the role objects of a server/state.
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

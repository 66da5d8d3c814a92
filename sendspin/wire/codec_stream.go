package wire

import "slices"

func (m *StreamStart) encode(e *enc) {
	e.int64("server_transmitted", m.ServerTransmitted)
	if m.Player != nil {
		m.Player.encode(e)
	}
	if m.Artwork != nil {
		encodeChannels(e, m.Artwork.Channels, 0)
	}
	if m.Visualizer != nil {
		m.Visualizer.encode(e)
	}
	e.app(m.App, isAppKey)
}

func (m *StreamStart) decode(o *obj) {
	m.ServerTransmitted = o.int64("server_transmitted")
	player, artwork, visual := &PlayerStream{}, &ArtworkStream{}, &VisualizerStream{}
	if o.roleObj(RolePlayer, player.decode) {
		m.Player = player
	}
	if o.roleObj(RoleArtwork, func(o *obj) { artwork.Channels = decodeChannels(o) }) {
		m.Artwork = artwork
	}
	if o.roleObj(RoleVisualizer, visual.decode) {
		m.Visualizer = visual
	}
	m.App = o.app(isAppKey)
}

func (m *StreamClear) encode(e *enc) {
	e.int64("server_transmitted", m.ServerTransmitted)
	encodeStreamRoles(e, m.Roles, RolePlayer, RoleVisualizer)
}

func (m *StreamClear) decode(o *obj) {
	m.ServerTransmitted = o.int64("server_transmitted")
	m.Roles = decodeStreamRoles(o)
}

func (m *StreamEnd) encode(e *enc) {
	encodeStreamRoles(e, m.Roles, RolePlayer, RoleArtwork, RoleVisualizer)
}
func (m *StreamEnd) decode(o *obj) { m.Roles = decodeStreamRoles(o) }

func encodeStreamRoles(e *enc, roles []string, families ...string) {
	if len(roles) == 0 {
		return
	}
	var defined []string
	for _, r := range roles {
		if !isAppKey(r) {
			defined = append(defined, r)
		}
	}
	for _, r := range defined {
		e.check(slices.Contains(families, r), "roles", "holds a role without such a stream")
	}
	e.strs("roles", roles)
}

func decodeStreamRoles(o *obj) []string {
	roles := o.optStrs("roles")
	if roles != nil && len(roles) == 0 {
		o.fail("roles", "must not be empty")
	}
	return roles
}

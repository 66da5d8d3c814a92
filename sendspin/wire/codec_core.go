package wire

import "strings"

func isAppKey(key string) bool { return strings.HasPrefix(key, "_") }

func (m *ClientInit) encode(e *enc) {
	_, err := ParseID(m.ClientID)
	e.check(err == nil, "client_id", "not an identifier")
	e.str("client_id", m.ClientID)
	e.check(m.Version == Version, "version", "must be 1")
	e.int("version", m.Version)
	e.oneOf("suite", m.Suite, SuiteChaChaPoly, SuiteAESGCM)
}

func (m *ClientInit) decode(o *obj) {
	m.Version = o.int("version", Version, Version)
	m.Suite = o.oneOf("suite", SuiteChaChaPoly, SuiteAESGCM)
	m.ClientID = o.id("client_id")
}

// id reads a required identifier.
func (o *obj) id(key string) string {
	s := o.str(key)
	if raw := o.get(key); raw != nil && raw[0] == '"' {
		if _, err := ParseID(s); err != nil {
			o.fail(key, "want 43 characters of base64url for 32 bytes")
		}
	}
	return s
}

func (m *ServerInit) encode(e *enc) {
	_, err := ParseID(m.ServerID)
	e.check(err == nil, "server_id", "not an identifier")
	e.str("server_id", m.ServerID)
	e.check(m.Version == Version, "version", "must be 1")
	e.int("version", m.Version)
}

func (m *ServerInit) decode(o *obj) {
	m.ServerID = o.id("server_id")
	m.Version = o.int("version", Version, Version)
}

func (m *NoiseHandshake) encode(e *enc) { e.b64url("data", m.Data, -1) }
func (m *NoiseHandshake) decode(o *obj) { m.Data = o.b64url("data", -1) }

func (m *ServerError) encode(e *enc) {
	e.oneOf("reason", m.Reason, ErrorUnsupportedVersion, ErrorUnsupportedSuite, ErrorMalformed)
}
func (m *ServerError) decode(o *obj) { m.Reason = o.str("reason") }

func (m *ServerHello) encode(e *enc) {
	e.str("name", m.Name)
	if len(m.Languages) > 0 {
		e.strs("languages", m.Languages)
	}
	if m.Source != nil {
		m.Source.encode(e)
	}
	e.app(m.App, isAppSupportKey)
}

func (m *ServerHello) decode(o *obj) {
	m.Name = o.str("name")
	m.Languages = o.optStrs("languages")
	if s := o.optObj("source@v1_support"); s != nil {
		m.Source = &ServerSourceSupport{}
		m.Source.decode(s)
	}
	m.App = o.app(isAppSupportKey)
}

func (m *ServerHello) note(ignored []string) { m.Ignored = ignored }

// isAppSupportKey reports whether a hello key is the support object of an
// application-specific role version.
func isAppSupportKey(key string) bool {
	role, ok := strings.CutSuffix(key, "_support")
	if !ok {
		return false
	}
	_, version := ParseRole(role)
	return version != "" && IsApplicationRole(role)
}

func (m *ClientHello) encode(e *enc) {
	e.str("name", m.Name)
	if d := m.DeviceInfo; d != nil {
		e.open("device_info")
		e.optStr("product_name", d.ProductName)
		e.optStr("manufacturer", d.Manufacturer)
		e.optStr("software_version", d.SoftwareVersion)
		e.check(d.MACAddress == strings.ToLower(d.MACAddress), "mac_address", "must be lower case")
		e.optStr("mac_address", d.MACAddress)
		e.close()
	}
	e.strs("supported_roles", m.SupportedRoles)
	m.encodeSupport(e)
	e.app(m.App, func(key string) bool { return isAppSupportKey(key) && m.lists(strings.TrimSuffix(key, "_support")) })
	m.PairMethods.encode(e)
	e.open("unpaired_access")
	e.bool("enabled", m.UnpairedAccess.Enabled)
	e.close()
}

// encodeSupport writes the support objects, each exactly when its role is listed.
func (m *ClientHello) encodeSupport(e *enc) {
	for _, role := range m.SupportedRoles {
		_, version := ParseRole(role)
		e.check(version != "", "supported_roles", "holds a role without a version")
	}
	e.check(m.lists(RolePlayerV1) == (m.Player != nil), "player@v1_support", "must be present exactly when player@v1 is listed")
	e.check(m.lists(RoleSourceV1) == (m.Source != nil), "source@v1_support", "must be present exactly when source@v1 is listed")
	e.check(m.lists(RoleVisualizerV1) == (m.Visualizer != nil), "visualizer@v1_support", "must be present exactly when visualizer@v1 is listed")
	if m.Player != nil {
		m.Player.encode(e)
	}
	if m.Source != nil {
		m.Source.encode(e)
	}
	if m.Visualizer != nil {
		m.Visualizer.encode(e)
	}
}

func (m *ClientHello) decode(o *obj) {
	m.Name = o.str("name")
	if d := o.optObj("device_info"); d != nil {
		m.DeviceInfo = &DeviceInfo{
			ProductName:     d.optStr("product_name"),
			Manufacturer:    d.optStr("manufacturer"),
			SoftwareVersion: d.optStr("software_version"),
			MACAddress:      d.optStr("mac_address"),
		}
	}
	m.SupportedRoles = o.strs("supported_roles")
	m.decodeSupport(o)
	m.App = o.app(func(key string) bool { return isAppSupportKey(key) && m.lists(strings.TrimSuffix(key, "_support")) })
	m.PairMethods.decode(o.obj("supported_pair_methods"))
	m.UnpairedAccess.Enabled = o.obj("unpaired_access").bool("enabled")
}

// decodeSupport reads the support objects of listed roles. One of a role that is
// not listed says nothing, so its content is not looked at.
func (m *ClientHello) decodeSupport(o *obj) {
	if s := m.support(o, RolePlayerV1); s != nil {
		m.Player = &PlayerSupport{}
		m.Player.decode(s)
	}
	if s := m.support(o, RoleSourceV1); s != nil {
		m.Source = &SourceSupport{}
		m.Source.decode(s)
	}
	if s := m.support(o, RoleVisualizerV1); s != nil {
		m.Visualizer = &VisualizerSupport{BufferCapacity: s.int("buffer_capacity", 0, maxInt)}
	}
}

// support returns the support object of a role, nil when the role is not listed.
func (m *ClientHello) support(o *obj, role string) *obj {
	if !m.lists(role) {
		return nil
	}
	return o.optObj(role + "_support")
}

func (m *ClientHello) note(ignored []string) { m.Ignored = ignored }

// lists reports whether a versioned role is among the supported ones.
func (m *ClientHello) lists(role string) bool {
	for _, r := range m.SupportedRoles {
		if r == role {
			return true
		}
	}
	return false
}

// Has reports whether the activity is declared.
func (m *ServerActivate) Has(activity string) bool {
	for _, a := range m.Activities {
		if a == activity {
			return true
		}
	}
	return false
}

func (m *ServerActivate) encode(e *enc) {
	e.subset("activities", m.Activities, ActivityPlayback, ActivityPairing)
	if m.ActiveRoles != nil {
		e.strs("active_roles", m.ActiveRoles)
	}
	e.check(m.Has(ActivityPairing) == (m.Pairing != nil), "pairing", "must be present exactly when activities hold pairing")
	if p := m.Pairing; p != nil {
		e.open("pairing")
		e.oneOf("method", p.Method, MethodDynamicCode, MethodPSK, MethodStaticCode)
		e.check((p.Method == MethodDynamicCode) == (p.Format != ""), "format", "must be present exactly for the dynamic pairing code")
		if p.Format != "" {
			e.oneOf("format", p.Format, FormatDigits, FormatQRCode)
		}
		e.close()
	}
}

func (m *ServerActivate) decode(o *obj) {
	m.Activities = o.strs("activities")
	m.ActiveRoles = o.optStrs("active_roles")
	if !m.Has(ActivityPairing) {
		return // a pairing object is then to be ignored
	}
	p := o.obj("pairing")
	m.Pairing = &ActivatePairing{Method: p.str("method")}
	if m.Pairing.Method == MethodDynamicCode {
		m.Pairing.Format = p.str("format")
	}
}

func (m *ClientTime) encode(e *enc) { e.int64("client_transmitted", m.ClientTransmitted) }
func (m *ClientTime) decode(o *obj) { m.ClientTransmitted = o.int64("client_transmitted") }

func (m *ServerTime) encode(e *enc) {
	e.int64("client_transmitted", m.ClientTransmitted)
	e.int64("server_received", m.ServerReceived)
	e.int64("server_transmitted", m.ServerTransmitted)
}

func (m *ServerTime) decode(o *obj) {
	m.ClientTransmitted = o.int64("client_transmitted")
	m.ServerReceived = o.int64("server_received")
	m.ServerTransmitted = o.int64("server_transmitted")
}

func (m *ClientState) encode(e *enc) {
	e.bool("available", m.Available)
	if m.Player != nil {
		m.Player.encode(e)
	}
	if m.Source != nil {
		e.open("source")
		if m.Source.Signal != "" {
			e.oneOf("signal", m.Source.Signal, SignalPresent, SignalAbsent)
		}
		e.close()
	}
	if m.Artwork != nil {
		encodeChannels(e, m.Artwork.Channels, 1)
	}
	if m.Visualizer != nil {
		m.Visualizer.encode(e)
	}
	e.app(m.App, isAppKey)
}

func (m *ClientState) decode(o *obj) {
	m.Available = o.bool("available")
	player, source, artwork, visual := &PlayerState{}, &SourceState{}, &ArtworkState{}, &VisualizerState{}
	if o.roleObj(RolePlayer, player.decode) {
		m.Player = player
	}
	if o.roleObj(RoleSource, source.decode) {
		m.Source = source
	}
	if o.roleObj(RoleArtwork, func(o *obj) { artwork.Channels = decodeChannels(o) }) {
		m.Artwork = artwork
	}
	if o.roleObj(RoleVisualizer, visual.decode) {
		m.Visualizer = visual
	}
	m.App = o.app(isAppKey)
}

func (m *ClientState) note(ignored []string) { m.Ignored = ignored }

func (m *ClientCommand) encode(e *enc) {
	if m.Controller != nil {
		m.Controller.encode(e)
	}
	e.app(m.App, isAppKey)
}

func (m *ClientCommand) decode(o *obj) {
	controller := &ControllerCommand{}
	if o.roleObj(RoleController, controller.decode) {
		m.Controller = controller
	}
	m.App = o.app(isAppKey)
}

func (m *ServerState) encode(e *enc) {
	if m.Metadata != nil {
		m.Metadata.encode(e)
	}
	if m.Controller != nil {
		m.Controller.encode(e)
	}
	if m.Color != nil {
		m.Color.encode(e)
	}
	e.app(m.App, isAppKey)
}

func (m *ServerState) decode(o *obj) {
	metadata, controller, color := &Metadata{}, &ControllerState{}, &Color{}
	if o.roleObj(RoleMetadata, metadata.decode) {
		m.Metadata = metadata
	}
	if o.roleObj(RoleController, controller.decode) {
		m.Controller = controller
	}
	if o.roleObj(RoleColor, color.decode) {
		m.Color = color
	}
	m.App = o.app(isAppKey)
}

func (m *ServerState) note(ignored []string) { m.Ignored = ignored }

func (m *ServerCommand) encode(e *enc) {
	if m.Player != nil {
		m.Player.encode(e)
	}
	if m.Source != nil {
		e.open("source")
		e.oneOf("command", m.Source.Command, SourceStart, SourceStop)
		e.close()
	}
	e.app(m.App, isAppKey)
}

func (m *ServerCommand) decode(o *obj) {
	player, source := &PlayerCommand{}, &SourceCommand{}
	if o.roleObj(RolePlayer, player.decode) {
		m.Player = player
	}
	if o.roleObj(RoleSource, func(o *obj) { source.Command = o.oneOf("command", SourceStart, SourceStop) }) {
		m.Source = source
	}
	m.App = o.app(isAppKey)
}

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
		e.check(contains(families, r), "roles", "holds a role without such a stream")
	}
	e.strs("roles", roles)
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func decodeStreamRoles(o *obj) []string {
	roles := o.optStrs("roles")
	if roles != nil && len(roles) == 0 {
		o.fail("roles", "must not be empty")
	}
	return roles
}

func (m *GroupUpdate) encode(e *enc) {
	e.oneOf("playback_state", m.PlaybackState, PlaybackPlaying, PlaybackStopped)
	e.need("group_id", m.GroupID)
	e.str("group_name", m.GroupName)
}

func (m *GroupUpdate) decode(o *obj) {
	m.PlaybackState = o.oneOf("playback_state", PlaybackPlaying, PlaybackStopped)
	m.GroupID = o.str("group_id")
	m.GroupName = o.str("group_name")
}

func (m *ClientGoodbye) encode(e *enc) {
	e.oneOf("reason", m.Reason, GoodbyeAnotherServer, GoodbyeShutdown, GoodbyeRestart, GoodbyeUserRequest,
		GoodbyeUnauthorized, GoodbyePairingRequired, GoodbyeConcurrentAttempt, GoodbyeUnpaired)
}
func (m *ClientGoodbye) decode(o *obj) { m.Reason = o.str("reason") }

func (*ClientLeave) encode(*enc)     {}
func (*ClientLeave) decode(*obj)     {}
func (*ServerUnpair) encode(*enc)    {}
func (*ServerUnpair) decode(*obj)    {}
func (*ClientStreamEnd) encode(*enc) {}
func (*ClientStreamEnd) decode(*obj) {}

package wire

import (
	"slices"
	"strings"
)

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

// Has reports whether the activity is declared.
func (m *ServerActivate) Has(activity string) bool {
	return slices.Contains(m.Activities, activity)
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

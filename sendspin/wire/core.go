package wire

// Version is the core message format of the specification, the only value that
// client/init and server/init may carry.
const Version = 1

// Cipher suites of the Noise handshake (section Cipher Suites). A server supports
// both, a client picks one.
const (
	SuiteChaChaPoly = "25519_ChaChaPoly_SHA256"
	SuiteAESGCM     = "25519_AESGCM_SHA256"
)

// ClientInit is the first message on a connection, in clear text (section
// client/init). Servers parse it with [ParseClientInit].
type ClientInit struct {
	// ClientID is the client's static public key in the form of [ID].
	ClientID string
	// Version is always [Version].
	Version int
	// Suite is SuiteChaChaPoly or SuiteAESGCM.
	Suite string
}

// ServerInit answers client/init, in clear text (section server/init).
type ServerInit struct {
	// ServerID is the server's static public key in the form of [ID].
	ServerID string
	// Version is always [Version].
	Version int
}

// NoiseHandshake carries one Noise handshake message (section noise/handshake):
// in clear text at the start, encrypted for a re-handshake.
type NoiseHandshake struct {
	// Data is the Noise message itself; base64url on the wire.
	Data []byte
}

// Reasons of [ServerError] (section server/error).
const (
	ErrorUnsupportedVersion = "unsupported_version"
	ErrorUnsupportedSuite   = "unsupported_suite"
	ErrorMalformed          = "malformed"
)

// ServerError refuses a client/init, in clear text. It is not authenticated, so
// its reason is a hint for logs and operators only.
type ServerError struct {
	// Reason is one of the Error constants. Others are kept as received.
	Reason string
}

// ServerHello is the server's first encrypted message, once a connection.
type ServerHello struct {
	// Name is the friendly name of the server.
	Name string
	// Languages are BCP 47 tags in the operator's order of preference; empty when
	// the server gives none.
	Languages []string
	// Source is the source@v1 support object, nil without that role.
	Source *ServerSourceSupport
	// App holds the support objects of application-specific roles by their full
	// key, such as "_acme_lamp@v1_support".
	App AppObjects
	// Ignored lists codecs that were not recognized.
	Ignored []string
}

// DeviceInfo describes a device in client/hello. Every field is optional; empty
// means absent.
type DeviceInfo struct {
	ProductName     string
	Manufacturer    string
	SoftwareVersion string
	// MACAddress is lower case with colons, as in "aa:bb:cc:dd:ee:ff".
	MACAddress string
}

// UnpairedAccess says whether the client admits servers without a pairing record
// (section Unpaired Access).
type UnpairedAccess struct {
	Enabled bool
}

// ClientHello tells who the client is and what it can do, once a connection
// (section client/hello).
type ClientHello struct {
	Name       string
	DeviceInfo *DeviceInfo
	// SupportedRoles are versioned roles, most preferred first, as received: unknown
	// ones are kept, so that a server can tell its operator about them.
	SupportedRoles []string
	// Player, Source and Visualizer are the support objects of the v1 roles. They
	// are nil when absent, and when their role is not listed.
	Player     *PlayerSupport
	Source     *SourceSupport
	Visualizer *VisualizerSupport
	// App holds support objects of other listed role versions whose family or
	// version starts with "_", by full key.
	App AppObjects
	// PairMethods are the pairing methods that the client offers now.
	PairMethods PairMethods
	// UnpairedAccess is the client's setting at the time of the hello.
	UnpairedAccess UnpairedAccess
	// Ignored lists identifiers that were not recognized and left out, each with
	// the path of its field.
	Ignored []string
}

// Activities of [ServerActivate].
const (
	ActivityPlayback = "playback"
	ActivityPairing  = "pairing"
)

// ServerActivate declares the server's purpose on the connection (section
// server/activate).
type ServerActivate struct {
	// Activities is a set; it may be empty. Unknown members are kept: they make
	// the activation inadmissible.
	Activities []string
	// ActiveRoles are the versioned roles that are active from now on. Nil means
	// that the field is absent and the roles stay as they are; an empty list that
	// is not nil switches all of them off.
	ActiveRoles []string
	// Pairing admits one pairing attempt. Non-nil exactly when Activities contains
	// ActivityPairing.
	Pairing *ActivatePairing
}

// ActivatePairing selects how the attempt is carried out.
type ActivatePairing struct {
	// Method is one of the Method constants. Others are kept as received.
	Method string
	// Format is one of the Format constants, for MethodDynamicCode only.
	Format string
}

// ClientTime asks for a clock reading (section client/time).
type ClientTime struct {
	// ClientTransmitted is the client's clock in microseconds.
	ClientTransmitted int64
}

// ServerTime answers [ClientTime]. All values are microseconds.
type ServerTime struct {
	ClientTransmitted int64
	ServerReceived    int64
	// ServerTransmitted is taken immediately before the message is encrypted.
	ServerTransmitted int64
}

// ClientState reports the client's state (section client/state). Each role object
// it includes is complete; a nil one leaves that role's state unchanged.
type ClientState struct {
	Available  bool
	Player     *PlayerState
	Source     *SourceState
	Artwork    *ArtworkState
	Visualizer *VisualizerState
	App        AppObjects
	// Ignored lists identifiers that were not recognized and left out.
	Ignored []string
}

// ClientCommand carries commands of the client's active roles (section
// client/command).
type ClientCommand struct {
	Controller *ControllerCommand
	App        AppObjects
}

// ClientLeave takes the client out of its group (section client/leave).
type ClientLeave struct{}

// ServerState carries state objects of the client's active roles (section
// server/state). Each is complete; a nil one leaves that role unchanged.
type ServerState struct {
	Metadata   *Metadata
	Controller *ControllerState
	Color      *Color
	App        AppObjects
	// Ignored lists identifiers that were not recognized and left out.
	Ignored []string
}

// ServerCommand carries commands to the client's roles (section server/command).
type ServerCommand struct {
	Player *PlayerCommand
	Source *SourceCommand
	App    AppObjects
}

// StreamStart starts a stream for one or more roles, or changes the configuration
// of one that is active (section stream/start).
type StreamStart struct {
	// ServerTransmitted is the server's clock in microseconds, taken immediately
	// before the message is encrypted.
	ServerTransmitted int64
	Player            *PlayerStream
	Artwork           *ArtworkStream
	Visualizer        *VisualizerStream
	App               AppObjects
}

// StreamClear drops what is buffered, without ending streams (section
// stream/clear).
type StreamClear struct {
	// ServerTransmitted is as in [StreamStart].
	ServerTransmitted int64
	// Roles are role families. Empty means all active player and visualizer
	// streams; on the wire the field is then absent.
	Roles []string
}

// StreamEnd ends streams (section stream/end).
type StreamEnd struct {
	// Roles are role families. Empty means all active streams; on the wire the
	// field is then absent.
	Roles []string
}

// Playback states of [GroupUpdate].
const (
	PlaybackPlaying = "playing"
	PlaybackStopped = "stopped"
)

// GroupUpdate is the state of the client's group (section group/update). It always
// carries all fields.
type GroupUpdate struct {
	// PlaybackState is PlaybackPlaying or PlaybackStopped.
	PlaybackState string
	GroupID       string
	GroupName     string
}

// ServerUnpair drops the server's pairing record from the client (section
// server/unpair).
type ServerUnpair struct{}

// Reasons of [ClientGoodbye].
const (
	GoodbyeAnotherServer     = "another_server"
	GoodbyeShutdown          = "shutdown"
	GoodbyeRestart           = "restart"
	GoodbyeUserRequest       = "user_request"
	GoodbyeUnauthorized      = "unauthorized"
	GoodbyePairingRequired   = "pairing_required"
	GoodbyeConcurrentAttempt = "concurrent_attempt"
	GoodbyeUnpaired          = "unpaired"
)

// ClientGoodbye announces that the client closes the connection (section
// client/goodbye).
type ClientGoodbye struct {
	// Reason is one of the Goodbye constants. Others are kept as received.
	Reason string
}

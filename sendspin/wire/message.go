package wire

import "encoding/json"

// Message is one JSON message of the protocol. The types of this package whose
// names follow the specification's message types implement it, with pointer
// receivers: *ClientHello, *StreamStart and so on.
type Message interface {
	// Type returns the value of the JSON "type" field, such as "client/hello".
	Type() string
}

// Message types, in the order of the specification.
const (
	TypeClientInit         = "client/init"
	TypeServerInit         = "server/init"
	TypeNoiseHandshake     = "noise/handshake"
	TypeServerError        = "server/error"
	TypeServerHello        = "server/hello"
	TypeClientHello        = "client/hello"
	TypeServerActivate     = "server/activate"
	TypeClientTime         = "client/time"
	TypeServerTime         = "server/time"
	TypeClientState        = "client/state"
	TypeClientCommand      = "client/command"
	TypeClientLeave        = "client/leave"
	TypeServerState        = "server/state"
	TypeServerCommand      = "server/command"
	TypeStreamStart        = "stream/start"
	TypeStreamClear        = "stream/clear"
	TypeStreamEnd          = "stream/end"
	TypeGroupUpdate        = "group/update"
	TypeServerUnpair       = "server/unpair"
	TypeClientGoodbye      = "client/goodbye"
	TypeClientStreamStart  = "client-stream/start"
	TypeClientStreamEnd    = "client-stream/end"
	TypeClientPairPending  = "client/pair-pending"
	TypeClientPairInit     = "client/pair-init"
	TypeServerPairInit     = "server/pair-init"
	TypeServerPairAuth     = "server/pair-auth"
	TypeClientPairAuth     = "client/pair-auth"
	TypeServerPairConfirm  = "server/pair-confirm"
	TypeClientPairRetry    = "client/pair-retry"
	TypeClientPairConfirm  = "client/pair-confirm"
	TypeClientPairFinalize = "client/pair-finalize"
	TypeServerPairFinalize = "server/pair-finalize"
	TypePairAbort          = "pair/abort"
)

// Unknown is a well-formed message whose type this package does not know, or
// knows only from the other direction. Receivers ignore it after the initial
// server/activate (specification: Communication, "Forward compatibility"); before
// that it is out of order. It cannot be encoded.
type Unknown struct {
	// Name is the type as received. It comes from the peer: quote it in logs.
	Name string
	// WrongDirection is true for a defined type whose sender must be the other
	// side. The ignore rule does not cover those.
	WrongDirection bool
}

// Type returns the type as it was received.
func (m *Unknown) Type() string { return m.Name }

// AppObjects holds the objects of application-specific roles by their key. Keys
// start with "_", values are JSON objects. Nil when there are none.
// (Specification: Application-Specific Roles.)
type AppObjects map[string]json.RawMessage

// Type implements [Message].
func (*ClientInit) Type() string { return TypeClientInit }

// Type implements [Message].
func (*ServerInit) Type() string { return TypeServerInit }

// Type implements [Message].
func (*NoiseHandshake) Type() string { return TypeNoiseHandshake }

// Type implements [Message].
func (*ServerError) Type() string { return TypeServerError }

// Type implements [Message].
func (*ServerHello) Type() string { return TypeServerHello }

// Type implements [Message].
func (*ClientHello) Type() string { return TypeClientHello }

// Type implements [Message].
func (*ServerActivate) Type() string { return TypeServerActivate }

// Type implements [Message].
func (*ClientTime) Type() string { return TypeClientTime }

// Type implements [Message].
func (*ServerTime) Type() string { return TypeServerTime }

// Type implements [Message].
func (*ClientState) Type() string { return TypeClientState }

// Type implements [Message].
func (*ClientCommand) Type() string { return TypeClientCommand }

// Type implements [Message].
func (*ClientLeave) Type() string { return TypeClientLeave }

// Type implements [Message].
func (*ServerState) Type() string { return TypeServerState }

// Type implements [Message].
func (*ServerCommand) Type() string { return TypeServerCommand }

// Type implements [Message].
func (*StreamStart) Type() string { return TypeStreamStart }

// Type implements [Message].
func (*StreamClear) Type() string { return TypeStreamClear }

// Type implements [Message].
func (*StreamEnd) Type() string { return TypeStreamEnd }

// Type implements [Message].
func (*GroupUpdate) Type() string { return TypeGroupUpdate }

// Type implements [Message].
func (*ServerUnpair) Type() string { return TypeServerUnpair }

// Type implements [Message].
func (*ClientGoodbye) Type() string { return TypeClientGoodbye }

// Type implements [Message].
func (*ClientStreamStart) Type() string { return TypeClientStreamStart }

// Type implements [Message].
func (*ClientStreamEnd) Type() string { return TypeClientStreamEnd }

// Type implements [Message].
func (*ClientPairPending) Type() string { return TypeClientPairPending }

// Type implements [Message].
func (*ClientPairInit) Type() string { return TypeClientPairInit }

// Type implements [Message].
func (*ServerPairInit) Type() string { return TypeServerPairInit }

// Type implements [Message].
func (*ServerPairAuth) Type() string { return TypeServerPairAuth }

// Type implements [Message].
func (*ClientPairAuth) Type() string { return TypeClientPairAuth }

// Type implements [Message].
func (*ServerPairConfirm) Type() string { return TypeServerPairConfirm }

// Type implements [Message].
func (*ClientPairRetry) Type() string { return TypeClientPairRetry }

// Type implements [Message].
func (*ClientPairConfirm) Type() string { return TypeClientPairConfirm }

// Type implements [Message].
func (*ClientPairFinalize) Type() string { return TypeClientPairFinalize }

// Type implements [Message].
func (*ServerPairFinalize) Type() string { return TypeServerPairFinalize }

// Type implements [Message].
func (*PairAbort) Type() string { return TypePairAbort }

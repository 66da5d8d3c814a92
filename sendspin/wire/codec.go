package wire

import "fmt"

// Dialect names a generation of the protocol on the wire.
type Dialect string

// DialectCurrent is the specification that this package's comments refer to.
const DialectCurrent Dialect = "current"

// Codec translates between messages and bytes for the dialect that a client
// speaks. Sessions hold one and never ask which: what differs between dialects is
// behind these methods. A Codec is safe for concurrent use.
type Codec interface {
	// Dialect names the dialect, for display only.
	Dialect() Dialect
	// Encode returns the JSON body, {"type":…,"payload":…}. It fails with
	// [*EncodeError] for a message that must not be sent.
	Encode(m Message) ([]byte, error)
	// DecodeFromClient reads a message that a client sent. The error is a
	// [*FieldError], or [RoleErrors] with a non-nil message beside it. A message
	// that only a server may send is [*Unknown] with WrongDirection set.
	DecodeFromClient(b []byte) (Message, error)
	// DecodeFromServer is DecodeFromClient for the other direction.
	DecodeFromServer(b []byte) (Message, error)
	// AudioHeaderLen is the number of bytes that PutAudioHeader writes.
	AudioHeaderLen() int
	// PutAudioHeader writes message ID, timestamp (server microseconds) and
	// sendAhead (of [SendAhead]) to the start of dst, which must be long enough.
	PutAudioHeader(dst []byte, timestamp int64, sendAhead uint32)
	// ParseAudioChunk reads what follows the ID of an audio message. Data aliases it.
	ParseAudioChunk(payload []byte) (AudioChunk, error)
}

// Current returns the codec of [DialectCurrent].
func Current() Codec { return currentCodec{} }

type currentCodec struct{}

// Dialect implements [Codec].
func (currentCodec) Dialect() Dialect { return DialectCurrent }

// AudioHeaderLen implements [Codec].
func (currentCodec) AudioHeaderLen() int { return AudioHeaderLen }

// PutAudioHeader implements [Codec].
func (currentCodec) PutAudioHeader(dst []byte, timestamp int64, sendAhead uint32) {
	PutAudioHeader(dst, timestamp, sendAhead)
}

// ParseAudioChunk implements [Codec].
func (currentCodec) ParseAudioChunk(payload []byte) (AudioChunk, error) {
	return ParseAudioChunk(payload)
}

// direction is a set of senders.
type direction uint8

const (
	fromClient direction = 1 << iota
	fromServer
)

// currentMessage is what the codec of this dialect knows about a message type.
type currentMessage interface {
	Message
	// encode writes the members of the payload.
	encode(e *enc)
	// decode reads the payload into the receiver, which is a zero value.
	decode(o *obj)
}

// newMessage returns an empty message of a type and its senders, nil when the type
// is not of this dialect.
func newMessage(typ string) (currentMessage, direction) {
	switch typ {
	case TypeClientInit:
		return &ClientInit{}, fromClient
	case TypeServerInit:
		return &ServerInit{}, fromServer
	case TypeNoiseHandshake:
		return &NoiseHandshake{}, fromClient | fromServer
	case TypeServerError:
		return &ServerError{}, fromServer
	case TypeServerHello:
		return &ServerHello{}, fromServer
	case TypeClientHello:
		return &ClientHello{}, fromClient
	case TypeServerActivate:
		return &ServerActivate{}, fromServer
	case TypeClientTime:
		return &ClientTime{}, fromClient
	case TypeServerTime:
		return &ServerTime{}, fromServer
	case TypeClientState:
		return &ClientState{}, fromClient
	case TypeClientCommand:
		return &ClientCommand{}, fromClient
	case TypeClientLeave:
		return &ClientLeave{}, fromClient
	case TypeServerState:
		return &ServerState{}, fromServer
	case TypeServerCommand:
		return &ServerCommand{}, fromServer
	case TypeStreamStart:
		return &StreamStart{}, fromServer
	case TypeStreamClear:
		return &StreamClear{}, fromServer
	case TypeStreamEnd:
		return &StreamEnd{}, fromServer
	case TypeGroupUpdate:
		return &GroupUpdate{}, fromServer
	case TypeServerUnpair:
		return &ServerUnpair{}, fromServer
	case TypeClientGoodbye:
		return &ClientGoodbye{}, fromClient
	case TypeClientStreamStart:
		return &ClientStreamStart{}, fromClient
	case TypeClientStreamEnd:
		return &ClientStreamEnd{}, fromClient
	}
	return newPairingMessage(typ)
}

func newPairingMessage(typ string) (currentMessage, direction) {
	switch typ {
	case TypeClientPairPending:
		return &ClientPairPending{}, fromClient
	case TypeClientPairInit:
		return &ClientPairInit{}, fromClient
	case TypeServerPairInit:
		return &ServerPairInit{}, fromServer
	case TypeServerPairAuth:
		return &ServerPairAuth{}, fromServer
	case TypeClientPairAuth:
		return &ClientPairAuth{}, fromClient
	case TypeServerPairConfirm:
		return &ServerPairConfirm{}, fromServer
	case TypeClientPairRetry:
		return &ClientPairRetry{}, fromClient
	case TypeClientPairConfirm:
		return &ClientPairConfirm{}, fromClient
	case TypeClientPairFinalize:
		return &ClientPairFinalize{}, fromClient
	case TypeServerPairFinalize:
		return &ServerPairFinalize{}, fromServer
	case TypePairAbort:
		return &PairAbort{}, fromClient | fromServer
	}
	return nil, 0
}

// Encode implements [Codec].
func (currentCodec) Encode(m Message) ([]byte, error) {
	cm, ok := m.(currentMessage)
	if !ok {
		return nil, &EncodeError{Message: fmt.Sprintf("%T", m), Field: "type", Problem: "not a message of this dialect"}
	}
	e := enc{b: make([]byte, 0, 128), msg: m.Type()}
	e.b = append(e.b, '{')
	e.str("type", e.msg)
	e.key("payload")
	e.b = append(e.b, '{')
	cm.encode(&e)
	e.b = append(e.b, '}', '}')
	if e.err != nil {
		return nil, e.err
	}
	return e.b, nil
}

// DecodeFromClient implements [Codec].
func (currentCodec) DecodeFromClient(b []byte) (Message, error) { return decodeCurrent(b, fromClient) }

// DecodeFromServer implements [Codec].
func (currentCodec) DecodeFromServer(b []byte) (Message, error) { return decodeCurrent(b, fromServer) }

func decodeCurrent(b []byte, from direction) (Message, error) {
	typ, payload, fault := envelope(b)
	if fault != nil {
		return nil, fault
	}
	m, senders := newMessage(typ)
	if m == nil || senders&from == 0 {
		return &Unknown{Name: typ, WrongDirection: m != nil}, nil
	}
	d := &dec{msg: typ}
	m.decode(&obj{d: d, fields: members(payload)})
	if d.err != nil {
		return nil, d.err
	}
	if n, ok := m.(interface{ note(ignored []string) }); ok {
		n.note(d.ignored)
	}
	if d.roles != nil {
		return m, d.roles
	}
	return m, nil
}

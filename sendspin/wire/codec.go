package wire

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
	// ParseAudioChunk reads a whole audio message, with its ID. Data aliases b.
	ParseAudioChunk(b []byte) (AudioChunk, error)
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
func (currentCodec) ParseAudioChunk(b []byte) (AudioChunk, error) { return ParseAudioChunk(b) }

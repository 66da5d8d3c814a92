package wire

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Message IDs, the first byte of every decrypted binary message (section Binary
// Message ID Structure).
const (
	IDJSON     byte = 0  // JSON message body
	IDFragment byte = 1  // fragment of a larger message
	IDAudio    byte = 4  // audio chunk to a player
	IDArtwork0 byte = 8  // artwork channel 0; channels 1-3 follow
	IDArtwork3 byte = 11 // artwork channel 3
	IDSource   byte = 12 // audio chunk from a source
	IDLoudness byte = 16
	IDBeat     byte = 17
	IDFPeak    byte = 18
	IDSpectrum byte = 19
	IDPeak     byte = 20
	IDAppFirst byte = 192 // application-specific roles, up to 255
)

// MaxPlain is the largest plaintext of one Noise transport message, ID included;
// what is larger is fragmented (section Fragmentation).
const MaxPlain = 65535 - 16

// BinaryError reports a binary message that does not have the layout of its ID.
// The specification calls that a protocol error: the receiver closes.
type BinaryError struct {
	ID      byte
	Problem string
}

// Error names the ID and the problem.
func (e *BinaryError) Error() string {
	return fmt.Sprintf("wire: binary message %d: %s", e.ID, e.Problem)
}

// AudioHeaderLen is the size of an audio chunk's header in bytes. It counts for
// the buffer accounting.
//
//	byte  0     message ID, 4
//	bytes 1-8   timestamp, big-endian int64
//	bytes 9-12  send_ahead, big-endian uint32
const AudioHeaderLen = 13

// AudioChunk is a parsed audio message (section Audio Chunks).
type AudioChunk struct {
	// Timestamp is when the first sample should be output, server microseconds.
	Timestamp int64
	// SendAhead is microseconds from transmission to Timestamp; see
	// [SendAheadMeasured].
	SendAhead uint32
	// Data is the encoded audio. It aliases the parsed message.
	Data []byte
}

// SendAhead returns the send_ahead of a chunk that is transmitted at now; both
// arguments are server microseconds. It saturates: 0 when now is at or after the
// timestamp, the largest uint32 when the lead does not fit.
func SendAhead(timestamp, now int64) uint32 {
	if now >= timestamp {
		return 0
	}
	// The difference of two int64 in this order always fits into uint64.
	lead := uint64(timestamp) - uint64(now)
	if lead > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(lead)
}

// SendAheadMeasured reports whether a send_ahead is a measured lead. Both
// saturation values are not, and give no delay sample.
func SendAheadMeasured(sendAhead uint32) bool {
	return sendAhead != 0 && sendAhead != math.MaxUint32
}

// PutAudioHeader writes the header of an audio chunk to the first AudioHeaderLen
// bytes of dst. It panics when dst is shorter.
func PutAudioHeader(dst []byte, timestamp int64, sendAhead uint32) {
	_ = dst[AudioHeaderLen-1]
	dst[0] = IDAudio
	binary.BigEndian.PutUint64(dst[1:], uint64(timestamp))
	binary.BigEndian.PutUint32(dst[9:], sendAhead)
}

// ParseAudioChunk reads what follows the ID of an audio message. One that ends inside
// the header is a [*BinaryError].
func ParseAudioChunk(payload []byte) (AudioChunk, error) {
	if err := checkLength(payload, IDAudio, AudioHeaderLen-1); err != nil {
		return AudioChunk{}, err
	}
	return AudioChunk{
		Timestamp: int64(binary.BigEndian.Uint64(payload)),
		SendAhead: binary.BigEndian.Uint32(payload[8:]),
		Data:      payload[AudioHeaderLen-1:],
	}, nil
}

// SourceHeaderLen is the size of a source chunk's header in bytes: ID 12 and a
// big-endian int64 timestamp.
const SourceHeaderLen = 9

// SourceChunk is a parsed source audio message (section Source Audio Chunks).
type SourceChunk struct {
	// Timestamp is when the first sample was captured, server microseconds.
	Timestamp int64
	// Data is the encoded audio. It aliases the parsed message.
	Data []byte
}

// AppendSourceChunk appends a whole source audio message to dst.
func AppendSourceChunk(dst []byte, timestamp int64, data []byte) []byte {
	dst = append(dst, IDSource)
	dst = binary.BigEndian.AppendUint64(dst, uint64(timestamp))
	return append(dst, data...)
}

// ParseSourceChunk reads what follows the ID of a source audio message, or fails with
// a [*BinaryError].
func ParseSourceChunk(payload []byte) (SourceChunk, error) {
	if err := checkLength(payload, IDSource, SourceHeaderLen-1); err != nil {
		return SourceChunk{}, err
	}
	return SourceChunk{Timestamp: int64(binary.BigEndian.Uint64(payload)), Data: payload[SourceHeaderLen-1:]}, nil
}

// checkLength verifies the least length of what follows the ID.
func checkLength(payload []byte, id byte, least int) error {
	if len(payload) < least {
		return &BinaryError{ID: id, Problem: fmt.Sprintf("%d bytes, want at least %d", len(payload)+1, least+1)}
	}
	return nil
}

// Package capture is the binary form of what a source sends, as the session-gateway
// passes it to the stream instances that listen (subject.Capture): the opening of an
// input stream, its audio, and its end, in the order in which the client sent them.
//
//	byte  0      version, 1
//	byte  1      kind: 1 = start, 2 = audio, 3 = end
//	bytes 2-9    session number, uint64 big-endian: one per connection, ascending
//	bytes 10-17  sequence number in the session, uint64 big-endian, from 1 without holes
//	bytes 18-25  audio: house clock µs when the first sample was captured, int64 big-endian; else 0
//	then         start: a Format; audio: whole codec units; end: nothing
//
// A Format is: byte codec (1 pcm, 2 flac, 3 opus), byte channels, byte bit depth, 4 bytes
// sample rate big-endian (Hz), then the codec header (FLAC: "fLaC" and STREAMINFO).
//
// A start is repeated every second as a hint for listeners that came late, with the
// sequence number of the last message: whoever knows the stream already ignores it.
package capture

import (
	"encoding/binary"
	"errors"
)

// Version is the only version written and read.
const Version = 1

// Kind says what a message is.
type Kind uint8

// The kinds.
const (
	Start Kind = 1
	Audio Kind = 2
	End   Kind = 3
)

// Message is one message of a source.
type Message struct {
	Kind        Kind
	Session     uint64
	Seq         uint64
	TimestampUS int64  // of Audio
	Format      Format // of Start
	Data        []byte // of Audio; aliases the input of Parse
}

// Format is what a source announced (specification, client-stream/start).
type Format struct {
	Codec      string // "pcm", "flac", "opus"
	Channels   int    // 1-255
	BitDepth   int    // 0-255, bits; meaningless for opus
	SampleRate int    // Hz
	Header     []byte // codec header; aliases the input of Parse
}

// ErrMalformed is returned by Parse for anything that Append did not write.
var ErrMalformed = errors.New("capture: malformed message")

const (
	fixed       = 26
	fixedFormat = 7
)

func codecs() []string { return []string{1: "pcm", 2: "flac", 3: "opus"} }

// Append writes m after dst and returns the extended slice. An unknown codec is written
// as 0, which Parse refuses.
func Append(dst []byte, m *Message) []byte {
	dst = append(dst, Version, byte(m.Kind))
	dst = binary.BigEndian.AppendUint64(dst, m.Session)
	dst = binary.BigEndian.AppendUint64(dst, m.Seq)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.TimestampUS))
	switch m.Kind {
	case Start:
		code := byte(0)
		for i, name := range codecs() {
			if name != "" && name == m.Format.Codec {
				code = byte(i)
			}
		}
		dst = append(dst, code, byte(m.Format.Channels), byte(m.Format.BitDepth))
		dst = binary.BigEndian.AppendUint32(dst, uint32(m.Format.SampleRate))
		return append(dst, m.Format.Header...)
	case Audio:
		return append(dst, m.Data...)
	}
	return dst
}

// Parse reads a message; Data and Header alias b.
func Parse(b []byte) (Message, error) {
	if len(b) < fixed || b[0] != Version {
		return Message{}, ErrMalformed
	}
	m := Message{
		Kind:        Kind(b[1]),
		Session:     binary.BigEndian.Uint64(b[2:]),
		Seq:         binary.BigEndian.Uint64(b[10:]),
		TimestampUS: int64(binary.BigEndian.Uint64(b[18:])),
	}
	rest := b[fixed:]
	switch m.Kind {
	case Start:
		if len(rest) < fixedFormat || rest[0] == 0 || int(rest[0]) >= len(codecs()) || rest[1] == 0 {
			return Message{}, ErrMalformed
		}
		m.Format = Format{
			Codec: codecs()[rest[0]], Channels: int(rest[1]), BitDepth: int(rest[2]),
			SampleRate: int(binary.BigEndian.Uint32(rest[3:])), Header: rest[fixedFormat:],
		}
		if m.Format.SampleRate == 0 {
			return Message{}, ErrMalformed
		}
	case Audio:
		m.Data = rest
	case End:
		if len(rest) != 0 {
			return Message{}, ErrMalformed
		}
	default:
		return Message{}, ErrMalformed
	}
	return m, nil
}

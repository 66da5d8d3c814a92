// Package tape is the binary form of one chunk on a tape: the encoded audio of
// one group in one rendition, as stream writes it and gateways read it.
//
// It is not protobuf because a gateway hands the audio of a chunk to thousands
// of sessions as it came from the bus, without a copy.
//
//	byte  0      version, 1
//	byte  1      flags: bit 0 = first chunk after a discontinuity, bit 1 = last chunk of the timeline
//	bytes 2-9    epoch, uint64 big-endian
//	bytes 10-17  timestamp of the first sample, int64 big-endian, house clock µs
//	bytes 18-21  duration, uint32 big-endian, µs (decoded samples per channel / sample rate, truncated)
//	bytes 22-25  frames, uint32 big-endian, decoded samples per channel
//	bytes 26-33  media position where the chunk ends, int64 big-endian, ms in its queue item
//	byte  34     length n of the queue item's id
//	then         n bytes item id, then the encoded audio
package tape

import (
	"encoding/binary"
	"errors"
)

// Version is the only version written and read.
const Version = 1

const fixed = 35

// Flag bits of a chunk.
const (
	FlagDiscontinuity = 1 << 0
	FlagLast          = 1 << 1
)

// Chunk is one chunk of a tape.
type Chunk struct {
	Flags       uint8
	Epoch       uint64
	TimestampUS int64  // house clock, first sample
	DurationUS  uint32 // frames / sample rate, truncated to µs
	Frames      uint32 // decoded samples per channel
	MediaEndMS  int64  // position in the item where this chunk ends
	ItemID      string // at most 255 bytes
	Data        []byte // encoded audio; aliases the input of Parse
}

// ErrMalformed is returned by Parse for anything that Append did not write.
var ErrMalformed = errors.New("tape: malformed chunk")

// Append writes c after dst and returns the extended slice.
// An ItemID longer than 255 bytes is cut.
func Append(dst []byte, c *Chunk) []byte {
	id := c.ItemID
	if len(id) > 255 {
		id = id[:255]
	}
	dst = append(dst, Version, c.Flags)
	dst = binary.BigEndian.AppendUint64(dst, c.Epoch)
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.TimestampUS))
	dst = binary.BigEndian.AppendUint32(dst, c.DurationUS)
	dst = binary.BigEndian.AppendUint32(dst, c.Frames)
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.MediaEndMS))
	dst = append(dst, uint8(len(id)))
	dst = append(dst, id...)
	return append(dst, c.Data...)
}

// Parse reads a chunk; Data aliases b.
func Parse(b []byte) (Chunk, error) {
	if len(b) < fixed || b[0] != Version {
		return Chunk{}, ErrMalformed
	}
	n := int(b[34])
	if len(b) < fixed+n {
		return Chunk{}, ErrMalformed
	}
	return Chunk{
		Flags:       b[1],
		Epoch:       binary.BigEndian.Uint64(b[2:]),
		TimestampUS: int64(binary.BigEndian.Uint64(b[10:])),
		DurationUS:  binary.BigEndian.Uint32(b[18:]),
		Frames:      binary.BigEndian.Uint32(b[22:]),
		MediaEndMS:  int64(binary.BigEndian.Uint64(b[26:])),
		ItemID:      string(b[fixed : fixed+n]),
		Data:        b[fixed+n:],
	}, nil
}

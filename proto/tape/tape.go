// Package tape is the binary form of one chunk on a tape: the encoded audio of
// one group in one rendition, as stream writes it and gateways read it.
//
// It is not protobuf because a gateway hands the audio of a chunk to thousands
// of sessions as it came from the bus, without a copy.
//
//	byte  0      version, 1 or 2
//	byte  1      flags: bit 0 = first chunk after a discontinuity, bit 1 = last chunk of the timeline
//	bytes 2-9    epoch, uint64 big-endian
//	bytes 10-17  timestamp of the first sample, int64 big-endian, house clock µs
//	bytes 18-21  duration, uint32 big-endian, µs (decoded samples per channel / sample rate, truncated)
//	bytes 22-25  frames, uint32 big-endian, decoded samples per channel
//	bytes 26-33  media position where the chunk ends, int64 big-endian, ms in its queue item
//	             version 2: bytes 34-41  fence, uint64 big-endian: of the group's holder that wrote it
//	byte  34|42  length n of the queue item's id
//	then         n bytes item id, then the encoded audio
//
// A chunk without a fence (bench tools) has version 1. Whoever keeps a tape drops a chunk
// whose fence is older than one that it has seen.
package tape

import (
	"encoding/binary"
	"errors"
)

// The versions that are read; Append writes Fenced where there is a fence.
const (
	Version = 1
	Fenced  = 2
)

// Bytes of the header without the item's id, by version.
const (
	fixed       = 35
	fixedFenced = fixed + 8
)

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
	Fence       uint64 // of the holder that wrote it; 0: none
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
	version := uint8(Version)
	if c.Fence != 0 {
		version = Fenced
	}
	dst = append(dst, version, c.Flags)
	dst = binary.BigEndian.AppendUint64(dst, c.Epoch)
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.TimestampUS))
	dst = binary.BigEndian.AppendUint32(dst, c.DurationUS)
	dst = binary.BigEndian.AppendUint32(dst, c.Frames)
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.MediaEndMS))
	if c.Fence != 0 {
		dst = binary.BigEndian.AppendUint64(dst, c.Fence)
	}
	dst = append(dst, uint8(len(id)))
	dst = append(dst, id...)
	return append(dst, c.Data...)
}

// Parse reads a chunk; Data aliases b.
func Parse(b []byte) (Chunk, error) {
	head := fixed
	if len(b) > 0 && b[0] == Fenced {
		head = fixedFenced
	}
	if len(b) < head || b[0] != Version && b[0] != Fenced {
		return Chunk{}, ErrMalformed
	}
	n := int(b[head-1])
	if len(b) < head+n {
		return Chunk{}, ErrMalformed
	}
	c := Chunk{
		Flags:       b[1],
		Epoch:       binary.BigEndian.Uint64(b[2:]),
		TimestampUS: int64(binary.BigEndian.Uint64(b[10:])),
		DurationUS:  binary.BigEndian.Uint32(b[18:]),
		Frames:      binary.BigEndian.Uint32(b[22:]),
		MediaEndMS:  int64(binary.BigEndian.Uint64(b[26:])),
		ItemID:      string(b[head : head+n]),
		Data:        b[head+n:],
	}
	if head == fixedFenced {
		if c.Fence = binary.BigEndian.Uint64(b[34:]); c.Fence == 0 {
			return Chunk{}, ErrMalformed
		}
	}
	return c, nil
}

package tape

import "encoding/binary"

// A chunk of a visual tape (rendition id "visual" or "visual-…") has in Data a run of
// analysis frames instead of encoded audio, in ascending time, each of them
//
//	byte 0      code: the binary message type of the specification, 16-20
//	byte 1-4    offset of its time from the chunk's timestamp, uint32 big-endian, µs
//	byte 5-8    number of the periodic frame on the epoch's grid, uint32 big-endian; 0 for beat and peak
//	byte 9-10   length n of its body, uint16 big-endian
//	then        n bytes: the body of the visualizer message, as it goes on the wire
//
// Periodic frame k of an epoch at frame rate r stands at floor(k * 1e6 / r) µs after the
// epoch's t0, so a session that wants a lower rate takes every n-th k.

const visualFixed = 11

// VisualFrame is one analysis frame.
type VisualFrame struct {
	Code     uint8
	OffsetUS uint32
	Index    uint32
	Body     []byte // aliases the input of NextVisual
}

// AppendVisual writes f after dst and returns the extended slice. A body longer than
// 65535 bytes is cut.
func AppendVisual(dst []byte, f *VisualFrame) []byte {
	body := f.Body[:min(len(f.Body), 0xffff)]
	dst = append(dst, f.Code)
	dst = binary.BigEndian.AppendUint32(dst, f.OffsetUS)
	dst = binary.BigEndian.AppendUint32(dst, f.Index)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(body)))
	return append(dst, body...)
}

// NextVisual reads the first frame of b and returns what follows it. ErrMalformed when b
// does not begin with a whole frame.
func NextVisual(b []byte) (f VisualFrame, rest []byte, err error) {
	if len(b) < visualFixed {
		return VisualFrame{}, nil, ErrMalformed
	}
	end := visualFixed + int(binary.BigEndian.Uint16(b[9:]))
	if len(b) < end {
		return VisualFrame{}, nil, ErrMalformed
	}
	return VisualFrame{
		Code: b[0], OffsetUS: binary.BigEndian.Uint32(b[1:]), Index: binary.BigEndian.Uint32(b[5:]), Body: b[visualFixed:end],
	}, b[end:], nil
}

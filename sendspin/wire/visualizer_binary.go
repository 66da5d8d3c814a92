package wire

import "encoding/binary"

// VisualFrame is a parsed visualizer message: one frame of one type (section
// Visualization Data). The layout is [ID][timestamp:8][data], with data
//
//	loudness  uint16 value
//	beat      uint8 flags, bit 0 downbeat
//	f_peak    uint16 frequency in Hz, uint16 amplitude
//	spectrum  uint16 per bin, low to high
//	peak      uint8 strength
type VisualFrame struct {
	// ID is one of IDLoudness to IDPeak and tells which fields count.
	ID byte
	// Timestamp is when the frame should be shown, server microseconds.
	Timestamp int64
	// Value is the loudness, or the amplitude of IDFPeak: 0 silence, 65535 full scale.
	Value uint16
	// Freq is the dominant frequency in Hz, for IDFPeak; 0 when there is none, and
	// then Value is 0 too.
	Freq uint16
	// Downbeat is the first beat of a bar, for IDBeat.
	Downbeat bool
	// Strength is for IDPeak.
	Strength uint8
	// Bins is for IDSpectrum.
	Bins []uint16
}

// AppendVisual appends a whole visualizer message to dst. It panics for an ID that
// is not one of IDLoudness to IDPeak.
func AppendVisual(dst []byte, f VisualFrame) []byte {
	dst = append(dst, f.ID)
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.Timestamp))
	switch f.ID {
	case IDLoudness:
		return binary.BigEndian.AppendUint16(dst, f.Value)
	case IDBeat:
		if f.Downbeat {
			return append(dst, 1)
		}
		return append(dst, 0)
	case IDFPeak:
		dst = binary.BigEndian.AppendUint16(dst, f.Freq)
		return binary.BigEndian.AppendUint16(dst, f.Value)
	case IDSpectrum:
		for _, v := range f.Bins {
			dst = binary.BigEndian.AppendUint16(dst, v)
		}
		return dst
	case IDPeak:
		return append(dst, f.Strength)
	}
	panic("wire: not a visualizer message ID")
}

// ParseVisual reads a visualizer message, its ID and what follows it. bins is
// n_disp_bins of the stream and counts for IDSpectrum only. A wrong length, and a
// frequency of 0 with an amplitude, are [*BinaryError].
func ParseVisual(id byte, payload []byte, bins int) (VisualFrame, error) {
	if id < IDLoudness || id > IDPeak {
		return VisualFrame{}, &BinaryError{ID: id, Problem: "not a visualizer message"}
	}
	if want := 8 + [...]int{2, 1, 4, 2 * bins, 1}[id-IDLoudness]; len(payload) != want {
		return VisualFrame{}, &BinaryError{ID: id, Problem: "wrong length"}
	}
	f := VisualFrame{ID: id, Timestamp: int64(binary.BigEndian.Uint64(payload))}
	data := payload[8:]
	switch f.ID {
	case IDLoudness:
		f.Value = binary.BigEndian.Uint16(data)
	case IDBeat:
		f.Downbeat = data[0]&1 != 0 // bits 1-7 are ignored
	case IDFPeak:
		f.Freq, f.Value = binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:])
		if f.Freq == 0 && f.Value != 0 {
			return VisualFrame{}, &BinaryError{ID: f.ID, Problem: "amplitude without frequency"}
		}
	case IDSpectrum:
		f.Bins = make([]uint16, bins)
		for i := range f.Bins {
			f.Bins[i] = binary.BigEndian.Uint16(data[2*i:])
		}
	case IDPeak:
		f.Strength = data[0]
	}
	return f, nil
}

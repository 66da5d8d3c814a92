// Package flacdec decodes FLAC frames (RFC 9639) from memory, for 4 to 24 bits per
// sample. It allocates only what it keeps for the next frame, bounds all work by the
// bytes it is given and one frame's 65,535 samples, and never panics: hostile input
// gives an error.
package flacdec

import (
	"errors"
	"fmt"
	"io"
)

// Errors of this package. io.ErrUnexpectedEOF means that the frame goes on beyond the
// bytes that were given.
var (
	ErrSync = errors.New("flac: no frame begins here")
	ErrCRC  = errors.New("flac: wrong checksum")
)

// Stream is what STREAMINFO says about every frame.
type Stream struct{ Rate, Channels, Depth int }

// Header is a frame's header (RFC 9639 section 9.1).
type Header struct {
	Variable   bool   // block sizes differ: Number counts samples, else frames
	Number     uint64 // of the first sample, or of the frame
	Block      int    // samples of each channel
	Rate       int    // Hz, 0 as in STREAMINFO
	Channels   int
	Depth      int // bits, 0 as in STREAMINFO
	assignment uint
	size       int // bytes of the header with its checksum
}

// stereo decorrelation, as channel assignments
const (
	leftSide  = 8
	sideRight = 9
	midSide   = 10
)

// ParseHeader reads the header at the beginning of b and verifies its checksum.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < 2 {
		return Header{}, io.ErrUnexpectedEOF
	}
	if b[0] != 0xFF || b[1]&0xFE != 0xF8 {
		return Header{}, ErrSync
	}
	r := bitReader{b: b, pos: 2}
	h := Header{Variable: b[1]&1 != 0}
	blockCode, rateCode := r.read(4), r.read(4)
	h.assignment = uint(r.read(4))
	depthCode, reserved := r.read(3), r.read(1)
	number, ok := readNumber(&r)
	h.Number = number
	if h.assignment > midSide || reserved != 0 || blockCode == 0 || rateCode == 15 || !ok {
		return h, orShort(&r, ErrSync)
	}
	if h.Channels = int(h.assignment) + 1; h.assignment >= leftSide {
		h.Channels = 2
	}
	depths := [8]int{0, 8, 12, -1, 16, 20, 24, 32}
	if h.Depth = depths[depthCode]; h.Depth < 0 {
		return h, ErrSync
	}
	h.Block = blockSize(&r, blockCode)
	h.Rate = sampleRate(&r, rateCode)
	if r.short {
		return h, io.ErrUnexpectedEOF
	}
	at := r.bytes()
	sum := byte(r.read(8))
	if r.short {
		return h, io.ErrUnexpectedEOF
	}
	if crc8(b[:at]) != sum {
		return h, ErrCRC
	}
	h.size = at + 1
	return h, nil
}

func orShort(r *bitReader, err error) error {
	if r.short {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readNumber reads the extended UTF-8 form of up to 36 bits (section 9.1.5).
func readNumber(r *bitReader) (uint64, bool) {
	lead := r.read(8)
	if lead < 0x80 {
		return uint64(lead), true
	}
	more := 0
	for mask := uint32(0x40); lead&mask != 0; mask >>= 1 {
		more++
	}
	if more < 1 || more > 6 {
		return 0, false
	}
	v := uint64(lead & (0x3F >> more))
	for range more {
		c := r.read(8)
		if c&0xC0 != 0x80 {
			return 0, false
		}
		v = v<<6 | uint64(c&0x3F)
	}
	return v, true
}

func blockSize(r *bitReader, code uint32) int {
	switch {
	case code == 1:
		return 192
	case code <= 5:
		return 576 << (code - 2)
	case code == 6:
		return int(r.read(8)) + 1
	case code == 7:
		return int(r.read(16)) + 1
	}
	return 256 << (code - 8)
}

func sampleRate(r *bitReader, code uint32) int {
	switch code {
	case 12:
		return int(r.read(8)) * 1000
	case 13:
		return int(r.read(16))
	case 14:
		return int(r.read(16)) * 10
	}
	return [12]int{0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000}[code]
}

// Fits reports how a header contradicts the stream's description.
func (h Header) Fits(s Stream) error {
	if h.Rate != 0 && h.Rate != s.Rate || h.Channels != s.Channels || h.Depth != 0 && h.Depth != s.Depth {
		return fmt.Errorf("flac: frame of %d Hz, %d bits, %d channels in a stream of %d Hz, %d bits, %d channels",
			h.Rate, h.Depth, h.Channels, s.Rate, s.Depth, s.Channels)
	}
	return nil
}

// crc8 has the polynomial 0x07 (section 9.1.8). Headers are short: no table.
func crc8(b []byte) byte {
	var c byte
	for _, v := range b {
		c ^= v
		for range 8 {
			if c&0x80 != 0 {
				c = c<<1 ^ 0x07
			} else {
				c <<= 1
			}
		}
	}
	return c
}

// crcTable makes the tables of polynomial 0x8005 (section 9.3) for two bytes at once.
func crcTable() *[2][256]uint16 {
	var t [2][256]uint16
	for i := range 256 {
		c := uint16(i) << 8
		for range 8 {
			if c&0x8000 != 0 {
				c = c<<1 ^ 0x8005
			} else {
				c <<= 1
			}
		}
		t[0][i] = c
	}
	for i, c := range t[0] {
		t[1][i] = c<<8 ^ t[0][c>>8]
	}
	return &t
}

func crc16(t *[2][256]uint16, b []byte) uint16 {
	var c uint16
	for len(b) >= 2 {
		c ^= uint16(b[0])<<8 | uint16(b[1])
		c = t[1][c>>8] ^ t[0][c&0xFF]
		b = b[2:]
	}
	for _, v := range b {
		c = c<<8 ^ t[0][byte(c>>8)^v]
	}
	return c
}

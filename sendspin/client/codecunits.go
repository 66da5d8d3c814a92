package client

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// The functions of this file count the samples of a chunk without decoding it, to
// check its duration and that it holds whole codec units.

// chunkSamples returns the samples per channel of a chunk.
func chunkSamples(f wire.AudioFormat, data []byte) (int, error) {
	switch f.Codec {
	case wire.CodecPCM:
		frame := f.Channels * ((f.BitDepth + 7) / 8)
		if len(data) == 0 || len(data)%frame != 0 {
			return 0, fmt.Errorf("%d bytes are no whole number of PCM frames", len(data))
		}
		return len(data) / frame, nil
	case wire.CodecFLAC:
		return flacSamples(data)
	default:
		n, err := opusSamples(data)
		return n * f.SampleRate / 48000, err
	}
}

// opusSamples returns the samples of an Opus packet at 48 kHz (RFC 6716, section 3).
func opusSamples(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, errors.New("an empty Opus packet")
	}
	config := p[0] >> 3
	var frame int // samples at 48 kHz
	switch {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		frame = [4]int{480, 960, 1920, 2880}[config&3]
	case config < 16: // hybrid: 10, 20 ms
		frame = 480 << (config & 1)
	default: // CELT: 2.5, 5, 10, 20 ms
		frame = 120 << (config & 3)
	}
	switch p[0] & 3 {
	case 0:
		return frame, nil
	case 1, 2:
		return 2 * frame, nil
	}
	if len(p) < 2 {
		return 0, errors.New("an Opus packet without its frame count")
	}
	count := int(p[1] & 63)
	if count == 0 || count*frame > 5760 { // 120 ms
		return 0, fmt.Errorf("an Opus packet of %d frames", count)
	}
	return count * frame, nil
}

// flacSamples walks the frames of a chunk. A frame ends where a header with a right
// CRC-8 follows and the CRC-16 of everything before comes out as 0.
func flacSamples(data []byte) (int, error) {
	total := 0
	for len(data) > 0 {
		n, header, ok := flacHeader(data)
		if !ok {
			return 0, errors.New("no FLAC frame where one should start")
		}
		end := flacFrameEnd(data, header)
		if end == 0 {
			return 0, errors.New("FLAC frame is incomplete or damaged")
		}
		total += n
		data = data[end:]
	}
	if total == 0 {
		return 0, errors.New("chunk without a FLAC frame")
	}
	return total, nil
}

// flacFrameEnd returns the length of the frame at the start of data.
func flacFrameEnd(data []byte, header int) int {
	var crc uint16
	for i, b := range data {
		if i > header+2 && crc == 0 && b == 0xff {
			if _, _, ok := flacHeader(data[i:]); ok {
				return i
			}
		}
		crc = crc16(crc, b)
	}
	if crc == 0 && len(data) > header+2 {
		return len(data)
	}
	return 0
}

// flacHeader reads a frame header: samples, and its length with the CRC-8.
func flacHeader(b []byte) (samples, length int, ok bool) {
	if len(b) < 6 || b[0] != 0xff || b[1]&0xfe != 0xf8 {
		return 0, 0, false
	}
	i := 4 + utf8Length(b[4])
	if i == 4 || len(b) < i+4 {
		return 0, 0, false
	}
	switch size := b[2] >> 4; {
	case size == 0:
		return 0, 0, false
	case size == 1:
		samples = 192
	case size <= 5:
		samples = 576 << (size - 2)
	case size == 6:
		samples = int(b[i]) + 1
		i++
	case size == 7:
		samples = int(binary.BigEndian.Uint16(b[i:])) + 1
		i += 2
	default:
		samples = 256 << (size - 8)
	}
	switch b[2] & 15 {
	case 12:
		i++
	case 13, 14:
		i += 2
	case 15:
		return 0, 0, false
	}
	if len(b) <= i || crc8(b[:i]) != b[i] {
		return 0, 0, false
	}
	return samples, i + 1, true
}

// utf8Length is the length of FLAC's coded number by its first byte, 0 for none.
func utf8Length(b byte) int {
	if b < 0x80 {
		return 1
	}
	n := 0
	for ; b&0x80 != 0; b <<= 1 {
		n++
	}
	if n < 2 || n > 7 {
		return 0
	}
	return n
}

func crc8(b []byte) byte {
	var crc byte
	for _, v := range b {
		crc ^= v
		for range 8 {
			carry := crc & 0x80
			crc <<= 1
			if carry != 0 {
				crc ^= 0x07
			}
		}
	}
	return crc
}

func crc16(crc uint16, b byte) uint16 {
	crc ^= uint16(b) << 8
	for range 8 {
		carry := crc & 0x8000
		crc <<= 1
		if carry != 0 {
			crc ^= 0x8005
		}
	}
	return crc
}

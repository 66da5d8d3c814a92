package pcm

import (
	"encoding/binary"
	"fmt"
)

// Pack appends samples to dst as little-endian signed integers of depth bits: 16
// (2 bytes), 24 (3 bytes) or 32 (4 bytes). It panics on another depth, which is a
// programming error: formats are validated before.
func Pack(dst []byte, samples []int32, depth int) []byte {
	off := len(dst)
	dst = grow(dst, len(samples)*depth/8)
	out := dst[off:]
	switch depth {
	case 16:
		for i, s := range samples {
			binary.LittleEndian.PutUint16(out[2*i:], uint16(s))
		}
	case 24:
		for i, s := range samples {
			o := out[3*i : 3*i+3]
			o[0], o[1], o[2] = byte(s), byte(s>>8), byte(s>>16)
		}
	case 32:
		for i, s := range samples {
			binary.LittleEndian.PutUint32(out[4*i:], uint32(s))
		}
	default:
		panic(fmt.Sprintf("pcm: cannot pack %d-bit samples", depth))
	}
	return dst
}

// Unpack appends the samples of data, packed as Pack does, to dst. It fails when
// data is not a whole number of samples or the depth is not 16, 24 or 32.
func Unpack(dst []int32, data []byte, depth int) ([]int32, error) {
	if depth != 16 && depth != 24 && depth != 32 {
		return dst, fmt.Errorf("pcm: cannot unpack %d-bit samples", depth)
	}
	size := depth / 8
	if len(data)%size != 0 {
		return dst, fmt.Errorf("pcm: %d bytes are not a whole number of %d-bit samples", len(data), depth)
	}
	off := len(dst)
	dst = grow(dst, len(data)/size)
	out := dst[off:]
	switch depth {
	case 16:
		for i := range out {
			out[i] = int32(int16(binary.LittleEndian.Uint16(data[2*i:])))
		}
	case 24:
		for i := range out {
			b := data[3*i : 3*i+3]
			out[i] = int32(b[0]) | int32(b[1])<<8 | int32(int8(b[2]))<<16
		}
	case 32:
		for i := range out {
			out[i] = int32(binary.LittleEndian.Uint32(data[4*i:]))
		}
	}
	return dst, nil
}

// grow extends s by n elements whose values are unspecified.
func grow[T any](s []T, n int) []T {
	if need := len(s) + n; need > cap(s) {
		t := make([]T, need, max(need, 2*cap(s)))
		copy(t, s)
		return t
	}
	return s[:len(s)+n]
}

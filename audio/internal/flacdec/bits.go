package flacdec

import (
	"encoding/binary"
	"math/bits"
)

// bitReader reads bits, most significant first. Reading beyond the end sets short and
// gives zeros.
type bitReader struct {
	b     []byte
	pos   int    // of the next byte to load
	acc   uint64 // loaded bits, left-aligned; what follows the n valid ones are the stream's next bits or zeros
	n     uint   // valid bits in acc
	short bool
}

// refill loads as many whole bytes as fit. Loading bits again that acc already shows
// behind its valid ones changes nothing.
func (r *bitReader) refill() {
	if r.pos+8 <= len(r.b) {
		r.acc |= binary.BigEndian.Uint64(r.b[r.pos:]) >> r.n
		k := (64 - r.n) / 8
		r.pos += int(k)
		r.n += k * 8
		return
	}
	for r.n <= 56 && r.pos < len(r.b) {
		r.acc |= uint64(r.b[r.pos]) << (56 - r.n)
		r.pos++
		r.n += 8
	}
}

// read returns the next k bits, k in 0..32.
func (r *bitReader) read(k uint) uint32 {
	if r.n < k {
		r.refill()
		if r.n < k {
			r.short = true
			return 0
		}
	}
	v := uint32(r.acc >> 32 >> (32 - k))
	r.acc <<= k
	r.n -= k
	return v
}

// signed returns the next k bits as two's complement.
func (r *bitReader) signed(k uint) int32 {
	if k == 0 {
		return 0
	}
	return int32(r.read(k)<<(32-k)) >> (32 - k)
}

// unary returns the number of zeros before the next one, and consumes that too.
func (r *bitReader) unary() uint32 {
	var count uint32
	for {
		z := uint(bits.LeadingZeros64(r.acc))
		if z < r.n {
			r.acc <<= z + 1
			r.n -= z + 1
			return count + uint32(z)
		}
		count += uint32(r.n)
		r.acc <<= r.n
		r.n = 0
		if r.refill(); r.n == 0 {
			r.short = true
			return 0
		}
	}
}

// bytes is how many bytes were begun to be read.
func (r *bitReader) bytes() int { return r.pos - int(r.n/8) }

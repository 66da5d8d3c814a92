package flacenc

import "math/bits"

// bitWriter appends bits, most significant first, to a byte slice.
type bitWriter struct {
	buf  []byte
	acc  uint64 // the low n bits wait to be written
	n    uint   // 0..7 between calls
	crc8 [256]byte
	crc  [256]uint16
}

// newBitWriter also computes the two CRC tables of RFC 9639 (sections 9.1.8, 9.3):
// polynomials 0x07 and 0x8005, both from zero.
func newBitWriter() *bitWriter {
	w := &bitWriter{}
	for i := range 256 {
		c8, c16 := byte(i), uint16(i)<<8
		for range 8 {
			top8, top16 := c8&0x80 != 0, c16&0x8000 != 0
			c8, c16 = c8<<1, c16<<1
			if top8 {
				c8 ^= 0x07
			}
			if top16 {
				c16 ^= 0x8005
			}
		}
		w.crc8[i], w.crc[i] = c8, c16
	}
	return w
}

// write appends the low n bits of v, n in 0..56. Higher bits of v are ignored.
func (w *bitWriter) write(v uint64, n uint) {
	w.acc = w.acc<<n | v&(1<<n-1)
	w.n += n
	for w.n >= 8 {
		w.n -= 8
		w.buf = append(w.buf, byte(w.acc>>w.n))
	}
}

// rice appends u in Rice coding with parameter k: u>>k zeros, a one, then k bits.
func (w *bitWriter) rice(u uint32, k uint) {
	q := u >> k
	for ; q >= 24; q -= 24 {
		w.write(0, 24)
	}
	w.write(1<<k|uint64(u&(1<<k-1)), uint(q)+1+k)
}

// align pads with zero bits to a whole byte.
func (w *bitWriter) align() {
	if w.n > 0 {
		w.write(0, 8-w.n)
	}
}

// utf8 appends v, below 2^36, in the extended UTF-8 form of frame numbers (RFC 9639
// section 9.1.5). The writer must be byte-aligned.
func (w *bitWriter) utf8(v uint64) {
	if v < 0x80 {
		w.buf = append(w.buf, byte(v))
		return
	}
	// A lead byte of n+1 ones carries 6-n bits, each of n further bytes six.
	n := 1
	for bits.Len64(v) > 6*n+6-n {
		n++
	}
	lead := byte(0xFF) << (7 - n) // n+1 ones, then a zero
	w.buf = append(w.buf, lead|byte(v>>(6*n)))
	for i := n - 1; i >= 0; i-- {
		w.buf = append(w.buf, 0x80|byte(v>>(6*i))&0x3F)
	}
}

func (w *bitWriter) sum8(from int) byte {
	var c byte
	for _, b := range w.buf[from:] {
		c = w.crc8[c^b]
	}
	return c
}

func (w *bitWriter) sum16(from int) uint16 {
	var c uint16
	for _, b := range w.buf[from:] {
		c = c<<8 ^ w.crc[byte(c>>8)^b]
	}
	return c
}

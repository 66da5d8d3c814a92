package flacdec

import (
	"errors"
	"fmt"
	"io"
)

// Decoder decodes the frames of one stream. Not safe for concurrent use.
type Decoder struct {
	stream Stream
	table  *[2][256]uint16
	ch     [8][]int32
	coefs  [32]int64
}

// New returns a decoder for a stream of 1..8 channels and 4..24 bits.
func New(s Stream) (*Decoder, error) {
	if s.Channels < 1 || s.Channels > 8 || s.Depth < 4 || s.Depth > 24 {
		return nil, fmt.Errorf("flac: %d channels of %d bits are not supported (1 to 8, of 4 to 24 bits)", s.Channels, s.Depth)
	}
	return &Decoder{stream: s, table: crcTable()}, nil
}

// Frame decodes the frame that begins b, whose header h is, and appends its
// interleaved samples to dst. n is the frame's size in bytes. On an error dst is
// returned as it was.
func (d *Decoder) Frame(dst []int32, b []byte, h Header) (out []int32, n int, err error) {
	if err := h.Fits(d.stream); err != nil {
		return dst, 0, err
	}
	r := bitReader{b: b, pos: h.size}
	for c := range h.Channels {
		depth := uint(d.stream.Depth)
		if h.assignment == sideRight && c == 0 || (h.assignment == leftSide || h.assignment == midSide) && c == 1 {
			depth++ // the side channel
		}
		if cap(d.ch[c]) < h.Block {
			d.ch[c] = make([]int32, h.Block)
		}
		d.ch[c] = d.ch[c][:h.Block]
		if err := d.subframe(&r, d.ch[c], depth); err != nil {
			return dst, 0, orShort(&r, err)
		}
	}
	end := r.bytes()
	if r.short || end+2 > len(b) {
		return dst, 0, io.ErrUnexpectedEOF
	}
	if crc16(d.table, b[:end]) != uint16(b[end])<<8|uint16(b[end+1]) {
		return dst, 0, ErrCRC
	}
	d.correlate(h.assignment)
	return d.interleave(dst, h), end + 2, nil
}

// correlate turns a decorrelated pair into left and right (section 4.2).
func (d *Decoder) correlate(assignment uint) {
	a, b := d.ch[0], d.ch[1]
	switch assignment {
	case leftSide:
		for i := range a {
			b[i] = a[i] - b[i]
		}
	case sideRight:
		for i := range a {
			a[i] += b[i]
		}
	case midSide:
		for i := range a {
			mid, side := a[i]<<1|b[i]&1, b[i]
			a[i], b[i] = (mid+side)>>1, (mid-side)>>1
		}
	}
}

func (d *Decoder) interleave(dst []int32, h Header) []int32 {
	start, total := len(dst), len(dst)+h.Block*h.Channels
	if cap(dst) < total {
		grown := make([]int32, total)
		copy(grown, dst)
		dst = grown
	}
	dst = dst[:total]
	for c := range h.Channels {
		i := start + c
		for _, v := range d.ch[c] {
			dst[i] = v
			i += h.Channels
		}
	}
	return dst
}

var (
	errSubframe = errors.New("flac: reserved kind of subframe")
	errResidual = errors.New("flac: malformed residual")
)

// subframe decodes one channel (section 9.2).
func (d *Decoder) subframe(r *bitReader, x []int32, depth uint) error {
	head := r.read(8)
	if head&0x80 != 0 {
		return errSubframe
	}
	var wasted uint
	if head&1 != 0 {
		if wasted = uint(r.unary()) + 1; wasted >= depth {
			return errSubframe
		}
		depth -= wasted
	}
	var err error
	switch kind := head >> 1; {
	case kind == 0:
		v := r.signed(depth)
		for i := range x {
			x[i] = v
		}
	case kind == 1:
		for i := range x {
			x[i] = r.signed(depth)
		}
	case kind >= 8 && kind <= 12:
		err = d.fixed(r, x, depth, int(kind-8))
	case kind >= 32:
		err = d.lpc(r, x, depth, int(kind-31))
	default:
		err = errSubframe
	}
	if wasted > 0 {
		for i := range x {
			x[i] <<= wasted
		}
	}
	if err == nil && r.short {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// fixed decodes a subframe with one of the fixed predictors (section 9.2.5).
func (d *Decoder) fixed(r *bitReader, x []int32, depth uint, order int) error {
	if order > len(x) {
		return errSubframe
	}
	for i := range order {
		x[i] = r.signed(depth)
	}
	if err := residual(r, x, order); err != nil {
		return err
	}
	switch order {
	case 1:
		for i := 1; i < len(x); i++ {
			x[i] += x[i-1]
		}
	case 2:
		for i := 2; i < len(x); i++ {
			x[i] += 2*x[i-1] - x[i-2]
		}
	case 3:
		for i := 3; i < len(x); i++ {
			x[i] += 3*x[i-1] - 3*x[i-2] + x[i-3]
		}
	case 4:
		for i := 4; i < len(x); i++ {
			x[i] += 4*x[i-1] - 6*x[i-2] + 4*x[i-3] - x[i-4]
		}
	}
	return nil
}

// lpc decodes a subframe with a predictor of its own (section 9.2.6).
func (d *Decoder) lpc(r *bitReader, x []int32, depth uint, order int) error {
	if order > len(x) {
		return errSubframe
	}
	for i := range order {
		x[i] = r.signed(depth)
	}
	prec := uint(r.read(4)) + 1
	shift := r.signed(5)
	if prec == 16 || shift < 0 {
		return errSubframe
	}
	coefs := d.coefs[:order]
	for i := range coefs {
		coefs[order-1-i] = int64(r.signed(prec)) // in the order of the past samples
	}
	if err := residual(r, x, order); err != nil {
		return err
	}
	for i := order; i < len(x); i++ {
		past := x[i-order : i : i][:len(coefs)]
		var sum int64
		for j, c := range coefs {
			sum += c * int64(past[j])
		}
		x[i] += int32(sum >> uint(shift))
	}
	return nil
}

// residual fills x from `order` on (section 9.2.7).
func residual(r *bitReader, x []int32, order int) error {
	method := r.read(2)
	if method > 1 {
		return errResidual
	}
	paramBits := 4 + uint(method)
	escape := uint32(1)<<paramBits - 1
	partOrder := r.read(4)
	per := len(x) >> partOrder
	if per<<partOrder != len(x) || per < order {
		return errResidual
	}
	at := order
	for end := per; end <= len(x); end += per {
		k := r.read(paramBits)
		part := x[at:end]
		at = end
		if k == escape {
			n := uint(r.read(5))
			for i := range part {
				part[i] = r.signed(n)
			}
		} else if err := rice(r, part, uint(k)); err != nil {
			return err
		}
		if r.short {
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}

// rice decodes Rice-coded values with parameter k.
func rice(r *bitReader, part []int32, k uint) error {
	most := uint32(1<<32-1) >> k
	for i := range part {
		q := r.unary()
		if q > most || r.short {
			return errResidual
		}
		u := q<<k | r.read(k)
		part[i] = int32(u>>1) ^ -int32(u&1)
	}
	return nil
}

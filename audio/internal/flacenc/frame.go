// Package flacenc is Tutti's FLAC encoder (RFC 9639): constant, verbatim, fixed and
// linear prediction with partitioned Rice coding, stereo decorrelation and wasted
// bits, for 16- and 24-bit audio. It writes single frames on demand, as a live stream
// needs them, and reuses all its memory from frame to frame.
package flacenc

import (
	"fmt"
	"math/bits"
)

// Limits of what the encoder accepts.
const (
	MaxBlock    = 65535 // the most samples of a channel in a frame (RFC 9639 8.2)
	MaxChannels = 8
	minBlock    = 16 // of STREAMINFO; a last block may be shorter
)

// Encoder encodes one stream, frame after frame. Not safe for concurrent use.
type Encoder struct {
	rate, channels, depth, block int

	w      *bitWriter
	number uint64 // of the next frame
	subs   []*subframe
	window window
}

// New returns an encoder for blocks of block samples a channel, 16..MaxBlock.
func New(rate, channels, depth, block int) (*Encoder, error) {
	switch {
	case rate < 1 || rate > 655350:
		return nil, fmt.Errorf("flac: sample rate %d Hz cannot be stored", rate)
	case channels < 1 || channels > MaxChannels:
		return nil, fmt.Errorf("flac: %d channels is outside 1..%d", channels, MaxChannels)
	case depth != 16 && depth != 24:
		return nil, fmt.Errorf("flac: bit depth %d is not 16 or 24", depth)
	case block < minBlock || block > MaxBlock:
		return nil, fmt.Errorf("flac: block of %d samples is outside %d..%d", block, minBlock, MaxBlock)
	}
	e := &Encoder{rate: rate, channels: channels, depth: depth, block: block, w: newBitWriter()}
	n := channels
	if channels == 2 {
		n = 4 // left, right, mid, side
	}
	for range n {
		e.subs = append(e.subs, newSubframe(block))
	}
	return e, nil
}

// Reset starts a new stream: the next frame has number 0.
func (e *Encoder) Reset() { e.number = 0 }

// Info describes a whole file for StreamInfo. The zero value is a live stream's.
type Info struct {
	Frames int64    // samples of each channel, 0 unknown
	MD5    [16]byte // of the packed samples, zero unknown
	Last   bool     // no further metadata block follows
}

// StreamInfo is the marker `fLaC` followed by the STREAMINFO block (RFC 9639 8.2).
func (e *Encoder) StreamInfo(info Info) []byte {
	w := newBitWriter()
	w.buf = append(w.buf, "fLaC"...)
	last := uint64(0)
	if info.Last {
		last = 1
	}
	w.write(last, 1)
	w.write(0, 7)
	w.write(34, 24)
	w.write(uint64(e.block), 16)
	w.write(uint64(e.block), 16)
	w.write(0, 24)
	w.write(0, 24)
	w.write(uint64(e.rate), 20)
	w.write(uint64(e.channels-1), 3)
	w.write(uint64(e.depth-1), 5)
	w.write(uint64(info.Frames), 36)
	return append(w.buf, info.MD5[:]...)
}

// channel assignments of stereo (RFC 9639 9.1.3) beside "as many as there are".
const (
	leftSide  = 8
	sideRight = 9
	midSide   = 10
)

// Encode appends one frame to dst: samples holds 1..block interleaved frames within
// the bit depth. Samples outside it are refused, because they would not survive.
func (e *Encoder) Encode(dst []byte, samples []int32) ([]byte, error) {
	n := len(samples) / e.channels
	if n < 1 || n > e.block || n*e.channels != len(samples) {
		return dst, fmt.Errorf("flac: %d samples are not 1..%d frames of %d channels", len(samples), e.block, e.channels)
	}
	if err := e.split(samples, n); err != nil {
		return dst, err
	}
	e.window.prepare(n)
	for i, s := range e.subs {
		depth := uint(e.depth)
		if i == 3 && e.channels == 2 {
			depth++ // the side channel needs one more bit
		}
		s.analyse(depth, &e.window)
	}
	assignment, chosen := e.assign()
	start := len(dst)
	e.w.buf = dst
	e.header(n, assignment)
	e.w.buf = append(e.w.buf, e.w.sum8(start))
	for _, i := range chosen[:e.channels] {
		e.subs[i].emit(e.w)
	}
	e.w.align()
	sum := e.w.sum16(start)
	dst = append(e.w.buf, byte(sum>>8), byte(sum))
	e.w.buf = nil
	e.number++
	return dst, nil
}

// split deinterleaves, and for stereo derives mid and side.
func (e *Encoder) split(samples []int32, n int) error {
	hi := int32(1)<<(e.depth-1) - 1
	for _, v := range samples {
		if v > hi || v < -hi-1 {
			return fmt.Errorf("flac: sample %d does not fit %d bits", v, e.depth)
		}
	}
	for c := range e.channels {
		x := e.subs[c].samples[:n]
		for i := range x {
			x[i] = samples[i*e.channels+c]
		}
		e.subs[c].samples = x
	}
	if e.channels == 2 {
		l, r := e.subs[0].samples, e.subs[1].samples
		mid, side := e.subs[2].samples[:n], e.subs[3].samples[:n]
		for i := range l {
			mid[i] = (l[i] + r[i]) >> 1
			side[i] = l[i] - r[i]
		}
		e.subs[2].samples, e.subs[3].samples = mid, side
	}
	return nil
}

// assign picks the cheapest pair for stereo, and which subframes to write.
func (e *Encoder) assign() (assignment int, chosen [MaxChannels]int) {
	for i := range chosen {
		chosen[i] = i
	}
	if e.channels != 2 {
		return e.channels - 1, chosen
	}
	l, r, m, s := e.subs[0].bits, e.subs[1].bits, e.subs[2].bits, e.subs[3].bits
	best := l + r
	assignment = 1
	if l+s < best {
		best, assignment, chosen[0], chosen[1] = l+s, leftSide, 0, 3
	}
	if s+r < best {
		best, assignment, chosen[0], chosen[1] = s+r, sideRight, 3, 1
	}
	if m+s < best {
		assignment, chosen[0], chosen[1] = midSide, 2, 3
	}
	return assignment, chosen
}

// header writes the frame header without its CRC (RFC 9639 9.1). The stream is of
// fixed block size, so frames are numbered.
func (e *Encoder) header(n, assignment int) {
	w := e.w
	size, sizeBits := blockCode(n)
	rate, rateValue, rateBits := rateCode(e.rate)
	w.write(0xFFF8, 16)
	w.write(size, 4)
	w.write(rate, 4)
	w.write(uint64(assignment), 4)
	w.write(map16or24(e.depth), 3)
	w.write(0, 1)
	w.utf8(e.number & (1<<31 - 1))
	w.write(uint64(n-1), sizeBits)
	w.write(rateValue, rateBits)
}

func map16or24(depth int) uint64 {
	if depth == 16 {
		return 4
	}
	return 6
}

// blockCode is the 4-bit code of a block size and the bits of its explicit form.
func blockCode(n int) (code uint64, extra uint) {
	switch {
	case n == 192:
		return 1, 0
	case n%576 == 0 && bits.OnesCount(uint(n/576)) == 1 && n/576 <= 8:
		return 2 + uint64(bits.TrailingZeros(uint(n/576))), 0
	case n >= 256 && n <= 32768 && bits.OnesCount(uint(n)) == 1:
		return 8 + uint64(bits.TrailingZeros(uint(n/256))), 0
	case n <= 256:
		return 6, 8
	}
	return 7, 16
}

// rateCode is the 4-bit code of a sample rate, and its explicit form if it needs one.
func rateCode(rate int) (code, value uint64, extra uint) {
	for i, r := range [...]int{88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000} {
		if rate == r {
			return uint64(i + 1), 0, 0
		}
	}
	switch {
	case rate%1000 == 0 && rate/1000 <= 255:
		return 12, uint64(rate / 1000), 8
	case rate <= 65535:
		return 13, uint64(rate), 16
	case rate%10 == 0:
		return 14, uint64(rate / 10), 16
	}
	return 0, 0, 0 // from STREAMINFO
}

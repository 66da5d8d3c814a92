// Package timeline places samples on the house clock with integers only.
//
// An epoch begins at T0, a microsecond of the house clock. Its audio is a row of
// segments: a segment is a run of queue items with one source format, joined without
// a gap, and it begins where the one before it ends, as an exact fraction of a
// second. A rendition of rate r has its own grid: frame j sits at T0 + j*1e6/r, and
// the first frame of a segment is the first one of the grid that is not before the
// segment's start. So renditions of one group agree within one of their own samples
// at any time, however long they run and whatever rates came before.
package timeline

import (
	"math/bits"
)

// Micro is the number of microseconds in a second.
const Micro = 1_000_000

// maxDen bounds the denominators of offsets, so that numerators fit for decades. Media
// of the usual rates stay far below it (they all divide 28,224,000); a row of contrived
// rates is rounded up to the next microsecond instead.
const maxDen = 1 << 32

// Offset is an exact time since T0, in seconds, as a reduced fraction. The zero value
// is not valid: use Zero.
type Offset struct{ Num, Den int64 }

// Zero returns the offset of T0 itself.
func Zero() Offset { return Offset{0, 1} }

// Add returns o plus frames at rate Hz. frames is not negative.
func (o Offset) Add(frames int64, rate int) Offset {
	g := gcd(o.Den, int64(rate))
	den := o.Den / g * int64(rate)
	if den > maxDen {
		us, rest := mulDiv(frames, Micro, int64(rate))
		if rest != 0 {
			us++
		}
		return Offset{o.Ceil(Micro) + us, Micro}.reduced()
	}
	return Offset{o.Num*(int64(rate)/g) + frames*(o.Den/g), den}.reduced()
}

// Ceil is the first frame of a grid of rate Hz that is not before o.
func (o Offset) Ceil(rate int64) int64 {
	q, r := mulDiv(o.Num, rate, o.Den)
	if r != 0 {
		q++
	}
	return q
}

// Floor is the last frame of a grid of rate Hz that is not after o.
func (o Offset) Floor(rate int64) int64 {
	q, _ := mulDiv(o.Num, rate, o.Den)
	return q
}

func (o Offset) reduced() Offset {
	g := gcd(o.Num, o.Den)
	if g <= 1 {
		return o
	}
	return Offset{o.Num / g, o.Den / g}
}

// FrameTime is the house time, in microseconds rounded down, of frame j of a grid of
// rate Hz that starts at t0.
func FrameTime(t0, j int64, rate int) int64 {
	q, _ := mulDiv(j, Micro, int64(rate))
	return t0 + q
}

// FrameAt is the frame of a grid of rate Hz that sounds first at or after the house
// time us; 0 when us is before t0. FrameAt(t0, FrameTime(t0, j, rate), rate) is j for
// every rate up to 1 MHz.
func FrameAt(t0, us int64, rate int) int64 {
	if us <= t0 {
		return 0
	}
	q, r := mulDiv(us-t0, int64(rate), Micro)
	if r != 0 {
		q++
	}
	return q
}

// Scale is n*mul/div, rounded down, without overflow in between.
func Scale(n, mul, div int64) int64 {
	q, _ := mulDiv(n, mul, div)
	return q
}

// mulDiv returns a*b divided by c and the remainder, with 128 bits in between. a, b
// are not negative, c is positive, and the quotient fits in 63 bits: the callers'
// values are bounded by years of audio.
func mulDiv(a, b, c int64) (q, r int64) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	uq, ur := bits.Div64(hi, lo, uint64(c))
	return int64(uq), int64(ur)
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

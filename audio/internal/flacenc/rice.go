package flacenc

import "math/bits"

const (
	maxPartOrder = 6  // 64 partitions; the streamable subset allows 8
	maxParam4    = 14 // the largest parameter with four bits; 15 is the escape code
	maxParam5    = 30
)

// ricePlan says how residuals are cut into partitions and coded.
type ricePlan struct {
	bits      int
	partOrder int
	params    [1 << maxPartOrder]uint8
	wide      bool // five-bit parameters
}

// zigzag folds signs away: 0, -1, 1, -2, ... become 0, 1, 2, 3.
func zigzag(v int32) uint32 { return uint32(v<<1) ^ uint32(v>>31) }

// searchRice finds the partition order and parameters for residuals r that follow
// `order` warm-up samples. Sizes are estimates from sums, close to the real ones.
func (s *subframe) searchRice(r []int32, order int) ricePlan {
	block := len(r) + order
	top := min(maxPartOrder, bits.TrailingZeros(uint(block)))
	for top > 0 && block>>top <= order {
		top--
	}
	sums := s.sums[:1<<top]
	per, at := block>>top, 0
	for i := range sums {
		n := per
		if i == 0 {
			n -= order
		}
		var sum uint64
		for _, v := range r[at : at+n] {
			sum += uint64(zigzag(v))
		}
		sums[i] = sum
		at += n
	}
	best := ricePlan{bits: 1 << 60}
	for o := top; o >= 0; o-- {
		var p ricePlan
		p.fill(sums, o, block, order)
		if p.bits < best.bits {
			best = p
		}
		for i := range len(sums) / 2 {
			sums[i] = sums[2*i] + sums[2*i+1]
		}
		sums = sums[:max(1, len(sums)/2)]
	}
	return best
}

// fill chooses parameters for partitions whose residuals sum up to sums.
func (p *ricePlan) fill(sums []uint64, partOrder, block, order int) {
	p.partOrder = partOrder
	p.bits = 2 + 4
	per := block >> partOrder
	for i, sum := range sums {
		n := per
		if i == 0 {
			n -= order
		}
		k, size := riceParam(sum, n)
		p.params[i] = uint8(k)
		p.bits += size
		p.wide = p.wide || k > maxParam4
	}
	paramBits := 4
	if p.wide {
		paramBits = 5
	}
	p.bits += paramBits * len(sums)
}

// riceParam gives the best parameter for n folded residuals with the given sum, and
// the estimated size: n*(k+1) bits and the sum's quotient.
func riceParam(sum uint64, n int) (uint, int) {
	if n == 0 {
		return 0, 0
	}
	guess := max(0, bits.Len64(sum/uint64(n))-1)
	best, size := uint(0), int(1)<<60
	for k := max(0, guess-1); k <= min(guess+1, maxParam5); k++ {
		// On average half a unit of every quotient is lost to rounding down.
		quotients := max(0, int(sum>>uint(k))-n/2)
		if k == 0 {
			quotients = int(sum)
		}
		if b := n*(k+1) + quotients; b < size {
			best, size = uint(k), b
		}
	}
	return best, size
}

// emit writes the residuals (RFC 9639 9.2.7).
func (p *ricePlan) emit(w *bitWriter, r []int32, order int) {
	paramBits := uint(4)
	if p.wide {
		paramBits = 5
	}
	w.write(uint64(paramBits-4), 2)
	w.write(uint64(p.partOrder), 4)
	per := (len(r) + order) >> p.partOrder
	at := 0
	for i := range 1 << p.partOrder {
		n := per
		if i == 0 {
			n -= order
		}
		k := uint(p.params[i])
		w.write(uint64(k), paramBits)
		for _, v := range r[at : at+n] {
			w.rice(zigzag(v), k)
		}
		at += n
	}
}

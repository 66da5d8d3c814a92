package flacenc

import "math/bits"

type kind int

const (
	constant kind = iota
	verbatim
	fixed
	lpc
)

// maxOrder of linear prediction: what the reference encoder uses at its default
// level. Higher orders cost time and gain about half a percent.
const maxOrder = 8

// subframe is one channel of one block, and the cheapest way found to write it.
type subframe struct {
	samples []int32
	depth   uint // bits of a sample, without the wasted ones
	wasted  uint

	kind   kind
	bits   int // estimated size
	order  int
	coefs  [maxOrder]int32 // lpc
	prec   uint
	shift  uint
	plan   ricePlan
	resid  []int32 // of the chosen predictor, from sample `order` on
	trial  []int32
	sums   []uint64 // scratch of the Rice search
	signal []float64
}

func newSubframe(block int) *subframe {
	return &subframe{
		samples: make([]int32, block), resid: make([]int32, block), trial: make([]int32, block),
		sums: make([]uint64, 2<<maxPartOrder), signal: make([]float64, block+maxOrder),
	}
}

// analyse chooses how to write samples of depth bits.
func (s *subframe) analyse(depth uint, w *window) {
	s.depth, s.wasted = depth, 0
	var or int32
	equal := true
	for _, v := range s.samples {
		or |= v
		equal = equal && v == s.samples[0]
	}
	if equal {
		s.kind, s.bits = constant, 8+int(depth)
		return
	}
	if z := uint(bits.TrailingZeros32(uint32(or))); z > 0 {
		s.wasted = z
		s.depth -= z
		for i := range s.samples {
			s.samples[i] >>= z
		}
	}
	s.kind, s.bits = verbatim, 8+len(s.samples)*int(s.depth)
	s.tryFixed()
	s.tryLPC(w)
	s.bits += int(s.wasted)
}

// take makes the trial the choice when it is smaller.
func (s *subframe) take(k kind, order, overhead int, plan *ricePlan) bool {
	size := 8 + order*int(s.depth) + overhead + plan.bits
	if size >= s.bits {
		return false
	}
	s.kind, s.order, s.bits, s.plan = k, order, size, *plan
	s.resid, s.trial = s.trial, s.resid
	return true
}

// tryFixed picks the fixed predictor with the smallest residual (RFC 9639 9.2.5).
func (s *subframe) tryFixed() {
	x := s.samples
	if len(x) <= 4 {
		return
	}
	order := fixedOrder(x)
	r := s.trial[:len(x)-order]
	for i := range r {
		r[i] = fixedResidual(x, i+order, order)
	}
	plan := s.searchRice(r, order)
	s.take(fixed, order, 0, &plan)
}

// fixedOrder compares the sums of the absolute residuals of all five orders.
func fixedOrder(x []int32) int {
	var sum [5]uint64
	d0 := int64(x[3])
	d1 := d0 - int64(x[2])
	e1 := int64(x[2]) - int64(x[1])
	d2 := d1 - e1
	d3 := d2 - (e1 - (int64(x[1]) - int64(x[0])))
	for _, v := range x[4:] {
		n0 := int64(v)
		n1 := n0 - d0
		n2 := n1 - d1
		n3 := n2 - d2
		n4 := n3 - d3
		d0, d1, d2, d3 = n0, n1, n2, n3
		sum[0] += abs(n0)
		sum[1] += abs(n1)
		sum[2] += abs(n2)
		sum[3] += abs(n3)
		sum[4] += abs(n4)
	}
	best := 0
	for i, v := range sum {
		if v < sum[best] {
			best = i
		}
	}
	return best
}

func abs(v int64) uint64 {
	m := v >> 63
	return uint64((v ^ m) - m)
}

// fixedResidual fits int32: samples have at most 25 bits, and order 4 adds four.
func fixedResidual(x []int32, i, order int) int32 {
	switch order {
	case 0:
		return x[i]
	case 1:
		return x[i] - x[i-1]
	case 2:
		return x[i] - 2*x[i-1] + x[i-2]
	case 3:
		return x[i] - 3*x[i-1] + 3*x[i-2] - x[i-3]
	}
	return x[i] - 4*x[i-1] + 6*x[i-2] - 4*x[i-3] + x[i-4]
}

// emit writes the subframe (RFC 9639 9.2).
func (s *subframe) emit(w *bitWriter) {
	head := uint64(0)
	switch s.kind {
	case verbatim:
		head = 1
	case fixed:
		head = 8 | uint64(s.order)
	case lpc:
		head = 32 | uint64(s.order-1)
	}
	w.write(head, 7)
	if s.wasted == 0 {
		w.write(0, 1)
	} else {
		w.write(1, 1)
		w.write(1, s.wasted) // wasted-1 zeros and a one
	}
	switch s.kind {
	case constant:
		w.write(uint64(s.samples[0]), s.depth)
		return
	case verbatim:
		for _, v := range s.samples {
			w.write(uint64(v), s.depth)
		}
		return
	}
	for _, v := range s.samples[:s.order] {
		w.write(uint64(v), s.depth)
	}
	if s.kind == lpc {
		w.write(uint64(s.prec-1), 4)
		w.write(uint64(s.shift), 5)
		for _, c := range s.coefs[:s.order] {
			w.write(uint64(c), s.prec)
		}
	}
	s.plan.emit(w, s.resid[:len(s.samples)-s.order], s.order)
}

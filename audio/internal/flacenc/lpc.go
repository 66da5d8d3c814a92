package flacenc

import "math"

// window is the taper that is laid over a block before its autocorrelation: flat in
// the middle, half a cosine at both ends (Tukey, 0.5).
type window struct{ w []float64 }

func (w *window) prepare(n int) {
	if len(w.w) == n {
		return
	}
	w.w = append(w.w[:0], make([]float64, n)...)
	edge := max(1, n/4)
	for i := range w.w {
		w.w[i] = 1
		if d := min(i, n-1-i); d < edge {
			w.w[i] = 0.5 - 0.5*math.Cos(math.Pi*(float64(d)+0.5)/float64(edge))
		}
	}
}

// precision of coefficients in bits: more pays off with longer blocks and deeper
// samples only.
func precision(block int, depth uint) uint {
	switch {
	case depth > 17 && block >= 1024:
		return 14
	case block <= 192:
		return 8
	case block <= 576:
		return 10
	case block <= 1152:
		return 11
	}
	return 12
}

// tryLPC fits a linear predictor of the order that promises the fewest bits.
func (s *subframe) tryLPC(w *window) {
	n := len(s.samples)
	if n <= 2*maxOrder {
		return
	}
	autoc := s.autocorrelate(w)
	if autoc[0] <= 0 {
		return
	}
	var table [maxOrder][maxOrder]float64
	var errs [maxOrder]float64
	orders := levinson(&autoc, &table, &errs)
	if orders == 0 {
		return
	}
	s.prec = precision(n, s.depth)
	order := s.bestOrder(errs[:orders], n)
	coefs, shift, ok := quantise(table[order-1][:order], s.prec)
	if !ok || !s.predict(coefs[:order], shift) {
		return
	}
	plan := s.searchRice(s.trial[:n-order], order)
	if s.take(lpc, order, 9+order*int(s.prec), &plan) {
		s.coefs, s.shift = coefs, shift
	}
}

func (s *subframe) autocorrelate(w *window) (autoc [maxOrder + 1]float64) {
	n := len(s.samples)
	x := s.signal[:n+maxOrder] // maxOrder zeros in front
	for i, v := range s.samples {
		x[i+maxOrder] = float64(v) * w.w[i]
	}
	for lag := 0; lag <= maxOrder; lag += 3 {
		var s0, s1, s2 float64
		a, b := x[maxOrder:], x[maxOrder-lag:]
		b1, b2 := x[max(0, maxOrder-lag-1):], x[max(0, maxOrder-lag-2):]
		b, b1, b2 = b[:len(a)], b1[:len(a)], b2[:len(a)]
		for i, v := range a {
			s0 += v * b[i]
			s1 += v * b1[i]
			s2 += v * b2[i]
		}
		autoc[lag], autoc[lag+1], autoc[lag+2] = s0, s1, s2
	}
	return autoc
}

// levinson solves for the predictors of every order. errs are the mean square errors
// that remain, table the coefficients. It returns how many orders are usable.
func levinson(autoc *[maxOrder + 1]float64, table *[maxOrder][maxOrder]float64, errs *[maxOrder]float64) int {
	var a [maxOrder]float64
	e := autoc[0]
	for i := range maxOrder {
		r := -autoc[i+1]
		for j := range i {
			r -= a[j] * autoc[i-j]
		}
		r /= e
		a[i] = r
		j := 0
		for ; j < i/2; j++ {
			lower, upper := a[j], a[i-1-j]
			a[j] += r * upper
			a[i-1-j] += r * lower
		}
		if i&1 == 1 {
			a[j] += a[j] * r
		}
		e *= 1 - r*r
		for j := range i + 1 {
			table[i][j] = -a[j]
		}
		errs[i] = e
		if e <= 0 || math.IsNaN(e) {
			return i // this order is already degenerate
		}
	}
	return maxOrder
}

// bestOrder estimates the bits of each order from the error's expected entropy.
func (s *subframe) bestOrder(errs []float64, n int) int {
	best, size := 1, math.Inf(1)
	for i, e := range errs {
		order := i + 1
		perSample := max(0, 0.5*math.Log2(0.5*math.Ln2*math.Ln2/float64(n)*e))
		total := perSample*float64(n-order) + float64(order)*float64(s.depth+s.prec)
		if total < size {
			best, size = order, total
		}
	}
	return best
}

// quantise turns coefficients into integers of prec bits with a common shift, and
// carries each rounding error over to the next.
func quantise(c []float64, prec uint) (q [maxOrder]int32, shift uint, ok bool) {
	peak := 0.0
	for _, v := range c {
		peak = max(peak, math.Abs(v))
	}
	if peak <= 0 || math.IsInf(peak, 0) || math.IsNaN(peak) {
		return q, 0, false
	}
	_, exp := math.Frexp(peak)
	sh := int(prec) - 1 - exp
	if sh < 0 {
		return q, 0, false // coefficients so large are of no use
	}
	sh = min(sh, 15)
	hi := float64(int(1)<<(prec-1) - 1)
	carry := 0.0
	for i, v := range c {
		carry += math.Ldexp(v, sh)
		r := min(max(math.Round(carry), -hi-1), hi)
		carry -= r
		q[i] = int32(r)
	}
	return q, uint(sh), true
}

// predict fills trial with the residuals. It reports false when one does not fit the
// 32 bits that decoders are bound to.
func (s *subframe) predict(c []int32, shift uint) bool {
	order := len(c)
	var reversed [maxOrder]int64 // so that both slices below run the same way
	for i, v := range c {
		reversed[order-1-i] = int64(v)
	}
	weights := reversed[:order]
	r := s.trial[:len(s.samples)-order]
	for i := range r {
		past := s.samples[i : i+order : i+order][:len(weights)]
		var sum int64
		for j, v := range weights {
			sum += v * int64(past[j])
		}
		d := int64(s.samples[i+order]) - sum>>shift
		if int64(int32(d)) != d || d == math.MinInt32 {
			return false
		}
		r[i] = int32(d)
	}
	return true
}

package harness

import "math"

// halfTaps is half the length of the interpolation kernel.
const halfTaps = 24

// Lag measures how much later than the reference a signal is, in microseconds: got[i] is
// compared with the reference at startUS + i/rate on the reference's own timeline. It is
// exact to a small part of a sample: the coarse part by search within ±reach samples of
// the reference, the fine part by least squares on the reference and its slope.
func Lag(got []float64, startUS float64, rate int, ref []float64, refRate, reach int) float64 {
	period := 1e6 / float64(refRate)
	us, best := fit(got, startUS, rate, ref, refRate)
	if best < 1e-3 && math.Abs(us) < period/2 {
		return us // there is no better place to look for
	}
	for k := -reach; k <= reach; k++ {
		shift := float64(k) * period
		fine, rest := fit(got, startUS-shift, rate, ref, refRate)
		if rest < best {
			best, us = rest, shift+fine
		}
	}
	return us
}

// fit finds a and b that make a·r + b·r' closest to got, where r is the reference at the
// same times and r' its slope: -b/a is how much later got is, as long as that is well
// under a sample. rest is what is left of got, as a share.
func fit(got []float64, startUS float64, rate int, ref []float64, refRate int) (us, rest float64) {
	const d = 0.05 // in samples, for the slope
	var rr, rs, ss, gr, gs, gg float64
	step := max(1, len(got)/1500) // a thousand points say enough
	for i := 0; i < len(got); i += step {
		x := (startUS + float64(i)*1e6/float64(rate)) * float64(refRate) / 1e6
		if x < halfTaps+1 || x > float64(len(ref)-halfTaps-2) {
			continue
		}
		r, s := at(ref, x), (at(ref, x+d)-at(ref, x-d))/(2*d)
		g := got[i]
		rr, rs, ss, gr, gs, gg = rr+r*r, rs+r*s, ss+s*s, gr+g*r, gs+g*s, gg+g*g
	}
	det := rr*ss - rs*rs
	if det == 0 || gg == 0 {
		return math.Inf(1), math.Inf(1)
	}
	a, b := (gr*ss-gs*rs)/det, (gs*rr-gr*rs)/det
	return -b / a * 1e6 / float64(refRate), 1 - (a*gr+b*gs)/gg
}

// at interpolates v at x with a windowed sinc.
func at(v []float64, x float64) (sum float64) {
	k := int(math.Floor(x))
	frac := x - float64(k)
	if frac < 1e-9 {
		return v[k]
	}
	// sin(π(x-i)) only changes its sign from one i to the next, and the window's angle
	// turns by π/halfTaps: two sines are enough for all taps.
	numerator := math.Sin(math.Pi*frac) / math.Pi
	stepSin, stepCos := math.Sincos(-math.Pi / halfTaps)
	sin, cos := math.Sincos(math.Pi * (frac + halfTaps - 1) / halfTaps)
	if halfTaps%2 == 0 { // of the first tap, which is halfTaps-1 before k
		numerator = -numerator
	}
	t := frac + halfTaps - 1
	for _, s := range v[k-halfTaps+1 : k+halfTaps+1] {
		sum += s * numerator / t * (0.5 + 0.5*cos)
		numerator = -numerator
		sin, cos = sin*stepCos+cos*stepSin, cos*stepCos-sin*stepSin
		t--
	}
	return sum
}

// Channel is channel c of interleaved samples; c -1 is the mean of all.
func Channel(samples []int32, channels, c int) []float64 {
	out := make([]float64, len(samples)/channels)
	for i := range out {
		for j, v := range samples[i*channels : (i+1)*channels] {
			switch c {
			case -1:
				out[i] += float64(v) / float64(channels)
			case j:
				out[i] = float64(v)
			}
		}
	}
	return out
}

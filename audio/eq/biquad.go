package eq

import (
	"math"
	"math/cmplx"
)

// coef are a biquad's coefficients, divided by a0.
type coef struct{ b0, b1, b2, a1, a2 float64 }

// design follows the Cookbook. A band at or above what the rate can carry is left out
// where it would change nothing that can be heard, and becomes a plain gain where it
// would change everything; ok is false when there is nothing to do.
func design(b Band, rate int) (c coef, ok bool) {
	gain := math.Pow(10, b.GainDB/40) // the Cookbook's A
	highest := 0.49 * float64(rate)
	if b.Frequency >= highest {
		switch b.Kind {
		case LowShelf:
			return coef{b0: gain * gain}, true
		case HighPass:
			b.Frequency = highest
		default:
			return coef{}, false
		}
	}
	w := 2 * math.Pi * b.Frequency / float64(rate)
	sin, cos := math.Sincos(w)
	alpha := sin / (2 * b.Q)
	switch b.Kind {
	case Peak:
		return norm(1+alpha*gain, -2*cos, 1-alpha*gain, 1+alpha/gain, -2*cos, 1-alpha/gain), true
	case LowShelf:
		return shelf(gain, cos, alpha, 1), true
	case HighShelf:
		return shelf(gain, cos, alpha, -1), true
	case LowPass:
		return norm((1-cos)/2, 1-cos, (1-cos)/2, 1+alpha, -2*cos, 1-alpha), true
	case HighPass:
		return norm((1+cos)/2, -1-cos, (1+cos)/2, 1+alpha, -2*cos, 1-alpha), true
	}
	return coef{}, false
}

// shelf is the low shelf for sign 1 and the high shelf for -1: the two differ in the
// sign of their cosines and of the middle coefficients.
func shelf(gain, cos, alpha, sign float64) coef {
	up, down, c := gain+1, gain-1, sign*cos
	root := 2 * math.Sqrt(gain) * alpha
	return norm(
		gain*(up-down*c+root), sign*2*gain*(down-up*c), gain*(up-down*c-root),
		up+down*c+root, sign*-2*(down+up*c), up+down*c-root)
}

func norm(b0, b1, b2, a0, a1, a2 float64) coef {
	return coef{b0 / a0, b1 / a0, b2 / a0, a1 / a0, a2 / a0}
}

// response is the transfer function at frequency f in Hz.
func (c coef) response(f float64, rate int) complex128 {
	z := cmplx.Exp(complex(0, -2*math.Pi*f/float64(rate)))
	n := complex(c.b0, 0) + z*(complex(c.b1, 0)+z*complex(c.b2, 0))
	d := 1 + z*(complex(c.a1, 0)+z*complex(c.a2, 0))
	return n / d
}

// state is what a biquad remembers of one channel (transposed direct form II).
type state struct{ z1, z2 float64 }

// tiny is a level far below anything that can be heard: 2000 dB down. What decays below
// it is cut, because processors are slow with still smaller numbers.
const tiny = 1e-100

// run filters x in place.
func (c coef) run(s *state, x []float64) {
	z1, z2 := s.z1, s.z2
	for i, v := range x {
		y := c.b0*v + z1
		z1 = c.b1*v - c.a1*y + z2
		z2 = c.b2*v - c.a2*y
		x[i] = y
	}
	if math.Abs(z1) < tiny && math.Abs(z2) < tiny {
		z1, z2 = 0, 0
	}
	s.z1, s.z2 = z1, z2
}

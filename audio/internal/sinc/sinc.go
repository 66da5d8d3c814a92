// Package sinc is what the resamplers share: a Kaiser-windowed sinc, and the scalar
// products of their inner loops.
package sinc

import "math"

// Sinc is sin(πx)/(πx).
func Sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// Kaiser is the Kaiser window at x in -1..1, zero outside.
func Kaiser(x, beta float64) float64 {
	if x <= -1 || x >= 1 {
		return 0
	}
	return besselI0(beta*math.Sqrt(1-x*x)) / besselI0(beta)
}

// besselI0 is the modified Bessel function of the first kind and order zero.
func besselI0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-18*sum; k++ {
		term *= (x / 2 / k) * (x / 2 / k)
		sum += term
	}
	return sum
}

// Dot is the scalar product, with four sums so that additions do not wait for each
// other. len(x) is at least len(coef), which is a multiple of 4.
func Dot(coef, x []float64) float64 {
	var s0, s1, s2, s3 float64
	x = x[:len(coef)]
	for len(coef) >= 4 && len(x) >= 4 {
		s0 += coef[0] * x[0]
		s1 += coef[1] * x[1]
		s2 += coef[2] * x[2]
		s3 += coef[3] * x[3]
		coef, x = coef[4:], x[4:]
	}
	return (s0 + s1) + (s2 + s3)
}

// Dot2 is Dot for two channels with one pass over the coefficients.
func Dot2(coef, x, y []float64) (float64, float64) {
	var a0, a1, a2, a3, b0, b1, b2, b3 float64
	x, y = x[:len(coef)], y[:len(coef)]
	for len(coef) >= 4 && len(x) >= 4 && len(y) >= 4 {
		c := coef[0]
		a0 += c * x[0]
		b0 += c * y[0]
		c = coef[1]
		a1 += c * x[1]
		b1 += c * y[1]
		c = coef[2]
		a2 += c * x[2]
		b2 += c * y[2]
		c = coef[3]
		a3 += c * x[3]
		b3 += c * y[3]
		coef, x, y = coef[4:], x[4:], y[4:]
	}
	return (a0 + a1) + (a2 + a3), (b0 + b1) + (b2 + b3)
}

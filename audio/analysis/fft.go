package analysis

import "math"

// fft is a discrete Fourier transform of a power of two: Stockham's form with radix 4,
// which needs no reordering. It is here because it is five times as fast as the general
// one of gonum.org/v1/gonum/dsp/fourier, and most of what the analysis costs (ADR 0020).
type fft struct {
	twiddle []complex128 // exp(-2πik/n)
	a, b    []complex128
}

// newFFT prepares transforms of n points, a power of two of at least 2.
func newFFT(n int) *fft {
	f := &fft{twiddle: make([]complex128, n), a: make([]complex128, n), b: make([]complex128, n)}
	for k := range f.twiddle {
		sin, cos := math.Sincos(-2 * math.Pi * float64(k) / float64(n))
		f.twiddle[k] = complex(cos, sin)
	}
	return f
}

// input is where the n values go before run.
func (f *fft) input() []complex128 { return f.a }

// run transforms the input, which it destroys. The result is valid until the next call
// of input.
func (f *fft) run() []complex128 {
	x, y := f.a, f.b
	n, stride := len(x), 1
	for n > 2 {
		f.radix4(x, y, n, stride)
		x, y = y, x
		n, stride = n/4, stride*4
	}
	if n == 2 {
		for q := range stride {
			s, t := x[q], x[q+stride]
			y[q], y[q+stride] = s+t, s-t
		}
		x, y = y, x
	}
	f.a, f.b = y, x // the next input does not overwrite the result
	return x
}

// radix4 is one pass: stride interleaved transforms of n points become four times as many
// of a quarter.
func (f *fft) radix4(x, y []complex128, n, stride int) {
	m := n / 4
	for p := range m {
		w1, w2, w3 := f.twiddle[p*stride], f.twiddle[2*p*stride], f.twiddle[3*p*stride]
		in0, in1 := x[stride*p:][:stride], x[stride*(p+m):][:stride]
		in2, in3 := x[stride*(p+2*m):][:stride], x[stride*(p+3*m):][:stride]
		out0, out1 := y[4*stride*p:][:stride], y[stride*(4*p+1):][:stride]
		out2, out3 := y[stride*(4*p+2):][:stride], y[stride*(4*p+3):][:stride]
		for q, a := range in0 {
			b, c, d := in1[q], in2[q], in3[q]
			sum, diff := a+c, a-c
			other, turned := b+d, b-d
			turned = complex(imag(turned), -real(turned)) // -i(b-d)
			out0[q] = sum + other
			out1[q] = w1 * (diff + turned)
			out2[q] = w2 * (sum - other)
			out3[q] = w3 * (diff - turned)
		}
	}
}

package analysis

import "math"

// transform gives power spectra of windowed pieces of audio. Two channels go into one
// complex transform, as real and imaginary part: the sum of their powers at bin k is
// (|Z[k]|² + |Z[n-k]|²)/2, and only that sum is wanted. A mono mix would lose what is in
// opposite phase.
type transform struct {
	size   int
	window []float64 // Hann
	fft    *fft
}

func newTransform(size int) *transform {
	t := &transform{size: size, window: make([]float64, size), fft: newFFT(size)}
	for i := range t.window {
		t.window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(size))
	}
	return t
}

// bins is the number of bins of a spectrum: 0 to half the sample rate.
func (t *transform) bins() int { return t.size/2 + 1 }

// hertz is the centre of bin k.
func (t *transform) hertz(k float64, rate int) float64 { return k * float64(rate) / float64(t.size) }

// power writes to dst the mean power over the channels in each bin. A full-scale sine in
// all channels, at the centre of a bin, has power 1 there.
func (t *transform) power(dst []float64, r *ring, from int64) {
	clear(dst)
	for c := 0; c < len(r.channels); c += 2 {
		t.load(r, c, from)
		add(dst, t.fft.run())
	}
	// Hann halves the amplitude of a sine, and half of it is at the negative frequency.
	norm := 16 / (float64(t.size) * float64(t.size) * 2 * float64(len(r.channels)))
	for k := range dst {
		dst[k] *= norm
	}
}

// load puts channels c and c+1 under the window.
func (t *transform) load(r *ring, c int, from int64) {
	in, a := t.fft.input(), r.slice(c, from, t.size)
	if c+1 == len(r.channels) {
		for i, w := range t.window {
			in[i] = complex(a[i]*w, 0)
		}
		return
	}
	b := r.slice(c+1, from, t.size)
	for i, w := range t.window {
		in[i] = complex(a[i]*w, b[i]*w)
	}
}

// add adds the powers of two channels to dst.
func add(dst []float64, spectrum []complex128) {
	for k := range dst {
		z, m := spectrum[k], spectrum[(len(spectrum)-k)%len(spectrum)]
		dst[k] += real(z)*real(z) + imag(z)*imag(z) + real(m)*real(m) + imag(m)*imag(m)
	}
}

// powerOfTwo is the power of two that is nearest to n on a logarithmic scale.
func powerOfTwo(n float64) int { return 1 << max(int(math.Round(math.Log2(n))), 4) }

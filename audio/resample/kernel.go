package resample

import (
	"math"

	"github.com/tutti-audio/tutti/audio/internal/sinc"
)

const (
	// passEdge is the end of the pass band as a share of the lower Nyquist frequency:
	// 20 kHz of 22.05 kHz.
	passEdge = 20000.0 / 22050.0
	// attenuation of the stop band in dB that the Kaiser window is designed for; the
	// pass-band ripple follows from it (3e-6, or 0.00002 dB).
	attenuation = 114.0
	// maxPhases bounds the table. Rates without a large common divisor have more
	// phases than this; the kernel is then interpolated linearly between so many
	// steps, which costs less than the design error (below -140 dB).
	maxPhases = 8192
)

// bank is the kernel, sampled at every phase that an output can have between two
// input samples. Tap i of phase p weighs the input at distance i-(half-1)-p/phases.
type bank struct {
	half   int // taps on either side
	up     int64
	phases int
	table  []float64 // (phases+1) rows of 2*half taps; the last row is for interpolation
}

func newBank(inRate, outRate, up int) *bank {
	nyquist := math.Min(float64(inRate), float64(outRate)) / 2
	width := nyquist * (1 - passEdge) / float64(inRate) // transition, cycles per input sample
	cutoff := nyquist * (1 + passEdge) / 2 / float64(inRate)
	half := int(math.Ceil((attenuation - 7.95) / (2.285 * 2 * math.Pi * width) / 2))
	half += half & 1 // so that 2*half is a multiple of 4, as dot wants
	b := &bank{half: half, up: int64(up), phases: min(up, maxPhases)}
	b.table = make([]float64, (b.phases+1)*2*half)
	beta := 0.1102 * (attenuation - 8.7)
	for p := range b.phases + 1 {
		row := b.table[p*2*half : (p+1)*2*half]
		var sum float64
		for i := range row {
			t := float64(i-(half-1)) - float64(p)/float64(b.phases)
			row[i] = 2 * cutoff * sinc.Sinc(2*cutoff*t) * sinc.Kaiser(t/float64(half), beta)
			sum += row[i]
		}
		// Each phase gets exactly unit gain at DC, so that a constant stays constant.
		for i := range row {
			row[i] /= sum
		}
	}
	return b
}

// phase is the row of taps for phase p of `up`. scratch is reused between calls.
func (b *bank) phase(p int64, scratch *[]float64) []float64 {
	n := 2 * b.half
	if int64(b.phases) == b.up {
		return b.table[int(p)*n : int(p)*n+n]
	}
	if *scratch == nil {
		*scratch = make([]float64, n)
	}
	scaled := p * int64(b.phases)
	row := int(scaled / b.up)
	frac := float64(scaled%b.up) / float64(b.up)
	lower, upper := b.table[row*n:row*n+n], b.table[(row+1)*n:(row+1)*n+n]
	for i, v := range lower {
		(*scratch)[i] = v + frac*(upper[i]-v)
	}
	return *scratch
}

package asrc

import (
	"math"

	"github.com/tutti-audio/tutti/audio/internal/sinc"
)

// The kernel, as in package resample: a Kaiser-windowed sinc.
const (
	passEdge    = 20000.0 / 22050.0 // end of the pass band, of the lower Nyquist frequency
	attenuation = 114.0             // of the stop band, dB
	// phases between two input samples; between those the taps are interpolated
	// linearly, whose error is below -120 dB up to 20 kHz.
	phases = 1024
)

// bank is the kernel at every phase. Tap i of phase p weighs the input at distance
// i-(half-1)-p/phases.
type bank struct {
	half  int
	table []float64 // phases+1 rows of 2*half taps
}

func newBank(inRate, outRate int) *bank {
	nyquist := math.Min(float64(inRate), float64(outRate)) / 2
	width := nyquist * (1 - passEdge) / float64(inRate)
	cutoff := nyquist * (1 + passEdge) / 2 / float64(inRate)
	half := int(math.Ceil((attenuation - 7.95) / (2.285 * 2 * math.Pi * width) / 2))
	half += half & 1 // so that 2*half is a multiple of 4, as dot wants
	b := &bank{half: half, table: make([]float64, (phases+1)*2*half)}
	beta := 0.1102 * (attenuation - 8.7)
	for p := range phases + 1 {
		row := b.table[p*2*half : (p+1)*2*half]
		var sum float64
		for i := range row {
			t := float64(i-(half-1)) - float64(p)/phases
			row[i] = 2 * cutoff * sinc.Sinc(2*cutoff*t) * sinc.Kaiser(t/float64(half), beta)
			sum += row[i]
		}
		for i := range row { // unit gain at DC in each phase
			row[i] /= sum
		}
	}
	return b
}

// taps are the weights for an output that lies frac, 0..1, beyond an input sample.
func (b *bank) taps(frac float64, scratch []float64) []float64 {
	n := 2 * b.half
	at := frac * phases
	row := min(int(at), phases-1)
	f := at - float64(row)
	lower, upper := b.table[row*n:row*n+n], b.table[(row+1)*n:(row+1)*n+n]
	for i, v := range lower {
		scratch[i] = v + f*(upper[i]-v)
	}
	return scratch
}

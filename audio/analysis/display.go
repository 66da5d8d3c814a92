package analysis

import (
	"fmt"
	"math"
)

// Scales of a [Spectrum], as the specification names them.
const (
	ScaleMel = "mel"
	ScaleLog = "log"
	ScaleLin = "lin"
)

// MaxBins is the largest number of display bins: more than a screen can show, and half a
// kilobyte a frame.
const MaxBins = 256

// lowestLog is where a logarithmic scale begins that was asked to begin at 0 Hz.
const lowestLog = 1

// Spectrum says which display bins a spectrum has.
type Spectrum struct {
	Bins       int    // 1..MaxBins
	Scale      string // ScaleMel, ScaleLog or ScaleLin
	FMin, FMax int    // Hz, 0 <= FMin < FMax
}

// Check says what is wrong with a spectrum, nil when it can be made.
func (s Spectrum) Check() error {
	switch {
	case s.Bins < 1 || s.Bins > MaxBins:
		return fmt.Errorf("analysis: %d display bins, 1 to %d can be made", s.Bins, MaxBins)
	case s.Scale != ScaleMel && s.Scale != ScaleLog && s.Scale != ScaleLin:
		return fmt.Errorf("analysis: scale %q is not mel, log or lin", s.Scale)
	case s.FMin < 0 || s.FMin >= s.FMax || s.FMax > math.MaxInt32:
		return fmt.Errorf("analysis: no frequencies between %d and %d Hz", s.FMin, s.FMax)
	}
	return nil
}

// edge is the frequency where display bin i begins, i in 0..Bins, in Hz.
func (s Spectrum) edge(i int) float64 {
	to, from := scale(s.Scale)
	low := float64(s.FMin)
	if s.Scale == ScaleLog {
		low = max(low, lowestLog)
	}
	a, b := to(low), to(float64(s.FMax))
	return from(a + (b-a)*float64(i)/float64(s.Bins))
}

// scale is a scale and its inverse.
func scale(name string) (to, from func(float64) float64) {
	switch name {
	case ScaleMel: // HTK
		return func(f float64) float64 { return 2595 * math.Log10(1+f/700) },
			func(m float64) float64 { return 700 * (math.Pow(10, m/2595) - 1) }
	case ScaleLog:
		return math.Log10, func(v float64) float64 { return math.Pow(10, v) }
	}
	same := func(v float64) float64 { return v }
	return same, same
}

// span is what a display bin shows of the bins of a transform: the largest of first..last,
// or, where it is too narrow to hold one, the value at position at in between.
type span struct {
	first, last int
	at          float64
}

// display maps the power spectrum of a transform to display bins. A bin shows the largest
// value of its band and not the sum: a sine then has one height whatever the width of
// the bin that it falls in, and a narrow bin between two values of the transform
// interpolates.
type display struct{ spans []span }

// newDisplay prepares a spectrum for a transform with n bins of width hz.
func newDisplay(s Spectrum, n int, width float64) *display {
	d := &display{spans: make([]span, s.Bins)}
	for i := range d.spans {
		low, high := s.edge(i)/width, s.edge(i+1)/width
		p := span{first: int(math.Ceil(low)), last: int(math.Ceil(high)) - 1, at: (low + high) / 2}
		p.last = min(p.last, n-1)
		d.spans[i] = p
	}
	return d
}

// levels appends the display bins of a weighted power spectrum to dst as big-endian
// uint16, as the message has them.
func (d *display) levels(dst []byte, power []float64) []byte {
	for _, p := range d.spans {
		v := Level(p.read(power))
		dst = append(dst, byte(v>>8), byte(v))
	}
	return dst
}

func (p span) read(power []float64) float64 {
	if p.first <= p.last {
		top := 0.0
		for _, v := range power[p.first : p.last+1] {
			top = max(top, v)
		}
		return top
	}
	i := int(p.at)
	if i+1 >= len(power) {
		return 0 // above half the sample rate
	}
	// Between two bins the amplitude runs straight.
	a, b, x := math.Sqrt(power[i]), math.Sqrt(power[i+1]), p.at-float64(i)
	v := a + (b-a)*x
	return v * v
}

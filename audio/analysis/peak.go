package analysis

import (
	"math"
	"slices"
)

// The rules of a peak, in steps of onsetRate: its strength is the largest of peakAround
// steps on both sides, and above the mean of peakBefore steps before it by a margin that
// grows with what goes on there. Another one follows after refractory at the earliest.
const (
	peakAround = 3  // 30 ms
	peakBefore = 15 // 150 ms
	refractory = 6  // 60 ms
	peakMargin = 0.05
	peakFactor = 1.8
	// fullPeak is the strength of onset that gives the value 255 nearly: a hard hit on all
	// bands out of silence.
	fullPeak = 0.6
)

// Onset refinement, in seconds: a window that is about to swallow the attack tells that
// there is one, the samples tell where.
const (
	refineBack   = 0.018
	refineBefore = 0.006
	refineAfter  = 0.002
)

// peaks picks onsets out of the onset strength.
type peaks struct {
	rate     int
	strength []float64 // the newest ones
	first    int64     // step of strength[0]
	last     int64     // step of the last peak
	energy   []float64 // scratch of refine
}

func (p *peaks) reset(step int64) {
	p.strength, p.first, p.last = p.strength[:0], step, step-refractory
}

// pending is the first step that is not decided yet.
func (p *peaks) pending() int64 { return p.first + int64(len(p.strength)) - peakAround }

// add takes the strength of the next step. When that settles an earlier one as a peak, it
// returns the step and the value 1-255.
func (p *peaks) add(v float64) (step int64, value uint8, ok bool) {
	p.strength = append(p.strength, v)
	if n := len(p.strength) - 4*(peakBefore+peakAround); n > 0 {
		p.strength = slices.Delete(p.strength, 0, n)
		p.first += int64(n)
	}
	i := len(p.strength) - 1 - peakAround
	if i < 0 {
		return 0, 0, false
	}
	step = p.first + int64(i)
	v = p.strength[i]
	if step-p.last < refractory || v < p.threshold(i) {
		return 0, 0, false
	}
	for _, other := range p.strength[max(i-peakAround, 0):] {
		if other > v {
			return 0, 0, false
		}
	}
	p.last = step
	return step, uint8(max(1, math.Round(255*(1-math.Exp(-2*v/fullPeak))))), true
}

// threshold is what the strength at index i has to reach.
func (p *peaks) threshold(i int) float64 {
	sum := 0.0
	before := p.strength[max(i-peakBefore, 0):i]
	for _, v := range before {
		sum += v
	}
	return peakMargin + peakFactor*sum/float64(max(len(before), 1))
}

// refine finds the frame of an attack in the audio around the centre of an onset step:
// where the energy of the differences between samples rises the most. The last frame of a
// tie is the first one that sounds.
func (p *peaks) refine(r *ring, centre int64, window int) int64 {
	sec := float64(p.rate)
	before, after := int(refineBefore*sec), max(int(refineAfter*sec), 2)
	from := centre - int64(refineBack*sec)
	to := centre + int64(window/2) - int64(after)
	base := max(from-int64(before), r.first+1)
	e := p.cumulate(r, base, to+int64(after))
	floor := 1e-12 + 1e-4*e[len(e)-1]/float64(len(e))
	best, at := -1.0, centre
	for f := max(from, base+int64(before)); f < to; f++ {
		i := int(f - base)
		was := (e[i]-e[i-before])/float64(before) + floor
		will := (e[i+after]-e[i])/float64(after) + floor
		if ratio := will / was; ratio >= best {
			best, at = ratio, f
		}
	}
	return at
}

// cumulate gives the running sum of the squared differences: e[i] is that of the frames
// base..base+i-1.
func (p *peaks) cumulate(r *ring, base, end int64) []float64 {
	n := int(end - base)
	p.energy = append(p.energy[:0], make([]float64, n+1)...)
	for c := range r.channels {
		x := r.slice(c, base-1, n+1)
		for i := range n {
			d := x[i+1] - x[i]
			p.energy[i+1] += d * d
		}
	}
	for i := range n {
		p.energy[i+1] += p.energy[i]
	}
	return p.energy
}

package analysis

import "math"

const (
	// onsetRate is how often the onset strength is computed, per second.
	onsetRate = 100
	// onsetWindow is the length of the transform for it, in seconds.
	onsetWindow = 0.022
	// bandsPerOctave divides the spectrum for the flux: a semitone pair, so that a vibrato
	// stays within a band and its neighbours.
	bandsPerOctave = 6
	fluxLow        = 30.0   // Hz
	fluxHigh       = 16_000 // Hz
	kickHigh       = 160.0  // Hz; below is where drums and basses mark the bar
	// fluxLag is how many steps back a spectrum is compared with.
	fluxLag = 1
	// compress is the factor in log10(1 + compress·magnitude): what is 60 dB below full
	// scale counts little, what is 100 dB below nothing.
	compress = 1000
)

// band is a run of bins of the onset transform.
type band struct{ from, to int }

// onset computes the onset strength: the spectral flux of log-compressed bands, each
// compared with the largest of its neighbourhood before, so that a tone that glides is
// no onset (Böck, Widmer: Maximum filter vibrato suppression for onset detection, 2013).
type onset struct {
	rate    int
	fft     *transform
	bands   []band
	kick    int // so many bands are below kickHigh
	power   []float64
	history [fluxLag + 1][]float64 // compressed bands, newest first
	next    int64                  // number of the next step
}

func newOnset(rate int) *onset {
	o := &onset{rate: rate, fft: newTransform(powerOfTwo(float64(rate) * onsetWindow))}
	o.power = make([]float64, o.fft.bins())
	width := o.fft.hertz(1, rate)
	last := 0
	for f := fluxLow; f < fluxHigh; f *= math.Pow(2, 1.0/bandsPerOctave) {
		to := min(int(math.Round(f*math.Pow(2, 1.0/bandsPerOctave)/width))+1, o.fft.bins())
		from := max(int(math.Round(f/width)), 1, last)
		if to <= from {
			continue
		}
		o.bands = append(o.bands, band{from, to})
		if float64(from)*width < kickHigh {
			o.kick = len(o.bands)
		}
		last = to
	}
	for i := range o.history {
		o.history[i] = make([]float64, len(o.bands))
	}
	return o
}

// reset makes the step at or after frame the next one, after silence.
func (o *onset) reset(frame int64) {
	o.next = ceilDiv(frame*onsetRate, int64(o.rate))
	for _, h := range o.history {
		clear(h)
	}
}

// centre is the frame that step i is about.
func (o *onset) centre(i int64) int64 { return i * int64(o.rate) / onsetRate }

// needs is the end of the audio that the next step takes.
func (o *onset) needs() int64 { return o.centre(o.next) + int64(o.fft.size/2) }

// step computes the next strength: of all bands and of the low ones.
func (o *onset) step(r *ring) (all, low float64) {
	o.fft.power(o.power, r, o.centre(o.next)-int64(o.fft.size/2))
	o.next++
	now := o.history[fluxLag]
	copy(o.history[1:], o.history[:fluxLag])
	o.history[0] = now
	for b, s := range o.bands {
		top := 0.0
		for _, p := range o.power[s.from:s.to] {
			top = max(top, p)
		}
		now[b] = math.Log10(1 + compress*math.Sqrt(top))
	}
	before := o.history[fluxLag]
	for b, v := range now {
		was := before[b]
		if b > 0 {
			was = max(was, before[b-1])
		}
		if b+1 < len(before) {
			was = max(was, before[b+1])
		}
		if d := v - was; d > 0 {
			all += d
			if b < o.kick {
				low += d
			}
		}
	}
	return all / float64(len(o.bands)), low / float64(max(o.kick, 1))
}

func ceilDiv(a, b int64) int64 {
	q := a / b
	if a%b > 0 {
		q++
	}
	return q
}

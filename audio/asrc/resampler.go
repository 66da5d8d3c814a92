package asrc

import (
	"fmt"
	"math"

	"github.com/tutti-audio/tutti/audio/internal/sinc"
	"github.com/tutti-audio/tutti/audio/pcm"
)

// MaxDeviation is how far a source's crystal may be from its nominal rate and still be
// followed: 2000 ppm, twice what the worst consumer device does.
const MaxDeviation = 2000e-6

// smoothing is the time constant with which a new ratio is taken over, in seconds.
const smoothing = 0.05

// Resampler converts one stream from one rate to another, where the first is only
// nearly what it is called. Output 0 is aligned with input 0; before the first sample
// there is silence. Not safe for concurrent use.
type Resampler struct {
	channels int
	bank     *bank
	gain     float64 // between the depths
	lo, hi   float64

	nominal      float64 // input frames per output frame
	step, target float64
	follow       float64 // share of the way to target per output frame

	hist    [][]float64 // per channel
	dropped int64       // input frames that have left hist, the silence before the first one not counted
	at      int         // index in hist where the next output's window begins
	frac    float64     // and the fraction of an input frame beyond it
	scratch []float64
	dry     bool // for tests: positions only, samples are silence
	silence []int32
}

// NewResampler returns a resampler for interleaved samples of inDepth bits, which gives
// them in outDepth bits. Rates are in Hz within pcm's bounds.
func NewResampler(inRate, outRate, channels, inDepth, outDepth int) (*Resampler, error) {
	for _, rate := range []int{inRate, outRate} {
		if rate < pcm.MinSampleRate || rate > pcm.MaxSampleRate {
			return nil, fmt.Errorf("asrc: rate %d Hz is outside %d..%d", rate, pcm.MinSampleRate, pcm.MaxSampleRate)
		}
	}
	if channels < 1 || channels > pcm.MaxChannels {
		return nil, fmt.Errorf("asrc: %d channels is outside 1..%d", channels, pcm.MaxChannels)
	}
	if min(inDepth, outDepth) < 8 || max(inDepth, outDepth) > 32 {
		return nil, fmt.Errorf("asrc: bit depths %d and %d are not in 8..32", inDepth, outDepth)
	}
	nominal := float64(inRate) / float64(outRate)
	full := math.Ldexp(1, outDepth-1)
	r := &Resampler{
		channels: channels, bank: newBank(inRate, outRate), gain: math.Ldexp(1, outDepth-inDepth), lo: -full, hi: full - 1,
		nominal: nominal, step: nominal, target: nominal, follow: 1 / (smoothing * float64(outRate)),
		hist: make([][]float64, channels),
	}
	r.scratch, r.silence = make([]float64, 2*r.bank.half), make([]int32, channels)
	for c := range r.hist {
		r.hist[c] = make([]float64, r.bank.half-1)
	}
	return r, nil
}

// SetDeviation makes the ratio the nominal one times 1+d from now on, taken over within
// some tens of milliseconds so that nothing is heard of it. d is held to MaxDeviation.
func (r *Resampler) SetDeviation(d float64) {
	r.target = r.nominal * (1 + min(max(d, -MaxDeviation), MaxDeviation))
}

// Position is where in the input the next output lies: whole frames since the first, and
// a fraction in 0..1.
func (r *Resampler) Position() (frame int64, frac float64) { return r.dropped + int64(r.at), r.frac }

// Latency is how many input frames after an output's position must be known before it
// can be computed.
func (r *Resampler) Latency() int { return r.bank.half }

// Process appends to dst every output frame that is determined by the input so far. in
// holds whole interleaved frames and is not kept.
func (r *Resampler) Process(dst, in []int32) []int32 {
	for c := range r.hist {
		h := r.hist[c]
		for i := c; i < len(in)-len(in)%r.channels; i += r.channels {
			h = append(h, float64(in[i]))
		}
		r.hist[c] = h
	}
	return r.run(dst)
}

// Silence is Process for n frames of silence.
func (r *Resampler) Silence(dst []int32, n int64) []int32 {
	const most = 8192 // so that a long gap needs no long buffer
	for n > 0 {
		k := min(n, most)
		for c := range r.hist {
			r.hist[c] = append(r.hist[c], make([]float64, k)...)
		}
		dst = r.run(dst)
		n -= k
	}
	return dst
}

// Skip drops n input frames: the next output lies that much further on.
func (r *Resampler) Skip(n int64) { r.at += int(n) }

// run computes outputs while their whole window is known.
func (r *Resampler) run(dst []int32) []int32 {
	taps := 2 * r.bank.half
	for r.at+taps <= len(r.hist[0]) {
		dst = r.frame(dst, taps)
		r.step += (r.target - r.step) * r.follow
		r.frac += r.step
		whole := math.Floor(r.frac)
		r.frac -= whole
		r.at += int(whole)
	}
	r.compact()
	return dst
}

// frame computes one output frame.
func (r *Resampler) frame(dst []int32, taps int) []int32 {
	if r.dry {
		return append(dst, r.silence...)
	}
	coef := r.bank.taps(r.frac, r.scratch)
	if r.channels == 2 {
		a, b := sinc.Dot2(coef, r.hist[0][r.at:r.at+taps], r.hist[1][r.at:r.at+taps])
		return append(dst, r.quantise(a), r.quantise(b))
	}
	for _, h := range r.hist {
		dst = append(dst, r.quantise(sinc.Dot(coef, h[r.at:r.at+taps])))
	}
	return dst
}

// compact drops history that no later window reaches, once it is worth a copy.
func (r *Resampler) compact() {
	drop := min(r.at, len(r.hist[0])) // beyond it after a Skip
	if drop < 4096 && drop < len(r.hist[0])-drop {
		return
	}
	for c, h := range r.hist {
		r.hist[c] = h[:copy(h, h[drop:])]
	}
	r.at -= drop
	r.dropped += int64(drop)
}

func (r *Resampler) quantise(v float64) int32 {
	v = min(max(v*r.gain, r.lo), r.hi)
	if v < 0 {
		return int32(v - 0.5)
	}
	return int32(v + 0.5)
}

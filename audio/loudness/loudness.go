// Package loudness measures how loud a programme is: integrated loudness in LUFS after
// ITU-R BS.1770-4 (K-weighting, 400 ms blocks that overlap by 75 %, absolute gate at
// -70 LUFS, relative gate 10 LU below the mean), which EBU R 128 is built on.
package loudness

import (
	"fmt"
	"math"

	"github.com/tutti-audio/tutti/audio/pcm"
)

// Silence is the loudness of a programme that the gate leaves nothing of.
const Silence = -70.0

// Meter measures one programme. Not safe for concurrent use.
type Meter struct {
	channels int
	scale    float64
	weights  []float64
	filters  []kWeighting // per channel
	hop      int          // frames of 100 ms
	filled   int
	sum      float64    // weighted power of the open hop
	hops     [3]float64 // the last three closed hops
	count    int
	blocks   []float64 // mean power of each 400 ms block above the absolute gate
	peak     int64
}

// NewMeter returns a meter for interleaved samples. A mono programme counts as what it
// will be: the same sound from two loudspeakers.
func NewMeter(rate, channels, depth int) (*Meter, error) {
	f := pcm.Format{Codec: pcm.CodecPCM, SampleRate: rate, Channels: channels, BitDepth: depth}
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("loudness: %w", err)
	}
	m := &Meter{channels: channels, scale: 1 / float64(int64(1)<<(depth-1)), weights: weights(channels), hop: max(rate/10, 1)}
	for range channels {
		m.filters = append(m.filters, newKWeighting(float64(rate)))
	}
	return m, nil
}

// surround is the weight of channels beside and behind the listener.
const surround = 1.41

// weights are BS.1770's, for the channel orders of FLAC (RFC 9639 section 9.1.3) and WAVE.
func weights(channels int) []float64 {
	switch channels {
	case 1:
		return []float64{2}
	case 2:
		return []float64{1, 1}
	case 3:
		return []float64{1, 1, 1}
	case 4:
		return []float64{1, 1, surround, surround}
	case 5:
		return []float64{1, 1, 1, surround, surround}
	case 6:
		return []float64{1, 1, 1, 0, surround, surround}
	case 7:
		return []float64{1, 1, 1, 0, surround, surround, surround}
	}
	return []float64{1, 1, 1, 0, surround, surround, surround, surround}
}

// Write measures whole interleaved frames.
func (m *Meter) Write(samples []int32) {
	for i := 0; i+m.channels <= len(samples); i += m.channels {
		for c, s := range samples[i : i+m.channels] {
			m.peak = max(m.peak, int64(s), -int64(s))
			if m.weights[c] > 0 {
				v := m.filters[c].next(float64(s) * m.scale)
				m.sum += m.weights[c] * v * v
			}
		}
		if m.filled++; m.filled == m.hop {
			m.close()
		}
	}
}

// close ends a hop of 100 ms and, with the three before it, a block.
func (m *Meter) close() {
	if m.count++; m.count >= 4 {
		mean := (m.hops[0] + m.hops[1] + m.hops[2] + m.sum) / float64(4*m.hop)
		if lufs(mean) > Silence {
			m.blocks = append(m.blocks, mean)
		}
	}
	m.hops[0], m.hops[1], m.hops[2] = m.hops[1], m.hops[2], m.sum
	m.filled, m.sum = 0, 0
}

func lufs(power float64) float64 { return -0.691 + 10*math.Log10(power) }

// Integrated is the gated loudness in LUFS of all that was written; Silence when the
// gate leaves nothing.
func (m *Meter) Integrated() float64 {
	mean, n := above(m.blocks, 0)
	if n == 0 {
		return Silence
	}
	mean, _ = above(m.blocks, mean/10) // 10 LU below
	return lufs(mean)
}

// above is the mean of the values that are larger than a threshold.
func above(v []float64, threshold float64) (mean float64, n int) {
	for _, x := range v {
		if x > threshold {
			mean += x
			n++
		}
	}
	return mean / float64(max(n, 1)), n
}

// Peak is the largest sample, 0-1 of full scale.
func (m *Meter) Peak() float64 { return float64(m.peak) * m.scale }

// kWeighting is the filter of BS.1770: a shelf for the head, then a high-pass. Its
// analogue prototypes give the recommendation's coefficients at 48 kHz, and equal curves
// at other rates.
type kWeighting struct{ shelf, pass biquad }

type biquad struct{ b0, b1, b2, a1, a2, z1, z2 float64 }

func (f *biquad) next(x float64) float64 {
	y := f.b0*x + f.z1
	f.z1 = f.b1*x - f.a1*y + f.z2
	f.z2 = f.b2*x - f.a2*y
	return y
}

func (k *kWeighting) next(x float64) float64 { return k.pass.next(k.shelf.next(x)) }

func newKWeighting(rate float64) kWeighting {
	const (
		shelfHz, shelfQ, shelfDB = 1681.974450955533, 0.7071752369554196, 3.999843853973347
		passHz, passQ            = 38.13547087602444, 0.5003270373238773
		bend                     = 0.4996667741545416
	)
	k := math.Tan(math.Pi * shelfHz / rate)
	vh := math.Pow(10, shelfDB/20)
	vb := math.Pow(vh, bend)
	a0 := 1 + k/shelfQ + k*k
	shelf := biquad{b0: (vh + vb*k/shelfQ + k*k) / a0, b1: 2 * (k*k - vh) / a0, b2: (vh - vb*k/shelfQ + k*k) / a0,
		a1: 2 * (k*k - 1) / a0, a2: (1 - k/shelfQ + k*k) / a0}
	k = math.Tan(math.Pi * passHz / rate)
	a0 = 1 + k/passQ + k*k
	return kWeighting{shelf, biquad{b0: 1, b1: -2, b2: 1, a1: 2 * (k*k - 1) / a0, a2: (1 - k/passQ + k*k) / a0}}
}

package eq

import (
	"fmt"
	"math"
)

// Processor runs a setting over one stream. Not safe for concurrent use.
type Processor struct {
	channels int
	scale    float64 // of full scale
	preamp   float64
	bands    []coef
	states   [][]state // by band, by channel
	limit    *limiter
	top      float64 // most that the limiter lets through, in steps
	lowest   float64 // least

	planes [][]float64 // by channel: the newest frames, behind those that are held back
	held   int         // frames at the front of planes that wait for the limiter
}

// New returns a processor for interleaved samples of bits (16..32) at rate Hz.
func New(s Settings, rate, channels, bits int) (*Processor, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("eq: %w", err)
	}
	if rate < 1 || channels < 1 || bits < 16 || bits > 32 {
		return nil, fmt.Errorf("eq: no processor for %d Hz, %d channels, %d bits", rate, channels, bits)
	}
	s = s.Normal()
	full := float64(int64(1) << (bits - 1))
	p := &Processor{channels: channels, scale: full, preamp: math.Pow(10, s.PreampDB/20), top: full - 1, lowest: -full,
		planes: make([][]float64, channels)}
	for _, b := range s.Bands[:s.Count] {
		if c, ok := design(b, rate); ok {
			p.bands = append(p.bands, c)
			p.states = append(p.states, make([]state, channels))
		}
	}
	if s.Limiter {
		p.limit = newLimiter(s.CeilingDB, rate)
		p.top = min(math.Floor(p.limit.ceiling*full), full-1)
		p.lowest = -p.top
	}
	return p, nil
}

// Reset forgets all input.
func (p *Processor) Reset() {
	for _, s := range p.states {
		clear(s)
	}
	if p.limit != nil {
		p.limit.reset()
	}
	for c := range p.planes {
		p.planes[c] = p.planes[c][:0]
	}
	p.held = 0
}

// Delay is how many frames are held back until Flush.
func (p *Processor) Delay() int {
	if p.limit == nil {
		return 0
	}
	return p.limit.n
}

// Process appends to dst what is known after the whole interleaved frames of in, which it
// does not keep. It gives each frame of the input once and in order; what it holds back
// comes with Flush. How the input is cut makes no difference.
func (p *Processor) Process(dst, in []int32) []int32 {
	frames := len(in) / p.channels
	for c := range p.planes {
		plane := p.planes[c]
		for i := c; i < frames*p.channels; i += p.channels {
			plane = append(plane, float64(in[i])*p.preamp)
		}
		p.planes[c] = plane
	}
	p.filter()
	return p.give(dst, frames)
}

// Flush appends what was held back, as if silence followed, and resets.
func (p *Processor) Flush(dst []int32) []int32 {
	if rest := p.held; rest > 0 {
		for c := range p.planes {
			p.planes[c] = append(p.planes[c], make([]float64, p.Delay())...)
		}
		start := len(dst)
		dst = p.give(dst, p.Delay())
		dst = dst[:min(len(dst), start+rest*p.channels)]
	}
	p.Reset()
	return dst
}

// filter runs the bands over the frames that are new.
func (p *Processor) filter() {
	for i, b := range p.bands {
		for c, plane := range p.planes {
			b.run(&p.states[i][c], plane[p.held:])
		}
	}
}

// give takes fresh frames through the limiter, and out.
func (p *Processor) give(dst []int32, fresh int) []int32 {
	if p.limit == nil {
		for i := range fresh {
			for c := range p.planes {
				dst = append(dst, p.quantise(p.planes[c][i]))
			}
		}
		p.drop(fresh)
		return dst
	}
	out := 0
	for i := p.held; i < p.held+fresh; i++ {
		gain := p.limit.next(p.peak(i))
		if i < p.limit.n {
			continue // what came before the first frame
		}
		for c := range p.planes {
			dst = append(dst, p.quantise(p.planes[c][out]*gain))
		}
		out++
	}
	p.held += fresh
	p.drop(out)
	p.held -= out
	return dst
}

// peak is the largest amplitude of frame i, 1 at full scale.
func (p *Processor) peak(i int) float64 {
	var most float64
	for _, plane := range p.planes {
		most = max(most, math.Abs(plane[i]))
	}
	return most / p.scale
}

func (p *Processor) drop(n int) {
	for c, plane := range p.planes {
		p.planes[c] = plane[:copy(plane, plane[n:])]
	}
}

func (p *Processor) quantise(v float64) int32 {
	return int32(math.Floor(min(max(v, p.lowest), p.top) + 0.5))
}

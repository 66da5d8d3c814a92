package synth

import (
	"math"
	"sort"
)

// voice is how a note sounds.
type voice int

const (
	pad voice = iota
	bell
	bass
	kick
	snare
	hat
)

// render adds the score's sound from frame `from` on to the interleaved stereo mix.
func (s *score) render(mix []float64, from int64) {
	frames := int64(len(mix) / 2)
	first := sort.Search(len(s.notes), func(i int) bool { return s.notes[i].start > from-s.tail })
	for _, n := range s.notes[first:] {
		if n.start >= from+frames {
			break
		}
		end := min(n.start+int64(n.length*SampleRate), from+frames)
		for f := max(n.start, from); f < end; f++ {
			v := n.sample(f)
			mix[2*(f-from)] += n.left * v
			mix[2*(f-from)+1] += n.right * v
		}
	}
	for f := range frames {
		if g := s.fade(from + f); g != 1 {
			mix[2*f] *= g
			mix[2*f+1] *= g
		}
	}
}

// fade is the gain near the end of the piece: two seconds, or a quarter of it.
func (s *score) fade(frame int64) float64 {
	length := min(2*SampleRate, s.frames/4+1)
	left := s.frames - frame
	if left >= length {
		return 1
	}
	return float64(left) / float64(length)
}

// sample is the note's value at a frame that lies within it.
func (n *note) sample(frame int64) float64 {
	t := float64(frame-n.start) / SampleRate
	w := 2 * math.Pi * n.freq * t
	release := min(1, (n.length-t)*50) // no click at the end
	switch n.voice {
	case pad:
		env := min(1, t*3) * min(1, (n.length-t)*2)
		return env * (math.Sin(w+0.4*math.Sin(0.7*t)) + 0.3*math.Sin(2*w+0.2) + 0.1*math.Sin(3*w))
	case bell:
		env := min(1, t*400) * math.Exp(-3*t) * release
		return env * math.Sin(w+1.2*math.Exp(-6*t)*math.Sin(2*w))
	case bass:
		env := min(1, t*150) * math.Exp(-2.2*t) * release
		return env * (math.Sin(w) + 0.35*math.Sin(2*w) + 0.08*math.Sin(3*w))
	case kick:
		// The pitch falls from 150 to 50 Hz; this is its phase.
		phase := 2 * math.Pi * (50*t + 100.0/30*(1-math.Exp(-30*t)))
		return math.Exp(-12*t) * math.Sin(phase) * release
	case snare:
		return (0.8*noise(frame) + 0.4*math.Sin(2*math.Pi*190*t)) * math.Exp(-22*t) * release
	}
	return (noise(frame) - noise(frame-1)) * math.Exp(-55*t) * release
}

// noise is white, in -1..1, and a function of the frame alone.
func noise(frame int64) float64 {
	x := uint64(frame) * 0x9E3779B97F4A7C15
	x ^= x >> 29
	x *= 0xBF58476D1CE4E5B9
	x ^= x >> 32
	return float64(int64(x)) / (1 << 63)
}

// toSample limits softly above -3 dB and quantises to 16 bits.
func toSample(v float64) int32 {
	const knee = 0.7
	switch {
	case v > knee:
		v = knee + (1-knee)*math.Tanh((v-knee)/(1-knee))
	case v < -knee:
		v = -knee - (1-knee)*math.Tanh((-v-knee)/(1-knee))
	}
	return int32(math.Round(v * 32767))
}

package synth

import (
	"math"
	"math/rand/v2"
	"slices"
)

var (
	major  = [7]int{0, 2, 4, 5, 7, 9, 11}
	dorian = [7]int{0, 2, 3, 5, 7, 9, 10}
)

// plan is what is fixed of a piece before its notes are drawn.
type plan struct {
	bpm    float64
	root   int     // MIDI note of the tonic
	scale  [7]int  // semitones
	chords [][]int // scale degrees from the tonic; one chord a bar
	swing  float64 // how late off-beats are, in beats
	seed   uint64
}

// note is one sound. Its samples depend on the time since start alone.
type note struct {
	start       int64 // frame
	length      float64
	freq        float64
	left, right float64
	voice       voice
}

// score is the notes of a piece by start, and its length for the fades.
type score struct {
	notes  []note
	frames int64
	tail   int64 // the longest time that a note sounds, in frames
}

// composer writes a score bar by bar.
type composer struct {
	plan
	rng   *rand.Rand
	notes []note
}

func compose(p plan, frames int64) *score {
	c := &composer{plan: p, rng: rand.New(rand.NewPCG(p.seed, 1))}
	bars := int(float64(frames)/SampleRate*p.bpm/60/4) + 1
	motif, second := c.motif(), c.motif()
	for bar := range bars {
		chord := p.chords[bar%len(p.chords)]
		beat := float64(bar * 4)
		c.pad(beat, chord)
		if bar >= 2 {
			c.bass(beat, chord[0])
		}
		if bar >= 4 {
			m := motif
			if bar/4%4 == 2 { // A A B A
				m = second
			}
			c.melody(beat, chord, m, bar)
		}
		if bar >= 4 && bar < bars-2 {
			c.drums(beat, bar)
		}
	}
	slices.SortStableFunc(c.notes, func(a, b note) int { return int(a.start - b.start) })
	s := &score{notes: c.notes, frames: frames}
	for _, n := range s.notes {
		s.tail = max(s.tail, int64(n.length*SampleRate)+1)
	}
	return s
}

// pitch is the MIDI note of a scale degree; degrees beyond 7 lie in higher octaves.
func (c *composer) pitch(degree int) int {
	octave := degree / 7
	degree %= 7
	if degree < 0 {
		degree, octave = degree+7, octave-1
	}
	return c.root + 12*octave + c.scale[degree]
}

func (c *composer) add(beat, seconds float64, midi int, gain, pan float64, v voice) {
	if frac := beat - math.Floor(beat); frac > 0.4 && frac < 0.6 {
		beat += c.swing
	}
	angle := (pan + 1) * math.Pi / 4
	c.notes = append(c.notes, note{
		start: int64(math.Round(beat * 60 / c.bpm * SampleRate)), length: seconds,
		freq: 440 * math.Pow(2, float64(midi-69)/12),
		left: gain * math.Cos(angle), right: gain * math.Sin(angle), voice: v,
	})
}

func (c *composer) pad(beat float64, chord []int) {
	bar := 4 * 60 / c.bpm
	for i, d := range chord {
		c.add(beat, bar*1.25, c.pitch(d), 0.06, float64(i)*0.4-0.6, pad)
	}
}

func (c *composer) bass(beat float64, degree int) {
	low := c.pitch(degree) - 24
	for low < 31 {
		low += 12
	}
	c.add(beat, 1.2, low, 0.22, 0, bass)
	c.add(beat+1.5, 0.7, low, 0.14, 0, bass)
	c.add(beat+2.5, 0.9, c.fifth(low), 0.16, 0, bass)
}

func (c *composer) fifth(midi int) int { return midi + 7 }

// step is one note of a motif: when in the bar, which chord tone or neighbour.
type step struct {
	beat float64
	tone int
	up   int
}

func (c *composer) motif() []step {
	rhythms := [][]float64{{0, 1, 1.5, 2.5, 3}, {0.5, 1, 2, 3, 3.5}, {0, 0.5, 1.5, 2, 3}, {0, 1.5, 2, 3.5}}
	var out []step
	tone := c.rng.IntN(4)
	for _, b := range rhythms[c.rng.IntN(len(rhythms))] {
		out = append(out, step{beat: b, tone: tone, up: c.rng.IntN(5) / 4})
		tone = min(max(tone+c.rng.IntN(3)-1, 0), 3)
	}
	return out
}

func (c *composer) melody(beat float64, chord []int, m []step, bar int) {
	for i, s := range m {
		if bar%4 == 3 && i >= len(m)-2 { // breathe at the end of a phrase
			break
		}
		midi := c.pitch(chord[s.tone]+s.up) + 12
		gain := 0.13 + 0.03*c.rng.Float64()
		c.add(beat+s.beat, 1.6, midi, gain, 0.25, bell)
		c.add(beat+s.beat+0.75, 1.2, midi, gain*0.3, -0.6, bell) // an echo across the room
	}
}

func (c *composer) drums(beat float64, bar int) {
	c.add(beat, 0.3, 40, 0.3, 0, kick)
	c.add(beat+2, 0.3, 40, 0.25, 0, kick)
	c.add(beat+1, 0.2, 60, 0.09, 0.1, snare)
	c.add(beat+3, 0.2, 60, 0.1, 0.1, snare)
	for i := range 8 {
		c.add(beat+float64(i)/2, 0.1, 90, 0.025+0.02*float64(i&1), -0.35, hat)
	}
	if bar%4 == 3 {
		c.add(beat+3.75, 0.2, 60, 0.06, 0.2, snare)
	}
}

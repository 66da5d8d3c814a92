package analysis

import (
	"math"
	"math/rand/v2"
	"testing"
)

const testRate = 44_100

// piece is generated stereo audio at testRate, and where its beats are.
type piece struct {
	samples   []float64 // mono, -1..1
	beats     []float64 // seconds
	downbeats []float64
}

func newPiece(seconds float64) *piece { return &piece{samples: make([]float64, int(seconds*testRate))} }

func (p *piece) seconds() float64 { return float64(len(p.samples)) / testRate }

// hit adds a sound that f gives for the time since its start.
func (p *piece) hit(at, length float64, f func(t float64) float64) {
	for i := int(math.Ceil(at * testRate)); i < int((at+length)*testRate) && i < len(p.samples); i++ {
		if i >= 0 {
			p.samples[i] += f(float64(i)/testRate - at)
		}
	}
}

func (p *piece) click(at, gain float64) {
	p.hit(at, 0.03, func(t float64) float64 { return gain * math.Exp(-t*200) * math.Cos(2*math.Pi*1500*t) })
}

func (p *piece) kick(at, gain float64) {
	p.hit(at, 0.3, func(t float64) float64 {
		return gain * math.Exp(-12*t) * math.Sin(2*math.Pi*(50*t+100.0/30*(1-math.Exp(-30*t))))
	})
}

func (p *piece) hat(at, gain float64) {
	rng := rand.New(rand.NewPCG(uint64(at*1e6), 3))
	last := 0.0
	p.hit(at, 0.08, func(t float64) float64 {
		v := rng.Float64()*2 - 1
		d := v - last
		last = v
		return gain * math.Exp(-55*t) * d
	})
}

func (p *piece) snare(at, gain float64) {
	rng := rand.New(rand.NewPCG(uint64(at*1e6), 4))
	p.hit(at, 0.2, func(t float64) float64 {
		return gain * math.Exp(-22*t) * (0.8*(rng.Float64()*2-1) + 0.4*math.Sin(2*math.Pi*190*t))
	})
}

// chord adds a sustained chord.
func (p *piece) chord(at, length float64, gain float64, midi ...int) {
	for _, m := range midi {
		f := 440 * math.Pow(2, float64(m-69)/12)
		p.hit(at, length, func(t float64) float64 {
			env := min(1, t*20) * min(1, (length-t)*20)
			return gain * env * (math.Sin(2*math.Pi*f*t) + 0.3*math.Sin(4*math.Pi*f*t))
		})
	}
}

// clicks is a metronome.
func clicks(bpm, seconds float64) *piece {
	p := newPiece(seconds)
	for at := 0.5; at < seconds-0.1; at += 60 / bpm {
		p.click(at, 0.5)
		p.beats = append(p.beats, at)
	}
	return p
}

// combo plays drums and chords, with off-beats late by swing beats.
func combo(bpm, seconds float64, metre int, swing float64) *piece {
	p := newPiece(seconds)
	chords := [][]int{{60, 64, 67}, {57, 60, 64}, {53, 57, 60}, {55, 59, 62}}
	beat := 60 / bpm
	for i := 0; 0.2+float64(i+1)*beat < seconds; i++ {
		at := 0.2 + float64(i)*beat
		place := i % metre
		switch {
		case place == 0:
			p.downbeats = append(p.downbeats, at)
			p.kick(at, 0.5)
			p.chord(at, float64(metre)*beat, 0.08, chords[i/metre%len(chords)]...)
		case metre == 4 && place == 2:
			p.kick(at, 0.45)
		default:
			p.snare(at, 0.25)
		}
		p.beats = append(p.beats, at)
		p.hat(at, 0.06)
		p.hat(at+beat*(0.5+swing), 0.05)
	}
	return p
}

// noise is white noise, or silence with gain 0.
func noise(seconds, gain float64) *piece {
	p := newPiece(seconds)
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range p.samples {
		p.samples[i] = gain * (rng.Float64()*2 - 1)
	}
	return p
}

func (p *piece) ints() []int32 {
	out := make([]int32, 0, 2*len(p.samples))
	for _, v := range p.samples {
		s := int32(math.Round(max(-1, min(1, v)) * (1<<23 - 1)))
		out = append(out, s, s)
	}
	return out
}

// found is what an analyser made of a piece.
type found struct{ beats, downbeats, peaks []float64 }

func listen(t testing.TB, samples []int32, lookAheadMS int) found {
	t.Helper()
	a, err := New(Config{SampleRate: testRate, Channels: 2, BitDepth: 24, LookAheadMS: lookAheadMS})
	if err != nil {
		t.Fatal(err)
	}
	var f found
	last := int64(0)
	collect := func() {
		a.Events(a.Ready(), func(e *Event) {
			if e.US < last {
				t.Fatalf("an event at %d µs after one at %d", e.US, last)
			}
			last = e.US
			s := float64(e.US) / 1e6
			switch e.Kind {
			case Beat:
				f.beats = append(f.beats, s)
				if e.Downbeat {
					f.downbeats = append(f.downbeats, s)
				}
			case Peak:
				f.peaks = append(f.peaks, s)
			}
		})
	}
	for len(samples) > 0 {
		n := min(len(samples), 2*4410)
		a.Write(samples[:n])
		samples = samples[n:]
		if lookAheadMS == 0 {
			a.Decide(a.Heard())
		}
		collect()
	}
	a.Finish()
	collect()
	return f
}

// fMeasure compares events from second `from` on, within ±70 ms.
func fMeasure(got, want []float64, from, to float64) float64 {
	in := func(x []float64) (out []float64) {
		for _, v := range x {
			if v >= from && v < to {
				out = append(out, v)
			}
		}
		return out
	}
	got, want = in(got), in(want)
	hits, j := 0, 0
	for _, w := range want {
		for j < len(got) && got[j] < w-0.07 {
			j++
		}
		if j < len(got) && got[j] <= w+0.07 {
			hits++
			j++
		}
	}
	if len(got)+len(want) == 0 {
		return 1
	}
	return 2 * float64(hits) / float64(len(got)+len(want))
}

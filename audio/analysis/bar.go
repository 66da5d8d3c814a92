package analysis

import (
	"math"
	"slices"
)

// chromaRate is how many chroma vectors there are per second: one per periodic frame.
const chromaRate = FrameRate

// keepChroma is how many of them are kept.
const keepChroma = (keepBeats*60/slowest + 2*tempoWindow) * chromaRate

// Weights of what makes a beat the first of a bar. Harmony changes at bar lines more
// often than anything else does; drums and basses mark them; loudness says least.
const (
	weighHarmony = 1.5
	weighLow     = 1.0
	weighFlux    = 0.5
	// stay is the advantage of the metre and the bar line that hold now.
	stay = 1.3
	// fourFirst is the advantage of 4/4 over 3/4.
	fourFirst = 1.15
)

// accent is what a beat has that others have not.
type accent struct {
	known          bool // the audio up to the next beat was seen
	low, flux      float64
	chroma         [12]float64
	novelty, total float64
}

// bars finds the metre, 3 or 4 beats, and the first beat of the bar, by the accents of
// the last beats and of those in view.
type bars struct {
	frames [][12]float64 // chroma, by periodic frame
	first  int64         // periodic frame of frames[0]
	metre  int           // 0: not known
	next   int           // place of the next beat in its bar, from 0
	seen   []accent      // scratch
}

func (b *bars) reset() { b.metre, b.next = 0, 0 }

// restart forgets the audio; frame is the next periodic frame.
func (b *bars) restart(frame int64) {
	b.frames, b.first = b.frames[:0], frame
	b.reset()
}

// hear takes the chroma of the next periodic frame.
func (b *bars) hear(c [12]float64) {
	if len(b.frames) >= 2*keepChroma {
		b.first += int64(len(b.frames) - keepChroma)
		b.frames = slices.Delete(b.frames, 0, len(b.frames)-keepChroma)
	}
	b.frames = append(b.frames, c)
}

// place says whether the newest beat of t is the first one of a bar; ahead are the steps
// where beats follow.
func (b *bars) place(t *tracker, ahead []int64) bool {
	b.look(t, ahead)
	newest := len(t.beats) - 1
	metre, start := b.best(newest)
	b.metre = metre
	at := ((newest-start)%metre + metre) % metre
	b.next = (at + 1) % metre
	return at == 0
}

// look computes the accents of all beats of t and of those ahead into b.seen.
func (b *bars) look(t *tracker, ahead []int64) {
	b.seen = b.seen[:0]
	n := len(t.beats)
	for i := range n + len(ahead) {
		if i < n && t.beats[i].mark.known {
			b.seen = append(b.seen, t.beats[i].mark)
			continue
		}
		step := at(t, ahead, i)
		next := step + int64(t.period)
		if i+1 < n+len(ahead) {
			next = at(t, ahead, i+1)
		}
		a := b.measure(t, step, next)
		if i > 0 && a.known && b.seen[i-1].known {
			a.novelty = distance(&a.chroma, &b.seen[i-1].chroma)
		}
		if i < n {
			t.beats[i].mark = a
		}
		b.seen = append(b.seen, a)
	}
}

// at is the step of beat i of t's beats and then those ahead.
func at(t *tracker, ahead []int64, i int) int64 {
	if i < len(t.beats) {
		return t.beats[i].step
	}
	return ahead[i-len(t.beats)]
}

// measure looks at the beat at step, which lasts until next.
func (b *bars) measure(t *tracker, step, next int64) accent {
	a := accent{known: next <= t.end()}
	const around = 4
	from, to := max(step-around, t.first), min(step+around+1, t.end())
	for s := from; s < to; s++ {
		a.low = max(a.low, t.low[s-t.first])
		a.flux = max(a.flux, t.env[s-t.first])
	}
	begin := (step + 6) * chromaRate / envRate
	end := min((next-2)*chromaRate/envRate, b.first+int64(len(b.frames)))
	for f := max(begin, b.first); f < end; f++ {
		for i, v := range b.frames[f-b.first] {
			a.chroma[i] += v
		}
	}
	return a
}

// best is the metre, and the index of a beat that begins a bar.
func (b *bars) best(newest int) (metre, start int) {
	b.weigh()
	metre, start = 4, 0
	if b.metre != 0 {
		metre, start = b.metre, newest-b.next
	}
	top := -1.0
	for _, m := range []int{4, 3} {
		for p := range m {
			s := b.contrast(m, p)
			if m == 4 {
				s *= fourFirst
			}
			if m == b.metre && (newest-b.next-p)%m == 0 {
				s *= stay
			}
			if s > top && s > 1e-9 {
				top, metre, start = s, m, p
			}
		}
	}
	return metre, start
}

// weigh sums up the accents, each in units of its mean.
func (b *bars) weigh() {
	var low, flux, novelty float64
	for i := range b.seen {
		low, flux, novelty = low+b.seen[i].low, flux+b.seen[i].flux, novelty+b.seen[i].novelty
	}
	n := float64(len(b.seen))
	part := func(v, sum float64) float64 {
		if sum <= 0 {
			return 0
		}
		return v * n / sum
	}
	for i := range b.seen {
		a := &b.seen[i]
		a.total = weighLow*part(a.low, low) + weighFlux*part(a.flux, flux) + weighHarmony*part(a.novelty, novelty)
	}
}

// contrast is how much heavier every m-th beat from p on is than the others.
func (b *bars) contrast(m, p int) float64 {
	var on, off float64
	var hits, misses int
	for i := range b.seen {
		if !b.seen[i].known {
			continue
		}
		if i%m == p {
			on, hits = on+b.seen[i].total, hits+1
		} else {
			off, misses = off+b.seen[i].total, misses+1
		}
	}
	if hits == 0 || misses == 0 {
		return 0
	}
	return on/float64(hits) - off/float64(misses)
}

// distance is 0 for the same mixture of pitch classes and 1 for nothing in common.
func distance(a, b *[12]float64) float64 {
	var dot, x, y float64
	for i := range a {
		dot += a[i] * b[i]
		x += a[i] * a[i]
		y += b[i] * b[i]
	}
	if x == 0 || y == 0 {
		return 0
	}
	return max(0, 1-dot/math.Sqrt(x*y))
}

// chromaBins maps the bins of a transform to pitch classes; -1: none.
func chromaBins(n int, width float64) []int8 {
	out := make([]int8, n)
	for k := range out {
		f := float64(k) * width
		out[k] = -1
		if f >= 100 && f <= 2500 {
			out[k] = int8((int(math.Round(12*math.Log2(f/440))) + 120) % 12)
		}
	}
	return out
}

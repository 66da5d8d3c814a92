package analysis

import (
	"math"
	"slices"
)

const (
	// decideEvery is the distance of decisions, in steps of envRate.
	decideEvery = 20
	// tightness is how strongly beats keep the period (Ellis, Beat tracking by dynamic
	// programming, 2007).
	tightness = 100
	// surer and unsure: beats begin when the autocorrelation at the period is above the
	// one, and end below the other.
	surer, unsure = 0.3, 0.18
	// loyal is what an earlier decision weighs in a new one, in standard deviations of
	// the envelope.
	loyal = 1.5
	// closeShare is what an onset loses to one that follows it closely.
	closeShare = 0.4
	// slack is how far a new decision may look back over an old one, in steps.
	slack = 3
	// quiet is the onset strength below which nothing sounds that could have a beat.
	quiet = 0.005
	// keepBeats bounds the beats that bars are found in.
	keepBeats = 32
)

// beat is one beat of a tracker.
type beat struct {
	step int64 // of envRate
	mark accent
}

// tracker finds beats in the onset strength. Every decideEvery steps it estimates the
// period from the last tempoWindow seconds, finds by dynamic programming the row of beats
// through them that catches most onsets at that period, and commits the beats of the row
// that are older than the look-ahead. So a beat is decided with what comes after it in
// view, and never taken back.
type tracker struct {
	look int // look-ahead, in steps

	env, low []float64 // of the last window
	first    int64     // step of env[0]
	decided  int64     // beats before this step are settled
	tempo    tempoFinder
	active   bool
	period   float64
	heard    int64  // step of the last estimate of the period
	beats    []beat // committed, newest last
	bars     bars

	// scratch of the dynamic programme
	norm, score []float64
	back        []int32
	row         []int64
}

func (t *tracker) reset(step int64) {
	t.env, t.low, t.first, t.decided = t.env[:0], t.low[:0], step, step
	t.tempo.last, t.active, t.period, t.heard = 0, false, 0, step-decideEvery
	t.beats = t.beats[:0]
	t.bars.reset()
}

// end is the step after the last one.
func (t *tracker) end() int64 { return t.first + int64(len(t.env)) }

// add takes the next step, and calls found for each beat that it settles, in order.
func (t *tracker) add(all, low float64, found func(step int64, downbeat bool)) {
	t.env, t.low = append(t.env, all), append(t.low, low)
	if n := len(t.env) - tempoWindow*envRate; n >= 2*envRate { // now and then
		t.env, t.low = slices.Delete(t.env, 0, n), slices.Delete(t.low, 0, n)
		t.first += int64(n)
	}
	if t.end()%decideEvery == 0 {
		t.decide(t.end()-int64(t.look), found)
	}
}

// decide settles the beats before horizon with what is known now.
func (t *tracker) decide(horizon int64, found func(step int64, downbeat bool)) {
	if horizon <= t.decided {
		return
	}
	from := t.decided - slack
	t.decided = horizon
	window := t.env[max(len(t.env)-tempoWindow*envRate, 0):]
	base := t.end() - int64(len(window))
	if t.end()-t.heard >= decideEvery {
		t.heard = t.end()
		t.listen(window)
	}
	if !t.active {
		return
	}
	row := t.trace(window, base)
	for i, step := range row {
		if step >= horizon {
			break
		}
		if step < from || len(t.beats) > 0 && float64(step-t.beats[len(t.beats)-1].step) < 0.6*t.period {
			continue
		}
		t.commit(step, row[i+1:], found)
	}
}

// listen updates the period, and whether there are beats.
func (t *tracker) listen(window []float64) {
	period, sure := t.tempo.find(window)
	recent := window[max(len(window)-2*envRate-t.look, 0):]
	loud := slices.Max(recent) > quiet
	switch {
	case period == 0 || !loud || sure < unsure:
		if t.active {
			t.beats = t.beats[:0]
			t.bars.reset()
		}
		t.active = false
	case sure >= surer:
		t.active = true
	}
	t.period = period
}

// trace returns the steps of the best row of beats in the window that begins at step
// base.
func (t *tracker) trace(window []float64, base int64) []int64 {
	t.normalise(window, base)
	n := len(t.norm)
	t.score = append(t.score[:0], t.norm...)
	t.back = append(t.back[:0], make([]int32, n)...)
	near, far := int(math.Round(t.period/2)), int(math.Round(t.period*2))
	costs := make([]float64, far+1)
	for d := near; d <= far; d++ {
		x := math.Log(float64(d) / t.period)
		costs[d] = tightness * x * x
	}
	for i := range n {
		best, at := 0.0, -1 // a row may begin anywhere
		for d := near; d <= far && d <= i; d++ {
			if v := t.score[i-d] - costs[d]; v > best {
				best, at = v, i-d
			}
		}
		t.score[i] += best
		t.back[i] = int32(at)
	}
	last := n - 1
	for i := max(n-int(t.period), 0); i < n; i++ {
		if t.score[i] > t.score[last] {
			last = i
		}
	}
	t.row = t.row[:0]
	for i := last; i >= 0; i = int(t.back[i]) {
		t.row = append(t.row, base+int64(i))
	}
	slices.Reverse(t.row)
	return t.row
}

// normalise brings the envelope to standard deviations and adds the beats so far.
func (t *tracker) normalise(window []float64, base int64) {
	t.norm = smooth(t.norm[:0], window)
	var sum, squares float64
	for _, v := range t.norm {
		sum += v
		squares += v * v
	}
	n := float64(len(t.norm))
	dev := math.Sqrt(max(squares/n-sum*sum/n/n, 1e-12))
	for i := range t.norm {
		t.norm[i] /= dev
	}
	t.favourLong()
	for _, b := range t.beats {
		if i := b.step - base; i >= 0 && i < int64(len(t.norm)) {
			t.norm[i] += loyal
		}
	}
}

// favourLong takes from each step a share of the onset that follows it closely, as a beat
// follows the swung or dotted note before it: an onset before a longer gap is heard as
// the stronger one (Povel, Essens, Perception of temporal patterns, 1985). It changes
// nothing where notes are even.
func (t *tracker) favourLong() {
	near, far := int(0.2*t.period), int(0.44*t.period)
	for i := range t.norm {
		top := 0.0
		for _, v := range t.norm[min(i+near, len(t.norm)):min(i+far+1, len(t.norm))] {
			top = max(top, v)
		}
		t.norm[i] = max(0, t.norm[i]-closeShare*top)
	}
}

// commit settles a beat; ahead are the steps where the row goes on.
func (t *tracker) commit(step int64, ahead []int64, found func(step int64, downbeat bool)) {
	if n := len(t.beats); n >= keepBeats {
		t.beats = slices.Delete(t.beats, 0, n-keepBeats+1)
	}
	t.beats = append(t.beats, beat{step: step})
	found(step, t.bars.place(t, ahead))
}

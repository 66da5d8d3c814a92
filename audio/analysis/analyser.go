package analysis

import (
	"fmt"
	"math"
	"slices"
)

const (
	// FrameRate is the rate of periodic frames, per second: what screens show.
	FrameRate = 60
	// periodicWindow is the length of the transform for periodic frames, in seconds: bins
	// of 11 Hz at 44.1 and 48 kHz.
	periodicWindow = 0.09
	// settleUS is how long before a decided beat the event may be, and refineUS a peak
	// before its step: they go to the onset next to them.
	settleUS = 90_000
	refineUS = 19_000
	snapUS   = 35_000
	// beatBiasUS is how much earlier the envelope has an onset than the audio. Measured
	// with clicks (TestBeatsOfClicks).
	beatBiasUS = 4_000
	// lowShare is what the low bands weigh beside all bands: drums and basses are on the
	// beat more often than cymbals.
	lowShare = 0.1
	// inputBlock bounds what one round of work takes, in frames.
	inputBlock = 4096
	micro      = 1_000_000
)

// Config of an [Analyser].
type Config struct {
	SampleRate int // Hz, 8000..192000
	Channels   int // 1..8
	BitDepth   int // of the samples, 8..32
	// LookAheadMS is how much audio after a beat is heard before it is decided,
	// 0..5000. More is better; 3 s is as good as all.
	LookAheadMS int
	// Spectra are computed for every periodic frame.
	Spectra []Spectrum
}

// Kind is what an [Event] is.
type Kind uint8

// The kinds of events.
const (
	Periodic Kind = iota // loudness, dominant frequency and spectra
	Beat
	Peak
)

// Event is something to show at a moment.
type Event struct {
	Kind Kind
	// US is the moment: microseconds after frame 0 of the input, rounded down.
	US int64

	// Of Periodic. Index is the number of the frame: it stands at
	// floor(Index * 1e6 / FrameRate). Loudness and Amp are levels (see [Level]); Freq is in
	// Hz, 0 when nothing is loud enough, and then Amp is 0. Bins holds for each spectrum
	// of the configuration its levels, big-endian uint16.
	Index     int64
	Loudness  uint16
	Freq, Amp uint16
	Bins      [][]byte
	Downbeat  bool  // of Beat: the first one of a bar
	Strength  uint8 // of Peak, 1-255
}

// Analyser makes events out of samples. Equal input gives equal output, in whatever
// pieces it comes. It is not safe for concurrent use.
type Analyser struct {
	cfg      Config
	ring     *ring
	periodic *transform
	weights  []float64 // A-weighting of power, by bin
	chroma   []int8
	displays []*display
	power    []float64
	nextK    int64 // periodic frame

	onset   *onset
	peaks   peaks
	tracker tracker

	events  []Event // ascending by US, not given out yet
	recent  []int64 // times of the newest peaks
	given   int64   // events before it were given out, µs
	forced  int64   // everything before it is ready, µs
	freeSet [][][]byte
}

// New returns an analyser whose first sample is frame 0 of its input. The error says
// which part of the configuration is out of range.
func New(cfg Config) (*Analyser, error) {
	switch {
	case cfg.SampleRate < 8000 || cfg.SampleRate > 192_000:
		return nil, fmt.Errorf("analysis: sample rate %d Hz is outside 8000..192000", cfg.SampleRate)
	case cfg.Channels < 1 || cfg.Channels > 8:
		return nil, fmt.Errorf("analysis: %d channels is outside 1..8", cfg.Channels)
	case cfg.BitDepth < 8 || cfg.BitDepth > 32:
		return nil, fmt.Errorf("analysis: bit depth %d is outside 8..32", cfg.BitDepth)
	case cfg.LookAheadMS < 0 || cfg.LookAheadMS > 5000:
		return nil, fmt.Errorf("analysis: look-ahead of %d ms is outside 0..5000", cfg.LookAheadMS)
	}
	a := &Analyser{cfg: cfg, periodic: newTransform(powerOfTwo(float64(cfg.SampleRate) * periodicWindow)), onset: newOnset(cfg.SampleRate)}
	n, width := a.periodic.bins(), a.periodic.hertz(1, cfg.SampleRate)
	for _, s := range cfg.Spectra {
		if err := s.Check(); err != nil {
			return nil, err
		}
		a.displays = append(a.displays, newDisplay(s, n, width))
	}
	a.power, a.weights, a.chroma = make([]float64, n), make([]float64, n), chromaBins(n, width)
	for k := range a.weights {
		w := AWeight(float64(k) * width)
		a.weights[k] = w * w
	}
	a.ring = newRing(cfg.Channels, a.periodic.size+cfg.SampleRate/5)
	a.peaks.rate, a.tracker.look = cfg.SampleRate, cfg.LookAheadMS*envRate/1000
	a.Reset(0)
	return a, nil
}

// Reset forgets everything. The next sample is that of the given frame, at least 0.
func (a *Analyser) Reset(frame int64) {
	a.ring.reset(frame)
	a.nextK = ceilDiv(frame*FrameRate, int64(a.cfg.SampleRate))
	a.onset.reset(frame)
	a.peaks.reset(a.onset.next)
	a.tracker.reset(a.onset.next)
	a.tracker.bars.restart(a.nextK)
	a.events, a.recent, a.given = a.events[:0], a.recent[:0], a.us(frame)
	a.forced = a.given
}

// us is the time of a frame in µs.
func (a *Analyser) us(frame int64) int64 { return frame * micro / int64(a.cfg.SampleRate) }

// Write takes the samples that come next, whole interleaved frames.
func (a *Analyser) Write(samples []int32) {
	scale := 1 / float64(int64(1)<<(a.cfg.BitDepth-1))
	for block := inputBlock * a.cfg.Channels; len(samples) > 0; {
		n := min(block, len(samples))
		a.ring.write(samples[:n], scale)
		samples = samples[n:]
		a.work()
		a.ring.trim()
	}
}

// Finish says that silence follows, so that everything up to the last sample becomes
// ready.
func (a *Analyser) Finish() {
	rest := int64(a.cfg.LookAheadMS)*int64(a.cfg.SampleRate)/1000 + int64(a.periodic.size) + int64(a.cfg.SampleRate)/2
	silence := make([]int32, inputBlock*a.cfg.Channels)
	for ; rest > 0; rest -= inputBlock {
		a.Write(silence)
	}
}

// work makes what the samples in the ring are enough for.
func (a *Analyser) work() {
	end := a.ring.end()
	for {
		// In the order of what they need, or the order would depend on the pieces.
		centre := a.nextK * int64(a.cfg.SampleRate) / FrameRate
		frame, step := centre+int64(a.periodic.size/2), a.onset.needs()
		switch {
		case min(frame, step) > end:
			return
		case frame <= step:
			a.frame(centre)
		default:
			a.step()
		}
	}
}

// frame makes a periodic frame.
func (a *Analyser) frame(centre int64) {
	a.periodic.power(a.power, a.ring, centre-int64(a.periodic.size/2))
	a.hearHarmony()
	e := Event{Kind: Periodic, Index: a.nextK, US: a.nextK * micro / FrameRate}
	a.nextK++
	sum := 0.0
	for k, w := range a.weights {
		a.power[k] *= w
		sum += a.power[k]
	}
	// By Parseval's theorem; the window lets 3/8 of the power through, and a sine's is
	// spread over bins whose sum is 3/2 of its height.
	e.Loudness = Level(sum * 2 / 3)
	e.Freq, e.Amp = a.dominant()
	e.Bins = a.take()
	for i, d := range a.displays {
		e.Bins[i] = d.levels(e.Bins[i][:0], a.power)
	}
	a.insert(e)
}

// dominant is the frequency and the level of the largest bin of the weighted spectrum, by
// a parabola through the logarithms.
func (a *Analyser) dominant() (hz, amp uint16) {
	top := 1
	for k := 1; k+1 < len(a.power); k++ {
		if a.power[k] > a.power[top] {
			top = k
		}
	}
	if Level(a.power[top]) == 0 {
		return 0, 0
	}
	db := func(k int) float64 { return math.Log(max(a.power[k], 1e-30)) }
	x := parabola(db(top-1), db(top), db(top+1))
	power := math.Exp(db(top) - 0.25*(db(top-1)-db(top+1))*x)
	f := math.Round(a.periodic.hertz(float64(top)+x, a.cfg.SampleRate))
	return uint16(min(max(f, 1), 65535)), Level(power)
}

// hearHarmony folds the spectrum to pitch classes for the bar lines.
func (a *Analyser) hearHarmony() {
	var c [12]float64
	for k, class := range a.chroma {
		if class >= 0 {
			c[class] += math.Sqrt(a.power[k])
		}
	}
	a.tracker.bars.hear(c)
}

// step makes a step of the onset strength and what follows from it.
func (a *Analyser) step() {
	all, low := a.onset.step(a.ring)
	if at, strength, ok := a.peaks.add(all); ok {
		frame := a.peaks.refine(a.ring, a.onset.centre(at), a.onset.fft.size)
		us := max(a.us(max(frame, 0)), a.given)
		a.insert(Event{Kind: Peak, US: us, Strength: strength})
		a.recent = append(a.recent, us)
		if len(a.recent) > 128 {
			a.recent = slices.Delete(a.recent, 0, 64)
		}
	}
	a.tracker.add(all+lowShare*low, low, a.beat)
}

// beat puts a beat at the onset next to it.
func (a *Analyser) beat(step int64, downbeat bool) {
	us := step*micro/envRate + beatBiasUS
	nearest := us
	for i := len(a.recent) - 1; i >= 0 && a.recent[i] > us-snapUS; i-- {
		if d := abs(a.recent[i] - us); d <= snapUS && (nearest == us || d < abs(nearest-us)) {
			nearest = a.recent[i]
		}
	}
	a.insert(Event{Kind: Beat, US: max(nearest, a.given), Downbeat: downbeat})
}

func abs(v int64) int64 { return max(v, -v) }

// insert keeps the events in the order of time.
func (a *Analyser) insert(e Event) {
	i := len(a.events)
	for i > 0 && a.events[i-1].US > e.US {
		i--
	}
	a.events = slices.Insert(a.events, i, e)
}

// Ready is the moment up to which the events are final, in microseconds after frame 0.
func (a *Analyser) Ready() int64 {
	return max(min(a.Heard(), a.tracker.decided*micro/envRate-settleUS), a.forced)
}

// Heard is the moment up to which the audio was analysed but for the beats, which may
// want to hear more: with [Analyser.Decide] they are decided on what there is.
func (a *Analyser) Heard() int64 {
	return min(a.nextK*micro/FrameRate, a.peaks.pending()*micro/onsetRate-refineUS)
}

// Decide makes everything ready up to the moment us, which is not after Heard. A beat
// that shows too late for it comes a little late.
func (a *Analyser) Decide(us int64) {
	a.tracker.decide(min(ceilDiv((us+settleUS)*envRate, micro), a.tracker.end()), a.beat)
	a.forced = max(a.forced, us)
}

// Events calls f for the events before the moment us, in the order of time; us is not
// after Ready. What f is given is valid until it returns.
func (a *Analyser) Events(us int64, f func(*Event)) {
	n := 0
	for n < len(a.events) && a.events[n].US < us {
		f(&a.events[n])
		a.give(a.events[n].Bins)
		n++
	}
	a.events = slices.Delete(a.events, 0, n)
	a.given = max(a.given, us)
}

// take and give lend the memory of spectra.
func (a *Analyser) take() [][]byte {
	if n := len(a.freeSet); n > 0 {
		b := a.freeSet[n-1]
		a.freeSet = a.freeSet[:n-1]
		return b
	}
	return make([][]byte, len(a.displays))
}

func (a *Analyser) give(b [][]byte) {
	if b != nil {
		a.freeSet = append(a.freeSet, b)
	}
}

package asrc

import "math"

// What the tracker believes of sources before it has seen anything, and of crystals.
const (
	priorDrift  = 200e-6 // standard deviation of a rate's error
	priorJitter = 1000.0 // of a timestamp, µs
	leastJitter = 50.0
	mostJitter  = 10_000.0
	// driftNoise is how a crystal's rate wanders, per square root of a second. With
	// timestamps that jitter by a millisecond the tracker then looks back for half a
	// minute.
	driftNoise = 0.1e-6
	phaseNoise = 5.0 // of the time itself, µs per square root of a second
	clipAt     = 3   // an innovation counts for at most so many standard deviations
)

// Tracker estimates when each frame of a stream was captured: a Kalman filter on two
// states, a time and the rate's error. Times are µs.
type Tracker struct {
	period        float64 // µs per frame, nominal
	base          int64   // of time
	at            int64   // frame of the latest measurement
	time          float64 // when it was captured, less base
	drift         float64 // the period's error, relative
	ptt, ptd, pdd float64
	jitter        float64 // µs
	started       bool
}

// NewTracker returns a tracker for a stream of a nominal rate in Hz.
func NewTracker(rate int) *Tracker {
	return &Tracker{period: 1e6 / float64(rate), jitter: priorJitter}
}

// Started reports whether there was a measurement.
func (t *Tracker) Started() bool { return t.started }

// Drift is the relative error of the source's period: positive when its crystal is slow.
func (t *Tracker) Drift() float64 { return t.drift }

// Jitter is the standard deviation of the timestamps, µs.
func (t *Tracker) Jitter() float64 { return t.jitter }

// Time is when frame i + frac was captured.
func (t *Tracker) Time(i int64, frac float64) float64 { return float64(t.base) + t.since(i, frac) }

// since is Time less base, which keeps its fractions.
func (t *Tracker) since(i int64, frac float64) float64 {
	return t.time + (float64(i-t.at)+frac)*t.period*(1+t.drift)
}

// Shift moves all times by us: the clock that stamps has stepped.
func (t *Tracker) Shift(us float64) { t.time += us }

// Update takes the timestamp of frame i and returns by how much it differs from what was
// expected, µs. Frames come in ascending order.
func (t *Tracker) Update(i int64, stamp int64) (innovation float64) {
	if !t.started {
		*t = Tracker{period: t.period, base: stamp, at: i, started: true, jitter: t.jitter,
			ptt: t.jitter * t.jitter, pdd: priorDrift * priorDrift}
		return 0
	}
	t.predict(i)
	innovation = float64(stamp-t.base) - t.time
	t.learnJitter(math.Abs(innovation))
	r := t.jitter * t.jitter
	limit := clipAt * math.Sqrt(t.ptt+r)
	y := min(max(innovation, -limit), limit)
	s := t.ptt + r
	kt, kd := t.ptt/s, t.ptd/s
	t.time += kt * y
	t.drift += kd * y
	t.drift = min(max(t.drift, -MaxDeviation), MaxDeviation)
	t.pdd -= kd * t.ptd
	t.ptd -= kd * t.ptt
	t.ptt -= kt * t.ptt
	return innovation
}

// predict moves the state to frame i.
func (t *Tracker) predict(i int64) {
	dt := float64(i-t.at) * t.period // µs
	t.time += dt * (1 + t.drift)
	t.at = i
	t.ptt += 2*dt*t.ptd + dt*dt*t.pdd + phaseNoise*phaseNoise*dt/1e6
	t.ptd += dt * t.pdd
	t.pdd += driftNoise * driftNoise * dt / 1e6
}

// learnJitter follows the mean absolute innovation, which is 0.8 standard deviations of
// normal noise.
func (t *Tracker) learnJitter(abs float64) {
	t.jitter += (min(abs, 4*t.jitter)*1.25 - t.jitter) / 64
	t.jitter = min(max(t.jitter, leastJitter), mostJitter)
}

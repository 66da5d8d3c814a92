package clock

import "math"

// Filter parameters of the specification (section Time filter parameters).
const (
	processStdDev       = 0.0
	driftProcessStdDev  = 1e-11
	forgetFactor        = 2.0
	adaptiveCutoff      = 3.0
	minSamples          = 100
	driftSignificance   = 2.0
	maxErrorScale       = 0.5
	processVariance     = processStdDev * processStdDev
	driftVariance       = driftProcessStdDev * driftProcessStdDev
	forgetVariance      = forgetFactor * forgetFactor
	driftSignificanceSq = driftSignificance * driftSignificance
)

// Filter estimates the offset of the server's clock to the client's and its drift.
// The zero value is not ready; use [New].
type Filter struct {
	offset, drift float64 // µs; 1
	poo, pod, pdd float64 // covariance: µs², µs, 1
	lastUpdate    int64   // client µs of the newest measurement
	count         int     // measurements used, not counted beyond minSamples
	useDrift      bool    // whether conversions apply drift
}

// New returns a filter without measurements.
func New() *Filter { return &Filter{poo: math.Inf(1)} }

// Update feeds the measurement of one exchange (see [Exchange]); t4 is the client's
// time when the answer arrived. A measurement that is not newer than the last one is
// discarded.
func (f *Filter) Update(measurement, maxErr, t4 int64) {
	if t4 <= f.lastUpdate {
		return
	}
	dt := float64(t4 - f.lastUpdate)
	f.lastUpdate = t4
	z := float64(measurement)
	r := maxErrorScale * float64(maxErr)
	r *= r
	switch f.count {
	case 0:
		f.offset, f.poo, f.drift, f.count = z, r, 0, 1
	case 1:
		f.drift = (z - f.offset) / dt
		f.pdd = (f.poo + r) / (dt * dt)
		f.offset, f.poo, f.count = z, r, 2
	default:
		f.correct(z, r, float64(maxErr), dt)
	}
}

// correct is steps 5 to 8 of section Time filter update.
func (f *Filter) correct(z, r, maxErr, dt float64) {
	offset := f.offset + f.drift*dt
	poo := f.poo + 2*f.pod*dt + f.pdd*dt*dt + processVariance*dt
	pod := f.pod + f.pdd*dt
	pdd := f.pdd + driftVariance*dt

	y := z - offset
	if f.count < minSamples {
		f.count++
	} else if math.Abs(y) > adaptiveCutoff*maxErr {
		poo, pod, pdd = poo*forgetVariance, pod*forgetVariance, pdd*forgetVariance
	}

	s := poo + r
	if s == 0 {
		// No round-trip delay at all and a state that is certain: the specification's
		// division would be 0/0. The prediction stands.
		f.offset, f.poo, f.pod, f.pdd = offset, poo, pod, pdd
		return
	}
	ko, kd := poo/s, pod/s
	f.offset = offset + ko*y
	f.drift += kd * y
	f.poo = poo - ko*poo
	f.pod = pod - kd*poo
	f.pdd = pdd - kd*pod
	f.useDrift = f.drift*f.drift > driftSignificanceSq*f.pdd
}

// ServerTime converts a client time to the server's clock.
func (f *Filter) ServerTime(client int64) int64 {
	return client + round(f.offset+f.appliedDrift()*float64(client-f.lastUpdate))
}

// ClientTime converts a server time to the client's clock. Apart from rounding it is
// the inverse of [Filter.ServerTime].
func (f *Filter) ClientTime(server int64) int64 {
	d := f.appliedDrift()
	return round((float64(server) - f.offset + d*float64(f.lastUpdate)) / (1 + d))
}

// Offset returns the estimated offset, server minus client, in microseconds at the
// newest measurement.
func (f *Filter) Offset() float64 { return f.offset }

// Drift returns the rate at which the offset changes as conversions apply it: 0 until
// it is significant. 1e-6 is one part per million.
func (f *Filter) Drift() float64 { return f.appliedDrift() }

// StdDev returns the standard deviation of the offset estimate in microseconds,
// infinite before the first measurement.
func (f *Filter) StdDev() float64 { return math.Sqrt(f.poo) }

// Count returns how many measurements were used. It stops at 100, where adaptive
// forgetting begins.
func (f *Filter) Count() int { return f.count }

// LastUpdate returns the client time of the newest measurement, 0 before the first.
func (f *Filter) LastUpdate() int64 { return f.lastUpdate }

// convergedStdDev is the uncertainty in microseconds below which playback can be
// scheduled: a quarter of the accuracy floor of 1 ms (section Sync Accuracy).
const convergedStdDev = 250

// Converged reports whether the estimate is good enough to schedule playback, which
// a player needs before it reports available: two measurements, and a standard
// deviation of at most 250 µs — or, on a path whose delay never lets it get there,
// five measurements.
func (f *Filter) Converged() bool {
	return f.count >= 2 && f.StdDev() <= convergedStdDev || f.count >= 5
}

func (f *Filter) appliedDrift() float64 {
	if f.useDrift {
		return f.drift
	}
	return 0
}

// round rounds to the nearest integer, halves away from zero.
func round(v float64) int64 { return int64(math.Round(v)) }

package clock

import "math"

const (
	// Never is the due time of a plan that waits for nothing.
	Never = math.MaxInt64
	// answerTimeoutUS is how long an answer to client/time may take before the burst
	// goes on without it.
	answerTimeoutUS = 2_000_000
	// settledStdDev is the standard deviation in microseconds up to which bursts come
	// every interval: a sixth of the accuracy target of 0.5 ms (section Sync Accuracy).
	settledStdDev = 80
	// leastGapUS bounds what an uncertain filter asks of the network: six exchanges a
	// second at most.
	leastGapUS = 1_000_000
)

// Sync plans a connection's time exchanges and feeds the filter with what they yield
// (section Clock Synchronization). It is a state machine without a clock: its owner
// sends the messages, tells it the answers, and calls [Sync.Tick] when [Sync.Due] is
// reached. Times are the client's, in microseconds. The zero value is not ready; use
// [NewSync].
type Sync struct {
	filter   Filter
	burst    Burst
	interval int64  // between the end of a burst and the start of the next
	bursts   int    // that are complete
	next     int64  // start of the next burst, or its next message
	answerBy int64  // for the message that is on its way
	lost     int    // unanswered messages in a row
	maxErr   int64  // of the newest measurement
	prior    Filter // of an earlier connection with the same server; not used until a burst agrees
	hasPrior bool
}

// NewSync returns a plan that pauses interval microseconds between bursts once the first
// ones are through and the filter has settled; 0 is [BurstIntervalUS]. Nothing is due
// before [Sync.Begin].
func NewSync(interval int64) Sync {
	if interval <= 0 {
		interval = BurstIntervalUS
	}
	return Sync{filter: *New(), interval: interval, next: Never, answerBy: Never}
}

// Resume lends the plan the filter of an earlier connection with the same server. The first
// burst decides: when its measurement is what the filter foretells, within the errors of
// both, the plan goes on from it and need not converge again; otherwise, the server's clock
// having started anew, the filter is forgotten. Call it before Begin.
func (s *Sync) Resume(f Filter) { s.prior, s.hasPrior = f, f.Converged() }

// priorDriftPPM bounds how much two crystals may have come apart, beyond what the filter
// knows of them, since its last measurement.
const priorDriftPPM = 20

// resume goes on from the lent filter when the first measurement agrees with it.
func (s *Sync) resume(m Measurement) {
	if !s.hasPrior {
		return
	}
	s.hasPrior = false
	age := m.At - s.prior.LastUpdate()
	off := s.prior.ServerTime(m.At) - m.At - m.Offset
	may := float64(m.MaxErr) + 3*s.prior.StdDev() + float64(age)*priorDriftPPM/1e6
	if age > 0 && math.Abs(float64(off)) <= may {
		s.filter = s.prior
	}
}

// Begin makes the first burst due now, unless the plan runs already.
func (s *Sync) Begin(now int64) {
	if s.next == Never && !s.burst.Active() {
		s.next = now
	}
}

// Ask makes a burst due now, unless one is on its way or nothing was begun: to see whether the
// server is there.
func (s *Sync) Ask(now int64) {
	if s.next != Never && !s.burst.Active() {
		s.next = min(s.next, now)
	}
}

// Asking tells whether a burst is on its way.
func (s *Sync) Asking() bool { return s.burst.Active() }

// Due is when Tick next has something to do.
func (s *Sync) Due() int64 { return min(s.next, s.answerBy) }

// Tick does what is due. send is true when a client/time is to be sent now, fed when the
// filter took a measurement, which a lost answer's burst may still yield. size is the
// number of messages of a burst that begins.
func (s *Sync) Tick(now int64, size int) (send, fed bool) {
	if now >= s.answerBy {
		s.answerBy = Never
		s.burst.Resend()
		s.lost++
		if s.burst.Active() {
			return true, false
		}
		return false, s.end(now)
	}
	if now < s.next {
		return false, false
	}
	s.next = Never
	s.burst.Start(size)
	return true, false
}

// Sending takes note of a client/time's transmit time t1, read as late as possible. It
// returns false when none is to be sent.
func (s *Sync) Sending(t1 int64) bool {
	if !s.burst.Next(t1) {
		return false
	}
	s.answerBy = t1 + answerTimeoutUS
	return true
}

// Answer takes the four times of a server/time. ok is false when it answers no message
// that is on its way. send is true when another client/time is to be sent now. fed is
// true when the filter took a measurement.
func (s *Sync) Answer(t1, t2, t3, t4 int64) (ok, send, fed bool) {
	ok, done := s.burst.Answer(t1, t2, t3, t4)
	if !ok {
		return false, false, false
	}
	s.answerBy, s.lost = Never, 0
	if !done {
		return true, true, false
	}
	return true, false, s.end(t4)
}

// end feeds the filter and plans the next burst.
func (s *Sync) end(now int64) (fed bool) {
	s.bursts++
	s.next = now + s.gap()
	best, ok := s.burst.Best()
	if !ok {
		return false
	}
	s.resume(best)
	s.filter.Update(best.Offset, best.MaxErr, best.At)
	s.maxErr = best.MaxErr
	return true
}

// gap is the pause after a burst. The first ones follow each other quickly, so that a
// player is ready in a fraction of a second. Later the pause shrinks with the square of
// what the filter is uncertain by beyond settledStdDev: on a busy medium a burst says
// little, and the filter needs more of them in the time in which a crystal wanders.
func (s *Sync) gap() int64 {
	gaps := [...]int64{100_000, 400_000, 1_000_000, 2_000_000}
	if i := s.bursts - 1; i < len(gaps) {
		return min(s.interval, gaps[i])
	}
	calm := settledStdDev / s.filter.StdDev()
	if calm >= 1 {
		return s.interval
	}
	return max(min(s.interval, leastGapUS), int64(float64(s.interval)*calm*calm))
}

// Filter is the estimate so far.
func (s *Sync) Filter() *Filter { return &s.filter }

// MaxErr is the worst-case error of the newest measurement, in microseconds.
func (s *Sync) MaxErr() int64 { return s.maxErr }

// Lost counts the client/time messages in a row that were not answered.
func (s *Sync) Lost() int { return s.lost }

package clock

// Exchange returns the measurement of one client/time and server/time pair: the
// offset that it observed and its worst-case error, both in microseconds. t1 is the
// client's transmit time, t2 the server's receive time, t3 the server's transmit
// time, t4 the client's receive time. Both divisions truncate toward zero. (Section
// Time filter.)
func Exchange(t1, t2, t3, t4 int64) (measurement, maxErr int64) {
	return ((t2 - t1) + (t3 - t4)) / 2, ((t4 - t1) - (t3 - t2)) / 2
}

// Defaults of section Clock Synchronization for bursts of exchanges.
const (
	BurstSize       = 8
	BurstIntervalUS = 10_000_000
)

// Burst runs one burst of time exchanges: a message is sent when the answer to the
// previous one has arrived, and the measurement with the lowest max_error is the one
// for the filter. It is a state machine without a clock; its owner sends the
// messages. The zero value is idle.
type Burst struct {
	left    int   // messages to send yet
	sent    int64 // t1 of the message that is on its way
	waiting bool
	have    bool
	best    Measurement
}

// Measurement is one exchange's result, ready for [Filter.Update].
type Measurement struct {
	Offset, MaxErr, At int64
}

// Start begins a burst of size messages and drops what was left of one before. It
// is followed by Next.
func (b *Burst) Start(size int) { *b = Burst{left: size} }

// Active reports whether the burst is not finished.
func (b *Burst) Active() bool { return b.waiting || b.left > 0 }

// Next reports whether a client/time is to be sent now, and takes note of its
// transmit time t1. It returns false while an answer is outstanding and when the
// burst is complete.
func (b *Burst) Next(t1 int64) bool {
	if b.waiting || b.left == 0 {
		return false
	}
	b.left--
	b.sent, b.waiting = t1, true
	return true
}

// Resend gives up the outstanding message and counts the burst on, for an answer
// that does not come.
func (b *Burst) Resend() { b.waiting = false }

// Answer takes the four times of a server/time. ok is false when it does not answer
// the outstanding message: t1 is not the one that was sent. done is true when this
// was the last answer of the burst; Best is then for the filter.
func (b *Burst) Answer(t1, t2, t3, t4 int64) (ok, done bool) {
	if !b.waiting || t1 != b.sent {
		return false, false
	}
	b.waiting = false
	m := Measurement{At: t4}
	m.Offset, m.MaxErr = Exchange(t1, t2, t3, t4)
	// A server that claims to have worked longer than the round trip took yields a
	// negative error; such an exchange says nothing about the offset.
	if m.MaxErr >= 0 && (!b.have || m.MaxErr < b.best.MaxErr) {
		b.best, b.have = m, true
	}
	return true, b.left == 0
}

// Best returns the measurement with the lowest max_error of the answers so far; of
// equal ones the first. ok is false when there is none.
func (b *Burst) Best() (m Measurement, ok bool) { return b.best, b.have }

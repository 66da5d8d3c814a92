package pairing

import "time"

// Limits of the specification for clients.
const (
	// RoundLimit is how many rounds a client runs since its last verified
	// server_kc before it holds attempts back (section Rounds). Each round lets an
	// attacker in the middle guess once, one in a million.
	RoundLimit = 20
	// WindowLifetime is how long a pairing window stays open (recommended).
	WindowLifetime = 5 * time.Minute
	// WindowFailures is the number of failed attempts that closes it.
	WindowFailures = 5
	// AttemptTimeout bounds an attempt, from its first message (recommended).
	AttemptTimeout = 2 * time.Minute
)

// Rounds counts the rounds of the dynamic flow over all attempts and servers of a
// client. There is one for each device; the zero Rounds starts from nothing. To make
// it last over a restart, store Count after each step and use [RoundsFrom].
type Rounds struct {
	// Limit holds attempts back earlier; 0 and all beyond it mean RoundLimit.
	Limit int
	count int
}

// RoundsFrom continues from a stored count.
func RoundsFrom(count int) *Rounds { return &Rounds{count: max(0, count)} }

// Count is the number of rounds since the last verified server_kc or Reset.
func (r *Rounds) Count() int { return r.count }

// Held reports whether the limit is reached: attempts are held back, and one that
// runs ends with its current round.
func (r *Rounds) Held() bool {
	limit := r.Limit
	if limit <= 0 || limit > RoundLimit {
		limit = RoundLimit
	}
	return r.count >= limit
}

// Reset is for the deliberate operator action on the device.
func (r *Rounds) Reset() { r.count = 0 }

// begin counts a round; it is called when the code is emitted, so that attempts that
// are abandoned later count too.
func (r *Rounds) begin() { r.count++ }

// Window is the pairing window of the static flow (section Pairing Window): a time in
// which the device accepts attempts, opened by a gesture. There is one for each
// device; the zero Window is closed. It is a plain value that its owner moves by the
// times it passes in.
type Window struct {
	// Lifetime is WindowLifetime when 0.
	Lifetime time.Duration

	open    bool
	expires time.Time
	bound   bool   // conn carries the window's first attempt
	conn    uint64 // admitted when bound
	failed  int
}

// Open is for the operator's gesture. An open window is replaced by a new one, which
// any connection may claim.
func (w *Window) Open(now time.Time) {
	lifetime := w.Lifetime
	if lifetime <= 0 {
		lifetime = WindowLifetime
	}
	*w = Window{Lifetime: w.Lifetime, open: true, expires: now.Add(lifetime)}
}

// IsOpen reports whether the window admits attempts, on some connection.
func (w *Window) IsOpen(now time.Time) bool { return w.open && now.Before(w.expires) }

// Expires is the time at which an open window closes, and zero without one.
func (w *Window) Expires() time.Time {
	if !w.open {
		return time.Time{}
	}
	return w.expires
}

// Close is for the operator who closes the window on the device.
func (w *Window) Close() { w.open = false }

// Dropped is for every connection that is gone: it closes the window that the
// connection carries.
func (w *Window) Dropped(conn uint64) {
	if w.bound && w.conn == conn {
		w.open = false
	}
}

// admit reports whether an attempt may start on a connection, and binds the window to
// the first one.
func (w *Window) admit(now time.Time, conn uint64) bool {
	if !w.IsOpen(now) || w.bound && w.conn != conn {
		return false
	}
	w.bound, w.conn = true, conn
	return true
}

// fail counts a failed attempt. One that began under an earlier window does not count.
func (w *Window) fail(conn uint64) {
	if !w.bound || w.conn != conn {
		return
	}
	if w.failed++; w.failed >= WindowFailures {
		w.open = false
	}
}

// complete closes the window after a pairing.
func (w *Window) complete() { w.open = false }

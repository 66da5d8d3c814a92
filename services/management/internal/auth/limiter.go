package auth

import (
	"time"
)

// The limits of guessing, per peer address.
const (
	// guessBurst wrong tokens may be tried at once, then one a second. A random
	// token cannot be guessed anyway; this protects a short one that an operator
	// chose, and the server's time.
	guessBurst  = 60
	guessRefill = time.Second
	// staleBurst is how often the same wrong token is answered 401 before it is
	// answered 429, then one a second. A script with an old token is not a
	// guesser: it must not lock out the people behind the same address.
	staleBurst  = 60
	staleRefill = time.Second
	// staleKept wrong tokens are remembered per address.
	staleKept = 8
	// maxAddresses bounds the memory; the address that was quiet longest goes.
	maxAddresses = 4096
)

// bucket is a token bucket in whole tokens.
type bucket struct {
	level int
	at    time.Time
}

// take takes one token; wait is how long until there is one when there is none.
func (b *bucket) take(now time.Time, burst int, refill time.Duration) (wait time.Duration, ok bool) {
	b.fill(now, burst, refill)
	if b.level == 0 {
		return b.at.Add(refill).Sub(now), false
	}
	b.level--
	return 0, true
}

func (b *bucket) fill(now time.Time, burst int, refill time.Duration) {
	if b.at.IsZero() {
		b.level, b.at = burst, now
		return
	}
	n := int(min(int64(now.Sub(b.at)/refill), int64(burst)))
	if n <= 0 {
		return
	}
	b.at = b.at.Add(time.Duration(n) * refill)
	if b.level = b.level + n; b.level >= burst {
		b.level, b.at = burst, now
	}
}

// limits is what is known of the addresses that showed wrong tokens. It is plain
// data, owned by the Guard's actor.
type limits struct {
	byAddr map[string]*offender
}

type offender struct {
	guesses bucket
	stale   []staleToken
	last    time.Time
}

type staleToken struct {
	hash Hash
	b    bucket
}

// allow decides whether a token from addr may be looked at. It is asked before
// the token is compared, so that a guesser over the limit learns nothing.
func (l *limits) allow(addr string, h Hash, now time.Time) (wait time.Duration, ok bool) {
	o := l.byAddr[addr]
	if o == nil {
		return 0, true
	}
	o.last = now
	for i := range o.stale {
		if o.stale[i].hash.Equal(h) {
			return o.stale[i].b.take(now, staleBurst, staleRefill)
		}
	}
	o.guesses.fill(now, guessBurst, guessRefill)
	if o.guesses.level == 0 {
		return o.guesses.at.Add(guessRefill).Sub(now), false
	}
	return 0, true
}

// failed counts a wrong token from addr.
func (l *limits) failed(addr string, h Hash, now time.Time) {
	o := l.byAddr[addr]
	if o == nil {
		l.makeRoom()
		o = &offender{}
		l.byAddr[addr] = o
	}
	o.last = now
	for i := range o.stale {
		if o.stale[i].hash.Equal(h) {
			return // counted by allow
		}
	}
	o.guesses.take(now, guessBurst, guessRefill)
	t := staleToken{hash: h}
	t.b.take(now, staleBurst, staleRefill)
	if o.stale = append(o.stale, t); len(o.stale) > staleKept {
		o.stale = o.stale[1:]
	}
}

func (l *limits) makeRoom() {
	if len(l.byAddr) < maxAddresses {
		return
	}
	oldest := ""
	for a, o := range l.byAddr {
		if oldest == "" || o.last.Before(l.byAddr[oldest].last) {
			oldest = a
		}
	}
	delete(l.byAddr, oldest)
}

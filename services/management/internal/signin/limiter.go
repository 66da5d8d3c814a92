package signin

import (
	"context"
	"time"
)

// The limits of guessing passwords. A try counts when it begins, so that many at once are
// no way around; a right password gives it back.
const (
	// Of one name from one address: pairFree wrong tries at once, then a wait that doubles
	// from pairFirst to pairMost. It is forgotten after pairForget without a try.
	pairFree   = 5
	pairFirst  = 2 * time.Second
	pairMost   = 15 * time.Minute
	pairForget = time.Hour
	// Of one address, whatever the names: addressBurst, then one every addressRefill.
	addressBurst  = 50
	addressRefill = 10 * time.Second
	// Of one name, from wherever: nameBurst, then one every nameRefill. An address from
	// which that name signed in before is not held up by it, nor by addressBurst: a
	// stranger must not lock out a person who is known.
	nameBurst  = 100
	nameRefill = 30 * time.Second
	// Lines about wrong tries in the audit ledger: lineBurst, then one every lineRefill.
	lineBurst  = 20
	lineRefill = time.Minute
	// maxKept bounds the memory of each kind; what was quiet longest goes.
	maxKept = 4096
)

// who is a name that is tried from an address.
type who struct{ addr, name string }

// limits is what is known of tries. It is plain data, owned by the limiter's actor.
type limits struct {
	pairs     map[who]*pair
	addresses map[string]*bucket
	names     map[string]*bucket
	lines     bucket
	unwritten int // wrong tries since the last line
}

type pair struct {
	wrong int
	until time.Time // no try before
	last  time.Time
	known bool // the name signed in from the address
}

func newLimits() *limits {
	return &limits{pairs: map[who]*pair{}, addresses: map[string]*bucket{}, names: map[string]*bucket{}}
}

// begin counts a try, or says how long to wait.
func (l *limits) begin(w who, now time.Time) (wait time.Duration, ok bool) {
	p := l.pairs[w]
	if p == nil || now.Sub(p.last) > pairForget && !p.known {
		p = &pair{}
	} else if now.Sub(p.last) > pairForget {
		p.wrong = 0
	}
	if now.Before(p.until) {
		return p.until.Sub(now), false
	}
	if !p.known {
		if wait, ok := of(l.addresses, w.addr).full(now, addressBurst, addressRefill); !ok {
			return wait, false
		}
		if wait, ok := of(l.names, w.name).full(now, nameBurst, nameRefill); !ok {
			return wait, false
		}
		of(l.addresses, w.addr).take(now, addressBurst, addressRefill)
		of(l.names, w.name).take(now, nameBurst, nameRefill)
	}
	if l.pairs[w] == nil && len(l.pairs) >= maxKept {
		l.forgetPair()
	}
	l.pairs[w] = p
	p.last = now
	if p.wrong++; p.wrong >= pairFree {
		p.until = now.Add(min(pairMost, pairFirst<<min(p.wrong-pairFree, 16)))
	}
	return 0, true
}

// right takes a try back that had the right password, and remembers the address.
func (l *limits) right(w who, now time.Time) {
	p := l.pairs[w]
	if p == nil {
		p = &pair{}
		l.pairs[w] = p
	}
	if !p.known {
		of(l.addresses, w.addr).give()
		of(l.names, w.name).give()
	}
	*p = pair{last: now, known: true}
}

// wrong says whether a line about a wrong try is to be written, and how many were not
// since the last one.
func (l *limits) wrong(now time.Time) (write bool, unwritten int) {
	if _, ok := l.lines.full(now, lineBurst, lineRefill); !ok {
		l.unwritten++
		return false, 0
	}
	l.lines.take(now, lineBurst, lineRefill)
	unwritten, l.unwritten = l.unwritten, 0
	return true, unwritten
}

// forgetPair makes room: strangers go first, and of those the one that was quiet longest.
func (l *limits) forgetPair() {
	var oldest *who
	for w, p := range l.pairs {
		if o := l.pairs[deref(oldest)]; oldest == nil || !p.known && o.known || p.known == o.known && p.last.Before(o.last) {
			oldest = &w
		}
	}
	delete(l.pairs, *oldest)
}

func deref(w *who) who {
	if w == nil {
		return who{}
	}
	return *w
}

// bucket is a token bucket in whole tokens. The zero value is full.
type bucket struct {
	spent int
	at    time.Time // from when on the next token comes back
}

// of finds a bucket or makes it. When there are too many, those that are full again go,
// and if there is none, any.
func of(m map[string]*bucket, key string) *bucket {
	if b := m[key]; b != nil {
		return b
	}
	if len(m) >= maxKept {
		for k, b := range m {
			if b.spent == 0 {
				delete(m, k)
			}
		}
		for k := range m {
			if len(m) < maxKept {
				break
			}
			delete(m, k)
		}
	}
	b := &bucket{}
	m[key] = b
	return b
}

// full says whether a token is there, and else how long until then.
func (b *bucket) full(now time.Time, burst int, refill time.Duration) (wait time.Duration, ok bool) {
	if n := int(now.Sub(b.at) / refill); b.spent > 0 && n > 0 {
		b.spent = max(0, b.spent-n)
		b.at = b.at.Add(time.Duration(n) * refill)
	}
	if b.spent < burst {
		return 0, true
	}
	return b.at.Add(refill).Sub(now), false
}

func (b *bucket) take(now time.Time, burst int, refill time.Duration) {
	b.full(now, burst, refill)
	if b.spent == 0 {
		b.at = now
	}
	b.spent++
}

func (b *bucket) give() { b.spent = max(0, b.spent-1) }

// limiterMsg is what the limiter's actor takes: a try that begins (begun), one that was
// right (neither), or one that was wrong (failed).
type limiterMsg struct {
	who    who
	begun  chan<- verdict
	failed chan<- line
}

type verdict struct {
	wait time.Duration
	ok   bool
}

type line struct {
	write     bool
	unwritten int
}

type limiter struct {
	now    func() time.Time
	limits *limits
}

// Handle takes one message.
func (l *limiter) Handle(_ context.Context, m limiterMsg) error {
	now := l.now()
	switch {
	case m.begun != nil:
		wait, ok := l.limits.begin(m.who, now)
		m.begun <- verdict{wait, ok}
	case m.failed != nil:
		write, n := l.limits.wrong(now)
		m.failed <- line{write, n}
	default:
		l.limits.right(m.who, now)
	}
	return nil
}

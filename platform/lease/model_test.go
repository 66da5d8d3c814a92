package lease_test

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"
)

// The model: what this package does, in ticks, with everything that time and the network
// can do to it in between. The server forgets a life modelTTL ticks after its last write;
// a process believes in its life for a tick less of its own clock after it sent the last
// renewal that succeeded, and one of the clocks misses a tick in each TTL: a third where
// the package has a sixth, for fewer moments. Two processes want one lease; a receiver
// takes what they send by its fence.
//
// A process that is paused, or cut off from the server, is one that takes no step, or no
// step with the server, for a while: as the search tries every order of steps, neither
// needs a state. A message that a holder sends after it has looked at its lease may arrive
// at any later time, whatever has become of the holder.
const (
	modelTTL  = 3
	processes = 2
)

// rules are those of the package, or broken on purpose.
type rules struct {
	belief     int8 // ticks; less than modelTTL by what the slow clock misses in a TTL
	fromAnswer bool // belief counts from the answer to a renewal, not from its sending
	unfenced   bool // the receiver takes lower fences than it has seen
	oldFence   bool // who takes over keeps the fence of the former holder
	keeps      bool // no mistake: nobody releases the lease, so it passes on by expiry alone
}

var asBuilt = rules{belief: modelTTL - 1}

// moment is one state of the model. It is comparable, and canonical: of fences only the
// order is kept, and of lives only whether the lease names the last one of its owner. So
// there are finitely many, however often the lease passes on.
type moment struct {
	lease struct {
		owner  int8 // noOwner: free
		former int8 // ticks left of the life that it names; current: it is the owner's last one
	}
	rev  int8 // fence of the last acquisition
	p    [processes]process
	seen int8 // highest fence that the receiver accepted
	last int8 // who sent it
	slow int8 // tick of the clock of process 0, modulo modelTTL: it misses one
}

const (
	noOwner = -1
	current = -1
	nothing = -1
)

type process struct {
	left  int8 // ticks that the server keeps the last life; 0: it is gone
	lives bool // the process has that life, and believes in it
	age   int8 // by its own clock, since it sent the renewal that counts
	asked int8 // the same of a renewal whose answer is under way; nothing: none is
	slept bool // its machine has slept since then
	fence int8 // of the lease that it believes to hold; 0: none
	armed int8 // fence of a message that has passed the check and has not arrived; 0: none
}

func (p *process) dies() { p.lives, p.age, p.asked, p.slept, p.fence = false, 0, nothing, false, 0 }

func newMoment() moment {
	m := moment{last: nothing}
	m.lease.owner, m.lease.former = noOwner, current
	for i := range m.p {
		m.p[i].dies()
	}
	return m
}

// step is something that happens. What says what, without the process, so that a search
// can tell whether it came to everything.
type step struct {
	who  int // -1: nobody
	what string
	to   moment
}

// What can happen, as far as a search has to have met it.
const (
	expires     = "time passes, and the life of a holder expires that was paused or cut off"
	overslept   = "time passes, and the life of a holder expires whose machine sleeps"
	heardLate   = "hears the answer to a renewal a tick late"
	refused     = "renews too late, and is refused"
	begins      = "begins a life"
	acquires    = "acquires the free lease"
	follows     = "takes the lease over from a life that is gone"
	reacquires  = "acquires the lease again, whose first answer was lost"
	loses       = "acquires the lease, and the answer is lost"
	releases    = "releases the lease"
	fencedOff   = "its message of a former term arrives after one of its successor: refused"
	beforeFirst = "its message of a former term arrives before any of its successor, after the succession: accepted"
	sends       = "looks at its lease and sends a message"
	beside      = "wakes, looks at its lease and sends a message beside its successor"
	arrives     = "its message arrives: accepted"
)

var mustHappen = []string{expires, overslept, heardLate, refused, begins, acquires, follows, reacquires, loses, releases,
	fencedOff, beforeFirst, arrives, beside}

// broken names the invariant that a step to n breaks; "": none.
func (m moment) broken(n moment) string {
	believers := 0
	for _, p := range n.p {
		if p.fence != 0 && !p.slept {
			believers++
		}
	}
	switch {
	case believers > 1:
		return "two processes that did not sleep believe in the lease"
	case n.last != m.last && m.last != nothing && n.seen == m.seen:
		return "one fence is accepted from two processes"
	case n.seen < m.seen:
		return "a message of a former holder is accepted after one of its successor"
	}
	return ""
}

// next calls add with everything that can happen at a moment.
func (m moment) next(r rules, add func(step)) {
	for asleep := range 1 << processes {
		what, n := m.tick(r, asleep)
		add(step{nothing, what, n})
	}
	for i := range m.p {
		m.message(r, i, add)
		m.requests(r, i, add)
	}
}

// tick lets time pass; the clocks of the processes in the set asleep stand still. The clock of
// process 0 is as slow as the tick between belief and TTL allows.
func (m moment) tick(r rules, asleep int) (what string, n moment) {
	what, n = "time passes", m
	n.slow = (m.slow + 1) % modelTTL
	n.lease.former = max(n.lease.former-1, min(n.lease.former, 0))
	for i := range n.p {
		p := &n.p[i]
		sleeps := asleep&(1<<i) != 0
		if m.lease.owner == int8(i) && (m.lease.former == 1 || m.lease.former == current && p.left == 1) {
			if what = expires; sleeps || p.slept {
				what = overslept
			}
		}
		p.left = max(p.left-1, 0)
		switch {
		case !p.lives:
		case sleeps:
			p.slept, p.asked = true, nothing // an answer that comes during the sleep counts for nobody
		case i == 0 && n.slow == 0: // misses this tick
		default:
			if p.age++; p.asked != nothing {
				p.asked++
			}
			if p.asked >= r.belief {
				p.asked = nothing
			}
			if p.age >= r.belief {
				p.dies()
			}
		}
	}
	return what, n
}

// message sends, and lets what was sent arrive or get lost.
func (m moment) message(r rules, i int, add func(step)) {
	p := m.p[i]
	if p.fence != 0 {
		n := m
		n.p[i].armed = p.fence
		what := sends
		if m.rev != p.fence && m.lease.owner != int8(i) {
			what = beside
		}
		add(step{i, what, n})
	}
	if p.armed == 0 {
		return
	}
	n := m
	n.p[i].armed = 0
	add(step{i, "its message is lost", n})
	what := arrives
	switch {
	case p.armed < m.seen && r.unfenced:
		what = "its message of a former term arrives after one of a later term: accepted"
	case p.armed < m.seen:
		what = "its message of a former term arrives after one of a later term: refused"
		if m.last == int8(1-i) {
			what = fencedOff
		}
		add(step{i, what, n})
		return
	case p.armed < m.rev && m.lease.owner == int8(1-i):
		what = beforeFirst
	}
	n.seen, n.last = p.armed, int8(i)
	add(step{i, what, n})
}

// requests are what a process can ask of the server.
func (m moment) requests(r rules, i int, add func(step)) {
	p := m.p[i]
	mine := m.lease.owner == int8(i)
	n := m
	if !p.lives { // the lease may name the life before, which the server still keeps
		if mine && m.lease.former == current {
			n.lease.former = p.left
		}
		n.p[i].left, n.p[i].lives = modelTTL, true
		for range modelTTL {
			add(step{i, begins, n})
			if n.slow++; i != 0 {
				return
			}
		}
		return
	}
	m.renewal(r, i, add)
	if p.fence != 0 && r.keeps {
		return
	}
	if p.fence != 0 { // who releases has stopped to act as a holder before it asks
		n.p[i].fence = 0
		add(step{i, "releases the lease, and the request is lost", n})
		if mine && m.rev == p.fence {
			n.lease.owner, n.lease.former = noOwner, current
			add(step{i, releases, n})
		}
		return
	}
	what := acquires
	switch {
	case m.lease.owner == noOwner:
	case mine && m.lease.former == current:
		what = reacquires
	case m.lease.former > 0, m.lease.former == current && m.p[m.lease.owner].left > 0:
		return // it lives
	default:
		what = follows
	}
	if what != follows || !r.oldFence {
		n.rev++
	}
	n.lease.owner, n.lease.former = int8(i), current
	add(step{i, loses, n})
	n.p[i].fence = n.rev
	add(step{i, what, n})
}

// renewal is by revision: a life that is gone stays gone. Its answer may come late or not
// at all; a next renewal waits for no answer.
func (m moment) renewal(r rules, i int, add func(step)) {
	n := m
	if m.p[i].left > 0 {
		n.p[i].left, n.p[i].asked = modelTTL, 0
		add(step{i, "renews", n})
	} else {
		n.p[i].dies()
		add(step{i, refused, n})
	}
	if asked := m.p[i].asked; asked != nothing {
		what := "hears the answer to a renewal"
		if asked > 0 {
			what = heardLate
		}
		if r.fromAnswer {
			asked = 0
		}
		n = m
		n.p[i].age, n.p[i].asked, n.p[i].slept = asked, nothing, false
		add(step{i, what, n})
	}
}

// canonical forgets what makes no difference to anything that can happen afterwards.
func (m moment) canonical(r rules) moment {
	if !m.p[0].lives {
		m.slow = 0 // chosen when it begins a life
	}
	for i := range m.p {
		p := &m.p[i]
		if named := m.lease.owner == int8(i) && m.lease.former == current; !p.lives && !named {
			p.left = 0
		}
		if !p.slept && p.asked != nothing && p.asked >= p.age && !r.fromAnswer {
			p.asked = nothing // the answer tells nothing new
		}
	}
	// Fences are numbered in their order from 2; all below what the receiver has seen are 1.
	sent := 1 << m.rev // that somebody may still send
	for _, p := range m.p {
		sent |= 1<<p.fence | 1<<p.armed
	}
	sent &^= 1
	if sent&(1<<m.seen) == 0 {
		m.last = nothing
		if sent&(1<<m.seen-1) == 0 {
			m.seen = 0
		}
	}
	all := (sent | 1<<m.seen) &^ 1 >> m.seen
	number := func(v int8) int8 {
		switch {
		case v == 0:
			return 0
		case v < m.seen:
			return 1
		}
		return int8(1 + bits.OnesCount(uint(all&(1<<(v-m.seen+1)-1))))
	}
	m.rev = number(m.rev)
	for i := range m.p {
		p := &m.p[i]
		p.fence, p.armed = number(p.fence), number(p.armed)
	}
	m.seen = number(m.seen)
	return m
}

// search visits every moment that can ever be reached, the near ones first, and counts what
// happened on the way. It stops at the first step that breaks an invariant, and returns why
// and the shortest way there.
func search(r rules) (moments int, happened map[string]int, why string, path []string) {
	start := newMoment().canonical(r)
	from := map[moment]moment{start: start}
	happened = map[string]int{}
	queue := []moment{start}
	for len(queue) > 0 && why == "" {
		m := queue[0]
		queue = queue[1:]
		m.next(r, func(s step) {
			if why != "" {
				return
			}
			happened[s.what]++
			if why = m.broken(s.to); why != "" {
				path = append(wayTo(r, from, m), s.String())
				return
			}
			if to := s.to.canonical(r); to != m {
				if _, known := from[to]; !known {
					from[to] = m
					queue = append(queue, to)
				}
			}
		})
	}
	return len(from), happened, why, path
}

func (s step) String() string {
	if s.who == nothing {
		return s.what
	}
	return fmt.Sprintf("process %d: %s", s.who, s.what)
}

// wayTo names the steps from the start to a moment.
func wayTo(r rules, from map[moment]moment, m moment) (path []string) {
	for from[m] != m {
		found := ""
		from[m].next(r, func(s step) {
			if s.to.canonical(r) == m {
				found = s.String()
			}
		})
		path, m = append(path, found), from[m]
	}
	slices.Reverse(path)
	return path
}

// TestModel visits every moment that can be reached in any number of steps, and sees that
// it came to where it is dangerous: also where the lease passes on by expiry alone.
func TestModel(t *testing.T) {
	for name, keeps := range map[string]bool{"holders may release": false, "nobody releases": true} {
		t.Run(name, func(t *testing.T) {
			r := asBuilt
			r.keeps = keeps
			moments, happened, why, path := search(r)
			if why != "" {
				t.Fatalf("%s:\n%s", why, strings.Join(path, "\n"))
			}
			t.Logf("%d moments", moments)
			for _, what := range mustHappen {
				t.Logf("%7d times: %s", happened[what], what)
				if met, can := happened[what] > 0, what != releases || !keeps; met != can {
					t.Errorf("the search met: %s: %v", what, met)
				}
			}
		})
	}
}

// TestModelFindsMistakes runs the same search with one rule broken at a time: it has to find
// the way to the invariant that the rule is for.
func TestModelFindsMistakes(t *testing.T) {
	believers := "two processes that did not sleep believe in the lease"
	for name, c := range map[string]struct {
		wrong func(*rules)
		want  string
	}{
		"a holder believes for the whole TTL":       {func(r *rules) { r.belief = modelTTL }, believers},
		"belief counts from the answer":             {func(r *rules) { r.fromAnswer = true }, believers},
		"the receiver does not look at fences":      {func(r *rules) { r.unfenced, r.keeps = true, true }, "a message of a former holder is accepted after one of its successor"},
		"a successor keeps its predecessor's fence": {func(r *rules) { r.oldFence = true }, "one fence is accepted from two processes"},
	} {
		t.Run(name, func(t *testing.T) {
			r := asBuilt
			c.wrong(&r)
			moments, _, why, path := search(r)
			if why != c.want {
				t.Fatalf("the search found %q, want %q", why, c.want)
			}
			t.Logf("after %d moments, in %d steps, %s:\n%s", moments, len(path), why, strings.Join(path, "\n"))
		})
	}
}

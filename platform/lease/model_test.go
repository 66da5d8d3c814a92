package lease_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// The model: what this package does, in ticks, with everything that time and the network
// can do to it in between. The server forgets a life modelTTL ticks after its last write;
// a process believes in its life for modelBelief ticks of its own clock after it sent the
// last renewal that succeeded. Two processes want one lease; a receiver takes what they
// send by its fence.
const (
	modelTTL    = 6
	modelBelief = 5
	processes   = 2
)

// moment is one state of the model. It is comparable, so that a search visits it once.
type moment struct {
	lives [processes]serverLife
	lease struct {
		owner int8 // -1: free
		life  int8 // number of the owner's life
		fence int8
	}
	rev   int8 // of the bucket
	p     [processes]process
	seen  int8 // the receiver's highest fence
	last  int8 // whose message it accepted last; -1: nobody's
	ticks int8 // modulo slow, for the clock that is slow
}

type serverLife struct {
	there bool
	no    int8 // which life of the process
	age   int8
}

type process struct {
	paused    bool // it does nothing; its clock runs on (SIGSTOP)
	suspended bool // it does nothing, and its clock stands still (a machine that sleeps)
	slept     bool // it has slept since it last heard from the server
	cut       bool // no message gets through
	no        int8 // of its life; 0: none
	age       int8 // by its own clock, since it sent the renewal that counts
	fence     int8 // of the lease that it believes to hold; 0: none
	armed     int8 // fence of a message that has passed the check and is not sent yet
}

func (p process) believes() bool { return p.fence != 0 && p.no != 0 && p.age < modelBelief }
func (p process) acts() bool     { return !p.paused && !p.suspended }

// broken names the invariant that a moment breaks; "": none.
func (m moment) broken() string {
	n := 0
	for _, p := range m.p {
		if p.believes() && !p.slept {
			n++
		}
	}
	if n > 1 {
		return "two processes that did not sleep believe in the lease"
	}
	return ""
}

// next lists what can happen at a moment. An error is a receiver that took what it must not.
func (m moment) next() (out []moment, err error) {
	add := func(n moment) { out = append(out, n) }
	add(m.tick())
	for i := range m.p {
		p := m.p[i]
		toggle := func(f func(p *process)) { n := m; f(&n.p[i]); add(n) }
		toggle(func(p *process) { p.paused = !p.paused })
		toggle(func(p *process) { p.suspended = !p.suspended; p.slept = true })
		toggle(func(p *process) { p.cut = !p.cut })
		if !p.acts() {
			continue
		}
		if p.believes() {
			toggle(func(p *process) { p.armed = p.fence })
		}
		if p.armed != 0 { // it may have been paused since the check
			n := m
			n.p[i].armed = 0
			add(n) // lost
			if p.armed >= m.seen {
				if p.armed == m.seen && m.last != int8(i) && m.last >= 0 {
					return nil, fmt.Errorf("fence %d is accepted from two processes", p.armed)
				}
				n.seen, n.last = p.armed, int8(i)
				add(n)
			}
		}
		if p.no != 0 && p.age >= modelBelief { // it notices
			toggle(func(p *process) { p.no, p.fence = 0, 0 })
			continue
		}
		if p.cut {
			continue
		}
		m.requests(i, add)
	}
	return out, nil
}

// requests are what a process can ask of the server; each answer may get lost.
func (m moment) requests(i int, add func(moment)) {
	p := m.p[i]
	both := func(n moment, heard func(p *process)) {
		add(n) // the answer is lost
		heard(&n.p[i])
		add(n)
	}
	if p.no == 0 { // a new life
		n := m
		no := m.lives[i].no%3 + 1
		n.lives[i] = serverLife{there: true, no: no}
		n.p[i].no, n.p[i].age, n.p[i].fence, n.p[i].slept = no, 0, 0, false
		add(n)
		return
	}
	// A renewal, by revision.
	if l := m.lives[i]; l.there && l.no == p.no {
		n := m
		n.lives[i].age = 0
		both(n, func(p *process) { p.age, p.slept = 0, false })
	} else {
		n := m
		n.p[i].no, n.p[i].fence = 0, 0
		add(n)
	}
	if p.fence != 0 {
		return
	}
	// An acquisition, where the lease is free, or its life can be buried, or it is an orphan
	// of this very life.
	free := m.lease.owner < 0
	if !free {
		l := m.lives[m.lease.owner]
		mine := int(m.lease.owner) == i && m.lease.life == p.no
		free = mine || !l.there || l.no != m.lease.life
	}
	if free && m.rev < 100 {
		n := m
		n.rev++
		n.lease.owner, n.lease.life, n.lease.fence = int8(i), p.no, n.rev
		fence := n.rev
		both(n, func(p *process) { p.fence = fence })
	}
}

// tick lets time pass. The clock of process 0 is as slow as the sixth between belief and
// TTL allows: it misses one tick in six.
func (m moment) tick() moment {
	m.ticks = (m.ticks + 1) % modelTTL
	for i := range m.lives {
		if l := &m.lives[i]; l.there {
			if l.age++; l.age >= modelTTL {
				l.there, l.age = false, 0
			}
		}
	}
	for i := range m.p {
		p := &m.p[i]
		if p.suspended || i == 0 && m.ticks == 0 || p.no == 0 {
			continue
		}
		p.age = min(p.age+1, modelBelief)
	}
	return m
}

func start() moment {
	m := moment{last: -1}
	m.lease.owner = -1
	return m
}

// TestModelExhaustively visits every moment that can be reached in so many steps.
func TestModelExhaustively(t *testing.T) {
	depth := 10
	if testing.Short() {
		depth = 8
	}
	seen := map[moment]bool{start(): true}
	layer := []moment{start()}
	for d := range depth {
		var following []moment
		for _, m := range layer {
			next, err := m.next()
			if err != nil {
				t.Fatalf("after %d steps: %v\n%+v", d, err, m)
			}
			for _, n := range next {
				if why := n.broken(); why != "" {
					t.Fatalf("after %d steps: %s\n%+v\nafter\n%+v", d+1, why, n, m)
				}
				if !seen[n] {
					seen[n] = true
					following = append(following, n)
				}
			}
		}
		layer = following
	}
	t.Logf("%d moments", len(seen))
	if len(seen) < 5_000 {
		t.Errorf("only %d moments: the model does nothing", len(seen))
	}
}

// TestModelAtRandom goes far: where an exhaustive search does not come.
func TestModelAtRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	followed, overlapped := 0, 0
	for range 3000 {
		m := start()
		for range 300 {
			next, err := m.next()
			if err != nil {
				t.Fatalf("%v\n%+v", err, m)
			}
			// What is broken mends in time, and time passes, or nothing would ever happen.
			n := next[rnd.IntN(len(next))]
			if trouble(n) > trouble(m) && rnd.IntN(6) > 0 {
				n = next[0]
			}
			if n.seen < m.seen {
				t.Fatalf("accepted fences go back from %d to %d", m.seen, n.seen)
			}
			if why := n.broken(); why != "" {
				t.Fatalf("%s\n%+v\nafter\n%+v", why, n, m)
			}
			if n.last != m.last && m.last >= 0 {
				followed++
			}
			if n.p[0].believes() && n.p[1].believes() {
				overlapped++
			}
			m = n
		}
	}
	// The walk must have been where it is dangerous: holders that followed each other, and
	// sleepers that believed beside their successors.
	t.Logf("%d successions seen by the receiver, %d moments with a sleeper that believes", followed, overlapped)
	if followed == 0 || overlapped == 0 {
		t.Error("the walk never met a succession, or never a believing sleeper")
	}
}

// trouble counts what is broken.
func trouble(m moment) (n int) {
	for _, p := range m.p {
		for _, b := range []bool{p.paused, p.suspended, p.cut} {
			if b {
				n++
			}
		}
	}
	return n
}

// TestModelFindsTheMistake: without the sixth between belief and TTL, the slow clock makes
// two believers, and the search says so. So the search can fail.
func TestModelFindsTheMistake(t *testing.T) {
	m := start()
	m.lives[0] = serverLife{there: true, no: 1}
	m.lives[1] = serverLife{there: true, no: 1}
	m.rev, m.lease.fence, m.lease.owner, m.lease.life = 1, 1, 0, 1
	m.p[0] = process{no: 1, fence: 1, cut: true}
	m.p[1] = process{no: 1}
	for range modelTTL {
		m.lives[1].age, m.p[1].age = 0, 0 // it renews
		m = m.tick()
	}
	if m.lives[0].there || m.p[0].believes() {
		t.Fatalf("the server has forgotten the life: %v, its owner believes: %v", !m.lives[0].there, m.p[0].believes())
	}
	m.p[0].age-- // one tick more of belief
	m.rev++
	m.lease.fence, m.lease.owner = m.rev, 1
	m.p[1].fence, m.p[1].age = m.rev, 0
	if m.broken() == "" {
		t.Error("two believers are no mistake to the model")
	}
}

package lease_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/lease"
)

// receiver takes what holders send by its fence, as every receiver of Tutti does.
type receiver struct {
	mu      sync.Mutex
	owners  map[uint64]string
	high    uint64
	dropped int
	faults  []string
}

func (r *receiver) take(owner string, fence uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o, known := r.owners[fence]; known && o != owner {
		r.faults = append(r.faults, fmt.Sprintf("fence %d is %s's and %s's", fence, o, owner))
	}
	r.owners[fence] = owner
	if fence < r.high {
		r.dropped++
		return
	}
	r.high = fence
}

func (r *receiver) state() (terms, dropped int, faults []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.owners), r.dropped, r.faults
}

// sleeper is a process whose machine can be put to sleep: its clock stands still then, so
// it renews nothing, and believes in its lease when it wakes.
type sleeper struct {
	name  string
	conn  *bus.Conn
	clock *clockwork.FakeClock
	mu    sync.Mutex
	awake bool
}

func (s *sleeper) set(awake bool) { s.mu.Lock(); s.awake = awake; s.mu.Unlock() }

// run campaigns until ctx ends, and sends all the time while it believes. Even asleep it
// sends what it believes in: that is the message that passed the check before the sleep.
func (s *sleeper) run(ctx context.Context, t *testing.T, r *receiver) (wait func()) {
	m, err := lease.NewManager(s.conn, s.name, lease.Options{TTL: ttl, Clock: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { // its clock runs with the world's, while it is awake
		const step = 10 * time.Millisecond
		tick := time.NewTicker(step)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.mu.Lock()
				if s.awake {
					s.clock.Advance(step)
				}
				s.mu.Unlock()
			case <-ctx.Done():
				return
			}
		}
	})
	wg.Go(func() {
		m.Campaign(ctx, "k", func(ctx context.Context, l *lease.Lease) {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				if l.Valid() {
					r.take(s.name, l.Fence())
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
			}
		})
	})
	return wg.Wait
}

// TestFencesHoldOnNATS puts processes to sleep and takes the server away, at random.
func TestFencesHoldOnNATS(t *testing.T) {
	srv := bustest.StartServer(t)
	r := &receiver{owners: map[uint64]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	var all []*sleeper
	var waits []func()
	for i := range 3 {
		s := &sleeper{name: fmt.Sprint("p", i), conn: bustest.Connect(t, srv), clock: clockwork.NewFakeClockAt(time.Unix(1e9, 0)), awake: true}
		all = append(all, s)
		waits = append(waits, s.run(ctx, t, r))
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	holder := func() *sleeper {
		var s *sleeper
		within(t, time.Minute, func() error {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, p := range all {
				if r.owners[r.high] == p.name {
					s = p
					return nil
				}
			}
			return fmt.Errorf("nobody holds the lease")
		})
		return s
	}
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		s := holder()
		r.mu.Lock()
		before := r.high
		r.mu.Unlock()
		s.set(false)
		if round == rounds/2 { // and the server goes and comes back meanwhile
			srv.Stop()
			srv.Start()
		}
		within(t, time.Minute, func() error { // somebody else follows while it sleeps
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.high == before || r.owners[r.high] == s.name {
				return fmt.Errorf("round %d: nobody follows %s, which sleeps", round, s.name)
			}
			return nil
		})
		if rnd.IntN(2) == 0 {
			s.set(true)
			continue
		}
		for _, p := range all {
			p.set(true)
		}
	}
	cancel()
	for _, w := range waits {
		w()
	}
	terms, dropped, faults := r.state()
	if len(faults) > 0 {
		t.Errorf("%v", faults)
	}
	t.Logf("%d terms, %d messages of sleepers fenced off", terms, dropped)
	if terms < rounds+1 {
		t.Errorf("%d terms in %d rounds", terms, rounds)
	}
	if dropped == 0 {
		t.Error("no sleeper ever sent: nothing was fenced")
	}
}

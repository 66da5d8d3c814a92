package dial

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/bus"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPolicy(t *testing.T) {
	p := &Policy{Jitter: func() float64 { return .5 }} // exactly the nominal wait
	for _, c := range []struct {
		name    string
		o       Outcome
		present bool
		want    Verdict
	}{
		{"first failure", Outcome{Err: errors.New("x")}, true, Verdict{Delay: time.Second, Why: "failed"}},
		{"second failure", Outcome{Err: errors.New("x")}, true, Verdict{Delay: 2 * time.Second, Why: "failed"}},
		{"a short session counts as one", Outcome{Lived: time.Second}, true, Verdict{Delay: 4 * time.Second, Why: "restart"}},
		{"a stable session forgets", Outcome{Lived: Stable}, true, Verdict{Delay: time.Second, Why: "restart"}},
		{"restart", Outcome{Goodbye: "restart", Lived: Stable}, true, Verdict{Delay: time.Second, Why: "restart"}},
		{"another server", Outcome{Goodbye: "another_server"}, true, Verdict{Hold: true, Why: "another_server"}},
		{"shutdown", Outcome{Goodbye: "shutdown"}, true, Verdict{Hold: true, Why: "shutdown"}},
		{"user request", Outcome{Goodbye: "user_request"}, true, Verdict{Hold: true, Why: "user_request"}},
		{"unauthorized", Outcome{Goodbye: "unauthorized"}, true, Verdict{Hold: true, Why: "unauthorized"}},
		{"pairing required", Outcome{Goodbye: "pairing_required"}, true, Verdict{Hold: true, Why: "pairing_required"}},
		{"unpaired", Outcome{Goodbye: "unpaired"}, true, Verdict{Hold: true, Why: "unpaired"}},
		{"a reason of the future", Outcome{Goodbye: "tea_time"}, true, Verdict{Hold: true, Why: "tea_time"}},
		{"concurrent attempt", Outcome{Goodbye: "concurrent_attempt"}, true, Verdict{Delay: time.Minute, Why: "concurrent_attempt"}},
		{"only pairing", Outcome{OnlyPairing: true, Lived: Stable}, true, Verdict{Hold: true, Why: "pairing_ended"}},
		{"told not to", Outcome{NoRedial: true}, true, Verdict{Hold: true, Why: "told_not_to"}},
		{"connected another way", Outcome{AlreadyConnected: true, Err: errors.New("x")}, true, Verdict{Delay: time.Second, Why: "already_connected"}},
	} {
		if got := p.After(c.o, c.present); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
	p.Fresh()
	var v Verdict
	for range 20 {
		v = p.After(Outcome{Err: errors.New("x")}, true)
	}
	if v.Delay != BackoffMax {
		t.Errorf("after 20 failures: %s", v.Delay)
	}
	p.Fresh()
	for range absentTries {
		v = p.After(Outcome{Err: errors.New("x")}, false)
	}
	if !v.Hold {
		t.Error("a device that discovery does not see is tried for ever")
	}
}

func TestJitterStaysInItsBounds(t *testing.T) {
	p := &Policy{}
	for range 100 {
		if d := p.jitter(time.Minute); d < 45*time.Second || d > 75*time.Second {
			t.Fatalf("jitter of a minute: %s", d)
		}
	}
}

// net is the gateway of the dialer's tests.
type net struct {
	mu        sync.Mutex
	dials     []string
	outcomes  chan Outcome // what comes of the next dial
	connected map[string]string
	known     map[string]string // clients that are not connected
	here      bool              // they are connected to this gateway
	follow    chan struct{}
}

type session struct {
	done chan struct{}
	o    Outcome
}

func (s *session) Done() <-chan struct{} { return s.done }
func (s *session) Outcome() Outcome      { return s.o }
func (s *session) ClientID() string      { return s.o.ClientID }

func (n *net) Connect(ctx context.Context, url string) (Live, *Outcome) {
	n.mu.Lock()
	n.dials = append(n.dials, url)
	n.mu.Unlock()
	select {
	case o := <-n.outcomes:
		if o.Err != nil {
			return nil, &o
		}
		s := &session{done: make(chan struct{}), o: o}
		close(s.done)
		return s, nil
	case <-ctx.Done():
		return nil, &Outcome{Err: ctx.Err()}
	}
}

func (n *net) Elsewhere(url string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.connected[url]
	return ok && !n.here
}

func (n *net) ConnectedAs(url string) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if id, ok := n.connected[url]; ok {
		return id, true
	}
	return n.known[url], false
}

func (n *net) Follow(string) (<-chan struct{}, func()) { return n.follow, func() {} }

func (n *net) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.dials)
}

type fixture struct {
	t     *testing.T
	n     *net
	d     *Dialer
	clock *clockwork.FakeClock
	away  atomic.Bool // the sightings are dealt to another gateway
}

func setup(t *testing.T) *fixture {
	f := &fixture{
		t: t, clock: clockwork.NewFakeClock(),
		n: &net{outcomes: make(chan Outcome), connected: map[string]string{}, follow: make(chan struct{}, 1)},
	}
	ctx, cancel := context.WithCancel(context.Background())
	campaign := func(ctx context.Context, _ string, run func(context.Context)) {
		for ctx.Err() == nil {
			run(ctx)
		}
	}
	f.d = New(ctx, f.n, campaign, func(string) bool { return !f.away.Load() }, f.clock, slog.New(slog.NewTextHandler(io.Discard, nil)))
	t.Cleanup(func() { cancel(); f.d.Wait() })
	return f
}

func (f *fixture) take(s *tuttiv1.Sighting) {
	f.d.Take(bus.Entry[*tuttiv1.Sighting]{Key: s.GetKey(), Value: s})
}

// ends makes the dial that runs now end so.
func (f *fixture) ends(o Outcome) {
	f.t.Helper()
	select {
	case f.n.outcomes <- o:
	case <-time.After(time.Minute):
		f.t.Fatalf("nobody dials; %d dials so far", f.n.count())
	}
}

// sleeps waits until n timers stand.
func (f *fixture) sleeps(n int) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	if err := f.clock.BlockUntilContext(ctx, n); err != nil {
		f.t.Fatal("the actor does not wait on a timer")
	}
}

func TestFailuresBackOffAndRotateAddresses(t *testing.T) {
	f := setup(t)
	f.take(&tuttiv1.Sighting{Key: "a", Url: "ws://1", OtherUrls: []string{"ws://2"}, Present: true})
	for range 3 {
		f.ends(Outcome{Err: errors.New("refused")})
		f.sleeps(1)
		f.clock.Advance(2 * BackoffMax)
	}
	f.ends(Outcome{Err: errors.New("refused")})
	f.sleeps(1)
	want := []string{"ws://1", "ws://2", "ws://1", "ws://2"}
	for i, u := range f.n.dials {
		if u != want[i] {
			t.Errorf("dial %d went to %s, want %s", i, u, want[i])
		}
	}
}

func TestHoldUntilItAppearsAnewOrSomebodyAsks(t *testing.T) {
	f := setup(t)
	s := &tuttiv1.Sighting{Key: "a", Url: "ws://1", Present: true, Appearances: 1}
	f.take(s)
	f.ends(Outcome{Goodbye: "another_server", ClientID: "dev"})
	f.sleeps(1) // is it connected to another gateway?
	f.clock.Advance(elsewhereWithin)
	// The record vanishes: no reason to dial. It appears: one.
	f.take(&tuttiv1.Sighting{Key: "a", Url: "ws://1", Appearances: 1})
	f.take(&tuttiv1.Sighting{Key: "a", Url: "ws://1", Present: true, Appearances: 2})
	f.ends(Outcome{Goodbye: "unauthorized", ClientID: "dev"})
	// An operator approves the client that was last known there.
	f.n.mu.Lock()
	f.n.known = map[string]string{"ws://1": "dev"}
	f.n.mu.Unlock()
	f.d.Ask("somebody else")
	f.d.Ask("dev")
	f.ends(Outcome{Err: errors.New("x")})
	f.sleeps(1)
}

func TestNoDialWhileTheClientIsConnected(t *testing.T) {
	f := setup(t)
	f.n.connected["ws://1"] = "dev"
	f.take(&tuttiv1.Sighting{Key: "a", Url: "ws://1", Present: true})
	f.sleeps(1)
	if n := f.n.count(); n != 0 {
		t.Fatalf("%d dials to a connected client", n)
	}
	f.n.mu.Lock()
	delete(f.n.connected, "ws://1")
	f.n.mu.Unlock()
	f.n.follow <- struct{}{}
	f.ends(Outcome{Err: errors.New("x")})
	f.sleeps(1)
}

func TestRemovedSightingEndsItsActor(t *testing.T) {
	f := setup(t)
	f.take(&tuttiv1.Sighting{Key: "a", Url: "ws://1", Present: true})
	f.ends(Outcome{Err: errors.New("x")})
	f.d.Take(bus.Entry[*tuttiv1.Sighting]{Key: "a"})
	if f.d.Len() != 0 {
		t.Error("the sighting is still dialled")
	}
	f.d.Wait()
}

func TestOnlyTheGatewayThatASightingIsDealtToDials(t *testing.T) {
	f := setup(t)
	f.away.Store(true)
	f.take(&tuttiv1.Sighting{Key: "a", Url: "ws://1", Present: true})
	f.d.Redeal()
	if n := f.d.Len(); n != 0 {
		t.Fatalf("%d sightings of another gateway", n)
	}
	// The other gateway died.
	f.away.Store(false)
	f.d.Redeal()
	f.ends(Outcome{Err: errors.New("refused")})
	f.sleeps(1)
	// It is back, and has its share again.
	f.away.Store(true)
	f.d.Redeal()
	if n := f.d.Len(); n != 0 {
		t.Errorf("%d sightings after they were given back", n)
	}
	f.away.Store(false)
	f.d.Redeal()
	f.ends(Outcome{Err: errors.New("refused")})
}

// "Another server" that is another gateway of this deployment is no reason to hold off:
// when the client loses it, this gateway dials again.
func TestAClientThatWentToAnotherGatewayIsDialledWhenItComesFree(t *testing.T) {
	f := setup(t)
	f.take(&tuttiv1.Sighting{Key: "a", Url: "ws://1", Present: true})
	f.ends(Outcome{Goodbye: "another_server", ClientID: "dev"})
	f.sleeps(1)
	f.n.mu.Lock()
	f.n.connected["ws://1"] = "dev"
	f.n.mu.Unlock()
	f.n.follow <- struct{}{}
	f.sleeps(2)                     // the wait before the next look, beside the one that is over
	f.clock.Advance(2 * BackoffMin) // and then it waits for the client to come free
	f.n.mu.Lock()
	delete(f.n.connected, "ws://1")
	f.n.mu.Unlock()
	f.n.follow <- struct{}{}
	f.ends(Outcome{Err: errors.New("x")})
}

// The record of the session that the goodbye has ended may be there for a moment still: it is
// no other gateway's, and the client is left alone.
func TestItsOwnStaleRecordIsNoOtherGateway(t *testing.T) {
	f := setup(t)
	f.take(&tuttiv1.Sighting{Key: "a", Url: "ws://1", Present: true})
	for end := time.Now().Add(time.Minute); f.n.count() == 0 && time.Now().Before(end); {
		<-time.After(time.Millisecond)
	}
	f.n.mu.Lock()
	f.n.connected["ws://1"], f.n.here = "dev", true
	f.n.mu.Unlock()
	f.ends(Outcome{Goodbye: "another_server", ClientID: "dev"})
	f.sleeps(1)
	f.n.mu.Lock()
	delete(f.n.connected, "ws://1")
	f.n.mu.Unlock()
	f.n.follow <- struct{}{}
	f.clock.Advance(elsewhereWithin)
	for range 3 { // it holds off: however much time passes
		f.clock.Advance(BackoffMax)
	}
	if n := f.n.count(); n != 1 {
		t.Errorf("%d dials", n)
	}
}

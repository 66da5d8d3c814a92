package gateway

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Several gateways on one bus: who dials a device, and what becomes of it when its
// gateway dies.

// shards are gateways that dial, each on a connection of its own to one server.
type shards struct {
	*rig   // for looks at the bus; its service is the first gateway's
	server bustest.Server
	ttl    time.Duration // of leases
	gws    []*rig
}

// shardTTL is how long a dead gateway keeps its lease in these tests: longer than a slow machine
// keeps one waiting that lives. A test in which one dies says how soon it is to be missed.
const shardTTL = 10 * time.Second

// newShards starts gateways "gw-1" … "gw-n".
func newShards(t *testing.T, n int, opts ...rigOption) *shards {
	t.Helper()
	return newShardsTTL(t, n, shardTTL, opts...)
}

func newShardsTTL(t *testing.T, n int, ttl time.Duration, opts ...rigOption) *shards {
	t.Helper()
	s := &shards{server: bustest.StartServer(t), ttl: ttl}
	c := bustest.Connect(t, s.server)
	s.rig = &rig{t: t, bus: c, house: steady{time.Now()}, pairing: startPairing(t, c)}
	ensureTape(t, c)
	for range n {
		s.add(opts...)
	}
	s.rig.svc = s.gws[0].svc
	return s
}

// add starts one more gateway, which all others count on from then on.
func (s *shards) add(opts ...rigOption) *rig {
	s.t.Helper()
	r := s.join(opts...)
	s.knowEachOther()
	return r
}

// join starts one more gateway.
func (s *shards) join(opts ...rigOption) *rig {
	s.t.Helper()
	id := fmt.Sprintf("gw-%d", len(s.gws)+1)
	c := bustest.Connect(s.t, s.server)
	lm, err := lease.NewManager(c, id, lease.Options{TTL: s.ttl})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = lm.Close(ctx) // a killed one has nothing to close
	})
	r := &rig{t: s.t, bus: c, house: s.house, pairing: s.pairing, reg: prometheus.NewRegistry(), done: make(chan struct{})}
	r.start(append([]rigOption{func(c *Config, d *Deps) { c.InstanceID, c.Dial, d.Leases = id, true, lm }}, opts...)...)
	s.gws = append(s.gws, r)
	return r
}

// knowEachOther waits until every gateway counts on all that run.
func (s *shards) knowEachOther() {
	s.t.Helper()
	eventually(s.t, func() string {
		running := 0
		for _, g := range s.gws {
			if g.svc.Ready() == nil {
				running++
			}
		}
		for _, g := range s.gws {
			if n := len(g.svc.peers.members()); g.svc.Ready() == nil && n != running {
				return fmt.Sprintf("%s counts on %d gateways, %d run", g.svc.cfg.InstanceID, n, running)
			}
		}
		return ""
	})
}

// kill ends a gateway as a signal would that it cannot catch: it says nothing to the
// bus any more, and its sockets close.
func (s *shards) kill(g *rig) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = g.bus.Close(ctx) // what it had to say is lost
	go g.stop()          // it would wait for the bus; the end of the test waits for it
}

// by returns the gateway with an instance id.
func (s *shards) by(id string) *rig {
	s.t.Helper()
	for _, g := range s.gws {
		if g.svc.cfg.InstanceID == id {
			return g
		}
	}
	s.t.Fatalf("no gateway %q", id)
	return nil
}

// fleet is devices that wait to be dialled, and their sightings.
func (s *shards) fleet(n int) []*device {
	s.t.Helper()
	out := make([]*device, n)
	for i := range out {
		out[i] = newDevice(s.rig)
		s.sight(&tuttiv1.Sighting{Key: fmt.Sprintf("static/%d", i), Url: out[i].listen(), Present: true, Appearances: 1})
	}
	return out
}

// owners waits until all devices are connected, and says to which gateways.
func (s *shards) owners(devices []*device) map[*device]string {
	s.t.Helper()
	out := map[*device]string{}
	for _, d := range devices {
		out[d] = s.waitConnected(d, true).GetGatewayId()
	}
	return out
}

func TestEachDeviceIsDialledByTheOneGatewayThatItIsDealtTo(t *testing.T) {
	s := newShards(t, 3)
	devices := s.fleet(24)
	count := map[string]int{}
	for d, id := range s.owners(devices) {
		count[id]++
		if n := d.openings(); n != 1 {
			t.Errorf("a device was dialled %d times", n)
		}
	}
	if len(count) != 3 {
		t.Errorf("24 devices are on %v, want some on each of three", count)
	}
	dealt := 0
	for _, g := range s.gws {
		dealt += g.svc.dialer.Len()
	}
	if dealt != len(devices) {
		t.Errorf("%d sightings are dealt, want each once: %d", dealt, len(devices))
	}
}

const (
	// backWithin is how long the devices of a gateway that dies are without one.
	backWithin = 3 * time.Second
	// expiryLook is how late NATS may look for keys that have expired.
	expiryLook = 250 * time.Millisecond
)

// The devices of a gateway that dies are dialled by the others as soon as its lease has
// lapsed; nobody else's session is touched. NATS takes the TTL of the lease and its own look
// for it; what the gateways add is measured on their clock, which stands still from the death
// on: they wait for nothing but the lapse, however slow the machine is.
func TestDevicesOfADeadGatewayAreTakenOver(t *testing.T) {
	clock := newRunningClock(t)
	s := newShardsTTL(t, 3, lease.DefaultTTL, func(_ *Config, d *Deps) { d.Clock = clock })
	devices := s.fleet(12)
	before := s.owners(devices)
	s.settled()
	dead := before[devices[0]]
	keep := s.keepRecord(dead)
	t.Cleanup(clock.run) // before the gateways end, which have waits of their own
	clock.stop()
	began, died := time.Now(), clock.Now()
	s.kill(s.by(dead))
	starved, beaten := false, time.Now()
	look := func() { // keeps the others going without their clock
		if !starved && s.unsettled(dead) != "" {
			// One has lost its own lease, for want of processor time: it may judge nobody for a while.
			starved = true
			clock.run()
		}
		if time.Since(beaten) > heartbeat { // NATS forgets records else, and who has none is dead as well
			beaten = time.Now()
			keep()
			for _, g := range s.gws {
				if g.svc.cfg.InstanceID != dead {
					signal(g.svc.beat)
				}
			}
		}
	}
	for _, d := range devices {
		was := before[d]
		p := s.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
			look()
			if !p.GetConnected() || p.GetGatewayId() == dead {
				return "a device is still on the dead gateway: " + p.String()
			}
			return ""
		})
		if was != dead && (p.GetGatewayId() != was || d.openings() != 1) {
			t.Errorf("a device moved from %s to %s, although %s died", was, p.GetGatewayId(), dead)
		}
	}
	added := clock.Since(died)
	t.Logf("all devices of the dead gateway are back after %v; its lease lasts %v, and gateways waited for %v",
		time.Since(began).Round(time.Millisecond), s.ttl, added)
	if starved {
		t.Log("a gateway lost its own lease meanwhile, for want of processor time: that is no measure")
	} else if took := s.ttl + expiryLook + added; took > backWithin {
		t.Errorf("devices are back %v after the death of their gateway, want %v at most", took, backWithin)
	}
}

// keepRecord returns what writes the record of a gateway again.
func (s *shards) keepRecord(id string) func() {
	s.t.Helper()
	b, err := bus.OpenBucket[tuttiv1.Instance](s.t.Context(), s.bus, subject.BucketInstances, bus.BucketOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	key := subject.InstanceKey(serviceName, id)
	rec, _, err := b.Get(s.t.Context(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	return func() {
		if _, err := b.Put(s.t.Context(), key, rec); err != nil {
			s.t.Errorf("the record of %s is not kept: %v", id, err)
		}
	}
}

// settled waits until every gateway may judge the others.
func (s *shards) settled() {
	s.t.Helper()
	eventually(s.t, func() string { return s.unsettled("") })
}

// unsettled names a gateway, another one than dead, that may not judge the others.
func (s *shards) unsettled(dead string) string {
	for _, g := range s.gws {
		p := g.svc.peers
		p.mu.Lock()
		ok := !p.judgeAt.IsZero() && !p.clock.Now().Before(p.judgeAt)
		p.mu.Unlock()
		if !ok && p.self != dead {
			return p.self + " does not judge yet"
		}
	}
	return ""
}

// runningClock runs with the real one, until it is stopped.
type runningClock struct {
	*clockwork.FakeClock
	mu    sync.Mutex
	still bool
}

// newRunningClock returns a clock that runs until the test ends: after all that was started later.
func newRunningClock(t *testing.T) *runningClock {
	c := &runningClock{FakeClock: clockwork.NewFakeClockAt(time.Now())}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-end:
				return
			case now := <-tick.C:
				c.mu.Lock()
				if !c.still {
					c.Advance(now.Sub(last))
				}
				c.mu.Unlock()
				last = now
			}
		}
	}()
	t.Cleanup(func() { close(end); <-ended })
	return c
}

func (c *runningClock) stop() { c.mu.Lock(); c.still = true; c.mu.Unlock() }
func (c *runningClock) run()  { c.mu.Lock(); c.still = false; c.mu.Unlock() }

// A device that dials in is accepted by any gateway; the session that it had on another
// one is closed, without a redial, and the last one keeps the record.
func TestDeviceThatDialsInAnotherGatewayLeavesTheFirst(t *testing.T) {
	s := newShards(t, 2)
	d := newDevice(s.rig).join(s.gws[0])
	first := s.waitConnected(d, true)
	old := d.conn
	oldDone := d.done
	d.join(s.gws[1])
	p := s.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetGatewayId() != "gw-2" || !p.GetConnected() {
			return p.String()
		}
		return ""
	})
	if p.GetSessionId() == first.GetSessionId() || p.GetReconnects() != 1 {
		t.Errorf("the record of the second session: %v", p)
	}
	select {
	case <-oldDone:
	case <-time.After(patience):
		t.Fatal("the older session on the other gateway was not closed")
	}
	_ = old.CloseNow()
	eventually(t, func() string {
		if n := s.gws[0].svc.hub.Len(); n != 0 {
			return fmt.Sprintf("%d sessions on the first gateway", n)
		}
		return ""
	})
	// The client's subject is the second one's now.
	s.mustCommand(d.id(), groupCmd("g1", "stopped"))
	waitType[*wire.GroupUpdate](d, 1)
	if q := s.presence(d.id()); !q.GetConnected() || q.GetSessionId() != p.GetSessionId() {
		t.Errorf("after the end of the first session: %v", q)
	}
	d.clean()
}

// The bus comes back without its leases: nobody takes the others for dead, and no
// device is dialled again.
func TestGatewaysWhoseLeasesLapsedTogetherAreNotDead(t *testing.T) {
	p := newPeersForTest(t)
	p.peers.take(record("gw-1"))
	p.peers.take(record("gw-2"))
	p.peers.holds(true, 10)
	p.clock.Advance(settleFirst)
	p.peers.found("gw-2", true)
	p.peers.holds(false, 0) // the bus was away for longer than the lease
	p.peers.holds(true, 20)
	p.peers.found("gw-2", false)
	if !p.peers.alive("gw-2") {
		t.Error("a gateway whose lease lapsed with everybody's was taken for dead at once")
	}
	p.clock.Advance(settleAgain)
	p.peers.found("gw-2", false)
	if p.peers.alive("gw-2") {
		t.Error("a gateway that did not come back is not taken for dead")
	}
	p.peers.found("gw-2", true)
	if !p.peers.alive("gw-2") {
		t.Error("a gateway that came back is still taken for dead")
	}
}

// NATS chose another leader for the leases, and all have lapsed meanwhile: a gateway whose
// lease does not come back is asked. Where the connection to the bus broke as well, others'
// may not be back yet, and are waited for.
func TestAGatewayThatDoesNotAnswerIsDeadOnceLeasesHaveALeaderAgain(t *testing.T) {
	lapse := func(t *testing.T, meanwhile func(*peersFixture)) *peersFixture {
		p := newPeersForTest(t)
		p.peers.take(record("gw-1"))
		p.peers.take(record("gw-2"))
		p.peers.holds(true, 30)
		p.clock.Advance(settleFirst)
		p.peers.found("gw-2", true)
		p.peers.noteLink()
		meanwhile(p)
		p.peers.holds(false, 0)
		if d := p.peers.doubted(nil); len(d) != 0 {
			t.Errorf("%v are doubted by a gateway that has no lease itself", d)
		}
		p.peers.holds(true, 40)
		p.peers.noteLink()
		p.peers.found("gw-2", false)
		return p
	}
	t.Run("silent", func(t *testing.T) {
		p := lapse(t, func(*peersFixture) {})
		if d := p.peers.doubted(nil); len(d) != 1 || d[0] != "gw-2" {
			t.Fatalf("%v are doubted, want gw-2", d)
		}
		p.peers.heard("gw-2", false)
		p.peers.heard("gw-2", true) // one answer makes up for a silence
		p.peers.heard("gw-2", false)
		if !p.peers.alive("gw-2") {
			t.Error("taken for dead after one silence")
		}
		p.peers.heard("gw-2", false)
		if p.peers.alive("gw-2") {
			t.Error("a gateway that has no lease and does not answer is not taken for dead")
		}
		p.peers.found("gw-2", true)
		if !p.peers.alive("gw-2") {
			t.Error("a gateway that came back is still taken for dead")
		}
	})
	t.Run("back by itself", func(t *testing.T) {
		p := lapse(t, func(*peersFixture) {})
		if d := p.peers.doubted(map[string]lease.Holding{"gateway.gw-2": {Fence: 41}}); len(d) != 0 {
			t.Errorf("%v are doubted, whose lease is there", d)
		}
	})
	t.Run("a lease from before is seen again", func(t *testing.T) {
		p := lapse(t, func(*peersFixture) {})
		old := map[string]lease.Holding{"gateway.gw-2": {Fence: 31}}
		if d := p.peers.doubted(old); len(d) != 1 {
			t.Errorf("%v are doubted, want gw-2, whose lease lapsed with all the others", d)
		}
		if !p.peers.stale(old, "gw-2") {
			t.Error("a lease from before counts as a sign of life")
		}
		p.clock.Advance(settleAgain)
		if p.peers.stale(old, "gw-2") {
			t.Error("a lease that is still there after so long does not count")
		}
	})
	t.Run("the connection broke", func(t *testing.T) {
		p := lapse(t, func(p *peersFixture) { p.link++ })
		if d := p.peers.doubted(nil); len(d) != 0 {
			t.Errorf("%v are doubted, although the bus was away", d)
		}
	})
	t.Run("long ago", func(t *testing.T) {
		p := lapse(t, func(p *peersFixture) { p.link++; p.peers.noteLink() })
		if d := p.peers.doubted(nil); len(d) != 1 {
			t.Errorf("%v are doubted, want gw-2", d)
		}
	})
	t.Run("the first time", func(t *testing.T) {
		p := newPeersForTest(t)
		p.peers.take(record("gw-2"))
		p.peers.holds(true, 50)
		p.peers.noteLink()
		if d := p.peers.doubted(nil); len(d) != 0 {
			t.Errorf("%v are doubted by a gateway that has just come", d)
		}
	})
}

// A gateway that is killed is missed before its lease lapses: it renews nothing, and the bus knows of
// nobody there.
func TestDevicesOfAKilledGatewayDoNotWaitForItsLease(t *testing.T) {
	const ttl = 18 * time.Second // another gateway sees after two thirds of it that renewals are overdue
	s := newShardsTTL(t, 2, ttl)
	devices := s.fleet(8)
	before := s.owners(devices)
	s.settled()
	dead := before[devices[0]]
	keep, kept := s.keepRecord(dead), time.Now()
	s.kill(s.by(dead))
	starved, looked := false, time.Now()
	for _, d := range devices {
		s.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
			// One that lost its own lease, or a machine that stands still, is no measure.
			starved = starved || s.unsettled(dead) != "" || time.Since(looked) > time.Second
			looked = time.Now()
			if time.Since(kept) > heartbeat { // who has no record any more is dead as well
				keep()
				kept = time.Now()
			}
			if !p.GetConnected() || p.GetGatewayId() == dead {
				return "a device is still on the dead gateway: " + p.String()
			}
			return ""
		})
	}
	m, err := lease.NewManager(s.bus, "observer", lease.Options{TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	if owner, _, err := m.Holder(t.Context(), leasePrefix+dead); starved {
		t.Log("there was no processor time: that is no measure")
	} else if err != nil || owner != dead {
		t.Errorf("the devices are back, and the lease of their gateway is held by %q (%v): they waited for it", owner, err)
	}
}

// One that is only slow with its renewals answers, or at least listens; and it is alive again as soon
// as one is seen, whatever was thought of it.
func TestAGatewayThatIsLateWithItsRenewalsIsDeadOnlyIfNobodyIsThere(t *testing.T) {
	late := map[string]bool{leasePrefix + "gw-2": true}
	p := newPeersForTest(t)
	p.peers.take(record("gw-1"))
	p.peers.take(record("gw-2"))
	p.peers.holds(true, 10)
	if got := p.peers.overdue(late); len(got) != 0 {
		t.Errorf("%v are doubted by a gateway that may not judge yet", got)
	}
	p.clock.Advance(settleFirst)
	if got := p.peers.overdue(late); len(got) != 1 || got[0] != "gw-2" {
		t.Fatalf("%v are doubted, want gw-2", got)
	}
	look := func(nobody ...bool) {
		for _, n := range nobody {
			p.peers.missed("gw-2", n)
		}
	}
	look(true, true, false, true, true) // once it was there
	if !p.peers.alive("gw-2") || p.peers.gone("gw-2") {
		t.Error("taken for dead, although somebody was there in between")
	}
	p.peers.overdue(nil) // it renewed
	look(true, true)
	if !p.peers.alive("gw-2") {
		t.Error("taken for dead for what was found before it renewed")
	}
	look(true)
	if p.peers.alive("gw-2") || !p.peers.gone("gw-2") {
		t.Error("nobody was there three times, and it is not taken for dead")
	}
	p.peers.overdue(nil)
	if p.peers.gone("gw-2") {
		t.Error("its lease counts for nothing, although it is renewed")
	}
	p.peers.found("gw-2", true)
	if !p.peers.alive("gw-2") {
		t.Error("a gateway that came back is still taken for dead")
	}
}

// A session that listens and says nothing belongs to a process that is paused or starved: its gateway
// is not absent, as one is where the bus knows of nobody.
func TestAGatewayThatListensIsNotAbsent(t *testing.T) {
	s := newShards(t, 2)
	svc := s.gws[0].svc
	b, err := bus.OpenBucket[tuttiv1.ClientPresence](t.Context(), s.bus, subject.BucketPresence, bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if svc.gatewayAbsent(t.Context(), "gw-2") {
		t.Error("a gateway without sessions, of which nothing can be known, is absent")
	}
	for _, client := range []string{"one", "two"} {
		if _, err := b.Put(t.Context(), client, &tuttiv1.ClientPresence{ClientId: client, SessionId: "s-" + client, GatewayId: "gw-2", Connected: true}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() string {
		if n := len(svc.board.On("gw-2", 3)); n != 2 {
			return fmt.Sprintf("%d of two records are heard of", n)
		}
		return ""
	})
	if !svc.gatewayAbsent(t.Context(), "gw-2") {
		t.Error("nobody is there, and the gateway is not absent")
	}
	stop, err := s.bus.SubscribeBytes(subject.Session("two"), func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if svc.gatewayAbsent(t.Context(), "gw-2") {
		t.Error("a session listens, and its gateway is absent")
	}
}

func TestFullAndDrainingGatewaysAreDealtNothing(t *testing.T) {
	p := newPeersForTest(t)
	p.peers.take(record("gw-1"))
	full := record("gw-2")
	full.Value.Load.Sessions = proto.Uint32(100)
	p.peers.take(full)
	drains := record("gw-3")
	drains.Value.Draining = true
	p.peers.take(drains)
	for i := range 50 {
		if !p.peers.mine(fmt.Sprint(i)) {
			t.Fatal("a sighting is dealt to a gateway that takes nothing")
		}
	}
	p.peers.own(true, false)
	for i := range 50 {
		if p.peers.mine(fmt.Sprint(i)) {
			t.Fatal("a sighting is dealt to this gateway, which is full")
		}
	}
}

type peersFixture struct {
	peers *peers
	clock *clockwork.FakeClock
	link  uint64 // connection to the bus
}

func newPeersForTest(*testing.T) *peersFixture {
	c := clockwork.NewFakeClock()
	f := &peersFixture{clock: c}
	f.peers = newPeers("gw-1", c, func() uint64 { return f.link }, func(bool) {})
	return f
}

func record(id string) bus.Entry[*tuttiv1.Instance] {
	return bus.Entry[*tuttiv1.Instance]{Key: serviceName + "." + id, Value: &tuttiv1.Instance{
		InstanceId: id, Load: &tuttiv1.InstanceLoad{Capacity: 100, Sessions: proto.Uint32(1)},
	}}
}

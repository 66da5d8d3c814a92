package gateway

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/lease"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Several gateways on one bus: who dials a device, and what becomes of it when its
// gateway dies.

// shards are gateways that dial, each on a connection of its own to one server.
type shards struct {
	*rig   // for looks at the bus; its service is the first gateway's
	server bustest.Server
	gws    []*rig
}

// shardTTL is how long a dead gateway keeps its lease in these tests.
const shardTTL = time.Second

// newShards starts gateways "gw-1" … "gw-n".
func newShards(t *testing.T, n int, opts ...rigOption) *shards {
	t.Helper()
	s := &shards{server: bustest.StartServer(t)}
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
	lm, err := lease.NewManager(c, id, lease.Options{TTL: shardTTL})
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

// The devices of a gateway that dies are dialled by the others, at the latest a moment
// after its lease has lapsed; nobody else's session is touched.
func TestDevicesOfADeadGatewayAreTakenOver(t *testing.T) {
	s := newShards(t, 3)
	devices := s.fleet(12)
	before := s.owners(devices)
	s.settled()
	dead := before[devices[0]]
	began := time.Now()
	s.kill(s.by(dead))
	for _, d := range devices {
		was := before[d]
		p := s.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
			if !p.GetConnected() || p.GetGatewayId() == dead {
				return "a device is still on the dead gateway: " + p.String()
			}
			return ""
		})
		if was != dead && (p.GetGatewayId() != was || d.openings() != 1) {
			t.Errorf("a device moved from %s to %s, although %s died", was, p.GetGatewayId(), dead)
		}
	}
	t.Logf("all devices of the dead gateway are back after %v, its lease lasts %v", time.Since(began).Round(time.Millisecond), shardTTL)
}

// settled waits until every gateway may judge the others.
func (s *shards) settled() {
	s.t.Helper()
	eventually(s.t, func() string {
		for _, g := range s.gws {
			p := g.svc.peers
			p.mu.Lock()
			ok := !p.judgeAt.IsZero() && !p.clock.Now().Before(p.judgeAt)
			p.mu.Unlock()
			if !ok {
				return p.self + " does not judge yet"
			}
		}
		return ""
	})
}

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
	p.peers.holds(true)
	p.clock.Advance(settleFirst)
	p.peers.found("gw-2", true)
	p.peers.holds(false) // the bus was away for longer than the lease
	p.peers.holds(true)
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
}

func newPeersForTest(*testing.T) *peersFixture {
	c := clockwork.NewFakeClock()
	return &peersFixture{peers: newPeers("gw-1", c, func(bool) {}), clock: c}
}

func record(id string) bus.Entry[*tuttiv1.Instance] {
	return bus.Entry[*tuttiv1.Instance]{Key: serviceName + "." + id, Value: &tuttiv1.Instance{
		InstanceId: id, Load: &tuttiv1.InstanceLoad{Capacity: 100, Sessions: proto.Uint32(1)},
	}}
}

package discovery

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// rig is a running service on a network in memory, with a clock that the test moves.
type rig struct {
	t     *testing.T
	bus   *bus.Conn
	cfg   Config
	net   *fakeNet
	clock *clockwork.FakeClock
	stop  func()
	// named are the devices that a DNS server names; nil: there is none.
	named func() []string
}

func start(t *testing.T, c *bus.Conn, n *fakeNet, edit func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, bus: c, net: n, clock: clockwork.NewFakeClock()}
	cfg := Config{InstanceID: "d1", Version: "1.0.0", MDNS: true}
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(cfg, Deps{Bus: c, Clock: r.clock, Registerer: prometheus.NewRegistry(), net: n})
	if err != nil {
		t.Fatal(err)
	}
	r.cfg = cfg
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(r.stop)
	r.until("the service is ready", s.Ready)
	return r
}

func (r *rig) until(what string, fact func() error) {
	r.t.Helper()
	var last error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if last = fact(); last == nil {
			return
		}
	}
	r.t.Fatalf("%s: %v", what, last)
}

func (r *rig) list() []*tuttiv1.Sighting {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var resp tuttiv1.ListSightingsResponse
	if err := r.bus.Request(ctx, subject.DiscoveryList, &tuttiv1.ListSightingsRequest{}, &resp); err != nil {
		r.t.Fatal(err)
	}
	return resp.Sightings
}

// one is the only sighting with this name.
func (r *rig) one(name string) *tuttiv1.Sighting {
	for _, s := range r.list() {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// pace is how far the clock moves between two looks at whether the service keeps up.
const pace = 5 * time.Second

// advance moves the clock in steps that let the timers in between run, and waits after
// each few for the service. All of the time after which a device is absent passes here
// while a slow machine writes one record; nobody would have heard its answers meanwhile.
func (r *rig) advance(d time.Duration) {
	r.t.Helper()
	for ; d > 0; d -= pace {
		for range pace / time.Second {
			r.clock.Advance(time.Second)
			r.until("the service has set its timers", r.timed)
		}
		// It has an end: what could not be written needs more time on the clock.
		for end := time.Now().Add(5 * time.Second); r.behind() && time.Now().Before(end); {
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// timed is nil when all that waits for the clock waits: a timer that is set late runs out
// late, and a browse that comes late is one that a device is not heard in.
func (r *rig) timed() error {
	want := 2 + len(r.cfg.DNSSD) // the list's and the heartbeat's
	if r.cfg.MDNS {
		browses, _ := r.net.running()
		want += 1 + browses // the look at the interfaces
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if r.clock.BlockUntilContext(now, want) != nil {
		return fmt.Errorf("%d timers are not set yet", want)
	}
	return nil
}

// behind reports whether a device that answers is not written down, or was last written as
// heard longer ago than the service lets pass: half of its freshness, and the round in which
// it hears it next.
func (r *rig) behind() bool {
	oldest := r.clock.Now().Add(-(roundsToAbsent*defaultRound/2 + defaultRound + pace))
	written := map[string]bool{}
	for _, s := range r.list() {
		written[s.Name] = !s.LastSeen.AsTime().Before(oldest)
	}
	for _, name := range r.answering() {
		if !written[name] {
			return true
		}
	}
	return false
}

// answering are the devices that the service hears again.
func (r *rig) answering() []string {
	names := r.net.answering()
	if r.named != nil {
		names = append(names, r.named()...)
	}
	return names
}

// wantPresence advances until the device has this presence.
func (r *rig) wantPresence(name string, present bool, appearances uint64) {
	r.t.Helper()
	r.until(fmt.Sprintf("%s has present=%v", name, present), func() error {
		s := r.one(name)
		if s == nil {
			r.advance(5 * time.Second)
			return fmt.Errorf("it is not in the list")
		}
		if s.Present != present || s.Appearances != appearances {
			r.advance(5 * time.Second)
			return fmt.Errorf("present=%v appearances=%d", s.Present, s.Appearances)
		}
		return nil
	})
}

func TestADeviceFlaps(t *testing.T) {
	n := newFakeNet("eth0 192.168.1.2/24")
	n.announce(device("Kitchen", "192.168.1.20", "eth0"))
	r := start(t, bustest.Embedded(t), n, nil)
	r.wantPresence("Kitchen", true, 1)
	s := r.one("Kitchen")
	if s.Url != "ws://192.168.1.20:8928/sendspin" || s.Via != "mdns" || s.Interface != "eth0" || s.FirstSeen == nil {
		t.Fatalf("sighting: %v", s)
	}
	n.silence("Kitchen")
	r.wantPresence("Kitchen", false, 1)
	n.announce(device("Kitchen", "192.168.1.99", "eth0")) // with a new lease
	r.wantPresence("Kitchen", true, 2)
	if back := r.one("Kitchen"); back.Key != s.Key || back.Url != "ws://192.168.1.99:8928/sendspin" || back.FirstSeen.AsTime() != s.FirstSeen.AsTime() {
		t.Fatalf("came back as %v, was %v", back, s)
	}
	r.advance(3 * time.Minute) // it goes on answering
	r.wantPresence("Kitchen", true, 2)
}

func TestInterfacesComeAndGo(t *testing.T) {
	n := newFakeNet("eth0 192.168.1.2/24")
	r := start(t, bustest.Embedded(t), n, nil)
	n.announce(device("Attic", "10.0.0.5", "wlan0"))
	n.setLinks("eth0 192.168.1.2/24", "wlan0 10.0.0.2/24")
	r.wantPresence("Attic", true, 1)
	n.setLinks("wlan0 10.0.0.2/24")
	r.until("one interface is left", func() error {
		if rounds, _ := n.running(); rounds != 1 {
			r.advance(5 * time.Second)
			return fmt.Errorf("%d browses run", rounds)
		}
		return nil
	})
	// What cannot be opened now is tried again.
	n.mu.Lock()
	n.broken = true
	n.mu.Unlock()
	n.setLinks("wlan0 10.0.0.2/24", "eth1 172.16.0.2/24")
	n.announce(device("Cellar", "172.16.0.9", "eth1"))
	r.advance(20 * time.Second)
	n.mu.Lock()
	n.broken = false
	n.mu.Unlock()
	r.wantPresence("Cellar", true, 1)
}

func TestOnlyNamedInterfaces(t *testing.T) {
	n := newFakeNet("eth0 192.168.1.2/24", "docker0 172.17.0.1/16")
	n.announce(device("Box", "172.17.0.5", "docker0"))
	n.announce(device("Hall", "192.168.1.7", "eth0"))
	r := start(t, bustest.Embedded(t), n, func(c *Config) { c.Interfaces = []string{"eth0"} })
	r.wantPresence("Hall", true, 1)
	if s := r.one("Box"); s != nil {
		t.Fatalf("heard on an interface that was not named: %v", s)
	}
}

func TestAddresses(t *testing.T) {
	c := bustest.Embedded(t)
	n := newFakeNet()
	r := start(t, c, n, func(c *Config) { c.MDNS = false; c.Static = []string{"ws://192.0.2.1"} })
	add := func(url string) (*tuttiv1.Sighting, error) {
		s := &tuttiv1.Sighting{}
		return s, c.Request(t.Context(), subject.DiscoveryAdd, &tuttiv1.AddStaticRequest{Url: url}, s)
	}
	a, err := add("ws://Speaker.example:9000/x")
	if err != nil || a.Url != "ws://speaker.example:9000/x" || a.Via != "api" || !a.Present {
		t.Fatalf("add: %v %v", a, err)
	}
	if b, err := add("ws://speaker.example:9000/x"); err != nil || b.Key != a.Key {
		t.Fatalf("add again: %v %v", b, err)
	}
	if _, err := add("http://x"); fault.CodeOf(err) != fault.OutOfRange {
		t.Fatalf("bad address: %v", err)
	}
	r.until("both are listed", func() error {
		if l := r.list(); len(l) != 2 {
			return fmt.Errorf("%v", l)
		}
		return nil
	})
	r.stop()

	// A restart keeps what the API added; the configuration decides about the rest.
	r = start(t, c, n, func(c *Config) { c.MDNS = false; c.Static = []string{"ws://192.0.2.2"} })
	r.until("the list follows the configuration", func() error {
		var urls []string
		for _, s := range r.list() {
			urls = append(urls, s.Url+" "+s.Via)
		}
		if got := strings.Join(urls, ", "); !strings.Contains(got, "ws://192.0.2.2:8928/sendspin static") ||
			!strings.Contains(got, "speaker.example:9000/x api") || len(urls) != 2 {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	remove := func(req *tuttiv1.RemoveStaticRequest) error {
		return c.Request(t.Context(), subject.DiscoveryRemove, req, nil)
	}
	for _, tc := range []struct {
		req  *tuttiv1.RemoveStaticRequest
		want fault.Code
	}{
		{&tuttiv1.RemoveStaticRequest{Url: "ws://192.0.2.2"}, fault.Conflict},
		{&tuttiv1.RemoveStaticRequest{Url: "ws://192.0.2.77"}, fault.NotFound},
		{&tuttiv1.RemoveStaticRequest{Key: "nothing"}, fault.NotFound},
		{&tuttiv1.RemoveStaticRequest{}, fault.Invalid},
		{&tuttiv1.RemoveStaticRequest{Key: a.Key}, ""},
		{&tuttiv1.RemoveStaticRequest{Key: a.Key}, fault.NotFound},
	} {
		if err := remove(tc.req); fault.CodeOf(err) != tc.want {
			t.Errorf("remove %v: got %v, want %q", tc.req, err, tc.want)
		}
	}
}

func TestStrangersCannotFillTheList(t *testing.T) {
	n := newFakeNet("eth0 192.168.1.2/24")
	c := bustest.Embedded(t)
	r := start(t, c, n, func(c *Config) { c.MaxSightings = 5 })
	n.announce(device("first", "192.168.1.10", "eth0"))
	r.wantPresence("first", true, 1)
	n.silence("first")
	r.wantPresence("first", false, 1)
	for i := range 20 {
		n.announce(device(fmt.Sprint("flood-", i), "192.168.1.66", "eth0"))
	}
	r.until("the list is full, without the longest absent device", func() error {
		l := r.list()
		if len(l) != 5 || slices.ContainsFunc(l, func(s *tuttiv1.Sighting) bool { return s.Name == "first" }) {
			return fmt.Errorf("%d sightings: %v", len(l), l)
		}
		return nil
	})
	if r.one("flood-0") == nil {
		t.Error("a present device had to go")
	}
	if _, err := New(Config{Static: []string{"ws://", "x"}}, Deps{Bus: c}); err == nil || strings.Count(err.Error(), "--device") != 2 {
		t.Errorf("bad static addresses: %v", err)
	}
}

func TestAdvertisesThisHostsGateways(t *testing.T) {
	c := bustest.Embedded(t)
	n := newFakeNet("eth0 192.168.1.2/24", "wlan0 10.0.0.2/24")
	// A record that leads back to our own gateway is no device.
	own := device("Self", "192.168.1.2", "eth0")
	own.Port = 8927
	r := start(t, c, n, nil)
	// The gateways here have no heartbeat: they must not expire while a slow machine looks.
	instances, err := bus.OpenBucket[tuttiv1.Instance](t.Context(), c, subject.BucketInstances, bus.BucketOptions{TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	settings, err := bus.OpenBucket[tuttiv1.ServerSettings](t.Context(), c, subject.BucketSettings, bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	drains := false
	put := func(id, host string, port uint32) {
		t.Helper()
		if _, err := instances.Put(t.Context(), subject.InstanceKey("session-gateway", id), &tuttiv1.Instance{Service: "session-gateway",
			InstanceId: id, Host: host, BootId: houseclock.BootID(), SendspinPort: port, SendspinPath: "/sendspin", Draining: drains}); err != nil {
			t.Fatal(err)
		}
	}
	name := func(n, policy string) {
		t.Helper()
		if _, err := settings.Put(t.Context(), subject.SettingsKey, &tuttiv1.ServerSettings{Name: n, PairingPolicy: policy}); err != nil {
			t.Fatal(err)
		}
	}
	wantAdverts := func(want ...string) {
		t.Helper()
		r.until("advertisements", func() error {
			_, got := n.running()
			if len(got) != len(want) {
				return fmt.Errorf("got %v", got)
			}
			text := fmt.Sprint(got)
			for _, w := range want {
				if !strings.Contains(text, w) {
					return fmt.Errorf("got %v, want %s", got, w)
				}
			}
			return nil
		})
	}
	put("g1", host, 8927)
	put("elsewhere", "another-host", 9999)
	wantAdverts()
	name("Grand Hôtel", "optional")
	hint := hostHint(host)
	wantAdverts("eth0 Grand-H-tel-"+hint+"-8927:8927 [path=/sendspin name=Grand Hôtel pair=optional]", "wlan0 Grand-H-tel-")
	name("Tutti", "required")
	wantAdverts("eth0 Tutti-"+hint+"-8927:8927 [path=/sendspin name=Tutti pair=required]", "wlan0 Tutti-")
	put("g2", host, 8930)
	wantAdverts("eth0 Tutti-"+hint+"-8927:8927", "wlan0 Tutti-"+hint+"-8927:8927", "eth0 Tutti-"+hint+"-8930:8930", "wlan0 Tutti-"+hint+"-8930:8930")
	put("g3", host, 8931)
	wantAdverts("-8927:8927", "-8930:8930", "-8931:8931", "eth0", "wlan0", "Tutti-")
	drains = true // devices are not sent to a gateway that is on its way out
	put("g3", host, 8931)
	wantAdverts("eth0 Tutti-"+hint+"-8927:8927", "wlan0 Tutti-"+hint+"-8927:8927", "eth0 Tutti-"+hint+"-8930:8930", "wlan0 Tutti-"+hint+"-8930:8930")
	if err := instances.Delete(t.Context(), subject.InstanceKey("session-gateway", "g2")); err != nil {
		t.Fatal(err)
	}
	wantAdverts("eth0 Tutti-"+hint+"-8927:8927", "wlan0 Tutti-"+hint+"-8927:8927")
	n.announce(own)
	n.announce(device("Other", "192.168.1.30", "eth0"))
	r.wantPresence("Other", true, 1)
	if s := r.one("Self"); s != nil {
		t.Errorf("our own gateway is listed as a device: %v", s)
	}
	r.stop()
	if rounds, adverts := n.running(); rounds != 0 || len(adverts) != 0 {
		t.Errorf("after the end: %d browses, adverts %v", rounds, adverts)
	}
}

// TestTwoInstances: a device is present as long as one instance hears it.
func TestTwoInstances(t *testing.T) {
	c := bustest.Embedded(t)
	both, blind := newFakeNet("eth0 192.168.1.2/24"), newFakeNet("eth0 192.168.2.2/24")
	both.announce(device("Kitchen", "192.168.1.20", "eth0"))
	r := start(t, c, both, nil)
	r.wantPresence("Kitchen", true, 1)
	r2 := start(t, c, blind, func(c *Config) { c.InstanceID = "d2" })
	for range 30 { // both clocks move on together
		r.advance(5 * time.Second)
		r2.advance(5 * time.Second)
	}
	r2.wantPresence("Kitchen", true, 1)
}

func TestInstanceIsAnnounced(t *testing.T) {
	c := bustest.Embedded(t)
	r := start(t, c, newFakeNet(), nil)
	b, err := bus.OpenBucket[tuttiv1.Instance](t.Context(), c, subject.BucketInstances, bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.until("the instance is announced", func() error {
		v, _, err := b.Get(context.Background(), "discovery.d1")
		if err == nil && !v.GetReadiness().GetReady() {
			err = fmt.Errorf("it is not ready: %v", v)
		}
		if err != nil {
			r.advance(pulseEvery) // a heartbeat that could not be written
		}
		return err
	})
	r.stop()
	if _, _, err := b.Get(t.Context(), "discovery.d1"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("after the end: %v", err)
	}
}

// TestBusAway: what is heard while the bus is away is written when it is back, and
// requests fail with a code instead of hanging.
func TestBusAway(t *testing.T) {
	srv := bustest.StartServer(t)
	c := bustest.Connect(t, srv)
	n := newFakeNet("eth0 192.168.1.2/24")
	r := start(t, c, n, nil)
	n.announce(device("Before", "192.168.1.20", "eth0"))
	r.wantPresence("Before", true, 1)
	srv.Stop()
	r.until("the bus is away", func() error {
		if c.Healthy() == nil {
			return fmt.Errorf("still healthy")
		}
		return nil
	})
	n.announce(device("During", "192.168.1.21", "eth0"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Request(ctx, subject.DiscoveryList, &tuttiv1.ListSightingsRequest{}, nil); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("list without a bus: %v", err)
	}
	srv.Start()
	r.until("the bus is back", c.Healthy)
	r.wantPresence("During", true, 1)
	r.wantPresence("Before", true, 1)
}

package discovery

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grandcat/zeroconf"
	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/nettest"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// roles are what this test binary does inside a namespace.
var roles = map[string]nettest.Role{
	"discovery": runDiscovery,
	"device":    runDevice,
	"listener":  runListener,
}

// patience is how long a fact may take: several rounds of browsing, and a slow machine.
const patience = time.Minute

// TestDevicesOnARealNetwork browses and advertises over a veth link between two
// network namespaces.
func TestDevicesOnARealNetwork(t *testing.T) {
	pair := nettest.CreatePair(t)
	disc := nettest.Exec(t, pair.A, "discovery")
	_, n := disc.WaitLine(patience, 0, "start", func(l string) bool { return l == "running" })
	kitchen := nettest.Exec(t, pair.B, "device", "Kitchen Speaker", "8928", "eth0")
	kitchen.Say("up")

	want := "Kitchen Speaker ws://" + nettest.AddrB + ":8928/sendspin eth0 present=true #1"
	_, n = disc.WaitLine(patience, n, "the device", func(l string) bool { return l == want })

	// It flaps: gone without a goodbye would take longer, with one it is the same way. A device
	// is fresh for 4 s here: on a machine that stands still for so long it may have flapped by
	// itself before, so its appearances are counted from the absence that is seen.
	flap := func(which string) {
		t.Helper()
		const gone, back = "present=false #", "present=true #"
		kitchen.Say("down")
		var line string
		line, n = disc.WaitLine(patience, n, "the device's "+which+" absence", func(l string) bool {
			return strings.HasPrefix(l, "Kitchen Speaker ") && strings.Contains(l, gone)
		})
		_, number, _ := strings.Cut(line, gone)
		count, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kitchen.Say("up")
		_, n = disc.WaitLine(patience, n, "the device's "+which+" return", func(l string) bool {
			return strings.HasPrefix(l, "Kitchen Speaker ") && strings.HasSuffix(l, fmt.Sprint(back, count+1))
		})
	}
	flap("first")

	// An interface that appears later is used, too.
	pair.AddLink("eth1", "10.88.0.1/24", "10.88.0.2/24", "", "")
	attic := nettest.Exec(t, pair.B, "device", "Attic", "9000", "eth1")
	attic.Say("up")
	disc.WaitLine(patience, n, "a device on the new interface", func(l string) bool {
		return l == "Attic ws://10.88.0.2:9000/sendspin eth1 present=true #1"
	})

	// Who listens in the other namespace hears of our gateway, on each link with that
	// link's address and no other.
	listener := nettest.Exec(t, pair.B, "listener", "eth0", "eth1")
	for link, addr := range map[string]string{"eth0": nettest.AddrA, "eth1": "10.88.0.1"} {
		line, _ := listener.WaitLine(patience, 0, "the advertisement on "+link, func(l string) bool { return strings.HasPrefix(l, link+" ") })
		if want := fmt.Sprintf("%s port=8927 addrs=[%s] [path=/sendspin name=Tutti Test pair=optional]", link, addr); line != want {
			t.Errorf("advertisement: got %q, want %q", line, want)
		}
	}

	// The interface goes; the service stays.
	pair.DelLink("eth1")
	flap("second")
}

// untilStdinEnds returns when the parent has closed our standard input; each line
// goes to say.
func untilStdinEnds(say func(line string) error) error {
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		if err := say(s.Text()); err != nil {
			return err
		}
	}
	return nil
}

// runDiscovery runs the service and prints each change of a sighting.
func runDiscovery([]string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := bus.Connect(ctx, bus.Config{Embedded: &bus.EmbeddedConfig{}})
	if err != nil {
		return err
	}
	defer c.Close(context.Background())
	if err := pretendGateway(ctx, c); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := New(Config{InstanceID: "d1", MDNS: true, PollInterval: 200 * time.Millisecond, BrowseInterval: time.Second},
		Deps{Bus: c, Log: log})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b, err := bus.OpenBucket[tuttiv1.Sighting](ctx, c, subject.BucketSightings, bus.BucketOptions{})
	if err != nil {
		return err
	}
	stop, err := b.Watch(ctx, ">", func(e bus.Entry[*tuttiv1.Sighting]) {
		v := e.Value
		fmt.Printf("%s %s %s present=%v #%d\n", v.GetName(), v.GetUrl(), v.GetInterface(), v.GetPresent(), v.GetAppearances())
	}, func() { fmt.Println("running") })
	if err != nil {
		return err
	}
	err = untilStdinEnds(func(string) error { return nil })
	cancel()
	stop()
	if rerr := <-done; rerr != nil {
		return rerr
	}
	return err
}

// pretendGateway writes what a session-gateway and pairing would.
func pretendGateway(ctx context.Context, c *bus.Conn) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	instances, err := bus.OpenBucket[tuttiv1.Instance](ctx, c, subject.BucketInstances, bus.BucketOptions{})
	if err != nil {
		return err
	}
	settings, err := bus.OpenBucket[tuttiv1.ServerSettings](ctx, c, subject.BucketSettings, bus.BucketOptions{})
	if err != nil {
		return err
	}
	if _, err := settings.Put(ctx, subject.SettingsKey, &tuttiv1.ServerSettings{Name: "Tutti Test", PairingPolicy: "optional"}); err != nil {
		return err
	}
	put := func() error {
		_, err := instances.Put(ctx, subject.InstanceKey("session-gateway", "g1"), &tuttiv1.Instance{Service: "session-gateway",
			InstanceId: "g1", Host: host, BootId: houseclock.BootID(), SendspinPort: 8927, SendspinPath: "/sendspin"})
		return err
	}
	go func() { // the heartbeat of a process that lives
		for tick := time.NewTicker(3 * time.Second); ; {
			select {
			case <-tick.C:
				_ = put() // the next one tries again
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	}()
	return put()
}

// runDevice is a device: args are its name, port and interface. It announces itself
// at "up" and takes it back at "down".
func runDevice(args []string) error {
	name, ifname := args[0], args[2]
	var port int
	if _, err := fmt.Sscan(args[1], &port); err != nil {
		return err
	}
	var srv *zeroconf.Server
	down := func() {
		if srv != nil {
			srv.Shutdown()
			srv = nil
		}
	}
	defer down()
	return untilStdinEnds(func(line string) error {
		down()
		if line != "up" {
			return nil
		}
		ifi, err := net.InterfaceByName(ifname)
		if err != nil {
			return err
		}
		srv, err = zeroconf.Register(name, "_sendspin._tcp", "local.", port,
			[]string{"path=/sendspin", "name=" + name}, []net.Interface{*ifi})
		return err
	})
}

// runListener asks for servers on the named interfaces and prints what it hears, with
// the interface that it came in on. zeroconf's resolver does not tell that.
func runListener(names []string) error {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(224, 0, 0, 0), Port: 5353})
	if err != nil {
		return err
	}
	defer c.Close()
	pc := ipv4.NewPacketConn(c)
	if err := pc.SetControlMessage(ipv4.FlagInterface, true); err != nil {
		return err
	}
	group := &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	q := new(dns.Msg)
	q.SetQuestion("_sendspin-server._tcp.local.", dns.TypePTR)
	packed, err := q.Pack()
	if err != nil {
		return err
	}
	byIndex := map[int]string{}
	for _, n := range names {
		ifi, err := net.InterfaceByName(n)
		if err != nil {
			return err
		}
		byIndex[ifi.Index] = n
		if err := pc.JoinGroup(ifi, &net.UDPAddr{IP: group.IP}); err != nil {
			return err
		}
		if _, err := pc.WriteTo(packed, &ipv4.ControlMessage{IfIndex: ifi.Index}, group); err != nil {
			return err
		}
	}
	go func() {
		buf := make([]byte, 9000)
		for {
			n, cm, _, err := pc.ReadFrom(buf)
			if err != nil {
				return // closed
			}
			var m dns.Msg
			if m.Unpack(buf[:n]) == nil && cm != nil {
				printServer(byIndex[cm.IfIndex], &m)
			}
		}
	}()
	return untilStdinEnds(func(string) error { return nil })
}

// printServer prints an answer that describes a server.
func printServer(link string, m *dns.Msg) {
	var port uint16
	var addrs, text []string
	for _, rr := range append(m.Answer, m.Extra...) {
		switch rr := rr.(type) {
		case *dns.SRV:
			if strings.HasSuffix(rr.Hdr.Name, "_sendspin-server._tcp.local.") {
				port = rr.Port
			}
		case *dns.TXT:
			text = rr.Txt
		case *dns.A:
			addrs = append(addrs, rr.A.String())
		}
	}
	if port != 0 {
		fmt.Printf("%s port=%d addrs=%v %v\n", link, port, addrs, text)
	}
}

package doctorcmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/grandcat/zeroconf"
	"github.com/miekg/dns"

	"github.com/tutti-audio/tutti/platform/nettest"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/services/discovery"
)

// roles are what this test binary does inside a namespace: the doctor asks and dials on every
// interface, and shall not do so on the machine's own.
var roles = map[string]nettest.Role{"doctor": tellDevices, "device": runDevice, "dns": runDNS}

// patience is how long the doctor or a device may take on a busy machine.
const patience = 60 * time.Second

// tellDevices prints what the check finds here, as JSON, for each line of settings.
func tellDevices([]string) error {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		s := settings{MDNS: true}
		if err := json.Unmarshal(in.Bytes(), &s); err != nil {
			return err
		}
		b, err := json.Marshal(checkDevices(context.Background(), s, progress{}))
		if err != nil {
			return err
		}
		fmt.Println(string(b))
	}
	return nil
}

// runDevice listens at a port with a WebSocket at /sendspin and announces itself on an
// interface. Args: service type ("" for no announcement), name, port, interface, and an
// address if it announces another than its own.
func runDevice(args []string) error {
	kind, name, ifname := args[0], args[1], args[3]
	port, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", ":"+args[2])
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/sendspin", func(w http.ResponseWriter, r *http.Request) {
		if ws, err := channel.Accept(w, r, channel.Options{}); err == nil {
			_, _, _ = ws.Read(r.Context()) // until the doctor hangs up
			_ = ws.CloseNow()
		}
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	if kind != "" {
		ifi, err := net.InterfaceByName(ifname)
		if err != nil {
			return err
		}
		text := []string{"path=/sendspin", "name=" + name}
		var z *zeroconf.Server
		if len(args) > 4 {
			z, err = zeroconf.RegisterProxy(name, kind, "local.", port, name, args[4:], text, []net.Interface{*ifi})
		} else {
			z, err = zeroconf.Register(name, kind, "local.", port, text, []net.Interface{*ifi})
		}
		if err != nil {
			return err
		}
		defer z.Shutdown()
	}
	fmt.Println("running")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
	}
	_ = srv.Close()
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// runDNS is a DNS server for the records of its arguments, at port 53.
func runDNS(zone []string) error {
	var rrs []dns.RR
	for _, line := range zone {
		rr, err := dns.NewRR(line)
		if err != nil {
			return err
		}
		rrs = append(rrs, rr)
	}
	pc, err := net.ListenPacket("udp", ":53")
	if err != nil {
		return err
	}
	srv := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		for _, rr := range rrs {
			if h := rr.Header(); h.Rrtype == q.Question[0].Qtype && strings.EqualFold(h.Name, q.Question[0].Name) {
				m.Answer = append(m.Answer, rr)
			}
		}
		_ = w.WriteMsg(m)
	})}
	srv.NotifyStartedFunc = func() { fmt.Println("running") }
	done := make(chan error, 1)
	go func() { done <- srv.ActivateAndServe() }()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
	}
	return errors.Join(srv.Shutdown(), <-done)
}

// bench is two namespaces: the doctor in A, devices in B.
type bench struct {
	*nettest.Pair
	doctor *nettest.Proc
	seen   int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	pair := nettest.CreatePair(t)
	return &bench{Pair: pair, doctor: nettest.Exec(t, pair.A, "doctor")}
}

func (b *bench) look(t *testing.T, s settings) (results []Result) {
	t.Helper()
	said, err := json.Marshal(map[string]any{"Devices": s.Devices, "DNSSD": s.DNSSD, "Name": s.Name, "NATS": s.NATS})
	if err != nil {
		t.Fatal(err)
	}
	b.doctor.Say(string(said))
	var line string
	line, b.seen = b.doctor.WaitLine(patience, b.seen, "result", func(string) bool { return true })
	if err := json.Unmarshal([]byte(line), &results); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return results
}

// expect is what a look has to find.
type expect struct {
	check string
	level Level
	text  string
}

func (x expect) in(results []Result) bool {
	return slices.ContainsFunc(results, func(r Result) bool {
		return r.Check == x.check && r.Level == x.level && strings.Contains(r.Found+" → "+r.Advice, x.text)
	})
}

// find looks until all of what is expected is found: the doctor gives devices and routers seconds
// to answer, in which a busy machine may not come to it.
func (b *bench) find(t *testing.T, s settings, all ...expect) (results []Result) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		results = b.look(t, s)
		if !slices.ContainsFunc(all, func(x expect) bool { return !x.in(results) }) || time.Now().After(end) {
			break
		}
	}
	for _, x := range all {
		if !x.in(results) {
			t.Errorf("no result for %s that is %s with %q", x.check, x.level, x.text)
		}
		only(t, results, x.check) // says what to do
	}
	if t.Failed() {
		t.Logf("found %+v", results)
	}
	return results
}

func (b *bench) device(t *testing.T, args ...string) {
	t.Helper()
	p := nettest.Exec(t, b.B, "device", args...)
	p.WaitLine(patience, 0, "start", func(l string) bool { return l == "running" })
}

// ip runs ip(8) in a namespace.
func (b *bench) ip(t *testing.T, ns string, args ...string) {
	t.Helper()
	if out, err := nettest.Command(t.Context(), ns, "ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

func TestASpeakerOnTheLinkIsHeardAndReached(t *testing.T) {
	b := newBench(t)
	b.AddLink("eth1", "10.88.0.1/24", "10.88.0.2/24", "", "")
	b.device(t, discovery.DeviceType, "Kitchen Speaker", "8928", "eth0")
	b.find(t, settings{},
		expect{"multicast eth0", OK, "heard 1 responder, 1 speaker on eth0 " + nettest.AddrA + "/24"},
		expect{"speakers", OK, "1 of 1 found are reached and take a WebSocket: Kitchen Speaker (" + nettest.AddrB + ":8928)"})
	b.SetLink("eth0", false)
	r := b.look(t, settings{})
	if len(r) != 1 || r[0].Check != "multicast eth1" {
		t.Errorf("an interface that is down is looked at: %+v", r)
	}
	b.SetLink("eth1", false)
	only(t, b.look(t, settings{}), "multicast").want(t, Fail, "no network interface is up")
}

func TestSilenceOnALinkNamesItsCauses(t *testing.T) {
	b := newBench(t)
	sw := b.AddSwitch("eth1", "10.88.0.1/24", "10.88.0.2/24")
	b.SetLink("eth0", false)
	silent := []expect{{"multicast eth1", Warn, "nobody else answers on eth1 10.88.0.1/24"}}
	for _, cause := range []string{"IGMP snooping without a querier", "Wi-Fi client isolation", "another VLAN: speakers that are not in 10.88.0.0/24", "let UDP 5353 in on eth1", "tutti add ws://"} {
		silent = append(silent, expect{"multicast eth1", Warn, cause})
	}
	b.find(t, settings{}, silent...)

	b.device(t, discovery.DeviceType, "Attic", "8928", "eth1")
	b.find(t, settings{}, expect{"multicast eth1", OK, "heard 1 responder, 1 speaker"})

	// The switch has forgotten that this machine listens.
	sw.PassMulticast(false, true)
	b.find(t, settings{},
		expect{"multicast eth1", Fail, "1 machine answers on eth1 10.88.0.1/24 by unicast, and nobody's multicast comes in"},
		expect{"multicast eth1", Fail, "switch a querier on"})

	// It passes no multicast at all; the device is known as a neighbour by the packets before.
	sw.PassMulticast(false, false)
	b.find(t, settings{Devices: []string{"10.88.0.2"}},
		expect{"multicast eth1", Fail, "when asked directly, and none by multicast"},
		expect{"device 10.88.0.2:8928", OK, "reached on eth1, and it takes a WebSocket"})
}

func TestADeviceByAddressIsTried(t *testing.T) {
	b := newBench(t)
	b.device(t, "", "", "8928", "")
	b.ip(t, b.A, "route", "add", "10.99.0.0/24", "via", nettest.AddrB) // B passes nothing on
	b.find(t, settings{Devices: []string{nettest.AddrB, nettest.AddrB + ":9", "ws://" + nettest.AddrB + ":8928/other", "10.99.0.7",
		"10.123.0.7:8928", "10.87.0.99", "[" + nettest.AddrB6 + "]:8928", "wss://nowhere", "no-such-name.invalid"}},
		expect{"device " + nettest.AddrB + ":8928", OK, "reached on eth0"},
		expect{"device " + nettest.AddrB + ":9", Fail, "the machine is there, and nothing listens at port 9"},
		expect{"device " + nettest.AddrB + ":8928/other", Fail, "takes TCP, but no WebSocket"},
		expect{"device 10.99.0.7:8928", Fail, "let TCP from " + nettest.AddrA + " to 10.99.0.7:8928 pass"},
		expect{"device 10.123.0.7:8928", Fail, "ip route add 10.123.0.0/24 via ROUTER"},
		expect{"device 10.87.0.99:8928", Fail, "no machine on eth0 answers for 10.87.0.99"},
		expect{"device [" + nettest.AddrB6 + "]:8928", OK, "reached"},
		expect{"device wss://nowhere", Fail, "write ADDR, ADDR:PORT"},
		expect{"device no-such-name.invalid:8928", Fail, "is not known here"})
}

func TestPlayersOfADNSDomainAreAskedForAndDialled(t *testing.T) {
	b := newBench(t)
	b.device(t, "", "", "8928", "")
	const service = "_sendspin._tcp.players.example."
	dnsServer := nettest.Exec(t, b.B, "dns",
		service+" 60 IN PTR bar."+service, "bar."+service+" 60 IN SRV 0 0 8928 bar.players.example.",
		"bar."+service+` 60 IN TXT "path=/sendspin" "name=Bar"`, "bar.players.example. 60 IN A "+nettest.AddrB,
		service+" 60 IN PTR lost."+service,
		service+" 60 IN PTR bare."+service, "bare."+service+" 60 IN SRV 0 0 8928 bare.players.example.",
		service+" 60 IN PTR far."+service, "far."+service+" 60 IN SRV 0 0 8928 far.players.example.", "far.players.example. 60 IN A 203.0.113.7",
		"_sendspin._tcp.lost.example. 60 IN PTR lost._sendspin._tcp.lost.example.")
	dnsServer.WaitLine(patience, 0, "start", func(l string) bool { return l == "running" })
	at := "@" + nettest.AddrB
	r := b.find(t, settings{DNSSD: []string{"players.example" + at, "empty.example" + at, "lost.example" + at, "dead.example" + at + ":54", "local"}},
		expect{"dns-sd players.example", OK, "the DNS server " + nettest.AddrB + " names 4 players of _sendspin._tcp.players.example, 3 of them in a way"},
		expect{"speakers", OK, "1 of 1 found are reached and take a WebSocket: Bar (" + nettest.AddrB + ":8928)"},
		expect{"speaker bare", Warn, "has no address, A or AAAA"},
		expect{"speaker far", Warn, "addresses have to be private ones"},
		expect{"dns-sd empty.example", Warn, "publish them there: for each player a PTR record of _sendspin._tcp.empty.example"},
		expect{"dns-sd lost.example", Warn, "names 1 player of _sendspin._tcp.lost.example, and none that the server would dial"},
		expect{"dns-sd dead.example", Fail, "let UDP and TCP port 54 pass"},
		expect{"dns-sd local", Fail, "write --dns-sd DOMAIN or DOMAIN@SERVER[:PORT]"})
	lost := 0
	for _, x := range r {
		if x.Check == "speaker lost" && strings.Contains(x.Found, "no SRV record says where it is") {
			lost++
		}
	}
	if lost != 2 {
		t.Errorf("%d players without a place, want one of two domains each: %+v", lost, r)
	}
}

func TestASpeakerFromAnotherVLANIsAFinding(t *testing.T) {
	b := newBench(t)
	b.ip(t, b.B, "addr", "add", "10.99.0.7/24", "dev", "lo")
	b.device(t, discovery.DeviceType, "Far", "8928", "eth0", "10.99.0.7")
	b.find(t, settings{},
		expect{"speaker Far", Fail, "there is no route to 10.99.0.7"},
		expect{"VLAN eth0", Warn, "that is not in 10.87.0.0/24: Far (10.99.0.7:8928); an mDNS reflector"})
	b.ip(t, b.A, "route", "add", "10.99.0.0/24", "via", nettest.AddrB)
	b.find(t, settings{}, expect{"speakers", OK, "Far (10.99.0.7:8928)"}, expect{"VLAN eth0", OK, "all are reached"})
	b.device(t, discovery.DeviceType, "Boxed", "8929", "eth0", "127.0.0.1")
	b.find(t, settings{}, expect{"speaker Boxed", Warn, "passed over by the server"})
}

func TestAnotherServerOfTheSameNameIsAFinding(t *testing.T) {
	b := newBench(t)
	b.device(t, discovery.ServerType, "Tutti", "8927", "eth0")
	b.find(t, settings{}, expect{"servers", Warn, `with the name of this one, "Tutti", at ` + nettest.AddrB + ":8927/sendspin"})
	b.find(t, settings{Name: "Home"}, expect{"servers", OK, "Tutti at " + nettest.AddrB})
	b.find(t, settings{NATS: "nats://n"}, expect{"servers", OK, "other Sendspin servers"})
}

func TestWithoutMDNSOnlyGivenDevicesAreTried(t *testing.T) {
	addr := nettest.FreeAddr(t)
	r := checkDevices(t.Context(), settings{Devices: []string{addr}}, progress{})
	only(t, r, "multicast").want(t, OK, "not needed")
	only(t, r, "device "+addr).want(t, Fail, "refuses")
	if len(r) != 2 {
		t.Errorf("results %+v", r)
	}
}

func TestCausesThatNeedRoutersAndWiFi(t *testing.T) {
	lan := ether("eth0", "192.168.1.5/24")
	n := network{cards: []card{lan}}
	dev := func(addr string, err error) attempt {
		return attempt{target: target{name: "d", url: "ws://" + addr + ":8928/sendspin", given: true}, tcp: err}
	}
	for want, a := range map[string]attempt{
		"was not tried to the end":            dev("192.168.1.9", errUntried),
		"a firewall there drops it":           dev("192.168.1.9", context.DeadlineExceeded),
		"a router on the way says":            dev("10.0.0.9", os.NewSyscallError("connect", syscall.EHOSTUNREACH)),
		"out of this machine's firewall":      dev("10.0.0.9", os.ErrPermission),
		"traceroute 10.0.0.9":                 dev("10.0.0.9", context.DeadlineExceeded),
		"no machine on eth0 answers for 192.": dev("192.168.1.9", os.NewSyscallError("connect", syscall.EHOSTUNREACH)),
	} {
		only(t, n.judgeReach([]attempt{a}), "device d").want(t, Fail, want)
	}
	wifi := airing{card: lan, heard: heard{echo: true}}
	wifi.kind = "wlan"
	r := judgeMulticast([]airing{wifi}, n)[0]
	r.want(t, Warn, "nobody else answers")
	if strings.Index(r.Advice, "isolation") > strings.Index(r.Advice, "snooping") {
		t.Errorf("on Wi-Fi isolation comes first, got %s", r.Advice)
	}
	boxed := airing{card: lan, heard: heard{echo: true}}
	boxed.peer = true
	judgeMulticast([]airing{boxed}, network{container: true})[0].want(t, Warn, "network_mode: host")
	loose := airing{card: lan}
	loose.unplugged = true
	judgeMulticast([]airing{loose}, n)[0].want(t, Fail, "no cable")
}

func TestNeighboursAreReadFromTheKernelsTable(t *testing.T) {
	all := parseNeighbours(`IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         02:fc:00:00:00:05     *        eth0
192.168.1.9      0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.0.1         0x1         0x2         02:fc:00:00:00:06     *        eth1
`)
	if got := knownOn(all, "eth0"); len(got) != 1 || got[0].String() != "192.168.1.1" {
		t.Errorf("known on eth0: %v", got)
	}
	for addr, want := range map[string]bool{"192.168.1.1": false, "192.168.1.9": true, "192.168.1.77": false} {
		if got := unanswered(all, netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s unanswered: %v", addr, got)
		}
	}
}

package dnssd

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	domain  = "players.example."
	service = "_sendspin._tcp." + domain
)

// server is a DNS server on the loopback, by UDP and TCP, that answers as the test says.
type server struct {
	t    *testing.T
	addr string

	mu    sync.Mutex
	rrs   []dns.RR
	edit  func(q dns.Question, m *dns.Msg) // the last word about an answer
	mute  bool
	asked []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Skipf("the port of UDP is taken by TCP: %v", err)
	}
	s := &server{t: t, addr: pc.LocalAddr().String()}
	for _, d := range []*dns.Server{{PacketConn: pc, Handler: s}, {Listener: ln, Handler: s}} {
		up := make(chan struct{})
		d.NotifyStartedFunc = func() { close(up) }
		done := make(chan struct{})
		go func() { defer close(done); _ = d.ActivateAndServe() }()
		<-up
		t.Cleanup(func() { _ = d.Shutdown(); <-done })
	}
	return s
}

// ServeDNS implements dns.Handler.
func (s *server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	question := q.Question[0]
	s.asked = append(s.asked, dns.TypeToString[question.Qtype]+" "+question.Name)
	if s.mute {
		return
	}
	m := new(dns.Msg).SetReply(q)
	for _, rr := range s.rrs {
		h := rr.Header()
		if same(h.Name, question.Name) && (h.Rrtype == question.Qtype || h.Rrtype == dns.TypeCNAME) {
			m.Answer = append(m.Answer, rr)
		}
	}
	if s.edit != nil {
		s.edit(question, m)
	}
	if w.LocalAddr().Network() == "udp" {
		m.Truncate(udpSize)
	}
	_ = w.WriteMsg(m)
}

func (s *server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *server) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// zone reads records in the form of zone files.
func zone(t testing.TB, lines ...string) (out []dns.RR) {
	t.Helper()
	for _, l := range lines {
		rr, err := dns.NewRR(l)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		out = append(out, rr)
	}
	return out
}

// player is a complete device.
func player(t testing.TB, label, ip string, ttl int) []dns.RR {
	t.Helper()
	host := "h-" + strings.NewReplacer(".", "-", ":", "-").Replace(ip) + "." + domain
	kind := "A"
	if strings.Contains(ip, ":") {
		kind = "AAAA"
	}
	return zone(t,
		fmt.Sprintf("%s %d IN PTR %s.%s", service, ttl, label, service),
		fmt.Sprintf("%s.%s %d IN SRV 0 0 8928 %s", label, service, ttl, host),
		fmt.Sprintf(`%s.%s %d IN TXT "path=/sendspin" "name=The %s"`, label, service, ttl, record.Unescape(label)),
		fmt.Sprintf("%s %d IN %s %s", host, ttl, kind, ip))
}

// rig is a lookout on a server, with a clock that the test moves.
type rig struct {
	t     *testing.T
	clock *clockwork.FakeClock
	log   *syncBuffer
	m     *Metrics
	mu    sync.Mutex
	heard map[string]record.Observation
	times map[string]time.Time
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}
func (b *syncBuffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

func look(t *testing.T, source string, edit func(*Options)) *rig {
	t.Helper()
	s, err := ParseSource(source)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, clock: clockwork.NewFakeClock(), log: &syncBuffer{}, m: NewMetrics(nil), heard: map[string]record.Observation{}, times: map[string]time.Time{}}
	o := Options{Source: s, Clock: r.clock, Log: slog.New(slog.NewTextHandler(r.log, nil)), Metrics: r.m, Every: 20 * time.Second, Seen: r.seen}
	if edit != nil {
		edit(&o)
	}
	t.Cleanup(Start(context.Background(), o))
	r.settle()
	return r
}

func (r *rig) seen(_ context.Context, o record.Observation) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard[o.Name], r.times[o.Name] = o, r.clock.Now()
	return nil
}

// settle waits until the lookout sleeps.
func (r *rig) settle() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := r.clock.BlockUntilContext(ctx, 1); err != nil {
		r.t.Fatal("the lookout does not come to rest")
	}
}

// pass moves the clock on, a second at a time.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	for ; d > 0; d -= time.Second {
		r.clock.Advance(time.Second)
		r.settle()
	}
}

// said are the names that were said to be there since the clock read since.
func (r *rig) said(since time.Time) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, at := range r.times {
		if !at.Before(since) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (r *rig) of(name string) record.Observation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heard[name]
}

func TestPlayersOfADomain(t *testing.T) {
	s := newServer(t)
	s.change(func() {
		s.rrs = slices.Concat(player(t, `Living\ Room`, "10.0.20.5", 120), player(t, "Attic", "fd00::7", 120))
	})
	r := look(t, "Players.Example@"+s.addr, nil)
	if got := r.said(r.clock.Now()); !slices.Equal(got, []string{"The Attic", "The Living Room"}) {
		t.Fatalf("heard %q", got)
	}
	o := r.of("The Living Room")
	if u := o.URLs(); len(u) != 1 || u[0] != "ws://10.0.20.5:8928/sendspin" || o.Via != record.ViaDNSSD || o.Key == record.InstanceKey("Living Room") || o.Interface != "" {
		t.Errorf("observation %+v", o)
	}
	if u := r.of("The Attic").URLs(); len(u) != 1 || u[0] != "ws://[fd00::7]:8928/sendspin" {
		t.Errorf("by IPv6: %q", u)
	}
	// Between the rounds it is said that they are there; asked is by the TTL.
	n := s.questions()
	r.pass(119 * time.Second)
	if got := r.said(r.clock.Now().Add(-20 * time.Second)); len(got) != 2 || s.questions() != n {
		t.Errorf("between two rounds: said %q, asked %d times", got, s.questions()-n)
	}
	r.pass(time.Second)
	if s.questions() == n {
		t.Error("not asked again after the TTL")
	}
	// One goes, and is not spoken of any more.
	s.change(func() { s.rrs = player(t, "Attic", "fd00::7", 120) })
	r.pass(2 * time.Minute)
	if got := r.said(r.clock.Now()); !slices.Equal(got, []string{"The Attic"}) {
		t.Errorf("after one has gone: %q", got)
	}
}

// TestHowOftenADomainIsAsked: the TTL decides, between 10 s and 5 min.
func TestHowOftenADomainIsAsked(t *testing.T) {
	for ttl, want := range map[int]time.Duration{0: 10 * time.Second, 3: 10 * time.Second, 45: 45 * time.Second, 86_400: 5 * time.Minute} {
		s := newServer(t)
		s.change(func() { s.rrs = player(t, "A", "10.0.0.1", ttl) })
		r := look(t, domain+"@"+s.addr, nil)
		n := s.questions()
		r.pass(want - time.Second)
		early := s.questions() - n
		r.pass(time.Second)
		if early != 0 || s.questions() == n {
			t.Errorf("TTL %d s: %d questions before %s, %d then", ttl, early, want, s.questions()-n)
		}
	}
}

// TestASilentServer: failures are counted and logged once, the server is asked ever less
// often, and what it named stays for a while, not for ever.
func TestASilentServer(t *testing.T) {
	s := newServer(t)
	s.change(func() { s.rrs = player(t, "A", "10.0.0.1", 10) })
	r := look(t, domain+"@"+s.addr, nil)
	s.change(func() { s.edit = func(_ dns.Question, m *dns.Msg) { m.Rcode, m.Answer = dns.RcodeServerFailure, nil } })
	r.pass(3 * time.Minute)
	if got := r.said(r.clock.Now().Add(-20 * time.Second)); len(got) != 1 {
		t.Errorf("a silent server took the device away: %q", got)
	}
	failed := testutil.ToFloat64(r.m.rounds.WithLabelValues("failed"))
	if n := strings.Count(r.log.String(), "no answer to DNS-SD"); n != 1 || failed < 3 || failed > 6 {
		t.Errorf("%d log lines about %v failures:\n%s", n, failed, r.log)
	}
	r.pass(kept)
	if got := r.said(r.clock.Now().Add(-time.Minute)); len(got) != 0 {
		t.Errorf("still spoken of: %q", got)
	}
	s.change(func() { s.edit = nil })
	r.pass(maxInterval)
	if got := r.said(r.clock.Now().Add(-20 * time.Second)); len(got) != 1 || strings.Count(r.log.String(), "works again") != 1 {
		t.Errorf("after it came back: %q\n%s", got, r.log)
	}
}

// TestManyPlayersComeByTCP: an answer that does not fit is asked for again.
func TestManyPlayersComeByTCP(t *testing.T) {
	s := newServer(t)
	for i := range 60 {
		more := player(t, fmt.Sprintf("a-speaker-with-a-long-name-%02d", i), fmt.Sprintf("10.0.1.%d", i+1), 60)
		s.change(func() { s.rrs = append(s.rrs, more...) })
	}
	r := look(t, domain+"@"+s.addr, nil)
	if got := r.said(r.clock.Now()); len(got) != 60 {
		t.Errorf("heard %d of 60", len(got))
	}
}

// TestTheSystemsServer: it is read from resolv.conf, each time.
func TestTheSystemsServer(t *testing.T) {
	a := &asker{conf: t.TempDir() + "/resolv.conf"}
	if _, err := a.servers(); err == nil {
		t.Error("no file, and no error")
	}
	if err := os.WriteFile(a.conf, []byte("nameserver 10.0.0.53\nnameserver fd00::53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := a.servers()
	if err != nil || !slices.Equal(got, []string{"10.0.0.53:53", "[fd00::53]:53"}) {
		t.Errorf("servers %q, %v", got, err)
	}
}

// TestHostileAnswers: none of them makes a device of what is none, or keeps those that are
// honest from being found.
func TestHostileAnswers(t *testing.T) {
	s := newServer(t)
	rrs := slices.Concat(player(t, "Good", "10.0.0.1", 60), zone(t,
		service+" 60 IN PTR "+service,                       // itself
		service+" 60 IN PTR evil._sendspin._tcp.other.org.", // another domain
		service+" 60 IN PTR a.b."+service,                   // deeper
		service+" 60 IN PTR Good."+service,                  // twice
		service+" 60 IN PTR .",
		service+" 60 IN PTR noplace."+service,
		service+" 60 IN PTR loop."+service, "loop."+service+" 60 IN SRV 0 0 8928 x."+domain,
		"x."+domain+" 60 IN CNAME y."+domain,
		service+" 60 IN PTR nohost."+service, "nohost."+service+" 60 IN SRV 0 0 8928 .",
		service+" 60 IN PTR noport."+service, "noport."+service+" 60 IN SRV 0 0 0 x."+domain,
		service+" 60 IN PTR internet."+service, "internet."+service+" 60 IN SRV 0 0 443 far."+domain, "far."+domain+" 60 IN A 93.184.216.34",
		service+" 60 IN PTR myself."+service, "myself."+service+" 60 IN SRV 0 0 22 lo."+domain, "lo."+domain+" 60 IN A 127.0.0.1",
		service+" 60 IN PTR badpath."+service, "badpath."+service+" 60 IN SRV 0 0 8928 h-10-0-0-1."+domain, "badpath."+service+` 60 IN TXT "path=/../x?y"`,
	))
	edit := func(q dns.Question, m *dns.Msg) {
		if q.Name == "x."+domain { // a loop of aliases, and a stranger's address
			m.Answer = append(m.Answer, zone(t, "y."+domain+" 60 IN CNAME x."+domain, "z."+domain+" 60 IN A 10.9.9.9")...)
		}
		if q.Qtype == dns.TypePTR { // kinds that were not asked for
			m.Answer = append(m.Answer, zone(t, service+" 60 IN A 10.9.9.9", "other."+domain+" 60 IN PTR stranger."+service)...)
		}
	}
	s.change(func() { s.rrs, s.edit = rrs, edit })
	r := look(t, domain+"@"+s.addr, nil)
	if got := r.said(time.Time{}); !slices.Equal(got, []string{"The Good"}) {
		t.Errorf("heard %q", got)
	}
	if n := testutil.ToFloat64(r.m.records.WithLabelValues("rejected")); n != 4 { // loop, internet, myself, badpath
		t.Errorf("%v records were rejected", n)
	}
	s.mu.Lock()
	asked := slices.Clone(s.asked)
	s.mu.Unlock()
	for _, q := range asked {
		if strings.Contains(q, "other.org") || strings.Contains(q, "stranger") || strings.Contains(q, "a.b.") {
			t.Errorf("it was sent to ask %s", q)
		}
	}
	// Answers that are none at all are failures, and the next round is a new chance.
	for name, edit := range map[string]func(q dns.Question, m *dns.Msg){
		"another question": func(_ dns.Question, m *dns.Msg) { m.Question[0].Name = "x.example." },
		"no question":      func(_ dns.Question, m *dns.Msg) { m.Question = nil },
		"no answer":        func(_ dns.Question, m *dns.Msg) { m.Response = false },
		"refused":          func(_ dns.Question, m *dns.Msg) { m.Rcode = dns.RcodeRefused },
	} {
		before := testutil.ToFloat64(r.m.rounds.WithLabelValues("failed"))
		s.change(func() { s.edit = edit })
		r.pass(maxInterval)
		if testutil.ToFloat64(r.m.rounds.WithLabelValues("failed")) == before {
			t.Errorf("%s: no failure", name)
		}
	}
	s.change(func() { s.edit, s.rrs = nil, player(t, "Good", "10.0.0.2", 60) })
	r.pass(maxInterval)
	if u := r.of("The Good").URLs(); len(u) != 1 || u[0] != "ws://10.0.0.2:8928/sendspin" {
		t.Errorf("afterwards: %q", u)
	}
}

func TestParseSource(t *testing.T) {
	for in, want := range map[string]Source{
		"players.example":         {"players.example.", ""},
		" Players.Example. ":      {"players.example.", ""},
		"lan@10.0.0.1":            {"lan.", "10.0.0.1:53"},
		"lan@10.0.0.1:5353":       {"lan.", "10.0.0.1:5353"},
		"lan@[fd00::1]:53":        {"lan.", "[fd00::1]:53"},
		"lan@fd00::1":             {"lan.", "[fd00::1]:53"},
		"lan@ns.example":          {"lan.", "ns.example:53"},
		"tutti.svc.cluster.local": {"tutti.svc.cluster.local.", ""},
		"":                        {}, "@10.0.0.1": {}, ".": {}, "a b": {}, "a/b": {}, "local": {}, "local.@10.0.0.1": {},
		"lan@": {}, "lan@x:0": {}, "lan@x:99999": {}, "lan@x:dns": {}, "a..b": {}, "lan@a@b": {}, strings.Repeat("a.", 130): {},
	} {
		got, err := ParseSource(in)
		if got != want || (err == nil) != (want != Source{}) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

// FuzzAnswer: whatever a DNS server says, what is taken from it is within bounds and of the
// domain that was asked.
func FuzzAnswer(f *testing.F) {
	for _, rrs := range [][]dns.RR{player(f, `A\.b`, "10.0.0.1", 60), player(f, "B", "fd00::1", 0), zone(f, service+" 9 IN CNAME "+service)} {
		m := new(dns.Msg)
		m.SetQuestion(service, dns.TypePTR)
		m.Response, m.Answer = true, rrs
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(dns.Msg)
		if m.Unpack(b) != nil {
			return
		}
		_ = check(m, dns.Question{Name: service, Qtype: dns.TypePTR, Qclass: dns.ClassINET})
		names, ttl := instances(m, service)
		if len(names) > maxInstances || ttl < 0 || ttl > maxInterval {
			t.Fatalf("%d names for %s", len(names), ttl)
		}
		for _, n := range names {
			if !dns.IsSubDomain(service, dns.CanonicalName(n)) || label(n) == "" {
				t.Fatalf("%q is no instance", n)
			}
			host, port, _ := place(m, n)
			if host != "" && (port < 1 || port > 65535) {
				t.Fatalf("port %d", port)
			}
			if txt, _ := text(m, n); len(txt) > maxText {
				t.Fatalf("%d strings", len(txt))
			}
			for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
				if a, _ := addresses(m, host, kind); len(a) > maxAddresses {
					t.Fatalf("%d addresses", len(a))
				}
			}
		}
	})
}

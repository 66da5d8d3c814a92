package discovery

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
)

// dnsServer answers on the loopback for one player of players.example, while it is there.
// named are the players that it named when it was last asked for all.
func dnsServer(t *testing.T, there *atomic.Bool) (addr string, named func() []string) {
	t.Helper()
	const service = "_sendspin._tcp.players.example."
	var records []dns.RR
	for _, l := range []string{
		service + " 10 IN PTR Bar." + service, "Bar." + service + " 10 IN SRV 0 0 8928 bar.players.example.",
		"Bar." + service + ` 10 IN TXT "path=/sendspin" "name=Bar"`, "bar.players.example. 10 IN A 10.0.20.7",
	} {
		rr, err := dns.NewRR(l)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rr)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var bar atomic.Bool
	up, done := make(chan struct{}), make(chan struct{})
	srv := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(up) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m, is := new(dns.Msg).SetReply(q), there.Load()
		if q.Question[0].Qtype == dns.TypePTR {
			bar.Store(is)
		}
		for _, rr := range records {
			if is && rr.Header().Rrtype == q.Question[0].Qtype && strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
				m.Answer = append(m.Answer, rr)
			}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { defer close(done); _ = srv.ActivateAndServe() }()
	<-up
	t.Cleanup(func() { _ = srv.Shutdown(); <-done })
	return pc.LocalAddr().String(), func() []string {
		if bar.Load() {
			return []string{"Bar"}
		}
		return nil
	}
}

// TestPlayersOfADNSDomain: what a DNS server names is found without mDNS, is absent when the
// server names it no more, and comes back; so it is over a restart.
func TestPlayersOfADNSDomain(t *testing.T) {
	var there atomic.Bool
	there.Store(true)
	addr, named := dnsServer(t, &there)
	c := bustest.Embedded(t)
	config := func(c *Config) { c.MDNS, c.DNSSD = false, []string{"players.example@" + addr} }
	r := start(t, c, newFakeNet(), config)
	r.named = named
	r.wantPresence("Bar", true, 1)
	s := r.one("Bar")
	if s.Via != "dns-sd" || s.Url != "ws://10.0.20.7:8928/sendspin" || s.Interface != "" {
		t.Errorf("sighting: %v", s)
	}
	r.stop()
	r = start(t, c, newFakeNet(), config)
	r.named = named
	there.Store(false)
	r.wantPresence("Bar", false, 1)
	there.Store(true)
	r.wantPresence("Bar", true, 2)
	if back := r.one("Bar"); back.Key != s.Key || back.Via != "dns-sd" {
		t.Errorf("came back as %v, was %v", back, s)
	}
}

func TestDomainsThatAreNone(t *testing.T) {
	_, err := New(Config{DNSSD: []string{"players.example", "local", "x@"}}, Deps{Bus: bustest.Embedded(t)})
	if err == nil || strings.Count(err.Error(), "--dns-sd") != 2 || !strings.Contains(fmt.Sprint(err), "mDNS") {
		t.Errorf("got %v", err)
	}
}

package doctorcmd

import (
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/miekg/dns"

	"github.com/tutti-audio/tutti/services/discovery"
)

func srv(name string, port uint16, target string) *dns.SRV {
	return &dns.SRV{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeSRV, Ttl: 120}, Port: port, Target: target}
}

func TestRecordsOfSeveralAnswersMakeOneSpeaker(t *testing.T) {
	const name = `Dr\.\032Who\027[31m._Sendspin._tcp.local.` // a dot, a space and a terminal's escape
	own := []netip.Prefix{netip.MustParsePrefix("192.168.1.5/24")}
	r := newRecords()
	r.take(&dns.Msg{Answer: []dns.RR{
		&dns.PTR{Hdr: dns.RR_Header{Name: "_sendspin._tcp.local.", Rrtype: dns.TypePTR, Ttl: 120}, Ptr: name},
		&dns.PTR{Hdr: dns.RR_Header{Name: "_sendspin._tcp.local.", Rrtype: dns.TypePTR}, Ptr: "Gone._sendspin._tcp.local."}, // a goodbye
		&dns.PTR{Hdr: dns.RR_Header{Name: "_ipp._tcp.local.", Rrtype: dns.TypePTR, Ttl: 120}, Ptr: "Printer._ipp._tcp.local."},
	}})
	if q := r.missing(); len(q) != 2 {
		t.Errorf("asks %v, want SRV and TXT", q)
	}
	r.take(&dns.Msg{Answer: []dns.RR{srv(name, 9000, "Who.local.")}})
	r.take(&dns.Msg{Extra: []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "who.LOCAL.", Rrtype: dns.TypeA, Ttl: 120}, A: net.IPv4(192, 168, 1, 9)},
		&dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Ttl: 120}, Txt: []string{"path=/p"}}}})
	if q := r.missing(); len(q) != 0 {
		t.Errorf("still asks %v", q)
	}
	all := r.list(discovery.DeviceType, "eth0", own)
	if len(all) != 1 || all[0].err != nil || all[0].Name != "Dr. Who[31m" || all[0].URLs[0] != "ws://192.168.1.9:9000/p" {
		t.Errorf("got %+v", all)
	}
}

func TestStrangersCannotFillTheMemory(t *testing.T) {
	r := newRecords()
	for i := range 3 * maxRecords {
		r.take(&dns.Msg{Answer: []dns.RR{srv(strconv.Itoa(i)+"._sendspin._tcp.local.", 1, "h.local."),
			&dns.A{Hdr: dns.RR_Header{Name: "h.local.", Rrtype: dns.TypeA, Ttl: 1}, A: net.IPv4(10, 0, byte(i>>8), byte(i))}}})
	}
	if len(r.instances) != maxRecords || len(r.srv) != maxRecords || len(r.addrs["h.local."]) > 16 {
		t.Errorf("%d instances, %d hosts, %d addresses", len(r.instances), len(r.srv), len(r.addrs["h.local."]))
	}
	if q := r.missing(); len(q) > 30 {
		t.Errorf("asks %d questions in one packet", len(q))
	}
}

package doctorcmd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"

	"github.com/tutti-audio/tutti/services/discovery"
)

const (
	// listenTime is how long the doctor listens on each interface: a device may wait up to
	// half a second before it answers, and Wi-Fi loses the first question now and then.
	listenTime = 3 * time.Second
	// askEvery is the time between two rounds of questions (RFC 6762: at least a second).
	askEvery = time.Second
	// maxDirect bounds how many neighbours are asked one by one.
	maxDirect = 64
	// maxTalkers bounds what is kept of who was heard.
	maxTalkers = 5000

	// allTypes is the question that every responder answers (RFC 6763, section 9).
	allTypes = "_services._dns-sd._udp"
)

// mdnsGroup is where mDNS speaks (RFC 6762).
func mdnsGroup() *net.UDPAddr { return &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353} }

type addrSet map[netip.Addr]bool

func (s addrSet) add(a netip.Addr) {
	if len(s) < maxTalkers {
		s[a] = true
	}
}

// heard is what came in on one interface. Three ways of asking tell where packets stop:
// an answer to the group needs multicast in both directions, an answer to our own port
// needs it outwards only, and one to a question that went to the neighbour alone needs none.
type heard struct {
	sendErr error // no multicast packet could be sent
	echo    bool  // our own question came back through the kernel
	// Addresses of others, by how they were heard.
	responders addrSet // answers to the group
	askers     addrSet // questions to the group
	unicast    addrSet // answers to our own port, to a question to the group
	direct     addrSet // answers to our own port, to a question to them alone
	records    records
}

// listener listens on one interface for listenTime.
type listener struct {
	iface      net.Interface
	addr       netip.Addr          // own IPv4 address
	own        []netip.Addr        // of all interfaces: what comes from there is no neighbour
	neighbours func() []netip.Addr // who is known to be on the link

	mu    sync.Mutex
	heard heard
}

// run asks and listens. Its error is that the interface cannot listen at all.
func (l *listener) run(ctx context.Context) (heard, error) {
	l.heard = heard{responders: addrSet{}, askers: addrSet{}, unicast: addrSet{}, direct: addrSet{}, records: newRecords()}
	group, err := net.ListenMulticastUDP("udp4", &l.iface, mdnsGroup())
	if err != nil {
		return heard{}, fmt.Errorf("cannot join 224.0.0.251:5353: %w", err)
	}
	defer group.Close()
	pc := ipv4.NewPacketConn(group)
	if err := errors.Join(pc.SetMulticastInterface(&l.iface), pc.SetMulticastLoopback(true)); err != nil {
		return heard{}, fmt.Errorf("cannot send multicast: %w", err)
	}
	// Linux gives every socket the packets of all interfaces. Where the system does not tell
	// which one it was, all count.
	_ = pc.SetControlMessage(ipv4.FlagInterface, true)
	toGroup, err := l.ownPort()
	if err != nil {
		return heard{}, err
	}
	defer toGroup.Close()
	toEach, err := l.ownPort()
	if err != nil {
		return heard{}, err
	}
	defer toEach.Close()

	mark := newMark()
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(ctx, listenTime)
	defer cancel()
	for _, c := range []struct {
		conn *net.UDPConn
		take func(m *dns.Msg, from netip.Addr)
	}{
		{group, func(m *dns.Msg, from netip.Addr) { l.fromGroup(m, from, mark) }},
		{toGroup, func(m *dns.Msg, from netip.Addr) { l.fromOne(m, from, l.heard.unicast) }},
		{toEach, func(m *dns.Msg, from netip.Addr) { l.fromOne(m, from, l.heard.direct) }},
	} {
		wg.Go(func() { l.read(c.conn, c.take) })
		stop := context.AfterFunc(ctx, func() { _ = c.conn.SetReadDeadline(time.Unix(1, 0)) }) // ends read
		defer stop()
	}
	l.ask(ctx, group, toGroup, toEach, mark)
	<-ctx.Done()
	wg.Wait()
	return l.heard, nil
}

// ownPort is a socket that is not mDNS's: answers to its questions come by unicast.
func (l *listener) ownPort() (*net.UDPConn, error) {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.addr, 0)))
	if err != nil {
		return nil, fmt.Errorf("cannot open a UDP port at %s: %w", l.addr, err)
	}
	if err := ipv4.NewPacketConn(c).SetMulticastInterface(&l.iface); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("cannot send multicast: %w", err)
	}
	return c, nil
}

// ask sends the rounds of questions.
func (l *listener) ask(ctx context.Context, group, toGroup, toEach *net.UDPConn, mark string) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for round := 0; ; round++ {
		err := l.send(group, mdnsGroup(), false, question(mark))
		if err == nil {
			err = l.send(group, mdnsGroup(), false, question(discovery.DeviceType), question(discovery.ServerType))
		}
		if err == nil {
			err = l.send(group, mdnsGroup(), false, question(allTypes))
		}
		l.mu.Lock()
		l.heard.sendErr = err
		open, silent := l.heard.records.missing(), len(l.heard.responders) == 0
		l.mu.Unlock()
		if len(open) > 0 {
			_ = l.send(group, mdnsGroup(), false, open...) // the next round asks again
		}
		if silent && round > 0 { // where do packets stop?
			_ = l.send(toGroup, mdnsGroup(), true, question(allTypes))
			l.askEach(toEach)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *listener) askEach(c *net.UDPConn) {
	all := l.neighbours()
	for _, a := range all[:min(len(all), maxDirect)] {
		_ = l.send(c, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 5353)), true, question(allTypes)) // who is gone does not answer
	}
}

// send sends one packet of questions; unicast asks for the answer at our port.
func (l *listener) send(c *net.UDPConn, to *net.UDPAddr, unicast bool, questions ...dns.Question) error {
	m := dns.Msg{Question: questions}
	if unicast {
		m.Question = slices.Clone(questions)
		for i := range m.Question {
			m.Question[i].Qclass |= 1 << 15 // "QU", RFC 6762, section 5.4
		}
	}
	b, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = c.WriteToUDP(b, to)
	return err
}

func question(kind string) dns.Question {
	return dns.Question{Name: kind + ".local.", Qtype: dns.TypePTR, Qclass: dns.ClassINET}
}

// newMark is a name that nobody answers to, by which our own packet is known again.
func newMark() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return "tutti-doctor-" + hex.EncodeToString(b[:])
}

// read hands on each packet that came in on the interface, until the socket's deadline.
func (l *listener) read(c *net.UDPConn, take func(m *dns.Msg, from netip.Addr)) {
	pc := ipv4.NewPacketConn(c)
	buf := make([]byte, 9000) // the largest mDNS packet
	for {
		n, cm, from, err := pc.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP message about an earlier packet
		}
		u, isUDP := from.(*net.UDPAddr)
		var m dns.Msg
		if !isUDP || cm != nil && cm.IfIndex != 0 && cm.IfIndex != l.iface.Index || m.Unpack(buf[:n]) != nil {
			continue
		}
		l.mu.Lock()
		take(&m, u.AddrPort().Addr().Unmap())
		l.mu.Unlock()
	}
}

func (l *listener) fromGroup(m *dns.Msg, from netip.Addr, mark string) {
	ours := slices.Contains(l.own, from)
	if ours && slices.ContainsFunc(m.Question, func(q dns.Question) bool { return q.Name == mark+".local." }) {
		l.heard.echo = true
	}
	if m.Response {
		l.heard.records.take(m) // a server on this machine counts, too
	}
	switch {
	case ours:
	case m.Response:
		l.heard.responders.add(from)
	default:
		l.heard.askers.add(from)
	}
}

// fromOne takes an answer by unicast.
func (l *listener) fromOne(m *dns.Msg, from netip.Addr, set addrSet) {
	if m.Response && !slices.Contains(l.own, from) {
		set.add(from)
		l.heard.records.take(m)
	}
}

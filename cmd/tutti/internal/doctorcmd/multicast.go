package doctorcmd

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
)

const (
	// echoWait is how long our own packet may take to come back through the kernel.
	echoWait = time.Second
	// echoTries: the first packet on a fresh membership is lost on some drivers.
	echoTries = 3

	adviceNoMulticast = "in a container use host networking; in a VM or over WiFi allow multicast; or name devices by address ('tutti add ws://host:8928/sendspin') and run with --mdns=false"
)

// mdnsGroup is where mDNS speaks (RFC 6762).
func mdnsGroup() *net.UDPAddr { return &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353} }

// checkMulticast tries on each network interface to join the mDNS group and to
// hear a question of its own.
func checkMulticast(ctx context.Context, s settings) []Result {
	const name = "multicast"
	if !s.MDNS {
		return []Result{{name, OK, "not needed: mDNS is off", ""}}
	}
	all, err := net.Interfaces()
	if err != nil {
		return []Result{{name, Fail, "the network interfaces cannot be listed: " + err.Error(), adviceNoMulticast}}
	}
	var out []Result
	works := 0
	for _, i := range all {
		if !usable(i) {
			continue
		}
		r := probe(ctx, i)
		if r.Level == OK {
			works++
		}
		out = append(out, r)
	}
	switch {
	case len(out) == 0:
		return []Result{{name, Fail, "no network interface is up that has an IPv4 address and carries multicast", adviceNoMulticast}}
	case works == 0:
		for i := range out {
			out[i].Level = Fail
		}
	}
	return out
}

// usable tells the interfaces on which devices may be.
func usable(i net.Interface) bool {
	if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagLoopback != 0 {
		return false
	}
	return ipv4Of(i) != nil
}

func ipv4Of(i net.Interface) net.IP {
	addrs, err := i.Addrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
			return n.IP
		}
	}
	return nil
}

// probe asks a question that nobody can answer and waits to hear it.
func probe(ctx context.Context, i net.Interface) Result {
	r := Result{Check: "multicast " + i.Name}
	conn, err := net.ListenMulticastUDP("udp4", &i, mdnsGroup())
	if err != nil {
		r.Level, r.Found, r.Advice = Warn, "cannot join 224.0.0.251:5353: "+plainErr(err), adviceJoin(err)
		return r
	}
	defer conn.Close()
	p := ipv4.NewPacketConn(conn)
	if err := errors.Join(p.SetMulticastInterface(&i), p.SetMulticastLoopback(true)); err != nil {
		r.Level, r.Found, r.Advice = Warn, "cannot send multicast: "+plainErr(err), adviceNoMulticast
		return r
	}
	question, mark, err := mdnsQuestion()
	if err != nil {
		r.Level, r.Found = Warn, "no question could be made: "+err.Error()
		return r
	}
	for range echoTries {
		if _, err = conn.WriteToUDP(question, mdnsGroup()); err != nil {
			continue
		}
		if hear(ctx, conn, mark) {
			r.Level, r.Found = OK, fmt.Sprintf("joined 224.0.0.251:5353 as %s and heard its own packet", ipv4Of(i))
			return r
		}
	}
	r.Level, r.Advice = Warn, adviceNoMulticast
	if err != nil {
		r.Found = "a multicast packet cannot be sent: " + plainErr(err)
		if errors.Is(err, syscall.ENETUNREACH) {
			r.Advice = "there is no route for multicast: ip route add 224.0.0.0/4 dev " + i.Name
		}
		return r
	}
	r.Found, r.Advice = "its own multicast packet did not come back", "let UDP port 5353 pass the firewall; "+adviceNoMulticast
	return r
}

// mdnsQuestion is a well-formed question for a service type of our own, with the
// bytes to recognise it by.
func mdnsQuestion() (packet, mark []byte, err error) {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	label := "tutti-doctor-" + hex.EncodeToString(b[:])
	name, err := dnsmessage.NewName(label + ".local.")
	if err != nil {
		return nil, nil, err
	}
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}}}
	packet, err = m.Pack()
	return packet, []byte(label), err
}

func hear(ctx context.Context, conn *net.UDPConn, mark []byte) bool {
	until := time.Now().Add(echoWait)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	_ = conn.SetReadDeadline(until)
	buf := make([]byte, 9000)
	for {
		n, _, err := conn.ReadFromUDP(buf)
		if err != nil {
			return false
		}
		if bytes.Contains(buf[:n], mark) {
			return true
		}
	}
}

func adviceJoin(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program holds UDP port 5353 for itself (ss -ulpn 'sport = :5353'): stop it, or let it share the port"
	case errors.Is(err, os.ErrPermission):
		return "run as a user who may use multicast, or give the container the capability"
	}
	return adviceNoMulticast
}

// plainErr drops the addresses that net repeats.
func plainErr(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return strings.TrimPrefix(err.Error(), "setsockopt: ")
}

package dnssd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"

	"github.com/tutti-audio/tutti/services/discovery/internal/mdns"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

const (
	// askTime bounds one question to one server.
	askTime = 3 * time.Second
	// udpSize is the largest answer by UDP; it crosses every network in one piece. A longer
	// one comes by TCP.
	udpSize    = 1232
	resolvConf = "/etc/resolv.conf"
)

// asker puts questions to a DNS server.
type asker struct {
	service string // "_sendspin._tcp.players.example."
	server  string
	conf    string
}

func newAsker(s Source, conf string) *asker {
	if conf == "" {
		conf = resolvConf
	}
	return &asker{service: mdns.ClientType + "." + s.Domain, server: s.Server, conf: conf}
}

// servers are those to ask, in order. The system's may change while we run.
func (a *asker) servers() ([]string, error) {
	if a.server != "" {
		return []string{a.server}, nil
	}
	conf, err := dns.ClientConfigFromFile(a.conf)
	if err != nil {
		return nil, fmt.Errorf("dnssd: the system's DNS servers: %w", err)
	}
	var out []string
	for _, s := range conf.Servers {
		out = append(out, net.JoinHostPort(s, conf.Port))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("dnssd: %s names no DNS server", a.conf)
	}
	return out, nil
}

// query asks one question; the first server that answers counts.
func (a *asker) query(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	servers, err := a.servers()
	if err != nil {
		return nil, err
	}
	for _, s := range servers {
		m, failed := exchange(ctx, s, name, kind)
		if failed == nil {
			return m, nil
		}
		err = errors.Join(err, failed)
	}
	return nil, err
}

func exchange(ctx context.Context, server, name string, kind uint16) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	q.SetEdns0(udpSize, false)
	fail := func(err error) (*dns.Msg, error) {
		return nil, fmt.Errorf("dnssd: ask %s for %s %s: %w", server, dns.TypeToString[kind], name, err)
	}
	m, err := one(ctx, "udp", q, server)
	if err == nil && m.Truncated {
		m, err = one(ctx, "tcp", q, server)
	}
	if err != nil {
		return fail(err)
	}
	if err := check(m, q.Question[0]); err != nil {
		return fail(err)
	}
	return m, nil
}

func one(ctx context.Context, network string, q *dns.Msg, server string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	c := dns.Client{Net: network, Timeout: askTime, UDPSize: udpSize}
	m, _, err := c.ExchangeContext(ctx, q, server)
	return m, err
}

// instances are the names of the domain's players, and how long that holds.
func (a *asker) instances(ctx context.Context) ([]string, time.Duration, error) {
	m, err := a.query(ctx, a.service, dns.TypePTR)
	if err != nil {
		return nil, 0, err
	}
	names, ttl := instances(m, a.service)
	return names, ttl, nil
}

// device asks for all of one instance; nil: it has no place.
func (a *asker) device(ctx context.Context, name string) (*record.Raw, time.Duration, error) {
	m, err := a.query(ctx, name, dns.TypeSRV)
	if err != nil {
		return nil, 0, err
	}
	host, port, ttl := place(m, name)
	if host == "" {
		return nil, 0, nil
	}
	raw := &record.Raw{Instance: label(name), Port: port}
	if m, err = a.query(ctx, name, dns.TypeTXT); err != nil {
		return nil, 0, err
	}
	var t time.Duration
	raw.Text, t = text(m, name)
	ttl = min(ttl, t)
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if m, err = a.query(ctx, host, kind); err != nil {
			return nil, 0, err
		}
		addrs, t := addresses(m, host, kind)
		raw.Addresses, ttl = append(raw.Addresses, addrs...), min(ttl, t)
	}
	return raw, ttl, nil
}

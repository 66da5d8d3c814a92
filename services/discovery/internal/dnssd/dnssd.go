// Package dnssd finds devices by unicast DNS-SD (RFC 6763): it asks a DNS server for the
// players of a domain, again and again. That reaches what multicast does not: other VLANs,
// and the inside of a container or a pod.
//
// An answer is a hint like an mDNS record, and as little trusted: names of other domains,
// loops of aliases and addresses outside of private networks are passed over.
package dnssd

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/discovery/internal/mdns"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

const (
	// minInterval and maxInterval bound how often a domain is asked, whatever the answers'
	// TTL says.
	minInterval = 10 * time.Second
	maxInterval = 5 * time.Minute
	// nobodyInterval is how often a domain without players is asked.
	nobodyInterval = time.Minute
	// kept is how long a device counts that could not be asked for again: three rounds
	// without an answer of the server take no device away.
	kept = 3 * maxInterval
	// roundTime bounds one round, in real time as the network is.
	roundTime = time.Minute
)

// Source is a domain, and who is asked for it.
type Source struct {
	Domain string // "players.example.", absolute
	Server string // host:port; "" is the system's
}

// ParseSource reads DOMAIN[@SERVER[:PORT]].
func ParseSource(s string) (Source, error) {
	domain, server, given := strings.Cut(strings.TrimSpace(s), "@")
	name := dns.CanonicalName(domain)
	if domain == "" || name == "." || strings.ContainsAny(domain, `\ /:"`) {
		return Source{}, fault.New(fault.OutOfRange, "want a domain, as in players.example or players.example@10.0.0.1")
	}
	if _, ok := dns.IsDomainName(mdns.ClientType + "." + name); !ok {
		return Source{}, fault.New(fault.OutOfRange, "%q is no domain name", domain)
	}
	if name == "local." {
		return Source{}, fault.New(fault.OutOfRange, "%q belongs to mDNS; a DNS server has a domain of its own", domain)
	}
	if !given {
		return Source{Domain: name}, nil
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil { // no port
		host, port = strings.Trim(server, "[]"), "53"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return Source{}, fault.New(fault.OutOfRange, "port %q of the DNS server is none", port)
	}
	if _, ok := dns.IsDomainName(host); host == "" || !ok && net.ParseIP(host) == nil || strings.ContainsAny(host, "@ /") {
		return Source{}, fault.New(fault.OutOfRange, "%q is no DNS server", server)
	}
	return Source{Domain: name, Server: net.JoinHostPort(host, port)}, nil
}

// Options of Start.
type Options struct {
	Source  Source
	Clock   clockwork.Clock
	Log     *slog.Logger
	Metrics *Metrics
	// Every is how often a device that is known is said to be there: the list takes one for
	// absent of which it hears nothing for a while.
	Every time.Duration
	// ResolvConf names the system's DNS servers; "" is /etc/resolv.conf.
	ResolvConf string
	Seen       func(ctx context.Context, o record.Observation) error
}

// Metrics of all domains.
type Metrics struct {
	rounds  *prometheus.CounterVec
	records *prometheus.CounterVec
}

// NewMetrics registers them; r may be nil.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		rounds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tutti_discovery_dnssd_rounds_total", Help: "Rounds of questions to DNS servers, by result."}, []string{"result"}),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tutti_discovery_dnssd_records_total", Help: "Devices that DNS servers named, by what became of the record."}, []string{"result"}),
	}
	if r != nil {
		r.MustRegister(m.rounds, m.records)
	}
	return m
}

// Start asks until stop, which waits for the end.
func Start(ctx context.Context, o Options) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	l := &lookout{o: o, ask: newAsker(o.Source, o.ResolvConf), known: map[string]known{}, pause: minInterval}
	go func() {
		defer close(done)
		l.run(ctx)
	}()
	return func() { cancel(); <-done }
}

// known is a device of an answer.
type known struct {
	o     record.Observation
	until time.Time // a domain whose server is silent keeps it until then
}

// lookout is the state of one domain; its goroutine alone touches it.
type lookout struct {
	o       Options
	ask     *asker
	known   map[string]known // by instance name
	failing bool
	pause   time.Duration // before the next try after a failure
}

func (l *lookout) run(ctx context.Context) {
	next := l.o.Clock.Now()
	for ctx.Err() == nil {
		if now := l.o.Clock.Now(); !now.Before(next) {
			next = now.Add(l.round(ctx, now))
		}
		l.tell(ctx)
		select {
		case <-l.o.Clock.After(min(next.Sub(l.o.Clock.Now()), l.o.Every)):
		case <-ctx.Done():
		}
	}
}

// tell says of every device that it is there.
func (l *lookout) tell(ctx context.Context) {
	now := l.o.Clock.Now()
	for name, k := range l.known {
		if now.After(k.until) {
			delete(l.known, name)
			continue
		}
		_ = l.o.Seen(ctx, k.o) // fails only at the end
	}
}

// round asks for everything once, and says when to ask again.
func (l *lookout) round(ctx context.Context, now time.Time) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	names, ttl, err := l.ask.instances(ctx)
	if err == nil {
		there := map[string]bool{}
		for _, name := range names {
			there[name] = true
		}
		for name := range l.known {
			if !there[name] {
				delete(l.known, name)
			}
		}
		ttl, err = l.devices(ctx, names, ttl, now)
	}
	if ctx.Err() != nil && err == nil {
		err = ctx.Err()
	}
	l.report(ctx, err, len(names))
	if err != nil {
		defer func() { l.pause = min(2*l.pause, maxInterval) }()
		return l.pause
	}
	l.pause = minInterval
	return min(max(ttl, minInterval), maxInterval)
}

// devices asks for each instance; the shortest TTL counts. A server that falls silent is
// not asked for the others.
func (l *lookout) devices(ctx context.Context, names []string, ttl time.Duration, now time.Time) (time.Duration, error) {
	for _, name := range names {
		raw, t, err := l.ask.device(ctx, name)
		switch {
		case err != nil:
			return 0, err
		case raw == nil: // it is named, and not there
			delete(l.known, name)
			continue
		}
		ttl = min(ttl, t)
		o, err := record.Parse(*raw, record.Network{})
		if err != nil {
			delete(l.known, name)
			l.o.Metrics.records.WithLabelValues("rejected").Inc()
			l.o.Log.Debug("record refused", "domain", l.o.Source.Domain, obs.KeyName, record.CleanName(record.Unescape(raw.Instance)), obs.KeyErr, err)
			continue
		}
		l.o.Metrics.records.WithLabelValues("accepted").Inc()
		o.Key, o.Via = record.DNSKey(name), record.ViaDNSSD
		l.known[name] = known{o, now.Add(kept)}
	}
	return ttl, nil
}

// report counts, and logs what is new.
func (l *lookout) report(ctx context.Context, err error, n int) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	l.o.Metrics.rounds.WithLabelValues(result).Inc()
	switch {
	case err != nil && !l.failing && ctx.Err() != context.Canceled:
		l.o.Log.Warn("no answer to DNS-SD, trying again", "domain", l.o.Source.Domain, "server", l.o.Source.Server, obs.KeyErr, err)
		l.failing = true
	case err == nil && l.failing:
		l.o.Log.Info("DNS-SD works again", "domain", l.o.Source.Domain, obs.KeyCount, n)
		l.failing = false
	}
}

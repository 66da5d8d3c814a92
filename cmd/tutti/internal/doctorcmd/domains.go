package doctorcmd

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/tutti-audio/tutti/services/discovery"
)

// domainTime bounds what is asked of one domain's DNS server; the domains are asked side by
// side.
const domainTime = 5 * time.Second

// askDomains asks for the players of the domains of --dns-sd.
func askDomains(ctx context.Context, domains []string, p progress) (named []target, out []Result) {
	if len(domains) == 0 {
		return nil, nil
	}
	p.say("asking DNS servers for players, domains: %d", len(domains))
	defer p.end()
	ctx, cancel := context.WithTimeout(ctx, domainTime)
	defer cancel()
	answers := make([]answer, len(domains))
	var wg sync.WaitGroup
	for i, d := range domains {
		wg.Go(func() { answers[i] = ask(ctx, d) })
	}
	wg.Wait()
	for _, a := range answers {
		out = append(out, a.judge()...)
		named = union(named, a.targets())
	}
	return named, out
}

// answer is what a DNS server says of a domain.
type answer struct {
	domain  string // as it was written
	players []discovery.DomainPlayer
	bad     error // the domain cannot be asked for
	err     error // no answer, or none to the end
}

func ask(ctx context.Context, domain string) answer {
	a := answer{domain: domain}
	if a.bad = discovery.CheckDomain(domain); a.bad == nil {
		a.players, a.err = discovery.LookUp(ctx, domain)
	}
	return a
}

// judge says whether the records are as the server needs them.
func (a answer) judge() (out []Result) {
	name, server, given := strings.Cut(strings.TrimSpace(a.domain), "@")
	r := Result{Check: "dns-sd " + discovery.CleanName(name), Level: OK}
	service := discovery.DeviceType + "." + strings.TrimSuffix(name, ".")
	who, port := "the system's DNS server", "53"
	if given {
		who = "the DNS server " + server
		if _, p, err := net.SplitHostPort(server); err == nil {
			port = p
		}
	}
	well := 0
	for _, p := range a.players {
		if p.Err == nil {
			well++
		}
	}
	switch {
	case a.bad != nil:
		r.Level, r.Found, r.Advice = Fail, a.bad.Error(), "write --dns-sd DOMAIN or DOMAIN@SERVER[:PORT]"
	case a.err != nil:
		r.Level, r.Found = Fail, who+" gives no answer that can be used: "+strings.ReplaceAll(strings.TrimPrefix(a.err.Error(), "dnssd: "), "\n", "; ")
		r.Advice = "let UDP and TCP port " + port + " pass from this machine to it, and see that it runs"
		if !given {
			r.Advice = lines(r.Advice, "name the one that knows the domain: --dns-sd "+name+"@SERVER")
		}
	case len(a.players) == 0:
		r.Level, r.Found = Warn, who+" answers, and knows no player of "+service
		r.Advice = "publish them there: for each player a PTR record of " + service + ", and its SRV, TXT and A records (docs/operations.md)"
	case well == 0:
		r.Level, r.Found, r.Advice = Warn, fmt.Sprintf("%s names %s of %s, and none that the server would dial", who, plural(len(a.players), "player"), service), "as below"
	default:
		r.Found = fmt.Sprintf("%s names %s of %s", who, plural(len(a.players), "player"), service)
		if bad := len(a.players) - well; bad > 0 {
			r.Found += fmt.Sprintf(", %d of them in a way that cannot be used", bad)
		}
	}
	out = append(out, r)
	for _, p := range a.players {
		if p.Err != nil && len(out) <= maxShown {
			out = append(out, Result{"speaker " + p.Name, Warn, fmt.Sprintf("named by the domain %s, and passed over by the server: %v", name, p.Err),
				"correct its records there; addresses have to be private ones (docs/operations.md shows a zone file)"})
		}
	}
	return out
}

// targets are the addresses of the players that the server would dial.
func (a answer) targets() (out []target) {
	for _, p := range a.players {
		if p.Err != nil {
			continue
		}
		for _, u := range p.URLs {
			out = append(out, target{name: p.Name, url: u})
		}
	}
	return out
}

// union adds those of b whose address is not in a.
func union(a, b []target) []target {
	known := map[string]bool{}
	for _, t := range a {
		known[t.url] = true
	}
	for _, t := range b {
		if !known[t.url] {
			known[t.url] = true
			a = append(a, t)
		}
	}
	return a
}

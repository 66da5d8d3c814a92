package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/tutti-audio/tutti/services/discovery/internal/mdns"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

// fakeNet is a multicast network in memory.
type fakeNet struct {
	mu      sync.Mutex
	links   []mdns.Link
	devices map[string]record.Raw // what answers, by instance
	adverts map[string]string     // "link instance" -> port and TXT
	rounds  map[int]*round
	n       int
	broken  bool            // nothing can be opened
	failed  map[string]bool // links on which the newest browse could not be opened
}

type round struct {
	link  string
	heard func(context.Context, record.Raw)
	ctx   context.Context
}

func newFakeNet(links ...string) *fakeNet {
	f := &fakeNet{devices: map[string]record.Raw{}, adverts: map[string]string{}, rounds: map[int]*round{}, failed: map[string]bool{}}
	f.setLinks(links...)
	return f
}

// setLinks takes "name prefix" strings.
func (f *fakeNet) setLinks(links ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links = nil
	for _, l := range links {
		name, prefix, _ := strings.Cut(l, " ")
		f.links = append(f.links, mdns.Link{Name: name, Index: len(f.links) + 1, Prefixes: []netip.Prefix{netip.MustParsePrefix(prefix)}})
	}
}

func (f *fakeNet) Links() ([]mdns.Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.links), nil
}

func (f *fakeNet) Browse(link mdns.Link, heard func(context.Context, record.Raw)) (func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed[link.Name] = f.broken
	if f.broken {
		return nil, errors.New("no such device")
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.n++
	id := f.n
	f.rounds[id] = &round{link.Name, heard, ctx}
	var wg sync.WaitGroup
	for _, raw := range f.devices {
		if raw.Interface == link.Name {
			wg.Go(func() { heard(ctx, raw) })
		}
	}
	return func() {
		f.mu.Lock()
		delete(f.rounds, id)
		f.mu.Unlock()
		cancel()
		wg.Wait()
	}, nil
}

func (f *fakeNet) Advertise(link mdns.Link, a mdns.Advert) (func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return nil, errors.New("no such device")
	}
	key := link.Name + " " + a.Instance
	f.adverts[key] = fmt.Sprint(a.Port, a.Text)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.adverts, key)
	}, nil
}

// announce makes a device answer from now on, and tells running rounds.
func (f *fakeNet) announce(raw record.Raw) {
	f.mu.Lock()
	f.devices[raw.Instance] = raw
	var listeners []*round
	for _, r := range f.rounds {
		if r.link == raw.Interface {
			listeners = append(listeners, r)
		}
	}
	f.mu.Unlock()
	for _, r := range listeners {
		r.heard(r.ctx, raw)
	}
}

func (f *fakeNet) silence(instance string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.devices, instance)
}

// answering are the devices that a browse hears again. What leads back to this host is none.
func (f *fakeNet) answering() (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, raw := range f.devices {
		own := slices.ContainsFunc(f.links, func(l mdns.Link) bool {
			return slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool { return slices.Contains(raw.Addresses, p.Addr()) })
		})
		heard := false
		for _, r := range f.rounds {
			heard = heard || raw.Interface == r.link && !f.failed[r.link]
		}
		if heard && !own {
			names = append(names, name)
		}
	}
	return names
}

func (f *fakeNet) running() (rounds int, adverts map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	adverts = map[string]string{}
	for k, v := range f.adverts {
		adverts[k] = v
	}
	return len(f.rounds), adverts
}

func device(instance, ip, link string) record.Raw {
	return record.Raw{Instance: instance, Port: 8928, Text: []string{"path=/sendspin", "name=" + instance},
		Addresses: []netip.Addr{netip.MustParseAddr(ip)}, Interface: link}
}

// Package radio speaks mDNS on every network interface: it browses for devices and
// advertises this host's gateways, and follows interfaces as they come, go and
// change their addresses.
package radio

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/discovery/internal/mdns"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

// Options of a radio.
type Options struct {
	Net        mdns.Net
	Clock      clockwork.Clock
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Only restricts the radio to these interfaces; empty: all.
	Only []string
	// HostHint tells this host's advertisements from other hosts'; letters and digits.
	HostHint string
	// Poll is how often interfaces are looked at; Round how long one browse lasts.
	Poll, Round time.Duration
	// Seen hears of every device whose record is sound.
	Seen func(ctx context.Context, o record.Observation) error
}

// Gateway is a session-gateway of this host.
type Gateway struct {
	ID   string
	Port int
	Path string
}

// Server is what the advertisements say of the deployment.
type Server struct {
	Name   string
	Policy string // "required" or "optional"
}

// Radio is the address of the radio's actor.
type Radio struct{ ref *actor.Ref[any] }

// Messages of the actor.
type (
	poll     struct{}
	gateways struct{ list []Gateway }
	server   struct{ s Server }
	heard    struct{ raw record.Raw }
)

// Spawn starts the radio under s.
func Spawn(s *actor.Supervisor, o Options) (*Radio, error) {
	m := newMetrics(o.Registerer)
	ref, err := actor.Spawn(s, actor.Options{Key: "radio", Size: 256}, func(self *actor.Ref[any]) actor.Handler[any] {
		return &handler{o: o, self: self, m: m, stations: map[string]*station{}}
	})
	if err != nil {
		return nil, err
	}
	return &Radio{ref}, nil
}

// SetGateways replaces the list of this host's gateways.
func (r *Radio) SetGateways(ctx context.Context, list []Gateway) error {
	return r.ref.Send(ctx, gateways{list})
}

// SetServer replaces what is said of the deployment.
func (r *Radio) SetServer(ctx context.Context, s Server) error { return r.ref.Send(ctx, server{s}) }

// handler is the state of the radio's actor.
type handler struct {
	o        Options
	self     *actor.Ref[any]
	m        *metrics
	stations map[string]*station // by interface
	gateways []Gateway
	server   Server
	untick   func()
	lastErr  string // of listing interfaces, to log a change once
}

// station is one interface.
type station struct {
	link    mdns.Link
	browser *browser
	adverts map[string]*advert // by gateway
}

// Start implements actor.Lifecycle.
func (h *handler) Start(ctx context.Context) error { h.poll(ctx); return nil }

// Close implements actor.Lifecycle: it says goodbye on all interfaces.
func (h *handler) Close(context.Context) {
	if h.untick != nil {
		h.untick()
	}
	for name := range h.stations {
		h.drop(name)
	}
}

// Handle implements actor.Handler.
func (h *handler) Handle(ctx context.Context, m any) error {
	switch m := m.(type) {
	case poll:
		h.poll(ctx)
	case gateways:
		h.gateways = m.list
		h.advertise()
	case server:
		h.server = m.s
		h.advertise()
	case heard:
		h.heard(ctx, m.raw)
	}
	return nil
}

// poll follows the interfaces.
func (h *handler) poll(ctx context.Context) {
	h.untick = actor.After(h.self, h.o.Clock, h.o.Poll, any(poll{}))
	links, err := h.o.Net.Links()
	if err != nil {
		if err.Error() != h.lastErr {
			h.o.Log.Warn("network interfaces cannot be listed", obs.KeyErr, err)
			h.lastErr = err.Error()
		}
		return
	}
	h.lastErr = ""
	now := map[string]mdns.Link{}
	for _, l := range links {
		if h.wanted(l.Name) {
			now[l.Name] = l
		}
	}
	for name, st := range h.stations {
		if l, ok := now[name]; !ok || !l.Same(st.link) {
			h.o.Log.Info("interface gone or changed", obs.KeyIface, name)
			h.drop(name)
		}
	}
	for name, l := range now {
		if h.stations[name] == nil {
			h.o.Log.Info("interface in use", obs.KeyIface, name, "addresses", l.Prefixes)
			h.stations[name] = &station{link: l, adverts: map[string]*advert{},
				browser: startBrowser(ctx, h.o, h.m, l, h.hear)}
		}
	}
	h.m.interfaces.Set(float64(len(h.stations)))
	h.advertise()
}

func (h *handler) wanted(name string) bool {
	for _, n := range h.o.Only {
		if n == name {
			return true
		}
	}
	return len(h.o.Only) == 0
}

// drop ends everything on one interface.
func (h *handler) drop(name string) {
	st := h.stations[name]
	delete(h.stations, name)
	st.browser.end()
	for _, a := range st.adverts {
		a.stop()
	}
}

// hear runs on a browser's goroutine.
func (h *handler) hear(ctx context.Context, raw record.Raw) { _ = h.self.Send(ctx, heard{raw}) } // fails only at the end

// heard checks a record and passes it on.
func (h *handler) heard(ctx context.Context, raw record.Raw) {
	if h.ourOwn(raw) {
		return
	}
	o, err := record.Parse(raw, h.network(raw))
	if err != nil {
		h.m.records.WithLabelValues("rejected").Inc()
		h.o.Log.Debug("record refused", obs.KeyIface, raw.Interface, obs.KeyName, record.CleanName(record.Unescape(raw.Instance)), obs.KeyErr, err)
		return
	}
	h.m.records.WithLabelValues("accepted").Inc()
	_ = h.o.Seen(ctx, o) // fails only at the end
}

// network is the interface that the record belongs to. Linux hands a multicast
// packet to every socket of the host whatever its interface, so the addresses tell
// better than the socket that heard it.
func (h *handler) network(raw record.Raw) record.Network {
	for _, a := range raw.Addresses {
		for _, st := range h.stations {
			for _, p := range st.link.Prefixes {
				if p.Contains(a) && !a.IsLinkLocalUnicast() {
					return record.Network{Interface: st.link.Name, Prefixes: st.link.Prefixes}
				}
			}
		}
	}
	n := record.Network{Interface: raw.Interface}
	if st := h.stations[raw.Interface]; st != nil {
		n.Prefixes = st.link.Prefixes
	}
	return n
}

// ourOwn reports whether a record leads back to a gateway of this host.
func (h *handler) ourOwn(raw record.Raw) bool {
	for _, g := range h.gateways {
		if g.Port == raw.Port && h.local(raw.Addresses) {
			return true
		}
	}
	return false
}

// local reports whether one of the addresses is this host's.
func (h *handler) local(addrs []netip.Addr) bool {
	for _, a := range addrs {
		for _, st := range h.stations {
			for _, p := range st.link.Prefixes {
				if p.Addr() == a {
					return true
				}
			}
		}
	}
	return false
}

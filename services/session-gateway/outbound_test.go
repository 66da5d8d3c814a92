package gateway

import (
	"fmt"
	"testing"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// dialling makes a rig dial.
func dialling(t *testing.T, b *bus.Conn, owner string) rigOption {
	lm, err := lease.NewManager(b, owner, lease.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return func(c *Config, d *Deps) { c.Dial = true; d.Leases = lm }
}

func newDiallingRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.stop()
	r.start(dialling(t, r.bus, "gw-1"), func(_ *Config, d *Deps) { d.Registerer = nil })
	return r
}

// sight puts a sighting in the bucket, as discovery does.
func (r *rig) sight(s *tuttiv1.Sighting) {
	r.t.Helper()
	b, err := bus.OpenBucket[tuttiv1.Sighting](r.t.Context(), r.bus, subject.BucketSightings, bus.BucketOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := b.Put(r.t.Context(), s.GetKey(), s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) waitConnected(d *device, yes bool) *tuttiv1.ClientPresence {
	r.t.Helper()
	return r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetConnected() != yes {
			return fmt.Sprintf("connected %v, want %v: %s", p.GetConnected(), yes, p.String())
		}
		return ""
	})
}

func TestOutboundSessionOutlivesItsSighting(t *testing.T) {
	r := newDiallingRig(t)
	d := newDevice(r)
	url := d.listen()
	r.sight(&tuttiv1.Sighting{Key: "mdns/a", Url: url, Present: true, Appearances: 1})
	p := r.waitConnected(d, true)
	if p.GetConnection() != "outbound" || p.GetUrl() != url {
		t.Errorf("presence: %v", p)
	}
	// The record vanishes, then comes at another address: the session stays, and
	// the device is not dialled twice.
	r.sight(&tuttiv1.Sighting{Key: "mdns/a", Url: url, Present: false, Appearances: 1})
	r.sight(&tuttiv1.Sighting{Key: "mdns/b", Url: d.listenToo(), Present: true, Appearances: 1})
	eventually(t, func() string {
		if n := d.openings(); n < 2 {
			return fmt.Sprintf("%d openings", n)
		}
		return ""
	})
	d.settle(r)
	if err := d.ended(); err != nil {
		t.Errorf("the session ended: %v", err)
	}
	if q := r.presence(d.id()); q.GetSessionId() != p.GetSessionId() {
		t.Errorf("the session was replaced by %v", q)
	}
	d.clean()
}

// listenToo is a second address of the same device; connections to it must not
// become sessions.
func (d *device) listenToo() string {
	return d.serve(func(t channel.Transport) {
		conn, err := channel.OpenClient(d.t.Context(), t, d.clientConfig())
		if err == nil {
			d.fault("the device was secured a second time")
			_ = conn.CloseNow()
		}
	})
}

func TestRedialByGoodbye(t *testing.T) {
	r := newDiallingRig(t)
	for reason, again := range map[string]bool{"restart": true, "": true, "shutdown": false, "another_server": false} {
		t.Run("goodbye "+reason, func(t *testing.T) {
			d := newDevice(r)
			s := &tuttiv1.Sighting{Key: "static/" + d.id(), Url: d.listen(), Present: true, Appearances: 1}
			r.sight(s)
			first := r.waitConnected(d, true)
			waitType[*wire.ServerActivate](d, 1)
			if reason != "" {
				d.send(&wire.ClientGoodbye{Reason: reason})
			} else {
				_ = d.conn.CloseNow()
			}
			r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
				if p.GetSessionId() == first.GetSessionId() && p.GetConnected() {
					return "the first session lives"
				}
				return ""
			})
			if !again {
				// Not by itself, but when it appears anew.
				s.Appearances = 2
				r.sight(s)
			}
			r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
				if !p.GetConnected() || p.GetSessionId() == first.GetSessionId() {
					return p.String()
				}
				return ""
			})
			d.clean()
		})
	}
}

func TestFailedDialShowsWhere(t *testing.T) {
	r := newDiallingRig(t)
	d := newDevice(r)
	url := d.serve(func(t channel.Transport) {
		conn, err := channel.OpenClient(d.t.Context(), t, d.clientConfig())
		if err == nil {
			_ = conn.CloseNow() // before client/hello
		}
	})
	r.sight(&tuttiv1.Sighting{Key: "static/x", Url: url, Present: true})
	p := r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetLastError() == "" {
			return p.String()
		}
		return ""
	})
	if p.GetConnected() || p.GetStage() != "waiting for client/hello" || p.GetUrl() != url {
		t.Errorf("presence: %v", p)
	}
}

package gateway

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// tune writes what the operator sets, as the stream service does; nil takes it back.
func (r *rig) tune(client string, v *tuttiv1.ClientTuning) {
	r.t.Helper()
	b, err := bus.OpenBucket[tuttiv1.ClientTuning](r.t.Context(), r.bus, subject.BucketTuning, bus.BucketOptions{History: 1})
	if err != nil {
		r.t.Fatal(err)
	}
	if v == nil {
		err = b.Delete(r.t.Context(), client)
	} else {
		_, err = b.Put(r.t.Context(), client, v)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// handled returns when everything that the device has sent was handled and answered.
func (d *device) handled(r *rig) {
	d.t.Helper()
	d.settle(r)
	mark := fmt.Sprintf("g-%d", len(d.messages()))
	r.mustCommand(d.id(), groupCmd(mark, wire.PlaybackStopped))
	d.waitFor("group/update", func(m wire.Message) bool {
		g, ok := m.(*wire.GroupUpdate)
		return ok && g.GroupID == mark
	})
}

// volumes lists the volume commands so far, of all sessions.
func (d *device) volumes() (out []int) {
	for _, m := range d.messages() {
		if c, ok := m.(*wire.ServerCommand); ok && c.Player.Command == wire.PlayerVolume {
			out = append(out, *c.Player.Volume)
		}
	}
	return out
}

// report changes the player's state and sends it.
func (d *device) report(f func(p *wire.PlayerState)) {
	d.mu.Lock()
	p := *d.player
	f(&p)
	d.player = &p
	d.mu.Unlock()
	d.sendState()
}

func limited(p *tuttiv1.ClientPresence) *tuttiv1.VolumeLimits { return p.GetLimits() }

// TestNothingJumpsLoud holds the rule that no volume is ever set that nobody asked for,
// besides limits and the start-up volume.
func TestNothingJumpsLoud(t *testing.T) {
	loud := func(d *device) { d.player.Volume = ptr(100) }
	expect := func(t *testing.T, d *device, want ...int) {
		t.Helper()
		if got := d.volumes(); !slices.Equal(got, want) {
			t.Errorf("volumes that were set: %v, want %v", got, want)
		}
	}
	t.Run("power-on without limits", func(t *testing.T) {
		r := newRig(t)
		d := r.ready()
		d.handled(r)
		expect(t, d)
	})
	t.Run("power-on with limits and start-up volume", func(t *testing.T) {
		r := newRig(t)
		d := newDevice(r, loud)
		r.tune(d.id(), &tuttiv1.ClientTuning{ClientId: d.id(), VolumeMax: proto.Int32(60), VolumeStartup: proto.Int32(30)})
		eventually(t, func() string {
			if r.svc.tunings.get(d.id()) == nil {
				return "the gateway does not know the tuning"
			}
			return ""
		})
		d.join(r)
		r.waitPlayer(d)
		d.handled(r)
		expect(t, d, 30)
		d.report(func(p *wire.PlayerState) { p.Volume = ptr(30) })
		d.handled(r)
		expect(t, d, 30)
		if l := limited(r.presence(d.id())); l.GetMax() != 60 || l.GetStartup() != 30 {
			t.Errorf("presence shows the limits %v", l)
		}
	})
	t.Run("a reconnect within the limits", func(t *testing.T) {
		r := newRig(t)
		d := newDevice(r)
		r.tune(d.id(), &tuttiv1.ClientTuning{ClientId: d.id(), VolumeMax: proto.Int32(60)})
		for range 2 {
			d.join(r)
			r.waitPlayer(d)
			d.handled(r)
			_ = d.conn.CloseNow()
			r.waitConnected(d, false)
		}
		expect(t, d)
	})
	t.Run("a restart of the gateway", func(t *testing.T) {
		r := newRig(t)
		d := newDevice(r)
		r.tune(d.id(), &tuttiv1.ClientTuning{ClientId: d.id(), VolumeMax: proto.Int32(40)})
		r.stop()
		r.reg = nil
		r.start(func(_ *Config, deps *Deps) { deps.Registerer = nil })
		// The limits are known before the first session: 50 is brought down.
		d.join(r)
		r.waitPlayer(d)
		d.handled(r)
		expect(t, d, 40)
	})
	for name, lost := range map[string]func(r *rig, d *device){
		"a network that is lost": func(r *rig, d *device) {
			_ = d.conn.CloseNow()
			r.waitConnected(d, false)
		},
		"a restart with a start-up volume": func(r *rig, d *device) {
			r.stop()
			r.reg = nil
			r.start(func(_ *Config, deps *Deps) { deps.Registerer = nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			d := newDevice(r, loud)
			r.tune(d.id(), &tuttiv1.ClientTuning{ClientId: d.id(), VolumeStartup: proto.Int32(30)})
			eventually(t, func() string {
				if r.svc.tunings.get(d.id()) == nil {
					return "the gateway does not know the tuning"
				}
				return ""
			})
			keeps := func(want int32) {
				t.Helper()
				r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
					if p.GetKeptVolume() != want {
						return fmt.Sprintf("keeps %v, want %d", p.KeptVolume, want)
					}
					return ""
				})
			}
			back := func() {
				t.Helper()
				lost(r, d)
				// The gateway decides by what it has heard of its own records.
				last := r.presence(d.id())
				eventually(t, func() string {
					p, _ := r.svc.board.Lookup(d.id())
					known := &tuttiv1.ClientPresence{KeptVolume: p.Kept, OrderedVolume: p.Ordered}
					if p.Kept == nil || known.GetKeptVolume() != last.GetKeptVolume() || known.GetOrderedVolume() != last.GetOrderedVolume() {
						return "the gateway does not know what the player keeps"
					}
					return ""
				})
				d.join(r)
				r.waitPlayer(d)
				d.handled(r)
			}
			d.join(r)
			r.waitPlayer(d)
			d.handled(r)
			expect(t, d, 30) // the first appearance
			back()
			expect(t, d, 30, 30) // it never obeyed, so it is told again
			d.report(func(p *wire.PlayerState) { p.Volume = ptr(30) })
			d.report(func(p *wire.PlayerState) { p.Volume = ptr(45) }) // somebody chose it
			keeps(45)
			back()
			expect(t, d, 30, 30)
			with := func(volume int) {
				t.Helper()
				d.mu.Lock()
				p := *d.player
				p.Volume = ptr(volume)
				d.player = &p
				d.mu.Unlock()
			}
			r.mustCommand(d.id(), &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{
				Player: &tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Volume{Volume: 55}}}})
			d.handled(r)
			expect(t, d, 30, 30, 55)
			with(55) // it obeyed, and was lost before it could say so
			back()
			expect(t, d, 30, 30, 55)
			lost(r, d)
			with(100) // it was without power
			d.join(r)
			r.waitPlayer(d)
			d.handled(r)
			expect(t, d, 30, 30, 55, 30)
		})
	}
	t.Run("limits that come while it plays, and go", func(t *testing.T) {
		r := newRig(t)
		d := r.ready(loud)
		r.tune(d.id(), &tuttiv1.ClientTuning{ClientId: d.id(), VolumeMin: proto.Int32(10), VolumeMax: proto.Int32(60), VolumeStartup: proto.Int32(30)})
		d.waitFor("server/command", func(m wire.Message) bool { return m.Type() == wire.TypeServerCommand })
		d.report(func(p *wire.PlayerState) { p.Volume = ptr(60) })
		r.tune(d.id(), nil)
		r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
			if limited(p) != nil {
				return "still limited"
			}
			return ""
		})
		d.handled(r)
		expect(t, d, 60)
	})
	t.Run("a player gains volume support", func(t *testing.T) {
		r := newRig(t)
		d := r.ready(loud, func(d *device) { d.player.SupportedCommands = nil })
		d.report(func(p *wire.PlayerState) { p.SupportedCommands = []string{"volume", "mute"}; p.Muted = ptr(false) })
		d.handled(r)
		expect(t, d)
	})
	t.Run("unmute", func(t *testing.T) {
		r := newRig(t)
		d := r.ready(func(d *device) {
			d.player.SupportedCommands, d.player.Muted = []string{"volume", "mute"}, ptr(true)
		})
		r.mustCommand(d.id(), &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{
			Player: &tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Mute{Mute: false}}}})
		d.report(func(p *wire.PlayerState) { p.Muted = ptr(false) })
		d.handled(r)
		expect(t, d)
	})
	t.Run("another group, and regrouping in the stream", func(t *testing.T) {
		r := newRig(t)
		d := r.ready()
		begin := r.soon()
		for i, g := range []string{"g1", "g2", "g1"} {
			r.mustCommand(d.id(), groupCmd(g, wire.PlaybackPlaying))
			r.mustCommand(d.id(), startCmd(g, "r", uint64(i+1), begin))
		}
		d.handled(r)
		expect(t, d)
	})
}

func TestLimitsHoldForEveryCommand(t *testing.T) {
	r := newRig(t)
	d := r.ready()
	r.pairing.say(d.id(), "persona", &tuttiv1.AdmitResponse{State: approved, AllowedFamilies: allFamilies,
		Endpoint: &tuttiv1.Endpoint{PersonaId: "p-1", VolumeMax: proto.Int32(70)}})
	r.tune(d.id(), &tuttiv1.ClientTuning{ClientId: d.id(), VolumeMin: proto.Int32(20), VolumeMax: proto.Int32(80)})
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if l := limited(p); l.GetMin() != 20 || l.GetMax() != 70 {
			return fmt.Sprintf("limits %v", l)
		}
		return ""
	})
	for _, v := range []int32{0, 100, 50} {
		r.mustCommand(d.id(), &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{
			Player: &tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Volume{Volume: v}}}})
	}
	d.handled(r)
	if got, want := d.volumes(), []int{20, 70, 50}; !slices.Equal(got, want) {
		t.Errorf("volumes %v, want %v", got, want)
	}
	d.clean()
}

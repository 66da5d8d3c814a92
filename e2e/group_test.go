package e2e

import (
	"fmt"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// A limit holds for whatever asks for more: the group's volume, the client's own, a
// reconnection, a restart; the start-up volume is set once, at the start.
func TestLimitsHold(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		s := harness.StartServer(t, mode, harness.Options{})
		d := harness.NewDevice(t, "Bedroom", harness.FLAC44, harness.DeviceOptions{})
		other := harness.NewDevice(t, "Kitchen", harness.FLAC44, harness.DeviceOptions{})
		cut := d.Connect(t, s.Sendspin)
		other.Connect(t, s.Sendspin)
		id := approve(t, s, "Bedroom")
		g := group(t, s, "Upstairs", id, approve(t, s, "Kitchen"))
		s.Must(t, "PATCH", "/api/v1/clients/"+id, map[string]any{"volume_min": 10, "volume_max": 40, "volume_startup": 25}, nil)
		s.Must(t, "POST", "/api/v1/groups/"+g+"/volume", map[string]any{"volume": 100}, nil)
		wantVolume(t, d, 40)
		wantVolume(t, other, 100)
		s.Must(t, "POST", "/api/v1/groups/"+g+"/volume", map[string]any{"volume": 0}, nil)
		wantVolume(t, d, 10)
		wantVolume(t, other, 0)
		s.Must(t, "POST", "/api/v1/groups/"+g+"/volume", map[string]any{"volume": 70}, nil)
		wantVolume(t, d, 40)
		at40 := func() string {
			c, _ := s.ClientNamed(t, "Bedroom")
			switch {
			case !c.Connected || c.Player == nil || c.Player.Volume == nil:
				return fmt.Sprintf("connected %v, %+v", c.Connected, c.Player)
			case *c.Player.Volume != 40:
				return fmt.Sprintf("its volume is %d", *c.Player.Volume)
			}
			return ""
		}
		harness.Eventually(t, patience, "Bedroom has said that it is at 40", at40)
		// A lost network is no power-on: who comes back with the volume that was set keeps it.
		cut()
		cut = d.Connect(t, s.Sendspin)
		harness.Eventually(t, patience, "Bedroom is back at 40", at40)
		wantVolume(t, d, 40)
		// One that comes back with another volume was switched on.
		cut()
		if err := d.Client.SetVolume(90); err != nil {
			t.Fatal(err)
		}
		d.Connect(t, s.Sendspin)
		wantVolume(t, d, 25)
		for _, e := range d.Events() {
			if p, ok := e.(client.PlayerChanged); ok && p.ByServer && (p.Volume > 40 || p.Volume < 10) {
				t.Errorf("the server set the volume to %d, outside of 10 to 40", p.Volume)
			}
		}
	})
}

func wantVolume(t *testing.T, d *harness.Device, want int) {
	t.Helper()
	harness.Eventually(t, patience, fmt.Sprintf("%s is at volume %d", d.Name, want), func() string {
		if p, ok := harness.Last[client.PlayerChanged](d); !ok || p.Volume != want {
			return fmt.Sprintf("%d", p.Volume)
		}
		return ""
	})
}

// A wall controller goes around: to the group of several that plays, to the player that
// plays alone, and back to itself.
func TestSwitchGoesAround(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		harness.MusicFile(t, music, "long.flac", 60, 5)
		s := harness.StartServer(t, mode, harness.Options{Music: music, Args: []string{"--controller-policy", "approved"}})
		var ids []string
		for _, name := range []string{"Left", "Right", "Alone", "Wanderer"} {
			d := harness.NewDevice(t, name, harness.FLAC44, harness.DeviceOptions{})
			d.Connect(t, s.Sendspin)
			ids = append(ids, approve(t, s, name))
			if name != "Wanderer" {
				continue
			}
			hall := group(t, s, "Hall", ids[0], ids[1])
			alone, _ := s.ClientNamed(t, "Alone")
			own, _ := s.ClientNamed(t, "Wanderer")
			for _, g := range []string{hall, alone.GroupID} {
				s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "long.flac"}, nil)
			}
			harness.Eventually(t, patience, "both groups play", func() string { // who plays later is no place to go yet
				for _, g := range []string{hall, alone.GroupID} {
					if x := s.Group(t, g); x.PlaybackState != "playing" {
						return x.Name + " is " + x.PlaybackState
					}
				}
				return ""
			})
			for i, want := range []string{hall, alone.GroupID, own.GroupID, hall} {
				waitOffer(t, d, wire.ControlSwitch)
				if err := d.Client.SendCommand(wire.ControllerCommand{Command: wire.ControlSwitch}); err != nil {
					t.Fatal(err)
				}
				harness.Eventually(t, patience, fmt.Sprintf("switch %d", i+1), func() string {
					if g, ok := harness.Last[client.GroupChanged](d); !ok || g.Group.GroupID != want && !(want == own.GroupID && solo(s, t, g.Group.GroupID, ids[3])) {
						return fmt.Sprintf("in %s, want %s", g.Group.GroupID, want)
					}
					return ""
				})
			}
		}
	})
}

// solo reports whether a group is this client's alone.
func solo(s *harness.Server, t *testing.T, g, id string) bool {
	t.Helper()
	for _, x := range s.Groups(t) {
		if x.GroupID == g {
			return len(x.Members) == 1 && x.Members[0] == id
		}
	}
	return false
}

// waitOffer waits until the controller state lists a command.
func waitOffer(t *testing.T, d *harness.Device, command string) {
	t.Helper()
	harness.Eventually(t, patience, d.Name+" is offered "+command, func() string {
		c, ok := harness.Last[client.ControllerChanged](d)
		if !ok || c.State == nil {
			return "no controller state"
		}
		for _, o := range c.State.SupportedCommands {
			if o == command {
				return ""
			}
		}
		return fmt.Sprint(c.State.SupportedCommands)
	})
}

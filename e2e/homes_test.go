package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// The quiet hours of the zone in which a speaker is at home hold wherever a controller
// takes it: into a zone without quiet hours, out of every zone, after it has left by
// itself; and whoever sets the volume there. The operator's word alone ends that.
func TestQuietHoursHoldWhereverAControllerGoes(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		harness.MusicFile(t, music, "long.flac", 60, 5)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		device := func(name string, roles ...string) (*harness.Device, string) {
			d := harness.NewDevice(t, name, harness.FLAC44, harness.DeviceOptions{Buffer: 300_000, Roles: append(roles, wire.RolePlayerV1)})
			d.Connect(t, s.Sendspin)
			return d, approve(t, s, name)
		}
		d, id := device("Bar wall", wire.RoleControllerV1)
		left, leftID := device("Terrace left")
		right, rightID := device("Terrace right")
		s.Must(t, "POST", "/api/v1/clients/"+id+"/approve", map[string]any{"controller": true}, nil)
		awaitClient(t, s, "Bar wall", func(c harness.Client) bool { return slices.Contains(c.ActiveRoles, wire.RoleControllerV1) })
		bar, terrace := group(t, s, "Bar", id), group(t, s, "Terrace", leftID, rightID)
		var made struct {
			ScheduleID string `json:"schedule_id"`
		}
		s.Must(t, "POST", "/api/v1/schedules", map[string]any{"group_id": bar, "name": "Bar", "quiet_hours": []any{
			map[string]any{"days": strings.Fields("mon tue wed thu fri sat sun"), "start": "00:00", "end": "00:00", "max_volume": 25}}}, &made)
		isAt(t, d, 25, "quiet hours begin")
		before := len(d.Events())
		s.Must(t, "POST", "/api/v1/groups/"+terrace+"/play", map[string]any{"uri": "long.flac"}, nil)
		waitFrames(t, left, 4410)

		send := func(c wire.ControllerCommand) {
			t.Helper()
			waitOffer(t, d, c.Command) // what is not offered yet is dropped
			if err := d.Client.SendCommand(c); err != nil {
				t.Fatal(err)
			}
		}
		goes := func(what string, ok func(group string) bool) {
			t.Helper()
			awaitClient(t, s, "Bar wall", func(c harness.Client) bool { return ok(c.GroupID) })
		}
		// What the controller, the operator and a hand ask for in vain, and that the rest of
		// the group takes.
		loud := func(what string, others ...*harness.Device) {
			t.Helper()
			full := 100
			s.Must(t, "PATCH", "/api/v1/clients/"+id, map[string]any{"volume": 10}, nil)
			isAt(t, d, 10, what+": softer")
			send(wire.ControllerCommand{Command: wire.ControlVolume, Volume: &full})
			isAt(t, d, 25, what+": the controller wants 100")
			for _, o := range others {
				isAt(t, o, 100, what+": who is at home there")
			}
			s.Must(t, "PATCH", "/api/v1/clients/"+id, map[string]any{"volume": 12}, nil)
			isAt(t, d, 12, what+": softer")
			s.Must(t, "PATCH", "/api/v1/clients/"+id, map[string]any{"volume": 90}, nil)
			isAt(t, d, 25, what+": the operator wants 90")
			if err := d.Client.SetVolume(70); err != nil {
				t.Fatal(err)
			}
			isAt(t, d, 25, what+": a hand at the device")
		}
		send(wire.ControllerCommand{Command: wire.ControlSwitch})
		goes("to the terrace", func(g string) bool { return g == terrace })
		loud("on the terrace", left, right)
		if err := d.Client.Leave(); err != nil {
			t.Fatal(err)
		}
		goes("out of it by itself", func(g string) bool { return g != "" && g != terrace && g != bar })
		loud("alone after client/leave")
		send(wire.ControllerCommand{Command: wire.ControlSwitch}) // back, since it was there
		goes("back", func(g string) bool { return g == terrace })
		send(wire.ControllerCommand{Command: wire.ControlSwitch})
		goes("to be alone", func(g string) bool { return g != "" && g != terrace && g != bar })
		loud("alone after switch")
		for _, e := range d.Events()[before:] {
			if p, ok := e.(client.PlayerChanged); ok && p.ByServer && p.Volume > 25 {
				t.Errorf("the server set %d in quiet hours", p.Volume)
			}
		}

		s.Must(t, "PUT", "/api/v1/groups/"+terrace+"/members/"+id, nil, nil)
		s.Must(t, "POST", "/api/v1/groups/"+terrace+"/volume", map[string]any{"volume": 80}, nil)
		harness.Eventually(t, patience, "the operator has moved it for good", func() string {
			if p, _ := harness.Last[client.PlayerChanged](d); p.Volume <= 25 {
				return fmt.Sprintf("it is at %d", p.Volume)
			}
			return ""
		})
	})
}

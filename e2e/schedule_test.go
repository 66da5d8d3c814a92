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

// isAt waits until a device's volume is v.
func isAt(t *testing.T, d *harness.Device, v int, what string) {
	t.Helper()
	harness.Eventually(t, patience, what, func() string {
		p, ok := harness.Last[client.PlayerChanged](d)
		if !ok || p.Volume != v {
			return fmt.Sprintf("%s is at %d, want %d", d.Name, p.Volume, v)
		}
		return ""
	})
}

// Quiet hours hold whoever sets the volume: the daypart itself, the operator, another
// program, a controller, an announcement, a hand at the device, a device that joins. They
// leave the volume where it is when they end.
func TestQuietHoursHoldEveryHand(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		harness.MusicFile(t, music, "long.flac", 60, 5)
		harness.MusicFile(t, music, "bell.flac", 4, 6)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		roles := []string{wire.RolePlayerV1, wire.RoleControllerV1}
		d := harness.NewDevice(t, "Bar left", harness.FLAC44, harness.DeviceOptions{Buffer: 300_000, Roles: roles})
		late := harness.NewDevice(t, "Bar right", harness.FLAC44, harness.DeviceOptions{Buffer: 300_000})
		d.Connect(t, s.Sendspin)
		late.Connect(t, s.Sendspin)
		id, lateID := approve(t, s, "Bar left"), approve(t, s, "Bar right")
		s.Must(t, "POST", "/api/v1/clients/"+id+"/approve", map[string]any{"controller": true}, nil)
		awaitClient(t, s, "Bar left", func(c harness.Client) bool { return slices.Contains(c.ActiveRoles, wire.RoleControllerV1) })
		g := group(t, s, "Bar", id)
		base := "/api/v1/groups/" + g
		s.Must(t, "POST", base+"/volume", map[string]any{"volume": 90}, nil)
		isAt(t, d, 90, "loud, and nothing forbids it")

		days := strings.Fields("mon tue wed thu fri sat sun")
		var made struct {
			ScheduleID string `json:"schedule_id"`
		}
		s.Must(t, "POST", "/api/v1/schedules", map[string]any{"group_id": g, "name": "Bar",
			"dayparts":    []any{map[string]any{"name": "All day", "days": days, "start": "00:00", "end": "00:00", "uri": "long.flac", "volume": 80, "repeat": "all"}},
			"quiet_hours": []any{map[string]any{"days": days, "start": "00:00", "end": "00:00", "max_volume": 25}}}, &made)
		isAt(t, d, 25, "quiet hours begin, and the daypart wants more")
		waitFrames(t, d, 44100)
		before := len(d.Events())
		softly := func(what string) {
			t.Helper()
			s.Must(t, "POST", base+"/volume", map[string]any{"volume": 10}, nil)
			isAt(t, d, 10, "softer, before "+what)
		}

		softly("the operator")
		s.Must(t, "POST", base+"/volume", map[string]any{"volume": 100}, nil)
		isAt(t, d, 25, "the operator wants 100")
		softly("another program")
		s.Must(t, "PATCH", "/api/v1/clients/"+id, map[string]any{"volume": 90}, nil)
		isAt(t, d, 25, "one speaker alone is set to 90")
		softly("a controller")
		full := 100
		waitOffer(t, d, wire.ControlVolume) // what is not offered yet is dropped
		if err := d.Client.SendCommand(wire.ControllerCommand{Command: wire.ControlVolume, Volume: &full}); err != nil {
			t.Fatal(err)
		}
		isAt(t, d, 25, "a controller wants 100")
		if err := d.Client.SetVolume(70); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, patience, "a hand at the device is answered", func() string {
			seen := false
			for _, e := range d.Events() {
				p, ok := e.(client.PlayerChanged)
				seen = seen || ok && p.Volume == 70
				if ok && seen && p.Volume == 25 {
					return ""
				}
			}
			return "it stays loud"
		})
		softly("an announcement")
		asked := len(d.Events())
		var said struct {
			AnnouncementID string `json:"announcement_id"`
		}
		s.Must(t, "POST", base+"/announce", map[string]any{"uri": "bell.flac", "volume": 100}, &said)
		// It is over before a slow machine may look: what counts is that it was told.
		harness.Eventually(t, patience, "an announcement wants 100", func() string {
			for _, e := range d.Events()[asked:] {
				if p, ok := e.(client.PlayerChanged); ok && p.Volume == 25 {
					return ""
				}
			}
			var is any
			s.Must(t, "GET", base+"/announcements/"+said.AnnouncementID, nil, &is)
			return fmt.Sprintf("it was never set to 25: %v", is)
		})
		isAt(t, d, 10, "and is over")
		s.Must(t, "PUT", base+"/members/"+lateID, nil, nil)
		isAt(t, late, 25, "a loud one joins")
		for _, e := range d.Events()[before:] {
			if p, ok := e.(client.PlayerChanged); ok && p.ByServer && p.Volume > 25 {
				t.Errorf("the server set %d in quiet hours", p.Volume)
			}
		}

		s.Must(t, "DELETE", "/api/v1/schedules/"+made.ScheduleID, nil, nil)
		harness.Eventually(t, patience, "quiet hours are over", func() string {
			var v struct {
				VolumeCap *int `json:"volume_cap"`
			}
			s.Must(t, "GET", base, nil, &v)
			if v.VolumeCap != nil {
				return "there is a cap yet"
			}
			return ""
		})
		s.Must(t, "POST", base+"/volume", map[string]any{"volume": 60}, nil)
		harness.Eventually(t, patience, "it may be louder again", func() string {
			a, _ := harness.Last[client.PlayerChanged](d)
			b, _ := harness.Last[client.PlayerChanged](late)
			if a.Volume <= 25 || b.Volume <= 25 {
				return fmt.Sprintf("%d and %d", a.Volume, b.Volume)
			}
			return ""
		})
	})
}

package e2e

import (
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/client"
)

// One member's network goes away and comes back: the others get no new start, no
// end and no late chunk; the lost one joins the music again by itself.
func TestALostMemberStopsNobodyAndComesBack(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		harness.MusicFile(t, music, "long.flac", 60, 5)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		// No chunk is late for it because this machine is slow: it has a lead to spare.
		stays := harness.NewDevice(t, "Stays", harness.PCM44, harness.DeviceOptions{Buffer: 400_000, LeadMS: 1500, BufferMS: 1500})
		lost := harness.NewDevice(t, "Lost", harness.FLAC44, harness.DeviceOptions{Buffer: 300_000})
		stays.Connect(t, s.Sendspin)
		cut := lost.Connect(t, s.Sendspin)
		ids := []string{approve(t, s, "Stays"), approve(t, s, "Lost")}
		g := group(t, s, "Hall", ids...)
		s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "long.flac"}, nil)
		waitFrames(t, stays, 44100)
		waitFrames(t, lost, 44100)
		cut()
		waitFrames(t, stays, stays.Frames()+2*44100)
		if m := s.Group(t, g).Members; len(m) != 2 {
			t.Errorf("an absent member stays a member; the group has %d", len(m))
		}
		lost.Forget()
		lost.Connect(t, s.Sendspin)
		waitFrames(t, lost, 44100)
		if stays.Started() != 1 || stays.Ended() != 0 {
			t.Errorf("the member that stayed got %d stream/start and %d stream/end", stays.Started(), stays.Ended())
		}
		if st := stays.Client.Stats(); st.Late != 0 {
			t.Errorf("the member that stayed got %d late chunks", st.Late)
		}
	})
}

// Connecting, grouping, playing, reconnecting and restarting the server send no
// volume. Asking does; and it does not unmute.
func TestTheVolumeMovesOnlyWhenSomebodyAsks(t *testing.T) {
	music := t.TempDir()
	harness.MusicFile(t, music, "long.flac", 60, 5)
	s := harness.StartServer(t, "embedded", harness.Options{Music: music})
	d := harness.NewDevice(t, "Bedroom", harness.FLAC44, harness.DeviceOptions{Buffer: 300_000})
	cut := d.Connect(t, s.Sendspin)
	id := approve(t, s, "Bedroom")
	g := group(t, s, "Upstairs", id)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "long.flac"}, nil)
	waitFrames(t, d, 44100)
	cut()
	d.Forget()
	d.Connect(t, s.Sendspin)
	waitFrames(t, d, 44100)
	s.KillAll()
	d.Forget()
	s.Launch(t)
	waitFrames(t, d, 44100)
	if n := setByServer(d); n != 0 {
		t.Fatalf("the server changed volume or mute %d times, nobody asked", n)
	}

	s.Must(t, "POST", "/api/v1/groups/"+g+"/mute", map[string]any{"muted": true}, nil)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/volume", map[string]any{"volume": 20}, nil)
	harness.Eventually(t, patience, "volume 20, still muted", func() string {
		p, ok := harness.Last[client.PlayerChanged](d)
		if !ok || p.Volume != 20 || !p.Muted {
			return "not yet"
		}
		return ""
	})
}

func setByServer(d *harness.Device) int {
	n := 0
	for _, e := range d.Events() {
		if p, ok := e.(client.PlayerChanged); ok && p.ByServer {
			n++
		}
	}
	return n
}

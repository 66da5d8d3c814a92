package e2e

import (
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/client"
)

// A speaker is replaced by one command while music plays: the new one takes label,
// group, volume limit and delay, and sounds at the place where the house is; the other
// speaker of the room notices nothing.
func TestSwapASpeaker(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		want := harness.MusicFile(t, music, "long.flac", 60, 5)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		var ids []string
		var devices []*harness.Device
		for _, name := range []string{"Old box", "Stays", "New box"} {
			d := harness.NewDevice(t, name, harness.PCM44, harness.DeviceOptions{Buffer: 400_000})
			d.Connect(t, s.Sendspin)
			devices = append(devices, d)
			ids = append(ids, approveAs(t, s, name, ""))
		}
		broken, stays, spare := devices[0], devices[1], devices[2]
		g := group(t, s, "Lobby", ids[:2]...)
		var p struct {
			ID string `json:"persona_id"`
		}
		s.Must(t, "POST", "/api/v1/personas", map[string]any{"name": "Lobby left", "client_id": ids[0]}, &p)
		s.Must(t, "PATCH", "/api/v1/personas/"+p.ID, map[string]any{"volume_max": 60, "output_delay_ms": 120}, nil)
		awaitDelay(t, broken, 120)
		s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "long.flac"}, nil)
		waitFrames(t, broken, 44100)
		waitFrames(t, stays, 44100)

		if out, err := s.CLI("swap", "Lobby left", "New box"); err != nil {
			t.Fatalf("tutti swap: %v\n%s", err, out)
		}
		waitFrames(t, spare, 2*44100)
		harness.Eventually(t, patience, "the old one is out", func() string {
			if m := s.Group(t, g).Members; broken.Ended() == 0 || slices.Contains(m, ids[0]) || !slices.Contains(m, ids[2]) {
				return "members are still the old ones"
			}
			return ""
		})
		awaitDelay(t, spare, 120)
		awaitClient(t, s, "New box", func(c harness.Client) bool { return c.Label == "Lobby left" && c.GroupID == g })
		s.Must(t, "POST", "/api/v1/groups/"+g+"/volume", map[string]any{"volume": 100}, nil)
		harness.Eventually(t, patience, "the volume limit", func() string {
			e, _ := harness.Last[client.PlayerChanged](spare)
			if e.Volume != 60 {
				return "it is not at its limit"
			}
			return ""
		})
		t0, _, err := harness.Joined(stays.Spans(), 44100, 2)
		if err != nil {
			t.Errorf("the other speaker's timeline: %v", err)
		}
		first := spare.Spans()[0]
		frame := ((first.TimestampUS-t0)*44100 + 500_000) / 1_000_000
		if i := harness.FirstDifference(first.Samples, want[frame*2:]); i >= 0 {
			t.Errorf("the new speaker begins elsewhere than the house: sample %d differs", i)
		}
		if stays.Started() != 1 || stays.Ended() != 0 {
			t.Errorf("the other speaker got %d stream/start and %d stream/end", stays.Started(), stays.Ended())
		}
	})
}

func awaitDelay(t *testing.T, d *harness.Device, want int) {
	t.Helper()
	harness.Eventually(t, patience, d.Name+" has the persona's delay", func() string {
		if e, _ := harness.Last[client.PlayerChanged](d); e.OutputDelayMS != want {
			return "not yet"
		}
		return ""
	})
}

// approveAs is approve with another label, or none.
func approveAs(t *testing.T, s *harness.Server, name, label string) string {
	t.Helper()
	c := waitInbox(t, s, name)
	body := map[string]any{}
	if label != "" {
		body["label"] = label
	}
	s.Must(t, "POST", "/api/v1/clients/"+c.ClientID+"/approve", body, nil)
	awaitClient(t, s, name, func(c harness.Client) bool {
		return slices.Contains(c.ActiveRoles, "player@v1") && c.Available != nil && *c.Available
	})
	return c.ClientID
}

// The server's key is changed. A paired `tutti player` takes the successor by itself; a
// paired device that keeps no roster goes on with the key that it knows; both stay
// paired over restarts of both sides.
func TestServerKeyRotation(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		s := harness.StartServer(t, mode, harness.Options{})
		p := harness.NewPlayer(t, s, "Keeps rosters", false).Start(t)
		pairPlayer(t, s, p)
		plain := harness.NewDevice(t, "Keeps none", harness.PCM44, harness.DeviceOptions{})
		cut := plain.Connect(t, s.Sendspin)
		c := awaitClient(t, s, plain.Name, func(c harness.Client) bool { return c.Connected })
		s.Must(t, "POST", "/api/v1/clients/"+c.ClientID+"/pairing", map[string]any{"method": "pairing_psk", "token": plain.Client.PairingToken()}, nil)
		awaitClient(t, s, plain.Name, func(c harness.Client) bool { return c.Trust == "paired" })
		old := serverID(t, s)
		for range 2 { // twice: a successor of a successor
			before := serverID(t, s)
			if out, err := s.CLI("server", "rotate-key"); err != nil {
				t.Fatalf("tutti server rotate-key: %v\n%s", err, out)
			}
			now := before
			harness.Eventually(t, patience, "the key is another", func() string {
				if now = serverID(t, s); now == before {
					return "it is the same"
				}
				return ""
			})
			p.Await(t, "roster", func(e map[string]any) bool { l, _ := e["server_ids"].([]any); return slices.Contains(l, any(now)) })
			p.Stop(t)
			p.Start(t)
			p.Await(t, "connected", func(e map[string]any) bool { return e["server_id"] == now && e["category"] == "lt" })
			onRecord(t, s, p)
		}
		p.Stop(t)
		cut()
		s.KillAll()
		s.Launch(t)
		p.Start(t)
		now := serverID(t, s)
		p.Await(t, "connected", func(e map[string]any) bool { return e["server_id"] == now && e["category"] == "lt" })
		onRecord(t, s, p)
		plain.Connect(t, s.Sendspin)
		awaitClient(t, s, plain.Name, func(c harness.Client) bool { return c.Trust == "paired" && c.Connected && len(c.ActiveRoles) > 0 })
		if e, _ := harness.Last[client.Connected](plain); e.ServerID != old {
			t.Errorf("the device that keeps no roster was met with %s, it knows %s", e.ServerID, old)
		}
		for _, e := range plain.Events() {
			if d, ok := e.(client.Disconnected); ok && d.Goodbye == "unauthorized" {
				t.Errorf("it was turned away: %+v", d)
			}
		}
	})
}

func serverID(t *testing.T, s *harness.Server) string {
	t.Helper()
	return whoIs(t, s).ServerID
}

// whoIs is what the API tells of a server. The pairing service says it when it is up, and the
// API shows it a moment later.
func whoIs(t *testing.T, s *harness.Server) (v server) {
	t.Helper()
	harness.Eventually(t, patience, "the API shows which server it is", func() string {
		if s.Must(t, "GET", "/api/v1/server", nil, &v); v.ServerID == "" {
			return "not yet"
		}
		return ""
	})
	return v
}

// Another server that claims the same name gets nothing from a player that is paired
// and admits no others: no role, no stream, and the pairing stays what it was. The one
// that played last takes its player back from a stranger that only holds the line.
func TestAFalseServerGetsNothing(t *testing.T) {
	t.Parallel()
	music := t.TempDir()
	harness.MusicFile(t, music, "song.flac", 20, 9)
	s := harness.StartServer(t, "embedded", harness.Options{Music: music})
	p := harness.NewPlayer(t, s, "Faithful", true).Start(t)
	s.Must(t, "POST", "/api/v1/clients", map[string]any{"url": p.Listens}, nil)
	id := pairPlayer(t, s, p)
	g := group(t, s, "Hall", id)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "song.flac"}, nil)
	p.Await(t, "stream_start", nil)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/stop", nil, nil)
	p.Await(t, "stream_end", nil)
	p.Stop(t)
	p = p.With("--unpaired-access=false")

	// The true one is away when the other comes.
	s.KillAll()
	other := harness.StartServer(t, "embedded", harness.Options{})
	p.Start(t)
	other.Must(t, "POST", "/api/v1/clients", map[string]any{"url": p.Listens}, nil)
	c := awaitClient(t, other, "Faithful", func(c harness.Client) bool { return c.Trust != "" })
	_ = other.Do("POST", "/api/v1/clients/"+c.ClientID+"/approve", map[string]any{}, nil)
	if out, err := other.CLI("pair", "Faithful", "--method", "token", "--token", "SP:0AAAA"); err == nil {
		t.Errorf("a made-up token pairs:\n%s", out)
	}
	s.Launch(t)
	onRecord(t, s, p)
	stranger := serverID(t, other)
	if e := p.Find("activated", func(e map[string]any) bool {
		roles, _ := e["roles"].([]any)
		return e["server_id"] == stranger && len(roles) > 0
	}); e != nil {
		t.Errorf("the false server got %v", e)
	}
	if e := p.Find("connected", func(e map[string]any) bool { return e["server_id"] == stranger && e["paired"] == true }); e != nil {
		t.Errorf("the player takes the false server for a paired one: %v", e)
	}
}

package e2e

import (
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// kill -9 of everything and a restart: identity, approvals, groups, queue and
// position are there, and the music goes on by itself.
func TestEverythingSurvivesKillMinusNine(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		harness.MusicFile(t, music, "long.flac", 90, 3)
		harness.MusicFile(t, music, "next.flac", 5, 4)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		d := harness.NewDevice(t, "Lobby", harness.FLAC44, harness.DeviceOptions{Buffer: 500_000})
		d.Connect(t, s.Sendspin)
		id := approve(t, s, "Lobby")
		g := group(t, s, "Hall", id)
		path := "/api/v1/groups/" + g
		s.Must(t, "POST", path+"/queue", map[string]any{"uris": []string{"long.flac", "next.flac"}}, nil)
		s.Must(t, "POST", path+"/play", nil, nil)
		s.Must(t, "POST", path+"/seek", map[string]any{"position_ms": 30000}, nil)
		var before harness.Group
		harness.Eventually(t, patience, "playing past 33 s", func() string {
			before = s.Group(t, g)
			if before.NowPlaying == nil || before.NowPlaying.PositionMS < 33_000 {
				return "not there yet"
			}
			return ""
		})
		identity := serverID(t, s)

		s.KillAll()
		d.Forget()
		s.Launch(t)

		if now := serverID(t, s); now != identity {
			t.Errorf("the server has another identity after the restart: %s, was %s", now, identity)
		}
		harness.Eventually(t, patience, "the approved player is back in its group", func() string {
			c, ok := s.ClientNamed(t, "Lobby")
			if !ok || !c.Connected || c.Trust != "approved" || c.GroupID != g {
				return "client " + c.Trust + " in " + c.GroupID
			}
			return ""
		})
		after := s.Group(t, g)
		if after.Name != "Hall" || !slices.Contains(after.Members, id) || after.QueueLength != 2 {
			t.Errorf("the group came back as %+v", after)
		}
		harness.Eventually(t, patience, "music again", func() string {
			if d.Frames() == 0 {
				return "silence"
			}
			return ""
		})
		harness.Eventually(t, patience, "position went on", func() string {
			after = s.Group(t, g)
			if after.NowPlaying == nil || after.NowPlaying.PositionMS == 0 {
				return "no position"
			}
			return ""
		})
		// Position is written at least every second; the rest is the restart itself.
		if p := after.NowPlaying.PositionMS; p < before.NowPlaying.PositionMS-2_000 || p > before.NowPlaying.PositionMS+85_000 {
			t.Errorf("position is %d ms after the restart, was %d ms before", p, before.NowPlaying.PositionMS)
		}
	})
}

// SIGTERM ends every process, with status 0: `tutti serve` within 10 s, whatever plays and
// whoever follows.
func TestGracefulShutdown(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		harness.MusicFile(t, music, "long.flac", 60, 5)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		d := harness.NewDevice(t, "Lobby", harness.FLAC44, harness.DeviceOptions{Buffer: 500_000})
		d.Connect(t, s.Sendspin)
		g := group(t, s, "Hall", approve(t, s, "Lobby"))
		s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "long.flac"}, nil)
		waitFrames(t, d, 44100)
		ended := follow(t, s)
		s.TerminateAll(t)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the feed goes on without its server")
		}
	})
}

// follow opens the live feed and reads it to its end, which closes ended.
func follow(t *testing.T, s *harness.Server) (ended <-chan struct{}) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.Base+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the live feed: %v, %v", resp, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	return done
}

// The design's table: with management, discovery and pairing dead, a running
// session hears nothing of it.
func TestMusicGoesOnWithoutManagementDiscoveryAndPairing(t *testing.T) {
	music := t.TempDir()
	harness.MusicFile(t, music, "long.flac", 60, 5)
	s := harness.StartServer(t, "distributed", harness.Options{Music: music})
	d := harness.NewDevice(t, "Lobby", harness.PCM44, harness.DeviceOptions{Buffer: 300_000})
	d.Connect(t, s.Sendspin)
	g := group(t, s, "Hall", approve(t, s, "Lobby"))
	s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "long.flac"}, nil)
	waitFrames(t, d, 44100)
	for _, name := range []string{"management", "discovery", "pairing"} {
		s.Kill(name)
	}
	had := d.Frames()
	// More than its buffer holds: what comes now was sent after the deaths.
	waitFrames(t, d, had+4*44100)
	if _, _, err := harness.Joined(d.Spans(), 44100, 2); err != nil {
		t.Errorf("the timeline broke: %v", err)
	}
	if d.Started() != 1 || d.Ended() != 0 {
		t.Errorf("got %d stream/start and %d stream/end", d.Started(), d.Ended())
	}
	s.Launch(t)
	harness.Eventually(t, patience, "the API shows the client again", func() string {
		if c, ok := s.ClientNamed(t, "Lobby"); !ok || !c.Connected {
			return "not yet"
		}
		return ""
	})
}

// A player whose socket stops reading is closed by its own deadline; the other's
// lead never falls to nothing.
func TestAStuckPlayerDelaysNobody(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		harness.MusicFile(t, music, "long.wav", 60, 9)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		// Its own start is no part of this, nor how fast this machine is: a lead to spare.
		good := harness.NewDevice(t, "Good", harness.PCM44, harness.DeviceOptions{Buffer: 400_000, LeadMS: 1500, BufferMS: 1500})
		stuck := harness.NewDevice(t, "Stuck", harness.PCM44, harness.DeviceOptions{Buffer: 64 << 20})
		proxy := harness.NewProxy(t, s.Sendspin)
		good.Connect(t, s.Sendspin)
		stuck.Connect(t, proxy.URL)
		ids := []string{approve(t, s, "Good"), approve(t, s, "Stuck")}
		g := group(t, s, "Hall", ids...)
		s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "long.wav"}, nil)
		waitFrames(t, good, 44100)
		waitFrames(t, stuck, 4410)
		proxy.StopReading()
		harness.Eventually(t, patience, "the stuck session is closed by the server", func() string {
			if !proxy.ServerClosed() {
				return "still open"
			}
			return ""
		})
		if st := good.Client.Stats(); st.Late != 0 || st.MinLeadUS <= 0 {
			t.Errorf("the good player: %d late chunks, least lead %d µs", st.Late, st.MinLeadUS)
		}
		waitFrames(t, good, good.Frames()+2*44100)
		if st := good.Client.Stats(); st.Late != 0 || good.Ended() != 0 {
			t.Errorf("the good player: %d late chunks, %d stream/end", st.Late, good.Ended())
		}
	})
}

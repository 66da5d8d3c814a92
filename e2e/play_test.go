package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/noise"
)

// patience bounds waiting for something that takes well under a second on an
// idle machine.
const patience = 60 * time.Second

// waitInbox waits until the device waits for approval, without roles.
func waitInbox(t *testing.T, s *harness.Server, name string) harness.Client {
	t.Helper()
	var c harness.Client
	harness.Eventually(t, patience, name+" in the inbox", func() string {
		if !slices.ContainsFunc(s.Inbox(t), func(w harness.Waiting) bool { return w.Name == name && w.Fingerprint != "" && w.Reason == "new" }) {
			return "no entry with its name, fingerprint and reason new"
		}
		var ok bool
		if c, ok = s.ClientNamed(t, name); !ok || !c.Connected {
			return "the client list does not show it connected"
		}
		return ""
	})
	if c.Trust != "unapproved" || len(c.ActiveRoles) != 0 || len(c.Activities) != 0 {
		t.Fatalf("%s waits with trust %q, roles %v, activities %v; want unapproved and none", name, c.Trust, c.ActiveRoles, c.Activities)
	}
	return c
}

// approve approves a waiting device and waits for its roles.
func approve(t *testing.T, s *harness.Server, name string) string {
	t.Helper()
	c := waitInbox(t, s, name)
	s.Must(t, "POST", "/api/v1/clients/"+c.ClientID+"/approve", map[string]any{"label": "label of " + name}, nil)
	harness.Eventually(t, patience, name+" approved", func() string {
		got, _ := s.ClientNamed(t, name)
		if got.Trust != "approved" || !slices.Contains(got.ActiveRoles, "player@v1") || got.Available == nil || !*got.Available || got.Player == nil {
			return "it is not an available, approved player yet"
		}
		return ""
	})
	return c.ClientID
}

// group makes a named group of devices.
func group(t *testing.T, s *harness.Server, name string, members ...string) string {
	t.Helper()
	var g harness.Group
	s.Must(t, "POST", "/api/v1/groups", map[string]any{"name": name, "members": members}, &g)
	return g.GroupID
}

// A generated 44.1 kHz/16-bit FLAC reaches a pcm and a flac player bit by bit,
// and at each server timestamp both have the same sample; a 48 kHz/24-bit
// player of the group gets the resampled rendition, aligned within one sample.
func TestAFilePlaysBitExactAndAlignedOnEveryPlayer(t *testing.T) {
	eachMode(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		want := harness.MusicFile(t, music, "song.flac", 6.4, 42)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		devices := []*harness.Device{
			harness.NewDevice(t, "Pcm", harness.PCM44, harness.DeviceOptions{Suite: noise.ChaChaPoly}),
			harness.NewDevice(t, "Flac", harness.FLAC44, harness.DeviceOptions{Suite: noise.AESGCM}),
			harness.NewDevice(t, "Studio", harness.PCM48, harness.DeviceOptions{}),
		}
		var ids []string
		for _, d := range devices {
			d.Connect(t, s.Sendspin)
			ids = append(ids, approve(t, s, d.Name))
		}
		g := group(t, s, "Hall", ids...)
		s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "song.flac"}, nil)
		for _, d := range devices {
			harness.Eventually(t, patience, d.Name+" heard the whole file", func() string {
				if d.Ended() == 0 {
					return "no stream/end yet"
				}
				return ""
			})
		}
		var starts []int64
		for _, d := range devices[:2] {
			t0, got, err := harness.Joined(d.Spans(), 44100, 2)
			if err != nil {
				t.Fatalf("%s: %v", d.Name, err)
			}
			if len(got) != len(want) {
				t.Errorf("%s: got %d samples, the file has %d", d.Name, len(got), len(want))
			}
			if i := harness.FirstDifference(got, want); i >= 0 {
				t.Errorf("%s: sample %d is %d, the file has %d", d.Name, i, got[i], want[i])
			}
			starts = append(starts, t0)
		}
		if starts[0] != starts[1] {
			t.Errorf("the file starts at %d µs on one player and at %d µs on the other", starts[0], starts[1])
		}
		checkResampled(t, devices[2], starts[0], want)
		checkStopped(t, s, g, len(ids))
	})
}

// checkResampled compares the 48 kHz rendition with the file: it starts within
// one sample of the others, is as long, and correlates at lag 0.
func checkResampled(t *testing.T, d *harness.Device, t0 int64, want []int32) {
	t.Helper()
	start, got, err := harness.Joined(d.Spans(), 48000, 2)
	if err != nil {
		t.Fatalf("%s: %v", d.Name, err)
	}
	if diff := start - t0; diff < -21 || diff > 21 {
		t.Errorf("the 48 kHz rendition starts %d µs from the 44.1 kHz one; one sample is 20.8 µs", diff)
	}
	if a, b := len(got)/2*44100, len(want)/2*48000; a < b-48000 || a > b+48000 {
		t.Errorf("the 48 kHz rendition has %d frames, the file %d at 44.1 kHz", len(got)/2, len(want)/2)
	}
	if lag := harness.BestLag(got, 48000, want, 44100); lag != 0 {
		t.Errorf("the 48 kHz rendition fits best when shifted by %d samples, want 0", lag)
	}
}

func checkStopped(t *testing.T, s *harness.Server, group string, members int) {
	t.Helper()
	harness.Eventually(t, patience, "group stopped", func() string {
		if g := s.Group(t, group); g.PlaybackState != "stopped" || len(g.Members) != members {
			return "state " + g.PlaybackState
		}
		return ""
	})
}

// joinWithin is how long after the request for it a joiner may take to sound, µs: its own
// lead (a quarter of a second here), what the server keeps in hand for a busy machine, and
// room beside what that machine took for a command at the same time.
const joinWithin = 3_000_000

// A speaker that joins while music plays sounds within its own lead; the others
// get no new start and miss nothing.
func TestALateJoinerSoundsAndTheOthersNoticeNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		want := harness.MusicFile(t, music, "song.wav", 20, 7)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		first := harness.NewDevice(t, "First", harness.FLAC44, harness.DeviceOptions{})
		late := harness.NewDevice(t, "Late", harness.PCM44, harness.DeviceOptions{})
		first.Connect(t, s.Sendspin)
		late.Connect(t, s.Sendspin)
		id, lateID := approve(t, s, "First"), approve(t, s, "Late")
		g := group(t, s, "Hall", id)
		s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "song.wav"}, nil)
		harness.Eventually(t, patience, "music on the first", func() string {
			if first.Frames() < 44100 {
				return "less than a second so far"
			}
			return ""
		})
		joinedAt, ok := late.Client.ServerTime(late.Client.Now())
		if !ok {
			t.Fatal("the late joiner's clock is not synchronized")
		}
		s.Must(t, "PUT", "/api/v1/groups/"+g+"/members/"+lateID, nil, nil)
		// A command of the same moment goes the same way, and says how busy the machine is.
		s.Must(t, "POST", "/api/v1/groups/"+g+"/volume", map[string]any{"volume": 21}, nil)
		harness.Eventually(t, patience, "the volume at the first", func() string {
			if p, ok := harness.Last[client.PlayerChanged](first); !ok || p.Volume == 35 {
				return "not yet"
			}
			return ""
		})
		obeyedAt, ok := late.Client.ServerTime(late.Client.Now())
		if !ok {
			t.Fatal("the late joiner's clock is not synchronized any more")
		}
		harness.Eventually(t, patience, "music on the late joiner", func() string {
			if late.Frames() < 44100 {
				return "less than a second so far"
			}
			return ""
		})
		spans := late.Spans()
		if spans[0].TimestampUS < joinedAt {
			t.Errorf("the joiner was sent audio from %d µs before it joined", joinedAt-spans[0].TimestampUS)
		}
		if after, lag := spans[0].TimestampUS-joinedAt, obeyedAt-joinedAt; after > joinWithin+lag {
			t.Errorf("the joiner sounds %d ms after it was asked to join, when a command took %d ms", after/1000, lag/1000)
		}
		t0, _, err := harness.Joined(first.Spans(), 44100, 2)
		if err != nil {
			t.Fatalf("the first player's timeline: %v", err)
		}
		// The joiner's first sample is the file's sample at that timestamp.
		frame := ((spans[0].TimestampUS-t0)*44100 + 500_000) / 1_000_000
		if i := harness.FirstDifference(spans[0].Samples, want[frame*2:]); i >= 0 {
			t.Errorf("the joiner's sample %d differs from what the others play at that time", i)
		}
		if first.Started() != 1 || first.Ended() != 0 {
			t.Errorf("the first player got %d stream/start and %d stream/end while another joined", first.Started(), first.Ended())
		}
		// Removed, it can come back.
		s.Must(t, "DELETE", "/api/v1/groups/"+g+"/members/"+lateID, nil, nil)
		harness.Eventually(t, patience, "stream ended for the removed", func() string {
			if late.Ended() == 0 {
				return "no stream/end"
			}
			return ""
		})
		late.Forget()
		s.Must(t, "PUT", "/api/v1/groups/"+g+"/members/"+lateID, nil, nil)
		harness.Eventually(t, patience, "music again", func() string {
			if late.Frames() == 0 {
				return "nothing"
			}
			return ""
		})
	})
}

// Pause, resume, seek, next and stop do on the wire what the specification says.
func TestTransportControls(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		one := harness.MusicFile(t, music, "one.flac", 30, 1)
		two := harness.MusicFile(t, music, "two.flac", 30, 2)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		d := harness.NewDevice(t, "Player", harness.PCM44, harness.DeviceOptions{Buffer: 400_000})
		d.Connect(t, s.Sendspin)
		id := approve(t, s, "Player")
		g := group(t, s, "Hall", id)
		path := "/api/v1/groups/" + g
		s.Must(t, "POST", path+"/queue", map[string]any{"uris": []string{"one.flac", "two.flac"}}, nil)
		s.Must(t, "POST", path+"/play", nil, nil)
		waitFrames(t, d, 44100)

		d.Forget()
		s.Must(t, "POST", path+"/seek", map[string]any{"position_ms": 20000}, nil)
		harness.Eventually(t, patience, "stream/clear after a seek", func() string {
			if _, ok := harness.Last[client.StreamCleared](d); !ok {
				return "none"
			}
			return ""
		})
		wantAt(t, d, one, 20*44100)
		if d.Started() != 0 || d.Ended() != 0 {
			t.Errorf("a seek sent %d stream/start and %d stream/end; it is a stream/clear", d.Started(), d.Ended())
		}

		s.Must(t, "POST", path+"/pause", nil, nil)
		harness.Eventually(t, patience, "stream/end after pause", func() string {
			if d.Ended() == 0 {
				return "none"
			}
			return ""
		})
		paused := s.Group(t, g)
		harness.Eventually(t, patience, "the API shows the pause", func() string {
			paused = s.Group(t, g)
			if !paused.Paused || paused.PlaybackState != "stopped" || paused.NowPlaying == nil || paused.NowPlaying.PositionMS < 19_000 {
				return fmt.Sprintf("group %+v, now playing %+v", paused, paused.NowPlaying)
			}
			return ""
		})
		d.Forget()
		s.Must(t, "POST", path+"/play", nil, nil)
		waitFrames(t, d, 4410)
		wantNear(t, d, one, paused.NowPlaying.PositionMS*441/10, 44100)

		d.Forget()
		s.Must(t, "POST", path+"/next", nil, nil)
		wantAt(t, d, two, 0)

		s.Must(t, "POST", path+"/stop", nil, nil)
		checkStopped(t, s, g, 1)
	})
}

func waitFrames(t *testing.T, d *harness.Device, n int) {
	t.Helper()
	harness.Eventually(t, patience, "audio on "+d.Name, func() string {
		if d.Frames() < n {
			return "not enough yet"
		}
		return ""
	})
}

// wantAt waits until the device received the file's samples from this frame on.
func wantAt(t *testing.T, d *harness.Device, file []int32, frame int) {
	t.Helper()
	harness.Eventually(t, patience, "audio from the new position", func() string {
		for _, sp := range d.Spans() {
			if sp.Frames > 0 && harness.FirstDifference(sp.Samples, file[frame*2:]) < 0 {
				return ""
			}
		}
		return "no chunk starts there"
	})
}

// wantNear checks that the first chunk is found in the file within tolerance
// frames of frame.
func wantNear(t *testing.T, d *harness.Device, file []int32, frame, tolerance int64) {
	t.Helper()
	got := d.Spans()[0].Samples
	for f := max(0, frame-tolerance); f < frame+tolerance && f*2+int64(len(got)) <= int64(len(file)); f++ {
		if harness.FirstDifference(got, file[f*2:]) < 0 {
			return
		}
	}
	t.Errorf("resumed audio is not within %d frames of frame %d", tolerance, frame)
}

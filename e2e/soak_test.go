package e2e

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// soakTime is how long TestSoak runs: TUTTI_SOAK, or a short form.
func soakTime(t *testing.T) time.Duration {
	if v := os.Getenv("TUTTI_SOAK"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			t.Fatalf("TUTTI_SOAK: %v", err)
		}
		return d
	}
	return 15 * time.Second
}

// Devices come, go, join, leave, pause, seek and change volume at random while
// music plays. The strict client is the referee; the server must not grow. The
// random walk is seeded, so a failure can be walked again.
func TestSoak(t *testing.T) {
	music := t.TempDir()
	for i, name := range []string{"a.flac", "b.wav", "c.flac"} {
		harness.MusicFile(t, music, name, 20, int64(i))
	}
	s := harness.StartServer(t, "embedded", harness.Options{Music: music})
	w := &walk{t: t, s: s, rnd: rand.New(rand.NewPCG(20, 26))}
	formats := []struct {
		format wire.AudioFormat
		buffer int
	}{{harness.PCM44, 200_000}, {harness.FLAC44, 1 << 20}, {harness.PCM48, 500_000}}
	for i := range 6 {
		f := formats[i%len(formats)]
		d := harness.NewDevice(t, fmt.Sprintf("Room %d", i), f.format, harness.DeviceOptions{Buffer: f.buffer})
		w.stops = append(w.stops, d.Connect(t, s.Sendspin))
		w.devices = append(w.devices, d)
		w.ids = append(w.ids, approve(t, s, d.Name))
	}
	w.group = group(t, s, "Hall", w.ids...)
	s.Must(t, "POST", w.path("queue"), map[string]any{"uris": []string{"a.flac", "b.wav", "c.flac"}}, nil)
	s.Must(t, "POST", w.path("repeat"), map[string]any{"mode": "all"}, nil)
	s.Must(t, "POST", w.path("play"), nil, nil)
	waitFrames(t, w.devices[0], 4410)
	before := serverGoroutines(t, s)
	steps := 0
	for end := time.Now().Add(soakTime(t)); time.Now().Before(end); steps++ {
		w.step()
		<-time.After(time.Duration(w.rnd.IntN(400)) * time.Millisecond)
	}
	w.settle()
	t.Logf("%d steps; the server's goroutines: %d before, %d after", steps, before, serverGoroutines(t, s))
	// Each session costs a handful; what a leak of one per step would add is far more.
	harness.Eventually(t, patience, "the server's goroutines are back", func() string {
		if now := serverGoroutines(t, s); now > before+60 {
			return fmt.Sprintf("%d, were %d", now, before)
		}
		return ""
	})
}

// walk is one random walk over what operators and devices do.
type walk struct {
	t       *testing.T
	s       *harness.Server
	rnd     *rand.Rand
	devices []*harness.Device
	stops   []func()
	ids     []string
	group   string
}

func (w *walk) path(verb string) string { return "/api/v1/groups/" + w.group + "/" + verb }

// step does one thing. A conflict with the state of the moment (409) is a fair
// answer; anything else that is not success fails the test.
func (w *walk) step() {
	w.t.Helper()
	i := w.rnd.IntN(len(w.devices))
	var err error
	switch w.rnd.IntN(10) {
	case 0:
		err = w.s.Do("POST", w.path("pause"), nil, nil)
	case 1, 2:
		err = w.s.Do("POST", w.path("play"), nil, nil)
	case 3:
		err = w.s.Do("POST", w.path("seek"), map[string]any{"position_ms": w.rnd.IntN(18_000)}, nil)
	case 4:
		err = w.s.Do("POST", w.path("next"), nil, nil)
	case 5:
		err = w.s.Do("POST", w.path("volume"), map[string]any{"volume": w.rnd.IntN(60)}, nil)
	case 6:
		err = w.s.Do("DELETE", w.path("members/"+w.ids[i]), nil, nil)
	case 7, 8:
		err = w.s.Do("PUT", w.path("members/"+w.ids[i]), nil, nil)
	case 9:
		w.stops[i]()
		w.devices[i].Forget()
		w.stops[i] = w.devices[i].Connect(w.t, w.s.Sendspin)
	}
	var st *harness.Status
	if err != nil && (!errors.As(err, &st) || st.Code != http.StatusConflict) {
		w.t.Fatalf("step: %v", err)
	}
}

// settle ends the walk with everybody in the group and music on every device.
func (w *walk) settle() {
	w.t.Helper()
	for i, id := range w.ids {
		harness.Eventually(w.t, patience, w.devices[i].Name+" is connected and in the group", func() string {
			if c, ok := w.s.ClientNamed(w.t, w.devices[i].Name); !ok || !c.Connected || c.Available == nil || !*c.Available {
				return "not connected and available"
			}
			if err := w.s.Do("PUT", w.path("members/"+id), nil, nil); err != nil {
				return err.Error()
			}
			return ""
		})
	}
	for _, d := range w.devices {
		d.Forget()
	}
	w.s.Must(w.t, "POST", w.path("play"), map[string]any{"uri": "a.flac"}, nil)
	for _, d := range w.devices {
		waitFrames(w.t, d, 4410)
	}
}

// serverGoroutines reads go_goroutines of the server's metrics.
func serverGoroutines(t *testing.T, s *harness.Server) int {
	t.Helper()
	resp, err := http.Get(s.Base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(body), "\n") {
		if v, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(v))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("/metrics has no go_goroutines")
	return 0
}

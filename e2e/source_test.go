package e2e

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// allowed is how much later than its players ask for captured audio may sound, in µs.
const allowed = 150_000

// A line-in reaches the speakers of a group: from the capture of a click to its house time
// on the speakers is less than their min_buffer_ms and 150 ms, by the timestamps; both
// speakers play it at the same time to a sample although their rates differ; and the source
// is stopped when nobody listens.
func TestALineInReachesTheSpeakers(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		s := harness.StartServer(t, mode, harness.Options{})
		const minBuffer = 200 // ms
		a := harness.NewDevice(t, "A", harness.PCM44, harness.DeviceOptions{BufferMS: minBuffer})
		b := harness.NewDevice(t, "B", harness.PCM48, harness.DeviceOptions{BufferMS: minBuffer - 50})
		line := harness.NewSource(t, "Turntable")
		a.Connect(t, s.Sendspin)
		b.Connect(t, s.Sendspin)
		line.Connect(t, s.Sendspin)
		g := group(t, s, "Hall", approve(t, s, "A"), approve(t, s, "B"))
		id := approveSource(t, s, "Turntable")
		if line.Asked() != 0 {
			t.Fatal("the source was asked although nobody wants it")
		}
		s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "source:" + id}, nil)
		least := math.Inf(1)
		harness.Eventually(t, 2*patience, "clicks on both speakers", func() string {
			both := together(t, a, b)
			for _, c := range both {
				least = min(least, latency(line, c))
			}
			// The least of some clicks says it; of more, while a busy machine had a share in them.
			if n := len(both); n < 6 || n < 40 && least > minBuffer*1000+allowed {
				return fmt.Sprintf("%d clicks, the least %.1f ms late", n, least/1000)
			}
			return ""
		})
		t.Logf("from capture to speaker: %.1f ms, %d of them the players' own", least/1000, minBuffer)
		if least > minBuffer*1000+allowed {
			t.Errorf("%.1f ms from capture to speaker; the players ask for %d ms", least/1000, minBuffer)
		}
		if least < minBuffer*1000 {
			t.Errorf("%.1f ms from capture to speaker are less than the min_buffer_ms of %d", least/1000, minBuffer)
		}
		s.Must(t, "POST", "/api/v1/groups/"+g+"/stop", nil, nil)
		harness.Eventually(t, patience, "the source is stopped", func() string {
			if !slices.Contains(line.Stopped(), client.CaptureStoppedByServer) {
				return "it captures on"
			}
			return ""
		})
	})
}

// approveSource approves a device as a source.
func approveSource(t *testing.T, s *harness.Server, name string) string {
	t.Helper()
	c := waitInbox(t, s, name)
	s.Must(t, "POST", "/api/v1/clients/"+c.ClientID+"/approve", map[string]any{"source": true}, nil)
	harness.Eventually(t, patience, name+" is a source", func() string {
		got, _ := s.ClientNamed(t, name)
		if !slices.Contains(got.ActiveRoles, wire.RoleSourceV1) || got.Available == nil || !*got.Available {
			return "not yet"
		}
		return ""
	})
	return c.ClientID
}

// together are the clicks that both players have, by the first; it checks that the second
// plays them at the same time.
func together(t *testing.T, a, b *harness.Device) (both []harness.Click) {
	t.Helper()
	other := clicks(b)
	for _, c := range clicks(a) {
		for _, o := range other {
			if o.Number != c.Number || math.Abs(o.AtUS-c.AtUS) > harness.ClickEveryUS*harness.Numbers/2 {
				continue
			}
			if off := math.Abs(o.AtUS - c.AtUS); off > 20.8 {
				t.Fatalf("a click is at %.1f µs on one player, %.1f µs off on the other", c.AtUS, off)
			}
			both = append(both, c)
		}
	}
	return both
}

// clicks finds the clicks in what a player was told to play, run by run.
func clicks(d *harness.Device) (out []harness.Click) {
	var run []int32
	var start, next float64
	rate, channels := d.Format.SampleRate, d.Format.Channels
	scale := math.Pow(2, float64(d.Format.BitDepth-16))
	flush := func() {
		mono := harness.Channel(run, channels, 0)
		for i := range mono {
			mono[i] /= scale
		}
		out = append(out, harness.FindClicks(mono, start, rate)...)
		run = nil
	}
	for _, sp := range d.Spans() {
		at := float64(sp.TimestampUS)
		if math.Abs(at-next) > 2 {
			flush()
			start = at
		}
		run = append(run, sp.Samples...)
		next = start + float64(len(run)/channels)*1e6/float64(rate)
	}
	flush()
	return out
}

// latency is the time from a click's capture to its house time on a player, in µs.
func latency(line *harness.Source, c harness.Click) float64 {
	since := c.AtUS - float64(line.Began())
	best := math.Inf(1)
	for round := range 100 { // numbers go around after 8 s; the latency is less
		if late := since - harness.ClickTime(c.Number, round); late >= 0 {
			best = min(best, late)
		}
	}
	return best
}

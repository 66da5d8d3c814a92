package stream

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/proto/tape"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// screen is a client with the visualizer role alone.
func (r *rig) screen(name string, bins int32, types ...string) *device {
	d := r.device(name)
	d.change(func(p *tuttiv1.ClientPresence) {
		p.ActiveRoles, p.PlayerSupport, p.Player = []string{"visualizer@v1"}, nil, nil
		p.VisualizerSupport = &tuttiv1.VisualizerSupport{BufferCapacity: 10_000}
		p.Visualizer = visualizerState(bins, types...)
	})
	return d
}

func visualizerState(bins int32, types ...string) *tuttiv1.VisualizerState {
	return &tuttiv1.VisualizerState{Types: types, RateMax: 30, Spectrum: &tuttiv1.SpectrumConfig{Bins: bins, Scale: "log", FMin: 50, FMax: 10_000}}
}

// watching waits until the session's last word on visuals is a start of this tape that ok
// is content with, and returns it.
func (d *device) watching(id string, ok func(*tuttiv1.VisualStart) bool) *tuttiv1.VisualStart {
	d.r.t.Helper()
	var v *tuttiv1.VisualStart
	until(d.r.t, func() string {
		v = d.visual()
		if v.GetRenditionId() != id || ok != nil && !ok(v) {
			return fmt.Sprintf("%s was told of %v, want %s", d.p.GetName(), v, id)
		}
		return ""
	})
	return v
}

// visual is the visualizer stream that the session was told of last; nil: it ended.
func (d *device) visual() (v *tuttiv1.VisualStart) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.commands {
		switch k := c.GetCommand().(type) {
		case *tuttiv1.SessionCommand_VisualStart:
			v = k.VisualStart
		case *tuttiv1.SessionCommand_VisualEnd:
			v = nil
		}
	}
	return v
}

// looks reads the periodic frames of a visual tape and checks that each stands at its
// place, once and in order. It returns their number. (That none is missing is shown where
// the clock waits for the machine, in package pipeline.)
func (r *rig) looks(group string, v *tuttiv1.VisualStart) (n int) {
	r.t.Helper()
	next, spectra := int64(-1), 0
	for _, c := range r.tapes.of(group, v.GetRenditionId(), v.GetEpoch()) {
		for rest := c.Data; len(rest) > 0; {
			f, after, err := tape.NextVisual(rest)
			if err != nil {
				r.t.Fatal(err)
			}
			rest = after
			us := c.TimestampUS + int64(f.OffsetUS) - v.GetNotBeforeUs()
			switch k := int64(f.Index); f.Code {
			case 16:
				if k < next || us != k*1_000_000/60 {
					r.t.Fatalf("%s: frame %d at %d µs, after number %d", v.GetRenditionId(), k, us, next-1)
				}
				next = k + 1
				n++
			case 19:
				spectra++
			}
		}
	}
	if want := n * min(int(v.GetSpectrum().GetBins()), 1); spectra != want {
		r.t.Errorf("%s: %d spectra with %d frames", v.GetRenditionId(), spectra, n)
	}
	return n
}

// waitLooks waits for n frames.
func (r *rig) waitLooks(group string, v *tuttiv1.VisualStart, n int) {
	r.t.Helper()
	until(r.t, func() string {
		if got := r.looks(group, v); got < n {
			return fmt.Sprintf("%s has %d frames", v.GetRenditionId(), got)
		}
		return ""
	})
}

// TestVisualizersFollowTheGroup: displays are told of the tape of what they ask for, on
// the group's timeline, through seeks, changes of mind and pauses.
func TestVisualizersFollowTheGroup(t *testing.T) {
	r := embedded(t)
	r.file("music.wav", 60, 1) // as below
	player, a, b := r.device("player", "pcm:44100:16:2"), r.screen("a", 16, "spectrum", "beat"), r.screen("b", 16, "loudness", "spectrum")
	c, still := r.screen("c", 16, "loudness"), r.screen("still", 16)
	g := r.make("House", player, a, b, c, still)
	r.command(play(g, "music.wav"))
	s := player.playing(0)
	const spectrum = "visual-16-log-50-10000"
	of := func(s *tuttiv1.StreamStart) func(*tuttiv1.VisualStart) bool {
		return func(v *tuttiv1.VisualStart) bool {
			return v.GetEpoch() == s.GetEpoch() && v.GetNotBeforeUs() == s.GetNotBeforeUs() && v.GetFrameRate() == 60 && v.GetBeats() && v.GetDownbeats()
		}
	}
	va, vb, vc := a.watching(spectrum, of(s)), b.watching(spectrum, of(s)), c.watching("visual", of(s))
	if !proto.Equal(va, vb) || va.GetSpectrum().GetBins() != 16 || vc.GetSpectrum() != nil {
		t.Errorf("%v, %v, %v", va, vb, vc)
	}
	r.waitLooks(g, va, 30)
	r.waitLooks(g, vc, 30)

	r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_SeekMs{SeekMs: 10_000}})
	s = player.playing(s.GetEpoch())
	va = a.watching(spectrum, of(s))
	r.waitLooks(g, va, 12)

	a.change(func(p *tuttiv1.ClientPresence) { p.Visualizer = visualizerState(24, "spectrum") })
	va = a.watching("visual-24-log-50-10000", of(s))
	r.waitLooks(g, va, 12)
	b.watching(spectrum, of(s))
	a.change(func(p *tuttiv1.ClientPresence) { p.Available = proto.Bool(false) })
	until(t, func() string {
		if v := a.visual(); v != nil {
			return fmt.Sprintf("a display that is not available has %v", v)
		}
		return ""
	})

	r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Pause{Pause: &tuttiv1.Empty{}}})
	for _, d := range []*device{b, c, still} {
		until(t, func() string {
			if v := d.visual(); v != nil {
				return fmt.Sprintf("paused: %s still has %v", d.p.GetName(), v)
			}
			return ""
		})
	}
}

// TestVisualTapesAreTakenOver kills the instance that plays: the visual tape goes on, and
// the display is told nothing new.
func TestVisualTapesAreTakenOver(t *testing.T) {
	srv := bustest.StartServer(t)
	r := newRig(t, bustest.Connect(t, srv))
	r.ttl = 3 * time.Second
	// Easy to read, and long: a busy machine is hardly faster than the music is.
	r.file("music.wav", 60, 1)
	doomed := bustest.Connect(t, srv)
	stopOne := r.service(doomed, "one", func(c *Config) { c.AheadMS = 20_000 })
	player, a := r.device("player", "pcm:44100:16:2"), r.screen("a", 16, "spectrum")
	a.change(func(p *tuttiv1.ClientPresence) { p.Display = &tuttiv1.DisplayStatus{Visualizer: true} }) // as the gateway writes it later
	g := r.make("House", player, a)
	r.command(play(g, "music.wav"))
	s := player.playing(0)
	v := a.watching("visual-16-log-50-10000", func(v *tuttiv1.VisualStart) bool { return v.GetEpoch() == s.GetEpoch() })
	r.bridges(g, s)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := doomed.Close(ctx); err != nil {
		t.Fatal(err)
	}
	before := r.looks(g, v)
	r.service(r.bus, "two", func(c *Config) { c.AheadMS = 20_000 })
	r.waitLooks(g, v, before+12)
	if x := r.get(g); x.GetInstanceId() != "two" || x.GetEpoch() != s.GetEpoch() {
		t.Errorf("after the take-over: %s epoch %d", x.GetInstanceId(), x.GetEpoch())
	}
	if now := a.visual(); !proto.Equal(now, v) {
		t.Errorf("the display was told %v, then %v", v, now)
	}
	stopOne()
}

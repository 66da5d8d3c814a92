package gateway

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/proto/tape"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// visualScreen is the strict client of the library with the visualizer role.
type visualScreen struct {
	*client.Client
	mu     sync.Mutex
	frames []client.Visual
	starts []client.VisualStarted
	clears int
	ends   int
	broken []string
}

func (s *visualScreen) event(e client.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := e.(type) {
	case client.Violation:
		s.broken = append(s.broken, e.String())
	case client.VisualStarted:
		s.starts = append(s.starts, e)
	case client.VisualCleared:
		s.clears++
	case client.VisualEnded:
		s.ends++
	}
}

func (r *rig) screen(capacity int, state *wire.VisualizerState) *visualScreen {
	r.t.Helper()
	r.pairing.mu.Lock()
	r.pairing.families = []string{"player", "visualizer"}
	r.pairing.mu.Unlock()
	s := &visualScreen{}
	c, err := client.New(client.Config{
		Name: "screen", Roles: []string{wire.RoleVisualizerV1}, UnpairedAccess: true, Strict: true, VisualCapacity: capacity, Visualizer: state,
		OnEvent: s.event,
		OnVisual: func(f client.Visual) {
			s.mu.Lock()
			s.frames = append(s.frames, f)
			s.mu.Unlock()
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	s.Client = c
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Connect(ctx, r.url()) }()
	r.t.Cleanup(func() { cancel(); <-done })
	r.waitPresence(c.ID(), func(p *tuttiv1.ClientPresence) string {
		if p.GetVisualizer() == nil || !p.GetAvailable() || !c.Stats().Synced {
			return p.String()
		}
		return ""
	})
	return s
}

// until waits for what f wants of the screen, under its lock.
func (s *visualScreen) until(t testing.TB, f func() string) {
	t.Helper()
	eventually(t, func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return f()
	})
}

func (s *visualScreen) clean(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.broken {
		t.Errorf("the server broke a rule: %s", b)
	}
}

// writeVisual puts 100 ms chunks from..to of an epoch that begins at t0 on a visual tape.
func (r *rig) writeVisual(group, rendition string, epoch uint64, t0 int64, from, to, bins int) {
	r.t.Helper()
	for n := from; n < to; n++ {
		var data []byte
		for k := 6 * n; k < 6*n+6; k++ {
			f := tape.VisualFrame{Index: uint32(k), OffsetUS: uint32(int64(k)*1_000_000/60 - int64(n)*100_000)}
			f.Code, f.Body = wire.IDLoudness, []byte{byte(k >> 8), byte(k)}
			data = tape.AppendVisual(data, &f)
			f.Code, f.Body = wire.IDFPeak, []byte{1, 0, 1, 0}
			data = tape.AppendVisual(data, &f)
			if bins > 0 {
				f.Code, f.Body = wire.IDSpectrum, make([]byte, 2*bins)
				data = tape.AppendVisual(data, &f)
			}
			if k%30 == 0 {
				f.Code, f.Index, f.Body = wire.IDBeat, 0, []byte{byte(k / 30 % 2)}
				data = tape.AppendVisual(data, &f)
				f.Code, f.Body = wire.IDPeak, []byte{200}
				data = tape.AppendVisual(data, &f)
			}
		}
		b := tape.Append(nil, &tape.Chunk{Epoch: epoch, TimestampUS: t0 + int64(n)*100_000, DurationUS: 100_000, Data: data})
		if err := r.bus.PublishRaw(r.t.Context(), subject.Tape(group, rendition), b); err != nil {
			r.t.Fatal(err)
		}
	}
}

func visualStart(group string, epoch uint64, t0 int64, bins int) *tuttiv1.SessionCommand {
	v := &tuttiv1.VisualStart{RenditionId: "visual", Epoch: epoch, NotBeforeUs: t0, FrameRate: 60, Beats: true, Downbeats: true}
	if bins > 0 {
		v.RenditionId = fmt.Sprintf("visual-%d-mel-40-16000", bins)
		v.Spectrum = &tuttiv1.SpectrumConfig{Bins: int32(bins), Scale: "mel", FMin: 40, FMax: 16_000}
	}
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_VisualStart{VisualStart: v}}
}

func visualEnd(group string, at int64) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_VisualEnd{VisualEnd: &tuttiv1.VisualEnd{AtUs: at}}}
}

func spectrumOf(bins int) *wire.Spectrum {
	return &wire.Spectrum{Bins: bins, Scale: wire.ScaleMel, FMin: 40, FMax: 16_000}
}

func TestVisualizerGetsTheFramesOfItsTape(t *testing.T) {
	r := newRig(t)
	s := r.screen(1<<16, &wire.VisualizerState{Types: []string{wire.VisualLoudness, wire.VisualBeat}, RateMax: 20})
	t0 := r.shortly()
	r.writeVisual("g", "visual", 1, t0, 0, 30, 0)
	r.mustCommand(s.ID(), visualStart("g", 1, t0, 0))
	s.until(t, func() string {
		if len(s.frames) < 66 { // 3 s of 20 Hz, and 6 beats
			return fmt.Sprint(len(s.frames), " frames")
		}
		return ""
	})
	s.mu.Lock()
	k := int64(0)
	for _, f := range s.frames {
		if f.ID != wire.IDLoudness {
			continue
		}
		if f.Timestamp != t0+k*50_000 || int64(f.Value) != 3*k {
			t.Errorf("frame %d: %d of tape frame %d", k, f.Timestamp-t0, f.Value)
		}
		if ahead := f.ShowAt - f.ArrivedAt; ahead > 2_000_000 {
			t.Errorf("frame %d came %d µs ahead", k, ahead)
		}
		k++
	}
	start := s.starts[0]
	s.mu.Unlock()
	if start.InPlace || start.Stream.RateMax != 20 || start.Stream.TracksDownbeats == nil || !*start.Stream.TracksDownbeats || start.Stream.Spectrum != nil {
		t.Errorf("%+v", start.Stream)
	}
	r.waitPresence(s.ID(), func(p *tuttiv1.ClientPresence) string {
		if d := p.GetDisplay(); !d.GetVisualizer() || d.GetVisualRate() != 20 || d.GetFramesSent() < 66 || !slices.Contains(p.GetActivities(), "playback") {
			return p.String()
		}
		return ""
	})
	r.mustCommand(s.ID(), visualEnd("g", r.house.NowMicros()+50_000))
	r.waitPresence(s.ID(), func(p *tuttiv1.ClientPresence) string {
		if p.GetDisplay().GetVisualizer() || len(p.GetActivities()) > 0 {
			return p.String()
		}
		return ""
	})
	s.until(t, func() string {
		if s.ends != 1 {
			return "no end"
		}
		return ""
	})
	s.clean(t)
}

// TestStrictVisualizerThroughSeeksAndChanges does in a random order what groups and
// clients do, over real sockets, and the strict client has nothing to say.
func TestStrictVisualizerThroughSeeksAndChanges(t *testing.T) {
	r := newRig(t, rotating(300*1_000_000))
	rng := rand.New(rand.NewPCG(4, 5))
	types := []string{wire.VisualBeat, wire.VisualLoudness, wire.VisualFPeak, wire.VisualPeak, wire.VisualSpectrum}
	state := func() *wire.VisualizerState {
		rng.Shuffle(len(types), func(i, j int) { types[i], types[j] = types[j], types[i] })
		return &wire.VisualizerState{Types: slices.Clone(types[:1+rng.IntN(5)]), RateMax: 1 + rng.IntN(70), Spectrum: spectrumOf(8 * (1 + rng.IntN(2)))}
	}
	s := r.screen(4000, state())
	epoch := uint64(0)
	t0 := int64(0)
	bins := 8
	tapes := map[int]bool{} // of this epoch, by their bins
	start := func() {
		cmd := visualStart("g", epoch, t0, bins)
		if !tapes[bins] {
			tapes[bins] = true
			// Longer than a slow machine takes to write it, and only what is asked for.
			r.writeVisual("g", cmd.GetVisualStart().GetRenditionId(), epoch, t0, 0, 150, bins)
		}
		r.mustCommand(s.ID(), cmd)
	}
	seek := func() {
		epoch++
		t0 = r.house.NowMicros() + 100_000 + rng.Int64N(400_000)
		clear(tapes)
		start()
	}
	for round := range 14 {
		switch rng.IntN(4) {
		case 0:
			if err := s.SetVisualizer(*state()); err != nil {
				t.Fatal(err)
			}
		case 1:
			bins = 8 * rng.IntN(3)
			if epoch > 0 {
				start()
			}
		case 2:
			r.mustCommand(s.ID(), visualEnd("g", 0))
		}
		seek()
		before := s.Stats().Frames
		s.until(t, func() string {
			if n := s.Stats().Frames; n < before+3 {
				return fmt.Sprintf("round %d: %d frames", round, n-before)
			}
			return ""
		})
	}
	s.clean(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clears == 0 || s.ends == 0 || len(s.starts) < 4 {
		t.Errorf("%d clears, %d ends, %d starts: not much happened", s.clears, s.ends, len(s.starts))
	}
}

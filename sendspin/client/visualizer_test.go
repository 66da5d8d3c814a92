package client

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

var testSpectrum = wire.Spectrum{Bins: 4, Scale: wire.ScaleMel, FMin: 40, FMax: 16_000}

func wantVisual() *wire.VisualizerState {
	return &wire.VisualizerState{
		Types:   []string{wire.VisualBeat, wire.VisualLoudness, wire.VisualFPeak, wire.VisualPeak, wire.VisualSpectrum},
		RateMax: 30, Spectrum: ptr(testSpectrum),
	}
}

// fullVisual is a stream with all that wantVisual asks for.
func fullVisual() *wire.VisualizerStream {
	v := wantVisual()
	return &wire.VisualizerStream{Types: v.Types, RateMax: v.RateMax, TracksDownbeats: ptr(true), Spectrum: v.Spectrum}
}

type visualRig struct {
	*rig
	frames chan Visual
}

// newVisualRig connects a display with the roles visualizer and metadata.
func newVisualRig(t *testing.T, change func(*Config)) *visualRig {
	v := &visualRig{frames: make(chan Visual, 1000)}
	v.rig = newRig(t, sendspintest.ServerOptions{}, func(cfg *Config) {
		cfg.Roles = []string{wire.RoleVisualizerV1, wire.RoleMetadataV1}
		cfg.VisualCapacity, cfg.Visualizer = 200, wantVisual()
		cfg.OnVisual = func(f Visual) { v.frames <- f }
		if change != nil {
			change(cfg)
		}
	})
	if s := v.play(t, wire.RoleVisualizerV1, wire.RoleMetadataV1); !reflect.DeepEqual(s.Visualizer, v.c.core.visualState()) {
		t.Fatalf("client/state has %+v", s.Visualizer)
	}
	v.srv.Send(&wire.ServerState{Metadata: &wire.Metadata{Timestamp: v.srv.Now()}}) // owed, as group/update is
	for !v.c.Stats().Synced {
		waitFor[Synced](t, v.recorder)
	}
	return v
}

func (v *visualRig) start(c *wire.VisualizerStream) {
	v.srv.Send(&wire.StreamStart{ServerTransmitted: v.srv.Now(), Visualizer: c})
}

func (v *visualRig) send(t *testing.T, f wire.VisualFrame) {
	t.Helper()
	if err := v.srv.Conn.WritePlain(t.Context(), wire.AppendVisual(nil, f)); err != nil {
		t.Fatal(err)
	}
}

// loud sends a loudness frame in microseconds from now and returns its timestamp.
func (v *visualRig) loud(t *testing.T, in int64) int64 {
	t.Helper()
	at := v.srv.Now() + in
	v.send(t, wire.VisualFrame{ID: wire.IDLoudness, Timestamp: at})
	return at
}

func (v *visualRig) state(t *testing.T, change func(*wire.VisualizerState)) {
	t.Helper()
	s := wantVisual()
	change(s)
	if err := v.c.SetVisualizer(*s); err != nil {
		t.Fatal(err)
	}
	if got := sendspintest.Expect[*wire.ClientState](v.srv).Visualizer; !reflect.DeepEqual(got, s) {
		t.Fatalf("client/state has %+v, want %+v", got, s)
	}
}

func TestVisualizerStream(t *testing.T) {
	v := newVisualRig(t, nil)
	v.start(fullVisual())
	if e := waitFor[VisualStarted](t, v.recorder); e.InPlace || !reflect.DeepEqual(&e.Stream, fullVisual()) {
		t.Errorf("%+v", e)
	}
	at := v.srv.Now() + 20_000_000
	sent := []wire.VisualFrame{
		{ID: wire.IDLoudness, Timestamp: at, Value: 7},
		{ID: wire.IDBeat, Timestamp: at, Downbeat: true},
		{ID: wire.IDFPeak, Timestamp: at + 1, Freq: 440, Value: 9},
		{ID: wire.IDSpectrum, Timestamp: at + 1, Bins: []uint16{1, 2, 3, 65535}},
		{ID: wire.IDPeak, Timestamp: at + 2, Strength: 200},
	}
	var stream uint64
	for i, f := range sent {
		v.send(t, f)
		got := <-v.frames
		stream = got.Stream
		if !reflect.DeepEqual(got.VisualFrame, f) || got.ShowAt < got.ArrivedAt {
			t.Errorf("frame %d is %+v, want %+v", i, got, f)
		}
	}
	v.start(&wire.VisualizerStream{Types: []string{wire.VisualLoudness}, RateMax: 10})
	if e := waitFor[VisualStarted](t, v.recorder); !e.InPlace {
		t.Error("an update is not in place")
	}
	v.send(t, wire.VisualFrame{ID: wire.IDLoudness, Timestamp: at + 3})
	if got := <-v.frames; got.Stream != stream {
		t.Error("an update starts another stream")
	}
	v.srv.Send(&wire.StreamClear{ServerTransmitted: v.srv.Now()})
	waitFor[VisualCleared](t, v.recorder)
	v.loud(t, 10_000_000) // back in time
	if got := <-v.frames; got.Stream == stream {
		t.Error("a clear does not start another stream")
	}
	v.srv.Send(&wire.StreamEnd{Roles: []string{wire.RoleVisualizer}})
	waitFor[VisualEnded](t, v.recorder)
	if s := v.c.Stats(); s.Frames != 7 {
		t.Errorf("%d frames", s.Frames)
	}
	v.wantNoViolations(t)
}

func TestVisualizerDropsStaleFrames(t *testing.T) {
	v := newVisualRig(t, nil)
	v.start(fullVisual())
	v.loud(t, -1_000_000)
	at := v.loud(t, 10_000_000)
	if got := <-v.frames; got.Timestamp != at {
		t.Errorf("%+v", got)
	}
	if s := v.c.Stats(); s.FramesLate != 1 || s.Frames != 2 {
		t.Errorf("%+v", s)
	}
	v.wantNoViolations(t)
}

func TestVisualizerIsSilentWhileUnavailable(t *testing.T) {
	v := newVisualRig(t, nil)
	v.start(fullVisual())
	if err := v.c.SetAvailable(false); err != nil {
		t.Fatal(err)
	}
	sendspintest.Expect[*wire.ClientState](v.srv)
	v.crossing(t)
	v.loud(t, 10_000_000)
	v.settle(t)
	if len(v.frames) != 0 || v.c.Stats().Frames != 1 {
		t.Errorf("%d frames delivered", len(v.frames))
	}
	v.wantNoViolations(t) // the messages may cross
}

func TestVisualizerStateChanges(t *testing.T) {
	v := newVisualRig(t, nil)
	v.start(fullVisual())
	v.state(t, func(s *wire.VisualizerState) { s.RateMax, s.Spectrum.Bins = 10, 8 })
	v.crossing(t)
	v.start(fullVisual()) // was on its way
	slower := fullVisual()
	slower.RateMax, slower.Spectrum = 10, &wire.Spectrum{Bins: 8, Scale: wire.ScaleMel, FMin: 40, FMax: 16_000}
	v.start(slower)
	v.settle(t)
	v.wantNoViolations(t)
	for _, bad := range []wire.VisualizerState{{}, {RateMax: 1, Types: []string{"smell"}}, {RateMax: 1, Types: []string{wire.VisualSpectrum}}} {
		if err := v.c.SetVisualizer(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := New(Config{Name: "x", Roles: []string{wire.RoleVisualizerV1}}); err == nil {
		t.Error("a visualizer without a buffer")
	}
}

func TestRefereeSeesVisualizerViolations(t *testing.T) {
	const frames, start = "Visualization Data", "stream/start visualizer"
	for name, c := range map[string]struct {
		rule   string
		script func(t *testing.T, v *visualRig)
	}{
		"frame without stream": {frames, func(t *testing.T, v *visualRig) { v.loud(t, 1e6) }},
		"frame after the end": {frames, func(t *testing.T, v *visualRig) {
			v.start(fullVisual())
			v.srv.Send(&wire.StreamEnd{})
			v.loud(t, 1e6)
		}},
		"type not announced": {frames, func(t *testing.T, v *visualRig) {
			v.start(&wire.VisualizerStream{Types: []string{wire.VisualPeak}, RateMax: 10})
			v.loud(t, 1e6)
		}},
		"reserved type": {frames, func(t *testing.T, v *visualRig) {
			v.start(fullVisual())
			_ = v.srv.Conn.WriteMessage(t.Context(), 21, make([]byte, 9))
		}},
		"reserved bits": {frames, func(t *testing.T, v *visualRig) {
			v.start(fullVisual())
			b := wire.AppendVisual(nil, wire.VisualFrame{ID: wire.IDBeat, Timestamp: v.srv.Now() + 1e6})
			b[9] = 2
			_ = v.srv.Conn.WritePlain(t.Context(), b)
		}},
		"downbeat that is not tracked": {frames, func(t *testing.T, v *visualRig) {
			s := fullVisual()
			s.TracksDownbeats = ptr(false)
			v.start(s)
			v.send(t, wire.VisualFrame{ID: wire.IDBeat, Timestamp: v.srv.Now() + 1e6, Downbeat: true})
		}},
		"wrong number of bins": {frames, func(t *testing.T, v *visualRig) {
			v.start(fullVisual())
			v.send(t, wire.VisualFrame{ID: wire.IDSpectrum, Timestamp: v.srv.Now() + 1e6, Bins: make([]uint16, 5)})
		}},
		"amplitude of no frequency": {frames, func(t *testing.T, v *visualRig) {
			v.start(fullVisual())
			v.send(t, wire.VisualFrame{ID: wire.IDFPeak, Timestamp: v.srv.Now() + 1e6, Value: 1})
		}},
		"time goes back": {"Visualizer messages", func(t *testing.T, v *visualRig) {
			v.start(fullVisual())
			v.loud(t, 10e6)
			v.send(t, wire.VisualFrame{ID: wire.IDPeak, Timestamp: v.srv.Now() + 9e6})
		}},
		"time goes back in place": {"Visualizer messages", func(t *testing.T, v *visualRig) {
			v.start(fullVisual())
			v.loud(t, 10e6)
			v.start(fullVisual())
			v.loud(t, 9e6)
		}},
		"too fast": {start, func(t *testing.T, v *visualRig) {
			s := fullVisual()
			s.RateMax = 3
			v.start(s)
			at := v.srv.Now() + 1e6
			for i := range int64(4) { // 4 within 0.99 s
				v.send(t, wire.VisualFrame{ID: wire.IDLoudness, Timestamp: at + i*330_000})
			}
		}},
		"buffer overrun": {"visualizer buffer_capacity", func(t *testing.T, v *visualRig) {
			v.start(fullVisual())
			at := v.srv.Now() + 20e6
			for i := range int64(12) { // 12 × 17 bytes, capacity 200
				v.send(t, wire.VisualFrame{ID: wire.IDSpectrum, Timestamp: at + i*40_000, Bins: make([]uint16, 4)})
			}
		}},
		"type not requested": {start, func(t *testing.T, v *visualRig) {
			v.state(t, func(s *wire.VisualizerState) { s.Types = s.Types[:1] })
			v.outdate()
			v.start(fullVisual())
		}},
		"rate above the request": {start, func(t *testing.T, v *visualRig) {
			s := fullVisual()
			s.RateMax++
			v.start(s)
		}},
		"another spectrum": {start, func(t *testing.T, v *visualRig) {
			s := fullVisual()
			s.Spectrum = &wire.Spectrum{Bins: 4, Scale: wire.ScaleLog, FMin: 40, FMax: 16_000}
			v.start(s)
		}},
		"downbeats without beats": {"", func(t *testing.T, v *visualRig) {
			v.srv.SendRaw([]byte(`{"type":"stream/start","payload":{"server_transmitted":1,"visualizer":{"types":["peak"],"rate_max":1,"tracks_downbeats":true}}}`))
		}},
		"spectrum without the type": {"", func(t *testing.T, v *visualRig) {
			v.srv.SendRaw([]byte(`{"type":"stream/start","payload":{"server_transmitted":1,"visualizer":{"types":["peak"],"rate_max":1,"spectrum":{"n_disp_bins":4,"scale":"mel","f_min":40,"f_max":16000}}}}`))
		}},
		"clear without stream": {"stream/clear", func(t *testing.T, v *visualRig) {
			v.srv.Send(&wire.StreamClear{ServerTransmitted: v.srv.Now(), Roles: []string{wire.RoleVisualizer}})
		}},
		"end without stream": {"stream/end", func(t *testing.T, v *visualRig) { v.srv.Send(&wire.StreamEnd{Roles: []string{wire.RoleVisualizer}}) }},
		"end of another role": {"stream/end", func(t *testing.T, v *visualRig) {
			v.start(fullVisual())
			v.srv.Send(&wire.StreamEnd{Roles: []string{wire.RolePlayer}})
		}},
		"role gone, no end": {"server/activate", func(t *testing.T, v *visualRig) {
			v.start(fullVisual())
			v.srv.Activate(nil, wire.RoleMetadataV1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVisualRig(t, nil)
			v.wantNoViolations(t)
			c.script(t, v)
			if b := waitFor[Violation](t, v.recorder); !strings.HasPrefix(b.Rule, c.rule) || b.Detail == "" {
				t.Errorf("violation %q, want one of %q", b, c.rule)
			}
		})
	}
}

// outdate makes what the client asked for before the last change too old to go by.
func (v *visualRig) outdate() {
	done := make(chan struct{})
	_ = v.c.do(func(k *core) {
		asked := k.holder.referee.visual.asked
		for i := range asked {
			asked[i].at -= 2 * crossing
		}
		close(done)
	})
	<-done
}

func TestRefereeWantsTheVisualizerStateFirst(t *testing.T) {
	v := newVisualRig(t, nil)
	v.srv.Activate(nil, wire.RoleMetadataV1)
	v.srv.Activate(nil, wire.RoleMetadataV1, wire.RoleVisualizerV1)
	sendspintest.Expect[*wire.ClientState](v.srv)
	done := make(chan struct{})
	_ = v.c.do(func(k *core) { k.holder.referee.visual.asked = nil; close(done) }) // as if it were on its way
	<-done
	v.start(fullVisual())
	v.loud(t, 1e6)
	v.settle(t)
	rules := []string{}
	for _, b := range v.violations() {
		rules = append(rules, b.Rule)
	}
	if !slices.Equal(rules, []string{"stream/start visualizer", visualRule}) {
		t.Errorf("violations %v", v.violations())
	}
}

func TestRefereeMissesTheVisualizerUpdate(t *testing.T) {
	v := newVisualRig(t, nil)
	v.start(fullVisual())
	waitFor[VisualStarted](t, v.recorder)
	v.state(t, func(s *wire.VisualizerState) { s.RateMax = 10 })
	late := func() {
		done := make(chan struct{})
		_ = v.c.do(func(k *core) {
			k.holder.referee.visualTick(k.cfg.Now() + crossing + promptly)
			close(done)
		})
		<-done
	}
	v.crossing(t)
	v.start(fullVisual()) // by the state before: it still has to follow
	v.settle(t)
	v.wantNoViolations(t)
	late()
	if b := v.violations(); len(b) != 1 || b[0].Rule != "client/state visualizer" {
		t.Fatalf("violations %v", b)
	}
	v.state(t, func(s *wire.VisualizerState) { s.RateMax = 5 })
	slow := fullVisual()
	slow.RateMax = 5
	v.start(slow)
	v.settle(t)
	late()
	if b := v.violations(); len(b) != 1 {
		t.Errorf("violations %v after the update came", b)
	}
}

func TestRefereeAcceptsAGoodVisualizerServer(t *testing.T) {
	v := newVisualRig(t, func(cfg *Config) { cfg.VisualCapacity = 30 * 11 })
	v.start(fullVisual())
	for range 2 {
		at := v.srv.Now() + 20_000_000
		for k := range int64(30) { // exactly full, exactly the rate
			v.send(t, wire.VisualFrame{ID: wire.IDLoudness, Timestamp: at + k*1_000_000/30})
		}
		v.srv.Send(&wire.StreamClear{ServerTransmitted: v.srv.Now(), Roles: []string{wire.RoleVisualizer}})
	}
	v.srv.Send(&wire.StreamEnd{})
	v.srv.Activate(nil, wire.RoleMetadataV1)
	v.settle(t)
	v.wantNoViolations(t)
}

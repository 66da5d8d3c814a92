package client

import (
	"fmt"
	"slices"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// defaultVisualRate is the rate_max of a client that says nothing about it, in Hz: what
// a screen of moderate speed shows.
const defaultVisualRate = 30

// visualStream is an active visualizer stream.
type visualStream struct {
	config wire.VisualizerStream
	epoch  uint64 // counts starts and clears
}

// bins is n_disp_bins of the stream, 0 without a spectrum.
func (v *visualStream) bins() int {
	if v.config.Spectrum == nil {
		return 0
	}
	return v.config.Spectrum.Bins
}

// SetVisualizer changes what the client asks of a visualizer stream: types, rate_max and
// the spectrum. A server that streams changes the stream with it. Values that the
// specification does not allow are [ErrInvalid].
func (c *Client) SetVisualizer(v wire.VisualizerState) error {
	v = copyVisual(v)
	if _, err := wire.Current().Encode(&wire.ClientState{Visualizer: &v}); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return c.do(func(k *core) {
		k.visual = v
		k.reportAll()
	})
}

func copyVisual(v wire.VisualizerState) wire.VisualizerState {
	v.Types = slices.Clone(v.Types)
	if v.Spectrum != nil {
		spectrum := *v.Spectrum
		v.Spectrum = &spectrum
	}
	return v
}

// visualState is the visualizer object of client/state.
func (k *core) visualState() *wire.VisualizerState {
	v := copyVisual(k.visual)
	return &v
}

// visualStart starts the visualizer stream or changes its configuration.
func (s *session) visualStart(m *wire.StreamStart) {
	if m.Visualizer == nil || wire.ActiveFamily(s.roles, wire.RoleVisualizer) == "" {
		return
	}
	inPlace := s.visual != nil
	if !inPlace {
		s.epoch++
		s.visual = &visualStream{epoch: s.epoch}
	}
	s.visual.config = *m.Visualizer
	s.core.cfg.Log.Info("visualizer started", "server_id", s.serverID, "types", m.Visualizer.Types, "rate", m.Visualizer.RateMax, "in_place", inPlace)
	s.tell(VisualStarted{Stream: *m.Visualizer, ServerTransmitted: m.ServerTransmitted, InPlace: inPlace})
}

// visualClear drops what is buffered.
func (s *session) visualClear(m *wire.StreamClear) {
	if s.visual == nil || len(m.Roles) > 0 && !slices.Contains(m.Roles, wire.RoleVisualizer) {
		return
	}
	s.epoch++
	s.visual.epoch = s.epoch
	s.tell(VisualCleared{ServerTransmitted: m.ServerTransmitted})
}

func (s *session) endVisual() {
	if s.visual == nil {
		return
	}
	s.visual = nil
	s.epoch++
	s.tell(VisualEnded{})
}

// frame deals with a visualizer message. It runs on the core's goroutine.
func (s *session) frame(id byte, payload []byte, at int64) {
	stats := s.core.stats
	bins := 0
	if s.visual != nil {
		bins = s.visual.bins()
	}
	f, err := wire.ParseVisual(id, payload, bins)
	if s.referee != nil {
		s.referee.frame(id, payload, f, err, at)
	}
	if s.visual == nil || err != nil {
		stats.outside.Add(1)
		return
	}
	stats.frames.Add(1)
	showAt := f.Timestamp
	if s.timing.filter.Count() > 0 {
		showAt = s.timing.filter.ClientTime(f.Timestamp)
		if showAt < at { // stale frames are never rendered
			stats.framesLate.Add(1)
			return
		}
	}
	if s.available() && (s.core.holder == nil || s.core.holder == s) {
		s.core.cfg.OnVisual(Visual{VisualFrame: f, ShowAt: showAt, ArrivedAt: at, Stream: s.visual.epoch})
	}
}

// VisualStarted tells that the visualizer stream started, or changed its configuration in
// place: frames that are buffered stay valid then.
type VisualStarted struct {
	Stream            wire.VisualizerStream
	ServerTransmitted int64
	InPlace           bool
}

// VisualCleared tells to drop all frames that are buffered.
type VisualCleared struct{ ServerTransmitted int64 }

// VisualEnded tells to show nothing any more and to drop what is buffered.
type VisualEnded struct{}

func (VisualStarted) event() {}
func (VisualCleared) event() {}
func (VisualEnded) event()   {}

// Visual is one frame of a visualizer stream, as told to [Config.OnVisual].
type Visual struct {
	// VisualFrame is the frame; its Timestamp is in server microseconds.
	wire.VisualFrame
	// ShowAt is the timestamp on the client's clock by the best estimate of now. It is
	// Timestamp itself as long as nothing is known of the server's clock.
	ShowAt int64
	// ArrivedAt is the client's clock when the frame was decrypted.
	ArrivedAt int64
	// Stream counts starts, clears and ends, as that of [Chunk].
	Stream uint64
}

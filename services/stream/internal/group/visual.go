package group

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/audio/analysis"
	"github.com/tutti-audio/tutti/proto/tape"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// plainVisual is the tape of analysis frames without a spectrum.
const plainVisual = "visual"

// maxSpectra bounds the spectra that are computed for one group. Displays that ask for
// one more see everything but that.
const maxSpectra = 8

// visualOf is the tape that a member's visualizer role reads; its ID is "" when it can be
// sent nothing. watches is false when it asks for no data at the moment.
func visualOf(p *tuttiv1.ClientPresence) (v pipeline.Visual, watches bool) {
	s := p.GetVisualizer()
	if !presence.Active(p) || !presence.HasRole(p, "visualizer") || s == nil || !p.GetAvailable() {
		return pipeline.Visual{}, false
	}
	v.ID = plainVisual
	if c := s.GetSpectrum(); c != nil && slices.Contains(s.GetTypes(), "spectrum") {
		spectrum := analysis.Spectrum{Bins: int(c.GetBins()), Scale: c.GetScale(), FMin: int(c.GetFMin()), FMax: int(c.GetFMax())}
		if spectrum.Check() == nil {
			v.ID = fmt.Sprintf("%s-%d-%s-%d-%d", plainVisual, spectrum.Bins, spectrum.Scale, spectrum.FMin, spectrum.FMax)
			v.Spectrum = &spectrum
		}
	}
	return v, len(s.GetTypes()) > 0
}

// lookVisual reads what a member's visualizer wants.
func (g *Group) lookVisual(m *member) {
	v, watches := visualOf(m.p)
	if v.ID != m.visual.ID || watches != m.watches {
		g.revisual = true
	}
	m.visual, m.watches = v, watches
}

// visualTapes are the tapes that members read, by name.
func (g *Group) visualTapes() (out []pipeline.Visual) {
	add := func(v pipeline.Visual) {
		if !slices.ContainsFunc(out, func(o pipeline.Visual) bool { return o.ID == v.ID }) {
			out = append(out, v)
		}
	}
	spectra := 0
	for _, id := range g.rec.GetMembers() {
		m := g.members[id]
		if m == nil || !m.watches {
			continue
		}
		v := m.visual
		known := slices.ContainsFunc(out, func(o pipeline.Visual) bool { return o.ID == v.ID })
		switch {
		case v.Spectrum == nil || known:
		case spectra == maxSpectra:
			v = pipeline.Visual{ID: plainVisual}
		default:
			spectra++
		}
		add(v)
	}
	slices.SortFunc(out, func(a, b pipeline.Visual) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// refreshVisual recomputes the tapes, and reports whether they differ.
func (g *Group) refreshVisual() bool {
	if !g.revisual {
		return false
	}
	g.revisual = false
	tapes := g.visualTapes()
	if slices.EqualFunc(tapes, g.shared.visuals, func(a, b pipeline.Visual) bool { return a.ID == b.ID }) {
		return false
	}
	g.shared.visuals = tapes
	if g.run != nil {
		g.run.p.SetVisual(tapes)
	}
	g.log.Info("visual tapes", "count", len(tapes))
	return true
}

// wantVisual is what one member should know of the visual tapes.
func (g *Group) wantVisual(m *member, w *want) {
	s := g.shared.stream
	if m.visual.ID == "" || s.epoch == 0 || s.endUS != 0 {
		return
	}
	v := m.visual
	if v.Spectrum != nil && !slices.ContainsFunc(g.shared.visuals, func(o pipeline.Visual) bool { return o.ID == v.ID }) {
		v = pipeline.Visual{ID: plainVisual}
	}
	w.visual = &tuttiv1.VisualStart{RenditionId: v.ID, Epoch: s.epoch, NotBeforeUs: s.t0, FrameRate: analysis.FrameRate, Beats: true, Downbeats: true}
	if c := v.Spectrum; c != nil {
		w.visual.Spectrum = &tuttiv1.SpectrumConfig{Bins: int32(c.Bins), Scale: c.Scale, FMin: int32(c.FMin), FMax: int32(c.FMax)}
	}
}

// nextVisualEnd ends the visualizer stream, now or when the last sample has sounded.
func nextVisualEnd(t told, w want, now int64) (*tuttiv1.SessionCommand, told) {
	if t.visual != nil && t.visualEnd != 0 && now >= t.visualEnd {
		t.visual, t.visualEnd = nil, 0 // it has ended by itself
	}
	if w.visual != nil || t.visual == nil || t.visualEnd != 0 && w.endAt != 0 {
		return nil, t
	}
	if t.visualEnd = w.endAt; t.visualEnd == 0 {
		t.visual = nil
	}
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_VisualEnd{VisualEnd: &tuttiv1.VisualEnd{AtUs: w.endAt}}}, t
}

// nextVisual starts the visualizer stream, or brings it up to date. The session clears it
// for another epoch by itself.
func nextVisual(t told, w want) (*tuttiv1.SessionCommand, told) {
	if w.visual == nil || proto.Equal(t.visual, w.visual) && t.visualEnd == 0 {
		return nil, t
	}
	t.visual, t.visualEnd = w.visual, 0
	return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_VisualStart{VisualStart: w.visual}}, t
}

// readVisual adds to t where the visual tapes of the last holder end, so that they go on
// without a hole. One that ended in the past begins anew.
func (g *Group) readVisual(ctx context.Context, t *tails, e *timeline.Epoch) {
	for _, v := range g.visualTapes() {
		data, err := g.LastChunk(ctx, g.id, v.ID)
		if err != nil {
			continue // a tape that is missing costs a hole, and nobody a sound
		}
		c, err := tape.Parse(data)
		if end := c.TimestampUS + int64(c.DurationUS); err == nil && c.Epoch == e.ID && end > max(g.House.NowMicros(), e.T0) {
			t.next[v.ID], t.rates[v.ID] = end-e.T0, timeline.Micro
		}
	}
}

package machine

import (
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/visual"
)

// This file is the visualizer role (specification, Visualizer messages).

// StartVisual opens the visualizer stream, changes the configuration of the active one,
// moves it to another tape, or, with another epoch or group, clears it and goes on.
type StartVisual struct {
	Gen                uint64
	GroupID, Rendition string
	Epoch              uint64
	NotBefore          int64
	Config             visual.Config
}

// EndVisual ends the visualizer stream: at once, or when the house clock reaches At (then
// a VisualEnded input follows).
type EndVisual struct {
	Gen uint64
	At  int64
}

func (StartVisual) effect() {}
func (EndVisual) effect()   {}

// visualizer is the visualizer role of a session.
type visualizer struct {
	asked  *wire.VisualizerState // nil until reported since the role became active
	tape   *tuttiv1.VisualStart  // what the group has to show; nil: nothing
	group  string                // that tape is of
	gen    uint64
	active bool
	now    StartVisual // of the active stream
}

// setVisual takes what a group has for its visualizers.
func (m *Machine) setVisual(group string, s *tuttiv1.VisualStart) ([]Effect, error) {
	switch {
	case m.groupID != "" && m.groupID != group:
		return nil, m.conflict("it is in group " + m.groupID + " now")
	case !m.has(wire.RoleVisualizer):
		return nil, m.conflict("its visualizer role is not active")
	}
	m.visual.tape, m.visual.group = s, group
	return m.startVisual(), nil
}

// dropVisual takes it back: at once, or when the last sample sounds.
func (m *Machine) dropVisual(group string, e *tuttiv1.VisualEnd) []Effect {
	v := &m.visual
	if v.group != group {
		return nil // another group has the display by now
	}
	v.tape = nil
	if !v.active || e.GetAtUs() <= 0 {
		return m.endVisual()
	}
	v.gen++
	return []Effect{EndVisual{Gen: v.gen, At: e.GetAtUs()}}
}

// visualState takes the client's visualizer object, and what its availability means for
// the stream. A changed configuration changes an active stream and starts none; the first
// object since the role became active is what the stream has waited for (specification,
// stream/start).
func (m *Machine) visualState(s *wire.VisualizerState, wasAvailable bool) []Effect {
	if !m.has(wire.RoleVisualizer) {
		return nil
	}
	v := &m.visual
	first := v.asked == nil
	if s != nil {
		v.asked = s
	}
	switch {
	case !*m.available:
		return m.endVisual()
	case first || !wasAvailable || v.active:
		return m.startVisual()
	}
	return nil
}

// startVisual starts the stream or brings it up to date, where that is allowed and
// anything is missing.
func (m *Machine) startVisual() []Effect {
	v := &m.visual
	if v.tape == nil || v.asked == nil || !m.has(wire.RoleVisualizer) || m.available == nil || !*m.available {
		return nil
	}
	next := StartVisual{
		Gen: v.now.Gen, GroupID: v.group, Rendition: v.tape.GetRenditionId(), Epoch: v.tape.GetEpoch(),
		NotBefore: v.tape.GetNotBeforeUs(), Config: visual.Derive(v.asked, v.tape),
	}
	if v.active && v.now.Gen == v.gen && sameVisual(v.now, next) {
		return nil
	}
	before := v.active
	v.gen++
	next.Gen = v.gen
	v.active, v.now = true, next
	var out []Effect
	if !before && m.setActivities() {
		out = append(out, m.activate())
	}
	return append(out, next, Changed{})
}

func sameVisual(a, b StartVisual) bool {
	return a.GroupID == b.GroupID && a.Rendition == b.Rendition && a.Epoch == b.Epoch && a.Config.Every == b.Config.Every && a.Config.Same(b.Config)
}

// endVisual ends the stream if it is active.
func (m *Machine) endVisual() []Effect {
	v := &m.visual
	if !v.active {
		return nil
	}
	v.gen++
	v.active = false
	return append([]Effect{EndVisual{Gen: v.gen}}, m.stopped()...)
}

// removeVisual forgets a role that goes: its stream ends before the server/activate.
func (m *Machine) removeVisual() []Effect {
	v := &m.visual
	active := v.active
	v.gen++
	v.asked, v.active = nil, false
	if active {
		return []Effect{EndVisual{Gen: v.gen}}
	}
	return nil
}

// VisualEnded is the writer's word that it sent a scheduled stream/end.
func (m *Machine) VisualEnded(gen uint64) []Effect {
	if gen != m.visual.gen || !m.visual.active {
		return nil
	}
	m.visual.active = false
	return m.stopped()
}

// ShowsVisual reports whether the visualizer stream is active.
func (m *Machine) ShowsVisual() bool { return m.visual.active }

// fillVisual writes the role into a presence record.
func (m *Machine) fillVisual(p *tuttiv1.ClientPresence) {
	if s := m.cfg.Hello.Visualizer; s != nil {
		p.VisualizerSupport = &tuttiv1.VisualizerSupport{BufferCapacity: int64(s.BufferCapacity)}
	}
	if s := m.visual.asked; s != nil {
		p.Visualizer = &tuttiv1.VisualizerState{Types: s.Types, RateMax: bounded(s.RateMax)}
		if c := s.Spectrum; c != nil {
			p.Visualizer.Spectrum = &tuttiv1.SpectrumConfig{Bins: bounded(c.Bins), Scale: c.Scale, FMin: bounded(c.FMin), FMax: bounded(c.FMax)}
		}
	}
	if m.visual.active {
		if p.Display == nil {
			p.Display = &tuttiv1.DisplayStatus{}
		}
		c := m.visual.now.Config.Stream
		p.Display.Visualizer, p.Display.VisualTypes, p.Display.VisualRate = true, c.Types, int32(c.RateMax)
	}
}

// bounded keeps what a client says within the field that shows it.
func bounded(v int) int32 { return int32(min(v, 1<<30)) }

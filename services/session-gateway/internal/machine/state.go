package machine

import (
	"reflect"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// schedule is the current state object of a role and at most one that is due later, as
// the client keeps them (specification, Scheduled metadata updates and Scheduled color
// updates).
type schedule[T any] struct {
	current, pending *T
	at               int64 // when pending is due
	sent             bool  // the client had one since the role became active
}

// put takes a new object at house time now.
func (s *schedule[T]) put(obj *T, at, now int64) {
	s.advance(now)
	if at > now {
		s.pending, s.at = obj, at
		return
	}
	s.current, s.pending = obj, nil
}

func (s *schedule[T]) advance(now int64) {
	if s.pending != nil && s.at <= now {
		s.current, s.pending = s.pending, nil
	}
}

// begin is what brings a fresh role up to date: the first object carries a past or
// present timestamp, so without one that is known nothing is said of now; a scheduled
// one follows.
func (s *schedule[T]) begin(now int64, nothing *T) []*T {
	s.advance(now)
	switch {
	case s.current != nil:
	case s.pending == nil:
		return nil
	default:
		s.current = nothing
	}
	s.sent = true
	if s.pending != nil {
		return []*T{s.current, s.pending}
	}
	return []*T{s.current}
}

func (m *Machine) setState(u *tuttiv1.StateUpdate, now int64) []Effect {
	var out []Effect
	if md := metadata(u.GetMetadata()); md != nil && !m.knows(md, now) {
		m.meta.put(md, md.Timestamp, now)
		switch {
		case !m.has(wire.RoleMetadata):
		case !m.meta.sent:
			out = append(out, m.sendMetadata(now)...)
		default:
			out = append(out, Send{&wire.ServerState{Metadata: md}})
		}
	}
	if c := color(u.GetColor()); c != nil && !m.knowsColor(c, now) {
		m.color.put(c, c.Timestamp, now)
		switch {
		case !m.has(wire.RoleColor):
		case !m.color.sent:
			out = append(out, m.sendColor(now)...)
		default:
			out = append(out, Send{&wire.ServerState{Color: c}})
		}
	}
	if k := controller(u.GetController()); k != nil && !reflect.DeepEqual(k, m.controller) {
		m.controller = k
		if m.has(wire.RoleController) {
			out = append(out, Send{&wire.ServerState{Controller: k}})
		}
	}
	return out
}

// knows reports whether a client that shows what it was sent last shows md already: a
// group's next holder says everything again. Where nothing moves the timestamp says
// nothing.
func (m *Machine) knows(md *wire.Metadata, now int64) bool {
	m.meta.advance(now)
	last := m.meta.current
	if md.Timestamp > now {
		return m.meta.sent && reflect.DeepEqual(m.meta.pending, md)
	}
	if last == nil || !m.meta.sent || m.meta.pending != nil {
		return false
	}
	a, b := *last, *md
	if a.Progress == nil || a.Progress.Speed == 0 {
		a.Timestamp = b.Timestamp
	}
	return reflect.DeepEqual(a, b)
}

// knowsColor is knows for colors, which never move.
func (m *Machine) knowsColor(c *wire.Color, now int64) bool {
	m.color.advance(now)
	last := m.color.current
	if c.Timestamp > now {
		return m.color.sent && reflect.DeepEqual(m.color.pending, c)
	}
	if last == nil || !m.color.sent || m.color.pending != nil {
		return false
	}
	a := *last
	a.Timestamp = c.Timestamp
	return reflect.DeepEqual(a, *c)
}

// sendMetadata and sendColor bring a fresh role up to date.
func (m *Machine) sendMetadata(now int64) (out []Effect) {
	for _, md := range m.meta.begin(now, &wire.Metadata{Timestamp: now}) {
		out = append(out, Send{&wire.ServerState{Metadata: md}})
	}
	return out
}

func (m *Machine) sendColor(now int64) (out []Effect) {
	for _, c := range m.color.begin(now, &wire.Color{Timestamp: now}) {
		out = append(out, Send{&wire.ServerState{Color: c}})
	}
	return out
}

func metadata(p *tuttiv1.MetadataState) *wire.Metadata {
	if p == nil {
		return nil
	}
	md := &wire.Metadata{
		Timestamp: p.GetTimestampUs(),
		Title:     p.GetTitle(), Artist: p.GetArtist(), AlbumArtist: p.GetAlbumArtist(), Album: p.GetAlbum(),
		ArtworkURL: p.GetArtworkUrl(), Year: intPtr(p.Year), Track: intPtr(p.Track),
	}
	if pr := p.GetProgress(); pr != nil {
		md.Progress = &wire.Progress{
			PositionMS: pr.GetTrackProgressMs(), DurationMS: pr.GetTrackDurationMs(), Speed: int(pr.GetPlaybackSpeed()),
		}
	}
	return md
}

func controller(p *tuttiv1.ControllerState) *wire.ControllerState {
	if p == nil {
		return nil
	}
	return &wire.ControllerState{
		SupportedCommands: p.GetSupportedCommands(), Volume: int(p.GetVolume()), Muted: p.GetMuted(),
		Repeat: p.GetRepeat(), Shuffle: p.GetShuffle(), SeekMaxMS: p.SeekMaxMs,
	}
}

func intPtr(v *int32) *int {
	if v == nil {
		return nil
	}
	n := int(*v)
	return &n
}

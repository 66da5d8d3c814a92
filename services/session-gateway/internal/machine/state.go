package machine

import (
	"reflect"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// schedule is the current metadata and at most one that is due later, as the
// client keeps them (specification, Scheduled metadata updates).
type schedule struct{ current, pending *wire.Metadata }

// put takes a new object at house time now.
func (s *schedule) put(md *wire.Metadata, now int64) {
	s.advance(now)
	if md.Timestamp > now {
		s.pending = md
		return
	}
	s.current, s.pending = md, nil
}

func (s *schedule) advance(now int64) {
	if s.pending != nil && s.pending.Timestamp <= now {
		s.current, s.pending = s.pending, nil
	}
}

func (m *Machine) setState(u *tuttiv1.StateUpdate, now int64) []Effect {
	var out []Effect
	if md := metadata(u.GetMetadata()); md != nil && !m.knows(md, now) {
		m.meta.put(md, now)
		switch {
		case !m.has(wire.RoleMetadata):
		case !m.metaSent:
			out = append(out, m.sendMetadata(now)...)
		default:
			out = append(out, Send{&wire.ServerState{Metadata: md}})
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
	if last == nil || !m.metaSent || m.meta.pending != nil || md.Timestamp > now {
		return false
	}
	a, b := *last, *md
	if a.Progress == nil || a.Progress.Speed == 0 {
		a.Timestamp = b.Timestamp
	}
	return reflect.DeepEqual(a, b)
}

// sendMetadata brings a fresh role up to date: the first object carries a past or
// present timestamp, a scheduled one follows.
func (m *Machine) sendMetadata(now int64) []Effect {
	m.meta.advance(now)
	current := m.meta.current
	if current == nil {
		if m.meta.pending == nil {
			return nil
		}
		// Only the coming title is known: nothing plays until then.
		current = &wire.Metadata{Timestamp: now}
	}
	m.metaSent = true
	out := []Effect{Send{&wire.ServerState{Metadata: current}}}
	if m.meta.pending != nil {
		out = append(out, Send{&wire.ServerState{Metadata: m.meta.pending}})
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

package machine

import (
	"fmt"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/gallery"
)

// StartArtwork starts the artwork stream, or changes the configuration of the active one.
type StartArtwork struct{ Config gallery.Config }

// ShowArtwork says what the display should show from now on.
type ShowArtwork struct{ Album, Artist []gallery.Picture }

// EndArtwork ends the artwork stream.
type EndArtwork struct{}

func (StartArtwork) effect() {}
func (ShowArtwork) effect()  {}
func (EndArtwork) effect()   {}

// artwork is the artwork role of a session.
type artwork struct {
	asked  *wire.ArtworkState // nil until reported since the role became active
	show   *tuttiv1.ArtworkShow
	group  string // that show is of
	active bool
	config gallery.Config // of the active stream
}

// setArtwork takes what a group wants its displays to show.
func (m *Machine) setArtwork(group string, s *tuttiv1.ArtworkShow) ([]Effect, error) {
	a := &m.artwork
	switch {
	case m.groupID != "" && m.groupID != group:
		return nil, m.conflict("it is in group " + m.groupID + " now")
	case !s.GetActive() && a.show != nil && a.group != group:
		return nil, nil // another group has the display by now
	case !m.has(wire.RoleArtwork):
		return nil, m.conflict("its artwork role is not active")
	}
	a.show, a.group = s, group
	if !s.GetActive() {
		a.show = nil
		return m.endArtwork(), nil
	}
	out := []Effect{ShowArtwork{Album: pictures(s.GetAlbum()), Artist: pictures(s.GetArtist())}}
	return append(out, m.startArtwork()...), nil
}

func pictures(list []*tuttiv1.Picture) []gallery.Picture {
	out := make([]gallery.Picture, len(list))
	for i, p := range list {
		out[i] = gallery.Picture{ID: p.GetImageId(), At: p.GetAtUs(), Instance: p.GetInstanceId()}
	}
	return out
}

// artworkState takes the client's artwork object, and what its availability means for the
// stream. A changed configuration changes an active stream and starts none; the first
// object since the role became active is what the stream has waited for (specification,
// stream/start).
func (m *Machine) artworkState(s *wire.ArtworkState, wasAvailable bool) []Effect {
	if !m.has(wire.RoleArtwork) {
		return nil
	}
	a := &m.artwork
	first := a.asked == nil
	if s != nil {
		a.asked = s
	}
	switch {
	case !*m.available:
		return m.endArtwork()
	case first || !wasAvailable || a.active:
		return m.startArtwork()
	}
	return nil
}

// startArtwork starts the stream or brings its configuration up to date, where that is
// allowed and anything is missing.
func (m *Machine) startArtwork() []Effect {
	a := &m.artwork
	if a.show == nil || a.asked == nil || !m.has(wire.RoleArtwork) || m.available == nil || !*m.available {
		return nil
	}
	var config gallery.Config
	for ch := range config {
		config[ch] = wire.ArtworkChannel{Source: wire.ArtworkNone}
		if ch < len(a.asked.Channels) && a.asked.Channels[ch].Source != wire.ArtworkNone {
			config[ch] = a.asked.Channels[ch]
		}
	}
	if a.active && config == a.config {
		return nil
	}
	before := a.active
	a.active, a.config = true, config
	var out []Effect
	if !before && m.setActivities() {
		out = append(out, m.activate())
	}
	return append(out, StartArtwork{config}, Changed{})
}

// endArtwork ends the stream if it is active.
func (m *Machine) endArtwork() []Effect {
	if !m.artwork.active {
		return nil
	}
	m.artwork.active = false
	return append([]Effect{EndArtwork{}}, m.stopped()...)
}

// dropArtwork forgets a role that goes: its stream ends before the server/activate.
func (m *Machine) dropArtwork() []Effect {
	active := m.artwork.active
	m.artwork = artwork{}
	if active {
		return []Effect{EndArtwork{}}
	}
	return nil
}

// ShowsArtwork reports whether the artwork stream is active.
func (m *Machine) ShowsArtwork() bool { return m.artwork.active }

func artworkProto(s *wire.ArtworkState) *tuttiv1.ArtworkState {
	if s == nil {
		return nil
	}
	out := &tuttiv1.ArtworkState{}
	for _, c := range s.Channels {
		out.Channels = append(out.Channels, &tuttiv1.ArtworkChannel{
			Source: c.Source, Format: c.Format, Width: int32(min(c.Width, maxPixels)), Height: int32(min(c.Height, maxPixels)),
		})
	}
	return out
}

// maxPixels keeps what a client says within the field that shows it.
const maxPixels = 1 << 30

func color(p *tuttiv1.ColorState) *wire.Color {
	if p == nil {
		return nil
	}
	rgb := func(v *uint32) *wire.RGB {
		if v == nil {
			return nil
		}
		return &wire.RGB{uint8(*v >> 16), uint8(*v >> 8), uint8(*v)}
	}
	return &wire.Color{
		Timestamp: p.GetTimestampUs(), BackgroundDark: rgb(p.BackgroundDark), BackgroundLight: rgb(p.BackgroundLight),
		Primary: rgb(p.Primary), Accent: rgb(p.Accent), OnDark: rgb(p.OnDark), OnLight: rgb(p.OnLight),
	}
}

// String names the channels for the log.
func (s StartArtwork) String() string { return fmt.Sprint(s.Config) }

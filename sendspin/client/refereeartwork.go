package client

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// ruleArtwork is the section that the artwork messages are in.
const ruleArtwork = "Artwork (Binary)"

// artworkRules is what the referee knows of the artwork role.
type artworkRules struct {
	// asked are the configurations that the server may go by, oldest first. It is empty
	// until the client has sent one for the role as it is active now.
	asked []askedArtwork
	// cleared is true for a channel whose last announce was an empty image for at once.
	cleared [wire.MaxArtworkChannels]bool
	// configBy is when the stream has to be as the client asked last.
	configBy int64
}

type askedArtwork struct {
	channels [wire.MaxArtworkChannels]wire.ArtworkChannel
	at       int64 // client's clock
}

// artworkReported notes what the client asked for.
func (r *referee) artworkReported(state *wire.ArtworkState, now int64) {
	if state == nil {
		return
	}
	a, channels := &r.artwork, fourChannels(state.Channels)
	if n := len(a.asked); n == 0 || a.asked[n-1].channels != channels {
		a.asked = append(a.asked, askedArtwork{channels: channels, at: now})
	}
	a.configBy = never
	if r.s.artwork.active && r.s.artwork.channels != channels {
		a.configBy = now + promptly
	}
}

// artworkAsked reports whether the client asked for these channels, as far as the server
// may know.
func (r *referee) artworkAsked(channels [wire.MaxArtworkChannels]wire.ArtworkChannel, now int64) bool {
	a := &r.artwork
	for len(a.asked) > 1 && now > a.asked[1].at+crossing {
		a.asked = a.asked[1:]
	}
	for _, c := range a.asked {
		if c.channels == channels {
			return true
		}
	}
	return false
}

// artworkStart checks the artwork object of a stream/start.
func (r *referee) artworkStart(m *wire.ArtworkStream, at int64) {
	const rule = "stream/start artwork object"
	if m == nil {
		return
	}
	s, channels := r.s, fourChannels(m.Channels)
	r.check(wire.ActiveFamily(s.roles, wire.RoleArtwork) != "", rule, "the artwork role is not active")
	r.check(len(r.artwork.asked) > 0, rule, "the client has not said what it wants to show")
	r.check(len(r.artwork.asked) == 0 || r.artworkAsked(channels, at), rule, "channels %v are not what the client asked for", m.Channels)
	if n := len(m.Channels); n > 0 {
		r.check(m.Channels[n-1].Source != wire.ArtworkNone, rule, "the list is not truncated after the last streamed channel")
	}
	if !s.artwork.active {
		r.artwork.cleared = [wire.MaxArtworkChannels]bool{}
	} else {
		r.artworkChanges(channels)
	}
	if n := len(r.artwork.asked); n > 0 && r.artwork.asked[n-1].channels == channels {
		r.artwork.configBy = never
	}
}

// artworkChanges checks what has to come before a change of the stream's configuration.
func (r *referee) artworkChanges(channels [wire.MaxArtworkChannels]wire.ArtworkChannel) {
	before := r.s.artwork
	for ch, c := range channels {
		if c == before.channels[ch] {
			continue
		}
		r.check(before.flight == nil || before.flight.Channel != ch, ruleArtwork,
			"the configuration of channel %d changes while its transfer is in flight", ch)
		r.check(c.Source != wire.ArtworkNone || r.artwork.cleared[ch], ruleArtwork,
			"channel %d becomes none without having been cleared", ch)
	}
}

// artworkEnd checks the end of the stream.
func (r *referee) artworkEnd() {
	flight := r.s.artwork.flight
	r.check(flight == nil, ruleArtwork, "the stream ends while a transfer is in flight")
	r.artwork.configBy = never
}

// artworkMessage checks an artwork message; the session checks their sequence.
func (r *referee) artworkMessage(m wire.ArtworkMessage, at int64) {
	s := r.s
	if !s.artwork.active {
		s.broken(ruleArtwork, "a message for channel %d outside of an active artwork stream", m.Channel)
		return
	}
	r.check(s.artwork.channels[m.Channel].Source != wire.ArtworkNone, ruleArtwork, "a message for channel %d, which is not streamed", m.Channel)
	if m.Kind != wire.ArtworkAnnounce {
		return
	}
	r.check(r.mayStart(at), ruleArtwork, "an image while the client is not available")
	f := s.timing.filter
	due := true
	if f.Converged() {
		ahead := m.Timestamp - f.ServerTime(at)
		due = ahead <= r.slack()
		r.check(ahead <= farthest+r.slack(), ruleArtwork, "an image is scheduled %d µs ahead, 20 s are the limit", ahead)
	}
	r.artwork.cleared[m.Channel] = m.TotalSize == 0 && due
}

// artworkImage checks a complete image.
func (r *referee) artworkImage(m *Image) {
	if m.dropped || m.size == 0 {
		return
	}
	decode := jpeg.Decode
	if m.Config.Format == wire.ImagePNG {
		decode = png.Decode
	}
	picture, err := decode(bytes.NewReader(m.Data))
	if err != nil {
		r.s.broken(ruleArtwork, "the image on channel %d is no %s: %v", m.Channel, m.Config.Format, err)
		return
	}
	want := image.Pt(m.Config.Width, m.Config.Height)
	r.check(picture.Bounds().Size() == want, ruleArtwork,
		"an image of %v pixels on channel %d, which asked for %v", picture.Bounds().Size(), m.Channel, want)
}

// artworkTick reports what is overdue.
func (r *referee) artworkTick(now int64) {
	if now >= r.artwork.configBy {
		r.artwork.configBy = never
		r.s.broken("client/state artwork object", "no stream/start came for the channels that the client asks for now")
	}
}

package client

import (
	"fmt"
	"slices"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// maxImage is the largest image that is kept. A larger one is received, as the
// specification asks, and forgotten.
const maxImage = 16 << 20

// Image is a picture for one channel of the display.
type Image struct {
	// Channel is 0-3.
	Channel int
	// Config is what the stream said of the channel when the image was announced.
	Config wire.ArtworkChannel
	// Timestamp is when it should be shown, in server microseconds.
	Timestamp int64
	// Data is the encoded image. It is shared: do not change it. Empty clears the
	// channel.
	Data []byte

	size     int  // announced
	received int  // bytes so far
	dropped  bool // data was discarded: the client was not available, or the image is too large
}

func (m *Image) complete() bool { return m.received == m.size }

// artwork is the artwork role of one connection: per channel the image that is shown and
// at most one that waits for its transfer or its moment (section Artwork (Binary)).
type artwork struct {
	active   bool
	channels [wire.MaxArtworkChannels]wire.ArtworkChannel // of the stream
	current  [wire.MaxArtworkChannels]*Image              // nil shows nothing
	pending  [wire.MaxArtworkChannels]*Image
	flight   *Image // the one transfer in flight; it is the pending image of its channel
}

// fourChannels is a list of channels with those that it does not cover.
func fourChannels(list []wire.ArtworkChannel) (out [wire.MaxArtworkChannels]wire.ArtworkChannel) {
	for i := range out {
		out[i] = wire.ArtworkChannel{Source: wire.ArtworkNone}
		if i < len(list) && list[i].Source != wire.ArtworkNone {
			out[i] = list[i]
		}
	}
	return out
}

// SetArtwork changes what the client asks for on its artwork channels, 1 to 4 of them;
// the index is the channel. The error is [ErrInvalid] for what client/state cannot say.
func (c *Client) SetArtwork(channels []wire.ArtworkChannel) error {
	channels = slices.Clone(channels)
	state := &wire.ClientState{Artwork: &wire.ArtworkState{Channels: channels}}
	if _, err := wire.Current().Encode(state); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return c.do(func(k *core) {
		k.artwork = channels
		k.reportAll()
	})
}

// artworkState is the artwork object of client/state, nil without the role.
func (k *core) artworkState() *wire.ArtworkState {
	if !slices.Contains(k.cfg.Roles, wire.RoleArtworkV1) {
		return nil
	}
	return &wire.ArtworkState{Channels: k.artwork}
}

// artworkStart starts the artwork stream, or changes its configuration. A channel that
// changes loses its pending image.
func (s *session) artworkStart(m *wire.StreamStart) {
	if m.Artwork == nil || wire.ActiveFamily(s.roles, wire.RoleArtwork) == "" {
		return
	}
	a := &s.artwork
	inPlace, before := a.active, a.channels
	a.active, a.channels = true, fourChannels(m.Artwork.Channels)
	s.tell(ArtworkStarted{
		Channels: slices.Clone(m.Artwork.Channels), ServerTransmitted: m.ServerTransmitted, InPlace: inPlace,
	})
	for ch := range a.channels {
		if inPlace && before[ch] != a.channels[ch] {
			s.dropPending(ch)
		}
	}
}

// artworkEnd ends the artwork stream: nothing is shown any more.
func (s *session) artworkEnd() {
	a := &s.artwork
	if !a.active {
		return
	}
	for ch := range a.current {
		s.dropPending(ch)
		if a.current[ch] != nil {
			a.current[ch] = nil
			s.tell(ArtworkChanged{Channel: ch})
		}
	}
	*a = artwork{}
	s.tell(ArtworkEnded{})
}

// dropPending discards a channel's pending image.
func (s *session) dropPending(ch int) {
	a := &s.artwork
	m := a.pending[ch]
	if m == nil {
		return
	}
	a.pending[ch] = nil
	if a.flight == m {
		a.flight = nil
	}
	if m.complete() {
		s.tell(ArtworkPending{Channel: ch})
	}
}

// artworkMessage deals with an artwork message. What the specification calls malformed
// ends the connection.
func (s *session) artworkMessage(id byte, payload []byte, at int64) {
	m, err := wire.ParseArtwork(id, payload)
	if err != nil {
		s.protocolError(ruleArtwork, "%v", err)
		return
	}
	if s.referee != nil {
		s.referee.artworkMessage(m, at)
	}
	if !s.artwork.active {
		return
	}
	switch m.Kind {
	case wire.ArtworkAnnounce:
		s.artworkAnnounce(m, at)
	case wire.ArtworkCancel:
		s.dropPending(m.Channel)
	default:
		s.artworkPart(m, at)
	}
}

// artworkAnnounce begins a transfer. It discards what was pending on the channel.
func (s *session) artworkAnnounce(m wire.ArtworkMessage, at int64) {
	a := &s.artwork
	if a.flight != nil {
		s.protocolError(ruleArtwork, "an image for channel %d is announced while one for channel %d is in flight", m.Channel, a.flight.Channel)
		return
	}
	s.dropPending(m.Channel)
	image := &Image{Channel: m.Channel, Config: a.channels[m.Channel], Timestamp: m.Timestamp, size: int(m.TotalSize)}
	a.pending[m.Channel], a.flight = image, image
	s.transferred(at)
}

// artworkPart takes the next bytes of the transfer in flight.
func (s *session) artworkPart(m wire.ArtworkMessage, at int64) {
	image := s.artwork.flight
	switch {
	case image == nil:
		s.protocolError(ruleArtwork, "a part on channel %d without a transfer in flight", m.Channel)
		return
	case image.Channel != m.Channel:
		s.protocolError(ruleArtwork, "a part on channel %d, the transfer is on channel %d", m.Channel, image.Channel)
		return
	case len(m.Data) > image.size-image.received:
		s.protocolError(ruleArtwork, "a part of %d bytes, %d are left of the image", len(m.Data), image.size-image.received)
		return
	}
	image.received += len(m.Data)
	if image.dropped || image.size > maxImage || !s.available() {
		image.dropped, image.Data = true, nil
	} else {
		image.Data = append(image.Data, m.Data...)
	}
	s.transferred(at)
}

// transferred looks whether the transfer in flight is complete.
func (s *session) transferred(now int64) {
	image := s.artwork.flight
	if image == nil || !image.complete() {
		return
	}
	s.artwork.flight = nil
	if s.referee != nil {
		s.referee.artworkImage(image)
	}
	if image.dropped {
		s.artwork.pending[image.Channel] = nil
		return
	}
	s.core.stats.images.Add(1)
	if s.clientTime(image.Timestamp) > now {
		s.tell(ArtworkPending{Channel: image.Channel, Image: image})
		return
	}
	s.artworkShow(image.Channel)
}

// artworkShow makes the pending image of a channel the one that is shown.
func (s *session) artworkShow(ch int) {
	a := &s.artwork
	image := a.pending[ch]
	a.pending[ch] = nil
	if len(image.Data) == 0 {
		image = nil
	}
	a.current[ch] = image
	s.tell(ArtworkChanged{Channel: ch, Image: image})
}

// artworkDeadline is when a pending image has to be shown.
func (s *session) artworkDeadline() int64 {
	d := never
	for _, m := range s.artwork.pending {
		if m != nil && m.complete() {
			d = min(d, s.clientTime(m.Timestamp))
		}
	}
	return d
}

func (s *session) tickArtwork(now int64) {
	for ch, m := range s.artwork.pending {
		if m != nil && m.complete() && s.clientTime(m.Timestamp) <= now {
			s.tell(ArtworkPending{Channel: ch})
			s.artworkShow(ch)
		}
	}
}

// tellArtwork tells what the display shows, to a program that has not heard of it.
func (s *session) tellArtwork() {
	a := &s.artwork
	if !a.active {
		return
	}
	s.tell(ArtworkStarted{Channels: a.channels[:]})
	for ch, m := range a.current {
		if m != nil {
			s.tell(ArtworkChanged{Channel: ch, Image: m})
		}
	}
}

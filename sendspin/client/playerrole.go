package client

import (
	"math"
	"slices"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// stream is what the reader needs to know of the player stream. It is never changed:
// the core publishes a new one.
type stream struct {
	format  wire.AudioFormat
	header  []byte
	epoch   uint64
	deliver bool  // the client is available
	delay   int64 // output delay, µs
}

// publish makes the stream known to the reader.
func (s *session) publish(st *stream) {
	if st != nil {
		st.deliver, st.delay = s.available(), int64(s.core.player.delayMS)*1000
	}
	s.stream.Store(st)
}

// refresh publishes the stream anew after the client's own state changed.
func (s *session) refresh() {
	if st := s.stream.Load(); st != nil {
		next := *st
		s.publish(&next)
	}
}

// streamStart starts streams or changes their configuration.
func (s *session) streamStart(m *wire.StreamStart, at int64) {
	if s.referee != nil {
		s.referee.streamStart(m, s.stream.Load() != nil, at)
	}
	s.playerStart(m)
	s.artworkStart(m)
	s.visualStart(m)
}

// playerStart starts the player stream or changes its format.
func (s *session) playerStart(m *wire.StreamStart) {
	before := s.stream.Load()
	if m.Player == nil || wire.ActiveFamily(s.roles, wire.RolePlayer) == "" {
		return
	}
	if !(&wire.PlayerSupport{Formats: s.core.cfg.Formats}).Lists(m.Player.Format) {
		s.fail(errNotListed(m.Player.Format))
		return
	}
	if before == nil {
		s.epoch++
	}
	s.core.stats.minLead.Store(math.MaxInt64)
	s.publish(&stream{format: m.Player.Format, header: m.Player.CodecHeader, epoch: s.epoch})
	s.core.cfg.Log.Info("stream started", "server_id", s.serverID, "format", m.Player.Format.String(), "in_place", before != nil)
	s.tell(StreamStarted{
		Format: m.Player.Format, CodecHeader: m.Player.CodecHeader,
		ServerTransmitted: m.ServerTransmitted, InPlace: before != nil,
	})
}

// streamClear drops what is buffered.
func (s *session) streamClear(m *wire.StreamClear, at int64) {
	st := s.stream.Load()
	if s.referee != nil {
		s.referee.streamClear(m, at)
	}
	s.visualClear(m)
	if st == nil || !targets(m.Roles, wire.RolePlayer) {
		return
	}
	s.epoch++
	next := *st
	next.epoch = s.epoch
	s.core.stats.minLead.Store(math.MaxInt64)
	s.publish(&next)
	s.tell(StreamCleared{ServerTransmitted: m.ServerTransmitted})
}

// streaming reports whether a stream of the role family is active.
func (s *session) streaming(family string) bool {
	switch family {
	case wire.RolePlayer:
		return s.stream.Load() != nil
	case wire.RoleArtwork:
		return s.artwork.active
	case wire.RoleVisualizer:
		return s.visual != nil
	}
	return false
}

// streamEnd ends the streams that the message names.
func (s *session) streamEnd(m *wire.StreamEnd) {
	if s.referee != nil {
		s.referee.streamEnd(m)
	}
	if targets(m.Roles, wire.RoleVisualizer) {
		s.endVisual()
	}
	if targets(m.Roles, wire.RolePlayer) {
		s.endStream(false)
	}
	if targets(m.Roles, wire.RoleArtwork) {
		s.artworkEnd()
	}
}

// targets reports whether a stream/clear or stream/end is for a role.
func targets(roles []string, family string) bool {
	return len(roles) == 0 || slices.Contains(roles, family)
}

func (s *session) endStream(lost bool) {
	if s.stream.Load() == nil {
		return
	}
	s.publish(nil)
	s.epoch++
	s.tell(StreamEnded{Lost: lost})
}

// binary deals with a binary message that came through the core.
func (s *session) binary(id byte, payload []byte, at int64) {
	if s.phase < provisional {
		s.protocolError("Communication", "binary message %d before the first server/activate", id)
		return
	}
	isVisual := wire.ActiveFamily(s.roles, wire.RoleVisualizer) != "" && id >= wire.IDLoudness && id < wire.IDLoudness+8
	switch {
	case id == wire.IDAudio:
		s.audio(payload, at)
	case s.core.artworkID(id):
		s.artworkMessage(id, payload, at)
	case isVisual && id <= wire.IDPeak:
		s.frame(id, payload, at)
	case isVisual:
		s.broken(visualRule, "message type %d is reserved", id)
	default:
		s.broken("Binary Message ID Structure", "message %d belongs to no role of this client", id)
	}
}

// audio deals with an audio chunk. It runs on the reader's goroutine, or on the
// core's when there is a referee.
func (s *session) audio(payload []byte, at int64) {
	stats := s.core.stats
	chunk, err := s.core.codec.ParseAudioChunk(payload)
	if err != nil {
		stats.outside.Add(1)
		s.broken("Audio Chunks (Binary)", "%v", err)
		return
	}
	st := s.stream.Load()
	if s.referee != nil {
		s.referee.chunk(chunk, st, at)
	}
	if st == nil {
		stats.outside.Add(1)
		return
	}
	stats.chunks.Add(1)
	stats.bytes.Add(uint64(wire.AudioHeaderLen + len(chunk.Data)))
	playAt := s.account(chunk, st, at)
	if !st.deliver {
		return
	}
	s.core.cfg.OnChunk(Chunk{
		Format: st.format, CodecHeader: st.header, Timestamp: chunk.Timestamp, PlayAt: playAt,
		ArrivedAt: at, SendAhead: chunk.SendAhead, Stream: st.epoch, Data: chunk.Data,
	})
}

// account translates the timestamp and counts lead and delay.
func (s *session) account(chunk wire.AudioChunk, st *stream, at int64) (playAt int64) {
	stats := s.core.stats
	f := stats.filter.Load()
	if f == nil {
		return chunk.Timestamp
	}
	playAt = f.ClientTime(chunk.Timestamp) - st.delay
	if !f.Converged() {
		return playAt
	}
	lead := playAt - at
	if lead < stats.minLead.Load() {
		stats.minLead.Store(lead)
	}
	if lead < 0 {
		stats.late.Add(1)
	}
	if wire.SendAheadMeasured(chunk.SendAhead) {
		if delay := at - f.ClientTime(chunk.Timestamp-int64(chunk.SendAhead)); delay > stats.maxDelay.Load() {
			stats.maxDelay.Store(delay)
		}
	}
	return playAt
}

// serverCommand carries out a command to the player or the source. Commands that the
// client does not offer are ignored.
func (s *session) serverCommand(m *wire.ServerCommand, at int64) {
	if s.referee != nil {
		s.referee.serverCommand(m, at)
	}
	if m.Source != nil {
		s.sourceCommand(m.Source)
	}
	c := m.Player
	if c == nil || wire.ActiveFamily(s.roles, wire.RolePlayer) == "" || !slices.Contains(s.core.cfg.Commands, c.Command) {
		return
	}
	s.core.setPlayer(func(p *settings) {
		switch c.Command {
		case wire.PlayerVolume:
			p.volume = *c.Volume
		case wire.PlayerMute:
			p.muted = *c.Mute
		case wire.PlayerSetOutputDelay:
			p.delayMS = *c.OutputDelayMS
		}
	}, true)
}

package wire

import (
	"slices"
	"strings"
)

func (f AudioFormat) encode(e *enc) {
	e.oneOf("codec", f.Codec, CodecOpus, CodecFLAC, CodecPCM)
	e.ranged("channels", f.Channels, 1, maxInt)
	e.ranged("sample_rate", f.SampleRate, 1, maxInt)
	if f.Codec == CodecOpus && f.BitDepth == 0 {
		f.BitDepth = 16 // required on the wire, without meaning for opus
	}
	e.ranged("bit_depth", f.BitDepth, 1, maxInt)
}

// decode reads the members of a format whose codec is known.
func (f *AudioFormat) decode(o *obj) {
	f.Codec = o.oneOf("codec", CodecOpus, CodecFLAC, CodecPCM)
	f.Channels = o.int("channels", 1, maxInt)
	f.SampleRate = o.int("sample_rate", 1, maxInt)
	if f.Codec != CodecOpus {
		f.BitDepth = o.int("bit_depth", 1, maxInt)
	} else if d := o.optInt("bit_depth", -maxInt, maxInt); d != nil {
		f.BitDepth = max(*d, 0)
	}
}

// checkHeader verifies that a codec header is present exactly for flac.
func checkHeader(e *enc, f AudioFormat, header []byte) {
	e.check((f.Codec == CodecFLAC) == (len(header) > 0), "codec_header", "must be present exactly for flac")
	if len(header) > 0 {
		e.header("codec_header", header)
	}
}

// decodeHeader reads the codec header, which flac requires. What comes with
// another codec is kept: its decoder has no use for it.
func decodeHeader(o *obj, f AudioFormat) []byte {
	header := o.header("codec_header")
	if f.Codec == CodecFLAC && len(header) == 0 {
		o.fail("codec_header", "missing")
	}
	return header
}

func (s *PlayerSupport) encode(e *enc) {
	e.open("player@v1_support")
	servable := slices.ContainsFunc(s.Formats, func(f AudioFormat) bool { return f.Codec == CodecFLAC || f.Codec == CodecPCM })
	e.check(servable, "supported_formats", "must list flac or pcm")
	e.key("supported_formats")
	e.b = append(e.b, '[')
	for _, f := range s.Formats {
		e.sep()
		e.b = append(e.b, '{')
		f.encode(e)
		e.b = append(e.b, '}')
	}
	e.b = append(e.b, ']')
	e.ranged("buffer_capacity", s.BufferCapacity, 0, maxInt)
	e.close()
}

func (s *PlayerSupport) decode(o *obj) {
	raw := o.need("supported_formats")
	n := 0
	o.list("supported_formats", raw, "want a list of objects", func(_ int, v []byte) {
		n++
		item := o.asObj("supported_formats", v)
		if codec := item.str("codec"); codec != CodecOpus && codec != CodecFLAC && codec != CodecPCM {
			o.d.ignore(item.name("codec"), codec)
			return
		}
		var f AudioFormat
		f.decode(item)
		s.Formats = append(s.Formats, f)
	})
	if n == 0 {
		o.fail("supported_formats", "must not be empty")
	}
	s.BufferCapacity = o.int("buffer_capacity", 0, maxInt)
}

func (s *PlayerState) encode(e *enc) {
	e.open("player")
	has := func(command string) bool { return slices.Contains(s.SupportedCommands, command) }
	e.check(!has(PlayerVolume) || s.Volume != nil, "volume", "missing, while the command is supported")
	e.check(!has(PlayerMute) || s.Muted != nil, "muted", "missing, while the command is supported")
	e.optRanged("volume", s.Volume, 0, 100)
	e.optBool("muted", s.Muted)
	e.ranged("output_delay_ms", s.OutputDelayMS, 0, MaxOutputDelayMS)
	e.ranged("required_lead_time_ms", s.RequiredLeadMS, 0, maxInt)
	e.ranged("min_buffer_ms", s.MinBufferMS, 0, maxInt)
	e.subset("supported_commands", s.SupportedCommands, PlayerVolume, PlayerMute, PlayerSetOutputDelay)
	if s.Format != nil {
		e.open("format")
		s.Format.encode(e)
		e.close()
	}
	e.close()
}

func (s *PlayerState) decode(o *obj) {
	s.Volume = o.optInt("volume", 0, 100)
	s.Muted = o.optBool("muted")
	// The client has to clamp; a value outside does no harm once it is clamped here.
	s.OutputDelayMS = min(max(o.int("output_delay_ms", -maxInt, maxInt), 0), MaxOutputDelayMS)
	s.RequiredLeadMS = o.int("required_lead_time_ms", 0, maxInt)
	s.MinBufferMS = o.int("min_buffer_ms", 0, maxInt)
	s.SupportedCommands = o.known("supported_commands", o.strs("supported_commands"), PlayerVolume, PlayerMute, PlayerSetOutputDelay)
	if s.Volume == nil && slices.Contains(s.SupportedCommands, PlayerVolume) {
		o.fail("volume", "missing")
	}
	if s.Muted == nil && slices.Contains(s.SupportedCommands, PlayerMute) {
		o.fail("muted", "missing")
	}
	if f := o.optObj("format"); f != nil {
		s.Format = &AudioFormat{}
		s.Format.decode(f)
	}
}

func (c *PlayerCommand) encode(e *enc) {
	e.open("player")
	e.oneOf("command", c.Command, PlayerVolume, PlayerMute, PlayerSetOutputDelay)
	e.check((c.Volume != nil) == (c.Command == PlayerVolume), "volume", "must be present exactly for its command")
	e.check((c.Mute != nil) == (c.Command == PlayerMute), "mute", "must be present exactly for its command")
	e.check((c.OutputDelayMS != nil) == (c.Command == PlayerSetOutputDelay), "output_delay_ms", "must be present exactly for its command")
	e.optRanged("volume", c.Volume, 0, 100)
	e.optBool("mute", c.Mute)
	e.optRanged("output_delay_ms", c.OutputDelayMS, 0, MaxOutputDelayMS)
	e.close()
}

// decode reads only the argument of the command: what belongs to another one, or
// to a command that we do not know, has no meaning.
func (c *PlayerCommand) decode(o *obj) {
	switch c.Command = o.str("command"); c.Command {
	case PlayerVolume:
		v := o.int("volume", 0, 100)
		c.Volume = &v
	case PlayerMute:
		v := o.bool("mute")
		c.Mute = &v
	case PlayerSetOutputDelay:
		v := o.int("output_delay_ms", 0, MaxOutputDelayMS)
		c.OutputDelayMS = &v
	}
}

func (s *PlayerStream) encode(e *enc) {
	e.open("player")
	e.oneOf("codec", s.Format.Codec, CodecOpus, CodecFLAC, CodecPCM)
	e.ranged("sample_rate", s.Format.SampleRate, 1, maxInt)
	e.ranged("channels", s.Format.Channels, 1, maxInt)
	depth := s.Format.BitDepth
	if s.Format.Codec == CodecOpus && depth == 0 {
		depth = 16
	}
	e.ranged("bit_depth", depth, 1, maxInt)
	checkHeader(e, s.Format, s.CodecHeader)
	e.close()
}

func (s *PlayerStream) decode(o *obj) {
	s.Format.decode(o)
	s.CodecHeader = decodeHeader(o, s.Format)
}

func (s *SourceSupport) encode(e *enc) {
	e.open("source@v1_support")
	if s.LineSense != nil {
		e.open("features")
		e.bool("line_sense", *s.LineSense)
		e.close()
	}
	e.close()
}

func (s *SourceSupport) decode(o *obj) {
	if f := o.optObj("features"); f != nil {
		s.LineSense = f.optBool("line_sense")
	}
}

func (s *ServerSourceSupport) encode(e *enc) {
	e.open("source@v1_support")
	e.check(slices.Contains(s.Codecs, CodecFLAC) && slices.Contains(s.Codecs, CodecPCM), "supported_codecs", "must list flac and pcm")
	e.subset("supported_codecs", s.Codecs, CodecOpus, CodecFLAC, CodecPCM)
	e.close()
}

func (s *ServerSourceSupport) decode(o *obj) {
	s.Codecs = o.known("supported_codecs", o.strs("supported_codecs"), CodecOpus, CodecFLAC, CodecPCM)
}

func (s *SourceState) decode(o *obj) {
	if o.has("signal") {
		s.Signal = o.oneOf("signal", SignalPresent, SignalAbsent)
	}
}

func (m *ClientStreamStart) encode(e *enc) {
	e.open("source")
	m.Source.Format.encode(e)
	checkHeader(e, m.Source.Format, m.Source.CodecHeader)
	e.close()
}

func (m *ClientStreamStart) decode(o *obj) {
	s := o.obj("source")
	m.Source.Format.decode(s)
	m.Source.CodecHeader = decodeHeader(s, m.Source.Format)
}

// controlCommands are all values of ControllerCommand.Command.
func controlCommands() []string {
	return []string{ControlPlay, ControlPause, ControlStop, ControlNext, ControlPrevious, ControlVolume, ControlMute,
		ControlRepeatOff, ControlRepeatOne, ControlRepeatAll, ControlShuffle, ControlUnshuffle, ControlSwitch,
		ControlSeek, ControlSeekRelative}
}

func (c *ControllerCommand) encode(e *enc) {
	e.open("controller")
	e.oneOf("command", c.Command, controlCommands()...)
	e.check((c.Volume != nil) == (c.Command == ControlVolume), "volume", "must be present exactly for its command")
	e.check((c.Mute != nil) == (c.Command == ControlMute), "mute", "must be present exactly for its command")
	e.check((c.PositionMS != nil) == (c.Command == ControlSeek), "position_ms", "must be present exactly for its command")
	e.check((c.OffsetMS != nil) == (c.Command == ControlSeekRelative), "offset_ms", "must be present exactly for its command")
	e.optRanged("volume", c.Volume, 0, 100)
	e.optBool("mute", c.Mute)
	if c.PositionMS != nil {
		e.check(*c.PositionMS >= 0, "position_ms", "must not be negative")
		e.int64("position_ms", *c.PositionMS)
	}
	if c.OffsetMS != nil {
		e.int64("offset_ms", *c.OffsetMS)
	}
	e.close()
}

// decode reads only the argument of the command, as for [PlayerCommand].
func (c *ControllerCommand) decode(o *obj) {
	switch c.Command = o.str("command"); c.Command {
	case ControlVolume:
		v := o.int("volume", 0, 100)
		c.Volume = &v
	case ControlMute:
		v := o.bool("mute")
		c.Mute = &v
	case ControlSeek:
		v := o.int64("position_ms")
		c.PositionMS = &v
	case ControlSeekRelative:
		v := o.int64("offset_ms")
		c.OffsetMS = &v
	}
}

func (c *ControllerState) encode(e *enc) {
	e.open("controller")
	e.subset("supported_commands", c.SupportedCommands, controlCommands()...)
	e.ranged("volume", c.Volume, 0, 100)
	e.bool("muted", c.Muted)
	e.oneOf("repeat", c.Repeat, RepeatOff, RepeatOne, RepeatAll)
	e.bool("shuffle", c.Shuffle)
	e.check(c.SeekMaxMS != nil || !slices.Contains(c.SupportedCommands, ControlSeek), "seek_max_ms", "missing, while seek is supported")
	if c.SeekMaxMS != nil {
		e.check(*c.SeekMaxMS >= 0, "seek_max_ms", "must not be negative")
		e.int64("seek_max_ms", *c.SeekMaxMS)
	}
	e.close()
}

func (c *ControllerState) decode(o *obj) {
	c.SupportedCommands = o.known("supported_commands", o.strs("supported_commands"), controlCommands()...)
	c.Volume = o.int("volume", 0, 100)
	c.Muted = o.bool("muted")
	c.Repeat = o.oneOf("repeat", RepeatOff, RepeatOne, RepeatAll)
	c.Shuffle = o.bool("shuffle")
	c.SeekMaxMS = o.optInt64("seek_max_ms")
	if c.SeekMaxMS == nil && slices.Contains(c.SupportedCommands, ControlSeek) {
		o.fail("seek_max_ms", "missing")
	}
}

func (m *Metadata) encode(e *enc) {
	e.open("metadata")
	e.int64("timestamp", m.Timestamp)
	e.optStr("title", m.Title)
	e.optStr("artist", m.Artist)
	e.optStr("album_artist", m.AlbumArtist)
	e.optStr("album", m.Album)
	e.optStr("artwork_url", m.ArtworkURL)
	e.optRanged("year", m.Year, 0, 9999)
	e.optRanged("track", m.Track, 1, maxInt)
	if p := m.Progress; p != nil {
		e.open("progress")
		e.check(p.PositionMS >= 0, "track_progress", "must not be negative")
		e.int64("track_progress", p.PositionMS)
		e.check(p.DurationMS >= 0, "track_duration", "must not be negative")
		e.int64("track_duration", p.DurationMS)
		e.ranged("playback_speed", p.Speed, 0, maxInt)
		e.close()
	}
	e.close()
}

func (m *Metadata) decode(o *obj) {
	m.Timestamp = o.int64("timestamp")
	m.Title, m.Artist, m.AlbumArtist = o.optStr("title"), o.optStr("artist"), o.optStr("album_artist")
	m.Album, m.ArtworkURL = o.optStr("album"), o.optStr("artwork_url")
	m.Year = o.optInt("year", -maxInt, maxInt)
	m.Track = o.optInt("track", -maxInt, maxInt)
	if p := o.optObj("progress"); p != nil {
		m.Progress = &Progress{
			PositionMS: p.int64("track_progress"),
			DurationMS: p.int64("track_duration"),
			Speed:      p.int("playback_speed", -maxInt, maxInt),
		}
	}
}

// colors pairs the optional members of the color object with their names.
func (c *Color) colors() [6]struct {
	name string
	rgb  **RGB
} {
	return [6]struct {
		name string
		rgb  **RGB
	}{
		{"background_dark", &c.BackgroundDark}, {"background_light", &c.BackgroundLight}, {"primary", &c.Primary},
		{"accent", &c.Accent}, {"on_dark", &c.OnDark}, {"on_light", &c.OnLight},
	}
}

func (c *Color) encode(e *enc) {
	e.open("color")
	e.int64("timestamp", c.Timestamp)
	for _, f := range c.colors() {
		rgb := *f.rgb
		if rgb == nil {
			continue
		}
		e.key(f.name)
		e.b = append(e.b, '[')
		for _, v := range rgb {
			e.sep()
			e.b = appendUint8(e.b, v)
		}
		e.b = append(e.b, ']')
	}
	e.close()
}

func appendUint8(b []byte, v uint8) []byte {
	if v >= 100 {
		b = append(b, '0'+v/100)
	}
	if v >= 10 {
		b = append(b, '0'+v/10%10)
	}
	return append(b, '0'+v%10)
}

func (c *Color) decode(o *obj) {
	c.Timestamp = o.int64("timestamp")
	for _, f := range c.colors() {
		raw := o.get(f.name)
		if raw == nil {
			continue
		}
		rgb, n := RGB{}, 0
		o.list(f.name, raw, "want [R, G, B]", func(i int, v []byte) {
			if n++; i < len(rgb) {
				rgb[i] = uint8(o.ranged(f.name, v, 0, 255))
			}
		})
		if n != len(rgb) {
			o.fail(f.name, "want [R, G, B]")
		}
		*f.rgb = &rgb
	}
}

// encodeChannels writes the artwork object of client/state and stream/start.
func encodeChannels(e *enc, channels []ArtworkChannel, least int) {
	e.open("artwork")
	e.check(least <= len(channels) && len(channels) <= MaxArtworkChannels, "channels", "wrong number of channels")
	e.key("channels")
	e.b = append(e.b, '[')
	for _, c := range channels {
		e.sep()
		e.b = append(e.b, '{')
		e.oneOf("source", c.Source, ArtworkAlbum, ArtworkArtist, ArtworkNone)
		if c.Source != ArtworkNone {
			e.oneOf("format", c.Format, ImageJPEG, ImagePNG)
			e.ranged("width", c.Width, 1, maxInt)
			e.ranged("height", c.Height, 1, maxInt)
		}
		e.b = append(e.b, '}')
	}
	e.b = append(e.b, ']')
	e.close()
}

func decodeChannels(o *obj) []ArtworkChannel {
	var out []ArtworkChannel
	n := 0
	o.list("channels", o.need("channels"), "want a list of objects", func(_ int, v []byte) {
		if n++; n > MaxArtworkChannels {
			return
		}
		item := o.asObj("channels", v)
		c := ArtworkChannel{Source: item.oneOf("source", ArtworkAlbum, ArtworkArtist, ArtworkNone)}
		if c.Source != ArtworkNone {
			c.Format = item.oneOf("format", ImageJPEG, ImagePNG)
			c.Width, c.Height = item.int("width", 1, maxInt), item.int("height", 1, maxInt)
		}
		out = append(out, c)
	})
	if n > MaxArtworkChannels {
		o.fail("channels", "more than 4 channels")
	}
	return out
}

func visualTypes() []string {
	return []string{VisualBeat, VisualLoudness, VisualFPeak, VisualPeak, VisualSpectrum}
}

func (s *VisualizerSupport) encode(e *enc) {
	e.open("visualizer@v1_support")
	e.ranged("buffer_capacity", s.BufferCapacity, 0, maxInt)
	e.close()
}

func (s *Spectrum) encode(e *enc) {
	e.open("spectrum")
	e.ranged("n_disp_bins", s.Bins, 1, maxInt)
	e.oneOf("scale", s.Scale, ScaleMel, ScaleLog, ScaleLin)
	e.ranged("f_min", s.FMin, 0, maxInt)
	e.ranged("f_max", s.FMax, s.FMin, maxInt)
	e.close()
}

func decodeSpectrum(o *obj) *Spectrum {
	s := o.optObj("spectrum")
	if s == nil {
		return nil
	}
	out := &Spectrum{Bins: s.int("n_disp_bins", 1, maxInt), Scale: s.oneOf("scale", ScaleMel, ScaleLog, ScaleLin)}
	out.FMin = s.int("f_min", 0, maxInt)
	out.FMax = s.int("f_max", out.FMin, maxInt)
	return out
}

func (s *VisualizerState) encode(e *enc) {
	e.open("visualizer")
	e.subset("types", s.Types, visualTypes()...)
	e.ranged("rate_max", s.RateMax, 1, maxInt)
	e.check(s.Spectrum != nil || !slices.Contains(s.Types, VisualSpectrum), "spectrum", "missing, while types hold spectrum")
	if s.Spectrum != nil {
		s.Spectrum.encode(e)
	}
	e.close()
}

func (s *VisualizerState) decode(o *obj) {
	s.Types = o.known("types", o.strs("types"), visualTypes()...)
	s.RateMax = o.int("rate_max", 1, maxInt)
	s.Spectrum = decodeSpectrum(o)
	if s.Spectrum == nil && slices.Contains(s.Types, VisualSpectrum) {
		o.fail("spectrum", "missing")
	}
}

func (s *VisualizerStream) encode(e *enc) {
	e.open("visualizer")
	e.subset("types", s.Types, visualTypes()...)
	e.ranged("rate_max", s.RateMax, 0, maxInt)
	e.check((s.TracksDownbeats != nil) == slices.Contains(s.Types, VisualBeat), "tracks_downbeats", "must be present exactly with beat")
	e.optBool("tracks_downbeats", s.TracksDownbeats)
	e.check((s.Spectrum != nil) == slices.Contains(s.Types, VisualSpectrum), "spectrum", "must be present exactly with spectrum")
	if s.Spectrum != nil {
		s.Spectrum.encode(e)
	}
	e.close()
}

func (s *VisualizerStream) decode(o *obj) {
	s.Types = o.known("types", o.strs("types"), visualTypes()...)
	s.RateMax = o.int("rate_max", 0, maxInt)
	s.TracksDownbeats = o.optBool("tracks_downbeats")
	s.Spectrum = decodeSpectrum(o)
	if s.TracksDownbeats == nil && slices.Contains(s.Types, VisualBeat) {
		o.fail("tracks_downbeats", "missing")
	}
	if s.Spectrum == nil && slices.Contains(s.Types, VisualSpectrum) {
		o.fail("spectrum", "missing")
	}
}

// Preferred returns the format that the section "client/hello player@v1 support
// object" makes the server select: the state's preference when it is one that
// the client listed and canProduce accepts, else the first listed one that canProduce
// accepts. ok is false when there is none. state may be nil.
func (s *PlayerSupport) Preferred(state *PlayerState, canProduce func(AudioFormat) bool) (f AudioFormat, ok bool) {
	if state != nil && state.Format != nil && s.Lists(*state.Format) && canProduce(*state.Format) {
		return *state.Format, true
	}
	i := slices.IndexFunc(s.Formats, canProduce)
	if i < 0 {
		return AudioFormat{}, false
	}
	return s.Formats[i], true
}

// Lists reports whether a format is among the supported ones.
func (s *PlayerSupport) Lists(f AudioFormat) bool {
	return slices.ContainsFunc(s.Formats, f.Same)
}

// String writes the format as codec:rate:depth:channels, the form of the command
// line, such as "flac:48000:24:2".
func (f AudioFormat) String() string {
	var b strings.Builder
	b.WriteString(f.Codec)
	for _, v := range []int{f.SampleRate, f.BitDepth, f.Channels} {
		b.WriteByte(':')
		b.WriteString(itoa(v))
	}
	return b.String()
}

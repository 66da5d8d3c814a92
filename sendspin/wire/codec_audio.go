package wire

import "slices"

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
		if n++; n > maxListed {
			o.fail("supported_formats", "too many formats")
			return
		}
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

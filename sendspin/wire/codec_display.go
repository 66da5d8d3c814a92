package wire

import "slices"

// ControllerCommands lists every value of ControllerCommand.Command that this revision
// defines.
func ControllerCommands() []string { return controlCommands() }

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

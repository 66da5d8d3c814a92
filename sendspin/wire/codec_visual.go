package wire

import "slices"

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

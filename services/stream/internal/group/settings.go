package group

import (
	"slices"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/loud"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// measureAhead is how many titles from the current one on are measured in advance.
const measureAhead = 5

// set changes what is set. It counts for titles that open from now on.
func (g *Group) set(s *tuttiv1.GroupSettings) error {
	if ms := s.GetCrossfadeMs(); ms < 0 || ms > pipeline.MaxCrossfadeMS {
		return fault.New(fault.OutOfRange, "a crossfade of %d ms is not in 0-%d", ms, pipeline.MaxCrossfadeMS).WithField("body.crossfade_ms", "not in 0-15000")
	}
	if n := s.GetNormalization(); s.Normalization != nil && !slices.Contains([]string{loud.Off, loud.Track, loud.Album}, n) {
		return fault.New(fault.OutOfRange, "normalization %q is not one of off, track, album", n).WithField("body.normalization", "not one of off, track, album")
	}
	if s.CrossfadeMs != nil {
		g.rec.CrossfadeMs = s.GetCrossfadeMs()
	}
	if s.Normalization != nil {
		g.rec.Normalization = s.GetNormalization()
	}
	if g.run != nil {
		g.run.p.SetProcessing(g.processing())
	}
	g.measure()
	return nil
}

// processing is what the settings ask of the feed.
func (g *Group) processing() pipeline.Processing {
	p := pipeline.Processing{CrossfadeMS: g.rec.GetCrossfadeMs()}
	if mode := g.rec.GetNormalization(); mode == loud.Track || mode == loud.Album {
		meter := g.Loud
		p.Gain = func(it playback.Item, i source.Info) float64 { return meter.Gain(mode, it, i) }
	}
	return p
}

// measure has the titles measured that come next, while loudness matters.
func (g *Group) measure() {
	if mode := g.rec.GetNormalization(); mode != loud.Track && mode != loud.Album || len(g.s.Queue) == 0 {
		return
	}
	from := max(g.s.Index, 0)
	g.Loud.Want(g.s.Queue[from:min(from+measureAhead, len(g.s.Queue))]...)
}

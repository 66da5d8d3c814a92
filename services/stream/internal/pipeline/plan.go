package pipeline

import (
	"errors"
	"maps"
	"slices"

	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// preroll is how far before the first missing frame the feed starts, so that
// resamplers run as if they had never stopped.
const preroll = 2 * 4096

// ErrNoTape says that there is nothing to carry on from.
var ErrNoTape = errors.New("no tape of this epoch")

// Plan says how to carry an epoch on: next holds, by rendition id, the frame after the
// last chunk on its tape, rates the rendition's rate. first is the item to open and the
// frame of its medium to begin at. It truncates e to that item; what came behind it is
// read, and placed, again.
func Plan(e *timeline.Epoch, next map[string]int64, rates map[string]int) (r *Resume, first timeline.Mark, err error) {
	if len(next) == 0 || e.Last() < e.First() {
		return nil, first, ErrNoTape
	}
	seg, frame := -1, int64(0)
	for _, id := range slices.Sorted(maps.Keys(next)) {
		s, f := e.Locate(next[id], rates[id])
		f = max(f-preroll, 0)
		if seg < 0 || s < seg || s == seg && f < frame {
			seg, frame = s, f
		}
	}
	m := e.Segment(seg).Mark(frame)
	frame = max(frame, m.Frame) // marks before the first known one were forgotten
	e.Truncate(seg, m)
	return &Resume{Epoch: e, Seg: seg, Frame: frame, Next: next},
		timeline.Mark{Frame: frame, ItemID: m.ItemID, MediaFrame: m.MediaFrame + frame - m.Frame}, nil
}

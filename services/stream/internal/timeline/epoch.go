package timeline

import "sort"

// Format is what two items must share to be joined in one segment.
type Format struct{ SampleRate, Channels, BitDepth int }

// Mark is where an item begins in its segment.
type Mark struct {
	Frame      int64 // source frames since the segment's start
	ItemID     string
	MediaFrame int64 // the frame of the medium that sounds there; not 0 after a seek
}

// Segment is a run of items with one source format.
type Segment struct {
	Start  Offset
	Format Format
	Marks  []Mark // ascending by Frame; the first is at 0
	Frames int64  // source frames, -1 while the segment is open
}

// StartFrame is the segment's first frame on a rendition's grid.
func (s *Segment) StartFrame(rate int) int64 { return s.Start.Ceil(int64(rate)) }

// Mark is the item that sounds at source frame f of the segment.
func (s *Segment) Mark(f int64) Mark {
	i := sort.Search(len(s.Marks), func(i int) bool { return s.Marks[i].Frame > f })
	return s.Marks[max(i-1, 0)]
}

// Epoch is the audio from one start, seek or jump to the next. It belongs to one
// goroutine; Segments() values it hands out are copies.
type Epoch struct {
	ID    uint64
	T0    int64 // house clock, µs
	segs  []Segment
	first int // number of segs[0]; those before it were forgotten
}

// New returns an empty epoch.
func New(id uint64, t0 int64) *Epoch { return &Epoch{ID: id, T0: t0} }

// Restore returns an epoch as Segments described it: only its last segment is open.
func Restore(id uint64, t0 int64, first int, segs []Segment) *Epoch {
	e := &Epoch{ID: id, T0: t0, first: first}
	for i, s := range segs {
		s.Marks = append([]Mark(nil), s.Marks...)
		s.Frames = -1
		if i+1 < len(segs) {
			s.Frames = framesBetween(s, segs[i+1].Start)
		}
		e.segs = append(e.segs, s)
	}
	return e
}

// framesBetween inverts Add: how many source frames lead from s.Start to end.
func framesBetween(s Segment, end Offset) int64 {
	return max(end.Floor(int64(s.Format.SampleRate))-s.Start.Floor(int64(s.Format.SampleRate)), 0)
}

// Begin says that item begins after `frames` source frames of the open segment, at
// frame media of its medium, in format f. It returns the number of the segment the
// item is in, the source frame of that segment where it begins, and its house time.
func (e *Epoch) Begin(itemID string, f Format, media, frames int64) (seg int, at int64, us int64) {
	mark := Mark{ItemID: itemID, MediaFrame: media}
	if n := len(e.segs); n > 0 && e.segs[n-1].Format == f {
		mark.Frame = frames
		e.segs[n-1].Marks = append(e.segs[n-1].Marks, mark)
		return e.first + n - 1, frames, e.SourceTime(e.first+n-1, frames)
	}
	start := Zero()
	if n := len(e.segs); n > 0 {
		e.segs[n-1].Frames = frames
		start = e.segs[n-1].Start.Add(frames, e.segs[n-1].Format.SampleRate)
	}
	e.segs = append(e.segs, Segment{Start: start, Format: f, Marks: []Mark{mark}, Frames: -1})
	seg = e.first + len(e.segs) - 1
	return seg, 0, e.SourceTime(seg, 0)
}

// Close says that the open segment, and with it the epoch, ends after frames.
func (e *Epoch) Close(frames int64) {
	if n := len(e.segs); n > 0 {
		e.segs[n-1].Frames = frames
	}
}

// Truncate forgets everything that begins after item mark m of segment seg, and opens
// that segment again: the feed starts over there.
func (e *Epoch) Truncate(seg int, m Mark) {
	i := seg - e.first
	if i < 0 || i >= len(e.segs) {
		return
	}
	e.segs = e.segs[:i+1]
	s := &e.segs[i]
	s.Frames = -1
	for len(s.Marks) > 1 && s.Marks[len(s.Marks)-1].Frame > m.Frame {
		s.Marks = s.Marks[:len(s.Marks)-1]
	}
}

// SourceTime is the house time, in µs rounded down, of a source frame.
func (e *Epoch) SourceTime(seg int, frame int64) int64 {
	s := e.Segment(seg)
	return e.T0 + s.Start.Add(frame, s.Format.SampleRate).Floor(Micro)
}

// Segment is the segment with number seg, or nil when it is not known (any more).
func (e *Epoch) Segment(seg int) *Segment {
	if i := seg - e.first; i >= 0 && i < len(e.segs) {
		return &e.segs[i]
	}
	return nil
}

// Last is the number of the open segment, -1 when there is none.
func (e *Epoch) Last() int { return e.first + len(e.segs) - 1 }

// First is the number of the first segment that is still known.
func (e *Epoch) First() int { return e.first }

// Locate finds the segment that frame j of a grid of rate Hz is in, and the exact
// source frame, rounded down, that sounds there. Before anything is known, seg is -1.
func (e *Epoch) Locate(j int64, rate int) (seg int, frame int64) {
	for i := len(e.segs) - 1; i >= 0; i-- {
		start := e.segs[i].StartFrame(rate)
		if j >= start || i == 0 {
			return e.first + i, Scale(max(j-start, 0), int64(e.segs[i].Format.SampleRate), int64(rate))
		}
	}
	return -1, 0
}

// ItemEnd is the item that sounds just before frame end of a grid of rate Hz, and its
// media position in milliseconds, rounded down, at that frame.
func (e *Epoch) ItemEnd(end int64, rate int) (id string, mediaMS int64) {
	seg, f := e.Locate(end-1, rate)
	if seg < 0 {
		return "", 0
	}
	s := e.Segment(seg)
	m := s.Mark(f)
	at := Scale(max(end-s.StartFrame(rate), 0), int64(s.Format.SampleRate), int64(rate))
	return m.ItemID, Scale(m.MediaFrame+at-m.Frame, 1000, int64(s.Format.SampleRate))
}

// Forget drops segments that ended before house time us, and marks that no longer sound
// then, so that an epoch of weeks stays small. The open segment always stays.
func (e *Epoch) Forget(us int64) {
	for len(e.segs) > 1 && e.T0+e.segs[1].Start.Floor(Micro) < us {
		e.segs = e.segs[1:]
		e.first++
	}
	if len(e.segs) == 0 {
		return
	}
	s := &e.segs[0]
	for len(s.Marks) > 1 && e.SourceTime(e.first, s.Marks[1].Frame) < us {
		s.Marks = s.Marks[1:]
	}
}

// Segments is a copy of what is known, for the checkpoint.
func (e *Epoch) Segments() []Segment {
	out := make([]Segment, len(e.segs))
	for i, s := range e.segs {
		s.Marks = append([]Mark(nil), s.Marks...)
		out[i] = s
	}
	return out
}

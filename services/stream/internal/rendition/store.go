package rendition

import (
	"sort"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// Block is a run of source frames of one segment, packed at the segment's bit depth.
type Block struct {
	Seg    int
	Frame  int64 // of the segment, where the block begins
	Frames int64
	Data   []byte
}

// Store holds the source audio from shortly before now to where the feed is, packed, so
// that a rendition that is wanted late can still be made. It belongs to one goroutine.
type Store struct {
	epoch  *timeline.Epoch
	blocks []Block
	bytes  int64
}

// NewStore returns an empty store for the segments of e.
func NewStore(e *timeline.Epoch) *Store { return &Store{epoch: e} }

// Append adds the next block. Blocks come in order and without holes in a segment.
func (s *Store) Append(b Block) {
	s.blocks = append(s.blocks, b)
	s.bytes += int64(len(b.Data))
}

// Bytes is the memory that the blocks hold.
func (s *Store) Bytes() int64 { return s.bytes }

// Begins is the house time of the oldest audio that is held; false when there is none.
func (s *Store) Begins() (us int64, ok bool) {
	for _, b := range s.blocks {
		if s.epoch.Segment(b.Seg) != nil {
			return s.epoch.SourceTime(b.Seg, b.Frame), true
		}
	}
	return 0, false
}

// Trim drops blocks that end before house time us.
func (s *Store) Trim(us int64) {
	n := 0
	for n < len(s.blocks) {
		b := s.blocks[n]
		if s.epoch.Segment(b.Seg) != nil && s.epoch.SourceTime(b.Seg, b.Frame+b.Frames) >= us {
			break
		}
		s.bytes -= int64(len(b.Data))
		s.blocks[n].Data = nil
		n++
	}
	s.blocks = s.blocks[n:]
}

// From returns the samples of segment seg from frame on, as far as the block that
// holds it goes, appended to dst. gone is true when they are not held any more, so that
// waiting for them is pointless.
func (s *Store) From(dst []int32, seg int, frame int64) (samples []int32, frames int64, gone bool) {
	i := sort.Search(len(s.blocks), func(i int) bool {
		b := s.blocks[i]
		return b.Seg > seg || b.Seg == seg && b.Frame+b.Frames > frame
	})
	if i == len(s.blocks) {
		return dst, 0, false
	}
	b := s.blocks[i]
	if b.Seg != seg || b.Frame > frame {
		return dst, 0, true
	}
	f := s.epoch.Segment(seg).Format
	skip := frame - b.Frame
	dst, err := pcm.Unpack(dst, b.Data[skip*int64(f.Channels*f.BitDepth/8):], f.BitDepth)
	if err != nil {
		return dst, 0, true // cannot be: Append's caller packed them
	}
	return dst, b.Frames - skip, false
}

// Last is the newest frame; nil when nothing is held.
func (s *Store) Last(channels int) []int32 {
	if len(s.blocks) == 0 {
		return nil
	}
	b := s.blocks[len(s.blocks)-1]
	bits := s.epoch.Segment(b.Seg).Format.BitDepth
	frame, err := pcm.Unpack(nil, b.Data[len(b.Data)-channels*bits/8:], bits)
	if err != nil {
		return nil
	}
	return frame
}

// has reports whether the frame is held.
func (s *Store) has(seg int, frame int64) bool {
	n := len(s.blocks)
	return n > 0 && s.blocks[n-1].Seg == seg && s.blocks[n-1].Frame+s.blocks[n-1].Frames > frame
}

// oldest is the first frame of segment seg that is held.
func (s *Store) oldest(seg int) (int64, bool) {
	for _, b := range s.blocks {
		if b.Seg == seg {
			return b.Frame, true
		}
	}
	return 0, false
}

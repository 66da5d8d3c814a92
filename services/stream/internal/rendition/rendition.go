package rendition

import (
	"fmt"

	"github.com/tutti-audio/tutti/audio/convert"
	"github.com/tutti-audio/tutti/audio/encode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/resample"
	"github.com/tutti-audio/tutti/proto/tape"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// preroll is how many source frames a resampler is fed before the first frame that is
// wanted, when it starts in the middle: more than the longest kernel's half, so that
// its output is the same as if it had run from the beginning.
const preroll = 4096

// Rendition makes the chunks of one format. Frame j of it sits at T0 + j*1e6/rate.
// It belongs to one goroutine.
type Rendition struct {
	ID     string
	Format pcm.Format

	epoch       *timeline.Epoch
	store       *Store
	enc         encode.Encoder
	chunkFrames int

	next     int64   // frame of pending[0]
	pending  []int32 // converted, not yet cut
	attached bool
	done     bool
	jumped   bool // the next chunk does not follow the one before

	seg      int // where conv reads
	consumed int64
	skip     int64 // frames that conv still gives before `next`
	conv     *convert.Converter

	in, out []int32 // scratch
}

// New returns a rendition whose first frame is `from`.
func New(f pcm.Format, e *timeline.Epoch, s *Store, chunkFrames int, from int64) (*Rendition, error) {
	enc, err := encode.New(f, chunkFrames)
	if err != nil {
		return nil, fmt.Errorf("encoder for %s: %w", f, err)
	}
	return &Rendition{ID: ID(f), Format: f, epoch: e, store: s, enc: enc, chunkFrames: chunkFrames, next: from}, nil
}

// Header is the codec_header that a player of format f needs; nil for pcm.
func Header(f pcm.Format, chunkFrames int) ([]byte, error) {
	enc, err := encode.New(f, chunkFrames)
	if err != nil {
		return nil, fmt.Errorf("encoder for %s: %w", f, err)
	}
	return enc.Header(), nil
}

// Next is the frame where the next chunk begins.
func (r *Rendition) Next() int64 { return r.next }

// Time is the house time of the next chunk.
func (r *Rendition) Time() int64 { return timeline.FrameTime(r.epoch.T0, r.next, r.Format.SampleRate) }

// Done is true when the closed epoch has been given out to its end.
func (r *Rendition) Done() bool { return r.done && len(r.pending) == 0 }

// Pending is true when the epoch is closed and its last chunks are still to be cut.
func (r *Rendition) Pending() bool { return r.done && len(r.pending) > 0 }

// Status says why Chunk gave nothing.
type Status int

// The outcomes of Chunk.
const (
	Ready    Status = iota // a chunk was made
	Hungry                 // source audio is missing yet
	Lost                   // source audio that was needed is gone: call Jump
	Finished               // the epoch is closed and given out
)

// Chunk makes the next chunk, appended to dst in the tape's form.
func (r *Rendition) Chunk(dst []byte) ([]byte, tape.Chunk, Status, error) {
	for len(r.pending) < r.chunkFrames*r.Format.Channels && !r.done {
		st, err := r.step()
		if err != nil || st != Ready {
			return dst, tape.Chunk{}, st, err
		}
	}
	if len(r.pending) == 0 {
		return dst, tape.Chunk{}, Finished, nil
	}
	return r.cut(dst)
}

func (r *Rendition) cut(dst []byte) ([]byte, tape.Chunk, Status, error) {
	frames := min(r.chunkFrames, len(r.pending)/r.Format.Channels)
	n := frames * r.Format.Channels
	end := r.next + int64(frames)
	c := tape.Chunk{
		Epoch:       r.epoch.ID,
		TimestampUS: r.Time(),
		DurationUS:  uint32(timeline.Scale(int64(frames), timeline.Micro, int64(r.Format.SampleRate))),
		Frames:      uint32(frames),
	}
	c.ItemID, c.MediaEndMS = r.epoch.ItemEnd(end, r.Format.SampleRate)
	if r.jumped {
		c.Flags |= tape.FlagDiscontinuity
	}
	if r.done && n == len(r.pending) {
		c.Flags |= tape.FlagLast
	}
	dst = tape.Append(dst, &c)
	dst, err := r.enc.Encode(dst, r.pending[:n])
	if err != nil {
		return dst, c, Ready, fmt.Errorf("encode %s: %w", r.ID, err)
	}
	r.pending = r.pending[:copy(r.pending, r.pending[n:])]
	r.next, r.jumped = end, false
	return dst, c, Ready, nil
}

// Jump leaves a hole and goes on at frame `to`, which is not before Next.
func (r *Rendition) Jump(to int64) {
	r.next, r.pending, r.attached, r.jumped = max(to, r.next), r.pending[:0], false, true
}

// step converts one more block, or crosses into the next segment.
func (r *Rendition) step() (Status, error) {
	if !r.attached {
		if ok, err := r.attach(); err != nil || !ok {
			return Hungry, err
		}
	}
	s := r.epoch.Segment(r.seg)
	if s == nil {
		return Lost, nil
	}
	if s.Frames >= 0 && r.consumed >= s.Frames {
		return Ready, r.leave(s)
	}
	in, frames, gone := r.store.From(r.in[:0], r.seg, r.consumed)
	r.in = in
	if gone {
		return Lost, nil
	}
	if frames == 0 {
		return Hungry, nil
	}
	r.out = r.conv.Process(r.out[:0], in)
	r.consumed += frames
	r.take(r.out)
	return Ready, nil
}

// attach finds where in the source `next` is, once the feed has come that far.
func (r *Rendition) attach() (bool, error) {
	seg, frame := r.epoch.Locate(r.next, r.Format.SampleRate)
	if seg < 0 {
		return false, nil
	}
	s := r.epoch.Segment(seg)
	if s.Frames >= 0 && frame >= s.Frames && seg == r.epoch.Last() {
		r.done = true
		return false, nil
	}
	if s.Frames < 0 && seg == r.epoch.Last() && !r.store.has(seg, frame) {
		return false, nil
	}
	offset := r.next - s.StartFrame(r.Format.SampleRate)
	r.consumed, r.skip = offset, 0
	if s.Format.SampleRate != r.Format.SampleRate {
		up, down := resample.Ratio(s.Format.SampleRate, r.Format.SampleRate)
		begin := max(frame-preroll, 0) / down * down
		if oldest, ok := r.store.oldest(seg); ok && begin < oldest {
			begin = (oldest + down - 1) / down * down
		}
		r.consumed, r.skip = begin, offset-begin/down*up
		if r.skip < 0 { // the store begins after `next`
			r.next, r.skip, r.jumped = r.next-r.skip, 0, true
		}
	}
	r.attached = true
	return true, r.enter(seg)
}

// enter starts converting segment seg from r.consumed.
func (r *Rendition) enter(seg int) error {
	r.seg = seg
	f := r.epoch.Segment(seg).Format
	conv, err := convert.New(pcm.Format{Codec: pcm.CodecPCM, SampleRate: f.SampleRate, Channels: f.Channels, BitDepth: f.BitDepth}, r.Format)
	if err != nil {
		return fmt.Errorf("convert to %s: %w", r.ID, err)
	}
	r.conv = conv
	return nil
}

// leave ends a closed segment: what the converter still holds comes out, cut or padded
// to exactly the room that the timeline gives the segment on this grid.
func (r *Rendition) leave(s *timeline.Segment) error {
	r.out = r.conv.Flush(r.out[:0])
	r.take(r.out)
	end := s.Start.Add(s.Frames, s.Format.SampleRate).Ceil(int64(r.Format.SampleRate))
	have := r.next + int64(len(r.pending)/r.Format.Channels)
	if over := have - end; over > 0 {
		keep := max(len(r.pending)-int(over)*r.Format.Channels, 0)
		r.pending = r.pending[:keep]
	}
	for ; have < end; have++ { // a kernel that gave too little; must not shift what follows
		r.pending = append(r.pending, make([]int32, r.Format.Channels)...)
	}
	if r.seg == r.epoch.Last() {
		r.done = true
		return nil
	}
	r.consumed, r.skip = 0, 0
	return r.enter(r.seg + 1)
}

// take queues converted samples behind those that wait to be cut.
func (r *Rendition) take(out []int32) {
	if drop := min(r.skip, int64(len(out)/r.Format.Channels)); drop > 0 {
		r.skip -= drop
		out = out[drop*int64(r.Format.Channels):]
	}
	r.pending = append(r.pending, out...)
}

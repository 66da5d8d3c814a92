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

// warmUS is how much audio an equalizer hears before its first frame that is wanted,
// when it starts in the middle, so that it rings as if it had run from the beginning.
const warmUS = 1_000_000

// Rendition makes the chunks of one spec. Frame j of it sits at T0 + j*1e6/rate.
// It belongs to one goroutine.
type Rendition struct {
	ID     string
	Format pcm.Format
	Fence  uint64 // of the group's holder, for the chunks; may be set before the first Chunk

	epoch       *timeline.Epoch
	store       *Store
	enc         encode.Encoder
	stage       *stage
	warm        bool
	chunkFrames int

	next     int64   // frame of the next chunk
	pending  []int32 // what the encoder is given next; see delay
	primes   int     // chunks at the front of pending that only warm the encoder up
	attached bool
	done     bool
	jumped   bool // the next chunk does not follow the one before

	seg      int // where conv reads
	consumed int64
	at       int64 // frame of the timeline that conv gives next
	skip     int64 // frames that the stage still gives before those that are wanted
	conv     *convert.Converter

	in, out, wet []int32 // scratch
}

// New returns a rendition whose first frame is `from`.
func New(s Spec, e *timeline.Epoch, st *Store, chunkFrames int, from int64) (*Rendition, error) {
	enc, err := encode.New(s.Format, chunkFrames)
	if err != nil {
		return nil, fmt.Errorf("encoder for %s: %w", s.Format, err)
	}
	stage, err := newStage(s)
	if err != nil {
		return nil, err
	}
	return &Rendition{ID: s.ID(), Format: s.Format, epoch: e, store: st, enc: enc, stage: stage, warm: !s.EQ.Off(),
		chunkFrames: chunkFrames, next: from}, nil
}

// Header is the codec_header that a player of spec s needs; nil where there is none.
func Header(s Spec, chunkFrames int) ([]byte, error) {
	enc, err := encode.New(s.Format, chunkFrames)
	if err != nil {
		return nil, fmt.Errorf("encoder for %s: %w", s.Format, err)
	}
	return enc.Header(), nil
}

// Next is the frame where the next chunk begins.
func (r *Rendition) Next() int64 { return r.next }

// ChunkFrames is the number of frames of a full chunk.
func (r *Rendition) ChunkFrames() int64 { return int64(r.chunkFrames) }

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
	for len(r.pending) < (1+r.primes)*r.chunkFrames*r.Format.Channels && !r.done {
		st, err := r.step()
		if err != nil || st != Ready {
			return dst, tape.Chunk{}, st, err
		}
	}
	if err := r.prime(); err != nil {
		return dst, tape.Chunk{}, Ready, err
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
		Fence:       r.Fence,
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
	r.next, r.pending, r.primes, r.attached, r.jumped = max(to, r.next), r.pending[:0], 0, false, true
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

// attach finds where in the source the first frame that the encoder needs is, once the
// feed has come that far.
func (r *Rendition) attach() (bool, error) {
	first := r.next + int64(r.enc.Delay())
	seg, frame := r.epoch.Locate(first, r.Format.SampleRate)
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
	offset := first - s.StartFrame(r.Format.SampleRate)
	r.consumed, r.skip = r.begin(s, seg, frame, offset)
	if r.skip < 0 { // the store begins after what is wanted
		r.next, r.skip, r.jumped = r.next-r.skip, 0, true
		first = r.next + int64(r.enc.Delay())
	}
	r.at = first - r.skip
	r.stage.reset()
	r.warmEncoder()
	r.attached = true
	return true, r.enter(seg)
}

// begin is the source frame of segment s to start converting at, and how many output
// frames come before the one at offset: resamplers and equalizers start early, as far as
// the store reaches.
func (r *Rendition) begin(s *timeline.Segment, seg int, frame, offset int64) (from, skip int64) {
	early := int64(0)
	up, down := int64(1), int64(1)
	if s.Format.SampleRate != r.Format.SampleRate {
		up, down = resample.Ratio(s.Format.SampleRate, r.Format.SampleRate)
		early = preroll
	}
	if r.warm {
		early += int64(s.Format.SampleRate) * warmUS / timeline.Micro
	}
	if r.enc.Delay() > 0 {
		early += int64(encoderWarm*r.chunkFrames) * down / up
	}
	if early == 0 {
		return offset, 0
	}
	from = max(frame-early, 0) / down * down
	if oldest, ok := r.store.oldest(seg); ok && from < oldest {
		from = (oldest + down - 1) / down * down
	}
	return from, offset - from/down*up
}

// enter starts converting segment seg from r.consumed.
func (r *Rendition) enter(seg int) error {
	r.seg = seg
	conv, err := r.stage.converter(r.epoch.Segment(seg).Format)
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
	end := s.Start.Add(s.Frames, s.Format.SampleRate).Ceil(int64(r.Format.SampleRate))
	// A kernel that gave too little, or too much, must not shift what follows.
	if want := int(end-r.at) * r.stage.in; want < len(r.out) {
		r.out = r.out[:max(want, 0)]
	} else {
		r.out = append(r.out, make([]int32, want-len(r.out))...)
	}
	r.take(r.out)
	if r.seg == r.epoch.Last() {
		r.end()
		return nil
	}
	r.consumed = 0
	return r.enter(r.seg + 1)
}

// end gives out what the stage and the encoder hold back.
func (r *Rendition) end() {
	r.wet = r.stage.flush(r.wet[:0])
	r.queue(r.wet)
	r.done = true
	if d := r.enc.Delay(); d > 0 && len(r.pending) > 0 {
		r.pending = append(r.pending, make([]int32, d*r.Format.Channels)...)
		if over := len(r.pending) % (r.chunkFrames * r.Format.Channels); over > 0 { // whole packets
			r.pending = append(r.pending, make([]int32, r.chunkFrames*r.Format.Channels-over)...)
		}
	}
}

// take brings converted samples through the stage, to those that wait to be cut.
func (r *Rendition) take(out []int32) {
	r.at += int64(len(out) / r.stage.in)
	r.wet = r.stage.process(r.wet[:0], out)
	r.queue(r.wet)
}

// queue drops what is not wanted and keeps the rest.
func (r *Rendition) queue(out []int32) {
	if drop := min(r.skip, int64(len(out)/r.Format.Channels)); drop > 0 {
		r.skip -= drop
		out = out[drop*int64(r.Format.Channels):]
	}
	r.pending = append(r.pending, out...)
}

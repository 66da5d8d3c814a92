// Package render turns decoded chunks into the samples that a sound device wants now:
// it puts every frame at its server timestamp, as the time filter translates it, and
// corrects drift by dropping and repeating single frames. It is section "Suggested
// correction strategy" of the specification as a pure component: times and samples
// come in, samples go out.
//
// A frame is one sample of every channel. Times are microseconds, timestamps on the
// server's clock, everything else on the client's.
package render

import (
	"errors"
	"fmt"
	"math"
)

// Translator maps server time to the client's clock; the time filter of package clock
// is one.
type Translator interface {
	ClientTime(server int64) int64
}

// Limits of the correction, from the specification.
const (
	// deadBandUS is the error below which nothing is corrected.
	deadBandUS = 100
	// snapUS is the error from which one jump corrects it all.
	snapUS = 1000
	// stepUS is the length of one correction step.
	stepUS = 21
	// blockUS is the length of audio between two looks at the error. Chunks may be up
	// to 150 ms long; looking only once a chunk would follow a drift of no more than
	// 140 ppm with single frames.
	blockUS = 20_000
	// maxShare is the share of a block's frames that one correction may touch.
	maxShare = 0.005
)

// ErrFull is returned by Push when the queue is at its limit.
var ErrFull = errors.New("render: too much audio is queued")

// Config of a [Renderer].
type Config struct {
	// SampleRate in Hz and Channels are those of all samples that are pushed.
	SampleRate, Channels int
	// MaxFrames limits the queue; 0 is 60 s.
	MaxFrames int
}

// Stats count what a renderer did. Errors are differences between when a frame plays
// and when it should, positive for late.
type Stats struct {
	// Frames is the number of frames from chunks that were put out.
	Frames uint64
	// Dropped and Repeated count frames of soft corrections.
	Dropped, Repeated uint64
	// Snaps counts jumps, the start of the output included; Late the frames that they
	// dropped because their time had passed.
	Snaps, Late uint64
	// Underruns counts how often the queue ran empty while audio was playing.
	Underruns uint64
	// Silence is the number of frames of silence that were put out.
	Silence uint64
	// ErrorUS is the newest error, MaxErrorUS the largest one in size, since the last
	// jump.
	ErrorUS, MaxErrorUS int64
}

// Renderer places frames in time. It is not safe for concurrent use.
type Renderer struct {
	cfg     Config
	delay   int64 // output delay
	queue   []chunk
	first   int // index of the chunk that plays
	queued  int // frames in the queue
	free    [][]int32
	playing bool
	block   int // frames until the next look at the error
	repeat  int // times that the next frame is put out in addition
	stats   Stats
}

// chunk is queued audio; pos is the next frame of it.
type chunk struct {
	timestamp int64
	samples   []int32
	pos       int
}

// New returns an empty renderer.
func New(cfg Config) (*Renderer, error) {
	if cfg.SampleRate < 1 || cfg.Channels < 1 {
		return nil, fmt.Errorf("render: %d Hz with %d channels is no audio", cfg.SampleRate, cfg.Channels)
	}
	if cfg.MaxFrames <= 0 {
		cfg.MaxFrames = 60 * cfg.SampleRate
	}
	return &Renderer{cfg: cfg}, nil
}

// SetOutputDelay sets the output delay in microseconds: frames are put out that much
// earlier. A change is followed by a jump when it is too large to be corrected softly.
func (r *Renderer) SetOutputDelay(us int64) { r.delay = us }

// Push queues a decoded chunk whose first frame should be heard at timestamp. samples
// are interleaved and copied. Chunks come in the order of their timestamps.
func (r *Renderer) Push(timestamp int64, samples []int32) error {
	frames := len(samples) / r.cfg.Channels
	if frames == 0 {
		return nil
	}
	if r.queued+frames > r.cfg.MaxFrames {
		return ErrFull
	}
	r.queue = append(r.queue, chunk{timestamp: timestamp, samples: r.copyOf(samples[:frames*r.cfg.Channels])})
	r.queued += frames
	return nil
}

// copyOf copies samples into a buffer that was used before, if there is one.
func (r *Renderer) copyOf(samples []int32) []int32 {
	var buf []int32
	if n := len(r.free); n > 0 {
		buf, r.free = r.free[n-1], r.free[:n-1]
	}
	return append(buf[:0], samples...)
}

// Clear drops all queued audio, for stream/clear and stream/end. What comes next
// starts with a jump.
func (r *Renderer) Clear() {
	for r.head() != nil {
		r.discard(r.left())
	}
	r.playing, r.block, r.repeat = false, 0, 0
}

// Queued returns the number of frames in the queue.
func (r *Renderer) Queued() int { return r.queued }

// Stats returns the counts so far.
func (r *Renderer) Stats() Stats { return r.stats }

// Read fills dst with the frames for the device's next buffer, whose first frame will
// be heard at the given time of the client's clock. What is missing becomes silence.
// The number of frames in dst is len(dst) divided by the number of channels.
func (r *Renderer) Read(dst []int32, at int64, clock Translator) {
	ch := r.cfg.Channels
	total := len(dst) / ch
	for done := 0; done < total; {
		out := dst[done*ch : total*ch]
		now := at + r.duration(done)
		if !r.ready() {
			r.underrun()
			r.silence(out)
			return
		}
		if r.block == 0 {
			if wait := r.correct(now, clock); wait > 0 {
				n := min(wait, len(out)/ch)
				r.silence(out[:n*ch])
				done += n
				continue
			}
			if !r.ready() {
				continue // everything was late
			}
		}
		done += r.copyTo(out)
	}
}

// duration returns the time that frames last, rounded.
func (r *Renderer) duration(frames int) int64 {
	return (int64(frames)*1_000_000 + int64(r.cfg.SampleRate)/2) / int64(r.cfg.SampleRate)
}

// frames returns the frames that fit a time, rounded.
func (r *Renderer) frames(us int64) int {
	return int((us*int64(r.cfg.SampleRate) + 500_000) / 1_000_000)
}

// head is the chunk that plays, nil when the queue is empty.
func (r *Renderer) head() *chunk {
	if r.first == len(r.queue) {
		return nil
	}
	return &r.queue[r.first]
}

// left is the number of frames left in the chunk that plays.
func (r *Renderer) left() int {
	c := r.head()
	return len(c.samples)/r.cfg.Channels - c.pos
}

func (r *Renderer) ready() bool { return r.head() != nil }

// discard takes n frames off the chunk that plays, at most what is left of it.
func (r *Renderer) discard(n int) {
	c := r.head()
	c.pos += n
	r.queued -= n
	if r.left() > 0 {
		return
	}
	r.free = append(r.free, c.samples)
	*c = chunk{}
	r.first++
	r.block = 0 // the next chunk has a timestamp of its own
	if r.first == len(r.queue) {
		r.queue, r.first = r.queue[:0], 0
	} else if r.first > 64 && r.first > len(r.queue)/2 {
		r.queue = append(r.queue[:0], r.queue[r.first:]...)
		r.first = 0
	}
}

// offset is how late the next frame is at now: positive when its time has passed.
func (r *Renderer) offset(now int64, clock Translator) int64 {
	c := r.head()
	return now - (clock.ClientTime(c.timestamp+r.duration(c.pos)) - r.delay)
}

// correct looks at the error at a block's start and begins the block. It returns the
// frames of silence that have to come first.
func (r *Renderer) correct(now int64, clock Translator) (wait int) {
	late := r.offset(now, clock)
	if !r.playing || late > snapUS || late < -snapUS {
		if wait := r.snap(late, now, clock); wait > 0 || !r.ready() {
			return wait
		}
		late = r.offset(now, clock)
		r.stats.MaxErrorUS = 0
	}
	r.stats.ErrorUS = late
	if abs(late) > abs(r.stats.MaxErrorUS) {
		r.stats.MaxErrorUS = late
	}
	r.block = min(r.left(), max(r.frames(blockUS), 1))
	r.soften(late)
	return 0
}

// snap corrects the whole error at once: late audio is dropped, early audio waits.
func (r *Renderer) snap(late, now int64, clock Translator) (wait int) {
	if r.playing {
		r.playing = false
		r.repeat = 0
	}
	for r.ready() && late > 0 {
		n := min(r.frames(late), r.left())
		if n == 0 {
			break
		}
		r.discard(n)
		r.stats.Late += uint64(n)
		if !r.ready() {
			return 0
		}
		late = r.offset(now, clock)
	}
	if late < 0 {
		if wait := r.frames(-late); wait > 0 {
			return wait
		}
	}
	r.playing = true
	r.stats.Snaps++
	return 0
}

// soften corrects an error outside of the dead band by a step that nobody hears. The
// rest is left to the next block.
func (r *Renderer) soften(late int64) {
	if abs(late) < deadBandUS {
		return
	}
	step := max(1, int(math.Round(stepUS*float64(r.cfg.SampleRate)/1_000_000)))
	step = min(step, int(maxShare*float64(r.block)))
	if step == 0 {
		return
	}
	if late < 0 {
		r.repeat = step
		r.stats.Repeated += uint64(step)
		return
	}
	r.stats.Dropped += uint64(step)
	block := r.block - step
	r.discard(step) // fewer than the block, so the chunk goes on
	r.block = block
}

// copyTo puts out frames of the current block and returns how many.
func (r *Renderer) copyTo(out []int32) int {
	ch := r.cfg.Channels
	c := r.head()
	if r.repeat > 0 {
		copy(out[:ch], c.samples[c.pos*ch:])
		r.repeat--
		return 1
	}
	n := min(r.block, len(out)/ch)
	copy(out, c.samples[c.pos*ch:(c.pos+n)*ch])
	r.block -= n
	r.stats.Frames += uint64(n)
	r.discard(n)
	return n
}

func (r *Renderer) silence(out []int32) {
	clear(out)
	r.stats.Silence += uint64(len(out) / r.cfg.Channels)
}

func (r *Renderer) underrun() {
	if r.playing {
		r.playing = false
		r.stats.Underruns++
	}
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

package asrc

import (
	"fmt"
	"math"
)

// Tuning of the Aligner. Times are µs, ratios relative.
const (
	// settle is the time constant with which the output follows the tracker.
	settle = 10e6
	// maxPull bounds what is added to the drift for that, and maxSlew how fast the ratio
	// changes, per second: 100 ppm/s is a pitch change of 0.01 % a second, ten times
	// less than anybody hears.
	maxPull = 300e-6
	maxSlew = 100e-6
	// A timestamp that is later than expected by this many standard deviations, and by
	// half a chunk, is a hole.
	holeSigma = 6
	leastHole = 4_000.0
	mostHole  = 40_000.0
	// agreement is how many timestamps in a row must say the same of a hole that is not
	// of whole chunks.
	agreement = 3
	// maxError is how far the output may be from where it should be before that is
	// repaired at once instead of by pulling.
	maxError = 40_000.0
	// ageWindow is how long the least age of chunks is remembered.
	ageWindow = 10_000_000
)

// Config of an Aligner. Rates are Hz within pcm's bounds, depths 8..32 bits.
type Config struct {
	InRate, InDepth   int
	OutRate, OutDepth int
	Channels          int
	// MaxHole is the longest hole that is filled with silence, µs; a longer one moves
	// the anchor. 0: 15 s.
	MaxHole int64
}

// Result is what one call of Push gave.
type Result struct {
	// Frame is the number of the first output frame, counted without holes from the
	// first one of the Aligner.
	Frame int64
	// CaptureUS is when that frame was captured, on the clock of the timestamps.
	CaptureUS int64
	// Samples are interleaved; they may be empty.
	Samples []int32
	// HoleUS is the silence that was put before the chunk. StepUS is by how much the
	// anchor moved: later captures are stamped that much later than before for the same
	// output frame.
	HoleUS, StepUS int64
}

// Aligner puts one source on another clock. Not safe for concurrent use.
type Aligner struct {
	cfg     Config
	r       *Resampler
	t       *Tracker
	base    int64 // capture time of output frame 0
	in, out int64 // frames so far; in counts within the present resampler
	chunk   int64 // frames of the last chunk
	dev     float64
	suspect float64 // the last chunk's timestamp was so much later than expected
	agree   int     // and so many in a row were that much
	ages    ages
}

// NewAligner returns an aligner that waits for its first chunk.
func NewAligner(c Config) (*Aligner, error) {
	if c.MaxHole == 0 {
		c.MaxHole = 15_000_000
	}
	r, err := NewResampler(c.InRate, c.OutRate, c.Channels, c.InDepth, c.OutDepth)
	if err != nil {
		return nil, err
	}
	return &Aligner{cfg: c, r: r, t: NewTracker(c.InRate)}, nil
}

// Drift is the relative error of the source's period, as estimated.
func (a *Aligner) Drift() float64 { return a.t.Drift() }

// Jitter is the standard deviation of its timestamps, µs.
func (a *Aligner) Jitter() float64 { return a.t.Jitter() }

// Reformat goes on with another input rate or depth; output, its numbers and its anchor
// go on.
func (a *Aligner) Reformat(rate, depth int) error {
	r, err := NewResampler(rate, a.cfg.OutRate, a.cfg.Channels, depth, a.cfg.OutDepth)
	if err != nil {
		return fmt.Errorf("asrc: reformat: %w", err)
	}
	a.cfg.InRate, a.cfg.InDepth = rate, depth
	a.r, a.t, a.in, a.chunk, a.dev = r, NewTracker(rate), 0, 0, 0
	return nil
}

// Push takes a chunk whose first frame was captured at stamp and which arrived at now,
// both µs of the same clock. dst is what Result.Samples is appended to.
func (a *Aligner) Push(dst []int32, stamp, now int64, samples []int32) Result {
	frames := int64(len(samples) / a.cfg.Channels)
	res := Result{Frame: a.out}
	start := len(dst)
	switch {
	case a.t.Started():
		dst = a.check(dst, stamp, now, frames, &res)
	case a.out > 0:
		dst = a.rejoin(dst, stamp, &res)
	default:
		a.base = stamp
	}
	a.ages.add(now-stamp, now)
	a.t.Update(a.in, stamp)
	a.in += frames
	a.chunk = frames
	dst = a.steer(dst, frames)
	dst = a.emit(a.r.Process(dst, samples), len(dst))
	res.CaptureUS, res.Samples = a.captured(res.Frame), dst[start:]
	return res
}

// rejoin places the first chunk of another format: behind what was given out, with the
// silence that lies between.
func (a *Aligner) rejoin(dst []int32, stamp int64, res *Result) []int32 {
	gap := stamp - a.captured(a.out)
	if gap < 0 || gap > a.cfg.MaxHole {
		a.base += gap
		res.StepUS = gap
		return dst
	}
	res.HoleUS = gap
	return a.silence(dst, gap*int64(a.cfg.OutRate)/1_000_000)
}

// silence puts frames of silence into the output, without the resampler.
func (a *Aligner) silence(dst []int32, frames int64) []int32 {
	a.out += frames
	return append(dst, make([]int32, frames*int64(a.cfg.Channels))...)
}

// captured is when an output frame was captured.
func (a *Aligner) captured(frame int64) int64 {
	return a.base + int64(math.Round(float64(frame)*1e6/float64(a.cfg.OutRate)))
}

// emit counts what the resampler gave behind dst[:before].
func (a *Aligner) emit(dst []int32, before int) []int32 {
	a.out += int64((len(dst) - before) / a.cfg.Channels)
	return dst
}

// check compares a timestamp with what was expected, and repairs holes and steps.
func (a *Aligner) check(dst []int32, stamp, now, frames int64, res *Result) []int32 {
	off := float64(stamp) - a.t.Time(a.in, 0)
	limit := max(min(max(holeSigma*a.t.Jitter(), leastHole), mostHole), float64(min(frames, a.chunk))*a.t.period/2)
	before, agree := a.suspect, a.agree
	a.suspect, a.agree = 0, 0
	switch {
	case math.Abs(off) <= limit:
		return dst
	case off > 0 && off <= float64(a.cfg.MaxHole) && a.ages.timePassed(now-stamp, off):
		missing, whole := a.missing(off)
		if !whole && off < mostHole {
			// Timestamps that stray do not agree with each other; those behind a hole do.
			if math.Abs(off-before) > off/4 {
				agree = 0
			}
			if a.suspect, a.agree = off, agree+1; a.agree < agreement {
				return dst
			}
		}
		res.HoleUS = int64(float64(missing) * a.t.period)
		a.in += missing
		return a.emit(a.r.Silence(dst, missing), len(dst))
	case math.Abs(off) <= mostHole:
		return dst // the tracker and the ratio take it up
	}
	a.step(off, res)
	return dst
}

// missing is how many input frames a hole of off µs has: whole chunks, where it comes to
// that.
func (a *Aligner) missing(off float64) (frames int64, whole bool) {
	frames = int64(math.Round(off / (a.t.period * (1 + a.t.Drift()))))
	if c := a.chunk; c > 0 {
		k := (frames + c/2) / c
		if d := frames - k*c; k > 0 && max(d, -d) <= c/4 {
			return k * c, true
		}
	}
	return frames, false
}

// step moves the anchor: the stamping clock has stepped, the audio goes on.
func (a *Aligner) step(off float64, res *Result) {
	us := int64(math.Round(off))
	a.t.Shift(float64(us))
	a.base += us
	a.ages.shift(-us)
	res.StepUS += us
}

// steer sets the ratio so that the output gets to, and stays, where it should be.
func (a *Aligner) steer(dst []int32, frames int64) []int32 {
	ahead := a.ahead()
	if math.Abs(ahead) > maxError { // a source that is further off than MaxDeviation
		dst = a.repair(dst, ahead)
		ahead = a.ahead()
	}
	want := -a.t.Drift() - min(max(ahead/settle, -maxPull), maxPull)
	most := maxSlew * float64(frames) * a.t.period / 1e6
	a.dev += min(max(want-a.dev, -most), most)
	a.r.SetDeviation(a.dev)
	return dst
}

// ahead is how much later the next output's audio was captured than its place says, µs.
func (a *Aligner) ahead() float64 {
	i, frac := a.r.Position()
	return a.t.since(i, frac) - (float64(a.base-a.t.base) + float64(a.out)*1e6/float64(a.cfg.OutRate))
}

// repair brings the output to its place with one cut.
func (a *Aligner) repair(dst []int32, ahead float64) []int32 {
	if ahead > 0 {
		return a.silence(dst, int64(ahead)*int64(a.cfg.OutRate)/1_000_000)
	}
	a.r.Skip(int64(-ahead / a.t.period))
	return dst
}

// ages remembers the least age of recent chunks: how old their first frame is when they
// arrive, as long as nothing holds them up.
type ages struct {
	now, before int64 // least of this window and of the last
	began       int64
	some        bool
}

func (g *ages) add(age, now int64) {
	switch {
	case !g.some:
		*g = ages{now: age, before: age, began: now, some: true}
	case now-g.began >= ageWindow:
		g.before, g.now, g.began = g.now, age, now
	default:
		g.now = min(g.now, age)
	}
}

func (g *ages) shift(us int64) { g.now, g.before = g.now+us, g.before+us }

// timePassed reports whether a chunk that is stamped off µs later than expected came
// when it should: the time between has passed indeed, and the audio is missing. If it
// came earlier, the stamping clock has stepped.
func (g *ages) timePassed(age int64, off float64) bool {
	return float64(age) > float64(min(g.now, g.before))-off/2
}

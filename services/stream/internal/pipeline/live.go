package pipeline

import (
	"context"
	"slices"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// Captured is audio of a source that is captured now.
type Captured struct {
	// Frame is the number of the first frame. Numbers have no holes: where nothing was
	// captured there is silence.
	Frame int64
	// CaptureUS is when it was captured, house clock.
	CaptureUS int64
	// LateUS is how long after the capture of its first frame a block is here, at most,
	// as it went lately.
	LateUS  int64
	Samples []int32 // interleaved, not changed any more
}

// Capture is a source whose frames have a time of their own on the house clock. Frame k
// of it is heard a fixed time after it was captured: what its players must have
// (Config.LiveLeadUS) and how long its audio takes to get here. Read and SeekFrame are
// not used.
type Capture interface {
	source.Source
	// Next waits for the next block. An error is the end.
	Next(ctx context.Context) (Captured, error)
}

// What the feed tells of a capture.
type feedCaptured struct {
	at     Captured
	frames int64
	data   []byte // packed
}

const (
	// maxFill is the longest hole in the numbers that is filled; a longer one cannot be.
	maxFill = 30 * timeline.Micro
	// fillUS is how much silence is put in when audio is not there in time. It is short,
	// because what comes late is lost that much more.
	fillUS = 20_000
	// lateLimit holes in lateWindow, lateApart from each other, mean that audio takes
	// longer than it did at first: everything is delayed then by what it is late and
	// lateRoom, at least by lateStep and at most by lateMost in all.
	lateLimit  = 3
	lateWindow = 10 * timeline.Micro
	lateApart  = 100_000
	lateRoom   = 15_000
	lateStep   = 30_000
	lateMost   = 300_000
	// lostUS is how long all audio may come too late before the epoch begins anew.
	lostUS = 2 * timeline.Micro
	// toldApart is how far warnings of one kind are apart in the log.
	toldApart = 10 * timeline.Micro
)

// capturing is what the pipeline knows of the capture that plays; zero when none does.
type capturing struct {
	on    bool
	begun bool
	first int64 // number of the frame that is at frame `at` of the segment
	at    int64
	// floorUS is how long before its time audio must be made to be heard at all.
	floorUS int64
	late    []int64 // house times of the holes of late
	delayed int64   // µs that were added for them
	filled  int64   // frames of silence since the last audio
	lostAt  int64   // since when all audio has come too late; 0: it does not

	toldLate, toldLost spoken
}

// spoken is when a warning was last logged, house time: a link that fails many times a
// second fills no log.
type spoken int64

// now reports whether it may be logged again.
func (s *spoken) now(at int64) bool {
	if *s != 0 && at-int64(*s) < toldApart {
		return false
	}
	*s = spoken(at)
	return true
}

// capture passes a capture on until it ends.
func (f *feed) capture(ctx context.Context, start Start, src Capture, begun *bool) error {
	info := src.Info()
	if err := f.desk.open(start, info, 0); err != nil {
		return err
	}
	for {
		c, err := src.Next(ctx)
		if err != nil {
			return err
		}
		if len(c.Samples) == 0 {
			continue
		}
		if !*begun {
			*begun = true
			if err := f.send(ctx, f.desk.live(&c)); err != nil {
				return err
			}
		}
		out, err := f.desk.through(c.Samples)
		if err != nil {
			return err
		}
		m := feedCaptured{at: c, frames: int64(len(c.Samples) / info.Channels), data: pcm.Pack(nil, out, f.desk.begin.format.BitDepth)}
		if err := f.send(ctx, m); err != nil {
			return err
		}
	}
}

// beginCapture is called when a capture begins, before its first audio is taken. The
// epoch's T0 has been set for it: see liveT0.
func (p *Pipeline) beginCapture(c *Captured) {
	p.capture = capturing{on: c != nil, floorUS: p.cfg.LiveFloorUS}
}

// liveT0 is when the first frame of a live source is heard.
func (p *Pipeline) liveT0(c *Captured, now int64) int64 {
	if c == nil {
		return now + p.cfg.LiveLeadUS
	}
	// Never earlier than the players can have it.
	return max(c.CaptureUS+c.LateUS, now) + p.cfg.LiveLeadUS
}

// takeCaptured puts a block where its number says: behind silence where something is
// missing, and without what has been replaced by silence already.
func (p *Pipeline) takeCaptured(m feedCaptured) {
	c := &p.capture
	if !c.begun {
		c.begun, c.first, c.at = true, m.at.Frame, p.head
	}
	f := p.epoch.Segment(p.epoch.Last()).Format
	pos := c.at + m.at.Frame - c.first
	if gap := pos - p.head; gap > 0 {
		if gap > maxFill/timeline.Micro*int64(f.SampleRate) {
			p.cfg.Log.Warn("source has jumped", "frames", gap)
			c.first, c.at = m.at.Frame, p.head
		} else {
			p.silence(gap, f)
		}
	}
	if over := p.head - pos; over > 0 {
		cut := min(over, m.frames)
		m.data = m.data[cut*int64(f.Channels*f.BitDepth/8):]
		m.frames -= cut
		p.cameLate(over, f)
		if m.frames == 0 {
			if c.lostAt == 0 {
				c.lostAt = p.cfg.House.NowMicros()
				if c.toldLost.now(c.lostAt) {
					p.cfg.Log.Warn("source is too late to be heard", "late_ms", over*1000/int64(f.SampleRate))
				}
			}
			return
		}
	}
	c.lostAt = 0
	c.filled = 0
	p.fadeIn(m.data, m.frames)
	p.append(m.data, m.frames)
}

// append puts packed frames behind what the feed has given.
func (p *Pipeline) append(data []byte, frames int64) {
	p.store.Append(rendition.Block{Seg: p.epoch.Last(), Frame: p.head, Frames: frames, Data: data})
	p.head += frames
}

// silence puts frames of silence behind what the feed has given.
func (p *Pipeline) silence(frames int64, f timeline.Format) {
	p.append(make([]byte, frames*int64(f.Channels*f.BitDepth/8)), frames)
}

// cameLate notes that audio came after it had been replaced. When that happens again and
// again, everything that follows is heard later by that much.
func (p *Pipeline) cameLate(frames int64, f timeline.Format) {
	c := &p.capture
	now := p.cfg.House.NowMicros()
	if n := len(c.late); n > 0 && now-c.late[n-1] < lateApart {
		return // of one stall
	}
	c.late = append(slices.DeleteFunc(c.late, func(at int64) bool { return at < now-lateWindow }), now)
	if len(c.late) < lateLimit || c.delayed >= lateMost {
		return
	}
	c.late = nil
	us := min(max(timeline.Scale(frames, timeline.Micro, int64(f.SampleRate))+lateRoom, lateStep), lateMost-c.delayed)
	c.delayed += us
	p.delay(us)
	p.cfg.Log.Info("source is delayed: its audio takes longer than it did at first", "delay_ms", c.delayed/1000)
}

// lost reports whether all of a capture's audio has come too late for so long that it must
// be placed anew.
func (c *capturing) lost(now int64) bool { return c.on && c.lostAt != 0 && now-c.lostAt > lostUS }

// bridge puts silence where a capture's audio is not there in time, so that the players
// never run dry. It returns when to look again, house time; 0: nothing to watch.
func (p *Pipeline) bridge(now int64) int64 {
	c := &p.capture
	if !c.on || !c.begun || p.epoch == nil || p.ended || p.read == 1+p.handed.Load() {
		return 0
	}
	due := p.headUS() - c.floorUS
	if due > now {
		return due
	}
	f := p.epoch.Segment(p.epoch.Last()).Format
	frames := timeline.Scale(now-due+fillUS, int64(f.SampleRate), timeline.Micro)
	p.cfg.Metrics.underrun()
	if c.filled == 0 && c.toldLate.now(now) {
		p.cfg.Log.Warn("source is late: silence in its place")
	}
	p.silence(frames, f)
	c.filled += frames
	return p.headUS() - c.floorUS
}

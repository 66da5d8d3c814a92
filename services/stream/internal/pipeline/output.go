package pipeline

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// want makes the set of renditions s.
func (p *Pipeline) want(s []rendition.Spec) {
	p.cfg.Renditions = s
	if p.epoch == nil {
		return
	}
	wanted := map[string]bool{}
	for _, spec := range s {
		id := spec.ID()
		wanted[id] = true
		if p.live[id] == nil && !p.failed[id] {
			p.add(id, spec)
		}
	}
	for id, r := range p.live {
		if !wanted[id] {
			p.past[id] = r.Next()
			p.lose(id)
		}
	}
}

// lose forgets a rendition.
func (p *Pipeline) lose(id string) {
	delete(p.live, id)
	p.cfg.Metrics.renditions(-1)
}

// add makes a rendition from the chunk that sounds now, or from where its tape ends.
func (p *Pipeline) add(id string, s rendition.Spec) {
	frames := int64(s.ChunkFrames(p.cfg.ChunkMS))
	from := timeline.FrameAt(p.epoch.T0, p.cfg.House.NowMicros(), s.Format.SampleRate) / frames * frames
	from = max(from, p.past[id])
	r, err := rendition.New(s, p.epoch, p.store, int(frames), from)
	if err != nil {
		p.failed[id] = true
		p.cfg.Log.Error("rendition cannot be made", "rendition", id, "err", err)
		return
	}
	r.Fence = p.cfg.Fence
	p.live[id] = r
	p.cfg.Metrics.renditions(1)
}

// produce makes and publishes one chunk: of the rendition that is furthest behind
// among those that have what they need, or of the analysis, which keeps behind them. It
// is false when none can go on now.
func (p *Pipeline) produce(ctx context.Context, now, limit int64) bool {
	var due []*rendition.Rendition
	for _, r := range p.live {
		if r.Pending() || !r.Done() && r.Time() < limit {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b *rendition.Rendition) int { return cmp.Compare(a.Time(), b.Time()) })
	if p.analysisFirst(due, now, limit) && p.analyse(ctx, now) {
		return true
	}
	if slices.ContainsFunc(due, func(r *rendition.Rendition) bool { return p.chunk(ctx, r, now) }) {
		return true
	}
	return p.analysisDue(now, limit) && p.analyse(ctx, now)
}

// chunk makes and publishes one chunk of r. It is false when r must wait.
func (p *Pipeline) chunk(ctx context.Context, r *rendition.Rendition, now int64) bool {
	begin := time.Now()
	if r.Time() < now-behindUS {
		p.skip(r, now)
	}
	data, c, st, err := r.Chunk(nil)
	switch {
	case err != nil:
		p.cfg.Log.Error("rendition failed", "rendition", r.ID, "err", err)
		p.failed[r.ID] = true
		p.lose(r.ID)
		return true
	case st == rendition.Lost:
		p.skip(r, now)
		return true
	case st != rendition.Ready:
		return false
	}
	p.cfg.Metrics.chunk(r.Format.Codec, time.Since(begin), c.TimestampUS-now)
	return p.publish(ctx, r.ID, data, c.TimestampUS)
}

// publish puts a chunk on its tape. While the bus is away it keeps trying until the chunk
// is of no use any more, at until. It is false when ctx ended before.
func (p *Pipeline) publish(ctx context.Context, id string, data []byte, until int64) bool {
	for p.cfg.Publish(ctx, id, data) != nil && p.cfg.House.NowMicros() < until {
		select {
		case <-p.cfg.Clock.After(publishRetry):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// skip leaves a hole on r's tape up to the next chunk that can still be heard.
func (p *Pipeline) skip(r *rendition.Rendition, now int64) {
	p.cfg.Metrics.underrun()
	frames := r.ChunkFrames()
	r.Jump((timeline.FrameAt(p.epoch.T0, now, r.Format.SampleRate)/frames + 1) * frames)
	p.cfg.Log.Warn("tape has a hole: its chunks could not be made or published in time", "rendition", r.ID)
}

// finish closes the epoch when nothing follows and the end draws near, or when what
// follows does not open in time.
func (p *Pipeline) finish(ctx context.Context, now int64) {
	if p.drained || !p.ended && !p.over(now) {
		return
	}
	head := p.headUS()
	if !p.ended {
		p.ended = true
		if p.epoch != nil {
			p.epoch.Close(p.head)
		}
	}
	for _, r := range p.live {
		if !r.Done() {
			return
		}
	}
	p.drained = true
	p.cfg.Events(ctx, Drained{EndUS: head})
}

// over says that the open segment is the last one. What the feed keeps back for a
// crossfade is asked for before it is too late.
func (p *Pipeline) over(now int64) bool {
	given := 1 + p.handed.Load()
	idle, opening := p.read == given, p.opened < given
	none := idle && p.none.Load()
	if !idle && !opening {
		return false
	}
	left := int64(0) // until the feed's audio ends
	if p.epoch != nil {
		left = p.headUS() - now
	}
	if p.feed.tail.Load() || none && p.feed.clip.Load() {
		if left <= p.cfg.LeadUS+letUS {
			p.feed.let(none)
		}
		return false
	}
	if len(p.feed.out) > 0 {
		return false // what was let go is still to be taken
	}
	if none {
		return left <= p.cfg.LeadUS+finishUS
	}
	return p.epoch != nil && left <= lateUS
}

// stalled gives up when the feed's audio would come too late to be heard.
func (p *Pipeline) stalled(ctx context.Context, now int64) bool {
	given := 1 + p.handed.Load()
	reading := p.opened == given && p.read < given
	if p.epoch == nil || p.ended || !reading || p.capture.on && !p.capture.lost(now) {
		return false
	}
	p.feed.hurry.Store(p.headUS() <= now+hurryUS)
	if p.headUS() > now+stallUS && !p.capture.on {
		return false
	}
	p.cfg.Metrics.underrun()
	e := Stalled{}
	if s := p.epoch.Segment(p.epoch.Last()); s != nil {
		m := s.Mark(p.head)
		e.ItemID = m.ItemID
		e.MS = timeline.Scale(m.MediaFrame+p.head-m.Frame, 1000, int64(s.Format.SampleRate))
	}
	p.cfg.Log.Warn("source is too slow", "item_id", e.ItemID, "position_ms", e.MS)
	p.cfg.Events(ctx, e)
	return true
}

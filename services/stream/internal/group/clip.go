package group

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/audio/source"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// This file is how a clip sounds: over the music, as part of its epochs, or alone. The
// playback machine knows nothing of it: queue, position and history stay what they are.

// clipItem is what a pipeline that plays a clip alone calls it.
const clipItem = "announcement"

// elapsedUS is how much of the present clip has sounded at now; ok is false when none is
// playing or all of it has.
func (g *Group) elapsedUS(now int64) (us int64, ok bool) {
	j := g.ann.now
	if j == nil || j.clip == nil {
		return 0, false
	}
	if j.startUS != 0 {
		us = max(now-j.startUS, 0)
	}
	return us, us < j.clip.DurationUS()
}

// overlay is the clip for an epoch of music that begins now; nil when there is none.
func (g *Group) overlay() *pipeline.Overlay {
	us, ok := g.elapsedUS(g.House.NowMicros())
	if !ok {
		return nil
	}
	j := g.ann.now
	o := &pipeline.Overlay{Clip: j.clip, DuckDB: defaultDuckDB}
	if j.req.DuckDb != nil {
		o.DuckDB = float64(j.req.GetDuckDb())
	}
	if us > 0 {
		o.FromUS = pipeline.RampUS + us
	}
	return o
}

// clipAlone plays what is left of the clip without music; it is false when nothing is.
// What sessions have of an epoch before sounds until the clip's own is there.
func (g *Group) clipAlone() bool {
	us, ok := g.elapsedUS(g.House.NowMicros())
	if !ok {
		return false
	}
	j := g.ann.now
	g.stop()
	g.epoch = max(g.epoch+1, uint64(g.House.NowMicros()))
	g.ahead = sendAhead{ask: g.asks(false), atUS: g.House.NowMicros()}
	it := playback.Item{ID: clipItem, URI: clipItem}
	g.launch(&run{epoch: g.epoch, first: it, clip: j, alone: true, clipFromUS: us},
		pipeline.Config{Clip: true, First: pipeline.Start{Item: it, MS: us / 1000}, Open: func(context.Context, string) (source.Source, error) { return j.clip.Source(), nil }})
	return true
}

// clipStarts notes when the clip of a run whose T0 is fixed sounds.
func (g *Group) clipStarts(r *run) {
	j := r.clip
	if j == nil {
		return
	}
	first := j.startUS == 0
	j.epoch, j.asked = r.epoch, false
	was := j.startUS
	j.startUS = r.t0 - r.clipFromUS
	if !r.alone && r.clipFromUS == 0 {
		j.startUS += pipeline.RampUS
	}
	for _, h := range j.heard { // the rest of the clip sounds later than it would have
		h.fromUS += j.startUS - was
		h.sentUS = min(h.sentUS+j.startUS-was, r.t0)
		h.seen = false
	}
	if first {
		g.note(j.id, func(a *tuttiv1.Announcement) { a.State, a.StartedAt = annPlaying, timestamppb.New(g.Clock.Now()) })
	}
}

// reportAlone takes what a pipeline says that plays a clip without music.
func (g *Group) reportAlone(e pipeline.Event) {
	switch e := e.(type) {
	case pipeline.Started:
		g.started(e)
		g.shared.starts = nil
	case pipeline.NeedNext:
		g.run.p.None()
	case pipeline.Failed:
		g.endAnnouncement(annFailed, "its audio cannot be played: "+e.Err.Error())
		g.nextAnnouncement()
	case pipeline.Drained:
		g.run.drained, g.run.endUS = true, e.EndUS
		if g.stream != nil && g.stream.epoch == g.run.epoch {
			g.stream.endUS = e.EndUS
		}
	}
}

// hearClip follows the clip: volumes at its beginning, reports while it lasts, its end.
func (g *Group) hearClip(now int64) {
	g.restoreVolumes(now)
	j := g.ann.now
	if j == nil || j.startUS == 0 {
		return
	}
	if now >= j.startUS-pipeline.RampUS && !j.loud {
		g.setLoud(j, now)
	}
	g.listen(j, now)
	if now >= j.startUS+j.clip.DurationUS()-askEarlyUS && !j.asked {
		g.askSpeakers(j)
	}
	if _, ok := g.elapsedUS(now); !ok {
		g.endAnnouncement(annDone, "")
		g.restoreVolumes(now)
		g.nextAnnouncement()
	}
}

// clipTimes calls f with the moments that hearClip waits for.
func (g *Group) clipTimes(now int64, f func(us int64)) {
	j := g.ann.now
	if j == nil || j.startUS == 0 {
		return
	}
	if !j.loud {
		f(j.startUS - pipeline.RampUS)
	}
	end := j.startUS + j.clip.DurationUS()
	if !j.asked {
		end -= askEarlyUS
	}
	f(min(now+listenEveryUS, end))
}

// recordAnnouncements writes what is announced into r. An idle group that announces is
// not a group that plays: whoever takes it over must not start its music.
func (g *Group) recordAnnouncements(r *tuttiv1.Group, now int64) {
	r.Announcements = g.ann.known
	if len(g.ann.known) == 0 {
		return
	}
	r.Announcement = g.ann.known[0]
	if j := g.ann.now; j != nil {
		r.Announcement = g.announcement(j.id)
		if us, ok := g.elapsedUS(now); ok && us > 0 {
			r.Announcement = proto.CloneOf(r.Announcement)
			r.Announcement.PositionMs = us / 1000
		}
	}
}

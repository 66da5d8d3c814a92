package group

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// run is a pipeline in progress.
type run struct {
	epoch      uint64
	trace      string // of the order that began it; "": nobody's
	p          *pipeline.Pipeline
	cancel     context.CancelFunc
	first      playback.Item
	clip       *job   // what is announced over it, or alone; nil: nothing
	alone      bool   // there is no music
	clipFromUS int64  // how much of the clip had sounded before
	beginMS    int64  // where first begins: the position until it is audible
	t0         int64  // 0 until the pipeline has fixed it
	marks      []mark // from the audible item on; all of them later than t0
	heard      bool   // marks[0] is audible
	live       bool   // what was opened last is a live source
	capture    bool   // it plays a source's captured audio
	drained    bool
	endUS      int64 // once drained: the last sample sounds until then
	checkpoint *tuttiv1.Timeline
}

// mark is where an item begins to sound.
type mark struct {
	item    playback.Item
	startUS int64
	mediaMS int64 // position in the item at startUS
}

// stream is the epoch that sessions are told of. It changes when the next epoch's audio
// is there, so that a listener who skips hears the old title until then.
type stream struct {
	epoch  uint64
	t0     int64
	leadUS int64
	live   bool
	short  bool  // in short chunks
	endUS  int64 // when not 0: it ends by itself then
}

// bufferMS is how much of a source must be there before it plays. A source that was
// too slow gets more time, twice as much after each stall.
const bufferMS = 500

func perm(n int) []int { return rand.Perm(n) }

// begin starts a new epoch. Epochs are house-clock times, so that they grow even
// when the last one could not be saved.
//
// With AtOnce the sessions are told of it before its audio is there, so that what they
// have in store of the epoch before does not sound. Its T0 is not known then: what they
// are told is that nothing comes before the earliest possible one.
func (g *Group) begin(b playback.Begin) {
	it, ms := b.Item, b.PositionMS
	g.stop()
	g.resuming = false
	g.epoch = max(g.epoch+1, uint64(g.House.NowMicros()))
	g.ahead = sendAhead{ask: g.asks(false), atUS: g.House.NowMicros()}
	if b.AtOnce {
		lead, _ := g.leads()
		g.stream = &stream{epoch: g.epoch, t0: g.House.NowMicros() + lead, leadUS: lead, short: it.Captured()}
	}
	r := &run{epoch: g.epoch, first: it, beginMS: ms, capture: it.Captured()}
	cfg := pipeline.Config{First: pipeline.Start{Item: it, MS: ms}, BufferMS: bufferMS << min(g.s.Stalls, 4), Overlay: g.overlay()}
	if cfg.Overlay != nil {
		r.clip, r.clipFromUS = g.ann.now, max(cfg.Overlay.FromUS-pipeline.RampUS, 0)
	}
	g.launch(r, cfg)
	g.setPlaying(true)
}

// launch runs a pipeline under r.
func (g *Group) launch(r *run, cfg pipeline.Config) {
	ctx, cancel := context.WithCancel(g.ctx)
	g.run, r.trace = r, g.trace
	specs, _ := g.specs()
	cfg.EpochID, cfg.Fence = r.epoch, g.fence
	cfg.ChunkMS, cfg.AheadMS, cfg.Renditions = g.ChunkMS, g.AheadMS, specs
	cfg.LeadUS, cfg.LiveLeadUS = g.leads()
	cfg.Visual, cfg.LiveFloorUS = g.visualTapes(), g.liveFloor()
	cfg.House, cfg.Clock, cfg.Metrics = g.House, g.Clock, g.Audio
	if !r.alone {
		cfg.Open, cfg.Processing = g.open, g.processing()
	}
	cfg.Log = g.log.With("epoch", r.epoch)
	cfg.Publish = newTaper(g.House, func(ctx context.Context, id string, data []byte) (Receipt, error) {
		if !g.held.Valid() { // this process was paused, or cut off: another one may have the group
			return nil, fault.New(fault.Unavailable, "the lease of group %s is over", g.id)
		}
		return g.Publish(ctx, g.id, id, data)
	}).write
	self := g.self
	cfg.Events = func(ctx context.Context, e pipeline.Event) {
		_ = self.Send(ctx, fromPipeline{r.epoch, e}) // fails only when one of the two has ended
	}
	r.p, r.cancel = pipeline.New(cfg), cancel
	g.wg.Go(func() { defer cancel(); r.p.Run(ctx) })
	g.setPlaying(true)
}

// stop ends the pipeline; what is on the tapes stays there.
func (g *Group) stop() {
	if g.run != nil {
		g.run.cancel()
		g.run = nil
	}
}

// halt ends the audio at once.
func (g *Group) halt() {
	g.stop()
	g.stream = nil
	g.setPlaying(false)
}

func (g *Group) setPlaying(on bool) {
	if g.playing != on {
		g.playing = on
		g.Metrics.play(on)
	}
}

// report takes what the pipeline says.
func (g *Group) report(e pipeline.Event) {
	g.touched = true
	if g.run.alone {
		g.reportAlone(e)
		return
	}
	switch e := e.(type) {
	case pipeline.Started:
		g.started(e)
		g.shared.starts = nil
		g.traced().Info("stream starts", "epoch", g.run.epoch, "item", g.run.first.Label(), "position_ms", g.run.beginMS,
			"lead_ms", e.LeadUS/1000, "live", e.Live)
	case pipeline.Begun:
		g.run.live = e.Info.Live
		g.run.marks = append(g.run.marks, mark{item: e.Item, startUS: e.StartUS, mediaMS: e.MediaMS})
		g.run.checkpoint = toTimeline(g.run.epoch, g.run.t0, e.First, e.Segments)
		g.learn(e.Item)
		_ = g.apply(playback.Begun{ID: e.Item.ID})
	case pipeline.Titled:
		g.retitle(e)
	case pipeline.Failed:
		reason := failure(e)
		g.log.Warn("title skipped", "item", e.Item.Label(), "partial", e.Partial, obs.KeyErr, e.Err)
		_ = g.apply(playback.Failed{ID: e.Item.ID, Reason: reason, Partial: e.Partial})
	case pipeline.NeedNext:
		_ = g.apply(playback.NeedNext{})
	case pipeline.Stalled:
		_ = g.apply(playback.Stalled{ID: e.ItemID, MS: e.MS})
	case pipeline.Drained:
		g.run.drained, g.run.endUS = true, e.EndUS
		if g.stream != nil && g.stream.epoch == g.run.epoch {
			g.stream.endUS = e.EndUS
		}
	}
}

// retitle makes a mark of what a source that goes on says of itself: displays learn of it
// as of any other title. The queue keeps the source's own name.
func (g *Group) retitle(e pipeline.Titled) {
	r := g.run
	if len(r.marks) == 0 || r.marks[len(r.marks)-1].item.ID != e.ItemID {
		return // of a title that has been left
	}
	m := r.marks[len(r.marks)-1]
	at := max(e.AtUS, m.startUS)
	m.mediaMS += (at - m.startUS) / 1000
	m.startUS = at
	m.item.Title, m.item.Artist, m.item.Album, m.item.AlbumArtist = e.Title, e.Artist, "", ""
	m.item.Tidy()
	r.marks = append(r.marks, m)
}

// started tells sessions of the new epoch, whose T0 is fixed.
func (g *Group) started(e pipeline.Started) {
	g.run.t0, g.run.live = e.T0, e.Live
	g.ahead = sendAhead{ask: g.asks(e.Live), atUS: g.House.NowMicros()}
	g.ahead.us = e.LeadUS - g.MarginUS
	if e.Live {
		g.ahead.us = e.LeadUS - g.liveMargin()
	}
	if g.stream == nil || g.stream.epoch != g.run.epoch { // else they were told at once
		g.stream = &stream{epoch: g.run.epoch, t0: e.T0}
	}
	g.stream.leadUS, g.stream.live, g.stream.short = e.LeadUS, e.Live, g.run.capture
}

// learn keeps what a medium's tags said about a queue item.
func (g *Group) learn(it playback.Item) {
	if i := g.s.Find(it.ID); i >= 0 {
		g.s.Queue = slices.Clone(g.s.Queue)
		g.s.Queue[i] = it
	}
}

// turnEarlyUS is how long before a title that must not sound its epoch is given up: the
// sessions must have cleared it in time. The title before loses so much of its end.
const turnEarlyUS = 50_000

// hear follows the ear: which item is audible at now, and whether it is over.
func (g *Group) hear(now int64) {
	defer func() {
		m, ok := g.sounds()
		g.history.follow(m, ok, now, g.Clock.Now())
	}()
	for g.run != nil {
		r := g.run
		first := false
		switch {
		case len(r.marks) > 0 && !r.heard && r.marks[0].startUS <= now:
			r.heard, first = true, true
		case len(r.marks) > 1 && r.heard && g.turnsAt(r.marks[1]) <= now:
			g.log.Info("what follows was changed: it begins anew", "instead_of", r.marks[1].item.Label())
			_ = g.apply(r.turn())
			continue
		case len(r.marks) > 1 && r.marks[1].startUS <= now:
			r.marks = r.marks[1:]
		case r.alone:
			return // hearClip ends it
		case r.drained && now >= r.endUS:
			_ = g.apply(playback.Ended{})
			continue
		default:
			return
		}
		_ = g.apply(playback.Audible{ID: r.marks[0].item.ID, First: first})
		g.log.Info("title is audible", "item", r.marks[0].item.Label(), "title", r.marks[0].item.Title)
	}
}

// restMS is how much of a title must be unheard to be played before a turn: a crossfade
// had begun in it.
const restMS = 500

// turn is what the audible title's end is like, which a title that must not sound follows.
func (r *run) turn() playback.Turn {
	m := r.marks[0]
	at := m.mediaMS + (r.marks[1].startUS-m.startUS)/1000
	return playback.Turn{MS: at, Rest: m.item.DurationMS-at > restMS}
}

// turnsAt is when the epoch must be given up because m must not sound; far in the future
// when it may. Where nothing follows instead, the title before is heard to its end.
func (g *Group) turnsAt(m mark) int64 {
	switch _, follows := g.s.Successor(); {
	case g.s.Turn == "" || m.item.ID != g.s.Turn:
		return math.MaxInt64
	case follows:
		return m.startUS - turnEarlyUS
	}
	return m.startUS
}

// positionMS is the position in the audible item at house time now.
func (g *Group) positionMS(now int64) int64 {
	r := g.run
	if r == nil || g.s.Mode != playback.Playing {
		return g.s.PositionMS
	}
	if !r.heard || len(r.marks) == 0 {
		return r.beginMS
	}
	m := r.marks[0]
	if r.drained {
		now = min(now, r.endUS)
	}
	at := m.mediaMS + max(now-m.startUS, 0)/1000
	if m.item.DurationMS > 0 {
		at = min(at, m.item.DurationMS)
	}
	return at
}

// arm sets the timer for the next thing that happens by itself.
func (g *Group) arm(now int64) {
	g.gen++
	g.disarm()
	at := int64(0)
	sooner := func(us int64) {
		if at == 0 || us < at {
			at = us
		}
	}
	if r := g.run; r != nil {
		if len(r.marks) > 0 && !r.heard {
			sooner(r.marks[0].startUS)
		}
		if len(r.marks) > 1 {
			sooner(min(r.marks[1].startUS, g.turnsAt(r.marks[1])))
		}
		if m, ok := g.comes(); ok && m.startUS-scheduleUS > now {
			sooner(m.startUS - scheduleUS)
		}
		if r.drained {
			sooner(r.endUS)
		}
		sooner(g.keptUS + saveEveryUS)
	}
	for _, us := range g.later {
		sooner(us)
	}
	if g.leadAgainUS > now {
		sooner(g.leadAgainUS)
	}
	g.clipTimes(now, sooner)
	if g.hopeUS > now { // a player that did something else is shown as it is
		sooner(g.hopeUS)
	}
	if at == 0 {
		g.disarm = func() {}
		return
	}
	d := max(time.Duration(at-now)*time.Microsecond, time.Millisecond)
	g.disarm = actor.After[Message](g.self, g.Clock, d, wake{g.gen})
}

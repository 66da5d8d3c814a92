package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/tape"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// resumeMarginUS is how much of the tape must be left to be carried on in time: to
// open the source, seek, and convert.
const resumeMarginUS = 700_000

// tapePatience is how long the tapes of a group are waited for when their stream has no
// leader: NATS was seen to take up to 9 s for an election. Meanwhile players go on from what
// their gateways hold, and a group that began anew could not write a tape either.
const tapePatience = 15 * time.Second

// Start reads the record, greets the members and carries on what played.
func (g *Group) Start(ctx context.Context) error {
	rec, rev, err := g.claim(ctx)
	if fault.CodeOf(err) == fault.NotFound || errors.Is(err, errFollowed) {
		return actor.ErrStop // deleted while it was asked for, or another instance is further
	}
	if err != nil {
		return fmt.Errorf("read the group's record: %w", err)
	}
	g.ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	g.rec, g.s, g.epoch = rec, fromRecord(rec), rec.GetEpoch()
	g.history = history{items: rec.GetHistory(), fromUS: g.House.NowMicros(), handed: true}
	g.adopt(rec)
	g.keeper = &keeper{id: g.id, fence: g.fence, rev: rev, store: g.Store, clock: g.Clock, log: g.log, lost: g.self.Stop, metrics: g.Metrics,
		records: make(chan kept, 1), done: make(chan struct{})}
	g.wg.Go(func() { g.keeper.run(g.ctx) })
	for _, id := range rec.GetMembers() {
		g.join(id)
	}
	g.watch()
	if rec.GetPlaybackState() == statePlaying {
		g.carryOn(ctx, rec)
		if err := ctx.Err(); err != nil {
			// It was given away before it could read its tapes. The record stays as it is: whoever
			// follows carries on from them.
			g.abandoned = true
			return err
		}
	}
	g.touched = true
	g.settle()
	g.Metrics.held(1)
	g.log.Info("group held", obs.KeyFence, g.fence, obs.KeyState, modeName(g.s.Mode), "members", len(g.members))
	g.ready()
	return nil
}

// errFollowed says that a later holder has the group.
var errFollowed = errors.New("another instance has followed as the holder")

// claim reads the record and writes this holder's fence into it, so that what a former
// holder still writes is refused by its revision.
func (g *Group) claim(ctx context.Context) (*tuttiv1.Group, uint64, error) {
	for {
		rec, rev, err := g.Store.Get(ctx, g.id)
		if err != nil {
			return nil, 0, err
		}
		if rec.GetFence() > g.fence {
			return nil, 0, errFollowed
		}
		if rec.GetFence() == g.fence {
			return rec, rev, nil // another life under the same lease
		}
		mine := proto.CloneOf(rec)
		mine.Fence, mine.InstanceId = g.fence, g.InstanceID
		rev, err = g.Store.Update(ctx, g.id, mine, rev)
		if err == nil {
			return rec, rev, nil
		}
		if fault.CodeOf(err) != fault.Conflict || ctx.Err() != nil {
			return nil, 0, err
		}
	}
}

// Close ends what this life started. Sessions are told nothing.
func (g *Group) Close(ctx context.Context) {
	if g.cancel == nil {
		return
	}
	g.Hub.Forget(g.id)
	g.disarm()
	g.setPlaying(false)
	if !g.deleted && !g.abandoned {
		g.touched = true
		g.keep(g.House.NowMicros())
	}
	g.cancel()
	done := make(chan struct{})
	go func() { defer close(done); g.wg.Wait() }()
	select {
	case <-done:
	case <-ctx.Done(): // a read from a dead disk cannot be interrupted
		g.log.Error("group's goroutines did not end: a source does not answer")
	}
	if !g.abandoned {
		g.Metrics.held(-1)
	}
}

// carryOn goes on with a group that played when its last holder was lost: from the end
// of the tapes when there is enough left, without anybody hearing it; else from where
// the music was, when a member can hear it.
func (g *Group) carryOn(ctx context.Context, rec *tuttiv1.Group) {
	if len(g.s.Queue) == 0 {
		return
	}
	if p := rec.GetNowPlaying(); p != nil {
		g.s.PositionMS = p.GetPositionMs()
	}
	if it, _ := g.s.Current(); it.Captured() {
		// There is no past to carry on from. It goes on with what is captured now.
		g.s.Mode, g.s.PositionMS, g.resuming = playback.Paused, 0, true
		g.log.Info("live playback was interrupted and goes on", "item", it.Label())
		return
	}
	epoch := fromTimeline(rec.GetTimeline())
	if epoch != nil && epoch.ID == rec.GetEpoch() {
		reading, cancel := context.WithTimeout(ctx, tapePatience)
		tails := g.readTapes(reading, epoch, rec.GetRenditions())
		cancel()
		now := g.House.NowMicros() // the tapes may have taken long
		if end := tails.endUS; end > now+resumeMarginUS && g.takeOver(epoch, tails, now) {
			g.log.Info("playback carried on from the tape", "ahead_ms", (end-now)/1000, "epoch", epoch.ID)
			return
		}
		if i := g.s.Find(tails.itemID); i >= 0 {
			g.s.Index, g.s.PositionMS = i, tails.mediaMS
		}
	}
	g.s.Mode = playback.Paused
	g.resuming = g.Resume
	g.log.Info("playback was interrupted", "position_ms", g.s.PositionMS, "resumes", g.Resume)
}

// tails is where the tapes of an epoch end.
type tails struct {
	next    map[string]int64 // by rendition id: the frame after the last chunk
	rates   map[string]int
	endUS   int64 // of the tape that ends last
	itemID  string
	mediaMS int64
}

func (g *Group) readTapes(ctx context.Context, e *timeline.Epoch, renditions []*tuttiv1.Rendition) tails {
	t := tails{next: map[string]int64{}, rates: map[string]int{}}
	for _, r := range renditions {
		data, err := g.LastChunk(ctx, g.id, r.GetRenditionId())
		if err != nil {
			if fault.CodeOf(err) != fault.NotFound {
				g.log.Warn("tape cannot be read", obs.KeyRendition, r.GetRenditionId(), obs.KeyErr, err)
			}
			continue
		}
		c, err := tape.Parse(data)
		if err != nil || c.Epoch != e.ID {
			continue
		}
		rate := int(r.GetFormat().GetSampleRate())
		id := r.GetRenditionId()
		t.next[id], t.rates[id] = timeline.FrameAt(e.T0, c.TimestampUS, rate)+int64(c.Frames), rate
		if end := timeline.FrameTime(e.T0, t.next[id], rate); end > t.endUS {
			t.endUS, t.itemID, t.mediaMS = end, c.ItemID, c.MediaEndMS
		}
	}
	g.readVisual(ctx, &t, e)
	return t
}

// takeOver continues the epoch of the last holder.
func (g *Group) takeOver(e *timeline.Epoch, t tails, now int64) bool {
	marks := marksOf(e, g.s)
	resume, first, err := pipeline.Plan(e, t.next, t.rates)
	if err != nil {
		return false
	}
	i := g.s.Find(first.ItemID)
	if i < 0 || len(marks) == 0 {
		return false
	}
	g.s.Mode, g.s.Waiting, g.s.Handed = playback.Playing, false, first.ItemID
	// What sounds now, and what lies between it and the item that the feed opens again.
	heard := 0
	for heard < len(marks)-1 && marks[heard+1].startUS <= now {
		heard++
	}
	g.s.Index = max(g.s.Find(marks[heard].item.ID), 0)
	g.s.Ahead = nil
	last := resume.Epoch.SourceTime(resume.Seg, resume.Frame)
	for n, m := range marks {
		if n > heard && m.startUS <= last {
			g.s.Ahead = append(g.s.Ahead, m.item.ID)
		}
	}
	for len(marks) > heard+1 && marks[len(marks)-1].startUS > last {
		marks = marks[:len(marks)-1]
	}
	g.ahead = sendAhead{ask: g.asks(false), atUS: now}
	g.stream = &stream{epoch: e.ID, t0: e.T0, leadUS: g.ahead.us + g.MarginUS}
	g.launch(&run{epoch: e.ID, t0: e.T0, first: g.s.Queue[i], beginMS: marks[heard].mediaMS, marks: marks[heard:], checkpoint: g.rec.GetTimeline()},
		pipeline.Config{Resume: resume, First: pipeline.Start{Item: g.s.Queue[i], Frame: first.MediaFrame, Exact: true}})
	return true
}

// marksOf lists where the items of an epoch sound.
func marksOf(e *timeline.Epoch, s playback.State) []mark {
	var out []mark
	for n := e.First(); n <= e.Last(); n++ {
		seg := e.Segment(n)
		for _, m := range seg.Marks {
			i := s.Find(m.ItemID)
			if i < 0 {
				continue
			}
			out = append(out, mark{item: s.Queue[i], startUS: e.SourceTime(n, m.Frame),
				mediaMS: timeline.Scale(m.MediaFrame, 1000, int64(seg.Format.SampleRate))})
		}
	}
	return out
}

// Package pipeline is the audio path of one group for one epoch: a feed decodes ahead,
// renditions convert and encode, and the chunks go to the tapes, paced by the house
// clock up to a fixed time ahead of it.
//
//	feed goroutine ──blocks──► Run's goroutine: store → renditions → tape
//	      ▲ Hand (next item)        │ events
//	      └──────── group actor ◄───┘
//
// Run's goroutine owns the epoch, the store and the renditions. A feed that waits for
// a disk or a server blocks nothing; a bus that takes no chunks blocks this group only.
package pipeline

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// House tells the house clock.
type House interface{ NowMicros() int64 }

// Config of one epoch's pipeline. All fields are required unless they say otherwise.
type Config struct {
	EpochID    uint64
	ChunkMS    int
	AheadMS    int
	BufferMS   int   // source audio that must be there before T0 is fixed; 0: the first block
	LeadUS     int64 // from the moment audio is there to T0; also how early the last chunk goes out
	First      Start
	Resume     *Resume // nil: a new epoch
	House      House
	Clock      clockwork.Clock
	Log        *slog.Logger
	Metrics    *Metrics // nil: not counted
	Open       func(ctx context.Context, uri string) (source.Source, error)
	Publish    func(ctx context.Context, renditionID string, data []byte) error
	Events     func(ctx context.Context, e Event) // called in order from Run's goroutine
	Renditions []pcm.Format
}

// Resume carries an epoch on that another instance began.
type Resume struct {
	Epoch *timeline.Epoch  // truncated to the item of First
	Seg   int              // where First.Frame is
	Frame int64            // source frame of that segment
	Next  map[string]int64 // by rendition id: the frame after its last chunk
}

// Event is what a pipeline reports.
type Event interface{ event() }

// The events.
type (
	// Started: T0 is fixed; players can be told. Only for new epochs.
	Started struct{ T0 int64 }
	// Begun: an item's audio is there. It sounds at StartUS, from MediaMS on.
	Begun struct {
		Item     playback.Item // with the tags of the medium where it had none
		Info     source.Info
		StartUS  int64
		MediaMS  int64
		First    int                // number of Segments[0]
		Segments []timeline.Segment // a copy of the timeline, for the checkpoint
	}
	// Failed: an item cannot be (fully) played.
	Failed struct {
		Item    playback.Item
		Err     error
		Partial bool
	}
	// NeedNext: answer with Hand when there is a successor, else with None and, when
	// one turns up, with Hand.
	NeedNext struct{}
	// Stalled: the source fell behind the clock; the pipeline gives up. MS is the
	// position in the item that comes next.
	Stalled struct {
		ItemID string
		MS     int64
	}
	// Drained: everything is on the tapes and the last sample sounds until EndUS.
	Drained struct{ EndUS int64 }
)

func (Started) event()  {}
func (Begun) event()    {}
func (Failed) event()   {}
func (NeedNext) event() {}
func (Stalled) event()  {}
func (Drained) event()  {}

// Tuning. None of it is seen by a player that has its lead.
const (
	keepUS       = 3 * timeline.Micro // source audio kept behind now, for late renditions
	finishUS     = 1_500_000          // the end is made so long before the players need it
	lateUS       = 300_000            // a successor that is not open so long before the end comes after a gap
	catchUpUS    = 3 * timeline.Micro // source audio in store that comes before encoding
	behindUS     = timeline.Micro     // a rendition so far behind the clock gives up what is past
	stallUS      = 100_000            // audio that would come later than this before its time is too late
	rampUS       = 4 * timeline.Micro // what is made at once at a start; then the lead grows at rampFactor
	rampFactor   = 8
	publishRetry = 200 * time.Millisecond
	maxWait      = 250 * time.Millisecond
	minWait      = 5 * time.Millisecond
)

// Pipeline runs one epoch. New makes it, Run runs it; the other methods may be called
// from any goroutine.
type Pipeline struct {
	cfg     Config
	hand    chan playback.Item
	formats chan []pcm.Format // one slot, the newest wins
	wake    chan struct{}     // one slot: look again
	handed  atomic.Int64      // successors given so far
	none    atomic.Bool       // the last NeedNext was answered: nothing follows for now

	epoch   *timeline.Epoch
	store   *rendition.Store
	live    map[string]*rendition.Rendition
	past    map[string]int64 // next frame of renditions that are not wanted now
	started int64            // house time when the epoch's audio began to be made
	head    int64            // source frames of the open segment
	failed  map[string]bool  // renditions whose encoder cannot be made
	early   []any            // what the feed gave before T0 was fixed
	earlyMS int64            // how much audio that is
	opened  int64            // items that the feed has opened, or failed to
	read    int64            // items that it has read to their end
	ended   bool             // the epoch is closed
	drained bool             // and that was reported
}

// New returns a pipeline that does nothing until Run.
func New(cfg Config) *Pipeline {
	p := &Pipeline{cfg: cfg, hand: make(chan playback.Item, 1), formats: make(chan []pcm.Format, 1), wake: make(chan struct{}, 1),
		live: map[string]*rendition.Rendition{}, past: map[string]int64{}, failed: map[string]bool{}}
	if r := cfg.Resume; r != nil {
		p.epoch, p.head, p.past, p.started = r.Epoch, r.Frame, r.Next, cfg.House.NowMicros()-rampUS
	}
	return p
}

// LeadUS is the lead that the pipeline was made with.
func (p *Pipeline) LeadUS() int64 { return p.cfg.LeadUS }

// Hand gives the feed the item that follows: once per NeedNext, at once or later.
func (p *Pipeline) Hand(it playback.Item) {
	p.none.Store(false)
	p.handed.Add(1)
	select {
	case p.hand <- it:
	default: // the feed has one already: the caller answered twice
	}
}

// None answers a NeedNext for now: when no Hand follows in time, this is the end.
func (p *Pipeline) None() {
	p.none.Store(true)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// SetRenditions says which formats are wanted from now on. It never blocks.
func (p *Pipeline) SetRenditions(f []pcm.Format) {
	for {
		select {
		case p.formats <- f:
			return
		default:
		}
		select {
		case <-p.formats:
		default:
		}
	}
}

// Run works until ctx ends, or until the source stalls. It returns when its feed has
// ended, too.
func (p *Pipeline) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	f := &feed{open: p.cfg.Open, hand: p.hand, out: make(chan any, 8)}
	var wg sync.WaitGroup
	wg.Go(func() { f.run(ctx, p.cfg.First) })
	defer wg.Wait()
	defer cancel()
	if p.epoch != nil {
		p.store = rendition.NewStore(p.epoch)
	}
	p.want(p.cfg.Renditions)
	defer func() { p.cfg.Metrics.renditions(-len(p.live)) }()
	for ctx.Err() == nil {
		p.catchUp(ctx, f)
		now := p.cfg.House.NowMicros()
		limit := now + p.ahead(now)
		if p.stalled(ctx, now) {
			return
		}
		if p.epoch != nil {
			p.store.Trim(now - keepUS)
			p.epoch.Forget(now - 2*keepUS)
		}
		p.finish(ctx, now)
		if p.produce(ctx, now, limit) {
			continue
		}
		p.wait(ctx, f, now, limit)
	}
}

// ahead is how far the tape may run ahead now. It grows after a start, so that a
// listener who skips through a queue does not cost half a minute of encoding each time.
func (p *Pipeline) ahead(now int64) int64 {
	full := max(int64(p.cfg.AheadMS)*1000, p.cfg.LeadUS+rampUS)
	if p.epoch == nil {
		return full
	}
	return min(full, rampUS+rampFactor*max(now-p.started, 0)+max(p.epoch.T0-now, 0))
}

// catchUp takes what the feed has while little of it is in store, before any encoding:
// so a stall is the source's fault and never that of a slow encoder.
func (p *Pipeline) catchUp(ctx context.Context, f *feed) {
	for range cap(f.out) {
		if p.ended || p.epoch != nil && p.headUS() > p.cfg.House.NowMicros()+catchUpUS {
			return
		}
		select {
		case m := <-f.out:
			p.take(ctx, m)
		default:
			return
		}
	}
}

// headUS is the house time where the audio that the feed has given ends.
func (p *Pipeline) headUS() int64 {
	if p.epoch == nil || p.epoch.Last() < p.epoch.First() {
		return 0
	}
	return p.epoch.SourceTime(p.epoch.Last(), p.head)
}

// wait sleeps until there may be something to do.
func (p *Pipeline) wait(ctx context.Context, f *feed, now, limit int64) {
	d := maxWait
	in := f.out
	if head := p.headUS(); p.ended {
		in = nil
	} else if p.epoch != nil && head >= limit {
		in = nil // decoded far enough
		d = min(d, time.Duration(head-limit)*time.Microsecond)
	}
	for _, r := range p.live {
		if t := r.Time(); t >= limit {
			d = min(d, time.Duration(t-limit)*time.Microsecond)
		}
	}
	timer := p.cfg.Clock.NewTimer(max(d, minWait))
	defer timer.Stop()
	select {
	case m := <-in:
		p.take(ctx, m)
	case want := <-p.formats:
		p.want(want)
	case <-timer.Chan():
	case <-p.wake:
	case <-ctx.Done():
	}
}

// take handles one message of the feed. Before an epoch begins, some audio is
// collected, so that a source that is slow to get going does not stall at once.
func (p *Pipeline) take(ctx context.Context, m any) {
	if p.epoch == nil {
		switch m := m.(type) {
		case feedBegin:
			p.early = append(p.early, m)
			return
		case feedBlock:
			p.early = append(p.early, m)
			if p.earlyMS += blockMS; p.earlyMS < int64(p.cfg.BufferMS) {
				return
			}
		}
		early := p.early
		p.early = nil
		for _, e := range early {
			p.work(ctx, e)
		}
		if _, ok := m.(feedBlock); ok {
			return
		}
	}
	p.work(ctx, m)
}

// work handles one message of the feed.
func (p *Pipeline) work(ctx context.Context, m any) {
	switch m := m.(type) {
	case feedBegin:
		p.opened++
		p.begin(ctx, m)
	case feedBlock:
		p.store.Append(rendition.Block{Seg: p.epoch.Last(), Frame: p.head, Frames: m.frames, Data: m.data})
		p.head += m.frames
	case feedFailed:
		if !m.partial {
			p.opened++
		}
		p.cfg.Events(ctx, Failed{Item: m.item, Err: m.err, Partial: m.partial})
	case feedEmpty:
		p.read++
		p.cfg.Events(ctx, NeedNext{})
	}
}

// begin places an item on the timeline. The first one of an epoch fixes T0.
func (p *Pipeline) begin(ctx context.Context, m feedBegin) {
	if p.epoch == nil {
		now := p.cfg.House.NowMicros()
		p.epoch, p.started = timeline.New(p.cfg.EpochID, now+p.cfg.LeadUS), now
		p.store = rendition.NewStore(p.epoch)
		p.want(p.cfg.Renditions)
		p.cfg.Events(ctx, Started{T0: p.epoch.T0})
	}
	if r := p.cfg.Resume; r != nil && m.start.Exact {
		if s := p.epoch.Segment(r.Seg); s != nil && s.Format == format(m.info) {
			p.report(ctx, m, r.Seg, r.Frame)
			return
		}
		p.cfg.Log.Warn("medium changed its format since playback began", "item", m.start.Item.URI)
	}
	seg, at, _ := p.epoch.Begin(m.start.Item.ID, format(m.info), m.media, p.head)
	p.head = at
	p.report(ctx, m, seg, at)
}

func (p *Pipeline) report(ctx context.Context, m feedBegin, seg int, at int64) {
	p.cfg.Events(ctx, Begun{
		Item: tagged(m.start.Item, m.info), Info: m.info, StartUS: p.epoch.SourceTime(seg, at),
		MediaMS: timeline.Scale(m.media, 1000, int64(m.info.SampleRate)),
		First:   p.epoch.First(), Segments: p.epoch.Segments(),
	})
}

func format(i source.Info) timeline.Format {
	return timeline.Format{SampleRate: i.SampleRate, Channels: i.Channels, BitDepth: i.BitDepth}
}

// tagged fills what the queue does not know of an item from its medium.
func tagged(it playback.Item, i source.Info) playback.Item {
	set := func(dst *string, v string) {
		if *dst == "" {
			*dst = v
		}
	}
	set(&it.Title, i.Tags.Title)
	set(&it.Artist, i.Tags.Artist)
	set(&it.Album, i.Tags.Album)
	set(&it.AlbumArtist, i.Tags.AlbumArtist)
	if it.Year == 0 {
		it.Year = i.Tags.Year
	}
	if it.Track == 0 {
		it.Track = i.Tags.Track
	}
	if it.DurationMS == 0 {
		it.DurationMS = i.Tags.DurationMS
		if i.Frames > 0 {
			it.DurationMS = timeline.Scale(i.Frames, 1000, int64(i.SampleRate))
		}
	}
	return it
}

// want makes the set of renditions f.
func (p *Pipeline) want(f []pcm.Format) {
	p.cfg.Renditions = f
	if p.epoch == nil {
		return
	}
	wanted := map[string]bool{}
	for _, format := range f {
		id := rendition.ID(format)
		wanted[id] = true
		if p.live[id] == nil && !p.failed[id] {
			p.add(id, format)
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
func (p *Pipeline) add(id string, f pcm.Format) {
	frames := int64(rendition.ChunkFrames(f, p.cfg.ChunkMS))
	from := timeline.FrameAt(p.epoch.T0, p.cfg.House.NowMicros(), f.SampleRate) / frames * frames
	from = max(from, p.past[id])
	r, err := rendition.New(f, p.epoch, p.store, int(frames), from)
	if err != nil {
		p.failed[id] = true
		p.cfg.Log.Error("rendition cannot be made", "rendition", id, "err", err)
		return
	}
	p.live[id] = r
	p.cfg.Metrics.renditions(1)
}

// produce makes and publishes one chunk: of the rendition that is furthest behind
// among those that have what they need. It is false when none can go on now.
func (p *Pipeline) produce(ctx context.Context, now, limit int64) bool {
	var due []*rendition.Rendition
	for _, r := range p.live {
		if r.Pending() || !r.Done() && r.Time() < limit {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b *rendition.Rendition) int { return cmp.Compare(a.Time(), b.Time()) })
	return slices.ContainsFunc(due, func(r *rendition.Rendition) bool { return p.chunk(ctx, r, now) })
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
	for p.cfg.Publish(ctx, r.ID, data) != nil && p.cfg.House.NowMicros() < c.TimestampUS {
		select { // the bus is away; keep the chunk while it can still be heard
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
	frames := int64(rendition.ChunkFrames(r.Format, p.cfg.ChunkMS))
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

// over says that the open segment is the last one.
func (p *Pipeline) over(now int64) bool {
	given := 1 + p.handed.Load()
	idle, opening := p.read == given, p.opened < given
	switch {
	case idle && p.none.Load():
		return p.epoch == nil || p.headUS()-now <= p.cfg.LeadUS+finishUS
	case idle || opening:
		return p.epoch != nil && p.headUS()-now <= lateUS
	}
	return false
}

// stalled gives up when the feed's audio would come too late to be heard.
func (p *Pipeline) stalled(ctx context.Context, now int64) bool {
	given := 1 + p.handed.Load()
	reading := p.opened == given && p.read < given
	if p.epoch == nil || p.ended || !reading || p.headUS() > now+stallUS {
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

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
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

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
	Fence      uint64 // of the group's holder, for the chunks; 0: none
	ChunkMS    int
	AheadMS    int
	BufferMS   int   // source audio that must be there before T0 is fixed; 0: the first block
	LeadUS     int64 // from the moment audio is there to T0; also how early the last chunk goes out
	LiveLeadUS int64 // the same for a live source
	// LiveFloorUS is how long before its time the audio of a Capture must be made so that
	// every player can still get it; what is not there then is silence.
	LiveFloorUS int64
	First       Start
	Resume      *Resume // nil: a new epoch
	House       House
	Clock       clockwork.Clock
	Log         *slog.Logger
	Metrics     *Metrics // nil: not counted
	Open        func(ctx context.Context, uri string) (source.Source, error)
	Publish     func(ctx context.Context, renditionID string, data []byte) error
	Events      func(ctx context.Context, e Event) // called in order from Run's goroutine
	Processing  Processing
	Overlay     *Overlay // nil: no clip over the music
	Clip        bool     // it plays a clip without music
	Renditions  []rendition.Spec
	Visual      []Visual // tapes for visualizers
}

// Resume carries an epoch on that another instance began.
type Resume struct {
	Epoch *timeline.Epoch  // truncated to the item of First
	Seg   int              // where First.Frame is
	Frame int64            // source frame of that segment
	Next  map[string]int64 // by rendition id: the frame after its last chunk; of a visual tape µs
}

// Event is what a pipeline reports.
type Event interface{ event() }

// The events.
type (
	// Started: T0 is fixed; players can be told. Only for new epochs.
	// LeadUS is the lead that it has, Live that of a live source.
	Started struct {
		T0, LeadUS int64
		Live       bool
	}
	// Begun: an item's audio is there. It sounds at StartUS, from MediaMS on.
	Begun struct {
		Item     playback.Item // with the tags of the medium where it had none
		Info     source.Info
		StartUS  int64
		MediaMS  int64
		First    int                // number of Segments[0]
		Segments []timeline.Segment // a copy of the timeline, for the checkpoint
	}
	// Titled: a source that goes on says that another title sounds from AtUS on (internet
	// radio).
	Titled struct {
		ItemID, Title, Artist string
		AtUS                  int64
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
func (Titled) event()   {}
func (Failed) event()   {}
func (NeedNext) event() {}
func (Stalled) event()  {}
func (Drained) event()  {}

// Tuning. None of it is seen by a player that has its lead.
const (
	keepUS       = 3 * timeline.Micro // source audio kept behind now, for late renditions
	finishUS     = 1_500_000          // the end is made so long before the players need it
	lateUS       = 300_000            // a successor that is not open so long before the end comes after a gap
	letUS        = 500_000            // what is kept back for a crossfade goes out so long before the players need it
	hurryUS      = 400_000            // and nothing is kept back while the source is so near the clock
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
	specs   chan []rendition.Spec // one slot, the newest wins
	visuals chan []Visual         // likewise
	wake    chan struct{}         // one slot: look again
	leads   atomic.Pointer[leads] // asked for with SetLead; nil: nothing new
	handed  atomic.Int64          // successors given so far
	none    atomic.Bool           // the last NeedNext was answered: nothing follows for now
	proc    atomic.Pointer[Processing]
	reach   reach // for the metrics

	feed    *feed
	epoch   *timeline.Epoch
	store   *rendition.Store
	live    map[string]*rendition.Rendition
	past    map[string]int64 // next frame of renditions that are not wanted now
	started int64            // house time when the epoch's audio began to be made
	head    int64            // source frames of the open segment
	failed  map[string]bool  // renditions whose encoder cannot be made
	early   []any            // what the feed gave before T0 was fixed
	earlyMS int64            // how much audio that is
	isLive  bool             // what the feed gives now is a live source
	fade    int64            // frames of the next block that are still to be faded in
	opened  int64            // items that the feed has opened, or failed to
	read    int64            // items that it has read to their end
	ended   bool             // the epoch is closed
	drained bool             // and that was reported
	capture capturing

	analysis *analyser // nil: nobody looks
	retune   bool      // the visual tapes that are wanted have changed
	retuned  int64     // house time of the last new analysis
}

// New returns a pipeline that does nothing until Run.
func New(cfg Config) *Pipeline {
	p := &Pipeline{cfg: cfg, hand: make(chan playback.Item, 1), specs: make(chan []rendition.Spec, 1), wake: make(chan struct{}, 1),
		visuals: make(chan []Visual, 1), retune: true, live: map[string]*rendition.Rendition{}, past: map[string]int64{}, failed: map[string]bool{}}
	if r := cfg.Resume; r != nil {
		p.epoch, p.head, p.past, p.started = r.Epoch, r.Frame, r.Next, cfg.House.NowMicros()-rampUS
	}
	return p
}

// SetProcessing says what happens to the items that open from now on.
func (p *Pipeline) SetProcessing(x Processing) { p.proc.Store(&x) }

func (p *Pipeline) processing() Processing {
	if x := p.proc.Load(); x != nil {
		return *x
	}
	return p.cfg.Processing
}

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

// SetRenditions says which renditions are wanted from now on. It never blocks.
func (p *Pipeline) SetRenditions(f []rendition.Spec) {
	for {
		select {
		case p.specs <- f:
			return
		default:
		}
		select {
		case <-p.specs:
		default:
		}
	}
}

// Run works until ctx ends, or until the source stalls. It returns when its feed has
// ended, too.
func (p *Pipeline) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	f := newFeed(ctx, p)
	p.feed = f
	var wg sync.WaitGroup
	wg.Go(func() { f.run(ctx, p.cfg.First) })
	defer wg.Wait()
	defer cancel()
	if p.epoch != nil {
		p.store = rendition.NewStore(p.epoch)
	}
	p.want(p.cfg.Renditions)
	defer func() { p.cfg.Metrics.renditions(-len(p.live)) }()
	defer p.cfg.Metrics.follow(&p.reach, p.cfg.House)()
	defer p.loseAnalysis()
	for ctx.Err() == nil {
		p.followLead()
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
		p.bridge(now)
		p.finish(ctx, now)
		p.tuneAnalysis(now)
		p.measure(now)
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
	if due := p.bridge(now); due != 0 {
		d = min(d, time.Duration(due-now)*time.Microsecond)
	}
	timer := p.cfg.Clock.NewTimer(max(d, minWait))
	defer timer.Stop()
	select {
	case m := <-in:
		p.take(ctx, m)
	case want := <-p.specs:
		p.want(want)
	case v := <-p.visuals:
		p.cfg.Visual, p.retune = v, true
	case <-timer.Chan():
	case <-p.wake:
	case <-ctx.Done():
	}
}

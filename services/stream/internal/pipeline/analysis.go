package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/tutti-audio/tutti/audio/analysis"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/proto/tape"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// Tuning of the analysis.
const (
	// visualChunkUS is the length of a chunk of a visual tape, and liveVisualUS that of a
	// live source, where every millisecond counts. Chunk n begins n times that after T0.
	visualChunkUS = 100_000
	liveVisualUS  = 20_000
	// visualAheadUS is how far visual tapes run ahead of the clock: sessions send 1.5 s
	// ahead, and a spectrum that is asked for anew must not wait for long.
	visualAheadUS = 5 * timeline.Micro
	// lookAheadMS is how much audio after a beat is heard before it is decided. A live
	// source has none.
	lookAheadMS = 3000
	// visualUrgentUS before its time a chunk is made with what there is: a source that is
	// read as it plays has no look-ahead.
	visualUrgentUS = 800_000
	// visualYieldUS is how far the analysis stays behind the renditions: audio first.
	visualYieldUS = 2 * timeline.Micro
	// visualSkipUS is how far ahead of the clock an analysis goes on that has fallen
	// behind it.
	visualSkipUS = timeline.Micro / 2
	// historyUS is what a new analysis hears of the past, for the tempo.
	historyUS = 2_500_000
	// visualRestUS is the least time between two new analyses: each begins anew at the
	// present, and a display may change its mind often.
	visualRestUS = timeline.Micro
)

// Visual is a tape of analysis frames.
type Visual struct {
	ID       string
	Spectrum *analysis.Spectrum // nil: its periodic frames have none
}

// analyser makes the visual tapes of an epoch: one analysis, however many tapes and
// displays there are. It reads the store through a rendition of its own, which brings
// everything to one rate and joins segments.
type analyser struct {
	r       *rendition.Rendition
	a       *analysis.Analyser
	live    bool
	chunk   int64 // length of a chunk, µs
	look    int64 // look-ahead, µs
	tapes   []visualTape
	next    int64 // number of the next chunk
	begun   bool  // audio was heard
	ended   bool  // the epoch's last chunk is out
	data    []byte
	samples []int32
}

// visualTape is a tape and where it goes on.
type visualTape struct {
	Visual
	spectrum int    // index among the analysis' spectra, -1: none
	from     int64  // chunks before it are on the tape already
	data     []byte // of the chunk that is being made
}

// SetVisual says which visual tapes are wanted from now on. It never blocks.
func (p *Pipeline) SetVisual(v []Visual) {
	for {
		select {
		case p.visuals <- v:
			return
		default:
		}
		select {
		case <-p.visuals:
		default:
		}
	}
}

// tuneAnalysis brings the analysis in line with what is wanted.
func (p *Pipeline) tuneAnalysis(now int64) {
	an := p.analysis
	turned := an != nil && an.live != p.isLive
	if !p.retune && !turned || p.epoch == nil || p.epoch.Last() < p.epoch.First() {
		return
	}
	fresh := an == nil || turned || slices.ContainsFunc(p.cfg.Visual, func(v Visual) bool { return !an.has(v.ID) })
	switch {
	case len(p.cfg.Visual) == 0:
		p.loseAnalysis()
	case !fresh:
		p.rememberVisual()
		an.tapes = slices.DeleteFunc(an.tapes, func(t visualTape) bool {
			return !slices.ContainsFunc(p.cfg.Visual, func(v Visual) bool { return v.ID == t.ID })
		})
	case now < p.retuned+visualRestUS:
		return // later
	default:
		p.loseAnalysis()
		p.retuned = now
		p.beginAnalysis(now)
	}
	p.retune = false
}

func (an *analyser) has(id string) bool {
	return slices.ContainsFunc(an.tapes, func(t visualTape) bool { return t.ID == id })
}

// loseAnalysis forgets the analysis, but not how far its tapes are.
func (p *Pipeline) loseAnalysis() {
	if p.analysis == nil {
		return
	}
	p.rememberVisual()
	p.analysis = nil
	p.cfg.Metrics.analyse(-1)
}

func (p *Pipeline) rememberVisual() {
	for _, t := range p.analysis.tapes {
		p.past[t.ID] = max(t.from, p.analysis.next) * p.analysis.chunk
	}
}

// beginAnalysis begins one at the present, or where its tapes end.
func (p *Pipeline) beginAnalysis(now int64) {
	an := &analyser{next: -1, live: p.isLive, chunk: visualChunkUS, look: lookAheadMS * 1000}
	if an.live {
		an.chunk, an.look = liveVisualUS, 0
	}
	var spectra []analysis.Spectrum
	present := max(now-p.epoch.T0, 0) / an.chunk
	for _, v := range p.cfg.Visual {
		t := visualTape{Visual: v, spectrum: -1, from: max(present, (p.past[v.ID]+an.chunk-1)/an.chunk)}
		if v.Spectrum != nil {
			t.spectrum = len(spectra)
			spectra = append(spectra, *v.Spectrum)
		}
		an.tapes = append(an.tapes, t)
		if an.next < 0 || t.from < an.next {
			an.next = t.from
		}
	}
	rate := analysisRate(p.epoch.Segment(p.epoch.Last()).Format.SampleRate)
	f := pcm.Format{Codec: pcm.CodecPCM, SampleRate: rate, Channels: 2, BitDepth: 24}
	from := timeline.FrameAt(p.epoch.T0, p.epoch.T0+an.next*an.chunk-historyUS, rate)
	r, err := rendition.New(rendition.Spec{Format: f}, p.epoch, p.store, rate*int(an.chunk)/timeline.Micro, from)
	var a *analysis.Analyser
	if err == nil {
		a, err = analysis.New(analysis.Config{SampleRate: rate, Channels: 2, BitDepth: 24, LookAheadMS: int(an.look / 1000), Spectra: spectra})
	}
	if err != nil {
		p.cfg.Log.Error("audio cannot be analysed", "err", err)
		return
	}
	an.r, an.a = r, a
	p.analysis = an
	p.cfg.Metrics.analyse(1)
}

// analysisRate is the rate that the analysis works at: that of the source where it is a
// usual one, else the nearest of its family.
func analysisRate(source int) int {
	if source%11025 == 0 {
		return 44_100
	}
	return 48_000
}

// analysisDue reports whether the analysis may go on now, and analysisFirst whether it
// goes before the renditions that are due, which are sorted.
func (p *Pipeline) analysisDue(now, limit int64) bool {
	an := p.analysis
	return an != nil && !an.ended && (an.r.Done() || an.r.Time() < min(limit, now+visualAheadUS+an.look))
}

func (p *Pipeline) analysisFirst(due []*rendition.Rendition, now, limit int64) bool {
	return p.analysisDue(now, limit) && len(due) > 0 && p.analysis.r.Time()+visualYieldUS < due[0].Time()
}

// analyse hears as much as a chunk and publishes what that makes ready. It is false when
// it must wait.
func (p *Pipeline) analyse(ctx context.Context, now int64) bool {
	an := p.analysis
	if next := p.epoch.T0 + an.next*an.chunk; an.begun && next < now && an.r.Time() < now {
		// Too slow a machine: what would come out now is past. It hears on a little ahead.
		an.r.Jump(timeline.FrameAt(p.epoch.T0, now+visualSkipUS, an.r.Format.SampleRate))
		p.cfg.Log.Debug("the analysis is too slow: visual tapes have a hole")
	}
	data, c, st, err := an.r.Chunk(an.data[:0])
	an.data = data
	switch {
	case err == nil && st == rendition.Ready:
		err = p.hear(c, data)
	case err == nil && st == rendition.Lost:
		return p.skipAnalysis(now)
	}
	if err != nil {
		p.cfg.Log.Error("analysis failed: no visualizer frames", "err", err)
		p.loseAnalysis()
		return true
	}
	if an.r.Done() && !an.ended {
		an.a.Finish()
		an.ended = true
	}
	return p.publishVisual(ctx, now) || st == rendition.Ready
}

// hear gives the analysis one chunk.
func (p *Pipeline) hear(c tape.Chunk, data []byte) error {
	an := p.analysis
	parsed, err := tape.Parse(data)
	if err != nil {
		return errors.New("analysis: its own chunk is malformed") // cannot be
	}
	if an.samples, err = pcm.Unpack(an.samples[:0], parsed.Data, an.r.Format.BitDepth); err != nil {
		return err
	}
	if !an.begun || c.Flags&tape.FlagDiscontinuity != 0 {
		an.begun = true
		an.a.Reset(timeline.FrameAt(p.epoch.T0, c.TimestampUS, an.r.Format.SampleRate))
		an.next = max(an.next, (c.TimestampUS-p.epoch.T0)/an.chunk)
	}
	an.a.Write(an.samples)
	p.cfg.Metrics.analysed(int64(c.DurationUS))
	return nil
}

// skipAnalysis goes on with audio that is held: at the present, or where what is held
// begins. It is false when there is none yet.
func (p *Pipeline) skipAnalysis(now int64) bool {
	begins, ok := p.store.Begins()
	if !ok {
		return false
	}
	an := p.analysis
	before := an.r.Next()
	for _, us := range []int64{max(begins, now-historyUS), now} {
		if an.r.Jump(timeline.FrameAt(p.epoch.T0, us, an.r.Format.SampleRate)); an.r.Next() > before {
			return true
		}
	}
	return false
}

// publishVisual puts the chunks that are ready on the tapes.
func (p *Pipeline) publishVisual(ctx context.Context, now int64) (worked bool) {
	an := p.analysis
	for an.begun {
		begin, end := an.next*an.chunk, (an.next+1)*an.chunk
		last := an.ended && p.epoch.T0+end >= p.headUS()
		if last && p.epoch.T0+begin >= p.headUS() {
			break
		}
		if an.a.Ready() < end {
			if p.epoch.T0+begin > now+visualUrgentUS || an.a.Heard() < end {
				break
			}
			an.a.Decide(end)
		}
		an.collect(p.epoch, p.cfg.Fence, last)
		if p.epoch.T0+end > now {
			p.putVisual(ctx)
		}
		an.next++
		worked = true
	}
	return worked
}

// collect makes the next chunk of each tape.
func (an *analyser) collect(e *timeline.Epoch, fence uint64, last bool) {
	begin := an.next * an.chunk
	c := tape.Chunk{Epoch: e.ID, Fence: fence, TimestampUS: e.T0 + begin, DurationUS: uint32(an.chunk)}
	if last {
		c.Flags |= tape.FlagLast
	}
	for i := range an.tapes {
		an.tapes[i].data = tape.Append(make([]byte, 0, 1024), &c)
	}
	an.a.Events(begin+an.chunk, func(ev *analysis.Event) {
		if ev.US < begin {
			return // of a past that was heard for the tempo
		}
		for i := range an.tapes {
			an.tapes[i].add(ev, uint32(ev.US-begin))
		}
	})
}

// putVisual publishes the chunks that collect has made.
func (p *Pipeline) putVisual(ctx context.Context) {
	an := p.analysis
	for i := range an.tapes {
		if t := &an.tapes[i]; an.next >= t.from {
			p.publish(ctx, t.ID, t.data, p.epoch.T0+(an.next+1)*an.chunk)
		}
	}
}

// The messages that visualizers get (specification, Visualization Data). The body of a
// frame goes on the wire as it is.
const (
	codeLoudness = 16
	codeBeat     = 17
	codeFPeak    = 18
	codeSpectrum = 19
	codePeak     = 20
)

// add appends the frames of an event.
func (t *visualTape) add(ev *analysis.Event, offset uint32) {
	var body [4]byte
	frame := tape.VisualFrame{OffsetUS: offset}
	put := func(code uint8, b []byte) {
		frame.Code, frame.Body = code, b
		t.data = tape.AppendVisual(t.data, &frame)
	}
	switch ev.Kind {
	case analysis.Periodic:
		frame.Index = uint32(ev.Index)
		binary.BigEndian.PutUint16(body[:], ev.Loudness)
		put(codeLoudness, body[:2])
		binary.BigEndian.PutUint16(body[:], ev.Freq)
		binary.BigEndian.PutUint16(body[2:], ev.Amp)
		put(codeFPeak, body[:4])
		if t.spectrum >= 0 {
			put(codeSpectrum, ev.Bins[t.spectrum])
		}
	case analysis.Beat:
		if ev.Downbeat {
			body[0] = 1
		}
		put(codeBeat, body[:1])
	case analysis.Peak:
		body[0] = ev.Strength
		put(codePeak, body[:1])
	}
}

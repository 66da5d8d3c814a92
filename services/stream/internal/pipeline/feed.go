package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// Start is an item and where in its medium to begin: at Frame when Exact, else at MS.
type Start struct {
	Item  playback.Item
	MS    int64
	Frame int64
	Exact bool
}

// What the feed tells the pipeline, in order.
type (
	feedBegin struct {
		start Start
		info  source.Info
		media int64 // frame of the medium that comes first
		// What the blocks are in, which differs from the medium's where it is processed,
		// and the same frame there.
		format timeline.Format
		at     int64
		// capture is the first block of a source that is captured now, nil for others.
		capture *Captured
	}
	feedBlock struct {
		frames int64
		data   []byte // packed at the format's bit depth
	}
	feedFailed struct {
		item    playback.Item
		err     error
		partial bool
	}
	feedTitle struct {
		id, title, artist string
		backUS            int64 // so long before the end of the block before
	}
	feedEmpty struct{} // the item has been read; the feed waits for Hand
)

// blockMS is the length of a block. A tenth of a second keeps the bookkeeping small
// and lets the first chunk out as early as a chunk can be.
const blockMS = 100

// feed decodes one item after the other into out, until ctx ends. It is the only one
// who touches sources; a slow disk or network blocks nothing but it.
type feed struct {
	open   func(ctx context.Context, uri string) (source.Source, error)
	hand   <-chan playback.Item
	out    chan any
	desk   *desk
	resume timeline.Format // that Start.Frame is in when it is Exact

	// What the desk keeps back while the feed waits or opens: the end of an item, the rest
	// of a clip. flush lets it go; true: nothing follows, and the clip goes on to its end.
	tail, clip atomic.Bool
	flush      chan bool
	hurry      atomic.Bool // see desk
}

// newFeed returns p's feed. ctx is that of its life.
func newFeed(ctx context.Context, p *Pipeline) *feed {
	f := &feed{open: p.cfg.Open, hand: p.hand, out: make(chan any, 8), flush: make(chan bool, 1)}
	f.desk = &desk{proc: p.processing, emit: func(m any) error { return f.send(ctx, m) }, hurry: &f.hurry}
	if o := p.cfg.Overlay; o != nil {
		f.desk.over = &over{Overlay: *o}
	}
	if r := p.cfg.Resume; r != nil {
		if s := r.Epoch.Segment(r.Seg); s != nil {
			f.resume = s.Format
			if s.Format.BitDepth >= workDepth && s.Format.Channels == 2 {
				f.desk.fixed = s.Format
			}
		}
	}
	return f
}

func (f *feed) run(ctx context.Context, first Start) {
	for start := first; ; {
		if err := f.play(ctx, start); err != nil {
			return
		}
		it, err := f.next(ctx)
		if err != nil {
			return
		}
		start = Start{Item: it}
	}
}

// next asks for a successor and waits for it.
func (f *feed) next(ctx context.Context) (playback.Item, error) {
	f.hold()
	if err := f.send(ctx, feedEmpty{}); err != nil {
		return playback.Item{}, err
	}
	for {
		select {
		case it := <-f.hand:
			return it, nil
		case end := <-f.flush:
			if err := f.release(end); err != nil {
				return playback.Item{}, err
			}
		case <-ctx.Done():
			return playback.Item{}, ctx.Err()
		}
	}
}

// hold says what the desk keeps back, from now on.
func (f *feed) hold() {
	select {
	case <-f.flush: // of an item before
	default:
	}
	f.tail.Store(len(f.desk.held) > 0)
	f.clip.Store(f.desk.over.active())
}

// let asks for what the desk keeps back; end: nothing follows, so that a clip goes on to
// its end. It may be called from any goroutine, as often as one likes.
func (f *feed) let(end bool) {
	select {
	case f.flush <- end:
	default:
	}
}

// release lets what the desk keeps back go.
func (f *feed) release(end bool) error {
	err := f.desk.release(end)
	f.tail.Store(false)
	if end {
		f.clip.Store(false)
	}
	return err
}

// play reads one item to its end. Its only error is that of ctx.
func (f *feed) play(ctx context.Context, start Start) error {
	begun := false
	err := f.read(ctx, start, &begun)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && !begun {
		err = errors.New("it holds no audio from that position on")
	}
	if err != nil {
		return f.send(ctx, feedFailed{item: start.Item, err: err, partial: begun})
	}
	return nil
}

// medium is an opened item and its first block.
type medium struct {
	src   source.Source
	info  source.Info
	media int64 // frame of the first block
	buf   []int32
	n     int // frames in buf
	err   error
	read  int64 // frames before buf
}

// prepare opens an item, seeks, and reads its first block. A decoder that panics on a
// broken file is an error of that file alone. The caller closes src when it is not nil.
func (f *feed) prepare(ctx context.Context, start Start) (m medium) {
	defer func() {
		if p := recover(); p != nil {
			m.err = fmt.Errorf("the decoder gave up: %v", p)
		}
	}()
	if m.src, m.err = f.open(ctx, start.Item.URI); m.err != nil {
		m.src = nil
		return m
	}
	m.info = m.src.Info()
	if m.err = check(m.info); m.err != nil {
		return m
	}
	if _, ok := m.src.(Capture); ok {
		return m // it is not read, and has no place to seek to
	}
	if m.media, m.err = seek(m.src, m.info, start, f.resume); m.err != nil {
		return m
	}
	m.buf = make([]int32, max(m.info.SampleRate*blockMS/1000, 1)*m.info.Channels)
	m.n, m.err = m.src.Read(m.buf)
	return m
}

// ready is prepare, while what the desk keeps back goes out when its time comes.
func (f *feed) ready(ctx context.Context, start Start) medium {
	if !f.tail.Load() {
		return f.prepare(ctx, start)
	}
	done := make(chan medium, 1)
	go func() { done <- f.prepare(ctx, start) }() // ends with ctx at the latest, and is waited for
	for {
		select {
		case m := <-done:
			f.tail.Store(false)
			return m
		case end := <-f.flush:
			if err := f.release(end); err != nil {
				m := <-done
				m.err = err
				return m
			}
		}
	}
}

// read decodes one item.
func (f *feed) read(ctx context.Context, start Start, begun *bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder gave up: %v", p)
		}
	}()
	m := f.ready(ctx, start)
	if m.src != nil {
		defer m.src.Close() //nolint:errcheck // read only: nothing can be lost
	}
	if c, ok := m.src.(Capture); ok && m.err == nil {
		return f.capture(ctx, start, c, begun)
	}
	for ; ; m.n, m.err = m.src.Read(m.buf) {
		if m.n > 0 && !*begun { // an item without audio changes nothing
			*begun = true
			if err := f.desk.open(start, m.info, m.media); err != nil {
				return err
			}
		}
		if m.n > 0 {
			if err := f.desk.write(m.buf[:m.n*m.info.Channels]); err != nil {
				return err
			}
			if err := f.titles(ctx, start.Item.ID, &m); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(m.err, io.EOF) && *begun:
			return f.desk.end()
		case errors.Is(m.err, io.EOF):
			return nil
		case m.err != nil:
			return m.err
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// titles passes on what a source says of the block that has just gone. What goes on by
// itself has no end that the desk would keep back.
func (f *feed) titles(ctx context.Context, id string, m *medium) error {
	t, ok := m.src.(source.Titler)
	if !ok {
		return nil
	}
	for next, ok := t.NextTitle(); ok; next, ok = t.NextTitle() {
		back := int64(m.n) - min(max(next.Frame-m.read, 0), int64(m.n))
		t := feedTitle{id: id, title: next.Title, artist: next.Artist, backUS: timeline.Scale(back, timeline.Micro, int64(m.info.SampleRate))}
		if err := f.send(ctx, t); err != nil {
			return err
		}
	}
	m.read += int64(m.n)
	return nil
}

// seek goes to where start says. A medium that cannot seek plays from its beginning.
func seek(src source.Source, info source.Info, start Start, in timeline.Format) (frame int64, err error) {
	frame = start.Frame
	if start.Exact && in.SampleRate > 0 && in.SampleRate != info.SampleRate { // it was processed
		frame = timeline.Scale(frame, int64(info.SampleRate), int64(in.SampleRate))
	}
	if !start.Exact {
		frame = timeline.Scale(max(start.MS, 0), int64(info.SampleRate), 1000)
	}
	if frame == 0 || !info.Seekable {
		return 0, nil
	}
	if err := src.SeekFrame(frame); err != nil {
		return 0, fmt.Errorf("seek to %d ms: %w", frame*1000/int64(info.SampleRate), err)
	}
	return frame, nil
}

func check(i source.Info) error {
	f := pcm.Format{Codec: pcm.CodecPCM, SampleRate: i.SampleRate, Channels: i.Channels, BitDepth: i.BitDepth}
	if err := f.Validate(); err != nil {
		return fmt.Errorf("unsupported audio: %w", err)
	}
	return nil
}

func (f *feed) send(ctx context.Context, m any) error {
	select {
	case f.out <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

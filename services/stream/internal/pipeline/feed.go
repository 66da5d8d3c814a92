package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"

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
	}
	feedBlock struct {
		frames int64
		data   []byte // packed at the source's bit depth
	}
	feedFailed struct {
		item    playback.Item
		err     error
		partial bool
	}
	feedEmpty struct{} // the item has been read; the feed waits for Hand
)

// blockMS is the length of a block. A tenth of a second keeps the bookkeeping small
// and lets the first chunk out as early as a chunk can be.
const blockMS = 100

// feed decodes one item after the other into out, until ctx ends. It is the only one
// who touches sources; a slow disk or network blocks nothing but it.
type feed struct {
	open func(ctx context.Context, uri string) (source.Source, error)
	hand <-chan playback.Item
	out  chan any
}

func (f *feed) run(ctx context.Context, first Start) {
	for start := first; ; {
		if err := f.play(ctx, start); err != nil {
			return
		}
		if f.send(ctx, feedEmpty{}) != nil {
			return
		}
		select {
		case it := <-f.hand:
			start = Start{Item: it}
		case <-ctx.Done():
			return
		}
	}
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

// read opens, seeks and decodes. A decoder that panics on a broken file is an error of
// that file alone.
func (f *feed) read(ctx context.Context, start Start, begun *bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder gave up: %v", p)
		}
	}()
	src, err := f.open(ctx, start.Item.URI)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // read only: nothing can be lost
	info := src.Info()
	if err := check(info); err != nil {
		return err
	}
	media, err := seek(src, info, start)
	if err != nil {
		return err
	}
	buf := make([]int32, max(info.SampleRate*blockMS/1000, 1)*info.Channels)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if !*begun {
				*begun = true
				if err := f.send(ctx, feedBegin{start: start, info: info, media: media}); err != nil {
					return err
				}
			}
			data := pcm.Pack(nil, buf[:n*info.Channels], info.BitDepth)
			if err := f.send(ctx, feedBlock{frames: int64(n), data: data}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// seek goes to where start says. A medium that cannot seek plays from its beginning.
func seek(src source.Source, info source.Info, start Start) (frame int64, err error) {
	frame = start.Frame
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

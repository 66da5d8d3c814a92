package linein

import (
	"context"
	"errors"
	"sync"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
)

// feedDepth is how many blocks may wait for a group: more than a second of short ones. A
// group that takes none loses the newest; their place is kept.
const feedDepth = 64

// OutDepth is the bit depth of every feed: resampled audio needs more than its source.
const OutDepth = 24

// format is what a feed gives out, fixed when the source is first heard.
type format struct{ rate, channels int }

// block is audio on its way to a group.
type block struct{ pipeline.Captured }

// Feed is a source as one group hears it. It implements pipeline.Capture.
type Feed struct {
	name   string
	is     format
	blocks chan block
	failed chan error // one
	format chan format
	close  func()
	once   sync.Once
}

var _ pipeline.Capture = (*Feed)(nil)

// Info implements source.Source.
func (f *Feed) Info() source.Info {
	return source.Info{SampleRate: f.is.rate, Channels: f.is.channels, BitDepth: OutDepth, Live: true, Codec: "source", Tags: source.Tags{Title: f.name}}
}

// Next implements pipeline.Capture. Its error says why the source is heard no more.
func (f *Feed) Next(ctx context.Context) (pipeline.Captured, error) {
	select {
	case b := <-f.blocks:
		return b.Captured, nil
	default:
	}
	select {
	case b := <-f.blocks:
		return b.Captured, nil
	case err := <-f.failed:
		return pipeline.Captured{}, err
	case <-ctx.Done():
		return pipeline.Captured{}, ctx.Err()
	}
}

var errLive = errors.New("linein: a source is captured now and cannot be read like a file")

// Read implements source.Source; it always fails.
func (f *Feed) Read([]int32) (int, error) { return 0, errLive }

// SeekFrame implements source.Source; it always fails.
func (f *Feed) SeekFrame(int64) error { return errLive }

// Close ends the group's use of the source.
func (f *Feed) Close() error {
	f.once.Do(f.close)
	return nil
}

package encode

import (
	"fmt"

	"github.com/tutti-audio/tutti/audio/internal/flacenc"
	"github.com/tutti-audio/tutti/audio/pcm"
)

type flacEncoder struct {
	enc      *flacenc.Encoder
	header   []byte
	channels int
	frames   int // of a chunk
	block    int // of a FLAC frame: frames, or an equal share of it
}

func newFLAC(f pcm.Format, chunkFrames int) (Encoder, error) {
	block := blockSize(f.SampleRate, chunkFrames)
	enc, err := flacenc.New(f.SampleRate, f.Channels, f.BitDepth, block)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return &flacEncoder{
		enc: enc, header: enc.StreamInfo(flacenc.Info{Last: true}),
		channels: f.Channels, frames: chunkFrames, block: block,
	}, nil
}

// blockSize divides a chunk into the fewest equal FLAC frames that FLAC's streamable
// subset allows (RFC 9639 section 7: 4608 samples up to 48 kHz, else 16384), because
// small devices allocate for that. A chunk without such a divisor stays whole.
func blockSize(rate, chunkFrames int) int {
	limit := 16384
	if rate <= 48000 {
		limit = 4608
	}
	for n := 1; n <= 8; n++ {
		if chunkFrames%n == 0 && chunkFrames/n <= limit {
			return chunkFrames / n
		}
	}
	return chunkFrames
}

func (e *flacEncoder) Header() []byte   { return e.header }
func (e *flacEncoder) ChunkFrames() int { return e.frames }
func (e *flacEncoder) Delay() int       { return 0 }
func (e *flacEncoder) Reset()           { e.enc.Reset() }

func (e *flacEncoder) Encode(dst []byte, samples []int32) ([]byte, error) {
	if err := checkFrames(samples, e.channels, e.frames); err != nil {
		return dst, err
	}
	start := len(dst)
	for len(samples) > 0 {
		n := min(len(samples), e.block*e.channels)
		var err error
		if dst, err = e.enc.Encode(dst, samples[:n]); err != nil {
			return dst[:start], fmt.Errorf("encode: %w", err)
		}
		samples = samples[n:]
	}
	return dst, nil
}

// Package convert brings PCM from a source's format to a rendition's: channels, rate
// and bit depth, each only where they differ. Equal formats pass bit-exact, and so does
// a change to more bits or from mono (exact, too).
//
// Between the steps samples have 24 bits (32 if either side has), so that rounding in
// the resampler stays far below what 16 bits can hold; only the last step, down to the
// rendition's depth, dithers.
package convert

import (
	"fmt"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/resample"
)

// Converter converts one stream. Not safe for concurrent use.
type Converter struct {
	in, out  pcm.Format
	up, down *pcm.Depth
	rate     *resample.Resampler
	mapped   []int32
}

// New returns a converter from a source's format to a rendition's; the Codec of both is
// ignored. It fails when a format is out of bounds, or there is no mapping between the
// channel counts (see pcm.MapChannels).
func New(in, out pcm.Format) (*Converter, error) {
	in.Codec, out.Codec = pcm.CodecPCM, pcm.CodecPCM
	for _, f := range []pcm.Format{in, out} {
		if err := f.Validate(); err != nil {
			return nil, fmt.Errorf("convert: %w", err)
		}
	}
	if !pcm.CanMap(in.Channels, out.Channels) {
		return nil, fmt.Errorf("convert: no mapping from %d to %d channels", in.Channels, out.Channels)
	}
	work := max(in.BitDepth, out.BitDepth)
	if in.SampleRate != out.SampleRate || in.Channels > out.Channels {
		work = max(work, 24) // there will be rounding
	}
	rate, err := resample.New(in.SampleRate, out.SampleRate, min(in.Channels, out.Channels), work)
	if err != nil {
		return nil, err
	}
	return &Converter{
		in: in, out: out, rate: rate,
		up: pcm.NewDepth(in.BitDepth, work, pcm.Dither), down: pcm.NewDepth(work, out.BitDepth, pcm.Dither),
	}, nil
}

// OutputFrames is the number of output frames that inFrames input frames give in all.
// Output frame k lies at input time k*in/out.
func (c *Converter) OutputFrames(inFrames int64) int64 {
	return resample.OutputFrames(inFrames, c.in.SampleRate, c.out.SampleRate)
}

// Process appends to dst the output that is known after samples (whole interleaved
// frames of the input format), which it does not keep or change. Until Flush the
// resampler holds back what its filter still needs input for (under 4 ms at 44.1 kHz).
func (c *Converter) Process(dst, samples []int32) []int32 {
	c.mapped = c.mapped[:0]
	if c.in.Channels > c.out.Channels {
		c.mapped = c.channels(c.mapped, samples)
	} else {
		c.mapped = append(c.mapped, samples...)
	}
	c.up.Convert(c.mapped)
	return c.finish(dst, func(d []int32) []int32 { return c.rate.Process(d, c.mapped) })
}

// Flush appends the rest, as if silence followed, and resets.
func (c *Converter) Flush(dst []int32) []int32 {
	return c.finish(dst, c.rate.Flush)
}

// Reset forgets all input, for a seek.
func (c *Converter) Reset() { c.rate.Reset() }

// finish takes what the resampler gives to the output's channels and depth.
func (c *Converter) finish(dst []int32, produce func([]int32) []int32) []int32 {
	start := len(dst)
	if c.in.Channels < c.out.Channels {
		c.mapped = produce(c.mapped[len(c.mapped):])
		dst = c.channels(dst, c.mapped)
	} else {
		dst = produce(dst)
	}
	c.down.Convert(dst[start:])
	return dst
}

func (c *Converter) channels(dst, samples []int32) []int32 {
	out, err := pcm.MapChannels(dst, samples, c.in.Channels, c.out.Channels)
	if err != nil { // New has asked CanMap
		panic(err)
	}
	return out
}

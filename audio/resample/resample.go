// Package resample converts sample rates with a rational polyphase windowed sinc.
package resample

import "errors"

// Resampler converts one stream. Not safe for concurrent use.
type Resampler struct{}

// New returns a resampler for interleaved samples of the given bit depth.
func New(inRate, outRate, channels, bitDepth int) (*Resampler, error) {
	return nil, errors.New("resample: not built yet")
}

// Process appends to dst what can be computed after in (whole frames).
func (r *Resampler) Process(dst, in []int32) []int32 { return dst }

// Flush appends the rest of the output, as if silence followed, and resets.
func (r *Resampler) Flush(dst []int32) []int32 { return dst }

// Reset forgets all input: the next input sample is aligned to the next output sample.
func (r *Resampler) Reset() {}

// OutputFrames is the number of output frames that inFrames input frames give in all.
func OutputFrames(inFrames int64, inRate, outRate int) int64 { return 0 }

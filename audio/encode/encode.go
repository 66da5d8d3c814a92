// Package encode turns PCM into Sendspin audio chunks: whole codec units of `pcm`, `flac`
// or, where it is built in, `opus` (specification, Player messages, "Codec framing").
package encode

import (
	"errors"
	"fmt"

	"github.com/tutti-audio/tutti/audio/pcm"
)

// Encoder encodes one rendition. Not safe for concurrent use.
type Encoder interface {
	// Header is the codec_header of stream/start, before Base64: `fLaC` and
	// STREAMINFO for flac, nil for pcm. It is the same for the encoder's whole life.
	Header() []byte
	// Encode appends one chunk to dst and returns the extended slice: samples holds
	// 1..ChunkFrames whole interleaved frames, within the format's bit depth; for opus
	// exactly ChunkFrames, of 24 bits. A chunk shorter than ChunkFrames should be the
	// stream's last (or before a Reset). On an
	// error dst is unchanged and the encoder is still usable.
	Encode(dst []byte, samples []int32) ([]byte, error)
	// ChunkFrames is the number of frames of a full chunk.
	ChunkFrames() int
	// Delay is how many frames later a decoder gives out what Encode was given: 0 but for
	// codecs that look ahead.
	Delay() int
	// Reset starts a new stream in the same format (frame numbers from 0).
	Reset()
}

// ErrOpus is why New refuses opus in a build without it. The specification leaves it
// optional for servers; every player offers flac or pcm as well.
var ErrOpus = errors.New("this build has no opus encoder: choose flac or pcm")

// MaxChunkUS is the longest chunk that the specification allows, in microseconds
// (Server Audio Send Constraints). Shorter than 15 ms is discouraged there.
const MaxChunkUS = 150_000

// New returns an encoder for format f with chunks of chunkFrames frames, at most
// MaxChunkUS long.
func New(f pcm.Format, chunkFrames int) (Encoder, error) {
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if chunkFrames < 1 || f.DurationUS(int64(chunkFrames)) > MaxChunkUS {
		return nil, fmt.Errorf("encode: a chunk of %d frames at %d Hz is not within 0..150 ms", chunkFrames, f.SampleRate)
	}
	switch f.Codec {
	case pcm.CodecPCM:
		return &pcmEncoder{format: f, frames: chunkFrames}, nil
	case pcm.CodecFLAC:
		return newFLAC(f, chunkFrames)
	}
	return newOpus(f, chunkFrames)
}

// ChunkFrames is a good chunk size near targetMS milliseconds at rate Hz: a multiple
// of 64 frames, so that FLAC can divide its residuals finely (chunks of 4,416 frames,
// 100.1 ms, took 1.8 % less than chunks of 4,410 on synthesised music), and within the
// specification's bounds.
func ChunkFrames(rate, targetMS int) int {
	frames := (rate*targetMS/1000 + 32) / 64 * 64
	for frames*1000 > 150*rate {
		frames -= 64
	}
	return max(frames, 64)
}

type pcmEncoder struct {
	format pcm.Format
	frames int
}

func (e *pcmEncoder) Header() []byte   { return nil }
func (e *pcmEncoder) ChunkFrames() int { return e.frames }
func (e *pcmEncoder) Delay() int       { return 0 }
func (e *pcmEncoder) Reset()           {}

func (e *pcmEncoder) Encode(dst []byte, samples []int32) ([]byte, error) {
	if err := checkFrames(samples, e.format.Channels, e.frames); err != nil {
		return dst, err
	}
	return pcm.Pack(dst, samples, e.format.BitDepth), nil
}

func checkFrames(samples []int32, channels, most int) error {
	if n := len(samples) / channels; n < 1 || n > most || n*channels != len(samples) {
		return fmt.Errorf("encode: %d samples are not 1..%d whole frames of %d channels", len(samples), most, channels)
	}
	return nil
}

// Codecs lists what New can encode, in a fixed order: "pcm" and "flac", and "opus"
// where the build has it (build tag opus).
func Codecs() []string {
	out := []string{pcm.CodecPCM, pcm.CodecFLAC}
	if opusBuilt {
		out = append(out, pcm.CodecOpus)
	}
	return out
}

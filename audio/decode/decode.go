// Package decode turns Sendspin audio chunks back into PCM, on a player. It expects
// hostile input: sizes are bounded before memory is used, and a chunk that does not
// decode is an error, never a panic.
package decode

import (
	"errors"
	"fmt"

	"github.com/tutti-audio/tutti/audio/pcm"
)

// Decoder decodes the chunks of one stream. Not safe for concurrent use.
type Decoder interface {
	// Decode appends the interleaved samples of one chunk to dst. On an error dst is
	// returned as it was, and the next chunk can be tried.
	Decode(dst []int32, chunk []byte) ([]int32, error)
}

// ErrOpus is why New refuses opus in a build without it.
var ErrOpus = errors.New("this build has no opus decoder: offer flac or pcm")

// maxChunkMS bounds what one chunk may decode to. The specification's bound is 150 ms;
// the slack is for servers that round.
const maxChunkMS = 500

// New returns a decoder for format f. header is the codec_header of stream/start after
// Base64: required and checked against f for flac, ignored for pcm.
func New(f pcm.Format, header []byte) (Decoder, error) {
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	limit := f.SampleRate * maxChunkMS / 1000
	switch f.Codec {
	case pcm.CodecPCM:
		return &pcmDecoder{format: f, limit: limit}, nil
	case pcm.CodecFLAC:
		return newFLAC(f, header, limit)
	}
	return newOpus(f)
}

// Depth is the bit depth of the samples that a decoder of f gives: f's own, and for opus,
// where that has no meaning, 24 if f says so and else 16.
func Depth(f pcm.Format) int {
	if f.Codec == pcm.CodecOpus && f.BitDepth != 24 {
		return 16
	}
	return f.BitDepth
}

type pcmDecoder struct {
	format pcm.Format
	limit  int
}

func (d *pcmDecoder) Decode(dst []int32, chunk []byte) ([]int32, error) {
	size := d.format.BytesPerFrame()
	if len(chunk) == 0 || len(chunk)%size != 0 {
		return dst, fmt.Errorf("decode: a pcm chunk of %d bytes is not a whole number of %d-byte frames", len(chunk), size)
	}
	if len(chunk)/size > d.limit {
		return dst, fmt.Errorf("decode: a pcm chunk of %d frames is longer than %d ms", len(chunk)/size, maxChunkMS)
	}
	return pcm.Unpack(dst, chunk, d.format.BitDepth)
}

// Codecs lists what New can decode, in a fixed order: "pcm" and "flac", and "opus"
// where the build has it (build tag opus).
func Codecs() []string {
	out := []string{pcm.CodecPCM, pcm.CodecFLAC}
	if opusBuilt {
		out = append(out, pcm.CodecOpus)
	}
	return out
}

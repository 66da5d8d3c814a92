// Package encode turns PCM into Sendspin audio chunks: whole codec units of `pcm` or
// `flac` (specification, Player messages, "Codec framing").
package encode

import (
	"errors"

	"github.com/tutti-audio/tutti/audio/pcm"
)

// Encoder encodes one rendition. Not safe for concurrent use.
type Encoder interface {
	// Header is the codec_header of stream/start, before Base64: `fLaC` and
	// STREAMINFO for flac, nil for pcm.
	Header() []byte
	// Encode appends one chunk to dst: samples is 1..ChunkFrames whole frames. A
	// chunk shorter than ChunkFrames should be the stream's last.
	Encode(dst []byte, samples []int32) ([]byte, error)
	// ChunkFrames is the number of frames of a full chunk.
	ChunkFrames() int
	// Reset starts a new stream in the same format (frame numbers from 0).
	Reset()
}

// New returns an encoder for format f with chunks of chunkFrames frames.
func New(f pcm.Format, chunkFrames int) (Encoder, error) {
	return nil, errors.New("encode: not built yet")
}

// Package decode turns Sendspin audio chunks back into PCM, on a player.
package decode

import (
	"errors"

	"github.com/tutti-audio/tutti/audio/pcm"
)

// Decoder decodes the chunks of one stream. Not safe for concurrent use.
type Decoder interface {
	// Decode appends the samples of one chunk to dst.
	Decode(dst []int32, chunk []byte) ([]int32, error)
}

// New returns a decoder for format f; header is the decoded codec_header.
func New(f pcm.Format, header []byte) (Decoder, error) {
	return nil, errors.New("decode: not built yet")
}

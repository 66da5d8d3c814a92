//go:build !opus || !cgo

package decode

import (
	"fmt"

	"github.com/tutti-audio/tutti/audio/pcm"
)

// opusBuilt: this build has an Opus decoder.
const opusBuilt = false

func newOpus(pcm.Format) (Decoder, error) { return nil, fmt.Errorf("decode: %w", ErrOpus) }

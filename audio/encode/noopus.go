//go:build !opus || !cgo

package encode

import (
	"fmt"

	"github.com/tutti-audio/tutti/audio/pcm"
)

// opusBuilt: this build has an Opus encoder.
const opusBuilt = false

func newOpus(pcm.Format, int) (Encoder, error) { return nil, fmt.Errorf("encode: %w", ErrOpus) }

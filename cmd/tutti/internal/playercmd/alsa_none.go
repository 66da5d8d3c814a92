//go:build !alsa || !linux

package playercmd

import (
	"errors"

	"github.com/tutti-audio/tutti/cmd/tutti/internal/playercmd/deck"
)

// newALSA says what this build lacks.
func newALSA(string, func() int64, func(int64) (int64, bool)) (deck.Output, error) {
	return nil, errors.New("this build has no sound card output: build on Linux with -tags alsa (needs libasound2-dev), or use --output wav:FILE")
}

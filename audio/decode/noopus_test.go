//go:build !opus || !cgo

package decode_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/pcm"
)

func TestABuildWithoutOpusSaysSo(t *testing.T) {
	if got := decode.Codecs(); !slices.Equal(got, []string{"pcm", "flac"}) {
		t.Errorf("Codecs: %v", got)
	}
	if _, err := decode.New(pcm.Format{Codec: "opus", SampleRate: 48000, Channels: 2}, nil); !errors.Is(err, decode.ErrOpus) {
		t.Errorf("opus: %v", err)
	}
}

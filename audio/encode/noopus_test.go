//go:build !opus || !cgo

package encode_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/audio/encode"
	"github.com/tutti-audio/tutti/audio/pcm"
)

func TestABuildWithoutOpusSaysSo(t *testing.T) {
	if got := encode.Codecs(); !slices.Equal(got, []string{"pcm", "flac"}) {
		t.Errorf("Codecs: %v", got)
	}
	if _, err := encode.New(pcm.Format{Codec: "opus", SampleRate: 48000, Channels: 2}, 960); !errors.Is(err, encode.ErrOpus) {
		t.Errorf("opus: %v", err)
	}
}

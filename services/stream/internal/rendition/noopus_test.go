//go:build !opus || !cgo

package rendition

import (
	"testing"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// TestOpusIsPassedOver: a build without an encoder serves a player that prefers opus with
// what comes next in its list.
func TestOpusIsPassedOver(t *testing.T) {
	opus := &tuttiv1.AudioFormat{Codec: "opus", SampleRate: 48000, BitDepth: 16, Channels: 2}
	flac := &tuttiv1.AudioFormat{Codec: "flac", SampleRate: 48000, BitDepth: 16, Channels: 2}
	for _, preferred := range []*tuttiv1.AudioFormat{nil, opus} {
		if got, ok := Choose([]*tuttiv1.AudioFormat{opus, flac}, preferred); !ok || got.Codec != "flac" {
			t.Errorf("preference %v: %v, %v", preferred, got, ok)
		}
	}
}

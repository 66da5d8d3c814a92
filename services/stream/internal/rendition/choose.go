// Package rendition turns source PCM into the chunks of one format on one timeline.
package rendition

import (
	"fmt"

	"github.com/tutti-audio/tutti/audio/pcm"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// Choose picks the format for a player (specification, player@v1 support object): the
// one its state prefers when that can be produced, else the first of its supported
// formats, in its order of priority, that can. It does not reorder them to match the
// medium's own rate, which the specification permits: a player's order says what it
// plays best, and a fixed answer lets players keep one stream over a whole queue. It is
// false when nothing can be produced.
func Choose(supported []*tuttiv1.AudioFormat, preferred *tuttiv1.AudioFormat) (pcm.Format, bool) {
	if preferred != nil {
		for _, s := range supported { // a preference that is not listed is not one
			if f := format(s); f == format(preferred) && Producible(f) {
				return f, true
			}
		}
	}
	for _, s := range supported {
		if f := format(s); Producible(f) {
			return f, true
		}
	}
	return pcm.Format{}, false
}

func format(f *tuttiv1.AudioFormat) pcm.Format {
	return pcm.Format{Codec: f.GetCodec(), SampleRate: int(f.GetSampleRate()), Channels: int(f.GetChannels()), BitDepth: int(f.GetBitDepth())}
}

// Producible reports whether f can be made from any source that can be opened: pcm or
// flac, 16 or 24 bits, mono or stereo (every channel layout folds to those), at a rate
// package pcm knows.
func Producible(f pcm.Format) bool {
	return (f.Codec == pcm.CodecPCM || f.Codec == pcm.CodecFLAC) && (f.BitDepth == 16 || f.BitDepth == 24) &&
		(f.Channels == 1 || f.Channels == 2) && f.Validate() == nil
}

// ID names the rendition of a group in format f; it is a token of the tape's subject.
func ID(f pcm.Format) string {
	return fmt.Sprintf("%s-%d-%d-%d", f.Codec, f.SampleRate, f.Channels, f.BitDepth)
}

// Proto is f on the bus.
func Proto(f pcm.Format) *tuttiv1.AudioFormat {
	return &tuttiv1.AudioFormat{Codec: f.Codec, SampleRate: int32(f.SampleRate), Channels: int32(f.Channels), BitDepth: int32(f.BitDepth)}
}

// FromProto is Proto's inverse.
func FromProto(f *tuttiv1.AudioFormat) pcm.Format { return format(f) }

// ChunkFrames is the number of frames of a full chunk of ms milliseconds, rounded down.
func ChunkFrames(f pcm.Format, ms int) int { return f.SampleRate * ms / 1000 }

// Package rendition turns source PCM into the chunks of one format on one timeline.
package rendition

import (
	"slices"

	"github.com/tutti-audio/tutti/audio/encode"
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
			if f := format(s); same(f, format(preferred)) && Producible(f) {
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

// same is equality, apart from the depth of opus, which has no meaning.
func same(a, b pcm.Format) bool {
	if a.Codec == pcm.CodecOpus {
		a.BitDepth, b.BitDepth = 0, 0
	}
	return a == b
}

// Lists reports whether a player's supported formats hold a preference.
func Lists(supported []*tuttiv1.AudioFormat, preferred *tuttiv1.AudioFormat) bool {
	return slices.ContainsFunc(supported, func(s *tuttiv1.AudioFormat) bool { return same(format(s), format(preferred)) })
}

func format(f *tuttiv1.AudioFormat) pcm.Format {
	return pcm.Format{Codec: f.GetCodec(), SampleRate: int(f.GetSampleRate()), Channels: int(f.GetChannels()), BitDepth: int(f.GetBitDepth())}
}

// Producible reports whether f can be made from any source that can be opened: a codec
// of this build, mono or stereo (every channel layout folds to those), 16 or 24 bits at
// a rate package pcm knows, and for opus one of its own rates.
func Producible(f pcm.Format) bool {
	if !slices.Contains(encode.Codecs(), f.Codec) || f.Channels != 1 && f.Channels != 2 || f.Validate() != nil {
		return false
	}
	if f.Codec == pcm.CodecOpus {
		return slices.Contains(opusRates, f.SampleRate)
	}
	return f.BitDepth == 16 || f.BitDepth == 24
}

// opusRates are the sample rates of Opus (RFC 6716, section 2).
var opusRates = []int{8000, 12000, 16000, 24000, 48000}

// Proto is f on the bus.
func Proto(f pcm.Format) *tuttiv1.AudioFormat {
	return &tuttiv1.AudioFormat{Codec: f.Codec, SampleRate: int32(f.SampleRate), Channels: int32(f.Channels), BitDepth: int32(f.BitDepth)}
}

// FromProto is Proto's inverse.
func FromProto(f *tuttiv1.AudioFormat) pcm.Format { return format(f) }

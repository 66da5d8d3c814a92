package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParseAudioFormat reads the form of [AudioFormat.String], codec:rate:depth:channels,
// such as "flac:48000:24:2".
func ParseAudioFormat(s string) (AudioFormat, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 4 {
		return AudioFormat{}, fmt.Errorf("wire: format %q: want codec:rate:depth:channels, such as flac:48000:24:2", s)
	}
	f := AudioFormat{Codec: parts[0]}
	switch f.Codec {
	case CodecFLAC, CodecOpus, CodecPCM:
	default:
		return AudioFormat{}, fmt.Errorf("wire: format %q: codec must be flac, pcm or opus", s)
	}
	for i, p := range []*int{&f.SampleRate, &f.BitDepth, &f.Channels} {
		v, err := strconv.Atoi(parts[i+1])
		if err != nil || v < 1 {
			return AudioFormat{}, fmt.Errorf("wire: format %q: %q is not a positive number", s, parts[i+1])
		}
		*p = v
	}
	return f, nil
}

// Preferred returns the format that the section "client/hello player@v1 support
// object" makes the server select: the state's preference when it is one that
// the client listed and canProduce accepts, else the first listed one that canProduce
// accepts. ok is false when there is none. state may be nil.
func (s *PlayerSupport) Preferred(state *PlayerState, canProduce func(AudioFormat) bool) (f AudioFormat, ok bool) {
	if state != nil && state.Format != nil && s.Lists(*state.Format) && canProduce(*state.Format) {
		return *state.Format, true
	}
	i := slices.IndexFunc(s.Formats, canProduce)
	if i < 0 {
		return AudioFormat{}, false
	}
	return s.Formats[i], true
}

// Lists reports whether a format is among the supported ones.
func (s *PlayerSupport) Lists(f AudioFormat) bool {
	return slices.ContainsFunc(s.Formats, f.Same)
}

// String writes the format as codec:rate:depth:channels, the form of the command
// line, such as "flac:48000:24:2".
func (f AudioFormat) String() string {
	return fmt.Sprintf("%s:%d:%d:%d", f.Codec, f.SampleRate, f.BitDepth, f.Channels)
}
